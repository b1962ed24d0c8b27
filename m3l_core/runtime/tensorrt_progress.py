"""How far a build is, told in words; TensorRT reports phases that contain others."""

from __future__ import annotations

from threading import Lock
from time import monotonic
from typing import Protocol, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import TaskID

LEAST_SECONDS = 2.0
"""Between two lines about one phase."""


class Watcher(Protocol):
    """Who is told how a build goes; called from several threads.

    Attributes:
        is_canceled: Whether the build is to stop, asked after each step.
    """

    is_canceled: bool

    def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
        """A phase of so many steps begins, as part of `parent` if that is given."""

    def step_complete(self, phase: str, step: int) -> None:
        """The step of this number, from 0, is done."""

    def phase_finish(self, phase: str) -> None:
        """A phase has ended, or will not go on."""


class Lines:
    """Tells of a build in a line now and then, for logs and diagnostics.

    Args:
        say: Told each line.
        clock: Time in seconds.
    """

    def __init__(
        self, say: Callable[[str], None], *, clock: Callable[[], float] = monotonic
    ) -> None:
        self.is_canceled = False
        self._say = say
        self._clock = clock
        self._lock = Lock()
        self._steps: dict[str, int] = {}
        self._told_s = -LEAST_SECONDS

    def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
        """Tell of a phase that is no part of another."""
        with self._lock:
            self._steps[phase] = steps
            if parent is None:
                self._tell(phase)

    def step_complete(self, phase: str, step: int) -> None:
        """Tell how far a phase is, unless a line was told just now."""
        with self._lock:
            steps = self._steps.get(phase, 0)
            if steps > 0 and self._clock() - self._told_s >= LEAST_SECONDS:
                self._tell(f'{phase}: {min(step + 1, steps) / steps:.0%}')

    def phase_finish(self, phase: str) -> None:
        """Forget a phase."""
        with self._lock:
            self._steps.pop(phase, None)

    def _tell(self, line: str) -> None:
        self._told_s = self._clock()
        self._say(line)


class Bars:
    """Shows a build as bars on a terminal, a phase below the one it is part of.

    Use it in a `with` block; needs rich.
    """

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self.is_canceled = False
        self._lock = Lock()
        self._tasks: dict[str, TaskID] = {}
        self._depths: dict[str, int] = {}
        self._progress = Progress(
            TextColumn('{task.description}', markup=False),
            BarColumn(),
            TextColumn('{task.completed:.0f}/{task.total:.0f}'),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )

    def __enter__(self) -> Bars:
        """Start to show."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave what is shown where it is."""
        self._progress.stop()

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
        """Add a bar."""
        with self._lock:
            depth = self._depths.get(parent, -1) + 1 if parent is not None else 0
            self._depths[phase] = depth
            self._tasks[phase] = self._progress.add_task('  ' * depth + phase, total=steps)

    def step_complete(self, phase: str, step: int) -> None:
        """Move a bar."""
        with self._lock:
            if phase in self._tasks:
                self._progress.update(self._tasks[phase], completed=step + 1)

    def phase_finish(self, phase: str) -> None:
        """Remove a bar, unless its phase is no part of another."""
        with self._lock:
            if phase in self._tasks and self._depths[phase] > 0:
                self._progress.remove_task(self._tasks.pop(phase))
