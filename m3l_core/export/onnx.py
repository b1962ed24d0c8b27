"""A checkpoint as an images-in-labels-out ONNX graph with the model card inside."""

from __future__ import annotations

from dataclasses import replace
import io
from typing import TYPE_CHECKING
import warnings

import numpy as np
import onnx
from onnx import numpy_helper
import torch

from m3l_core.architecture import SMALLEST_SIDE
from m3l_core.errors import ConfigError, ModelError
from m3l_core.export.structure import structure_problems
from m3l_core.model_card import CARD_KEY, ModelCard
from m3l_core.network.deploy import Deployment

if TYPE_CHECKING:
    from m3l_core.network import LinearFusion

OPSET = 17
"""The first with LayerNormalization; TensorRT 10.3 reads up to 20."""

_HALF_FROM = 1024
"""Elements from which a matrix or kernel is stored in half precision; the rest weighs nothing."""


def resized_card(card: ModelCard, size: tuple[int, int]) -> ModelCard:
    """Return the card for camera images of `size`, the network keeping its share of it.

    Raises:
        ConfigError: If that leaves the network less than its coarsest scale needs.
    """
    height, width = (
        round(new * inner / outer)
        for new, inner, outer in zip(size, card.network_size, card.image_size, strict=True)
    )
    if min(height, width) < SMALLEST_SIDE:
        raise ConfigError(
            f'size: expected one that leaves the network {SMALLEST_SIDE} pixels a side, got '
            f'{size[0]}x{size[1]}, of which it would see {height}x{width}. Give a larger one.'
        )
    return replace(card, image_size=size, network_size=(height, width))


def deployment_graph(
    model: LinearFusion, card: ModelCard, *, half: bool = True
) -> onnx.ModelProto:
    """Return the graph that robots run, with `card` inside.

    Args:
        model: Trained weights.
        card: What they are; its sizes become the graph's.
        half: Store large constants in half precision, each beside a cast back to float32, so
            that the file is half as large. Engines fold the casts when they load it.

    Raises:
        ModelError: If the graph breaks a rule of ONNX or of an engine.
    """
    graph = _traced(Deployment(model, card))
    graph = _with_constant_sizes(graph)
    _drop_identities(graph.graph)
    if half:
        _store_half(graph.graph)
        card = replace(card, precision='float16')
    graph.producer_name, graph.producer_version = 'm3l', ''
    set_card(graph, card)
    onnx.checker.check_model(graph, full_check=True)
    if problems := structure_problems(graph):
        raise ModelError(f'export: the graph breaks a rule: {"; ".join(problems)}.')
    return graph


def set_card(graph: onnx.ModelProto, card: ModelCard) -> None:
    """Put `card` into the graph, in the place of one that is there."""
    onnx.helper.set_model_props(graph, {CARD_KEY: card.to_json()})


def _traced(module: Deployment) -> onnx.ModelProto:
    height, width = module.image_size
    inputs = (
        torch.zeros(1, height, width, 3, dtype=torch.uint8),
        torch.zeros(1, height, width),
        torch.ones(1, 2),
    )
    file = io.BytesIO()
    with warnings.catch_warnings():
        # The tracing exporter is the one that needs nothing but onnx, and keeps the order of
        # operations; it warns that it is no longer the default, and of the sizes it fixes.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            module,
            inputs,
            file,  # type: ignore[arg-type]  # a buffer is what this exporter has always taken
            dynamo=False,
            opset_version=OPSET,
            input_names=['rgb', 'depth', 'present'],
            output_names=['labels', 'confidence'],
        )
    return onnx.load_from_string(file.getvalue())


def _drop_identities(graph: onnx.GraphProto) -> None:
    """Let consumers read the source of each Identity; the exporter shares constants by them."""
    source = {n.output[0]: n.input[0] for n in graph.node if n.op_type == 'Identity'}
    kept = [node for node in graph.node if node.op_type != 'Identity']
    for node in kept:
        for index, name in enumerate(node.input):
            while name in source:
                name = source[name]
            node.input[index] = name
    del graph.node[:]
    graph.node.extend(kept)


def _with_constant_sizes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with the size of each Resize a constant, not computed from a shape."""
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    graph = model.graph
    shapes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in graph.value_info
    }
    for node in graph.node:
        if node.op_type == 'Resize':
            name = f'{node.name}.sizes'
            sizes = np.array(shapes[node.output[0]], np.int64)
            graph.initializer.append(numpy_helper.from_array(sizes, name))
            node.input[3] = name
    del graph.value_info[:]
    _drop_unread(graph)
    return model


def _drop_unread(graph: onnx.GraphProto) -> None:
    """Remove nodes that no output depends on."""
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))


def _store_half(graph: onnx.GraphProto) -> None:
    """Turn each large float32 constant into a half precision one and a cast."""
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim < 2 or values.size < _HALF_FROM:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f'{name}.half'))
        casts.append(
            onnx.helper.make_node(
                'Cast', [tensor.name], [name], name=f'{name}.cast', to=onnx.TensorProto.FLOAT
            )
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
