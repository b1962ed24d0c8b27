"""The graph that TensorRT gets: what is FP16 in it, what stays FP32, and that it is one ONNX."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from m3l_core.errors import ModelError
from m3l_core.model_card import ActivationRanges
from m3l_core.runtime.onnx_card import read_onnx_card, with_card

onnx = pytest.importorskip('onnx')

from onnx import numpy_helper, TensorProto  # noqa: E402

from m3l_core.runtime.mixed_graph import (  # noqa: E402
    float32_graph,
    mixed_precision_graph,
    values_in_question,
)

if TYPE_CHECKING:
    from pathlib import Path

HALF, FLOAT = TensorProto.FLOAT16, TensorProto.FLOAT


class Graph:
    """A graph with the type of each value."""

    def __init__(self, data: bytes) -> None:
        self.model = onnx.shape_inference.infer_shapes(onnx.load_from_string(data))
        graph = self.model.graph
        self.nodes = list(graph.node)
        self.kinds = {
            value.name: value.type.tensor_type.elem_type
            for value in (*graph.input, *graph.value_info, *graph.output)
        }
        self.kinds.update({tensor.name: tensor.data_type for tensor in graph.initializer})
        self.made_by = {name: node for node in self.nodes for name in node.output}

    def computed_in(self, *operators: str) -> set[int]:
        """Return the types in which operators of these kinds compute."""
        return {self.kinds[n.input[0]] for n in self.nodes if n.op_type in operators}


@pytest.fixture(scope='module')
def exported(tiny_files: Path) -> bytes:
    return tiny_files.read_bytes()


@pytest.fixture(scope='module')
def mixed(exported: bytes) -> Graph:
    return Graph(mixed_precision_graph(exported))


def with_large(path: Path, **large: float) -> bytes:
    """Return the exported graph with a card on which these values were that large."""
    card = read_onnx_card(path)
    ranges = ActivationRanges(frames='none', groups={}, large=large)
    return with_card(path.read_bytes(), replace(card, ranges=ranges))


def test_products_and_what_is_between_them_compute_in_half(mixed: Graph) -> None:
    assert mixed.computed_in('Conv', 'MatMul', 'Erf', 'Relu') == {HALF}


def test_norms_softmax_and_the_labels_compute_in_float(mixed: Graph) -> None:
    kinds = mixed.computed_in('LayerNormalization', 'Softmax', 'ArgMax', 'ReduceMax', 'ReduceSum')
    assert kinds == {FLOAT}


def test_depth_and_color_are_normalized_in_float(mixed: Graph) -> None:
    first = [node for node in mixed.nodes if node.op_type == 'Conv'][:2]
    for conv in first:
        cast = mixed.made_by[conv.input[0]]
        assert cast.op_type == 'Cast'
        assert mixed.kinds[cast.input[0]] == FLOAT
    assert mixed.computed_in('Reciprocal', 'Greater', 'Clip') == {FLOAT}


def test_logits_are_float_from_the_class_projection_on(mixed: Graph) -> None:
    last = [node for node in mixed.nodes if node.op_type == 'Conv'][-1]
    readers = [node for node in mixed.nodes if last.output[0] in node.input]
    assert [(node.op_type, mixed.kinds[node.output[0]]) for node in readers] == [('Cast', FLOAT)]
    final = [node for node in mixed.nodes if node.op_type == 'Resize'][-1]
    assert mixed.kinds[final.input[0]] == FLOAT


def test_what_the_streams_weigh_is_chosen_in_float(mixed: Graph) -> None:
    chosen = [node for node in mixed.nodes if node.op_type == 'Where' and 'scales' in node.name]
    assert chosen
    assert {mixed.kinds[node.output[0]] for node in chosen} == {FLOAT}


def test_constants_are_stored_in_the_type_they_are_read_in(mixed: Graph) -> None:
    constants = {tensor.name for tensor in mixed.model.graph.initializer}
    assert not any(n.op_type == 'Constant' for n in mixed.nodes)
    assert not any(n.op_type == 'Cast' and n.input[0] in constants for n in mixed.nodes)
    weights = {n.input[1] for n in mixed.nodes if n.op_type == 'Conv'}
    assert {mixed.kinds[name] for name in weights} == {HALF}


def test_weights_are_those_of_the_exported_graph(exported: bytes, mixed: Graph) -> None:
    before = {t.name: t for t in onnx.load_from_string(exported).graph.initializer}
    after = {t.name: t for t in mixed.model.graph.initializer}
    halves = [name for name, tensor in before.items() if tensor.data_type == HALF]
    assert len(halves) > 10
    for name in halves:  # stored as NAME.half with a cast to NAME before, as NAME.half after
        np.testing.assert_array_equal(
            numpy_helper.to_array(before[name]), numpy_helper.to_array(after[name])
        )


def test_no_cast_takes_another_back(mixed: Graph) -> None:
    for node in mixed.nodes:
        if node.op_type == 'Cast' and (source := mixed.made_by.get(node.input[0])) is not None:
            assert source.op_type != 'Cast' or node.output[0] == 'labels'


def test_edges_of_the_graph_stay_as_they_are(exported: bytes, mixed: Graph) -> None:
    before = onnx.load_from_string(exported)
    assert list(mixed.model.graph.input) == list(before.graph.input)
    assert list(mixed.model.graph.output) == list(before.graph.output)
    assert list(mixed.model.metadata_props) == list(before.metadata_props)


def test_graph_is_the_same_every_time(exported: bytes) -> None:
    assert mixed_precision_graph(exported) == mixed_precision_graph(exported)


def test_value_that_was_too_large_is_made_and_read_in_float(
    tiny_files: Path, mixed: Graph
) -> None:
    name = next(n.output[0] for n in mixed.nodes if n.op_type == 'Conv' and 'depthwise' in n.name)
    assert mixed.kinds[name] == HALF
    graph = Graph(mixed_precision_graph(with_large(tiny_files, **{name: 10_000.0})))
    assert graph.kinds[name] == FLOAT
    assert graph.kinds[graph.made_by[name].input[0]] == FLOAT
    readers = [node for node in graph.nodes if name in node.input]
    assert {graph.kinds[node.output[0]] for node in readers} == {FLOAT}
    changed = {n for n in mixed.kinds if graph.kinds.get(n, HALF) != mixed.kinds[n]}
    assert all('depthwise' in n or 'feed_forward' in n for n in changed)


def test_value_just_below_the_limit_stays_half(tiny_files: Path, mixed: Graph) -> None:
    name = next(n.output[0] for n in mixed.nodes if n.op_type == 'MatMul')
    graph = Graph(mixed_precision_graph(with_large(tiny_files, **{name: 9_999.0})))
    assert graph.kinds == mixed.kinds


def test_weight_that_half_cannot_hold_keeps_its_operator_in_float(tiny_files: Path) -> None:
    model = onnx.load(tiny_files)
    conv = [node for node in model.graph.node if node.op_type == 'Conv'][-1]
    bias = next(t for t in model.graph.initializer if t.name == conv.input[2])
    values = numpy_helper.to_array(bias).copy()
    values[0] = 1e5
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    graph = Graph(mixed_precision_graph(model.SerializeToString()))
    assert graph.kinds[conv.output[0]] == FLOAT
    assert all(graph.kinds[name] == FLOAT for name in graph.made_by[conv.output[0]].input)


def test_values_in_question_are_those_that_may_be_half(exported: bytes, mixed: Graph) -> None:
    names = values_in_question(onnx.load_from_string(exported).graph)
    half = {n for n, kind in mixed.kinds.items() if kind == HALF} & set(mixed.made_by)
    casts = {n for n in half if mixed.made_by[n].op_type == 'Cast'}
    assert half - casts <= names
    assert {mixed.made_by[n].input[0] for n in casts} <= names


def test_float32_graph_has_no_half_in_it(exported: bytes) -> None:
    graph = Graph(float32_graph(exported))
    assert HALF not in graph.kinds.values()


def test_card_without_ranges_is_refused(tiny_files: Path) -> None:
    card = replace(read_onnx_card(tiny_files), ranges=None)
    with pytest.raises(ModelError, match=r'card of tiny has no measured ranges.*Export it again'):
        mixed_precision_graph(with_card(tiny_files.read_bytes(), card))


def test_ranges_of_another_graph_are_refused(tiny_files: Path) -> None:
    with pytest.raises(ModelError, match='tells the range of /other, which is not in the graph'):
        mixed_precision_graph(with_large(tiny_files, **{'/other': 2e4}))


def test_graph_without_a_card_is_refused(exported: bytes) -> None:
    model = onnx.load_from_string(exported)
    del model.metadata_props[:]
    with pytest.raises(ModelError, match='expected an ONNX file with a model card, got one'):
        mixed_precision_graph(model.SerializeToString())


@pytest.mark.parametrize('cut', [3000, 20_000])
def test_damaged_file_is_named_in_one_line(exported: bytes, cut: int) -> None:
    with pytest.raises(ModelError, match='damaged or no ONNX file') as caught:
        mixed_precision_graph(exported[:cut])
    assert '\n' not in str(caught.value)


def test_operator_with_a_missing_input_is_named_in_one_line(exported: bytes) -> None:
    model = onnx.load_from_string(exported)
    erf = next(node for node in model.graph.node if node.op_type == 'Erf')
    erf.input[0] = 'nowhere'
    with pytest.raises(ModelError) as caught:
        mixed_precision_graph(model.SerializeToString())
    assert '\n' not in str(caught.value)


def test_mixed_graph_runs_in_onnx_runtime(exported: bytes) -> None:
    """It proves the graph valid; on a CPU it widens FP16, so nothing about rounding."""
    runtime = pytest.importorskip('onnxruntime')
    generator = np.random.default_rng(0)
    images = {
        'rgb': generator.integers(0, 255, (1, 64, 96, 3)).astype(np.uint8),
        'depth': generator.uniform(0.5, 5, (1, 64, 96)).astype(np.float32),
        'present': np.ones((1, 2), np.float32),
    }
    labels = []
    for data in (exported, mixed_precision_graph(exported)):
        session = runtime.InferenceSession(data, providers=['CPUExecutionProvider'])
        labels.append(session.run(['labels', 'confidence'], images)[0])
    assert labels[0].shape == (1, 64, 96)
    assert (labels[0] == labels[1]).mean() > 0.99
