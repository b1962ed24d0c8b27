"""What TensorRT demands of the types in a graph, where each operator computes in its inputs'.

ONNX's own checker does not compare the types of an operator's inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from onnx import TensorProto

from m3l_core.export.graph_facts import attributes, GraphFacts, INTEGER, REAL

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST_INPUT_ONLY = {'Resize'}
"""Operators that compute in the type of their first input; the scales beside it are float32."""


def type_problems(graph: GraphFacts) -> Iterator[str]:
    """Yield what is wrong with the types of any graph."""
    yield from _agreement(graph)
    yield from _norms(graph)
    yield from _integers(graph)
    yield from _double(graph)


def mixed_type_problems(graph: GraphFacts) -> Iterator[str]:
    """Yield what is wrong with the types of a graph in mixed precision."""
    for node in graph.nodes:
        if node.op_type == 'Softmax' and graph.kinds.get(node.input[0]) != TensorProto.FLOAT:
            yield f'{node.name} computes in half precision'
    yield from _useless_casts(graph)


def _agreement(graph: GraphFacts) -> Iterator[str]:
    for node in graph.nodes:
        names = list(node.input[:1] if node.op_type in _FIRST_INPUT_ONLY else node.input)
        kinds = sorted(TensorProto.DataType.Name(kind) for kind in graph.kinds_of(names))
        if len(kinds) > 1:
            yield f'{node.name} takes {" and ".join(kinds)}, expected one type'


def _norms(graph: GraphFacts) -> Iterator[str]:
    for node in graph.nodes:
        if node.op_type == 'LayerNormalization':
            for name in node.input:
                if graph.kinds.get(name, TensorProto.FLOAT) != TensorProto.FLOAT:
                    yield f'{node.name} takes {name}, which is not float32'


def _integers(graph: GraphFacts) -> Iterator[str]:
    """Yield what computes with integers: only ArgMax and TopK may, and only a cast read them."""
    for node in graph.nodes:
        made = any(graph.kinds.get(name) in INTEGER for name in node.output)
        if made and node.op_type not in ('ArgMax', 'TopK'):
            yield f'{node.name} gives integers'
        computed = set(node.input) - graph.constants
        if node.op_type != 'Cast' and any(graph.kinds.get(n) in INTEGER for n in computed):
            yield f'{node.name} computes with integers'


def _double(graph: GraphFacts) -> Iterator[str]:
    for name, kind in graph.kinds.items():
        if kind == TensorProto.DOUBLE:
            yield f'{name} is float64'


def _useless_casts(graph: GraphFacts) -> Iterator[str]:
    """Yield each cast of a constant, to the type that is there, or back from a rounded one."""
    casts = {node.output[0]: node for node in graph.nodes if node.op_type == 'Cast'}
    for node in casts.values():
        source, to = node.input[0], attributes(node)['to']
        if source in graph.constants:
            yield f'{node.name} casts a constant'
        elif graph.kinds.get(source) == to:
            yield f'{node.name} casts to the same type'
        elif source in casts and _cancels(graph, casts[source], to):
            yield f'{node.name} takes back {casts[source].name}'


def _cancels(graph: GraphFacts, earlier: onnx.NodeProto, to: int) -> bool:
    return to in REAL and graph.kinds.get(earlier.input[0]) == to
