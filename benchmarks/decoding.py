"""How long an image takes from message to pixels, and what the decoder library needs of that.

Every encoding takes turns with the bare call of OpenCV that it cannot do without, where there is
one, on the same bytes. RVL has none: OpenCV does not know it.

    python benchmarks/decoding.py [--frames FOLDER_OR_BAG] [--size 480x640] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
import platform
import statistics
import sys
from time import perf_counter
from typing import Any, TYPE_CHECKING

import cv2
import numpy as np

from m3l_core.errors import M3lError
from m3l_core.export.frames import real_frames
from m3l_core.image_size import parse_size
from m3l_core.samples import sample_bag
from m3l_core.stream.image_codec import decode_depth, decode_rgb, encode_jpeg, encode_png

# The messages and the RVL encoder are those of the tests.
sys.path.append(str(Path(__file__).parents[1] / 'test/core/stream'))
from image_messages import (
    compressed,
    depth_data,
    QUANTIZATION,
    quantized,
    raw,
    rvl,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

FRAMES = 4
ROUNDS = 25
WARM_UP = 2
RAW_MS = 1.0
RATIO = 1.2
"""What the design asks for: raw images in that time, JPEG and PNG in that many library times."""


def main() -> int:
    """Measure and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--frames', type=Path, help='folder or bag (default: the sample bag)')
    parser.add_argument('--size', default='480x640', metavar='HxW')
    parser.add_argument('--json', action='store_true', help='one JSON object instead of a table')
    arguments = parser.parse_args()
    try:
        frames = sized_frames(arguments.frames or sample_bag(), parse_size(arguments.size))
    except M3lError as error:
        print(f'decoding.py: {error}', file=sys.stderr)
        return 2
    load = os.getloadavg()[0]
    rows = [measure(name, *pair) for name, *pair in contenders(frames)]
    result = {
        'frames': (arguments.frames or sample_bag()).name,
        'size': arguments.size,
        'cpu': processor(),
        'cores': os.cpu_count(),
        'load_before': round(load, 1),
        'opencv': cv2.__version__,
        'numpy': np.__version__,
        'encodings': rows,
    }
    if arguments.json:
        print(json.dumps(result))
    else:
        print_table(result)
    return 0


def sized_frames(
    source: Path, size: tuple[int, int]
) -> list[tuple[NDArray[np.uint8], NDArray[np.uint16]]]:
    """Return RGB images and millimeters of that size."""
    frames = []
    for labeled in real_frames(source, FRAMES):
        rgb, depth_m = labeled.frame.rgb, labeled.frame.depth_m
        assert rgb is not None
        assert depth_m is not None
        rgb = cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_AREA)
        depth_m = cv2.resize(depth_m, size[::-1], interpolation=cv2.INTER_NEAREST)
        frames.append((rgb, np.rint(1000 * depth_m).astype(np.uint16)))
    return frames


Contender = tuple[str, list['Callable[[], object]'], list['Callable[[], object]']]


def contenders(
    frames: list[tuple[NDArray[np.uint8], NDArray[np.uint16]]],
) -> list[Contender]:
    """Return what is measured: a name, our decoding of each frame, and the library's."""
    colors = [rgb for rgb, _ in frames]
    depths = [depth for _, depth in frames]
    meters = [np.where(depth, depth / np.float32(1000), np.float32(np.nan)) for depth in depths]
    swapped = [np.ascontiguousarray(rgb[..., ::-1]) for rgb in colors]
    gray = [np.ascontiguousarray(rgb[..., 1]) for rgb in colors]
    result: list[Contender] = []
    for encoding, images in {
        'rgb8': colors, 'bgr8': swapped, 'bgra8': [np.dstack([i, i[..., 0]]) for i in swapped],
        'mono8': gray, 'mono16': [image.astype(np.uint16) * 256 for image in gray],
        'bayer_rggb8': gray, 'yuyv': [image[..., :2] for image in swapped],
    }.items():  # fmt: skip
        messages = [raw(encoding, image) for image in images]
        result.append((encoding, [ours(decode_rgb, message) for message in messages], []))
    nv12 = [raw('nv12', g, data=g.tobytes() + g.tobytes()[: g.size // 2]) for g in gray]
    result.append(('nv12', [ours(decode_rgb, message) for message in nv12], []))
    for encoding, images in {'16UC1': depths, '32FC1': meters}.items():
        for order, name in (('<', ''), ('>', ' big-endian')):
            messages = [
                raw(
                    encoding,
                    image.astype(image.dtype.newbyteorder(order)),
                    is_bigendian=bool(name),
                )
                for image in images
            ]
            result.append((encoding + name, [ours(decode_depth, m) for m in messages], []))
    for name, encode in {'jpeg': encode_jpeg, 'png': encode_png}.items():
        encoded = [encode(rgb) for rgb in colors]
        result.append((
            name,
            [ours(decode_rgb, compressed(name, data)) for data in encoded],
            [library(data, cv2.IMREAD_COLOR) for data in encoded],
        ))  # fmt: skip
    for encoding, values, parameters in (
        ('16UC1', depths, (0, 0)),
        ('32FC1', [quantized(np.nan_to_num(m)) for m in meters], QUANTIZATION),
    ):
        for codec, encode_values in {'png': encode_png, 'rvl': rvl}.items():
            format_name = f'{encoding}; compressedDepth {codec}'
            encoded = [encode_values(image) for image in values]
            messages = [compressed(format_name, depth_data(d, *parameters)) for d in encoded]
            bare = [library(d, cv2.IMREAD_UNCHANGED) for d in encoded] if codec == 'png' else []
            result.append((format_name, [ours(decode_depth, m) for m in messages], bare))
    return result


def ours(decode: Callable[[Any], object], message: object) -> Callable[[], object]:
    """Return the decoding of a message as a call without arguments."""
    return lambda: decode(message)


def library(data: bytes, flags: int) -> Callable[[], object]:
    """Return what OpenCV needs for an encoded image, as a call without arguments."""
    array = np.frombuffer(data, np.uint8)
    return lambda: cv2.imdecode(array, flags)


def measure(
    name: str, decode: list[Callable[[], object]], bare: list[Callable[[], object]]
) -> dict[str, Any]:
    """Return the median time of `decode`, and its ratio to that of `bare`, both taking turns."""
    times: list[list[float]] = [[], []]
    for number in range(WARM_UP + ROUNDS):
        for index in range(len(decode)):
            for contender, laps in zip((decode, bare), times, strict=True):
                if contender:
                    start = perf_counter()
                    contender[index]()
                    if number >= WARM_UP:
                        laps.append(1e3 * (perf_counter() - start))
    p50 = statistics.median(times[0])
    row = {'name': name, 'p50_ms': round(p50, 3), 'p90_ms': round(np.quantile(times[0], 0.9), 3)}
    if bare:
        row['library_p50_ms'] = round(statistics.median(times[1]), 3)
        row['ratio'] = round(p50 / statistics.median(times[1]), 3)
        row['met'] = row['ratio'] <= RATIO
    elif ';' not in name:
        row['met'] = p50 <= RAW_MS
    return row


def processor() -> str:
    """Return the name of the CPU."""
    path = Path('/proc/cpuinfo')
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor()


def print_table(result: dict[str, Any]) -> None:
    """Print the machine and a row for each encoding."""
    print(
        f'{result["cpu"]}, {result["cores"]} cores, load {result["load_before"]} before; OpenCV '
        f'{result["opencv"]}, NumPy {result["numpy"]}; {result["frames"]} at {result["size"]}'
    )
    print(f'raw images are held to {RAW_MS} ms, JPEG and PNG to {RATIO} x the library')
    print(f'{"":28} {"p50 ms":>8} {"p90 ms":>8} {"library":>8} {"ratio":>6}')
    for row in result['encodings']:
        target = {True: 'met', False: 'MISSED', None: ''}[row.get('met')]
        print(
            f'{row["name"]:28} {row["p50_ms"]:8.3f} {row["p90_ms"]:8.3f} '
            f'{row.get("library_p50_ms", ""):>8} {row.get("ratio", ""):>6}  {target}'
        )


if __name__ == '__main__':
    sys.exit(main())
