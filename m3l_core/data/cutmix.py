"""CutMix (Yun et al., ICCV 2019): a rectangle of one view inside another, labels and all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.data.augment import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator


def cutmix(views: Sequence[View], generator: Generator, probability: float) -> list[View]:
    """Return the views, each with that probability showing a rectangle of the one before it.

    The rectangle covers a tenth to half of the image. Depth goes with its color and labels, so
    what is pasted stays one thing to every stream. The views given are left as they are.
    """
    return [
        _pasted(view, views[index - 1], generator) if generator.random() < probability else view
        for index, view in enumerate(views)
    ]


def _pasted(view: View, other: View, generator: Generator) -> View:
    height, width = view.labels.shape
    share, shape = generator.uniform(0.1, 0.5), 2 ** generator.uniform(-0.5, 0.5)
    rows = min(height, round(height * share**0.5 * shape))
    columns = min(width, round(width * share**0.5 / shape))
    top = int(generator.integers(0, height - rows + 1))
    left = int(generator.integers(0, width - columns + 1))
    place = (slice(top, top + rows), slice(left, left + columns))
    mixed = View(view.rgb.copy(), view.depth_m.copy(), view.labels.copy())
    mixed.rgb[place] = other.rgb[place]
    mixed.depth_m[place] = other.depth_m[place]
    mixed.labels[place] = other.labels[place]
    return mixed
