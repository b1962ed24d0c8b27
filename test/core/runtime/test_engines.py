"""Engines agree, and everything that is wrong is one line that says what to do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from m3l_core import checkpoint
from m3l_core.errors import EngineError, FrameError, M3lError, ModelError
from m3l_core.export.onnx import deployment_graph, set_card
from m3l_core.model_card import CARD_KEY
from m3l_core.network import LinearFusion
from m3l_core.runtime import choosing, open_engine, Segmenter
from m3l_core.runtime.parity import MODES, without_missing

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.frames import RgbdFrame
    from m3l_core.model_card import ModelCard

pytest.importorskip('openvino')


@pytest.mark.parametrize('mode', MODES)
def test_openvino_gives_the_labels_of_torch(tiny_files: Path, frame: RgbdFrame, mode: str) -> None:
    results = [
        Segmenter(open_engine(tiny_files, backend, precision='float32')).segment(
            without_missing(frame, mode)
        )
        for backend in ('torch', 'openvino')
    ]
    assert len(np.unique(results[0].labels)) > 2
    assert np.mean(results[0].labels == results[1].labels) > 0.99
    confidence = [result.confidence.astype(int) for result in results]
    assert np.abs(confidence[0] - confidence[1]).mean() < 1


def test_half_precision_gives_nearly_the_same_labels(tiny_files: Path, frame: RgbdFrame) -> None:
    labels = [
        Segmenter(open_engine(tiny_files, backend, precision=precision)).segment(frame).labels
        for backend in ('openvino', 'torch')
        for precision in ('float32', 'bf16')
    ]
    assert np.mean(labels[0] == labels[1]) > 0.9
    assert np.mean(labels[2] == labels[3]) > 0.9


def test_auto_takes_openvino_for_onnx_and_torch_for_a_checkpoint(
    tiny_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, 'has_gpu', lambda: False)
    assert open_engine(tiny_files).backend == 'openvino'
    assert open_engine(tiny_files.with_suffix('.safetensors')).backend == 'torch'


def test_engine_says_what_it_runs(tiny_files: Path, tiny_card: ModelCard) -> None:
    engine = open_engine(tiny_files, 'openvino', precision='float32', threads=1)
    assert (engine.backend, engine.precision) == ('openvino', 'float32')
    as_made = replace(engine.card, weights_sha256='', ranges=None)
    assert as_made == replace(tiny_card, precision='float16')


def test_results_outlive_the_next_run(tiny_files: Path, frame: RgbdFrame) -> None:
    segmenter = Segmenter(open_engine(tiny_files))
    first = segmenter.segment(frame)
    kept = first.labels.copy()
    segmenter.segment(without_missing(frame, 'DEPTH_ONLY'))
    np.testing.assert_array_equal(first.labels, kept)


def test_frames_side_by_side_get_the_labels_they_get_alone(
    tiny_files: Path, rooms: list[RgbdFrame]
) -> None:
    alone = Segmenter(open_engine(tiny_files))
    together = Segmenter(open_engine(tiny_files, streams=2, threads=2))
    assert (alone.engine.streams, together.engine.streams) == (1, 2)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(together.segment, rooms * 4))
    for one, other in zip(found, map(alone.segment, rooms * 4), strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.confidence, other.confidence)


def test_compiled_network_is_kept_where_it_is_told_to(
    tiny_files: Path, frame: RgbdFrame, tmp_path: Path
) -> None:
    labels = [
        Segmenter(open_engine(tiny_files, cache_dir=tmp_path / 'cache')).segment(frame).labels
        for _ in range(2)
    ]
    assert list((tmp_path / 'cache').iterdir())
    np.testing.assert_array_equal(*labels)


@pytest.mark.parametrize('backend', ['openvino', 'torch'])
def test_closed_engine_says_so(tiny_files: Path, frame: RgbdFrame, backend: str) -> None:
    engine = open_engine(tiny_files, backend)
    engine.close()
    with pytest.raises(EngineError, match='it is closed'):
        Segmenter(engine).segment(frame)


@pytest.mark.parametrize('backend', ['openvino', 'torch'])
def test_arrays_of_another_size_are_refused(tiny_files: Path, backend: str) -> None:
    engine = open_engine(tiny_files, backend)
    rgb, depth = np.zeros((1, 64, 96, 3), np.uint8), np.zeros((1, 64, 96), np.float32)
    present = np.ones((1, 2), np.float32)
    with pytest.raises(FrameError, match=r'rgb: expected \(1, 64, 96, 3\) uint8, got \(1, 32'):
        engine.run(rgb[:, :32], depth, present)
    with pytest.raises(FrameError, match=r'depth: expected \(1, 64, 96\) float32, got .* float64'):
        engine.run(rgb, depth.astype(np.float64), present)
    with pytest.raises(FrameError, match=r'present: expected \(1, 2\) float32, got \(2\)'):
        engine.run(rgb, depth, present[0])


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (
            {'backend': 'cuda'},
            "backend: expected one of auto, tensorrt, openvino, torch, got 'cuda'.",
        ),
        (
            {'precision': 'int8'},
            "precision: expected one of auto, float32, float16, bf16, got 'int8'.",
        ),
        ({'threads': -1}, 'threads: expected 0 (all) or more, got -1.'),
    ],
)
def test_unknown_choices_are_named(
    tiny_files: Path, arguments: dict[str, object], text: str
) -> None:
    with pytest.raises(EngineError) as caught:
        open_engine(tiny_files, **arguments)
    assert str(caught.value) == text


def test_a_file_that_is_no_model_is_refused_before_an_engine_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / 'notes.md').write_text('# Notes')
    with pytest.raises(ModelError, match=r'notes\.md: expected a model file, NAME\.onnx of m3l'):
        open_engine(tmp_path / 'notes.md')


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r'no\.onnx: no such file\. Give the path'):
        open_engine(tmp_path / 'no.onnx')


@pytest.mark.parametrize('keep', [0, 1, 100, 5000, -1])
def test_truncated_file_is_refused_in_one_line(
    tiny_files: Path, tmp_path: Path, keep: int
) -> None:
    path = tmp_path / 'cut.onnx'
    path.write_bytes(tiny_files.read_bytes()[:keep])
    with pytest.raises(ModelError) as caught:
        open_engine(path, 'openvino')
    assert '\n' not in str(caught.value)
    assert 'Copy or export it again.' in str(caught.value)


def test_damage_inside_the_graph_is_refused_in_one_line(tiny_files: Path, tmp_path: Path) -> None:
    graph = onnx.load(tiny_files)
    graph.graph.node[40].op_type = 'Nonsense'
    path = tmp_path / 'bad.onnx'
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(M3lError) as caught:
        open_engine(path, 'openvino')
    assert str(caught.value).startswith(f'{path}: OpenVINO cannot')
    assert '\n' not in str(caught.value)


def test_onnx_without_a_card_is_refused(tiny_files: Path, tmp_path: Path) -> None:
    graph = onnx.load(tiny_files)
    del graph.metadata_props[:]
    path = tmp_path / 'plain.onnx'
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(ModelError, match='expected an ONNX file with a model card, got one'):
        open_engine(path)


def test_card_of_an_unknown_format_is_refused(tiny_files: Path, tmp_path: Path) -> None:
    graph = onnx.load(tiny_files)
    onnx.helper.set_model_props(graph, {CARD_KEY: '{"format": 99}'})
    path = tmp_path / 'new.onnx'
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(ModelError, match='its model card has format 99'):
        open_engine(path)


def test_graph_of_another_size_than_its_card_is_refused(
    tiny_files: Path, tiny_card: ModelCard, tmp_path: Path
) -> None:
    graph = onnx.load(tiny_files)
    set_card(graph, replace(tiny_card, image_size=(32, 32)))
    path = tmp_path / 'size.onnx'
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(ModelError, match=r'rgb: expected .*32, 32.*, got .*64, 96.*'):
        open_engine(path, 'openvino')


def test_torch_needs_the_checkpoint_beside_the_graph(tiny_files: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_files, tmp_path / 'alone.onnx')
    with pytest.raises(ModelError, match=r'needs the checkpoint beside it, got no alone\.safe'):
        open_engine(tmp_path / 'alone.onnx', 'torch')


def test_checkpoint_of_another_network_is_refused(
    tiny_files: Path, tiny_card: ModelCard, tmp_path: Path
) -> None:
    other = replace(tiny_card.architecture, decoder_dim=16)
    shutil.copy(tiny_files, tmp_path / 'tiny.onnx')
    card = replace(tiny_card, architecture=other)
    checkpoint.save(tmp_path / 'tiny.safetensors', LinearFusion(other), card)
    with pytest.raises(ModelError, match=r'exported with tiny\.onnx, got another'):
        open_engine(tmp_path / 'tiny.onnx', 'torch')


def test_network_of_the_card_size_runs_at_its_own(
    tiny_model: LinearFusion, tiny_card: ModelCard, frame: RgbdFrame, tmp_path: Path
) -> None:
    path = tmp_path / 'small.onnx'
    card = replace(tiny_card, network_size=(32, 64))
    path.write_bytes(deployment_graph(tiny_model, card).SerializeToString())
    assert Segmenter(open_engine(path)).segment(frame).labels.shape == (64, 96)


def test_runtime_imports_neither_torch_nor_an_engine() -> None:
    code = (
        'import sys, m3l_core.runtime, m3l_core.runtime.parity;'
        'print(sorted({"torch", "openvino", "onnx"} & set(sys.modules)))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'
