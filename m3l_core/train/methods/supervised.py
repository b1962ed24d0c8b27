"""Learning from labels alone, with or without modalities dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from m3l_core.train.methods.method import predictions
from m3l_core.train.objective import draw_present, supervised_loss

if TYPE_CHECKING:
    from torch import Tensor

    from m3l_core.network import LinearFusion
    from m3l_core.train.methods.method import Images, Networks, Setting, StepImages


@dataclass(frozen=True)
class Supervised:
    """Weighted cross-entropy of every prediction.

    Attributes:
        dropout: Whether an image loses color, depth or nothing, evenly drawn: modality dropout.
    """

    dropout: bool
    unlabeled = False
    pairs_of_views = False
    two_networks = False
    cost = 1.0

    def loss(self, networks: Networks, images: StepImages, setting: Setting) -> Tensor:
        """Return the loss of the labeled images."""
        networks_in_training = filter(None, (networks.student, networks.peer))
        losses = [self._loss(network, images.labeled, setting) for network in networks_in_training]
        return torch.stack(losses).sum()

    def _loss(self, network: LinearFusion, labeled: Images, setting: Setting) -> Tensor:
        present = None
        if self.dropout:
            present = draw_present(len(labeled.labels), setting.masking).to(labeled.rgb.device)
        predicted = predictions(network, labeled, present)
        return supervised_loss(predicted, labeled.labels, setting.class_weights)
