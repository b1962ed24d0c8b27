"""Frames labeled while others are read: the same records, no thread left, few at a time."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
import threading
from typing import Any, TYPE_CHECKING

import pytest
from recordings import LOOSE_PLUGS, PERIOD_NS, START_NS

from m3l_core.errors import EngineError
from m3l_core.frames import RgbdFrame
from m3l_core.replay import run
from m3l_core.replay.bookkeeping import Books
from m3l_core.replay.masks import MaskMaker, Masks
from m3l_core.runtime import open_engine, Segmenter

if TYPE_CHECKING:
    from recordings import ReplayIt

    from m3l_core.runtime import Segmentation


class SerialMaker(MaskMaker):
    """Labels a frame at once, in the thread that asks for it."""

    def start(self, frame: RgbdFrame, *, with_alone: bool = False) -> Future[Masks]:
        done: Future[Masks] = Future()
        done.set_result(self._masks(frame, with_alone))
        return done


@pytest.mark.parametrize('engine_ms', [0.0, 70.0])
def test_frames_labeled_side_by_side_give_the_records_of_one_after_the_other(
    replay_it: ReplayIt,
    tiny_files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine_ms: float,
) -> None:
    side_by_side = Segmenter(open_engine(tiny_files, precision='float32', threads=3, streams=3))
    options = {'scenario': LOOSE_PLUGS, 'engine_ms': engine_ms, 'compare_every': 7}
    together = replay_it(name='together', segmenter=side_by_side, **options)
    monkeypatch.setattr(run, 'MaskMaker', SerialMaker)
    assert replay_it(name='serial', **options) == together
    files = [path.relative_to(tmp_path / 'serial') for path in tmp_path.glob('serial/**/*.*')]
    assert len(files) > 20
    for file in {*files} - {Path('times.jsonl')}:
        one, other = (tmp_path / name / file for name in ('serial', 'together'))
        assert one.read_bytes() == other.read_bytes(), file


def engine_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if 'm3l-engine' in thread.name]


def test_an_engine_that_fails_ends_the_run_with_its_error(
    replay_it: ReplayIt, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = segmenter.segment

    def failing(frame: RgbdFrame) -> Segmentation:
        if frame.stamp_ns == START_NS + 9 * PERIOD_NS:
            raise EngineError('engine: out of memory.')
        return segment(frame)

    monkeypatch.setattr(segmenter, 'segment', failing)
    with pytest.raises(EngineError, match=r'^engine: out of memory\.$'):
        replay_it(compare_every=0)
    assert engine_threads() == []


def test_ctrl_c_leaves_no_thread_behind(replay_it: ReplayIt) -> None:
    def interrupt(share: float) -> None:
        if share > 0.5:
            assert engine_threads()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay_it(advance=interrupt)
    assert engine_threads() == []


def test_frames_ahead_of_the_records_are_few_however_long_the_bag(
    replay_it: ReplayIt, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, most = 0, 0

    class CountingBooks(Books):
        def enter_masks(self, *arguments: Any) -> None:
            nonlocal begun
            begun -= 1
            super().enter_masks(*arguments)

    class CountingMaker(MaskMaker):
        def start(self, *arguments: Any, **options: Any) -> Future[Masks]:
            nonlocal begun, most
            begun += 1
            most = max(most, begun)
            return super().start(*arguments, **options)

    monkeypatch.setattr(run, 'Books', CountingBooks)
    monkeypatch.setattr(run, 'MaskMaker', CountingMaker)
    replay_it()
    assert most == 2 * segmenter.engine.streams + 1
    assert begun == 0
