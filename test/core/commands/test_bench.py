"""`m3l bench` measures what is there, and says what is not."""

from __future__ import annotations

import json
from typing import Any, TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip('openvino')

from m3l_core.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def measured(model: Path, *options: str, code: int = 0) -> dict[str, Any]:
    out = model.with_name('bench.json')
    arguments = ['bench', str(model), '--frames', '6', '--threads', '1', '--json', str(out)]
    assert main([*arguments, *options]) == code
    report: dict[str, Any] = json.loads(out.read_text())
    return report


def test_every_engine_is_a_row(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = measured(model, '--precision', 'float32')
    rows = {(row['backend'], row['precision']): row for row in report['engines']}
    assert set(rows) == {('openvino', 'float32'), ('torch', 'float32')}
    for row in rows.values():
        assert len(row['times_ms']) == 6
        assert row['p50_ms'] <= row['p90_ms'] <= row['p99_ms']
        assert set(row['parity']) == {'RGBD', 'RGB_ONLY', 'DEPTH_ONLY'}
        assert row['parity']['RGBD']['total'] > 99.9
        assert row['load_s'] > 0
        assert row['host_mb'] > 20
        assert 0 < row['share_of_limit'] < 1
    assert rows['openvino', 'float32']['first_load_s'] > 0
    shown = capsys.readouterr().out
    assert 'openvino float32' in shown
    assert 'torch float32' in shown


def test_engine_with_wrong_labels_is_told_and_fails_the_command(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = model.with_name('tiny.parity.npz')
    with np.load(path) as archive:
        recorded: dict[str, Any] = dict(archive)
    recorded['RGBD.labels'] = (recorded['RGBD.labels'] + 1) % 13
    np.savez(path, **recorded)
    measured(model, '--backend', 'openvino', '--precision', 'float32', code=1)
    assert 'computes other labels than the network' in ' '.join(capsys.readouterr().out.split())


def test_without_recorded_labels_float32_is_the_measure(model: Path) -> None:
    model.with_name('tiny.parity.npz').unlink()
    report = measured(
        model, '--backend', 'openvino', '--precision', 'float32', '--precision', 'bf16'
    )
    exact, half = report['engines']
    assert exact['parity']['RGBD']['total'] == 100
    assert 80 < half['parity']['RGBD']['total'] < 100


def test_engine_that_fails_is_a_row_with_its_error(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.with_suffix('.safetensors').unlink()
    report = measured(model, '--precision', 'float32', '--layers')
    rows = {row['backend']: row for row in report['engines']}
    assert 'needs the checkpoint beside it' in rows['torch']['problem']
    assert not rows['openvino']['problem']
    assert rows['openvino']['layers'][0]['milliseconds'] > 0
    assert 'failed' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['no.onnx'], 'm3l: no.onnx: no such file. Give the path of a model file.'),
        (['--frames', '0'], 'm3l: --frames: expected 1 or more, got 0.'),
        (['--threads', '-1'], 'm3l: --threads: expected 0 (all) or more, got -1.'),
        (
            ['--backend', 'openvino', '--precision', 'float16'],
            'm3l: bench: there is no engine to measure. openvino: has no float16.',
        ),
    ],
)
def test_wrong_input_is_one_line(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['bench', *arguments]) == 2
    assert capsys.readouterr().err.strip() == text
