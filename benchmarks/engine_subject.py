"""What the engine benchmark runs: a network with its card, and real images of the card's size."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from m3l_core import checkpoint
from m3l_core.architecture import Architecture
from m3l_core.classes import NYU13
from m3l_core.errors import M3lError
from m3l_core.export.frames import real_frames
from m3l_core.export.onnx import resized_card
from m3l_core.image_size import parse_size
from m3l_core.model_card import ModelCard
from m3l_core.models import default_model
from m3l_core.network import LinearFusion
from m3l_core.preprocess import Letterbox

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Images = list[tuple[NDArray[np.uint8], NDArray[np.float32]]]
    """Color `(H, W, 3)` and depth `(H, W)` in meters, as the card wants them."""

FRAMES = 8
"""Images that take turns."""

SHIPPED = 'shipped'
"""In the place of a size: camera images of 480x640, of which the network sees 120x160."""


def load_network(encoder: str, path: Path | None) -> tuple[LinearFusion, ModelCard]:
    """Return trained weights where there are some, else random ones, with their card."""
    architecture = Architecture.mit(encoder, num_classes=len(NYU13))
    shipped = default_model().with_suffix('.safetensors')
    if path is not None or shipped.is_file():
        model, card = checkpoint.load(path or shipped)
        if card.architecture == architecture:
            return model, card
    if path is not None:
        raise M3lError(f'{path}: holds no {encoder}. Name its network with --networks.')
    torch.manual_seed(0)
    card = ModelCard(name=f'random {encoder}', architecture=architecture, classes=NYU13)
    return LinearFusion(architecture).eval(), card


def card_at(card: ModelCard, size: str) -> ModelCard:
    """Return the card of a network that sees whole images of a size, `HxW` or `shipped`."""
    if size == SHIPPED:
        return card
    card = resized_card(card, parse_size(size))
    return replace(card, network_size=card.image_size)


def load_images(card: ModelCard, source: Path) -> Images:
    """Return real images at the size of the card."""
    images = []
    for labeled in real_frames(source, FRAMES):
        frame = labeled.frame
        assert frame.rgb is not None
        assert frame.depth_m is not None
        box = Letterbox.fit(frame.size, card.image_size)
        fill = [255 * mean for mean in card.rgb_mean]
        images.append((box.place_rgb(frame.rgb, fill), box.place_depth(frame.depth_m)))
    return images
