"""Images that must not be written to, as those in the bytes of a message."""

from __future__ import annotations

from typing import TYPE_CHECKING
import warnings

import numpy as np

from m3l_core.runtime import open_engine

if TYPE_CHECKING:
    from pathlib import Path


def test_bytes_of_a_message_are_labeled_without_a_warning(tiny_files: Path) -> None:
    engine = open_engine(tiny_files, 'torch', threads=1)
    height, width = engine.card.image_size
    message = np.frombuffer(bytes(3 * height * width), np.uint8)
    depth = np.zeros((1, height, width), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        engine.run(message.reshape(1, height, width, 3), depth, np.ones((1, 2), np.float32))
    engine.close()
