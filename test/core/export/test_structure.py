"""Each rule of TensorRT, shown on a graph that breaks it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from broken_graphs import beside, BROKEN, BROKEN_MIX, chain, FLOAT, node, TO_FLOAT, TO_UINT8
import onnx
import pytest

from m3l_core.architecture import Architecture
from m3l_core.export.onnx import deployment_graph
from m3l_core.export.proof import mixed_graph
from m3l_core.export.structure import mixed_problems, structure_problems
from m3l_core.model_card import ActivationRanges, Calibration, DepthEncoding, ModeCalibration
from m3l_core.models import default_model
from m3l_core.network import LinearFusion
from m3l_core.runtime.mixed_graph import MOST_IN_HALF
from m3l_core.runtime.onnx_card import read_onnx_card
from m3l_core.runtime.parity import LEAST_SURE_AGREEMENT, MODES, MOST_MIOU_LOSS

if TYPE_CHECKING:
    from m3l_core.model_card import ModelCard


def test_a_graph_that_keeps_the_rules_has_no_problems() -> None:
    assert structure_problems(chain(TO_FLOAT, TO_UINT8)) == []
    assert mixed_problems(chain(TO_FLOAT, TO_UINT8)) == []


@pytest.mark.parametrize('rule', BROKEN)
def test_what_tensorrt_would_refuse_is_named(rule: str) -> None:
    graph, problem = BROKEN[rule]
    assert problem in structure_problems(graph)
    assert problem in mixed_problems(graph)


@pytest.mark.parametrize('rule', BROKEN_MIX)
def test_what_makes_a_mixed_graph_slow_or_wrong_is_named(rule: str) -> None:
    graph, problem = BROKEN_MIX[rule]
    assert problem not in structure_problems(graph)
    assert problem in mixed_problems(graph)


def test_raw_depth_may_be_compared_and_chosen_from() -> None:
    graph = beside(
        node('Unsqueeze', 'depth axes', 'd'),
        node('Greater', 'd two', 'c'),
        node('Where', 'c d two', 'w'),
        node('Mul', 'w two', 'z'),
    )
    assert structure_problems(graph) == []


@pytest.mark.parametrize('axis', [-1, 1, 4])
def test_axis_among_the_last_four_may_be_chosen_along(axis: int) -> None:
    chosen = node('ArgMax', 'deep', 'y', axis=axis)
    assert structure_problems(beside(chosen, node('Cast', 'y', 'z', to=FLOAT))) == []


CALIBRATION = Calibration(
    both=ModeCalibration(rgb_share=0.6, temperature=2.0),
    depth_missing=ModeCalibration(rgb_share=0.9, temperature=0.5),
    rgb_missing=ModeCalibration(rgb_share=0.2, temperature=1.5),
)


@pytest.mark.parametrize('kind', ['metric3', 'inverse', 'minmax'])
@pytest.mark.parametrize('network_size', [(64, 96), (32, 64)])
def test_exported_and_mixed_graphs_keep_every_rule(
    tiny_model: LinearFusion, tiny_card: ModelCard, kind: str, network_size: tuple[int, int]
) -> None:
    card = replace(
        tiny_card,
        depth=DepthEncoding(kind=kind),
        network_size=network_size,
        calibration=CALIBRATION,
        ranges=ActivationRanges(frames='none', groups={}, large={}),
    )
    exported = deployment_graph(tiny_model, card)
    assert structure_problems(exported) == []
    assert mixed_problems(mixed_graph(exported, card)) == []


@pytest.mark.slow
def test_the_largest_network_there_is_use_for_keeps_every_rule(tiny_card: ModelCard) -> None:
    architecture = Architecture.mit('b2', num_classes=13)
    card = replace(
        tiny_card,
        architecture=architecture,
        ranges=ActivationRanges(frames='none', groups={}, large={}),
    )
    mixed = mixed_graph(deployment_graph(LinearFusion(architecture), card), card)  # both check
    assert sum(node.op_type == 'LayerNormalization' for node in mixed.graph.node) == 53
    assert sum(node.op_type == 'Softmax' for node in mixed.graph.node) == 17


def test_shipped_network_keeps_every_rule_and_lost_nothing_to_rounding() -> None:
    exported = onnx.load(default_model())
    assert structure_problems(exported) == []
    card = read_onnx_card(default_model())
    assert mixed_problems(mixed_graph(exported, card)) == []
    assert card.ranges is not None
    assert card.ranges.frames.startswith('64 frames')
    assert max(card.ranges.groups.values()) < MOST_IN_HALF
    for mode in MODES:
        rounded = card.parity['fp16 rounding'][mode]
        assert rounded['sure'] >= 100 * LEAST_SURE_AGREEMENT
        assert rounded['miou_loss'] <= MOST_MIOU_LOSS
