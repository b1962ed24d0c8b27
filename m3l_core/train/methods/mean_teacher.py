"""Mean Teacher (Tarvainen and Valpola, NeurIPS 2017), and with modality dropout as in M3L's paper.

Dimensions: n labeled images, n unlabeled ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from m3l_core.train.methods.method import predictions, required, together
from m3l_core.train.methods.pseudo_labels import consistency, hard_labels
from m3l_core.train.objective import draw_present, supervised_loss

if TYPE_CHECKING:
    from torch import Tensor

    from m3l_core.train.methods.method import Networks, Setting, StepImages


@dataclass(frozen=True)
class MeanTeacher:
    """The student learns from labels, and what its average says of all images.

    Attributes:
        dropout: Whether labeled images come a second time, and they and the unlabeled ones
            lose color, depth or nothing; the teacher's copies lose their own.
    """

    dropout: bool
    unlabeled = True
    pairs_of_views = False
    two_networks = False

    @property
    def cost(self) -> float:
        """Pairs trained on for each labeled image of a step; a forward alone is a quarter."""
        return 3.75 if self.dropout else 2.5

    def loss(self, networks: Networks, images: StepImages, setting: Setting) -> Tensor:
        """Return the loss of labels and of consistency."""
        labeled, unlabeled = images.labeled, required(images.unlabeled)
        n = len(labeled.labels)
        batch = together(labeled, unlabeled)
        with_labels = n
        seen, seen_by_teacher = None, None
        if self.dropout:
            batch = together(labeled, labeled, unlabeled)
            with_labels = 2 * n
            seen, seen_by_teacher = (
                torch.cat(
                    [
                        torch.ones(n, 2, dtype=torch.bool),
                        draw_present(n, setting.masking),
                        draw_present(n, setting.masking),
                    ]
                ).to(batch.rgb.device)
                for _ in range(2)
            )
        predicted = predictions(networks.student, batch, seen)
        target = hard_labels(networks.teacher.train(), batch, seen_by_teacher)
        supervised = supervised_loss(
            predicted[:, :with_labels], batch.labels[:with_labels], setting.class_weights
        )
        return supervised + setting.strength * consistency(predicted, target)
