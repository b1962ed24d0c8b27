"""A picture to look at, and how far the modes agree where nobody has labeled anything.

Six distinct frames of a sequence under each mode: what the network says with both cameras, with
color alone and with depth alone. Printed, over all distinct frames: the share of pixels in which
two modes disagree.

    python benchmarks/look.py FOLDER OUT.jpg [--model MODEL.onnx] [--json OUT.json]

FOLDER holds `*.color.*` and `*.depth.png` (uint16 millimeters), as 7-Scenes does.
"""

from __future__ import annotations

import argparse
from itertools import combinations
import json
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.data.samples import read_depth_mm, read_rgb
from m3l_core.files import write_atomically
from m3l_core.frames import meters, RgbdFrame
from m3l_core.models import default_model
from m3l_core.overlay import overlay
from m3l_core.runtime import open_engine
from m3l_core.runtime.segmenter import Segmenter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from m3l_core.classes import ClassSet

    Labels = dict[str, NDArray[np.uint8]]

SHOWN = 6
TILE = (240, 180)
DISTINCT = 1.0
"""Mean difference of gray values above which a frame is another one than the last kept."""


def main() -> None:
    """Segment, draw and count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folder', type=Path)
    parser.add_argument('out', type=Path)
    parser.add_argument('--model', type=Path, default=default_model())
    parser.add_argument('--json', type=Path)
    arguments = parser.parse_args()
    frames = distinct_frames(arguments.folder)
    engine = open_engine(arguments.model)
    segmenter = Segmenter(engine)
    labels = [in_each_mode(segmenter, frame) for frame in frames]
    shown = np.linspace(0, len(frames) - 1, SHOWN).round().astype(int)
    rows = [row(frames[i], labels[i], engine.card.classes) for i in shown]
    picture = np.vstack([*rows, legend(engine.card.classes, rows[0].shape[1])])
    image = cv2.imencode(arguments.out.suffix, picture[..., ::-1])[1].tobytes()
    write_atomically(arguments.out, image)
    report = {'frames': len(frames), 'disagreement_percent': disagreement(labels)}
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.json:
        write_atomically(arguments.json, text.encode())


def distinct_frames(folder: Path) -> list[RgbdFrame]:
    """Return the frames that differ from the one before; the camera repeats some."""
    frames: list[RgbdFrame] = []
    last: NDArray[np.float32] | None = None
    for path in sorted(folder.glob('*.color.*')):
        rgb = read_rgb(path)
        small = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (160, 120)).astype(np.float32)
        if last is not None and np.abs(small - last).mean() < DISTINCT:
            continue
        last = small
        depth_mm = read_depth_mm(path.with_name(path.name.split('.')[0] + '.depth.png'))
        frames.append(RgbdFrame(rgb, meters(depth_mm)))
    if not frames:
        raise SystemExit(f'{folder}: expected *.color.jpg or .png beside *.depth.png, found none.')
    return frames


def in_each_mode(segmenter: Segmenter, frame: RgbdFrame) -> Labels:
    """Return the labels with both images, and with each alone."""
    modes = {
        'both': frame,
        'color alone': RgbdFrame(frame.rgb, None),
        'depth alone': RgbdFrame(None, frame.depth_m),
    }
    return {name: segmenter.segment(seen).labels for name, seen in modes.items()}


def row(frame: RgbdFrame, labels: Labels, classes: ClassSet) -> NDArray[np.uint8]:
    """Return color, depth, and the labels of each mode side by side."""
    assert frame.rgb is not None
    assert frame.depth_m is not None
    near = np.clip(frame.depth_m / 5 * 255, 0, 255).astype(np.uint8)
    depth = cv2.applyColorMap(255 - near, cv2.COLORMAP_TURBO)[..., ::-1].copy()
    depth[frame.depth_m == 0] = 0
    pictures = [frame.rgb, depth, *(overlay(frame, x, classes, 0.6) for x in labels.values())]
    tiles = [cv2.resize(picture, TILE, interpolation=cv2.INTER_AREA) for picture in pictures]
    for tile, name in zip(tiles, ('color', 'depth', *labels), strict=True):
        write(tile, name, (6, 16), (255, 255, 255))
    return np.hstack(tiles)


def legend(classes: ClassSet, width: int) -> NDArray[np.uint8]:
    """Return a strip with the color and name of each class."""
    strip = np.full((24, width, 3), 30, np.uint8)
    step = width // len(classes)
    for index, (name, color) in enumerate(zip(classes.names, classes.palette, strict=True)):
        strip[6:18, index * step + 4 : index * step + 16] = color
        write(strip, name, (index * step + 20, 16), (230, 230, 230))
    return strip


def write(
    image: NDArray[np.uint8], text: str, at: tuple[int, int], color: tuple[int, int, int]
) -> None:
    """Write small text with a dark rim."""
    for shade, thickness in (((0, 0, 0), 3), (color, 1)):
        cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, shade, thickness, cv2.LINE_AA)


def disagreement(labels: list[Labels]) -> dict[str, float]:
    """Return, for each pair of modes, in how many percent of the pixels they differ."""
    return {
        f'{one} / {other}': round(
            100 * float(np.mean([(modes[one] != modes[other]).mean() for modes in labels])), 1
        )
        for one, other in combinations(labels[0], 2)
    }


if __name__ == '__main__':
    main()
