"""The work of a network, counted by hand for small graphs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip('onnx')

from onnx import helper, numpy_helper, TensorProto

from m3l_core.bench.work import count_work, Limit, Product, Work
from m3l_core.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def graph(
    nodes: Sequence[object],
    inputs: dict[str, tuple[int, ...]],
    constants: dict[str, tuple[int, ...]],
    output: tuple[int, ...],
) -> bytes:
    """Return a model whose output is called y."""
    model = helper.make_model(
        helper.make_graph(
            nodes,
            'small',
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
            [helper.make_tensor_value_info('y', TensorProto.FLOAT, output)],
            [
                numpy_helper.from_array(np.zeros(shape, np.float32), name)
                for name, shape in constants.items()
            ],
        ),
        opset_imports=[helper.make_opsetid('', 17)],
    )
    data: bytes = model.SerializeToString()
    return data


def test_convolution_is_its_kernel_at_every_output() -> None:
    node = helper.make_node('Conv', ['x', 'w'], ['y'], 'conv', strides=[2, 2], pads=[1, 1, 1, 1])
    model = graph([node], {'x': (1, 3, 8, 8)}, {'w': (5, 3, 3, 3)}, (1, 5, 4, 4))
    (product,) = count_work(model).products
    assert product == Product(
        'conv', 'convolution', 5 * 4 * 4 * 3 * 9, 5 * 3 * 9, 3 * 8 * 8 + 5 * 4 * 4
    )


def test_depthwise_convolution_reads_one_channel_for_each() -> None:
    node = helper.make_node('Conv', ['x', 'w'], ['y'], 'dw', group=6, pads=[1, 1, 1, 1])
    model = graph([node], {'x': (1, 6, 4, 4)}, {'w': (6, 1, 3, 3)}, (1, 6, 4, 4))
    (product,) = count_work(model).products
    assert (product.kind, product.multiply_adds) == ('depthwise', 6 * 16 * 9)


def test_linear_layer_knows_weights_behind_a_cast() -> None:
    nodes = [
        helper.make_node('Cast', ['half'], ['w'], 'cast', to=TensorProto.FLOAT),
        helper.make_node('MatMul', ['x', 'w'], ['y'], 'linear'),
    ]
    model = graph(nodes, {'x': (2, 10, 4)}, {'half': (4, 7)}, (2, 10, 7))
    (product,) = count_work(model).products
    assert product == Product('linear', 'linear', 2 * 10 * 4 * 7, 4 * 7, 2 * 10 * 4 + 2 * 10 * 7)


def test_scores_of_attention_stay_in_caches() -> None:
    nodes = [
        helper.make_node('MatMul', ['q', 'k'], ['scores'], 'first'),
        helper.make_node('Softmax', ['scores'], ['shares'], 'softmax', axis=-1),
        helper.make_node('MatMul', ['shares', 'v'], ['y'], 'second'),
    ]
    inputs = {'q': (1, 100, 8), 'k': (1, 8, 20), 'v': (1, 20, 8)}
    first, second = count_work(graph(nodes, inputs, {}, (1, 100, 8))).products
    assert first == Product('first', 'attention', 100 * 8 * 20, 0, 800 + 160)
    assert second == Product('second', 'attention', 100 * 8 * 20, 0, 160 + 800)


def test_limit_is_the_slower_of_computing_and_moving() -> None:
    work = Work((Product('one', 'linear', 500, weights=100, values=150),))
    assert work.operations == 1000
    assert [work.bytes_moved(p) for p in ('float32', 'bf16')] == [1000, 500]
    fast_memory = Limit.of(work, 'float32', rate=1e5, bandwidth=1e6)
    assert (fast_memory.compute_ms, fast_memory.memory_ms) == pytest.approx((10, 1))
    assert fast_memory.milliseconds == pytest.approx(10)
    assert Limit.of(work, 'bf16', rate=1e9, bandwidth=1e5).milliseconds == pytest.approx(5)


def test_exported_network_is_counted_whole(tiny_files: Path) -> None:
    work = count_work(tiny_files)
    kinds = work.operations_by_kind()
    assert set(kinds) == {'convolution', 'depthwise', 'linear', 'attention'}
    assert sum(kinds.values()) == work.operations
    counted = Counter(product.kind for product in work.products)
    # Five blocks: query, key, value, projection; the two products of attention; depthwise.
    assert counted['linear'] == 5 * 4
    assert counted['attention'] == 5 * 2
    assert counted['depthwise'] == 5
    # Expand and contract; four reductions, five embeddings, four decoder layers, classes.
    assert counted['convolution'] == 5 * 2 + 4 + 5 + 4 + 1
    expand = next(product for product in work.products if 'expand' in product.name)
    # Two images of 64x96 at a quarter of their size, 16 to 32 channels.
    assert expand.multiply_adds == 2 * 16 * 24 * 16 * 32


def test_damaged_file_is_refused_in_one_line(tiny_files: Path, tmp_path: Path) -> None:
    path = tmp_path / 'cut.onnx'
    path.write_bytes(tiny_files.read_bytes()[:3000])
    with pytest.raises(ModelError, match=r'cut\.onnx: its work cannot be counted: DecodeError'):
        count_work(path)
