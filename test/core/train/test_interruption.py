"""Ctrl-C while `m3l train` runs: once to save and stop, twice to end at once."""

from __future__ import annotations

from pathlib import Path
import signal
from typing import TYPE_CHECKING

import pytest
from small_run import CONFIG
import yaml

from m3l_core.cli import main
from m3l_core.commands import train
from m3l_core.train.sources import open_sources
from m3l_core.train.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from m3l_core.data.batches import Batch

VALUES = {
    'steps': CONFIG.steps,
    'batch_size': 2,
    'phases': [{'size': [32, 48], 'share': 0.5}, {'size': [64, 80], 'share': 0.5}],
    'image_size': [48, 64],
    'network_size': [64, 80],
    'precision': 'float32',
    'validate_every': 3,
    'save_every': 2,
    'name': 'small',
}


@pytest.fixture(autouse=True)
def _interrupts() -> Iterator[None]:
    """Let Ctrl-C do what it does in a terminal, however the tests were started."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Run:
    """A training that gets Ctrl-C."""

    def __init__(self, images: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._images = images
        self._folder = folder
        self._monkeypatch = monkeypatch

    def interrupted(self, *, at: int, times: int) -> int:
        """Run the command; press Ctrl-C so often as batch `at`, counted from 0, is handed over."""

        def track(batches: Iterable[Batch], _done: int, _total: int) -> Iterator[Batch]:
            for number, batch in enumerate(batches):
                if number == at:
                    for _ in range(times):
                        signal.raise_signal(signal.SIGINT)
                yield batch

        self._monkeypatch.setattr(train, '_track', lambda _batch_size: track)
        config = self._folder.with_suffix('.yaml')
        config.write_text(yaml.safe_dump(VALUES))
        where = ['--data', str(self._images), '--out', str(self._folder)]
        return main(['train', str(config), *where])

    def saved_step(self) -> int:
        """Return the step from which the same command goes on."""
        return Trainer(CONFIG, open_sources(self._images, 'train'), self._folder).step


@pytest.fixture
def run(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(images, tmp_path / 'run', monkeypatch)


def test_ctrl_c_saves_the_step_and_says_where_the_run_goes_on(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run.interrupted(at=2, times=1) == 130
    said = capfd.readouterr()
    assert 'stopped at step 3 of 6; the same command goes on from step 3.\n' in said.out
    assert 'Ctrl-C again ends at once' in said.err
    assert run.saved_step() == 3


def test_second_ctrl_c_ends_at_once_and_names_the_step_that_was_saved(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run.interrupted(at=3, times=2) == 130
    line = 'm3l: stopped at step 3 of 6; the same command goes on from step 2.'
    assert capfd.readouterr().err.splitlines()[-1] == line
    assert run.saved_step() == 2


def test_ctrl_c_before_anything_was_saved_says_so(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run.interrupted(at=1, times=2) == 130
    line = 'm3l: stopped at step 1 of 6; the same command begins again.'
    assert capfd.readouterr().err.splitlines()[-1] == line


def test_ctrl_c_at_the_last_step_stops_nothing(run: Run) -> None:
    assert run.interrupted(at=CONFIG.steps - 1, times=1) == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
