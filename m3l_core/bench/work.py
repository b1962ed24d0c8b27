"""What an exported network has to do, counted from its graph, and how fast that can be at best.

Counted are the products: convolutions, linear layers, and the two of each attention, of which
the matrix of scores is taken to stay in caches. All else is taken to cost nothing: a good engine
does it to values that it holds anyway. So this is a bound from below.
"""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import Any, Literal, TYPE_CHECKING

from m3l_core.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    Kind = Literal['convolution', 'depthwise', 'linear', 'attention']

BYTES = {'float32': 4, 'float16': 2, 'bf16': 2}
"""Of one value, by precision."""


@dataclass(frozen=True)
class Product:
    """One convolution or matrix product.

    Attributes:
        name: Of the operator in the graph.
        kind: What it is part of.
        multiply_adds: How many it takes.
        weights: Constants it reads.
        values: Other values it reads and writes, in memory rather than in a cache.
    """

    name: str
    kind: Kind
    multiply_adds: int
    weights: int
    values: int


@dataclass(frozen=True)
class Work:
    """All products of a network, for one pair of images."""

    products: tuple[Product, ...]

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return 2 * sum(product.multiply_adds for product in self.products)

    def bytes_moved(self, precision: str) -> int:
        """Return what is read and written, each weight and value in `precision`."""
        return BYTES[precision] * sum(p.weights + p.values for p in self.products)

    def operations_by_kind(self) -> dict[str, int]:
        """Return the operations of each kind of product."""
        totals: dict[str, int] = {}
        for product in self.products:
            totals[product.kind] = totals.get(product.kind, 0) + 2 * product.multiply_adds
        return totals


@dataclass(frozen=True)
class Limit:
    """The shortest time in which a machine can do some work.

    Attributes:
        compute_ms: If it did nothing but multiply, as fast as in one large product.
        memory_ms: If it did nothing but read and write, as fast as it copies.
    """

    compute_ms: float
    memory_ms: float

    @classmethod
    def of(cls, work: Work, precision: str, rate: float, bandwidth: float) -> Limit:
        """Return the limit at `rate` operations and `bandwidth` bytes a second."""
        return cls(
            compute_ms=1e3 * work.operations / rate,
            memory_ms=1e3 * work.bytes_moved(precision) / bandwidth,
        )

    @property
    def milliseconds(self) -> float:
        """The longer of the two, as both go on at once."""
        return max(self.compute_ms, self.memory_ms)


def count_work(model: Path | bytes) -> Work:
    """Return what the ONNX file `model` has to do; needs the onnx package.

    Raises:
        ModelError: If the file is damaged or its shapes are not static.
    """
    import onnx

    where = 'model' if isinstance(model, bytes) else str(model)
    data = model if isinstance(model, bytes) else model.read_bytes()
    try:
        graph = onnx.load_from_string(data)
        inferred = onnx.shape_inference.infer_shapes(graph, strict_mode=True, data_prop=True)
        return Work(tuple(_products(inferred.graph)))
    except Exception as error:  # protobuf's errors have no public base class
        raise ModelError(
            f'{where}: its work cannot be counted: {type(error).__name__}. Export it again.'
        ) from error


def _products(graph: Any) -> Iterable[Product]:  # noqa: ANN401  # onnx is not typed
    shapes = _shapes(graph)
    constants = _constants(graph)
    made_by = {name: node.op_type for node in graph.node for name in node.output}
    into_softmax = {node.input[0] for node in graph.node if node.op_type == 'Softmax'}
    for node in graph.node:
        if node.op_type not in ('Conv', 'MatMul', 'Gemm'):
            continue
        output = shapes[node.output[0]]
        if node.op_type == 'Conv':
            kernel = shapes[node.input[1]]
            # A kernel has the input channels of its group only, so groups need no look.
            kind: Kind = 'depthwise' if kernel[1] == 1 < output[1] else 'convolution'
            multiply_adds = math.prod(output) * math.prod(kernel[1:])
        else:
            kind = 'linear' if constants & set(node.input) else 'attention'
            multiply_adds = math.prod(output) * shapes[node.input[0]][-1]
        scores = {name for name in node.input if made_by.get(name) == 'Softmax'}
        moved = [n for n in node.input if n and n not in constants | scores]
        moved += [name for name in node.output if name not in into_softmax]
        yield Product(
            name=node.name,
            kind=kind,
            multiply_adds=multiply_adds,
            weights=sum(math.prod(shapes[name]) for name in constants & set(node.input)),
            values=sum(math.prod(shapes[name]) for name in moved),
        )


def _shapes(graph: Any) -> dict[str, tuple[int, ...]]:  # noqa: ANN401
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    return shapes


def _constants(graph: Any) -> set[str]:  # noqa: ANN401
    """Return the names of all values that do not depend on an input."""
    constants = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == 'Constant' or (node.input and set(node.input) <= constants):
            constants.update(node.output)
    return constants
