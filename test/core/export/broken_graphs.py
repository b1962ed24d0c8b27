"""Small graphs, each of which breaks one rule of TensorRT."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto

HALF, FLOAT, UINT8 = TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.UINT8

CONSTANTS = {
    'two': np.float32(2),
    'two_half': np.float16(2),
    'ones': np.ones(4, np.float32),
    'ones_half': np.ones(4, np.float16),
    'three': np.int64(3),
    'axes': np.array([0]),
    'sizes': np.array([1, 1, 8, 8]),
    'more_sizes': np.array([1, 2, 8, 8]),
    'flat': np.array([-1]),
    'nothing': np.zeros(0, np.float32),
}


def chain(
    *nodes: onnx.NodeProto, opset: int = 17, rows: int | str = 4, kind: int = UINT8
) -> onnx.ModelProto:
    """Return a graph from uint8 `rgb`, float `depth` and a float `image` to `labels`."""
    given = [
        helper.make_tensor_value_info('rgb', UINT8, [rows, 4]),
        helper.make_tensor_value_info('depth', FLOAT, [4, 4]),
        helper.make_tensor_value_info('image', FLOAT, [1, 1, 4, 4]),
        helper.make_tensor_value_info('deep', FLOAT, [1, 1, 4, 4, 4]),
    ]
    result = helper.make_tensor_value_info('labels', kind, [4, 4])
    constants = [numpy_helper.from_array(np.asarray(v), n) for n, v in CONSTANTS.items()]
    graph = helper.make_graph(list(nodes), 'graph', given, [result], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)])


def node(
    kind: str, inputs: str, result: str, *, name: str = '', **attributes: Any
) -> onnx.NodeProto:
    """Return an operator; `inputs` are names with spaces between, '-' for none."""
    names = ['' if name == '-' else name for name in inputs.split()]
    return helper.make_node(kind, names, [result], name=name or kind, **attributes)


TO_FLOAT = node('Cast', 'rgb', 'x', to=FLOAT)
TO_HALF = node('Cast', 'x', 'h', name='Rounding', to=HALF)
TO_UINT8 = node('Cast', 'x', 'labels', to=UINT8)


def beside(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    """Return a graph that keeps the rules but for these operators."""
    return chain(TO_FLOAT, TO_UINT8, *nodes)


BROKEN = {
    'opset': (chain(TO_FLOAT, TO_UINT8, opset=21), 'opset 21, expected 17 to 20'),
    'free size of an input': (chain(TO_FLOAT, TO_UINT8, rows='n'), 'rgb has no static shape'),
    'size that is computed': (
        beside(node('NonZero', 'x', 'z')),
        'z has no static shape',
    ),
    'arithmetic on shapes': (beside(node('Shape', 'x', 'z')), 'Shape is a Shape'),
    'uint8 into anything but a cast': (
        chain(node('Transpose', 'rgb', 'y'), node('Cast', 'y', 'x', to=FLOAT), TO_UINT8),
        'rgb (uint8) feeds Transpose, expected Cast',
    ),
    'uint8 inside': (
        chain(TO_FLOAT, node('Cast', 'x', 'y', to=UINT8), node('Transpose', 'y', 'labels')),
        'y is uint8 inside the graph',
    ),
    'something after the last cast': (
        chain(TO_FLOAT, node('Cast', 'x', 'y', to=UINT8), node('Identity', 'y', 'labels')),
        'labels comes from Identity, expected Cast',
    ),
    'an output that is read': (
        beside(node('Cast', 'labels', 'z', to=FLOAT)),
        'labels is an output, and read inside the graph too',
    ),
    'integers cast to uint8': (
        chain(TO_FLOAT, node('ArgMax', 'x', 'y'), node('Cast', 'y', 'labels', to=UINT8)),
        'labels is cast from an integer, expected float32 between',
    ),
    'truth values cast to uint8': (
        chain(TO_FLOAT, node('Greater', 'x two', 'y'), node('Cast', 'y', 'labels', to=UINT8)),
        'labels is cast from an integer, expected float32 between',
    ),
    'antialias': (
        beside(node('Resize', 'image - - sizes', 'z', antialias=1)),
        'Resize resizes with antialias',
    ),
    'mode of resizing': (
        beside(node('Resize', 'image - - sizes', 'z', mode='cubic')),
        'Resize resizes by cubic',
    ),
    'coordinates of resizing': (
        beside(
            node(
                'Resize',
                'image nothing - sizes',
                'z',
                coordinate_transformation_mode='tf_crop_and_resize',
            )
        ),
        'Resize resizes with coordinates tf_crop_and_resize',
    ),
    'aspect ratio of resizing': (
        chain(
            TO_FLOAT,
            TO_UINT8,
            node('Resize', 'image - - sizes', 'z', keep_aspect_ratio_policy='not_larger'),
            opset=18,
        ),
        'Resize resizes by an aspect ratio',
    ),
    'resizing channels': (
        beside(node('Resize', 'image - - more_sizes', 'z')),
        'Resize resizes more than height and width',
    ),
    'norm without scale and shift': (
        beside(node('LayerNormalization', 'x', 'z')),
        'LayerNormalization lacks a scale or a shift',
    ),
    'norm with more than one result': (
        beside(
            helper.make_node(
                'LayerNormalization', ['x', 'ones', 'ones'], ['z', 'mean'], name='Norm'
            )
        ),
        'Norm gives more than the normalized values',
    ),
    'norm in half precision': (
        beside(TO_HALF, node('LayerNormalization', 'h ones_half ones_half', 'z')),
        'LayerNormalization takes h, which is not float32',
    ),
    'axis of ArgMax': (
        beside(
            node('ArgMax', 'deep', 'y', axis=0),
            node('Cast', 'y', 'z', name='Index', to=FLOAT),
        ),
        'ArgMax chooses along axis 0 of 5',
    ),
    'parameter that is computed': (
        beside(node('Cast', 'x', 'i', to=TensorProto.INT64), node('Reshape', 'image i', 'z')),
        'Reshape takes i from an operator, expected a constant',
    ),
    'raw depth in arithmetic': (
        beside(node('Unsqueeze', 'depth axes', 'd'), node('Mul', 'd two', 'z')),
        'Mul computes with raw depth, expected a Where before',
    ),
    'types that differ': (
        beside(TO_HALF, node('Add', 'h two', 'z')),
        'Add takes FLOAT and FLOAT16, expected one type',
    ),
    'weights of another type': (
        beside(TO_HALF, node('MatMul', 'h x', 'z')),
        'MatMul takes FLOAT and FLOAT16, expected one type',
    ),
    'branches of another type': (
        beside(TO_HALF, node('Greater', 'x two', 'c'), node('Where', 'c x h', 'z')),
        'Where takes FLOAT and FLOAT16, expected one type',
    ),
    'integers made': (
        beside(node('Add', 'three three', 'z')),
        'Add gives integers',
    ),
    'integers computed with': (
        beside(node('ArgMax', 'x', 'y'), node('Add', 'y three', 'z')),
        'Add computes with integers',
    ),
    'double precision': (
        beside(node('Cast', 'x', 'z', name='Widen', to=TensorProto.DOUBLE)),
        'z is float64',
    ),
}

BROKEN_MIX = {
    'softmax in half precision': (
        beside(TO_HALF, node('Softmax', 'h', 'z')),
        'Softmax computes in half precision',
    ),
    'cast of a constant': (
        beside(node('Cast', 'ones_half', 'z', name='Stored', to=FLOAT)),
        'Stored casts a constant',
    ),
    'cast that takes another back': (
        beside(TO_HALF, node('Cast', 'h', 'z', name='Back', to=FLOAT)),
        'Back takes back Rounding',
    ),
    'cast to the same type': (
        beside(node('Cast', 'x', 'z', name='Same', to=FLOAT)),
        'Same casts to the same type',
    ),
}
