"""How good a network is right now, on labelled images, with and without each modality."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from m3l_core.metrics import CONDITIONS, ConfusionMatrix, mm_robust

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from m3l_core.data.samples import Sample, Samples
    from m3l_core.network import LinearFusion
    from m3l_core.network.inputs import InputEncoder


@torch.inference_mode()
def predict(
    model: LinearFusion, encoder: InputEncoder, sample: Sample, *, precision: torch.dtype
) -> dict[str, NDArray[np.uint8]]:
    """Return the labels `(H, W)` of a sample, at its own size, for each condition."""
    device = model.alpha.device
    present = torch.tensor(list(CONDITIONS.values()), device=device)
    rgb, depth = encoder(
        torch.from_numpy(sample.rgb)[None].to(device),
        torch.from_numpy(sample.depth_m)[None].to(device),
    )
    with torch.autocast(device.type, precision, enabled=precision != torch.float32):
        streams = model.stream_logits(
            rgb.expand(3, -1, -1, -1), depth.expand(3, -1, -1, -1), present
        )
        logits = model.ensemble(streams).float()
    logits = F.interpolate(logits, sample.labels.shape, mode='bilinear', align_corners=True)
    labels = logits.argmax(1).to(torch.uint8).cpu().numpy()
    return dict(zip(CONDITIONS, labels, strict=True))


def validate(
    model: LinearFusion, encoder: InputEncoder, samples: Samples, *, precision: torch.dtype
) -> dict[str, float]:
    """Return mIoU in percent for each condition, and `mm_robust`, scored at label size."""
    matrices = {name: ConfusionMatrix(model.architecture.num_classes) for name in CONDITIONS}
    for index in range(len(samples)):
        sample = samples[index]
        for name, labels in predict(model, encoder, sample, precision=precision).items():
            matrices[name].update(labels, sample.labels)
    scores = {name: matrix.mean_iou() for name, matrix in matrices.items()}
    return scores | {'mm_robust': mm_robust(scores)}
