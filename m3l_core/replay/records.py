"""The lines that a run writes: what is the same every time, and apart from it measured times."""

from __future__ import annotations

import json
from typing import Any, TextIO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

RECORDS, TIMES = 'records.jsonl', 'times.jsonl'

CLOCK_KEYS = ('taken_s', 'labeled_s', 'latency_ms', 'wait_ms', 'at_s')
"""What follows from how long the engine took: measured times where that was measured."""


class Records:
    """Writes JSON lines into a run's folder.

    Args:
        folder: Of the run.
        is_measured: Whether time on the run's clock is measured time.
    """

    def __init__(self, folder: Path, *, is_measured: bool) -> None:
        self._is_measured = is_measured
        self._records = (folder / RECORDS).open('w', encoding='utf-8')
        self._times = (folder / TIMES).open('w', encoding='utf-8')

    def write(self, values: dict[str, Any], **measured: float) -> None:
        """Write a line; measured times, and what follows from them, go to a file of their own.

        Args:
            values: With a `type`; those of a mask have an `index` too.
            measured: Times by name.
        """
        if self._is_measured:
            measured |= {key: values[key] for key in CLOCK_KEYS if key in values}
            values = {key: value for key, value in values.items() if key not in measured}
        _write(self._records, values)
        if measured:
            named = {key: values[key] for key in ('type', 'index', 'stamp_ns') if key in values}
            _write(self._times, named | measured)

    def close(self) -> None:
        """Close the files."""
        self._records.close()
        self._times.close()


def _write(file: TextIO, values: dict[str, Any]) -> None:
    file.write(json.dumps(values, separators=(',', ':')) + '\n')
