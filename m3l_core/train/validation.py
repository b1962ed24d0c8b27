"""How good a network is right now, on labelled images, with and without each modality."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from m3l_core.metrics import CONDITIONS, ConfusionMatrix, mm_robust

if TYPE_CHECKING:
    from m3l_core.data.samples import Samples
    from m3l_core.network import LinearFusion
    from m3l_core.network.inputs import InputEncoder


@torch.inference_mode()
def validate(
    model: LinearFusion, encoder: InputEncoder, samples: Samples, *, precision: torch.dtype
) -> dict[str, float]:
    """Return mIoU in percent for each condition, and `mm_robust`, scored at label size."""
    device = model.alpha.device
    matrices = {name: ConfusionMatrix(model.architecture.num_classes) for name in CONDITIONS}
    present = torch.tensor(list(CONDITIONS.values()), device=device)
    for index in range(len(samples)):
        sample = samples[index]
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
        for matrix, labels in zip(matrices.values(), logits.argmax(1).cpu().numpy(), strict=True):
            matrix.update(labels.astype(np.uint8), sample.labels)
    scores = {name: matrix.mean_iou() for name, matrix in matrices.items()}
    return scores | {'mm_robust': mm_robust(scores)}
