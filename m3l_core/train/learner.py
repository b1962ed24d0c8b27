"""The networks of a run and one step of their training."""

from __future__ import annotations

import copy
from typing import Any, TYPE_CHECKING

import torch

from m3l_core.network.fusion import SPARSITY, TokenExchange
from m3l_core.network.inputs import InputEncoder
from m3l_core.train.methods import make_method
from m3l_core.train.methods.method import Images, Networks, Setting, StepImages
from m3l_core.train.methods.supervised import Supervised
from m3l_core.train.parallel import all_sum, gather, rank, sum_gradients, world_size
from m3l_core.train.schedule import make_optimizer, set_rate
from m3l_core.train.start import initial_peer
from m3l_core.train.teacher import follow

if TYPE_CHECKING:
    from torch import Tensor

    from m3l_core.data.batches import Batch, Views
    from m3l_core.model_card import ModelCard
    from m3l_core.network import LinearFusion
    from m3l_core.train.config import TrainConfig


class Learner:
    """Learns from batches by the method of a configuration.

    Args:
        config: The run.
        network: The student, with the weights it starts from.
        card: What the network expects of its input.
        class_weights: `(K,)`, how much a labeled pixel of each class counts.
        device: Where to train.
    """

    def __init__(
        self,
        config: TrainConfig,
        network: LinearFusion,
        card: ModelCard,
        class_weights: Tensor,
        device: torch.device,
    ) -> None:
        self.config = config
        self.device = device
        self.student = network.to(device)
        self.teacher = copy.deepcopy(self.student).eval()
        self.method = make_method(config.method, config.m3l_plus)
        self.peer: LinearFusion | None = None
        if self.method.two_networks:
            peer = initial_peer(self.student, pretrained=config.init == 'pretrained')
            self.peer = peer.to(device)
        self._card = card
        self._in_training = [network for network in (self.student, self.peer) if network]
        for network in self._in_training:
            for module in network.modules():
                if isinstance(module, TokenExchange):  # gradients are summed over processes
                    module.sparsity = SPARSITY / world_size()
        self._optimizer = make_optimizer(self._in_training, config.schedule)
        self._precision = getattr(torch, config.precision)
        self._class_weights = class_weights.to(device)
        self._masking = torch.Generator().manual_seed(config.seed)
        torch.manual_seed(config.seed + rank())  # each process drops out its own

    @property
    def rate(self) -> float:
        """The rate of the last step, of the encoder."""
        rate: float = self._optimizer.param_groups[0]['lr']
        return rate

    def learn(self, batch: Batch, step: int) -> Tensor:
        """Take one step on a batch; return its loss over all processes.

        Args:
            batch: This process's share.
            step: Counted from 0.
        """
        config = self.config
        for network in self._in_training:
            network.train()
        method = self.method
        if method.unlabeled and step < config.unlabeled_from:
            method = Supervised(dropout=True)
        images = StepImages(
            self._encode(batch.labeled),
            self._encode(batch.unlabeled) if batch.unlabeled else None,
            self._encode(batch.strong) if batch.strong else None,
        )
        networks = Networks(self.student, self.teacher, self.peer)
        setting = Setting(self._class_weights, self._masking, config.strength_at(step))
        half = self._precision != torch.float32
        with torch.autocast(self.device.type, self._precision, enabled=half):
            loss = method.loss(networks, images, setting)
        self.teacher.eval()
        set_rate(self._optimizer, step, config.steps, config.schedule)
        for network in self._in_training:  # the optimizer may leave some parameters out
            network.zero_grad()
        loss.backward()
        parameters = [p for network in self._in_training for p in network.parameters()]
        sum_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, config.schedule.clip)
        self._optimizer.step()
        follow(self.teacher, self.student, momentum=config.ema, step=step)
        return all_sum(loss)

    def _encode(self, views: Views) -> Images:
        rgb, depth_m, labels = (tensor.to(self.device) for tensor in views)
        encoder = InputEncoder(self._card, (labels.shape[1], labels.shape[2])).to(self.device)
        color, depth = encoder(rgb, depth_m)
        return Images(color, depth, labels)

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on; every process has to ask for it."""
        return {
            'student': self.student.state_dict(),
            'teacher': self.teacher.state_dict(),
            'peer': self.peer.state_dict() if self.peer else None,
            'optimizer': self._optimizer.state_dict(),
            'masking': self._masking.get_state(),
            'torch': gather(torch.get_rng_state()),
            'cuda': gather(torch.cuda.get_rng_state() if self.device.type == 'cuda' else None),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned, in as many processes."""
        self.student.load_state_dict(state['student'])
        self.teacher.load_state_dict(state['teacher'])
        if self.peer:
            self.peer.load_state_dict(state['peer'])
        self._optimizer.load_state_dict(state['optimizer'])
        self._masking.set_state(state['masking'])
        torch.set_rng_state(state['torch'][rank()])
        if self.device.type == 'cuda' and state['cuda'][rank()] is not None:
            torch.cuda.set_rng_state(state['cuda'][rank()])
