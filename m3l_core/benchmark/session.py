"""One call of a benchmark: what is shown while it works, and the tables it keeps up to date."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table

from m3l_core.benchmark.estimate import estimate
from m3l_core.benchmark.report import write_report
from m3l_core.benchmark.results import read_results, scores_of
from m3l_core.benchmark.running import do_all

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from m3l_core.benchmark.comparing import Comparison
    from m3l_core.benchmark.grid import Grid
    from m3l_core.benchmark.inputs import Inputs
    from m3l_core.benchmark.run_files import RunFiles
    from m3l_core.benchmark.running import Work


class Session:
    """Does the work of a grid and tells of it.

    Args:
        title: Of the page.
        grid: What is compared.
        files: Its runs.
        out: The folder of the benchmark.
        split: Whose scores the tables tell.
        jobs: Runs at a time.
    """

    def __init__(
        self,
        title: str,
        grid: Grid,
        files: Sequence[RunFiles],
        out: Path,
        *,
        split: str,
        jobs: int,
    ) -> None:
        self._title, self._grid, self._files = title, grid, files
        self._out, self._split, self._jobs = out, split, jobs
        self._console = Console()
        self.failed: list[str] = []
        """Names of runs that failed in this session."""

    def write(self) -> list[Comparison]:
        """Write tables and plots of what is finished."""
        results = read_results(self._grid, self._files, self._split)
        plots = []
        if find_spec('matplotlib'):
            from m3l_core.benchmark.plots import plot

            plots = plot(results, self._out)
        return write_report(self._out, self._title, self._grid, results, self._split, plots)

    def do(self, works: Sequence[Work], inputs: Inputs, lock: int) -> None:
        """Do what is left, with a table of what is going on."""
        if not works:
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as live:

            def look(active: set[RunFiles]) -> None:
                if self._console.is_terminal:
                    live.update(self._now(active), refresh=True)

            def done(work: Work, error: str | None) -> None:
                live.console.print(
                    self._line(work, error), markup=False, highlight=False, soft_wrap=True
                )
                self.write()

            do_all(works, inputs, jobs=self._jobs, lock=lock, on_done=done, on_look=look)

    def _line(self, work: Work, error: str | None) -> str:
        name = work.files.run.name
        if error is not None:
            self.failed.append(name)
            return f'{name}: failed, see {work.files.output}: {error}'
        split, convention = work.scorings[0]
        counts = work.files.counts(split, convention)
        assert counts is not None  # noqa: S101 - just kept
        robust = scores_of(counts)['mm_robust']
        left = estimate(self._files).text(self._jobs)
        return f'{name}: MM-Robust {robust:.1f} % on {split}; {left}'

    def _now(self, active: set[RunFiles]) -> Table:
        table = Table.grid(padding=(0, 2))
        for files in sorted(active, key=lambda one: one.run.name):
            step, _ = files.progress()
            steps = files.run.config.steps
            doing = 'scoring' if step == steps else f'step {step} of {steps}'
            table.add_row(files.run.name, doing)
        table.add_row('in all', estimate(self._files).text(self._jobs))
        return table
