"""The networks that come with the package."""

from __future__ import annotations

from pathlib import Path


def default_model() -> Path:
    """Return the path of the ONNX network that comes with the package."""
    return Path(__file__).with_name('nyuv2_b0.onnx')


def named_model(path: str) -> Path:
    """Return the file of a network, in which ~ is a home; for '' the shipped one."""
    if not path:
        return default_model()
    try:
        return Path(path).expanduser()
    except RuntimeError:  # There is no such user, so there is no such file.
        return Path(path)


def shipped_weights() -> dict[str, Path]:
    """Return the checkpoints that come with the package, by name."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob('*.safetensors'))}
