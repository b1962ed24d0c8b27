"""Recordings that come with the package, for the demo, for tests and for the parity gate."""

from __future__ import annotations

from pathlib import Path

from m3l_core.errors import DataError


def sample_bag() -> Path:
    """Return the rosbag2 folder of rendered rooms: 320x240, 10 Hz, color, depth, labels.

    `m3l rooms --bag OUT` renders it again.

    Raises:
        DataError: If the package was installed without it.
    """
    path = Path(__file__).parent / 'rooms'
    if not (path / 'metadata.yaml').is_file():
        raise DataError(
            f'{path}: expected the sample bag, got nothing. Install the package again, '
            f'or render it: m3l rooms --bag {path}'
        )
    return path
