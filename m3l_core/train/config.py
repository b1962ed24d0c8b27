"""What one training run is: a YAML file as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
import math
import re
from typing import Literal

from m3l_core.architecture import Fusion, SMALLEST_SIDE
from m3l_core.errors import ConfigError
from m3l_core.model_card import DepthEncoding
from m3l_core.train.methods import make_method, MethodName
from m3l_core.train.methods.m3l_plus import M3LPlus


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
    """Of what `decayed` says."""
    warmup: float = 0.05
    """Share of the steps during which the rate rises from 0."""
    decay: Literal['cosine', 'poly'] = 'cosine'
    """Half a cosine to 0, or `(1 - progress) ** 0.9`."""
    clip: float = 1.0
    """Largest norm of the gradient; a larger one is scaled down to it. `.inf` clips nothing."""
    decayed: Literal['matrices', 'all_but_norms'] = 'matrices'
    """What `weight_decay` is applied to: all but norms, biases and mask tokens; or, as published,
    all but the encoder's norms, with the ensemble's weights left untrained."""

    def __post_init__(self) -> None:
        rates = {'lr': self.lr, 'decoder_lr': self.rate_of(decoder=True)}
        problems = [
            f'{name} must be positive and finite, got {value}'
            for name, value in rates.items()
            if not 0 < value < math.inf
        ]
        if not self.clip > 0:
            problems.append(f'clip must be positive, got {self.clip}')
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
"""The paper's rates (Maheshwari, Liu, Kira, WACV 2024), for a start from trained weights."""

PUBLISHED = replace(FINE_TUNING, clip=math.inf, decayed='all_but_norms')
"""The paper's optimizer to the letter; what the method `m3l` takes if told nothing else."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One run."""

    name: str
    method: MethodName = 'supervised_dropout'
    """How to learn; those that look at unlabeled images take as many of them in a step."""
    m3l_plus: M3LPlus = field(default_factory=M3LPlus)
    """Switches of the method of that name."""
    labels: int | None = None
    """How many images of the split keep their labels, drawn by `seed`; the others are unlabeled.
    None keeps all."""
    burn_in: float = 0.2
    """Share of the steps before unlabeled images count; `supervised_dropout` until then."""
    ramp: float = 0.1
    """Share of the steps in which they then come to count fully."""
    split: str = 'train'
    """`train` leaves the images of the validation list out, `trainval` takes them in; or a list of
    images, `FILE.txt`, such as `m3l data split` writes."""
    classes: str | None = None
    """What labels shall mean: nyu13, nyu40, sun37 or stanford13. None: the data set's classes."""
    encoder: Literal['b0', 'b1', 'b2', 'b3', 'b4', 'b5'] = 'b0'
    fusion: Fusion = 'linear'
    """How the streams meet; `rgb` and `depth` have one stream alone. Only `linear` is deployed."""
    init: Literal['scratch', 'pretrained'] = 'scratch'
    """Where the weights start; `pretrained` takes those of a checkpoint."""
    depth: DepthEncoding = field(default_factory=DepthEncoding)
    image_size: tuple[int, int] = (480, 640)
    """Camera size that the exported network takes."""
    network_size: tuple[int, int] = (240, 320)
    """Size of the network's input after training."""
    steps: int
    batch_size: int = 8
    """Labeled views in a step."""
    phases: tuple[Phase, ...]
    rendered_share: tuple[float, float] = (0.0, 0.0)
    """Share of rendered frames in a batch, at the first step and at the last."""
    cutmix: float = 0.0
    """Probability that a view gets a rectangle of another one."""
    optimizer: OptimizerConfig | None = None
    """None takes what suits `init`, and for `m3l` what was published."""
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
        if not 0 <= self.seed < 2**63:
            problems.append(f'seed must lie in [0, 2^63), got {self.seed}')
        total = sum(phase.share for phase in self.phases)
        if not self.phases or abs(total - 1) > 1e-6:
            problems.append(f'the shares of phases must add up to 1, got {total:g}')
        if not 0 <= self.ema < 1:
            problems.append(f'ema must lie in [0, 1), got {self.ema}')
        problems += [
            f'{name} must lie in [0, 1], got {getattr(self, name)}'
            for name in ('cutmix', 'ramp')
            if not 0 <= getattr(self, name) <= 1
        ]
        if not 0 <= self.burn_in < 1:  # at 1 no method would look at unlabeled images
            problems.append(f'burn_in must lie in [0, 1), got {self.burn_in}')
        if self.labels is not None and self.labels < 1:
            problems.append(f'labels must be at least 1, got {self.labels}')
        if not all(0 <= share <= 1 for share in self.rendered_share):
            problems.append(f'rendered_share must lie in [0, 1], got {list(self.rendered_share)}')
        if problems:
            raise ConfigError(f'{"; ".join(problems)}.')

    @property
    def schedule(self) -> OptimizerConfig:
        """The optimizer in use."""
        if self.optimizer is not None:
            return self.optimizer
        if self.method == 'm3l':
            return PUBLISHED
        return FROM_SCRATCH if self.init == 'scratch' else FINE_TUNING

    @property
    def unlabeled_from(self) -> int:
        """The first step that looks at unlabeled images, if the method does."""
        return round(self.burn_in * self.steps)

    def strength_at(self, step: int) -> float:
        """Return how much unlabeled images count at `step`, in [0, 1]."""
        done = step - self.unlabeled_from
        ramp = self.ramp * self.steps
        return 0.0 if done < 0 else min(1.0, (done + 1) / ramp) if ramp else 1.0

    def pairs_until(self, step: int) -> int:
        """Return the pairs trained on when `step` steps are done; a forward alone is a quarter."""
        method = make_method(self.method, self.m3l_plus)
        first = min(step, self.unlabeled_from) if method.unlabeled else 0
        each = 2 if method.two_networks else 1  # both see the labeled images
        return round(self.batch_size * (first * each + (step - first) * method.cost))

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
