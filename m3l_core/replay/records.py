"""The lines that a run writes: what is the same every time, and apart from it measured times."""

from __future__ import annotations

import json
from typing import Any, TextIO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

RECORDS, TIMES = 'records.jsonl', 'times.jsonl'


class Records:
    """Writes JSON lines into a run's folder; use it as a context manager.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._records = (folder / RECORDS).open('w', encoding='utf-8')
        self._times = (folder / TIMES).open('w', encoding='utf-8')

    def write(self, values: dict[str, Any]) -> None:
        """Write a line of what any other run of the same inputs gives too."""
        _write(self._records, values)

    def write_times(self, values: dict[str, Any]) -> None:
        """Write a line of what was measured."""
        _write(self._times, values)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._records.close()
        self._times.close()


def _write(file: TextIO, values: dict[str, Any]) -> None:
    file.write(json.dumps(values, separators=(',', ':')) + '\n')
