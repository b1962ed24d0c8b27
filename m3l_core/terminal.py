"""What a person at a terminal is shown while something takes long; a log gets none of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress


@contextmanager
def progress_bars(*, counted: bool = False) -> Iterator[Progress]:
    """Show bars on stderr, gone when the block is left.

    Args:
        counted: Whether the number done of all stands beside each bar.
    """
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), *([MofNCompleteColumn()] if counted else []))
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        yield progress
