"""What every method of learning is given and gives back.

Dimensions: B images, H x W their size, P predictions (color, depth, both), K classes, h x w a
quarter of the size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from m3l_core.errors import TrainingError

if TYPE_CHECKING:
    from m3l_core.network import LinearFusion

T = TypeVar('T')


class Images(NamedTuple):
    """B normalized pairs: `rgb` and `depth` `(B, 3, H, W)`, `labels` `(B, H, W)` uint8.

    Labels of unlabeled images are 0, those of padding and of void 255.
    """

    rgb: Tensor
    depth: Tensor
    labels: Tensor


class StepImages(NamedTuple):
    """The images of one step; see `m3l_core.data.batches.Batch`."""

    labeled: Images
    unlabeled: Images | None = None
    strong: Images | None = None


@dataclass(frozen=True)
class Networks:
    """The networks of a run.

    Attributes:
        student: Is trained.
        teacher: The running average of the student; is scored.
        peer: A second one that is trained, for methods that want two.
    """

    student: LinearFusion
    teacher: LinearFusion
    peer: LinearFusion | None = None


@dataclass(frozen=True)
class Setting:
    """What else a step depends on.

    Attributes:
        class_weights: `(K,)`, how much a labeled pixel of each class counts.
        masking: Draws which modalities an image loses.
        strength: How much unlabeled images count, in [0, 1].
    """

    class_weights: Tensor
    masking: torch.Generator
    strength: float = 1.0


class Method(Protocol):
    """One way to learn from a batch."""

    @property
    def unlabeled(self) -> bool:
        """Whether it looks at unlabeled images."""

    @property
    def pairs_of_views(self) -> bool:
        """Whether it wants them weakly and strongly changed."""

    @property
    def two_networks(self) -> bool:
        """Whether it trains a second network."""

    @property
    def cost(self) -> float:
        """Pairs trained on for each labeled image of a step; a forward alone is a quarter."""

    def loss(self, networks: Networks, images: StepImages, setting: Setting) -> Tensor:
        """Return the loss of a step, a scalar with gradients for all that is trained."""
        ...


def predictions(network: LinearFusion, images: Images, present: Tensor | None = None) -> Tensor:
    """Return the logits of the streams and of their ensemble, which trains too, `(P, B, K, h, w)`.

    Args:
        network: What predicts.
        images: What it looks at.
        present: `(B, 2)` bool, which modalities are there; None = both.
    """
    streams = network.stream_logits(images.rgb, images.depth, present)
    return torch.cat([streams, network.ensemble(streams)[None]])


def together(*parts: Images) -> Images:
    """Return the images of all parts, one after the other."""
    return Images(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


def required(given: T | None) -> T:
    """Return what a method asked for.

    Raises:
        TrainingError: If a step comes without it.
    """
    if given is None:
        raise TrainingError('step: unlabeled images or a second network are missing.')
    return given
