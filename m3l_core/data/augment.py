"""Random views of a sample: one geometry for all its images, then color and depth on their own.

Every function takes its chance from the generator passed in, so a view is a function of a seed.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.classes import IGNORE

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from m3l_core.data.samples import Sample


class View(NamedTuple):
    """A sample as the network will see it, all at one size `(H, W)`."""

    rgb: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    labels: NDArray[np.uint8]


def random_view(
    sample: Sample, size: tuple[int, int], generator: Generator, *, frame: int = 0
) -> View:
    """Return a scaled, shifted, perhaps mirrored view with other colors and a worse depth sensor.

    Args:
        sample: What to look at.
        size: Height and width of the view.
        generator: Where chance comes from.
        frame: Width of a border of the sample that no view shows, in pixels.
    """
    view = _window(sample, size, generator, frame)
    if generator.random() < 0.5:
        view = View(view.rgb[:, ::-1], view.depth_m[:, ::-1], view.labels[:, ::-1])
    return View(
        jitter_color(view.rgb, generator), degrade_depth(view.depth_m, generator), view.labels
    )


def _window(sample: Sample, size: tuple[int, int], generator: Generator, frame: int) -> View:
    """Return a window of 1/2 to 2 times the sample's size, padded where it reaches outside."""
    inner = (slice(frame, -frame or None),) * 2
    height, width = sample.labels[inner].shape
    scale = 2 ** generator.uniform(-0.6, 1)
    window_h = height / scale
    window_w = window_h * size[1] / size[0]
    top = generator.uniform(*sorted((0, height - window_h)))
    left = generator.uniform(*sorted((0, width - window_w)))
    y0, y1 = max(0, round(top)), min(height, round(top + window_h))
    x0, x1 = max(0, round(left)), min(width, round(left + window_w))
    zoom = size[0] / window_h
    v0, v1 = (min(size[0], max(0, round((y - top) * zoom))) for y in (y0, y1))
    u0, u1 = (min(size[1], max(0, round((x - left) * zoom))) for x in (x0, x1))
    view = View(
        np.zeros((*size, 3), np.uint8),
        np.zeros(size, np.float32),
        np.full(size, IGNORE, np.uint8),
    )
    source, target = (slice(y0, y1), slice(x0, x1)), (slice(v0, v1), slice(u0, u1))
    smooth = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    view.rgb[target] = _resize(sample.rgb[inner][source], view.rgb[target].shape, smooth)
    for canvas, image in ((view.depth_m, sample.depth_m), (view.labels, sample.labels)):
        canvas[target] = _resize(image[inner][source], canvas[target].shape, cv2.INTER_NEAREST)
    return view


def _resize(image: NDArray[Any], shape: tuple[int, ...], mode: int) -> NDArray[Any]:
    resized: NDArray[Any] = cv2.resize(image, (shape[1], shape[0]), interpolation=mode)
    return resized


def jitter_color(rgb: NDArray[np.uint8], generator: Generator) -> NDArray[np.uint8]:
    """Return the image under another light and camera: brightness, contrast, hue, blur, noise."""
    image = rgb.astype(np.float32) / 255
    image = image ** np.float32(2 ** generator.uniform(-0.6, 0.6))
    gray = image.mean(axis=2, keepdims=True)
    saturation = 0 if generator.random() < 0.1 else generator.uniform(0.5, 1.5)
    image = gray + (image - gray) * np.float32(saturation)
    mean = image.mean()
    image = mean + (image - mean) * np.float32(generator.uniform(0.6, 1.4))
    tint = generator.uniform(0.85, 1.15, 3) * generator.uniform(0.7, 1.3)
    image = image * tint.astype(np.float32)
    if generator.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), generator.uniform(0.3, 1.0))
    if generator.random() < 0.3:
        noise = generator.standard_normal(image.shape, np.float32)
        image = image + noise * np.float32(generator.uniform(0.01, 0.05))
    return np.asarray(np.clip(image * 255 + 0.5, 0, 255), np.uint8)


def degrade_depth(depth_m: NDArray[np.float32], generator: Generator) -> NDArray[np.float32]:
    """Return depth as a real sensor might have seen it: noise that grows with z^2, and holes.

    NYUv2's depth is in-painted and has steps of 40 mm; without this a network would learn to
    trust both.
    """
    depth = np.multiply(depth_m, np.float32(generator.uniform(0.97, 1.03)))
    depth += generator.uniform(-0.02, 0.02, depth.shape).astype(np.float32)
    noise = np.float32(generator.uniform(0, 0.004))
    depth += noise * depth * depth * generator.standard_normal(depth.shape, np.float32)
    seen = depth_m > 0
    if generator.random() < 0.6:
        seen &= ~_edge_holes(depth_m, generator)
    if generator.random() < 0.4:
        seen &= ~_blob_holes(depth.shape, generator)
    if generator.random() < 0.2:
        seen &= depth < generator.uniform(3, 8)
    degraded: NDArray[np.float32] = np.where(seen, np.maximum(depth, 0.1), 0).astype(np.float32)
    return degraded


def _edge_holes(depth_m: NDArray[np.float32], generator: Generator) -> NDArray[np.bool_]:
    """Return where a structured-light sensor fails: beside jumps of depth."""
    size = int(generator.integers(2, 5))
    kernel = np.ones((size, size), np.uint8)
    jump = cv2.dilate(depth_m, kernel) - cv2.erode(depth_m, kernel)
    edge: NDArray[np.bool_] = jump > 0.08 * np.maximum(depth_m, 0.5)
    return edge & (generator.random(depth_m.shape) < generator.uniform(0.5, 1))


def _blob_holes(shape: tuple[int, ...], generator: Generator) -> NDArray[np.bool_]:
    """Return irregular patches, as dark or shining surfaces leave them."""
    coarse = generator.random((max(2, shape[0] // 24), max(2, shape[1] // 24)), np.float32)
    field = cv2.resize(coarse, shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(field > generator.uniform(0.75, 1.0))
