"""`m3l predict` and `m3l export` as a person runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from m3l_core.cli import main
from m3l_core.export import exporting, proof

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip('openvino')

Capture = pytest.CaptureFixture[str]


def predict(model: Path, *arguments: object, out: Path) -> int:
    return main(['predict', *map(str, arguments), '-o', str(out), '--model', str(model)])


def refused(capture: Capture) -> str:
    """Return the one line that was printed to stderr."""
    printed = capture.readouterr()
    assert printed.out == ''
    assert printed.err.count('\n') == 1
    return printed.err


@pytest.mark.parametrize('given', ['both', 'color', 'depth'])
def test_predict_writes_labels_and_overlay(
    tiny_files: Path, frame_folder: Path, tmp_path: Path, capsys: Capture, given: str
) -> None:
    rgb = '-' if given == 'depth' else frame_folder / 'rgb' / '0001.png'
    depth = [] if given == 'color' else [frame_folder / 'depth' / '0001.png']
    options = ['--backend', 'openvino']
    assert predict(tiny_files, rgb, *depth, *options, out=tmp_path / 'out') == 0
    labels = cv2.imread(str(tmp_path / 'out' / 'labels.png'), cv2.IMREAD_UNCHANGED)
    overlay = cv2.imread(str(tmp_path / 'out' / 'overlay.png'))
    assert (labels.shape, overlay.shape) == ((64, 96), (64, 96, 3))
    assert labels.max() < 13
    printed = capsys.readouterr().out
    assert printed.startswith('tiny, openvino ')
    shares = [float(line.split()[1].rstrip('%')) for line in printed.splitlines()[2:-1]]
    assert sum(shares) == pytest.approx(100, abs=1)
    assert shares == sorted(shares, reverse=True)


def test_predict_refuses_an_image_that_is_none(
    tiny_files: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / 'no.jpg').write_bytes(b'text')
    assert predict(tiny_files, tmp_path / 'no.jpg', out=tmp_path / 'out') == 2
    assert 'no.jpg' in refused(capsys)


def test_predict_tells_a_folder_from_an_image(
    tiny_files: Path, frame_folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    folder = frame_folder / 'rgb'
    assert predict(tiny_files, folder, out=tmp_path / 'out') == 2
    assert refused(capsys) == (
        f'm3l: {folder}: expected an image, got a folder. Give a file in it.\n'
    )


def test_predict_refuses_depth_in_the_place_of_color(
    tiny_files: Path, frame_folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    depth = frame_folder / 'depth' / '0001.png'
    assert predict(tiny_files, depth, out=tmp_path / 'out') == 2
    assert f'looks like depth. Write: m3l predict - {depth}\n' in refused(capsys)


def test_predict_labels_a_color_image_of_16_bits(tiny_files: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'deep.png'), np.full((64, 96, 3), 30_000, np.uint16))
    options = ['--backend', 'openvino']
    assert predict(tiny_files, tmp_path / 'deep.png', *options, out=tmp_path / 'out') == 0


def test_predict_refuses_a_file_in_the_place_of_the_folder(
    tiny_files: Path, frame_folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / 'README.md').write_text('mine')
    rgb = frame_folder / 'rgb' / '0001.png'
    assert predict(tiny_files, rgb, out=tmp_path / 'README.md') == 2
    assert refused(capsys) == (
        f'm3l: --out: expected a folder, got the file {tmp_path / "README.md"}. Give another.\n'
    )


def test_predict_refuses_depth_of_another_size(
    tiny_files: Path, frame_folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    cv2.imwrite(str(tmp_path / 'depth.png'), np.ones((32, 48), np.uint16))
    rgb = frame_folder / 'rgb' / '0001.png'
    assert predict(tiny_files, rgb, tmp_path / 'depth.png', out=tmp_path / 'out') == 2
    assert f'depth.png: expected 64x96 as {rgb} has, got 32x48.' in refused(capsys)
    assert not (tmp_path / 'out').exists()


def test_predict_refuses_to_label_nothing(
    tiny_files: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert predict(tiny_files, '-', '-', out=tmp_path) == 2
    assert 'expected a color or a depth image, got neither' in refused(capsys)


def test_predict_refuses_a_damaged_model(
    tiny_files: Path, frame_folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    model = tmp_path / 'cut.onnx'
    model.write_bytes(tiny_files.read_bytes()[:3000])
    assert predict(model, frame_folder / 'rgb' / '0001.png', out=tmp_path / 'out') == 2
    assert 'is damaged or no ONNX file' in refused(capsys)


def test_predict_names_an_unknown_backend(
    tiny_files: Path, frame_folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    rgb = frame_folder / 'rgb' / '0001.png'
    arguments = ['predict', str(rgb), '-o', str(tmp_path), '--model', str(tiny_files)]
    assert main([*arguments, '--backend', 'cuda']) == 2
    assert "backend: expected one of auto, tensorrt, openvino, torch, got 'cuda'." in refused(
        capsys
    )


def test_export_writes_a_model_that_predict_reads(
    tiny_files: Path,
    frame_folder: Path,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proof, 'LEAST_FRAMES', 2)
    monkeypatch.setattr(exporting, 'RECORDED_FRAMES', 2)
    out = tmp_path / 'out.onnx'
    weights = tiny_files.with_suffix('.safetensors')
    assert main(['export', str(weights), '-o', str(out), '--frames', str(frame_folder)]) == 0
    assert 'openvino float32: RGBD ' in capsys.readouterr().out
    assert predict(out, frame_folder / 'rgb' / '0001.png', out=tmp_path / 'out') == 0


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['-o', 'out.pt'], '--out: expected a name that ends in .onnx, got out.pt.'),
        (['-o', 'out.onnx', '--size', '640'], '--size: expected HxW, each at least 32, such'),
        (['-o', 'out.onnx', '--size', '16x640'], "got '16x640'."),
        (['-o', 'out.onnx', '--frames', 'nowhere'], 'nowhere'),
    ],
)
def test_export_names_what_is_wrong(
    tiny_files: Path,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = tiny_files.with_suffix('.safetensors')
    assert main(['export', str(weights), *arguments]) == 2
    assert text in refused(capsys)
    assert list(tmp_path.iterdir()) == []
