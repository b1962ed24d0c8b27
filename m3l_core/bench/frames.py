"""Real images to measure with: those of a parity file, which every exported network has."""

from __future__ import annotations

from typing import TYPE_CHECKING
import zipfile
import zlib

import numpy as np

from m3l_core.errors import ModelError
from m3l_core.frames import meters
from m3l_core.models import default_model
from m3l_core.preprocess import Letterbox

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.model_card import ModelCard

    Inputs = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]


def parity_path(model: Path) -> Path | None:
    """Return the parity file beside `model`, None if there is none."""
    path = model.with_suffix('.parity.npz')
    return path if path.is_file() else None


def frames_path(model: Path) -> Path:
    """Return the file to take images from: the one beside `model`, else the shipped one."""
    return parity_path(model) or default_model().with_suffix('.parity.npz')


def engine_inputs(path: Path, card: ModelCard) -> list[Inputs]:
    """Return the images in a parity file as an engine takes them, both of each pair present.

    Raises:
        ModelError: If the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            pairs = list(zip(archive['rgb'], archive['depth_mm'], strict=True))
    except (OSError, EOFError, ValueError, LookupError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(
            f'{path}: expected the frames of a parity file, got something else ({error}). '
            'Export the model again.'
        ) from error
    fill = [255 * mean for mean in card.rgb_mean]
    present = np.ones((1, 2), np.float32)
    inputs = []
    for rgb, depth_mm in pairs:
        box = Letterbox.fit(rgb.shape[:2], card.image_size)
        inputs.append((box.place_rgb(rgb, fill)[None], box.place_depth(meters(depth_mm))[None]))
    return [(rgb, depth, present) for rgb, depth in inputs]
