"""The network in the box: whole, proven, and honest about itself."""

from __future__ import annotations

import numpy as np
import pytest

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import guess_topics
from m3l_core.frames import RgbdFrame
from m3l_core.metrics import CONDITIONS
from m3l_core.models import default_model, named_model
from m3l_core.runtime import open_engine, Segmenter
from m3l_core.runtime.onnx_card import read_onnx_card
from m3l_core.runtime.parity import check_parity_file
from m3l_core.samples import sample_bag
from m3l_core.stream.image_codec import decode_depth, decode_rgb

FLOOR = 6.6
"""Test mIoU in percent of always giving each place the class most common there in training."""


def test_all_its_files_fit_twenty_megabytes() -> None:
    files = [default_model().with_suffix(s) for s in ('.onnx', '.safetensors', '.parity.npz')]
    assert sum(file.stat().st_size for file in files) <= 20e6


def test_card_tells_data_terms_and_scores_far_above_the_floor() -> None:
    card = read_onnx_card(default_model())
    assert 'NYUv2' in card.training['data']
    assert 'check its terms' in card.license_note
    for condition in CONDITIONS:
        assert card.metrics['val'][condition] > 2 * FLOOR


@pytest.mark.parametrize('precision', ['float32', 'auto'])
def test_engine_passes_the_parity_file(precision: str) -> None:
    pytest.importorskip('openvino')
    engine = open_engine(default_model(), 'openvino', precision=precision)
    agreements = check_parity_file(engine, default_model().with_suffix('.parity.npz'))
    assert agreements.keys() == {'RGBD', 'RGB_ONLY', 'DEPTH_ONLY'}


def test_torch_runs_the_checkpoint_beside_it() -> None:
    pytest.importorskip('torch')
    engine = open_engine(default_model(), 'torch')
    check_parity_file(engine, default_model().with_suffix('.parity.npz'))


def test_each_modality_alone_gives_several_classes() -> None:
    pytest.importorskip('openvino')
    segmenter = Segmenter(open_engine(default_model(), 'openvino'))
    with Bag(sample_bag()) as bag:
        topics = guess_topics(bag)
        rgb = decode_rgb(next(bag.messages([topics.rgb])).message)
        depth_m = decode_depth(next(bag.messages([topics.depth])).message)
    for frame in (RgbdFrame(rgb, depth_m), RgbdFrame(rgb, None), RgbdFrame(None, depth_m)):
        result = segmenter.segment(frame)
        assert result.labels.shape == frame.size
        assert len(np.unique(result.labels)) >= 3


def test_a_network_is_named_by_its_path_or_by_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('HOME', '/home/robot')
    assert named_model('') == default_model()
    assert str(named_model('~/b0.onnx')) == '/home/robot/b0.onnx'
    assert str(named_model('~no-such-user/b0.onnx')) == '~no-such-user/b0.onnx'
