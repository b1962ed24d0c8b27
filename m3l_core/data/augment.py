"""Random views of a sample: one geometry for all its images, then color and depth on their own.

Every function takes its chance from the generator passed in, so a view is a function of a seed.
"""

from __future__ import annotations

from dataclasses import replace
import math
from typing import Any, NamedTuple, TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.classes import IGNORE
from m3l_core.data.color import jitter_color
from m3l_core.data.depth import degrade_depth
from m3l_core.errors import DataError
from m3l_core.frames import meters

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from m3l_core.data.samples import Sample

_PADDING = (124, 116, 104)
"""Mean color, as a frame of another shape is padded when it is labeled."""

_FOCAL_PER_WIDTH = 0.9
"""Focal length of a usual RGB-D camera, in widths of its image."""


class View(NamedTuple):
    """A sample as the network will see it, all at one size `(H, W)`."""

    rgb: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    labels: NDArray[np.uint8]


def random_view(
    sample: Sample,
    size: tuple[int, int],
    generator: Generator,
    *,
    frame: int = 0,
    clean_depth: bool = True,
) -> View:
    """Return a scaled, shifted, turned, perhaps mirrored view seen by other cameras.

    Args:
        sample: What to look at.
        size: Height and width of the view.
        generator: Where chance comes from.
        frame: Width of a border of the sample that no view shows, in pixels.
        clean_depth: Whether the sample's depth lacks a sensor's holes and noise, as in-painted
            depth does (NYUv2); False for depth a sensor gave, or one that was simulated.

    Raises:
        DataError: If the frame leaves nothing of the sample.
    """
    scene = _without_frame(sample, frame)
    to_sample = _random_window(scene.labels.shape, size, generator)
    return _by_other_cameras(scene, to_sample, size, generator, clean_depth=clean_depth)


def weak_and_strong(
    sample: Sample,
    size: tuple[int, int],
    generator: Generator,
    *,
    frame: int = 0,
    clean_depth: bool = True,
) -> tuple[View, View]:
    """Return one random view as the sample's cameras saw it, and as others would have.

    Both show the same: a teacher that looks at the first can say what a student should see in the
    second. Arguments and errors are those of `random_view`.
    """
    scene = _without_frame(sample, frame)
    to_sample = _random_window(scene.labels.shape, size, generator)
    weak = View(
        _look(scene.rgb, to_sample, size),
        meters(_pick(scene.depth_mm, to_sample, size, 0)),
        _pick(scene.labels, to_sample, size, IGNORE),
    )
    return weak, _by_other_cameras(scene, to_sample, size, generator, clean_depth=clean_depth)


def _without_frame(sample: Sample, frame: int) -> Sample:
    if min(sample.labels.shape) <= 2 * frame:
        raise DataError(
            f'{sample.name}: expected an image of more than {2 * frame} pixels to a side, as a '
            f'frame of {frame} is cut off, got {sample.labels.shape[0]}x{sample.labels.shape[1]}. '
            'Lower `frame` in card.yaml.'
        )
    inner = (slice(frame, -frame or None),) * 2
    return replace(
        sample,
        rgb=sample.rgb[inner],
        depth_mm=sample.depth_mm[inner],
        labels=sample.labels[inner],
    )


def _by_other_cameras(
    scene: Sample,
    to_sample: NDArray[np.float64],
    size: tuple[int, int],
    generator: Generator,
    *,
    clean_depth: bool,
) -> View:
    depth_m = meters(_pick(scene.depth_mm, _misregistered(to_sample, scene, generator), size, 0))
    zoom = 1 / math.sqrt(abs(np.linalg.det(to_sample[:, :2])))
    return View(
        jitter_color(_look(scene.rgb, to_sample, size), generator),
        degrade_depth(
            depth_m,
            generator,
            focal_px=_FOCAL_PER_WIDTH * scene.rgb.shape[1] * zoom,
            clean=clean_depth,
        ),
        _pick(scene.labels, to_sample, size, IGNORE),
    )


def _random_window(
    shape: tuple[int, ...], size: tuple[int, int], generator: Generator
) -> NDArray[np.float64]:
    """Return `(2, 3)`: from x and y in the view to x and y in the sample, corners at integers."""
    scale = 2 ** generator.triangular(-1, 0.3, 1)  # seldom much padding, seldom little to see
    stretch = 2 ** generator.uniform(-0.12, 0.12)
    height = shape[0] / scale * stretch
    width = shape[0] / scale / stretch * size[1] / size[0]
    center_x, center_y = (
        generator.uniform(min(side, whole - side), max(side, whole - side))
        for side, whole in ((width / 2, shape[1]), (height / 2, shape[0]))
    )
    angle = math.radians(generator.triangular(-10, 0, 10))
    mirror = -1 if generator.random() < 0.5 else 1
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = turn * (mirror * width / size[1], height / size[0])
    offset = (center_x, center_y) - linear @ (size[1] / 2, size[0] / 2)
    return np.column_stack([linear, offset])


def _misregistered(
    to_sample: NDArray[np.float64], sample: Sample, generator: Generator
) -> NDArray[np.float64]:
    """Return the geometry of depth: at times 1 to 4 pixels (of 640) beside that of color."""
    if generator.random() < 0.5:
        return to_sample
    angle = generator.uniform(0, 2 * math.pi)
    length = generator.uniform(1, 4) * sample.rgb.shape[1] / 640
    shifted: NDArray[np.float64] = to_sample.copy()
    shifted[:, 2] += length * math.cos(angle), length * math.sin(angle)
    return shifted


def _look(
    rgb: NDArray[np.uint8], to_sample: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Return the color of a view, averaged where the view is coarser than the sample."""
    source, geometry = rgb, to_sample
    while np.linalg.norm(geometry[:, 0]) >= 2 and min(source.shape[:2]) > 2:
        even = source[: source.shape[0] // 2 * 2, : source.shape[1] // 2 * 2]
        source = cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        geometry = geometry / 2
    return _warp(source, geometry, size, cv2.INTER_LINEAR, _PADDING)


def _pick(
    image: NDArray[Any], to_sample: NDArray[np.float64], size: tuple[int, int], padding: int
) -> NDArray[Any]:
    """Return depth or labels of a view: always values that the sample has."""
    return _warp(image, to_sample, size, cv2.INTER_NEAREST, padding)


def _warp(
    image: NDArray[Any],
    to_image: NDArray[np.float64],
    size: tuple[int, int],
    how: int,
    padding: Any,  # noqa: ANN401 - OpenCV takes a number or one for each channel
) -> NDArray[Any]:
    centers = to_image.copy()  # OpenCV puts integers on the centers of pixels
    centers[:, 2] += to_image[:, :2] @ (0.5, 0.5) - 0.5
    warped: NDArray[Any] = cv2.warpAffine(
        image,
        centers,
        size[::-1],
        flags=how | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=padding,
    )
    return warped
