"""A graph run as it is written gives what engines give, rounded where its types round."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
from onnx.reference import ReferenceEvaluator
import pytest
import torch

from m3l_core.export.graph_run import GraphEngine, GraphRun
from m3l_core.export.onnx import deployment_graph
from m3l_core.model_card import DepthEncoding
from m3l_core.network.deploy import Deployment
from m3l_core.runtime.mixed_graph import mixed_precision_graph
from m3l_core.runtime.onnx_card import read_onnx_card
from m3l_core.runtime.parity import MODES, without_missing
from m3l_core.runtime.segmenter import Segmenter

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from m3l_core.frames import RgbdFrame
    from m3l_core.model_card import ModelCard
    from m3l_core.network import LinearFusion

HALF = TensorProto.FLOAT16


def segmenter(model: onnx.ModelProto, card: ModelCard) -> Segmenter:
    return Segmenter(GraphEngine(card, GraphRun(model), backend='graph', precision='as written'))


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('kind', ['metric3', 'inverse', 'minmax'])
def test_float_graph_gives_what_the_network_gives(
    tiny_model: LinearFusion, tiny_card: ModelCard, frame: RgbdFrame, kind: str, mode: str
) -> None:
    card = replace(tiny_card, depth=DepthEncoding(kind=kind), network_size=(32, 64))
    graph = deployment_graph(tiny_model, card, half=False)
    view = without_missing(frame, mode)
    result = segmenter(graph, card).segment(view)
    rgb = np.zeros((64, 96, 3), np.uint8) if view.rgb is None else view.rgb
    depth = np.zeros((64, 96), np.float32) if view.depth_m is None else view.depth_m
    labels, confidence = Deployment(tiny_model, card)(
        torch.from_numpy(rgb)[None],
        torch.from_numpy(depth)[None],
        torch.tensor([[view.rgb is not None, view.depth_m is not None]]).float(),
    )
    assert (result.labels == labels[0].numpy()).mean() > 0.999
    assert np.abs(result.confidence.astype(int) - confidence[0].numpy()).max() <= 1


def test_mixed_graph_rounds_every_operator_that_is_half(
    tiny_files: Path, frame: RgbdFrame
) -> None:
    mixed = onnx.load_from_string(mixed_precision_graph(tiny_files.read_bytes()))
    inferred = onnx.shape_inference.infer_shapes(mixed).graph
    kinds = {v.name: v.type.tensor_type.elem_type for v in (*inferred.value_info,)}
    seen: dict[str, torch.dtype] = {}
    run = GraphRun(mixed, lambda name, value: seen.update({name: value.dtype}))
    engine = GraphEngine(read_onnx_card(tiny_files), run, backend='graph', precision='mixed')
    Segmenter(engine).segment(frame)
    half = {name for name, kind in kinds.items() if kind == HALF}
    assert len(half) > 200
    assert {name for name, dtype in seen.items() if dtype is torch.float16} == half


def test_rounding_changes_confidence_but_hardly_any_label(
    tiny_files: Path, tiny_card: ModelCard, frame: RgbdFrame
) -> None:
    mixed = onnx.load_from_string(mixed_precision_graph(tiny_files.read_bytes()))
    exact = segmenter(onnx.load(tiny_files), tiny_card).segment(frame)
    rounded = segmenter(mixed, tiny_card).segment(frame)
    assert (exact.confidence != rounded.confidence).any()
    assert (exact.labels == rounded.labels).mean() > 0.99


def test_value_beyond_half_overflows_as_it_would_on_a_gpu() -> None:
    nodes = [
        helper.make_node('Cast', ['depth'], ['x'], to=HALF),
        helper.make_node('Mul', ['x', 'factor'], ['y']),
        helper.make_node('Cast', ['y'], ['labels'], to=TensorProto.FLOAT),
    ]
    model = model_of(nodes, {'factor': np.array(300, np.float16)}, TensorProto.FLOAT)
    (result,) = GraphRun(model)({'depth': np.array([200.0, 300.0], np.float32)})
    np.testing.assert_array_equal(result, [60_000.0, np.inf])


def model_of(
    nodes: list[onnx.NodeProto], constants: dict[str, NDArray[np.generic]], kind: int
) -> onnx.ModelProto:
    given = helper.make_tensor_value_info('depth', TensorProto.FLOAT, None)
    result = helper.make_tensor_value_info('labels', kind, None)
    initializers = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, 'graph', [given], [result], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])


def random(*shape: int) -> NDArray[np.float16]:
    return np.random.default_rng(0).normal(size=shape).astype(np.float16)


CONVOLUTION = {
    'group': 1,
    'pads': [1, 1, 1, 1],
    'strides': [2, 2],
    'dilations': [1, 1],
    'kernel_shape': [3, 3],
}


@pytest.mark.parametrize(
    ('operator', 'others', 'attributes'),
    [
        ('Conv', [random(6, 4, 3, 3), random(6)], CONVOLUTION),
        ('Conv', [random(4, 1, 3, 3), random(4)], {**CONVOLUTION, 'group': 4}),
        ('MatMul', [random(12, 5)], {}),
        ('Add', [random(4, 1, 1)], {}),
        ('Mul', [random(8, 12)], {}),
        ('Div', [np.array(np.sqrt(2), np.float16)], {}),
        ('Erf', [], {}),
        ('Relu', [], {}),
    ],
)
def test_operator_in_half_is_within_a_rounding_of_the_reference(
    operator: str, others: list[NDArray[np.float16]], attributes: dict[str, object]
) -> None:
    x = random(2, 4, 8, 12).astype(np.float32)
    names = [f'constant{i}' for i in range(len(others))]
    results = {}
    for kind, dtype in ((HALF, np.float16), (TensorProto.FLOAT, np.float32)):
        nodes = [
            helper.make_node('Cast', ['depth'], ['x'], to=kind),
            helper.make_node(operator, ['x', *names], ['y'], **attributes),
            helper.make_node('Cast', ['y'], ['labels'], to=TensorProto.FLOAT),
        ]
        constants = {n: o.astype(dtype) for n, o in zip(names, others, strict=True)}
        model = model_of(nodes, constants, TensorProto.FLOAT)
        results[kind] = (GraphRun(model), ReferenceEvaluator(model))
    (rounded,) = results[HALF][0]({'depth': x})
    (exact,) = results[TensorProto.FLOAT][1].run(None, {'depth': x})
    step = np.spacing(np.abs(exact).astype(np.float16)).astype(np.float32)
    assert (np.abs(rounded - exact) <= 0.51 * step).all()
    if operator != 'Relu':
        assert (rounded != exact).any()
