"""What TensorRT's tests have in its place."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fake_gpu import FakeGpu
    from stand_in_builder import Builder


@pytest.fixture
def builder(model: Path, tmp_path: Path) -> Builder:
    pytest.importorskip('openvino')
    from stand_in_builder import Builder

    return Builder(model, tmp_path / 'engines')


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGpu]:
    """Stand-ins for both libraries, and our modules imported over them."""
    from fake_gpu import FakeGpu, forget_ours

    fake = FakeGpu()
    for name, module in fake.modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    forget_ours()
    yield fake
    assert fake.stack == []
    forget_ours()
