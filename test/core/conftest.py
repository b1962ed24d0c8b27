"""Small networks and images that many tests share."""

from __future__ import annotations

from dataclasses import replace
import shutil
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from m3l_core.architecture import Architecture
from m3l_core.classes import NYU13
from m3l_core.frames import RgbdFrame
from m3l_core.model_card import ActivationRanges, ModelCard
from m3l_core.weights_file import weights_sha256

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.network import LinearFusion

TINY = Architecture(
    embed_dims=(16, 32, 40, 64),
    num_heads=(1, 2, 5, 8),
    depths=(1, 2, 1, 1),
    sr_ratios=(8, 4, 2, 1),
    mlp_ratio=2,
    decoder_dim=32,
    num_classes=13,
    fusion_ratio=0.8,
)


@pytest.fixture(scope='session')
def tiny_card() -> ModelCard:
    return ModelCard(
        name='tiny', architecture=TINY, classes=NYU13, image_size=(64, 96), network_size=(64, 96)
    )


@pytest.fixture(scope='session')
def tiny_model() -> LinearFusion:
    """A network in which nothing is at its neutral value, so that folding has work to do."""
    torch = pytest.importorskip('torch')
    torch.set_num_threads(1)  # Tiny tensors gain nothing from more, and lose much on busy cores.
    from m3l_core.network import LinearFusion

    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(1)  # the initial weights are drawn from the global generator
    model = LinearFusion(TINY).eval()
    with torch.no_grad():
        for name, value in [*model.named_parameters(), *model.named_buffers()]:
            if value.is_floating_point():
                noise = torch.randn(value.shape, generator=generator)
                value += 0.03 * (noise.abs() if 'var' in name else noise)
        model.decoder.classify.weight *= 30
    return model


@pytest.fixture(scope='session')
def tiny_files(
    tiny_model: LinearFusion, tiny_card: ModelCard, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An exported network; its checkpoint lies beside it as `tiny.safetensors`."""
    from m3l_core import checkpoint
    from m3l_core.export.onnx import deployment_graph

    path = tmp_path_factory.mktemp('model') / 'tiny.onnx'
    weights = checkpoint.serialized(tiny_model, tiny_card)
    path.with_suffix('.safetensors').write_bytes(weights)
    ranges = ActivationRanges(frames='none, made for tests', groups={}, large={})
    card = replace(tiny_card, weights_sha256=weights_sha256(weights), ranges=ranges)
    path.write_bytes(deployment_graph(tiny_model, card).SerializeToString())
    return path


@pytest.fixture(scope='session')
def tiny_parity(tiny_model: LinearFusion, tiny_card: ModelCard, rooms: list[RgbdFrame]) -> bytes:
    """What `m3l export` writes beside a model, of one frame."""
    from m3l_core.export.parity import parity_file, Reference

    return parity_file(Reference(tiny_model, tiny_card), rooms[:1])


@pytest.fixture
def model(tiny_files: Path, tiny_parity: bytes, tmp_path: Path) -> Path:
    """An exported network with its checkpoint and parity file, in a folder of its own."""
    path = tmp_path / 'model' / 'tiny.onnx'
    path.parent.mkdir()
    for suffix in ('.onnx', '.safetensors'):
        shutil.copy(tiny_files.with_suffix(suffix), path.parent)
    path.with_suffix('.parity.npz').write_bytes(tiny_parity)
    return path


def room_frame(seed: int, size: tuple[int, int] = (64, 96)) -> RgbdFrame:
    """Return a smooth picture of boxes before a wall, with a hole in its depth."""
    generator = np.random.default_rng(seed)
    rgb = np.full((*size, 3), generator.integers(60, 200, 3), np.uint8)
    depth_m = np.tile(np.linspace(2, 4, size[1], dtype=np.float32), (size[0], 1))
    for _ in range(6):
        y, x = generator.integers(0, size[0]), generator.integers(0, size[1])
        corner = (int(x) + size[1] // 4, int(y) + size[0] // 4)
        color = [int(c) for c in generator.integers(0, 255, 3)]
        cv2.rectangle(rgb, (int(x), int(y)), corner, color, -1)
        cv2.rectangle(depth_m, (int(x), int(y)), corner, float(generator.uniform(0.5, 3)), -1)
    depth_m[:5, :7] = 0
    return RgbdFrame(cv2.GaussianBlur(rgb, (5, 5), 0), depth_m)


@pytest.fixture(scope='session')
def rooms() -> list[RgbdFrame]:
    return [room_frame(seed) for seed in range(32)]


@pytest.fixture(scope='session')
def frame(rooms: list[RgbdFrame]) -> RgbdFrame:
    return rooms[0]


@pytest.fixture(scope='session')
def frame_folder(rooms: list[RgbdFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """32 images as most datasets keep them, with labels."""
    folder = tmp_path_factory.mktemp('frames')
    for kind in ('rgb', 'depth', 'labels'):
        (folder / kind).mkdir()
    for seed, frame in enumerate(rooms):
        assert frame.rgb is not None
        assert frame.depth_m is not None
        name = f'{seed:04d}.png'
        cv2.imwrite(str(folder / 'rgb' / name), frame.rgb[..., ::-1])
        cv2.imwrite(str(folder / 'depth' / name), (1000 * frame.depth_m).astype(np.uint16))
        cv2.imwrite(str(folder / 'labels' / name), np.full((64, 96), seed % 13, np.uint8))
    return folder
