"""`m3l evaluate` beyond what an engine does: runs, conventions, noise, and comparisons."""

from __future__ import annotations

from dataclasses import replace
import json
from pathlib import Path
import shutil

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')

from m3l_core import checkpoint  # noqa: E402
from m3l_core.cli import main  # noqa: E402
from m3l_core.data.folder import Folder  # noqa: E402
from m3l_core.evaluate.conventions import CONVENTIONS  # noqa: E402
from m3l_core.evaluate.corruptions import CORRUPTIONS  # noqa: E402
from m3l_core.evaluate.image_counts import ImageCounts  # noqa: E402
from m3l_core.evaluate.record import read_card  # noqa: E402
from m3l_core.evaluate.weights import load_plain  # noqa: E402
from m3l_core.frames import RgbdFrame  # noqa: E402
from m3l_core.metrics import CONDITIONS  # noqa: E402
from m3l_core.model_card import Calibration, ModeCalibration, ModelCard  # noqa: E402
from m3l_core.network import LinearFusion  # noqa: E402

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope='module')
def data(rooms: list[RgbdFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images in NYUv2's layout, three of each split, labeled with beds beside books."""
    root = tmp_path_factory.mktemp('nyuv2')
    names = [f'{index:04d}' for index in (1, 2, 5, 10, 11, 14)]
    for kind in ('rgb', 'depth', 'label40'):
        (root / kind).mkdir()
    for name, frame in zip(names, rooms, strict=False):
        assert frame.rgb is not None
        assert frame.depth_m is not None
        cv2.imwrite(str(root / f'rgb/{name}.jpg'), frame.rgb)
        cv2.imwrite(str(root / f'depth/{name}.png'), (1000 * frame.depth_m).astype(np.uint16))
        labels = np.where(np.arange(96) < 48, 4, 23).astype(np.uint8)
        cv2.imwrite(str(root / f'label40/{name}.png'), np.tile(labels, (64, 1)))
    (root / 'train.txt').write_text('\n'.join(names))
    (root / 'val.txt').write_text('\n'.join(names[3:]))
    return root


@pytest.fixture
def run_folder(tiny_model: LinearFusion, tiny_card: ModelCard, tmp_path: Path) -> Path:
    """A training run as it is on disk; its student labels everything as class 12."""
    folder = tmp_path / 'runs/m3l'
    checkpoint.save(folder / 'm3l.safetensors', tiny_model, tiny_card)
    student = {name: value.clone() for name, value in tiny_model.state_dict().items()}
    student['decoder.classify.bias'][12] += 1000
    torch.save({'step': 3, 'student': student, 'teacher': tiny_model.state_dict()},
               folder / 'state.pt')  # fmt: skip
    return folder


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_a_run_is_scored_as_teacher_and_as_student(
    run_folder: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    for which in ('teacher', 'student'):
        out = tmp_path / f'{which}.json'
        assert run('evaluate', run_folder, '--data', data, '--which', which, '--json', out) == 0
    printed = capsys.readouterr().out
    assert 'm3l.safetensors, torch float32, NYUv2 val' in printed
    assert 'm3l.safetensors (student), plain float32, NYUv2 val' in printed
    teacher, student = (
        json.loads((tmp_path / f'{which}.json').read_text()) for which in ('teacher', 'student')
    )
    predicted = np.array(student['confusion']['both']).sum(0)
    assert predicted[12] == predicted.sum()
    assert np.array(teacher['confusion']['both']).sum(0)[12] < predicted.sum()


def test_the_student_is_scored_without_the_calibration_of_the_teacher(
    run_folder: Path, tiny_model: LinearFusion, tiny_card: ModelCard
) -> None:
    depth_alone = ModeCalibration(rgb_share=0.0, temperature=5.0)
    calibration = Calibration(**dict.fromkeys(CONDITIONS, depth_alone))
    file = run_folder / 'm3l.safetensors'
    checkpoint.save(file, tiny_model, replace(tiny_card, calibration=calibration))
    assert load_plain(file, 'teacher')[1].calibration == calibration
    assert load_plain(file, 'student')[1].calibration is None


def test_the_student_is_never_scored_on_test_nor_recorded(
    run_folder: Path, data: Path, capsys: Capture
) -> None:
    look = ('evaluate', run_folder, '--data', data, '--which', 'student')
    for further in (('--split', 'test'), ('--record',)):
        assert run(*look, *further) == 2
        assert "the student's scores have no place in the model file" in capsys.readouterr().err


def test_a_folder_without_one_run_is_refused(
    run_folder: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert run('evaluate', tmp_path / 'runs', '--data', data) == 2
    assert 'expected the folder of a training run with one checkpoint, got none' in (
        capsys.readouterr().err
    )
    shutil.copy(run_folder / 'm3l.safetensors', run_folder / 'other.safetensors')
    assert run('evaluate', run_folder, '--data', data) == 2
    assert 'got m3l.safetensors, other.safetensors. Name the file.' in capsys.readouterr().err


def test_a_checkpoint_without_its_run_has_no_student(
    run_folder: Path, data: Path, capsys: Capture
) -> None:
    (run_folder / 'state.pt').unlink()
    assert run('evaluate', run_folder, '--data', data, '--which', 'student') == 2
    assert 'state.pt: there is no such file' in capsys.readouterr().err


def test_every_convention_and_corruption_gets_a_row_and_a_number(
    run_folder: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / 'val.json'
    asked = ('--conventions', '--noise', '--json', out, '--record')
    assert run('evaluate', run_folder, '--data', data, *asked) == 0
    printed = ' '.join(capsys.readouterr().out.split())
    numbers = json.loads(out.read_text())
    assert numbers['conventions'].keys() == {str(convention) for convention in CONVENTIONS}
    assert numbers['corruptions'].keys() == CORRUPTIONS.keys()
    for name in (*numbers['conventions'], *numbers['corruptions']):
        assert name in printed
    deployed = numbers['conventions']['token, ensemble']
    assert deployed == {name: numbers[name] for name in deployed}
    assert numbers['conventions']['zero, ensemble']['both'] == numbers['both']
    assert numbers['conventions']['zero, ensemble']['rgb_missing'] != numbers['rgb_missing']
    assert (numbers['engine'], numbers['missing']) == ('plain float32', 'token, ensemble')
    recorded = read_card(run_folder / 'm3l.safetensors').metrics['val']
    assert recorded['conventions'] == numbers['conventions']


def test_the_convention_is_stated_with_the_number(
    run_folder: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / 'val.json'
    asked = ('--missing', 'mean', '--prediction', 'present', '--json', out)
    assert run('evaluate', run_folder, '--data', data, *asked) == 0
    printed = ' '.join(capsys.readouterr().out.split())
    assert 'Of a missing image it is the mean training image; the other stream' in printed
    assert 'Expected mIoU if each modality fails with probability 0.05: ' in printed
    numbers = json.loads(out.read_text())
    assert numbers['missing'] == 'mean, present'
    both, alone = numbers['both'], numbers['depth_missing'] + numbers['rgb_missing']
    assert numbers['expected']['0.2'] == pytest.approx((0.64 * both + 0.16 * alone) / 0.96)


def test_an_engine_cannot_do_what_needs_the_plain_network(
    tiny_files: Path, data: Path, capsys: Capture
) -> None:
    look = ('evaluate', tiny_files, '--data', data, '--backend', 'torch')
    assert run(*look, '--noise', '--missing', 'zero') == 2
    assert '--backend: expected plain for --missing and --noise, got torch. Leave it out.' in (
        capsys.readouterr().err
    )


def test_the_plain_network_of_a_graph_is_the_checkpoint_beside_it(
    tiny_files: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert run('evaluate', tiny_files, '--data', data, '--backend', 'plain') == 0
    assert 'tiny.onnx, plain float32' in capsys.readouterr().out
    alone = shutil.copy(tiny_files, tmp_path / 'alone.onnx')
    assert run('evaluate', alone, '--data', data, '--backend', 'plain') == 2
    assert 'needs the checkpoint it was made from beside it, as alone.safetensors' in (
        capsys.readouterr().err
    )


def test_other_fusions_are_scored_as_plain_networks(
    tiny_model: LinearFusion, tiny_card: ModelCard, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    architecture = replace(tiny_model.architecture, fusion='rgb')
    model = LinearFusion(architecture)
    model.load_state_dict(tiny_model.weights_for(architecture))
    path = tmp_path / 'rgb.safetensors'
    checkpoint.save(path, model, replace(tiny_card, architecture=architecture))
    assert run('evaluate', path, '--data', data, '--json', tmp_path / 'rgb.json') == 0
    assert 'rgb.safetensors, plain float32' in capsys.readouterr().out
    numbers = json.loads((tmp_path / 'rgb.json').read_text())
    assert numbers['both'] == numbers['depth_missing']
    assert run('evaluate', path, '--data', data, '--backend', 'torch') == 2
    assert 'expected plain for a fusion that is not linear' in capsys.readouterr().err


def test_two_models_are_compared_by_their_counts(
    run_folder: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    counts = tmp_path / '[teacher].npz'
    assert run('evaluate', run_folder, '--data', data, '--counts', counts) == 0
    capsys.readouterr()
    assert run('evaluate', run_folder, '--data', data, '--against', counts) == 0
    printed = ' '.join(capsys.readouterr().out.split())
    assert 'gain over [teacher].npz' in printed
    assert '+0.0 to +0.0' in printed
    assert run('evaluate', run_folder, '--data', data, '--split', 'trainval',
               '--against', counts) == 2  # fmt: skip
    assert '[teacher].npz: expected counts of 6 images from 0001 on in 13 classes, got 3' in (
        capsys.readouterr().err
    )


def test_counts_of_another_data_set_with_images_of_the_same_names_are_refused(
    run_folder: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    counts = tmp_path / 'teacher.npz'
    assert run('evaluate', run_folder, '--data', data, '--counts', counts) == 0
    other = Path(shutil.copytree(data, tmp_path / 'other'))
    flipped = cv2.imread(str(other / 'label40/0011.png'), cv2.IMREAD_UNCHANGED)
    flipped[0] = 23
    cv2.imwrite(str(other / 'label40/0011.png'), flipped)
    capsys.readouterr()
    assert run('evaluate', run_folder, '--data', other, '--against', counts) == 2
    said = capsys.readouterr()
    assert 'expected counts on the same labels, got others of 1 images, such as 0011' in said.err
    assert 'mIoU' not in said.out  # nothing was scored


def test_intervals_and_counts_know_the_scenes_of_the_data_set(
    run_folder: Path, data: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms = ('hall', 'lab', 'hall')
    monkeypatch.setattr(Folder, 'scenes', rooms)
    counts = tmp_path / 'teacher.npz'
    asked = ('--conventions', '--counts', counts)
    assert run('evaluate', run_folder, '--data', data, *asked) == 0
    assert '3 images of 2 scenes.' in ' '.join(capsys.readouterr().out.split())
    assert ImageCounts.load(counts).scenes == rooms
