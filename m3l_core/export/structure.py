"""What TensorRT demands of a graph, checked on the graph itself.

The rules that look at single operators and at the edges of the graph; those on types are in
`type_rules`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from onnx import TensorProto

from m3l_core.export.graph_facts import attributes, facts, GraphFacts
from m3l_core.export.type_rules import mixed_type_problems, type_problems

if TYPE_CHECKING:
    from collections.abc import Iterator

OPSETS = range(17, 21)
"""LayerNormalization needs 17, and TensorRT 10.3 reads up to 20."""

_SHAPE_ARITHMETIC = {'Shape', 'Identity', 'If', 'Loop', 'Scan'}
"""Operators that a static graph has no use for."""

_PARAMETERS = {
    'Clip': 1,
    'LayerNormalization': 1,
    'ReduceMax': 1,
    'ReduceMin': 1,
    'ReduceSum': 1,
    'Reshape': 1,
    'Resize': 1,
    'Slice': 1,
    'Split': 1,
    'Unsqueeze': 1,
}
"""From which input on an operator's inputs must be constants."""

_RESIZE_MODES = {b'nearest', b'linear'}
_RESIZE_COORDINATES = {
    b'half_pixel',
    b'pytorch_half_pixel',
    b'align_corners',
    b'asymmetric',
    b'tf_half_pixel_for_nn',
}

_COMPARING = {'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'IsNaN', 'IsInf'}
_MOVING = {'Reshape', 'Squeeze', 'Transpose', 'Unsqueeze'}


def structure_problems(model: onnx.ModelProto) -> list[str]:
    """Return what TensorRT would refuse or misread, empty if nothing."""
    graph = facts(model)
    return [
        *_opset(model),
        *_shapes(graph),
        *_uint8(graph),
        *_operators(graph),
        *_resizes(graph),
        *_choices(graph),
        *_parameters(graph),
        *_depth(graph),
        *type_problems(graph),
    ]


def mixed_problems(model: onnx.ModelProto) -> list[str]:
    """Return what is wrong with a graph of mixed precision, empty if nothing."""
    return [*structure_problems(model), *mixed_type_problems(facts(model))]


def _opset(model: onnx.ModelProto) -> Iterator[str]:
    for entry in model.opset_import:
        if entry.domain not in ('', 'ai.onnx'):
            yield f'operators of the domain {entry.domain!r}'
        elif entry.version not in OPSETS:
            yield f'opset {entry.version}, expected {OPSETS[0]} to {OPSETS[-1]}'


def _shapes(graph: GraphFacts) -> Iterator[str]:
    for name in graph.values():
        shape = graph.shapes.get(name)
        if shape is None or any(size < 1 for size in shape):
            yield f'{name} has no static shape'


def _uint8(graph: GraphFacts) -> Iterator[str]:
    """Yield each uint8 tensor that is not at the edge of the graph, beside a cast."""
    uint8 = {name for name, kind in graph.kinds.items() if kind == TensorProto.UINT8}
    for node in graph.nodes:
        is_cast = node.op_type == 'Cast'
        for name in uint8.intersection(graph.inputs, node.input):
            if not is_cast:
                yield f'{name} (uint8) feeds {node.op_type}, expected Cast'
        if is_cast and attributes(node)['to'] == TensorProto.UINT8:
            yield from _final_cast(graph, node)
        elif uint8.intersection(graph.outputs, node.output):
            yield f'{node.output[0]} comes from {node.op_type}, expected Cast'


def _final_cast(graph: GraphFacts, cast: onnx.NodeProto) -> Iterator[str]:
    """Yield why a cast to uint8 is refused: it must take a real number and be an output itself."""
    if cast.output[0] not in graph.outputs:
        yield f'{cast.output[0]} is uint8 inside the graph'
    elif any(cast.output[0] in node.input for node in graph.nodes):
        yield f'{cast.output[0]} is an output, and read inside the graph too'
    if graph.kinds.get(cast.input[0]) not in (TensorProto.FLOAT, TensorProto.FLOAT16):
        yield f'{cast.output[0]} is cast from an integer, expected float32 between'


def _operators(graph: GraphFacts) -> Iterator[str]:
    for node in graph.nodes:
        if node.op_type in _SHAPE_ARITHMETIC:
            yield f'{node.name} is a {node.op_type}'
        elif node.op_type == 'LayerNormalization' and len(node.input) != 3:
            yield f'{node.name} lacks a scale or a shift'
        elif node.op_type == 'LayerNormalization' and len(node.output) != 1:
            yield f'{node.name} gives more than the normalized values'


def _resizes(graph: GraphFacts) -> Iterator[str]:
    for node in graph.nodes:
        if node.op_type != 'Resize':
            continue
        given = attributes(node)
        if given.get('antialias', 0):
            yield f'{node.name} resizes with antialias'
        if (mode := given.get('mode', b'nearest')) not in _RESIZE_MODES:
            yield f'{node.name} resizes by {mode.decode()}'
        coordinates = given.get('coordinate_transformation_mode', b'half_pixel')
        if coordinates not in _RESIZE_COORDINATES:
            yield f'{node.name} resizes with coordinates {coordinates.decode()}'
        if given.get('keep_aspect_ratio_policy', b'stretch') != b'stretch':
            yield f'{node.name} resizes by an aspect ratio'
        before, after = (graph.shapes.get(n, ()) for n in (node.input[0], node.output[0]))
        if before[:-2] != after[:-2]:
            yield f'{node.name} resizes more than height and width'


def _choices(graph: GraphFacts) -> Iterator[str]:
    """Yield each ArgMax or TopK whose axis TensorRT cannot take: one of the last four only."""
    for node in graph.nodes:
        if node.op_type in ('ArgMax', 'TopK'):
            default = 0 if node.op_type == 'ArgMax' else -1
            axis = attributes(node).get('axis', default)
            rank = len(graph.shapes.get(node.input[0], ()))
            if not -4 <= (axis if axis < 0 else axis - rank) < 0:
                yield f'{node.name} chooses along axis {axis} of {rank}'


def _parameters(graph: GraphFacts) -> Iterator[str]:
    for node in graph.nodes:
        start = _PARAMETERS.get(node.op_type, len(node.input))
        for name in node.input[start:]:
            if name and name not in graph.constants:
                yield f'{node.name} takes {name} from an operator, expected a constant'


def _depth(graph: GraphFacts) -> Iterator[str]:
    """Yield what computes with raw depth, whose NaN only a Where takes away for certain."""
    raw = {'depth'}
    for node in graph.nodes:
        if not raw.intersection(node.input) or node.op_type in (*_COMPARING, 'Where'):
            continue
        if node.op_type in _MOVING:
            raw.update(node.output)
        else:
            yield f'{node.name} computes with raw depth, expected a Where before'
