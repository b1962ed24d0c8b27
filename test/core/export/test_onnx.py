"""The exported graph: what it holds, what TensorRT demands of it, and what it computes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, TensorProto
import pytest

from m3l_core.export.onnx import deployment_graph, resized_card, set_card
from m3l_core.export.structure import structure_problems
from m3l_core.model_card import DepthEncoding
from m3l_core.runtime.onnx_card import read_onnx_card

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.model_card import ModelCard
    from m3l_core.network import LinearFusion


@pytest.fixture(scope='module')
def graph(tiny_files: Path) -> onnx.ModelProto:
    return onnx.load(tiny_files)


def test_card_travels_in_the_file(tiny_files: Path, tiny_card: ModelCard) -> None:
    card = read_onnx_card(tiny_files)
    assert replace(card, weights_sha256='', ranges=None) == replace(tiny_card, precision='float16')


def test_card_can_be_replaced(
    graph: onnx.ModelProto, tiny_card: ModelCard, tmp_path: Path
) -> None:
    copy = onnx.ModelProto.FromString(graph.SerializeToString())
    set_card(copy, replace(tiny_card, name='another'))
    (tmp_path / 'a.onnx').write_bytes(copy.SerializeToString())
    assert read_onnx_card(tmp_path / 'a.onnx').name == 'another'


def test_interface_is_images_in_labels_out(graph: onnx.ModelProto) -> None:
    found = {
        value.name: (
            value.type.tensor_type.elem_type,
            [d.dim_value for d in value.type.tensor_type.shape.dim],
        )
        for value in (*graph.graph.input, *graph.graph.output)
    }
    assert found == {
        'rgb': (TensorProto.UINT8, [1, 64, 96, 3]),
        'depth': (TensorProto.FLOAT, [1, 64, 96]),
        'present': (TensorProto.FLOAT, [1, 2]),
        'labels': (TensorProto.UINT8, [1, 64, 96]),
        'confidence': (TensorProto.UINT8, [1, 64, 96]),
    }


@pytest.mark.parametrize('kind', ['metric3', 'inverse', 'minmax'])
@pytest.mark.parametrize('network_size', [(64, 96), (32, 64)])
def test_graph_keeps_every_rule_of_tensorrt(
    tiny_model: LinearFusion, tiny_card: ModelCard, kind: str, network_size: tuple[int, int]
) -> None:
    card = replace(tiny_card, depth=DepthEncoding(kind=kind), network_size=network_size)
    assert structure_problems(deployment_graph(tiny_model, card)) == []


def test_labels_are_argmax_to_float_to_uint8(graph: onnx.ModelProto) -> None:
    made_by = {node.output[0]: node for node in graph.graph.node}
    last = made_by['labels']
    middle = made_by[last.input[0]]
    assert (last.op_type, middle.op_type) == ('Cast', 'Cast')
    assert middle.attribute[0].i == TensorProto.FLOAT
    assert made_by[middle.input[0]].op_type == 'ArgMax'


def test_large_constants_are_stored_in_half_precision_and_small_ones_are_not(
    tiny_model: LinearFusion, tiny_card: ModelCard, graph: onnx.ModelProto
) -> None:
    whole = deployment_graph(tiny_model, tiny_card, half=False)
    sizes = {tensor.name: np.prod(tensor.dims) for tensor in graph.graph.initializer}
    kinds = {tensor.name: tensor.data_type for tensor in graph.graph.initializer}
    halves = {name for name, kind in kinds.items() if kind == TensorProto.FLOAT16}
    assert halves
    assert all(name.endswith('.half') and sizes[name] >= 1024 for name in halves)
    assert all(sizes[n] < 1024 for n, k in kinds.items() if k == TensorProto.FLOAT)
    casts = {n.input[0] for n in graph.graph.node if n.op_type == 'Cast'}
    assert halves <= casts
    weights = 4 * sum(np.prod(tensor.dims) for tensor in whole.graph.initializer)
    assert graph.ByteSize() < whole.ByteSize() - 0.4 * weights


def test_network_keeps_its_share_of_another_image_size(tiny_card: ModelCard) -> None:
    card = resized_card(replace(tiny_card, network_size=(32, 48)), (128, 224))
    assert card.image_size == (128, 224)
    assert card.network_size == (64, 112)


def chain(*nodes: onnx.NodeProto, opset: int = 17, rows: int | str = 4) -> onnx.ModelProto:
    """Return a graph from uint8 `rgb` to uint8 `labels`."""
    given = helper.make_tensor_value_info('rgb', TensorProto.UINT8, [rows, 4])
    result = helper.make_tensor_value_info('labels', TensorProto.UINT8, [4, 4])
    graph = helper.make_graph(list(nodes), 'graph', [given], [result])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)])


def node(kind: str, source: str, result: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(kind, [source], [result], name=kind, **attributes)


TO_FLOAT = node('Cast', 'rgb', 'x', to=TensorProto.FLOAT)
TO_UINT8 = node('Cast', 'x', 'labels', to=TensorProto.UINT8)


@pytest.mark.parametrize(
    ('graph', 'problem'),
    [
        (chain(TO_FLOAT, TO_UINT8, opset=21), 'opset 21, expected 17 to 20'),
        (chain(TO_FLOAT, TO_UINT8, rows='rows'), 'rgb has no static shape'),
        (
            chain(
                node('Transpose', 'rgb', 'y'),
                node('Cast', 'y', 'x', to=TensorProto.FLOAT),
                TO_UINT8,
            ),
            'rgb (uint8) feeds Transpose, expected Cast',
        ),
        (
            chain(
                TO_FLOAT,
                node('Cast', 'x', 'y', to=TensorProto.UINT8),
                node('Transpose', 'y', 'labels'),
            ),
            'y is uint8 inside the graph',
        ),
        (
            chain(
                TO_FLOAT,
                node('ArgMax', 'x', 'y'),
                node('Cast', 'y', 'labels', to=TensorProto.UINT8),
            ),
            'labels is cast from an integer, expected float32 between',
        ),
        (chain(TO_FLOAT, TO_UINT8, node('Shape', 'x', 'z')), 'Shape is a Shape'),
        (
            chain(TO_FLOAT, TO_UINT8, node('Resize', 'x', 'z', antialias=1)),
            'Resize resizes with antialias',
        ),
        (
            chain(TO_FLOAT, TO_UINT8, node('LayerNormalization', 'x', 'z')),
            'LayerNormalization lacks a scale or a shift',
        ),
    ],
)
def test_what_tensorrt_would_refuse_is_named(graph: onnx.ModelProto, problem: str) -> None:
    assert problem in structure_problems(graph)


def test_a_graph_that_keeps_the_rules_has_no_problems() -> None:
    assert structure_problems(chain(TO_FLOAT, TO_UINT8)) == []
