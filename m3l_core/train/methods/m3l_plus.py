"""M3L with what it lacks: a steady teacher, doubt, harder views, balance, both modalities missed.

Dimensions: n labeled images, n unlabeled ones, H x W their size, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from m3l_core.errors import ConfigError
from m3l_core.train.methods.method import Images, predictions, required, together
from m3l_core.train.methods.mixing import mixed, random_rectangles
from m3l_core.train.methods.pseudo_labels import surest_of_each_class
from m3l_core.train.objective import (
    at_half_size,
    draw_present,
    supervised_loss,
    trusted_loss,
    upsampled,
)

if TYPE_CHECKING:
    from torch import Tensor

    from m3l_core.network import LinearFusion
    from m3l_core.train.methods.method import Networks, Setting, StepImages

_SUREST = 0.33
"""Share of the pixels of a class that `balanced` trusts."""


@dataclass(frozen=True, kw_only=True)
class M3LPlus:
    """A student that misses modalities and sees harder views learns from a complete, calm teacher.

    Each switch turned off takes that much back toward M3L. Labels, seen whole and with modalities
    dropped, give the loss of `Supervised`.

    Attributes:
        steady_teacher: The teacher does not drop out.
        doubt: Only labels with a probability of at least `sure` teach, and padding never does.
        strong_views: The teacher sees an image as it is; the student sees it in other light, by
            another depth sensor, and with a rectangle of another image (CutMix), as in
            UniMatch V2 (Yang, Zhao, Zhao, 2024).
        both_missing: The student sees each unlabeled image twice, once without color and once
            without depth, rather than once with color, depth or nothing missing.
        balanced: Classes count as in the loss of labels, rare ones more than frequent ones; and
            the surest third of what the teacher takes for a class teaches, even if less sure than
            `sure`, as in CBST (Zou et al., ECCV 2018).
        sure: Probability.
    """

    steady_teacher: bool = True
    doubt: bool = True
    strong_views: bool = True
    both_missing: bool = True
    balanced: bool = True
    sure: float = 0.7
    unlabeled = True
    two_networks = False

    def __post_init__(self) -> None:
        if not 0 <= self.sure < 1:
            raise ConfigError(f'sure must lie in [0, 1), got {self.sure}.')

    @property
    def pairs_of_views(self) -> bool:
        """Whether unlabeled images are wanted weakly and strongly changed."""
        return self.strong_views

    @property
    def cost(self) -> float:
        """Pairs trained on for each labeled image of a step; a forward alone is a quarter."""
        return 4.25 if self.both_missing else 3.25

    def loss(self, networks: Networks, images: StepImages, setting: Setting) -> Tensor:
        """Return the loss of labels and of consistency."""
        labeled, unlabeled = images.labeled, required(images.unlabeled)
        n, device = len(labeled.labels), labeled.rgb.device
        target, trust = self._teach(networks.teacher, unlabeled)
        if self.strong_views:
            rectangles = random_rectangles(n, target.shape[-2:], setting.masking).to(device)
            unlabeled, target, trust = mixed(required(images.strong), target, trust, rectangles)
        present = [torch.ones(n, 2, dtype=torch.bool), draw_present(n, setting.masking)]
        students = [labeled, labeled, unlabeled]
        if self.both_missing:
            students.append(unlabeled)
            target, trust = torch.cat([target, target]), torch.cat([trust, trust])
            present += [torch.tensor([[False, True]] * n), torch.tensor([[True, False]] * n)]
        else:
            present.append(draw_present(n, setting.masking))
        batch = together(*students)
        predicted = predictions(networks.student, batch, torch.cat(present).to(device))
        labels = batch.labels[: 2 * n]
        weights = setting.class_weights
        supervised = supervised_loss(predicted[:, : 2 * n], labels, weights)
        if not self.balanced:
            weights = torch.ones_like(weights)
        consistency = trusted_loss(predicted[:, 2 * n :], target, trust, weights)
        return supervised + setting.strength * consistency

    @torch.no_grad()
    def _teach(self, teacher: LinearFusion, images: Images) -> tuple[Tensor, Tensor]:
        """Return the teacher's labels and which to trust, `(n, H/2, W/2)` each; padding is 255."""
        inside = at_half_size(images.labels)
        ensemble = predictions(teacher.train(not self.steady_teacher), images)[-1]
        probability, target = upsampled(ensemble, inside.shape[-2:]).softmax(1).max(1)
        if not self.doubt:
            return target, torch.ones_like(target, dtype=torch.bool)
        trust = probability >= self.sure
        if self.balanced:
            trust |= surest_of_each_class(probability, target, inside != 255, share=_SUREST)
        return target.where(inside != 255, 255), trust & (inside != 255)
