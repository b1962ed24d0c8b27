"""Whether engines say what the network said as it was trained, on validation images."""

from __future__ import annotations

from pathlib import Path
import sys
import tempfile
from typing import Any

from engine_subject import load_network

from m3l_core import checkpoint
from m3l_core.data.matching import open_matching
from m3l_core.export.frames import LabeledFrame
from m3l_core.export.onnx import deployment_graph
from m3l_core.export.parity import compare, expectations, Reference
from m3l_core.frames import RgbdFrame
from m3l_core.runtime import open_engine

VALIDATED = (
    ('openvino', 'float32'),
    ('openvino', 'bf16'),
    ('torch', 'float32'),
    ('torch', 'float16'),
    ('torch', 'bf16'),
)
"""Engines of which labels are compared; float16 is what a GPU computes in."""


def validated(data: Path, weights: Path | None, threads: int) -> dict[str, Any]:
    """Return, by engine and mode, how trained weights agree with themselves before export."""
    model, card = load_network('b0', weights)
    images = [
        LabeledFrame(RgbdFrame(sample.rgb, sample.depth_m), sample.labels)
        for sample in open_matching(data, 'val', card.classes).once()
    ]
    expected = expectations(Reference(model, card), images, say)
    engines = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'ours.onnx'
        path.write_bytes(deployment_graph(model, card).SerializeToString())
        checkpoint.save(path.with_suffix('.safetensors'), model, card)
        for backend, precision in VALIDATED:
            say(f'{backend} {precision}')
            source = path if backend == 'openvino' else path.with_suffix('.safetensors')
            engine = open_engine(source, backend, precision=precision, threads=threads)
            agreements = compare(engine, images, expected)
            engines[f'{backend} {precision}'] = {
                mode: {**a.summary(), 'miou': round(a.confusion.mean_iou(), 2)}
                for mode, a in agreements.items()
            }
    return {'model': card.name, 'images': len(images), 'engines': engines}


def say(text: str) -> None:
    """Tell a person what is going on."""
    if sys.stderr.isatty():
        print(f'\r\x1b[K{text}', end='', file=sys.stderr, flush=True)
