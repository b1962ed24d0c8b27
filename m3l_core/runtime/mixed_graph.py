"""The exported graph as TensorRT shall compute it: FP16 where that is safe, FP32 elsewhere.

TensorRT builds strongly typed networks: each operator computes in the type of its inputs, so the
choice of precision is made here, by casts in the graph. FP32 stay

- everything before the first and after the last convolution or matrix product: a depth in meters
  is not bounded, and logits, softmax and argmax decide the labels;
- LayerNormalization and Softmax, which add up many squares or exponentials. TensorRT ignores
  what ONNX says of their inner precision;
- each operator that meets a value which was too large on real frames, as the card tells.

All others, where nearly all the time goes, compute in FP16. What only moves values, such as
Reshape, keeps the type it is given, so that casts stand beside the operators they are for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto

from m3l_core.errors import ModelError
from m3l_core.model_card import CARD_KEY, ModelCard

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_IN_HALF = 1e4
"""Absolute value up to which FP16 is trusted; it overflows at 65504, and frames differ."""

_PRODUCTS = {'Conv', 'MatMul', 'Gemm'}
_FLOAT = {'LayerNormalization', 'Softmax', 'Cast'}
_MOVES = {'Reshape', 'Transpose', 'Slice', 'Split', 'Squeeze', 'Unsqueeze'}

_ALIKE_INPUTS = {'Resize': 1}
"""Operators of which only the first inputs are of the computed type; scales are always FP32."""

_SUFFIX = {TensorProto.FLOAT: 'float', TensorProto.FLOAT16: 'half'}
_NUMPY = {TensorProto.FLOAT: np.float32, TensorProto.FLOAT16: np.float16}


def mixed_precision_graph(data: bytes) -> bytes:
    """Return the ONNX file `data`, which `m3l export` wrote, in FP16 and FP32 for TensorRT.

    Inputs, outputs and the card stay as they are.

    Raises:
        ModelError: If the file is damaged, has no card, or the card no ranges of this graph.
    """
    model = _model(data)
    return _typed(model, _too_large(model))


def float32_graph(data: bytes) -> bytes:
    """Return the ONNX file `data`, which `m3l export` wrote, with all real numbers in FP32.

    Only its constants change: they are stored in FP16, and a cast that TensorRT would have to
    fold stands behind each.

    Raises:
        ModelError: If the file is damaged.
    """
    model = _model(data)
    return _typed(model, {name for node in model.graph.node for name in node.output})


def _typed(model: onnx.ModelProto, too_large: set[str]) -> bytes:
    """Return the file of `model` with what may be FP16 in it, except `too_large`."""
    typed = _TypedGraph(model.graph, too_large)
    for node in typed.operators:
        typed.add(node)
    mixed = typed.into(model)
    try:
        onnx.checker.check_model(mixed, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f'mixed precision: the graph is invalid: {_line(error)}') from error
    written: bytes = mixed.SerializeToString(deterministic=True)
    return written


def values_in_question(graph: onnx.GraphProto) -> set[str]:
    """Return the names of all real values that are FP16 if they are small enough."""
    constants = _constants(graph)
    operators = [node for node in graph.node if not constants.keys() & set(node.output)]
    between = _between_products(operators)
    values: set[str] = set()
    for node in operators:
        if node.output[0] in between:
            choosing = node.op_type == 'Where'  # by a value that is true or false
            values.update(node.input[choosing:], node.output)
    return values - constants.keys() - {''}


def _model(data: bytes) -> onnx.ModelProto:
    try:
        model = onnx.load_from_string(data)
        return onnx.shape_inference.infer_shapes(model, strict_mode=True)
    except Exception as error:  # the parser's own error types differ by version of protobuf
        raise ModelError(
            f'mixed precision: this is damaged or no ONNX file: {_line(error)} '
            'Copy or export it again.'
        ) from error


def _card(model: onnx.ModelProto) -> ModelCard:
    for entry in model.metadata_props:
        if entry.key == CARD_KEY:
            return ModelCard.from_json(entry.value, 'mixed precision')
    raise ModelError(
        'mixed precision: expected an ONNX file with a model card, got one without. '
        'Make it with m3l export.'
    )


def _too_large(model: onnx.ModelProto) -> set[str]:
    """Return the names of the values that FP16 must not hold."""
    card = _card(model)
    if card.ranges is None:
        raise ModelError(
            f'mixed precision: the card of {card.name} has no measured ranges, so what must stay '
            'FP32 is unknown. Export it again with this version.'
        )
    names = {name for name, most in card.ranges.large.items() if not most < MOST_IN_HALF}
    if strange := names.difference(*(node.output for node in model.graph.node)):
        raise ModelError(
            f'mixed precision: the card of {card.name} tells the range of {min(strange)}, which '
            'is not in the graph. Export it again.'
        )
    return names


class _TypedGraph:
    """The operators of a graph, taken over one by one, each with inputs of one type."""

    def __init__(self, graph: onnx.GraphProto, too_large: set[str]) -> None:
        self._constants = _constants(graph)
        self.operators = [n for n in graph.node if not self._constants.keys() & set(n.output)]
        self._kinds = {
            value.name: value.type.tensor_type.elem_type
            for value in (*graph.input, *graph.value_info, *graph.output)
        }
        self._too_large = too_large | {
            name
            for name, values in self._constants.items()
            if values.dtype == np.float32 and not (np.abs(values) < MOST_IN_HALF).all()
        }
        self._between = _between_products(self.operators)
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._casts: set[str] = set()

    def add(self, operator: onnx.NodeProto) -> None:
        """Take over one operator, all of whose inputs were made before."""
        kind = TensorProto.FLOAT16 if self._fits_half(operator) else TensorProto.FLOAT
        node = onnx.NodeProto()
        node.CopyFrom(operator)
        alike = _ALIKE_INPUTS.get(node.op_type, len(node.input))
        for index, name in enumerate(operator.input):
            node.input[index] = self._input(name, kind if index < alike else TensorProto.FLOAT)
        self._nodes.append(node)
        for name in node.output:
            if self._kinds[name] == TensorProto.FLOAT:
                self._kinds[name] = kind

    def into(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Return `model` with the operators that were taken over in the place of its own."""
        mixed = onnx.ModelProto()
        mixed.CopyFrom(model)
        for field, values in (
            (mixed.graph.node, self._nodes),
            (mixed.graph.initializer, self._initializers.values()),
            (mixed.graph.value_info, ()),
        ):
            del field[:]
            field.extend(values)
        return mixed

    def _fits_half(self, node: onnx.NodeProto) -> bool:
        values = {*node.input, *node.output}
        if node.op_type in _FLOAT or values & self._too_large:
            return False
        if node.op_type in _MOVES:
            return self._kinds.get(node.input[0]) == int(TensorProto.FLOAT16)
        return node.output[0] in self._between

    def _input(self, name: str, kind: int) -> str:
        """Return the name under which `name` can be read as `kind`, if it is a real number."""
        if name in self._constants:
            return self._constant(name, kind)
        if self._kinds.get(name) not in _SUFFIX or self._kinds[name] == kind:
            return name
        cast = f'{name}.{_SUFFIX[kind]}'
        if cast not in self._casts:
            self._casts.add(cast)
            self._nodes.append(helper.make_node('Cast', [name], [cast], name=cast, to=kind))
        return cast

    def _constant(self, name: str, kind: int) -> str:
        values = self._constants[name]
        if values.dtype == np.float32:
            values, name = values.astype(_NUMPY[kind]), f'{name}.{_SUFFIX[kind]}'
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(values, name)
        return name


def _constants(graph: onnx.GraphProto) -> dict[str, NDArray[np.generic]]:
    """Return what is known before any image: real numbers as FP32, however they are stored."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == 'Constant':
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == 'Cast' and node.input[0] in constants:
            kind = helper.tensor_dtype_to_np_dtype(node.attribute[0].i)
            constants[node.output[0]] = constants[node.input[0]].astype(kind)
    return constants


def _between_products(nodes: list[onnx.NodeProto]) -> set[str]:
    """Return the values that come from a convolution or matrix product and go into the last."""
    after: set[str] = set()
    for node in nodes:
        if node.op_type in _PRODUCTS or after & set(node.input):
            after.update(node.output)
    before: set[str] = set()
    for node in reversed(nodes):
        if node.op_type in _PRODUCTS:
            before.update(node.output)
        if before & set(node.output):
            before.update(node.input)
    return after & before


def _line(error: Exception) -> str:
    """Return the first line of an error; those after it are a trace."""
    lines = str(error).strip().splitlines()
    return f'{lines[0].rstrip(".")}.' if lines else f'{type(error).__name__}.'
