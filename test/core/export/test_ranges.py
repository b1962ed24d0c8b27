"""The size of a network's values on real frames decides what TensorRT computes in FP16."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch

from m3l_core.errors import EngineError
from m3l_core.export import ranges
from m3l_core.export.frames import LabeledFrame
from m3l_core.export.graph_run import GraphEngine, GraphRun
from m3l_core.export.onnx import deployment_graph
from m3l_core.export.parity import compare, expectations, Reference
from m3l_core.export.proof import mixed_graph
from m3l_core.export.ranges import measured_ranges
from m3l_core.model_card import ActivationRanges, ModelCard
from m3l_core.network.deploy import Deployment
from m3l_core.runtime.mixed_graph import values_in_question
from m3l_core.runtime.parity import expect_agreement

if TYPE_CHECKING:
    from m3l_core.frames import RgbdFrame
    from m3l_core.network import LinearFusion

SCALE = 1e5


@pytest.fixture(scope='module')
def frames(rooms: list[RgbdFrame]) -> list[LabeledFrame]:
    return [LabeledFrame(frame, None) for frame in rooms[:2]]


@pytest.fixture(scope='module')
def loud_model(tiny_model: LinearFusion) -> LinearFusion:
    """The same network but for one layer's values, which are far beyond what half can hold.

    What reads them takes them back by the same factor, so that the labels stay.
    """
    model = deepcopy(tiny_model)
    attention = model.encoder.stages[2].blocks[0].attn
    channels = attention.q.out_features
    with torch.no_grad():
        attention.kv.weight[channels:] *= SCALE
        attention.kv.bias[channels:] *= SCALE
        attention.proj.weight /= SCALE
    return model


def ranges_of(
    model: LinearFusion, card: ModelCard, frames: list[LabeledFrame]
) -> tuple[onnx.ModelProto, ActivationRanges]:
    graph = deployment_graph(model, card)
    return graph, measured_ranges(graph, card, frames, 'rooms', lambda _: None)


@pytest.fixture(scope='module')
def quiet(
    tiny_model: LinearFusion, tiny_card: ModelCard, frames: list[LabeledFrame]
) -> tuple[onnx.ModelProto, ActivationRanges]:
    return ranges_of(tiny_model, tiny_card, frames)


@pytest.fixture(scope='module')
def loud(
    loud_model: LinearFusion, tiny_card: ModelCard, frames: list[LabeledFrame]
) -> tuple[onnx.ModelProto, ActivationRanges]:
    return ranges_of(loud_model, tiny_card, frames)


def kinds_of(model: onnx.ModelProto) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model).graph
    return {value.name: value.type.tensor_type.elem_type for value in graph.value_info}


def agreement(
    graph: onnx.ModelProto,
    card: ModelCard,
    model: LinearFusion,
    frames: list[LabeledFrame],
) -> None:
    """Check the graph's labels by the limits of export.

    Raises:
        EngineError: If they are others than the model's.
    """
    engine = GraphEngine(card, GraphRun(graph), backend='fp16', precision='rounding')
    expected = expectations(Reference(model, card), frames, lambda _: None)
    expect_agreement(engine, compare(engine, frames, expected))


def test_ranges_are_the_largest_values_of_the_network(
    tiny_model: LinearFusion,
    tiny_card: ModelCard,
    frames: list[LabeledFrame],
    quiet: tuple[onnx.ModelProto, ActivationRanges],
) -> None:
    deployment = Deployment(tiny_model, tiny_card)
    largest: list[float] = []
    deployment.decoder.classify.register_forward_hook(
        lambda _module, given, _result: largest.append(given[0].abs().max().item())
    )
    for labeled in frames:
        frame = labeled.frame
        assert frame.rgb is not None
        assert frame.depth_m is not None
        for present in ([1.0, 1.0], [1.0, 0.0], [0.0, 1.0]):
            deployment(
                torch.from_numpy(frame.rgb)[None],
                torch.from_numpy(frame.depth_m)[None],
                torch.tensor([present]),
            )
    _, measured = quiet
    assert measured.groups['decoder'] >= 0.999 * max(largest)


def test_ranges_tell_each_part_of_the_network(
    quiet: tuple[onnx.ModelProto, ActivationRanges],
) -> None:
    _, measured = quiet
    stages = {f'encoder.stages.{i}' for i in range(4)}
    assert {*stages, 'encoder.embed_pair', 'inputs', 'decoder'} <= set(measured.groups)
    assert all(0 < size < 1000 for size in measured.groups.values())
    assert measured.large == {}


def test_fewer_frames_than_there_should_be_are_told(
    tiny_model: LinearFusion,
    tiny_card: ModelCard,
    frames: list[LabeledFrame],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, few = ranges_of(tiny_model, tiny_card, frames[:1])
    assert few.frames == '1 frames of rooms, 3 modes, fewer than the 64 that tell enough'
    monkeypatch.setattr(ranges, 'RANGE_FRAMES', 1)
    _, enough = ranges_of(tiny_model, tiny_card, frames[:1])
    assert enough.frames == '1 frames of rooms, 3 modes'


def test_threads_that_would_wait_for_each_other_are_left_out(
    tiny_model: LinearFusion, tiny_card: ModelCard, frames: list[LabeledFrame]
) -> None:
    graph = deployment_graph(tiny_model, tiny_card)
    threads: list[int] = []

    def note(_progress: str) -> None:
        threads.append(torch.get_num_threads())

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        measured_ranges(graph, tiny_card, frames[:1], 'rooms', note)
        assert (threads, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


def test_values_beyond_half_are_listed(loud: tuple[onnx.ModelProto, ActivationRanges]) -> None:
    _, measured = loud
    assert len(measured.large) >= 5
    assert all('stages.2.0/attention' in name for name in measured.large)
    assert max(measured.large.values()) > 65_504


def test_operators_that_meet_a_large_value_stay_float(
    tiny_card: ModelCard,
    quiet: tuple[onnx.ModelProto, ActivationRanges],
    loud: tuple[onnx.ModelProto, ActivationRanges],
) -> None:
    before = kinds_of(mixed_graph(quiet[0], replace(tiny_card, ranges=quiet[1])))
    after = kinds_of(mixed_graph(loud[0], replace(tiny_card, ranges=loud[1])))
    float32, float16 = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
    assert all(before[name] == float16 and after[name] == float32 for name in loud[1].large)
    others = values_in_question(loud[0].graph) - loud[1].large.keys()
    turned = {n for n in others if before[n] == float16 and after[n] == float32}
    assert all('stages.2.0/attention' in name for name in turned)


def test_labels_survive_rounding_only_because_they_do(
    loud_model: LinearFusion,
    tiny_card: ModelCard,
    frames: list[LabeledFrame],
    loud: tuple[onnx.ModelProto, ActivationRanges],
) -> None:
    graph, measured = loud
    card = replace(tiny_card, ranges=measured)
    agreement(mixed_graph(graph, card), card, loud_model, frames)
    blind = replace(tiny_card, ranges=replace(measured, large={}))
    with pytest.raises(EngineError, match='fp16 rounding: computes other labels'):
        agreement(mixed_graph(graph, blind), blind, loud_model, frames)


def test_value_that_is_no_number_counts_as_too_large(
    tiny_model: LinearFusion, tiny_card: ModelCard, frames: list[LabeledFrame]
) -> None:
    model = deepcopy(tiny_model)
    model.decoder.scales[0].bias.data[0] = float('nan')
    _, measured = ranges_of(model, tiny_card, frames[:1])
    assert measured.groups['decoder'] > 1e38
    assert all(np.isfinite(size) for size in measured.large.values())


def test_card_keeps_ranges(
    tiny_card: ModelCard, loud: tuple[onnx.ModelProto, ActivationRanges]
) -> None:
    card = replace(tiny_card, ranges=loud[1])
    assert ModelCard.from_json(card.to_json(), 'here') == card
