"""Scores under every convention of what is missing, and with missing and noisy values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.data.scenes import scenes_by_name
from m3l_core.evaluate.conventions import CONVENTIONS
from m3l_core.evaluate.corruptions import CORRUPTIONS
from m3l_core.evaluate.plain import PlainEngine
from m3l_core.evaluate.scoring import Evaluation, Scores
from m3l_core.frames import RgbdFrame
from m3l_core.metrics import CONDITIONS
from m3l_core.runtime.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from m3l_core.data.samples import Sample
    from m3l_core.evaluate.conventions import Convention
    from m3l_core.model_card import ModelCard
    from m3l_core.network import LinearFusion


def score_conventions(
    model: LinearFusion,
    card: ModelCard,
    samples: Iterable[Sample],
    means: tuple[Tensor, Tensor],
    *,
    scenes: Sequence[str] = (),
    precision: str = 'auto',
) -> dict[Convention, Evaluation]:
    """Return the evaluation under each convention; with both images they are the same.

    Args:
        model: The network.
        card: What it is.
        samples: Labeled images of its classes.
        means: From `plain.mean_inputs`.
        scenes: See `scoring.evaluate`.
        precision: See `PlainEngine`.
    """
    segmenters = {
        convention: Segmenter(
            PlainEngine(model, card, convention=convention, means=means, precision=precision)
        )
        for convention in CONVENTIONS
    }
    scores = {convention: {name: Scores() for name in CONDITIONS} for convention in CONVENTIONS}
    first = CONVENTIONS[0]
    for of_convention in scores.values():
        of_convention['both'] = scores[first]['both']
    ids = []
    for sample in samples:
        ids.append(sample.name)
        for convention, segmenter in segmenters.items():
            for name, (has_rgb, has_depth) in CONDITIONS.items():
                if name == 'both' and convention != first:
                    continue
                frame = RgbdFrame(
                    sample.rgb if has_rgb else None, sample.depth_m if has_depth else None
                )
                result = segmenter.segment(frame)
                scores[convention][name].add(result, sample.labels, len(card.classes))
    scenes = scenes or scenes_by_name(ids)
    return {c: Evaluation(card.classes, of_one, ids, scenes) for c, of_one in scores.items()}


def score_corruptions(
    model: LinearFusion,
    card: ModelCard,
    samples: Iterable[Sample],
    *,
    precision: str = 'auto',
) -> dict[str, Scores]:
    """Return what was counted under each of `CORRUPTIONS`, with both images given."""
    segmenters = {
        name: Segmenter(PlainEngine(model, card, corruption=corruption, precision=precision))
        for name, corruption in CORRUPTIONS.items()
    }
    scores = {name: Scores() for name in CORRUPTIONS}
    for sample in samples:
        frame = RgbdFrame(sample.rgb, sample.depth_m)
        for name, segmenter in segmenters.items():
            scores[name].add(segmenter.segment(frame), sample.labels, len(card.classes))
    return scores
