"""Rules that every engine's importer relies on, checked on the graph itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

if TYPE_CHECKING:
    from collections.abc import Iterator

OPSETS = range(17, 21)
"""LayerNormalization needs 17, and TensorRT 10.3 reads up to 20."""

_SHAPE_ARITHMETIC = {'Shape', 'Identity', 'If', 'Loop', 'Scan'}
"""Operators that a static graph has no use for."""


def structure_problems(model: onnx.ModelProto) -> list[str]:
    """Return what TensorRT would refuse or misread, empty if nothing."""
    return [*_opset(model), *_shapes(model.graph), *_uint8(model.graph), *_operators(model.graph)]


def _opset(model: onnx.ModelProto) -> Iterator[str]:
    for entry in model.opset_import:
        if entry.domain not in ('', 'ai.onnx'):
            yield f'operators of the domain {entry.domain!r}'
        elif entry.version not in OPSETS:
            yield f'opset {entry.version}, expected {OPSETS[0]} to {OPSETS[-1]}'


def _shapes(graph: onnx.GraphProto) -> Iterator[str]:
    for value in (*graph.input, *graph.output):
        dimensions = value.type.tensor_type.shape.dim
        if any(not d.HasField('dim_value') or d.dim_value < 1 for d in dimensions):
            yield f'{value.name} has no static shape'


def _uint8(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield each uint8 tensor that is not at the edge of the graph, beside a cast."""
    inputs = _names_of_type(graph.input, onnx.TensorProto.UINT8)
    outputs = _names_of_type(graph.output, onnx.TensorProto.UINT8)
    for node in graph.node:
        is_cast = node.op_type == 'Cast'
        for name in inputs.intersection(node.input):
            if not is_cast:
                yield f'{name} (uint8) feeds {node.op_type}, expected Cast'
        if is_cast and node.attribute[0].i == onnx.TensorProto.UINT8:
            yield from _final_cast(graph, node, outputs)
        elif outputs.intersection(node.output):
            yield f'{node.output[0]} comes from {node.op_type}, expected Cast'


def _final_cast(graph: onnx.GraphProto, cast: onnx.NodeProto, outputs: set[str]) -> Iterator[str]:
    """Yield why a cast to uint8 is refused: it must take float32 and be an output itself."""
    if cast.output[0] not in outputs:
        yield f'{cast.output[0]} is uint8 inside the graph'
    source = next((node for node in graph.node if cast.input[0] in node.output), None)
    if source is None or source.op_type in ('ArgMax', 'Identity'):
        yield f'{cast.output[0]} is cast from an integer, expected float32 between'


def _operators(graph: onnx.GraphProto) -> Iterator[str]:
    for node in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type in _SHAPE_ARITHMETIC:
            yield f'{node.name} is a {node.op_type}'
        elif node.op_type == 'Resize' and attributes.get('antialias', 0):
            yield f'{node.name} resizes with antialias'
        elif node.op_type == 'LayerNormalization' and len(node.input) != 3:
            yield f'{node.name} lacks a scale or a shift'


def _names_of_type(values: list[onnx.ValueInfoProto], kind: int) -> set[str]:
    return {value.name for value in values if value.type.tensor_type.elem_type == kind}
