"""Bags of a few small images, and a tiny network to replay them with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rosbags')

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics
from m3l_core.bags.writing import BagWriter
from m3l_core.frames import RgbdFrame
from m3l_core.replay.parameters import read_parameters
from m3l_core.replay.run import replay
from m3l_core.replay.scenario import FaultConfig, Scenario
from m3l_core.replay.setting import Options, Replayed
from m3l_core.runtime import open_engine, Segmenter

START_NS = 1_600_000_000_000_000_000
PERIOD_NS = 50_000_000

ReplayIt = Callable[..., dict[str, Any]]


def write_bag(
    path: Path, frames: list[RgbdFrame], *, count: int, labels: bool = True, size: int = 1
) -> Path:
    """Write a bag at 20 Hz; labels are 3 where depth is nearer than 2 m, else 11."""
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
            writer.write_depth(depth_mm, stamp_ns)
            if labels:
                truth = np.where(frame.depth_m < 2, 3, 11).astype(np.uint8)
                writer.write_labels(truth[::size, ::size], stamp_ns)
    return path


@pytest.fixture(scope='session')
def bag_path(rooms: list[RgbdFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds with labels."""
    return write_bag(tmp_path_factory.mktemp('bags') / 'rooms', rooms, count=60)


@pytest.fixture(scope='session')
def segmenter(tiny_files: Path) -> Segmenter:
    return Segmenter(open_engine(tiny_files, precision='float32', threads=1))


@pytest.fixture
def replay_it(bag_path: Path, tiny_files: Path, segmenter: Segmenter, tmp_path: Path) -> ReplayIt:
    """Replay a bag with faults; give the summary, and leave the files in `tmp_path/NAME`."""

    def replay_it(
        *faults: FaultConfig,
        name: str = 'run',
        bag: Path = bag_path,
        seed: int = 0,
        scenario: Scenario | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        folder = tmp_path / name
        folder.mkdir()
        parameters = read_parameters(None, {'model': str(tiny_files), 'threads': 1})
        with Bag(bag) as opened:
            replayed = Replayed(
                opened, find_topics(opened), segmenter, parameters, Options(**options)
            )
            return replay(replayed, scenario or Scenario(faults=faults, seed=seed), folder)

    return replay_it
