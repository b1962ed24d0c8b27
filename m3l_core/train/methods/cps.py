"""Cross Pseudo Supervision (Chen, Yuan, Zeng, Wang, CVPR 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from m3l_core.train.methods.method import predictions, required, together
from m3l_core.train.methods.pseudo_labels import consistency
from m3l_core.train.objective import at_half_size, supervised_loss, upsampled

if TYPE_CHECKING:
    from torch import Tensor

    from m3l_core.train.methods.method import Networks, Setting, StepImages


@dataclass(frozen=True)
class CrossPseudoSupervision:
    """Two networks that began differently learn from labels and from each other's."""

    unlabeled = True
    pairs_of_views = False
    two_networks = True
    cost = 4.0

    def loss(self, networks: Networks, images: StepImages, setting: Setting) -> Tensor:
        """Return the loss of both networks."""
        labeled = images.labeled
        batch = together(labeled, required(images.unlabeled))
        mine, theirs = (
            predictions(network, batch) for network in (networks.student, required(networks.peer))
        )
        n, size = len(labeled.labels), at_half_size(labeled.labels).shape[-2:]
        supervised = [
            supervised_loss(predicted[:, :n], labeled.labels, setting.class_weights)
            for predicted in (mine, theirs)
        ]
        of_mine, of_theirs = (
            upsampled(predicted[-1].detach(), size).argmax(1) for predicted in (mine, theirs)
        )
        crossed = consistency(mine, of_theirs) + consistency(theirs, of_mine)
        return sum(supervised, setting.strength * crossed)
