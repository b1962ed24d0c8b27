"""The exported graph: what it holds, what TensorRT demands of it, and what it computes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto
import pytest

from m3l_core.export.onnx import deployment_graph, resized_card, set_card
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
