"""The exceptions a user may meet, and the array check that raises one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import DTypeLike, NDArray


class M3lError(Exception):
    """Something a user can mend; its text is one line that says what to do."""


class FrameError(M3lError):
    """An image that cannot be used: wrong shape, type, encoding, or damaged bytes."""


class ConfigError(M3lError):
    """A configuration value, key or file that is refused."""


class DataError(M3lError):
    """A dataset, folder or label image that is not what it should be."""


class ModelError(M3lError):
    """A checkpoint, ONNX file or model card that cannot be used."""


class TrainingError(M3lError):
    """A training run cannot go on."""


class EngineError(M3lError):
    """An engine that is missing, fails to load, fails to run, or computes wrong labels."""


class BagError(M3lError):
    """A bag that cannot be read or written, or lacks a topic."""


_EXTRA_OF_MODULE = {
    'torch': 'train',
    'onnx': 'train',
    'safetensors': 'train',
    'matplotlib': 'train',
    'openvino': 'openvino',
    'tensorrt': 'tensorrt',
    'pycuda': 'tensorrt',
    'rosbags': 'bags',
    'backports': 'bags',
    'mujoco': 'rooms',
    'rclpy': 'ros',
    'ray': 'ray',
    'h5py': 'sun',
    'scipy': 'sun',
}
"""Which extra of this package brings an optional module."""

_PACKAGE_OF_MODULE = {'cv2': 'opencv-python-headless', 'yaml': 'PyYAML'}
"""Modules that pip knows by another name."""


def missing_module(error: ModuleNotFoundError, needed_by: str) -> M3lError:
    """Return the error that tells which extra to install for the module that is missing."""
    module = (error.name or '').split('.')[0]
    extra = _EXTRA_OF_MODULE.get(module)
    package = f'"m3l_perception[{extra}]"' if extra else _PACKAGE_OF_MODULE.get(module, module)
    return M3lError(
        f'{needed_by} needs {module}, which is not installed. Run: pip install {package}'
    )


def expect_array(
    name: str,
    array: NDArray[np.generic],
    shape: Sequence[int | None],
    dtype: DTypeLike,
    *,
    hint: str = '',
) -> None:
    """Check an array where it enters; None in `shape` fits any size.

    Raises:
        FrameError: If the array has another number of axes, size or type.
    """
    from numpy import dtype as numpy_type  # here: `m3l` has errors before it has NumPy

    wanted_type = numpy_type(dtype)
    fits = array.ndim == len(shape) and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if fits and array.dtype == wanted_type:
        return
    wanted = ', '.join('any' if size is None else str(size) for size in shape)
    got = ', '.join(str(size) for size in array.shape)
    message = f'{name}: expected ({wanted}) {wanted_type.name}, got ({got}) {array.dtype.name}.'
    raise FrameError(f'{message} {hint}'.rstrip())
