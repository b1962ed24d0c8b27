"""Who takes part in the engine benchmark, each as a function of the image's number."""

from __future__ import annotations

import io
from typing import Any, TYPE_CHECKING

import numpy as np
import openvino as ov
from plain_network import PlainNetwork
import torch

from m3l_core.network.inputs import InputEncoder
from m3l_core.runtime import open_engine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine_subject import Images

    from m3l_core.model_card import ModelCard
    from m3l_core.network import LinearFusion
    from m3l_core.runtime import Engine

    Contender = Callable[[int], Any]
    Pairs = list[tuple[torch.Tensor, torch.Tensor]]
    """Normalized color `(1, 3, H, W)` and encoded depth `(1, 1, H, W)`."""

OPENVINO_NAMES = {'float32': 'f32', 'bf16': 'bf16'}
PRECISIONS = tuple(OPENVINO_NAMES)


def all_contenders(
    model: LinearFusion, card: ModelCard, exported: Path, images: Images, threads: int
) -> dict[str, Contender]:
    """Return `eager`, and `plain` and `ours` in every precision.

    Args:
        model: The network.
        card: Its card, without calibration, which the plain network knows nothing of.
        exported: Our graph of it.
        images: What they label.
        threads: Of each; 0 for all.
    """
    encoder = InputEncoder(card)
    with torch.inference_mode():
        pairs = [encoder(*(torch.from_numpy(i)[None] for i in pair)) for pair in images]
    plain = PlainNetwork(model)
    graph = plain_onnx(plain, pairs)
    contenders = {'eager': eager(plain, pairs)}
    for precision in PRECISIONS:
        engine = open_engine(exported, 'openvino', precision=precision, threads=threads)
        contenders[f'plain {precision}'] = compiled(graph, precision, threads, pairs)
        contenders[f'ours {precision}'] = ours(engine, images)
    return contenders


def plain_onnx(plain: PlainNetwork, pairs: Pairs) -> bytes:
    """Return the plain network as the exporter writes it, in float32."""
    file = io.BytesIO()
    inputs = tuple(torch.zeros(image.shape) for image in pairs[0])
    torch.onnx.export(plain, inputs, file, dynamo=False, opset_version=17)  # type: ignore[arg-type]
    return file.getvalue()


def eager(plain: PlainNetwork, pairs: Pairs) -> Contender:
    """Return the plain network in eager PyTorch."""

    @torch.inference_mode()
    def run(index: int) -> object:
        return plain(*pairs[index]).numpy()

    return run


def compiled(graph: bytes, precision: str, threads: int, pairs: Pairs) -> Contender:
    """Return the plain network's ONNX in OpenVINO, with the options our engine uses."""
    core = ov.Core()
    options: dict[str, Any] = {
        'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': OPENVINO_NAMES[precision],
    }
    if threads:
        options['INFERENCE_NUM_THREADS'] = threads
    request = core.compile_model(core.read_model(graph), 'CPU', options).create_infer_request()
    arrays = [[tensor.numpy() for tensor in pair] for pair in pairs]
    return lambda index: request.infer(arrays[index], share_inputs=True)


def ours(engine: Engine, images: Images) -> Contender:
    """Return our graph in our engine, from images to labels."""
    present = np.ones((1, 2), np.float32)

    def run(index: int) -> object:
        rgb, depth_m = images[index]
        return engine.run(rgb[None], depth_m[None], present)

    return run
