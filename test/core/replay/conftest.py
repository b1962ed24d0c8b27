"""Bags of a few small images, and a tiny network to replay them with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recordings import ReplayIt, write_bag

from m3l_core.bags.many import Advance
from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics
from m3l_core.cli import main
from m3l_core.frames import RgbdFrame
from m3l_core.replay.parameters import read_parameters
from m3l_core.replay.run import replay
from m3l_core.replay.scenario import FaultConfig, Scenario
from m3l_core.replay.setting import Options, Replayed
from m3l_core.runtime import open_engine, Segmenter


@pytest.fixture(scope='session')
def bag_path(rooms: list[RgbdFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds with labels."""
    return write_bag(tmp_path_factory.mktemp('bags') / 'rooms', rooms, count=60)


@pytest.fixture(scope='session')
def short_bags(rooms: list[RgbdFrame], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp('short')
    return [write_bag(folder / name, rooms[i:], count=12) for i, name in enumerate('abc')]


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
        segmenter: Segmenter = segmenter,
        advance: Advance = lambda _share: None,
        **options: Any,
    ) -> dict[str, Any]:
        folder = tmp_path / name
        folder.mkdir()
        parameters = read_parameters(None, {'model': str(tiny_files), 'threads': 1})
        with Bag(bag) as opened:
            replayed = Replayed(
                opened, find_topics(opened), segmenter, parameters, Options(**options)
            )
            chosen = scenario or Scenario(faults=faults, seed=seed)
            return replay(replayed, chosen, folder, advance=advance)

    return replay_it


@pytest.fixture(scope='session')
def replayed(bag_path: Path, tiny_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a replay of two scenarios, filmed; no test may write there."""
    out = tmp_path_factory.mktemp('replay') / 'out'
    scenarios = ['--scenario', 'depth_dies', '--scenario', 'rgb_dies']
    main([
        'replay', str(bag_path), '--model', str(tiny_files), '--threads', '1', *scenarios,
        '--out', str(out), '--video',
    ])  # fmt: skip
    return out
