"""`m3l export`, step by step: graph, card, proof, and only then the file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from m3l_core import checkpoint
from m3l_core.export.frames import real_frames
from m3l_core.export.onnx import deployment_graph, resized_card, set_card
from m3l_core.export.parity import (
    compare,
    expectations,
    LEAST_FRAMES,
    parity_file,
    RECORDED_FRAMES,
    Reference,
)
from m3l_core.files import write_atomically
from m3l_core.runtime.engine import open_engine
from m3l_core.runtime.parity import expect_agreement
from m3l_core.samples import sample_bag
from m3l_core.weights_file import weights_sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from m3l_core.export.frames import LabelledFrame
    from m3l_core.model_card import ModelCard


def export(
    weights: Path,
    out: Path,
    *,
    size: tuple[int, int] | None = None,
    frames: Path | None = None,
    say: Callable[[str], None],
) -> ModelCard:
    """Write the network in `weights` to the ONNX file `out`, with all that a robot may need.

    Beside it go `OUT.parity.npz`, to check engines with, and `OUT.safetensors`, which the torch
    engine runs, both without OUT's suffix.

    Args:
        weights: A checkpoint.
        out: The ONNX file.
        size: Height and width of the camera's images; None takes the card's.
        frames: Folder or bag of real frames to compare on; None takes the sample bag.
        say: Told what is going on.

    Raises:
        ModelError: If the checkpoint cannot be used.
        DataError: If the frames cannot.
        EngineError: If an engine computes other labels; then no file is written.
    """
    model, card = checkpoint.load(weights)
    beside = out.with_suffix('.safetensors')
    stored = weights.read_bytes()
    if beside.resolve() != weights.resolve():
        stored = checkpoint.serialized(model, card, half=True)
    card = replace(card, weights_sha256=weights_sha256(stored))
    card = resized_card(card, size or card.image_size)
    source = frames or sample_bag()
    compared = real_frames(source, LEAST_FRAMES)
    recorded = real_frames(sample_bag(), RECORDED_FRAMES)
    say(f'exporting {card.name} for images of {card.image_size[0]}x{card.image_size[1]}')
    graph = deployment_graph(model, card)
    unproven = out.with_name(f'.{out.name}.unproven.onnx')
    write_atomically(unproven, graph.SerializeToString())
    reference = Reference(model, card)
    try:
        parity = _prove(unproven, reference, compared, say)
    finally:
        unproven.unlink()
    parity['frames'] = f'{len(compared)} frames of {source.name}'
    card = replace(card, precision='float16', parity=parity)
    set_card(graph, card)
    write_atomically(
        out.with_suffix('.parity.npz'), parity_file(reference, [r.frame for r in recorded])
    )
    write_atomically(beside, stored)
    write_atomically(out, graph.SerializeToString())
    return card


def _prove(
    path: Path, reference: Reference, frames: list[LabelledFrame], say: Callable[[str], None]
) -> dict[str, object]:
    """Return the agreement of each precision this machine computes natively, for the card."""
    # One library after the other: their threads would keep each other from the cores.
    expected = expectations(reference, frames, say)
    native = open_engine(path, 'openvino').precision
    parity: dict[str, object] = {}
    for precision in dict.fromkeys(('float32', native)):
        engine = open_engine(path, 'openvino', precision=precision)
        say(f'labels of {engine.backend} {precision}')
        agreements = compare(engine, frames, expected)
        expect_agreement(engine, agreements)
        parity[f'{engine.backend} {precision}'] = {
            mode: agreement.summary() for mode, agreement in agreements.items()
        }
    return parity
