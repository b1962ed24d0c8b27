"""M3L as published (Maheshwari, Liu, Kira, WACV 2024).

Dimensions: n labeled images, n unlabeled ones, H x W their size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TYPE_CHECKING

import torch

from m3l_core.train.methods.method import required, together
from m3l_core.train.objective import draw_present, mean_cross_entropy, ohem_loss

if TYPE_CHECKING:
    from torch import Tensor

    from m3l_core.train.methods.method import Images, Networks, Setting, StepImages

_LEAST_KEPT = 0.08
"""Share of an image's pixels, times n, that OHEM keeps at least."""


class M3LLosses(NamedTuple):
    """The two terms, and the teacher's labels `(3n, H, W)`."""

    supervised: Tensor
    consistency: Tensor
    pseudo_labels: Tensor


@dataclass(frozen=True)
class M3L:
    """A student that misses modalities learns what a teacher says that sees all of them."""

    unlabeled = True
    pairs_of_views = False
    two_networks = False
    cost = 3.75

    def loss(self, networks: Networks, images: StepImages, setting: Setting) -> Tensor:
        """Return the loss of labels and of consistency."""
        labeled, unlabeled = images.labeled, required(images.unlabeled)
        n = len(labeled.labels)
        present = torch.cat([draw_present(n, setting.masking), draw_present(n, setting.masking)])
        losses = m3l_losses(networks, labeled, unlabeled, present.to(labeled.rgb.device))
        return losses.supervised + setting.strength * losses.consistency


def m3l_losses(
    networks: Networks, labeled: Images, unlabeled: Images, present: Tensor
) -> M3LLosses:
    """Return the losses of a step.

    Args:
        networks: Student and teacher; as published, the teacher drops out too.
        labeled: n images.
        unlabeled: n images.
        present: `(2n, 2)` bool, which modalities the student sees of the second copy of the
            labeled images, and of the unlabeled ones.
    """
    n = len(labeled.labels)
    batch = together(labeled, labeled, unlabeled)
    seen = torch.cat([torch.ones_like(present[:n]), present])
    predicted = networks.student(batch.rgb, batch.depth, seen)
    with torch.no_grad():
        target = networks.teacher.train()(batch.rgb, batch.depth).ensemble.argmax(1)
    labels = batch.labels[: 2 * n]
    least_kept = int(_LEAST_KEPT * labels[0].numel()) * n
    supervised = [ohem_loss(p[: 2 * n], labels, least_kept=least_kept) for p in predicted]
    consistency = [mean_cross_entropy(p, target) for p in predicted]
    return M3LLosses(torch.stack(supervised).mean(), torch.stack(consistency).mean(), target)
