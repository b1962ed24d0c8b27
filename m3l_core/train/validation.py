"""How good a network is right now, on labeled images, with and without each modality."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from m3l_core.metrics import CONDITIONS, ConfusionMatrix, mm_robust
from m3l_core.network.inputs import InputEncoder
from m3l_core.preprocess import Letterbox
from m3l_core.train.parallel import gather, rank, world_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from m3l_core.data.samples import Sample, Samples
    from m3l_core.model_card import ModelCard
    from m3l_core.network import LinearFusion


@torch.inference_mode()
def predict(
    model: LinearFusion, card: ModelCard, sample: Sample, *, precision: torch.dtype
) -> dict[str, NDArray[np.uint8]]:
    """Return the labels `(H, W)` of a sample for each condition, as a robot would get them.

    The sample is laid into `card.image_size` and its labels are cut out again at its own size.
    """
    device = model.alpha.device
    encoder = InputEncoder(card).to(device)
    box = Letterbox.fit(sample.labels.shape, card.image_size)
    color = box.place_rgb(sample.rgb, [255 * mean for mean in card.rgb_mean])
    depth_m = box.place_depth(sample.depth_m)
    rgb, depth = encoder(
        torch.from_numpy(color)[None].to(device), torch.from_numpy(depth_m)[None].to(device)
    )
    present = torch.tensor(list(CONDITIONS.values()), device=device)
    with torch.autocast(device.type, precision, enabled=precision != torch.float32):
        streams = model.stream_logits(
            rgb.expand(3, -1, -1, -1), depth.expand(3, -1, -1, -1), present
        )
        logits = model.ensemble(streams).float()
    logits = F.interpolate(logits, card.image_size, mode='bilinear', align_corners=True)
    labels = logits.argmax(1).to(torch.uint8).cpu().numpy()
    return {name: box.crop(of_one) for name, of_one in zip(CONDITIONS, labels, strict=True)}


def validate(
    model: LinearFusion, card: ModelCard, samples: Samples, *, precision: torch.dtype
) -> dict[str, float]:
    """Return mIoU in percent for each condition, and `mm_robust`, scored at label size.

    Processes that train together each take some of the samples; all get the scores.
    """
    matrices = {name: ConfusionMatrix(model.architecture.num_classes) for name in CONDITIONS}
    for index in range(rank(), len(samples), world_size()):
        sample = samples[index]
        for name, labels in predict(model, card, sample, precision=precision).items():
            matrices[name].update(labels, sample.labels)
    scores = {
        name: ConfusionMatrix.of(np.sum(gather(matrix.counts), axis=0)).mean_iou()
        for name, matrix in matrices.items()
    }
    return scores | {'mm_robust': mm_robust(scores)}
