"""What is measured on real frames before an exported graph is written: all that its card tells."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, TYPE_CHECKING

import onnx

from m3l_core.errors import ModelError
from m3l_core.export.frames import real_frames
from m3l_core.export.graph_run import GraphEngine, GraphRun
from m3l_core.export.onnx import set_card
from m3l_core.export.parity import compare, expectations, LEAST_FRAMES
from m3l_core.export.ranges import measured_ranges, RANGE_FRAMES
from m3l_core.export.structure import mixed_problems
from m3l_core.files import write_atomically
from m3l_core.runtime import open_engine
from m3l_core.runtime.mixed_graph import mixed_precision_graph
from m3l_core.runtime.parity import expect_agreement

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from m3l_core.export.frames import LabeledFrame
    from m3l_core.export.parity import Expected, Reference
    from m3l_core.model_card import ModelCard
    from m3l_core.runtime.engine import Engine

    Say = Callable[[str], None]
    Expectations = list[dict[str, Expected]]

ROUNDED_FRAMES = 8
"""Of the compared ones; PyTorch takes up to seconds for each."""


class RealFrames(NamedTuple):
    """Frames of one source: to compare labels on, and to measure ranges on."""

    source: str
    compared: list[LabeledFrame]
    measured: list[LabeledFrame]


def read_frames(source: Path) -> RealFrames:
    """Return the frames of the folder or bag `source` that an export is proven on.

    Raises:
        DataError: If they are too few, or no images of a camera.
        BagError: If the bag cannot be read.
    """
    compared = real_frames(source, LEAST_FRAMES)
    measured = real_frames(source, RANGE_FRAMES, least=LEAST_FRAMES)
    return RealFrames(source.name, compared, measured)


def proven_card(
    graph: onnx.ModelProto, reference: Reference, frames: RealFrames, unproven: Path, say: Say
) -> ModelCard:
    """Return the card of an exported graph, with its parity and its ranges.

    Args:
        graph: The exported graph.
        reference: The network it was made from, with its card.
        frames: Real ones.
        unproven: Where the graph may lie while engines are tried.
        say: Told what is going on.

    Raises:
        EngineError: If an engine, or rounding to FP16, gives other labels.
        ModelError: If the mixed graph breaks a rule of ONNX or of TensorRT.
    """
    # One library after the other: their threads would keep each other from the cores.
    expected = expectations(reference, frames.compared, say)
    write_atomically(unproven, graph.SerializeToString())
    try:
        parity = _parity_of_engines(unproven, frames.compared, expected, say)
    finally:
        unproven.unlink()
    ranges = measured_ranges(graph, reference.card, frames.measured, frames.source, say)
    card = replace(reference.card, precision='float16', ranges=ranges)
    every = max(1, len(expected) // ROUNDED_FRAMES)
    rounded = _rounding_engine(graph, card)
    parity |= _parity(rounded, frames.compared[::every], expected[::every], say)
    parity['frames'] = (
        f'{len(expected)} frames of {frames.source}, '
        f'{len(expected[::every])} of them for {rounded.backend} {rounded.precision}; '
        'all of it on a CPU, TensorRT was not run'
    )
    return replace(card, parity=parity)


def mixed_graph(graph: onnx.ModelProto, card: ModelCard) -> onnx.ModelProto:
    """Return what an exported graph becomes for TensorRT, by the ranges in `card`.

    Raises:
        ModelError: If that breaks a rule of ONNX or of TensorRT.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    set_card(copy, card)
    mixed = onnx.load_from_string(mixed_precision_graph(copy.SerializeToString()))
    if problems := mixed_problems(mixed):
        raise ModelError(f'export: the mixed graph breaks a rule: {"; ".join(problems)}.')
    return mixed


def _rounding_engine(graph: onnx.ModelProto, card: ModelCard) -> Engine:
    run = GraphRun(mixed_graph(graph, card))
    return GraphEngine(card, run, backend='fp16', precision='rounding')


def _parity_of_engines(
    path: Path, frames: list[LabeledFrame], expected: Expectations, say: Say
) -> dict[str, object]:
    """Return the agreement of each precision this machine computes natively."""
    native = open_engine(path, 'openvino').precision
    parity: dict[str, object] = {}
    for precision in dict.fromkeys(('float32', native)):
        engine = open_engine(path, 'openvino', precision=precision)
        parity |= _parity(engine, frames, expected, say)
    return parity


def _parity(
    engine: Engine, frames: list[LabeledFrame], expected: Expectations, say: Say
) -> dict[str, object]:
    name = f'{engine.backend} {engine.precision}'
    say(f'labels of {name}')
    agreements = compare(engine, frames, expected)
    expect_agreement(engine, agreements)
    return {name: {mode: agreement.summary() for mode, agreement in agreements.items()}}
