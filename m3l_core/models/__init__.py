"""The network that comes with the package."""

from __future__ import annotations

from pathlib import Path


def default_model() -> Path:
    """Return the path of the ONNX network that comes with the package."""
    return Path(__file__).with_name('nyuv2_b0.onnx')
