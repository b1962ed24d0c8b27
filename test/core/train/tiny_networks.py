"""Tiny networks, and images of noise for one step."""

from __future__ import annotations

import pytest

torch = pytest.importorskip('torch')

from m3l_core.architecture import Architecture  # noqa: E402
from m3l_core.network import LinearFusion  # noqa: E402
from m3l_core.train.methods.method import Images, Networks, Setting, StepImages  # noqa: E402

SIZE = (64, 80)

TINY = Architecture(
    embed_dims=(16, 32, 40, 64),
    num_heads=(1, 2, 5, 8),
    depths=(1, 1, 1, 1),
    sr_ratios=(8, 4, 2, 1),
    mlp_ratio=2,
    decoder_dim=32,
    num_classes=5,
    fusion_ratio=0.8,
)


def random_images(seed: int, *, labeled: bool = True, count: int = 2) -> Images:
    generator = torch.Generator().manual_seed(seed)
    rgb, depth = torch.randn(2, count, 3, *SIZE, generator=generator)
    labels = torch.randint(5, (count, *SIZE), generator=generator, dtype=torch.uint8)
    return Images(rgb, depth, labels if labeled else torch.zeros_like(labels))


def networks(*, peer: bool = False) -> Networks:
    torch.manual_seed(0)
    student, teacher, other = (LinearFusion(TINY).train() for _ in range(3))
    return Networks(student, teacher.eval(), other if peer else None)


def setting(strength: float = 1.0, seed: int = 0) -> Setting:
    return Setting(torch.ones(5), torch.Generator().manual_seed(seed), strength)


STEP = StepImages(
    random_images(1), random_images(2, labeled=False), random_images(3, labeled=False)
)
