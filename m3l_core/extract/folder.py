"""The folder that bags are extracted into: whether it is ours, and what is noted in it first."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

import yaml

from m3l_core.errors import DataError
from m3l_core.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.extract.config import ExtractConfig

MADE_BY = 'm3l extract'


def expect_own(out: Path, config: ExtractConfig) -> None:
    """Check that `out` is new, empty, or was made with the same configuration; write nothing.

    Raises:
        DataError: If it is something else.
    """
    path = out / 'card.yaml'
    if not path.exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            got = 'other files' if out.is_dir() else 'a file'
            raise DataError(
                f'{out}: expected an empty folder or one of m3l extract, got {got}. '
                'Give another folder.'
            )
        return
    there = yaml.safe_load(path.read_text(encoding='utf-8'))
    if not isinstance(there, dict) or there.get('made_by') != MADE_BY:
        raise DataError(
            f'{path}: expected a folder of m3l extract, got another data set. Give another folder.'
        )
    wanted = _notes(config)
    other = [f'{key} {there.get(key)}' for key in wanted if there.get(key) != wanted[key]]
    if other:
        raise DataError(
            f'{path}: was extracted with {", ".join(other)}. Give the same, or another folder.'
        )


def begin(out: Path, name: str, bag: Path, config: ExtractConfig) -> None:
    """Note what the folder holds, and whose files begin with `name`, before there are any.

    Raises:
        M3lError: If it cannot be written into.
    """
    if not (path := out / 'card.yaml').exists():  # bags side by side write the same
        card = {'made_by': MADE_BY, 'labeled': False, 'depth_unit_m': 0.001, **_notes(config)}
        write_atomically(path, yaml.safe_dump(card, sort_keys=False).encode())
    write_atomically(out / 'bags' / f'{name}.name', str(bag).encode())


def _notes(config: ExtractConfig) -> dict[str, Any]:
    return {
        'every': config.every,
        'distinct': config.distinct,
        'sharpness': config.sharpness,
        'depth_stamp_offset': config.depth_stamp_offset,
    }
