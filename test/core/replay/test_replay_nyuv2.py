"""Replay against `m3l evaluate` on real images: the validation set, never the test set."""

from __future__ import annotations

from pathlib import Path

import pytest
from recordings import START_NS

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics
from m3l_core.bags.writing import BagWriter
from m3l_core.data.opening import open_samples
from m3l_core.data.samples import Sample
from m3l_core.evaluate.scoring import AS_RECORDED, evaluate
from m3l_core.models import default_model
from m3l_core.replay.parameters import read_parameters
from m3l_core.replay.run import replay
from m3l_core.replay.scenario import FaultConfig, Scenario
from m3l_core.replay.setting import Options, Replayed
from m3l_core.runtime import open_engine, Segmenter

COUNT = 20


@pytest.fixture(scope='module')
def images(data_folder: Path) -> list[Sample]:
    if not (data_folder / 'nyuv2' / 'val.txt').is_file():
        pytest.skip(f'no NYUv2 in {data_folder}')
    samples = open_samples(data_folder / 'nyuv2', 'val')
    return [samples.read(index) for index in range(COUNT)]


@pytest.fixture(scope='module')
def lossless_bag(images: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('nyuv2') / 'val'
    with BagWriter(path, transport='raw') as writer:
        for index, image in enumerate(images):
            stamp_ns = START_NS + index * 33_333_333
            writer.write_rgb(image.rgb, stamp_ns)
            writer.write_depth(image.depth_mm, stamp_ns)
            writer.write_labels(image.labels, stamp_ns)
    return path


def test_replay_scores_as_evaluate_does(
    images: list[Sample], lossless_bag: Path, tmp_path: Path
) -> None:
    pytest.importorskip('openvino')
    segmenter = Segmenter(open_engine(default_model()))
    classes = segmenter.engine.card.classes
    evaluated = evaluate(segmenter, images, classes)[AS_RECORDED].to_dict()['confusion']
    truths = []
    for name, faults in (
        ('as recorded', ()),
        ('without depth', (FaultConfig(kind='drop', modality='depth'),)),
    ):
        (tmp_path / name).mkdir()
        with Bag(lossless_bag) as bag:
            options = Options(compare_every=0)
            replayed = Replayed(bag, find_topics(bag), segmenter, read_parameters(None), options)
            truths.append(replay(replayed, Scenario(faults=faults), tmp_path / name)['truth'])
    assert truths[0]['by_used']['rgbd']['confusion'] == evaluated['both']
    assert truths[1]['by_used']['rgb']['confusion'] == evaluated['depth_missing']
    assert [truth['frames'] for truth in truths] == [COUNT, COUNT]
