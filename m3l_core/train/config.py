"""What one training run is: a YAML file as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
import math
import re
from typing import Literal

from m3l_core.architecture import SMALLEST_SIDE
from m3l_core.errors import ConfigError
from m3l_core.model_card import DepthEncoding


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of the run at one size of the network's input."""

    size: tuple[int, int]
    """Height and width of the views."""
    share: float
    """Share of the steps in (0, 1]."""

    def __post_init__(self) -> None:
        problems = _size_problems('size', self.size)
        if not 0 < self.share <= 1:
            problems.append(f'share must lie in (0, 1], got {self.share}')
        if problems:
            raise ConfigError(f'{"; ".join(problems)}.')


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW and how its rate falls; the defaults suit a network that starts from scratch."""

    lr: float = 1e-3
    decoder_lr: float | None = None
    """Rate of the decoder; None takes `lr`."""
    weight_decay: float = 0.05
    """Not applied to norms, biases and mask tokens."""
    warmup: float = 0.05
    """Share of the steps during which the rate rises from 0."""
    decay: Literal['cosine', 'poly'] = 'cosine'
    """Half a cosine to 0, or `(1 - progress) ** 0.9`."""
    clip: float = 1.0
    """Largest norm of the gradient; a larger one is scaled down to it."""

    def __post_init__(self) -> None:
        rates = {'lr': self.lr, 'decoder_lr': self.rate_of(decoder=True), 'clip': self.clip}
        problems = [
            f'{name} must be positive and finite, got {value}'
            for name, value in rates.items()
            if not 0 < value < math.inf
        ]
        if not 0 <= self.warmup < 1:
            problems.append(f'warmup must lie in [0, 1), got {self.warmup}')
        if not 0 <= self.weight_decay < math.inf:
            problems.append(f'weight_decay must be 0 or more, got {self.weight_decay}')
        if problems:
            raise ConfigError(f'{"; ".join(problems)}.')

    def rate_of(self, *, decoder: bool) -> float:
        """Return the peak rate of the decoder, or of the rest."""
        return self.decoder_lr if decoder and self.decoder_lr is not None else self.lr


FROM_SCRATCH = OptimizerConfig()
FINE_TUNING = OptimizerConfig(
    lr=1e-4, decoder_lr=3e-4, weight_decay=1e-4, warmup=0.0, decay='poly'
)
"""The paper's schedule (Maheshwari, Liu, Kira, WACV 2024), which starts from trained weights."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One supervised run with modality dropout."""

    name: str
    split: Literal['train', 'trainval', 'all'] = 'train'
    """`train` leaves the images of the validation list out, `trainval` takes them in."""
    encoder: Literal['b0', 'b1', 'b2', 'b3', 'b4', 'b5'] = 'b0'
    init: Literal['scratch', 'pretrained'] = 'scratch'
    """Where the weights start; `pretrained` takes those of a checkpoint."""
    depth: DepthEncoding = field(default_factory=DepthEncoding)
    image_size: tuple[int, int] = (480, 640)
    """Camera size that the exported network takes."""
    network_size: tuple[int, int] = (240, 320)
    """Size of the network's input after training."""
    steps: int
    batch_size: int = 8
    phases: tuple[Phase, ...]
    rendered_share: tuple[float, float] = (0.0, 0.0)
    """Share of rendered frames in a batch, at the first step and at the last."""
    cutmix: float = 0.0
    """Probability that a view gets a rectangle of another one."""
    optimizer: OptimizerConfig | None = None
    """None takes what suits `init`."""
    ema: float = 0.999
    """Weight of the averaged parameters' past; the average is what is scored and kept."""
    precision: Literal['float32', 'bfloat16'] = 'bfloat16'
    validate_every: int = 1000
    save_every: int = 250
    seed: int = 0

    def __post_init__(self) -> None:
        problems = [
            f'{name} must be at least 1, got {getattr(self, name)}'
            for name in ('steps', 'batch_size', 'validate_every', 'save_every')
            if getattr(self, name) < 1
        ]
        problems += _size_problems('image_size', self.image_size)
        problems += _size_problems('network_size', self.network_size)
        if not re.fullmatch(r'\w[\w.-]*', self.name):
            problems.append(f'name must be one word, as files are named by it, got {self.name!r}')
        if self.seed < 0:
            problems.append(f'seed must not be negative, got {self.seed}')
        total = sum(phase.share for phase in self.phases)
        if not self.phases or abs(total - 1) > 1e-6:
            problems.append(f'the shares of phases must add up to 1, got {total:g}')
        if not 0 <= self.ema < 1:
            problems.append(f'ema must lie in [0, 1), got {self.ema}')
        if not 0 <= self.cutmix <= 1:
            problems.append(f'cutmix must lie in [0, 1], got {self.cutmix}')
        if not all(0 <= share <= 1 for share in self.rendered_share):
            problems.append(f'rendered_share must lie in [0, 1], got {list(self.rendered_share)}')
        if problems:
            raise ConfigError(f'{"; ".join(problems)}.')

    @property
    def schedule(self) -> OptimizerConfig:
        """The optimizer in use."""
        return self.optimizer or (FROM_SCRATCH if self.init == 'scratch' else FINE_TUNING)

    def size_at(self, step: int) -> tuple[int, int]:
        """Return the size of the views at `step`, counted from 0."""
        end = 0.0
        for phase in self.phases:
            end += phase.share * self.steps
            if step < round(end):
                return phase.size
        return self.phases[-1].size

    def rendered_share_at(self, step: int) -> float:
        """Return the probability that a view is of a rendered frame at `step`."""
        first, last = self.rendered_share
        return first + (last - first) * step / self.steps


def _size_problems(name: str, size: tuple[int, int]) -> list[str]:
    if min(size) >= SMALLEST_SIDE:
        return []
    return [f'{name} must have sides of at least {SMALLEST_SIDE}, got {list(size)}']
