"""What the rules on graphs ask about: types, shapes and constants by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TYPE_CHECKING

import onnx
from onnx import helper, TensorProto

if TYPE_CHECKING:
    from collections.abc import Iterator

REAL = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}
INTEGER = {TensorProto.INT64, TensorProto.INT32, TensorProto.UINT64, TensorProto.UINT32}


@dataclass(frozen=True)
class GraphFacts:
    """A graph with what ONNX infers about it.

    Attributes:
        nodes: In the order of computation, without those that only hold a constant.
        inputs: Names.
        outputs: Names.
        constants: Names of what is known before any image, casts of constants among them.
        kinds: Element type by name.
        shapes: Sizes by name; 0 where one is unknown.
    """

    nodes: list[onnx.NodeProto]
    inputs: list[str]
    outputs: list[str]
    constants: set[str]
    kinds: dict[str, int]
    shapes: dict[str, tuple[int, ...]]

    def values(self) -> Iterator[str]:
        """Yield the names of the inputs and of all that is computed, in order."""
        yield from self.inputs
        for node in self.nodes:
            yield from (name for name in node.output if name not in self.constants)

    def kinds_of(self, names: list[str]) -> set[int]:
        """Return the types of those `names` that hold real numbers."""
        return {self.kinds[name] for name in names if self.kinds.get(name) in REAL}


def facts(model: onnx.ModelProto) -> GraphFacts:
    """Return what is known of `model` without running it."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    nodes = [node for node in graph.node if node.op_type != 'Constant']
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {n.output[0] for n in graph.node if n.op_type == 'Constant'}
    for node in nodes:
        if node.op_type == 'Cast' and node.input[0] in constants:
            constants.add(node.output[0])
    values = [*graph.input, *graph.value_info, *graph.output]
    kinds = {value.name: value.type.tensor_type.elem_type for value in values}
    kinds.update({tensor.name: tensor.data_type for tensor in graph.initializer})
    return GraphFacts(
        nodes=nodes,
        inputs=[value.name for value in graph.input],
        outputs=[value.name for value in graph.output],
        constants=constants,
        kinds=kinds,
        shapes={
            value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
            for value in values
            if value.type.tensor_type.HasField('shape')
        },
    )


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return the attributes of `node` by name."""
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}
