"""What the engine is measured against computes the same as the network."""

from __future__ import annotations

from pathlib import Path
import sys
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    import pytest

    from m3l_core.network import LinearFusion

BENCHMARKS = Path(__file__).parents[3] / 'benchmarks'


def test_plain_network_of_the_benchmark_gives_the_same_logits(
    tiny_model: LinearFusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, 'path', [str(BENCHMARKS), *sys.path])
    from plain_network import PlainNetwork

    rgb, depth = torch.randn(2, 1, 3, 64, 96)
    with torch.inference_mode():
        expected = tiny_model(rgb, depth).ensemble
        logits = PlainNetwork(tiny_model)(rgb, depth)
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5 * expected.abs().max())
