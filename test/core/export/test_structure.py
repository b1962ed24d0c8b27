"""Each rule of TensorRT, shown on a graph that breaks it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
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

HALF, FLOAT, UINT8 = TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.UINT8

CONSTANTS = {
    'two': np.float32(2),
    'two_half': np.float16(2),
    'ones': np.ones(4, np.float32),
    'ones_half': np.ones(4, np.float16),
    'three': np.int64(3),
    'axes': np.array([0]),
    'sizes': np.array([1, 1, 8, 8]),
    'more_sizes': np.array([1, 2, 8, 8]),
    'flat': np.array([-1]),
    'nothing': np.zeros(0, np.float32),
}


def chain(
    *nodes: onnx.NodeProto, opset: int = 17, rows: int | str = 4, kind: int = UINT8
) -> onnx.ModelProto:
    """Return a graph from uint8 `rgb`, float `depth` and a float `image` to `labels`."""
    given = [
        helper.make_tensor_value_info('rgb', UINT8, [rows, 4]),
        helper.make_tensor_value_info('depth', FLOAT, [4, 4]),
        helper.make_tensor_value_info('image', FLOAT, [1, 1, 4, 4]),
        helper.make_tensor_value_info('deep', FLOAT, [1, 1, 4, 4, 4]),
    ]
    result = helper.make_tensor_value_info('labels', kind, [4, 4])
    constants = [numpy_helper.from_array(np.asarray(v), n) for n, v in CONSTANTS.items()]
    graph = helper.make_graph(list(nodes), 'graph', given, [result], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)])


def node(
    kind: str, inputs: str, result: str, *, name: str = '', **attributes: Any
) -> onnx.NodeProto:
    """Return an operator; `inputs` are names with spaces between, '-' for none."""
    names = ['' if name == '-' else name for name in inputs.split()]
    return helper.make_node(kind, names, [result], name=name or kind, **attributes)


TO_FLOAT = node('Cast', 'rgb', 'x', to=FLOAT)
TO_HALF = node('Cast', 'x', 'h', name='Rounding', to=HALF)
TO_UINT8 = node('Cast', 'x', 'labels', to=UINT8)


def test_a_graph_that_keeps_the_rules_has_no_problems() -> None:
    assert structure_problems(chain(TO_FLOAT, TO_UINT8)) == []
    assert mixed_problems(chain(TO_FLOAT, TO_UINT8)) == []


def beside(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    """Return a graph that keeps the rules but for these operators."""
    return chain(TO_FLOAT, TO_UINT8, *nodes)


BROKEN = {
    'opset': (chain(TO_FLOAT, TO_UINT8, opset=21), 'opset 21, expected 17 to 20'),
    'free size of an input': (chain(TO_FLOAT, TO_UINT8, rows='n'), 'rgb has no static shape'),
    'size that is computed': (
        beside(node('NonZero', 'x', 'z')),
        'z has no static shape',
    ),
    'arithmetic on shapes': (beside(node('Shape', 'x', 'z')), 'Shape is a Shape'),
    'uint8 into anything but a cast': (
        chain(node('Transpose', 'rgb', 'y'), node('Cast', 'y', 'x', to=FLOAT), TO_UINT8),
        'rgb (uint8) feeds Transpose, expected Cast',
    ),
    'uint8 inside': (
        chain(TO_FLOAT, node('Cast', 'x', 'y', to=UINT8), node('Transpose', 'y', 'labels')),
        'y is uint8 inside the graph',
    ),
    'something after the last cast': (
        chain(TO_FLOAT, node('Cast', 'x', 'y', to=UINT8), node('Identity', 'y', 'labels')),
        'labels comes from Identity, expected Cast',
    ),
    'an output that is read': (
        beside(node('Cast', 'labels', 'z', to=FLOAT)),
        'labels is an output, and read inside the graph too',
    ),
    'integers cast to uint8': (
        chain(TO_FLOAT, node('ArgMax', 'x', 'y'), node('Cast', 'y', 'labels', to=UINT8)),
        'labels is cast from an integer, expected float32 between',
    ),
    'truth values cast to uint8': (
        chain(TO_FLOAT, node('Greater', 'x two', 'y'), node('Cast', 'y', 'labels', to=UINT8)),
        'labels is cast from an integer, expected float32 between',
    ),
    'antialias': (
        beside(node('Resize', 'image - - sizes', 'z', antialias=1)),
        'Resize resizes with antialias',
    ),
    'mode of resizing': (
        beside(node('Resize', 'image - - sizes', 'z', mode='cubic')),
        'Resize resizes by cubic',
    ),
    'coordinates of resizing': (
        beside(
            node(
                'Resize',
                'image nothing - sizes',
                'z',
                coordinate_transformation_mode='tf_crop_and_resize',
            )
        ),
        'Resize resizes with coordinates tf_crop_and_resize',
    ),
    'aspect ratio of resizing': (
        chain(
            TO_FLOAT,
            TO_UINT8,
            node('Resize', 'image - - sizes', 'z', keep_aspect_ratio_policy='not_larger'),
            opset=18,
        ),
        'Resize resizes by an aspect ratio',
    ),
    'resizing channels': (
        beside(node('Resize', 'image - - more_sizes', 'z')),
        'Resize resizes more than height and width',
    ),
    'norm without scale and shift': (
        beside(node('LayerNormalization', 'x', 'z')),
        'LayerNormalization lacks a scale or a shift',
    ),
    'norm with more than one result': (
        beside(
            helper.make_node(
                'LayerNormalization', ['x', 'ones', 'ones'], ['z', 'mean'], name='Norm'
            )
        ),
        'Norm gives more than the normalized values',
    ),
    'norm in half precision': (
        beside(TO_HALF, node('LayerNormalization', 'h ones_half ones_half', 'z')),
        'LayerNormalization takes h, which is not float32',
    ),
    'axis of ArgMax': (
        beside(
            node('ArgMax', 'deep', 'y', axis=0),
            node('Cast', 'y', 'z', name='Index', to=FLOAT),
        ),
        'ArgMax chooses along axis 0 of 5',
    ),
    'parameter that is computed': (
        beside(node('Cast', 'x', 'i', to=TensorProto.INT64), node('Reshape', 'image i', 'z')),
        'Reshape takes i from an operator, expected a constant',
    ),
    'raw depth in arithmetic': (
        beside(node('Unsqueeze', 'depth axes', 'd'), node('Mul', 'd two', 'z')),
        'Mul computes with raw depth, expected a Where before',
    ),
    'types that differ': (
        beside(TO_HALF, node('Add', 'h two', 'z')),
        'Add takes FLOAT and FLOAT16, expected one type',
    ),
    'weights of another type': (
        beside(TO_HALF, node('MatMul', 'h x', 'z')),
        'MatMul takes FLOAT and FLOAT16, expected one type',
    ),
    'branches of another type': (
        beside(TO_HALF, node('Greater', 'x two', 'c'), node('Where', 'c x h', 'z')),
        'Where takes FLOAT and FLOAT16, expected one type',
    ),
    'integers made': (
        beside(node('Add', 'three three', 'z')),
        'Add gives integers',
    ),
    'integers computed with': (
        beside(node('ArgMax', 'x', 'y'), node('Add', 'y three', 'z')),
        'Add computes with integers',
    ),
    'double precision': (
        beside(node('Cast', 'x', 'z', name='Widen', to=TensorProto.DOUBLE)),
        'z is float64',
    ),
}

BROKEN_MIX = {
    'softmax in half precision': (
        beside(TO_HALF, node('Softmax', 'h', 'z')),
        'Softmax computes in half precision',
    ),
    'cast of a constant': (
        beside(node('Cast', 'ones_half', 'z', name='Stored', to=FLOAT)),
        'Stored casts a constant',
    ),
    'cast that takes another back': (
        beside(TO_HALF, node('Cast', 'h', 'z', name='Back', to=FLOAT)),
        'Back takes back Rounding',
    ),
    'cast to the same type': (
        beside(node('Cast', 'x', 'z', name='Same', to=FLOAT)),
        'Same casts to the same type',
    ),
}


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
