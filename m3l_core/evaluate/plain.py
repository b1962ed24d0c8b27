"""The network as training has it, behind the interface of an engine.

Engines take camera images and one convention. What is to be changed inside, such as the
normalized images, needs this form; a number from it says so.

Dimensions: M modalities, h x w the network's size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
import zlib

import torch
import torch.nn.functional as F

from m3l_core.errors import EngineError
from m3l_core.evaluate.conventions import DEPLOYED
from m3l_core.network.fusion import StreamScales
from m3l_core.network.inputs import InputEncoder
from m3l_core.preprocess import Letterbox
from m3l_core.runtime.engine import expect_inputs

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from m3l_core.data.samples import Sample
    from m3l_core.evaluate.conventions import Convention
    from m3l_core.evaluate.corruptions import Corruption
    from m3l_core.model_card import ModelCard
    from m3l_core.network import LinearFusion


class PlainEngine:
    """An unfolded network as an engine, on the GPU if there is one.

    Args:
        model: The network, of any fusion.
        card: What it is.
        convention: What is done about a missing image.
        means: The mean training images, for the convention that asks for them.
        corruption: What befalls the normalized images; None = nothing. The same image always
            suffers the same.
        precision: 'float32', 'bf16', or 'auto' for float32.

    Raises:
        EngineError: If it does not compute in that precision.
        ValueError: If the convention asks for means and there are none.
    """

    backend = 'plain'
    streams = 1

    def __init__(
        self,
        model: LinearFusion,
        card: ModelCard,
        *,
        convention: Convention = DEPLOYED,
        means: tuple[Tensor, Tensor] | None = None,
        corruption: Corruption | None = None,
        precision: str = 'auto',
    ) -> None:
        if precision not in {'auto', 'float32', 'bf16'}:
            raise EngineError(
                f'precision: the plain network computes in float32 or bf16, got {precision!r}. '
                'Give one of these.'
            )
        self.card = card
        self.precision = 'float32' if precision == 'auto' else precision
        self._device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
        self._model = model.to(self._device).eval()
        self._inputs = InputEncoder(card)
        self._scales = StreamScales(model.alpha.cpu(), card.calibration)
        self._convention = convention
        self._corruption = corruption
        zeros = torch.zeros(1, 3, *card.network_size)
        if convention.replacement == 'mean' and means is None:
            raise ValueError('means: expected the mean training images, see mean_inputs.')
        blanks = {'token': None, 'zero': (zeros, zeros), 'mean': means}
        self._blanks = blanks[convention.replacement]

    @torch.inference_mode()
    def run(
        self,
        rgb: NDArray[np.uint8],
        depth: NDArray[np.float32],
        present: NDArray[np.float32],
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return labels and confidence; see `Engine.run`."""
        expect_inputs(self.card, rgb, depth, present)
        images = list(self._inputs(torch.from_numpy(rgb), torch.from_numpy(depth)))
        if self._corruption is not None:
            generator = torch.Generator().manual_seed(zlib.crc32(rgb.tobytes()))
            images = [self._corruption(image, generator) for image in images]
        logits = self._logits(images, torch.from_numpy(present) > 0.5)
        logits = F.interpolate(logits, self.card.image_size, mode='bilinear', align_corners=True)
        probability, labels = logits.softmax(1).max(1)
        confidence = (probability * 255 + 0.5).to(torch.uint8)
        return labels.to(torch.uint8).cpu().numpy(), confidence.cpu().numpy()

    def close(self) -> None:
        """Do nothing: the network belongs to who made it."""

    def _logits(self, images: list[Tensor], present: Tensor) -> Tensor:
        """Return the chosen prediction `(1, K, h/4, w/4)` in float32."""
        told = present
        if self._blanks is not None:
            given = zip(images, self._blanks, present[0].tolist(), strict=True)
            images = [image if there else blank for image, blank, there in given]
            told = torch.ones_like(present)
        half = self.precision == 'bf16'
        with torch.autocast(self._device.type, torch.bfloat16, enabled=half):
            rgb, depth = (image.to(self._device) for image in images)
            streams = self._model.stream_logits(rgb, depth, told.to(self._device)).float()
        return self._model.ensemble(streams, self._weights(present).to(self._device))

    def _weights(self, present: Tensor) -> Tensor:
        """Return how much each stream counts, `(1, M)`."""
        weights: Tensor = self._scales(present)
        alone = self._convention.prediction == 'present' and int(present.sum()) == 1
        return present.float() if alone and weights.shape == present.shape else weights


@torch.inference_mode()
def mean_inputs(samples: Iterable[Sample], card: ModelCard) -> tuple[Tensor, Tensor]:
    """Return the mean of the normalized color and depth images, `(1, 3, h, w)` each.

    Args:
        samples: Training images, at least one.
        card: How they are normalized.
    """
    encoder = InputEncoder(card)
    fill = [255 * mean for mean in card.rgb_mean]
    total = [torch.zeros(1, 3, *card.network_size, dtype=torch.float64) for _ in range(2)]
    number = 0
    for sample in samples:
        box = Letterbox.fit(sample.labels.shape, card.image_size)
        rgb = torch.from_numpy(box.place_rgb(sample.rgb, fill)[None])
        depth = torch.from_numpy(box.place_depth(sample.depth_m)[None])
        for sum_of, image in zip(total, encoder(rgb, depth), strict=True):
            sum_of += image
        number += 1
    rgb_mean, depth_mean = ((sum_of / number).float() for sum_of in total)
    return rgb_mean, depth_mean
