"""`m3l export`, step by step: graph, card, proof, and only then the file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from m3l_core import checkpoint
from m3l_core.export.frames import real_frames
from m3l_core.export.onnx import deployment_graph, resized_card, set_card
from m3l_core.export.parity import parity_file, RECORDED_FRAMES, Reference
from m3l_core.export.proof import proven_card, read_frames
from m3l_core.files import write_atomically
from m3l_core.samples import sample_bag
from m3l_core.weights_file import weights_sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
        ModelError: If the checkpoint cannot be used, or its graph breaks a rule of an engine.
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
    proving = read_frames(frames or sample_bag())
    recorded = real_frames(sample_bag(), RECORDED_FRAMES)
    say(f'exporting {card.name} for images of {card.image_size[0]}x{card.image_size[1]}')
    graph = deployment_graph(model, card)
    reference = Reference(model, card)
    unproven = out.with_name(f'.{out.name}.unproven.onnx')
    card = proven_card(graph, reference, proving, unproven, say)
    set_card(graph, card)
    write_atomically(
        out.with_suffix('.parity.npz'), parity_file(reference, [r.frame for r in recorded])
    )
    write_atomically(beside, stored)
    write_atomically(out, graph.SerializeToString())
    return card
