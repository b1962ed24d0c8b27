"""Replays as a person starts them, without pictures, and what they leave behind."""

from __future__ import annotations

import json
from pathlib import Path

from m3l_core.cli import main

NO_PICTURES = ['--no-report', '--precision', 'float32', '--threads', '1']


def replay(*arguments: object) -> int:
    return main(['replay', *map(str, arguments), *NO_PICTURES])


def summary_of(out: Path) -> dict:
    return json.loads((out / 'summary.json').read_text())


def records(folder: Path) -> list[dict]:
    lines = (folder / 'records.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


def frames(folder: Path) -> list[dict]:
    return [record for record in records(folder) if record['type'] == 'frame']
