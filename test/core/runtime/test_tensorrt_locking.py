"""Processes that build or open one engine at once, and those that die of it."""

from __future__ import annotations

from contextlib import contextmanager
import fcntl
import os
from pathlib import Path
import signal
import subprocess
import sys
from threading import Event, main_thread, Thread
from traceback import walk_stack
from typing import IO, TYPE_CHECKING

import pytest
from stand_in_builder import Builder, failing, suffixes
from stand_in_toolkit import StandInToolkit

from m3l_core.errors import EngineError
from m3l_core.runtime.tensorrt_toolkit import StaleEngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from m3l_core.runtime.engine import Engine
    from m3l_core.runtime.tensorrt_progress import Watcher


def test_two_nodes_may_open_an_engine_at_once(builder: Builder) -> None:
    builder.obtain()
    with builder.store.file.unchanging():
        assert builder.open().backend == 'tensorrt'


def test_force_builds_although_it_waited_for_who_only_opens(builder: Builder) -> None:
    builder.obtain()
    builder.said.clear()
    thread = Thread(target=lambda: builder.obtain(force=True))
    with builder.store.file.unchanging():
        thread.start()
        wait_until_it_waits(builder, thread)
        assert 'waiting for another process' in builder.said[0]
    thread.join()
    assert builder.toolkit.builds == 2


def wait_until_it_waits(builder: Builder, thread: Thread) -> None:
    while thread.is_alive() and not builder.said:
        thread.join(0.01)


def test_folder_without_locks_is_named(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on NFS without its lock service."""
    builder.obtain()
    monkeypatch.setattr(fcntl, 'flock', failing(OSError(37, 'No locks available')))
    for attempt in (builder.open, builder.obtain):
        with pytest.raises(EngineError, match=r'\.lock: cannot be locked: No locks available\.'):
            attempt()


def test_interrupted_build_stops_at_its_next_step(model: Path, tmp_path: Path) -> None:
    """Ctrl-C reaches the main thread, which tells TensorRT; the build ends before it goes on."""
    is_canceled: list[bool] = []

    def interrupt(watcher: Watcher) -> None:
        while 'result' not in functions_of(main_thread()):  # it does not wait for the build yet
            Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(30000):
            if watcher.is_canceled:
                break
            Event().wait(0.01)
        is_canceled.append(watcher.is_canceled)

    builder = Builder(model, tmp_path / 'engines')
    builder.toolkit = StandInToolkit(model, while_building=interrupt)
    with pytest.raises(KeyboardInterrupt):
        builder.obtain()
    assert is_canceled == [True]
    assert suffixes(builder.folder) == ['.lock']


def functions_of(thread: Thread) -> list[str]:
    """Return the names of the functions that a thread is in."""
    frame = sys._current_frames().get(thread.ident or 0)
    return [at.f_code.co_name for at, _ in walk_stack(frame)]


@contextmanager
def child(model: Path, folder: Path, stop_at: str) -> Iterator[subprocess.Popen[str]]:
    """Run a builder in another process until it stops where it was told to."""
    script = Path(__file__).with_name('stand_in_toolkit.py')
    command = [sys.executable, str(script), str(model), str(folder), stop_at]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        wait_for('stopped', process.stdout)
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(line: str, output: IO[str]) -> None:
    for printed in output:
        if printed.strip() == line:
            return
    pytest.fail(f'the child ended before it printed {line!r}')


@pytest.mark.parametrize(
    ('stop_at', 'left'), [('build', ['.lock']), ('record', ['.engine', '.lock'])]
)
def test_killed_build_leaves_nothing_that_is_taken_for_an_engine(
    builder: Builder, stop_at: str, left: list[str]
) -> None:
    with child(builder.model, builder.folder, stop_at) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert suffixes(builder.folder) == left
    with pytest.raises(StaleEngineError, match='no such engine'):
        builder.open()
    builder.obtain()  # and the lock died with its holder
    assert builder.toolkit.builds == 1


@pytest.mark.parametrize('force', [False, True])
def test_second_builder_waits_and_takes_what_the_first_built(
    builder: Builder, force: bool
) -> None:
    with child(builder.model, builder.folder, 'build') as process:
        with pytest.raises(EngineError, match=r'\.engine: another process is building it\.'):
            builder.open()
        engines: list[Engine] = []
        thread = Thread(target=lambda: engines.append(builder.obtain(force=force)))
        thread.start()
        wait_until_it_waits(builder, thread)
        assert builder.said == [
            f'{builder.store.file.path.name}: waiting for another process that builds or opens it'
        ]
        process.communicate('go on\n')
        thread.join()
    assert process.returncode == 0
    assert [engine.backend for engine in engines] == ['tensorrt']
    assert builder.toolkit.builds == 0
