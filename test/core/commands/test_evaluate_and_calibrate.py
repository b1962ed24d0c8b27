"""`m3l evaluate` and `m3l calibrate` as a person runs them, on a made-up data set."""

from __future__ import annotations

from dataclasses import replace
import json
from pathlib import Path
import shutil

import cv2
import numpy as np
import pytest

from m3l_core.cli import main
from m3l_core.data.degrade import SENSORS
from m3l_core.evaluate.record import read_card
from m3l_core.frames import RgbdFrame
from m3l_core.weights_file import with_card

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope='module')
def data(rooms: list[RgbdFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images in NYUv2's layout: beds on the left, books on the right."""
    root = tmp_path_factory.mktemp('nyuv2')
    names = [f'{index:04d}' for index in (1, 2, 5, 6, 10, 11, 20, 21)]
    for kind in ('rgb', 'depth', 'label40'):
        (root / kind).mkdir()
    for name, frame in zip(names, rooms, strict=False):
        assert frame.rgb is not None
        assert frame.depth_m is not None
        cv2.imwrite(str(root / f'rgb/{name}.jpg'), frame.rgb)
        cv2.imwrite(str(root / f'depth/{name}.png'), (1000 * frame.depth_m).astype(np.uint16))
        labels = np.where(np.arange(96) < 48, 4, 23).astype(np.uint8)
        cv2.imwrite(str(root / f'label40/{name}.png'), np.tile(labels, (64, 1)))
    for split, part in (('train', names[:6]), ('val', names[3:6]), ('test', names[6:])):
        (root / f'{split}.txt').write_text('\n'.join(part))
    return root


@pytest.fixture
def model(tiny_files: Path, tmp_path: Path) -> Path:
    """A checkpoint to be written into, with its graph beside it."""
    shutil.copy(tiny_files, tmp_path / 'm.onnx')
    return Path(shutil.copy(tiny_files.with_suffix('.safetensors'), tmp_path / 'm.safetensors'))


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_val_is_printed_and_not_recorded(
    model: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    before = model.read_bytes()
    assert run('evaluate', model, '--data', data, '--json', tmp_path / 'val.json') == 0
    printed = capsys.readouterr().out
    for text in ('m.safetensors, torch float32, NYUv2 val', 'mIoU', 'of 13', 'MM-Robust'):
        assert text in printed
    assert 'A network that looks at nothing: 100.0 %' in printed  # all images are labeled alike
    numbers = json.loads((tmp_path / 'val.json').read_text())
    assert numbers['floor'] == 100
    assert numbers['images'] == 3
    assert numbers['split'] == 'val'
    assert model.read_bytes() == before


def test_val_is_recorded_when_asked_to(model: Path, data: Path) -> None:
    assert run('evaluate', model, '--data', data, '--record', '--degrade', 'sensor', 'holes') == 0
    metrics = read_card(model).metrics
    assert metrics.keys() == {'val'}
    assert metrics['val']['engine'] == 'torch float32'
    assert metrics['val']['degraded'].keys() == {'sensor', 'holes'}
    assert read_card(model.with_suffix('.onnx')).metrics == metrics


def test_a_second_look_at_test_is_counted_and_warned_of(
    model: Path, data: Path, capsys: Capture
) -> None:
    look = ('evaluate', model, '--data', data, '--split', 'test')
    assert run(*look) == 0
    first = capsys.readouterr()
    assert 'scored on test so far: once' in first.out
    assert 'warning' not in first.err
    assert run(*look) == 0
    second = capsys.readouterr()
    assert 'scored on test so far: 2 times' in second.out
    assert 'were scored on test before: once.' in second.err
    assert read_card(model.with_suffix('.onnx')).metrics['test_scored'] == {'NYUv2': 2}


@pytest.mark.parametrize('name', ['0001', '0020'])
def test_a_broken_label_is_found_before_test_is_scored(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    copied = shutil.copytree(data, tmp_path / 'copied')
    (copied / f'label40/{name}.png').write_bytes(b'no image')
    scored: list[object] = []
    monkeypatch.setattr('m3l_core.evaluate.scoring.evaluate', scored.append)
    assert run('evaluate', model, '--data', copied, '--split', 'test') == 2
    assert not scored


def test_runs_are_told_and_brackets_only_where_there_are_some(
    model: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert run('evaluate', model, '--data', data) == 0
    several = ' '.join(capsys.readouterr().out.split())
    assert '3 images of 2 scenes.' in several
    assert 'Brackets: 95 %' in several
    copied = shutil.copytree(data, tmp_path / 'copied')
    (copied / 'val.txt').write_text('0005\n0006\n')
    assert run('evaluate', model, '--data', copied) == 0
    one = ' '.join(capsys.readouterr().out.split())
    assert '2 images of 1 scene.' in one
    assert 'Brackets' not in one


def test_images_without_a_class_are_refused_and_cost_no_look_at_test(
    model: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    copied = shutil.copytree(data, tmp_path / 'copied')
    for name in ('0020', '0021'):
        cv2.imwrite(str(copied / f'label40/{name}.png'), np.zeros((64, 96), np.uint8))
    assert run('evaluate', model, '--data', copied, '--split', 'test') == 2
    assert 'no pixel of the 2 images to score on has a class' in capsys.readouterr().err
    assert 'test_scored' not in read_card(model).metrics


def test_the_compiled_network_is_kept_where_the_node_keeps_it(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('openvino')
    cache = tmp_path / 'cache'
    monkeypatch.setenv('M3L_CACHE', str(cache))
    graph = model.with_suffix('.onnx')
    assert run('evaluate', graph, '--data', data, '--backend', 'openvino') == 0
    kept = {path: path.stat().st_mtime_ns for path in cache.glob('*.blob')}
    assert kept
    assert run('evaluate', graph, '--data', data, '--backend', 'openvino') == 0
    assert {path: path.stat().st_mtime_ns for path in cache.glob('*.blob')} == kept


def test_every_depth_sensor_can_be_asked_for(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        run('evaluate', '--help')
    assert f'(sensor): {", ".join(SENSORS)}' in ' '.join(capsys.readouterr().out.split())


def test_splits_and_thresholds_that_are_none_are_refused(
    model: Path, data: Path, capsys: Capture
) -> None:
    assert run('evaluate', model, '--data', data, '--min-confidence', 1.5) == 2
    assert '--min-confidence: expected 0 to 1, got 1.5.' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run('evaluate', model, '--data', data, '--split', 'all')


def test_calibration_is_written_into_the_checkpoint(
    model: Path, data: Path, capsys: Capture
) -> None:
    assert run('calibrate', model, '--data', data) == 0
    printed = capsys.readouterr().out
    assert 'rgb missing' in printed
    card = read_card(model)
    assert card.calibration is not None
    assert card.calibration.both.temperature > 1  # the labels mean nothing to this network
    assert card.metrics['val'].keys() == {'both', 'depth_missing', 'rgb_missing', 'mm_robust'}


def test_a_network_that_learned_from_val_takes_the_calibration_of_another(
    model: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    final = tmp_path / 'final.safetensors'
    card = replace(read_card(model), training={'recipe': {'split': 'trainval'}})
    final.write_bytes(with_card(model.read_bytes(), card))
    assert run('calibrate', final, '--data', data) == 2
    assert 'has learned from the images of val' in capsys.readouterr().err
    assert run('calibrate', final, '--like', model) == 2
    assert 'has no calibration' in capsys.readouterr().err
    assert run('calibrate', model, '--data', data) == 0
    out = tmp_path / 'out.safetensors'
    assert run('calibrate', final, '--like', model, '--out', out) == 0
    assert read_card(out).calibration == read_card(model).calibration
    assert read_card(out).training == card.training
    assert read_card(final).calibration is None


@pytest.mark.parametrize(
    ('split', 'learned', 'code'),
    [
        ('all', 'NYUv2, 795 images', 2),
        ('trainval', 'mine, 9 images, and 7 rendered ones', 0),
        ('all', '12,000 frames of rooms', 0),
        ('all', None, 2),
        ('train', 'NYUv2, 672 images', 0),
    ],
)
def test_what_learned_from_val_of_the_same_data_set_is_not_fitted_on_it(
    model: Path, data: Path, split: str, learned: str | None, code: int
) -> None:
    training = {'recipe': {'split': split}} | ({'data': learned} if learned else {})
    card = replace(read_card(model), training=training)
    model.write_bytes(with_card(model.read_bytes(), card))
    assert run('calibrate', model, '--data', data) == code


def test_scores_of_val_that_was_learned_from_are_warned_of(
    model: Path, data: Path, capsys: Capture
) -> None:
    assert run('evaluate', model, '--data', data) == 0
    assert 'has learned from these images' not in capsys.readouterr().err
    training = {'recipe': {'split': 'lists/some.txt'}, 'learned_from_val_of': 'NYUv2'}
    model.write_bytes(with_card(model.read_bytes(), replace(read_card(model), training=training)))
    assert run('evaluate', model, '--data', data) == 0
    assert 'has learned from these images; its score says nothing' in capsys.readouterr().err
    assert run('calibrate', model, '--data', data) == 2


def test_calibration_goes_into_checkpoints_only(model: Path, data: Path, capsys: Capture) -> None:
    assert run('calibrate', model, '--data', data, '--out', 'x.onnx') == 2
    assert 'expected a name that ends in .safetensors' in capsys.readouterr().err
    assert run('calibrate', model.with_suffix('.onnx'), '--data', data) == 2
