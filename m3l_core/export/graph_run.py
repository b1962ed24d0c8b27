"""An exported graph run by PyTorch on the CPU, operator by operator, as it is written.

Engines fuse operators and widen types as they see fit. Here every value of the graph exists and
has the type the graph gives it, so that its size can be read, and so that a machine without a GPU
can tell what rounding to FP16 after every operator does to the labels.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, numpy_helper
import torch
from torch import Tensor
import torch.nn.functional as F

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from m3l_core.model_card import ModelCard

    Watch = Callable[[str, Tensor], None]


class _Step(NamedTuple):
    compute: Callable[..., Tensor | tuple[Tensor, ...]]
    attributes: dict[str, Any]
    inputs: list[str]
    outputs: list[str]
    unread: list[str]
    """What no later step reads, so that its memory can go."""


class GraphRun:
    """A graph ready to run on tensors.

    Args:
        model: A graph that `m3l export` wrote, or the mixed one made from it.
        watch: Told the name and the value of all that is computed from images.
    """

    def __init__(self, model: onnx.ModelProto, watch: Watch | None = None) -> None:
        self._results = [value.name for value in model.graph.output]
        self._watch = watch
        self._constants: dict[str, Tensor] = {
            tensor.name: _tensor(tensor) for tensor in model.graph.initializer
        }
        self._steps: list[_Step] = []
        read = set(self._results)
        for node in reversed(model.graph.node):
            unread = set(node.input) - read - {''}
            read |= unread
            self._steps.insert(0, _step(node, sorted(unread)))
        self._steps = [step for step in self._steps if not self._is_constant(step)]

    @torch.inference_mode()
    def __call__(self, inputs: Mapping[str, NDArray[np.generic]]) -> list[NDArray[Any]]:
        """Return the graph's outputs."""
        values = dict(self._constants)
        for name, array in inputs.items():
            values[name] = torch.from_numpy(np.ascontiguousarray(array))
        for step in self._steps:
            for name, value in _results(step, values).items():
                values[name] = value
                if self._watch is not None:
                    self._watch(name, value)
            for name in step.unread:
                del values[name]
        return [values[name].numpy() for name in self._results]

    def _is_constant(self, step: _Step) -> bool:
        """Compute a step that no image goes into, once; return whether it was one."""
        if not self._constants.keys() >= set(step.inputs) - {''}:
            return False
        self._constants.update(_results(step, self._constants))
        return True


class GraphEngine:
    """A graph as an engine, so that it can be compared with others.

    Args:
        card: Of the graph.
        run: The graph.
        backend: What to call it.
        precision: What it shows.
    """

    streams = 1

    def __init__(self, card: ModelCard, run: GraphRun, *, backend: str, precision: str) -> None:
        self.card, self.backend, self.precision = card, backend, precision
        self._run = run

    def run(
        self,
        rgb: NDArray[np.uint8],
        depth: NDArray[np.float32],
        present: NDArray[np.float32],
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return labels and confidence; see `Engine.run`."""
        labels, confidence = self._run({'rgb': rgb, 'depth': depth, 'present': present})
        return labels, confidence

    def close(self) -> None:
        """Do nothing: the graph goes with the last that knows it."""


def _tensor(proto: onnx.TensorProto) -> Tensor:
    return torch.from_numpy(numpy_helper.to_array(proto).copy())


def _step(node: onnx.NodeProto, unread: list[str]) -> _Step:
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return _Step(_OPERATORS[node.op_type], attributes, list(node.input), list(node.output), unread)


def _results(step: _Step, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    given = [values[name] if name else None for name in step.inputs]
    result = step.compute(*given, **step.attributes)
    results = (result,) if isinstance(result, Tensor) else result
    return dict(zip(step.outputs, results, strict=True))


def _conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    group: int,
    pads: list[int],
    strides: list[int],
    **_: Any,  # noqa: ANN401 - the kernel's shape is the weight's
) -> Tensor:
    # Halves are multiplied exactly and added in float32, then rounded once: what tensor cores
    # do. PyTorch's own half kernels do the same, some forty times slower on most CPUs.
    made = F.conv2d(x.float(), weight.float(), bias.float(), strides, pads[:2], 1, group)
    return made.to(x.dtype)


def _matmul(one: Tensor, other: Tensor) -> Tensor:
    return (one.float() @ other.float()).to(one.dtype)  # as in _conv


def _layer_norm(x: Tensor, scale: Tensor, shift: Tensor, *, axis: int, epsilon: float) -> Tensor:
    return F.layer_norm(x, x.shape[axis:], scale, shift, epsilon)


def _resize(
    x: Tensor,
    _region: None,
    _scales: None,
    sizes: Tensor,
    *,
    mode: bytes,
    coordinate_transformation_mode: bytes,
    **_: Any,  # noqa: ANN401 - coefficients of modes that are not used
) -> Tensor:
    size = sizes.tolist()[2:]
    if mode == b'nearest':
        return F.interpolate(x, size, mode='nearest')
    aligned = coordinate_transformation_mode == b'align_corners'
    return F.interpolate(x, size, mode='bilinear', align_corners=aligned)


def _slice(x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor, steps: Tensor) -> Tensor:
    parts = [slice(None)] * x.ndim
    for axis, *part in zip(axes.tolist(), starts.tolist(), ends.tolist(), steps.tolist()):  # noqa: B905
        parts[axis] = slice(*part)
    return x[tuple(parts)]


def _cast(x: Tensor, *, to: int) -> Tensor:
    return x.to(torch.from_numpy(np.zeros(0, helper.tensor_dtype_to_np_dtype(to))).dtype)


_OPERATORS: dict[str, Callable[..., Tensor | tuple[Tensor, ...]]] = {
    'Add': torch.add,
    'And': torch.logical_and,
    # max finds the first of equals too, three times faster than argmax across a row of images.
    'ArgMax': lambda x, axis, keepdims, **_: x.max(axis, keepdim=bool(keepdims)).indices,
    'Cast': _cast,
    'Clip': torch.clamp,
    'Concat': lambda *parts, axis: torch.cat(parts, axis),
    'Constant': lambda value: _tensor(value),
    'Conv': _conv,
    'Div': torch.div,
    'Erf': torch.erf,
    'Greater': torch.gt,
    'LayerNormalization': _layer_norm,
    'Less': torch.lt,
    'MatMul': _matmul,
    'Mul': torch.mul,
    'Reciprocal': torch.reciprocal,
    'ReduceMax': lambda x, axes, keepdims: x.amax(axes, keepdim=bool(keepdims)),
    'ReduceMin': lambda x, axes, keepdims: x.amin(axes, keepdim=bool(keepdims)),
    'ReduceSum': lambda x, axes, keepdims: x.sum(axes.tolist(), keepdim=bool(keepdims)),
    'Relu': torch.relu,
    'Reshape': lambda x, shape, **_: x.reshape(shape.tolist()),
    'Resize': _resize,
    'Slice': _slice,
    'Softmax': lambda x, axis: x.softmax(axis),
    'Split': lambda x, sizes, axis: x.split(sizes.tolist(), axis),
    'Sub': torch.sub,
    'Transpose': lambda x, perm: x.permute(perm),
    'Unsqueeze': lambda x, axes: x.unsqueeze(axes.item()),
    'Where': torch.where,
}
"""Every operator that an exported graph is made of."""
