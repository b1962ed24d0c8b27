"""Bags of a few small images, and what happens to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from m3l_core.bags.writing import BagWriter
from m3l_core.frames import RgbdFrame
from m3l_core.replay.scenario import FaultConfig, OutagesConfig, Scenario

START_NS = 1_600_000_000_000_000_000
PERIOD_NS = 50_000_000

ReplayIt = Callable[..., dict[str, Any]]

LOOSE_PLUGS = Scenario(
    seed=3,
    faults=(
        FaultConfig(kind='jitter', modality='depth', ms=30),
        FaultConfig(kind='noise', modality='rgb', start_share=0.5),
        FaultConfig(kind='holes', modality='depth', start_share=0.5, share=0.5),
    ),
    outages=(OutagesConfig(modality='depth', per_minute=40, longest_s=0.8),),
)


def write_bag(
    path: Path,
    frames: list[RgbdFrame],
    *,
    count: int,
    labels: bool = True,
    size: int = 1,
    depth_behind_ns: int = 0,
) -> Path:
    """Write a bag at 20 Hz; labels are 3 where depth is nearer than 2 m, else 11."""
    pytest.importorskip('rosbags')
    with BagWriter(path, transport='raw') as writer:
        for index in range(count):
            frame = frames[index % len(frames)]
            assert frame.rgb is not None
            assert frame.depth_m is not None
            stamp_ns = START_NS + index * PERIOD_NS
            rgb = frame.rgb.copy()
            rgb[0, 0] = index % 256  # else two equal images would look frozen
            writer.write_rgb(rgb, stamp_ns)
            depth_mm = (1000 * frame.depth_m).astype(np.uint16)
            depth_mm[-1, -1] = 500 + index
            writer.write_depth(depth_mm, stamp_ns - depth_behind_ns, receive_ns=stamp_ns)
            if labels:
                truth = np.where(frame.depth_m < 2, 3, 11).astype(np.uint8)
                writer.write_labels(truth[::size, ::size], stamp_ns)
    return path
