from __future__ import annotations

import re

import numpy as np
import pytest

from m3l_core import errors
from m3l_core.errors import expect_array, FrameError, M3lError, missing_module


def test_array_that_fits_passes_and_none_fits_any_size() -> None:
    expect_array('rgb', np.zeros((4, 5, 3), np.uint8), (None, None, 3), np.uint8)


@pytest.mark.parametrize(
    ('array', 'text'),
    [
        (
            np.zeros((240, 320), np.uint16),
            'depth_m: expected (480, 640) float32, got (240, 320) uint16. Register depth.',
        ),
        (
            np.zeros((480, 640, 1), np.float32),
            'depth_m: expected (480, 640) float32, got (480, 640, 1) float32. Register depth.',
        ),
    ],
)
def test_refusal_tells_both_sides_and_what_to_do(array: np.ndarray, text: str) -> None:
    with pytest.raises(FrameError, match=f'^{re.escape(text)}$'):
        expect_array('depth_m', array, (480, 640), np.float32, hint='Register depth.')


def test_missing_module_names_the_extra_that_brings_it() -> None:
    error = missing_module(ModuleNotFoundError(name='openvino.runtime'), 'b0.onnx')
    assert str(error) == (
        'b0.onnx needs openvino, which is not installed. '
        'Run: pip install "m3l_perception[openvino]"'
    )


def test_missing_module_without_an_extra_is_installed_by_its_name() -> None:
    error = missing_module(ModuleNotFoundError(name='zarr'), 'Reading')
    assert str(error).endswith('Run: pip install zarr')


def test_missing_module_is_named_as_pip_knows_it() -> None:
    error = missing_module(ModuleNotFoundError(name='cv2.gapi'), 'm3l predict')
    assert str(error).endswith('Run: pip install opencv-python-headless')


def test_every_error_can_be_caught_as_one() -> None:
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    ours = [kind for kind in classes if kind.__module__ == errors.__name__]
    assert len(ours) > 5
    assert all(issubclass(kind, M3lError) for kind in ours)
