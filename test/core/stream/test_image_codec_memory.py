"""What a message claims is not allocated: the peak of a process that gets bombs to decode."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import pytest

BOMBS = """
from pathlib import Path
import struct

from image_messages import (
    DEPTH_MM, RGB, compressed, depth_data, jpeg_that_claims, png_chunk, png_that_claims, raw,
    rvl_number,
)
import numpy as np

from m3l_core.errors import FrameError
from m3l_core.stream.image_codec import decode_depth, decode_rgb, encode_jpeg, encode_png

def rvl_zeros(width, height):
    nibbles = rvl_number(width * height) + [0]
    nibbles += [0] * (-len(nibbles) % 8)
    code = bytes.fromhex(''.join(f'{n:x}' for n in nibbles))
    return struct.pack('<II', width, height) + np.frombuffer(code, '>u4').astype('<u4').tobytes()

jpeg = encode_jpeg(RGB)
animation = png_chunk(b'acTL', struct.pack('>II', 2, 0)) + png_chunk(
    b'fcTL', struct.pack('>IIIIIHHBB', 0, 5000, 5000, 0, 0, 1, 1, 0, 0)
)
bombs = {
    'huge raw': (decode_rgb, raw('bgr8', RGB, width=2**32 - 1, height=2**32 - 1, step=2**32 - 1)),
    'large raw': (decode_rgb, raw('rgb16', RGB, width=5000, height=5000, step=30000)),
    'planes': (decode_rgb, raw('nv24', RGB, width=5000, height=5000, step=5000)),
    'raw depth': (decode_depth, raw('64FC1', DEPTH_MM, width=5000, height=5000, step=40000)),
    'huge png': (decode_rgb, compressed('png', png_that_claims(2**31 - 1, 2**31 - 1))),
    'large png': (decode_rgb, compressed('png', png_that_claims(8000, 4000))),
    'frame of a png': (decode_rgb, compressed('png', png_that_claims(32, 24, animation))),
    'huge jpeg': (decode_rgb, compressed('jpeg', jpeg_that_claims(jpeg, 65535, 65535))),
    'large jpeg': (decode_rgb, compressed('jpeg', jpeg_that_claims(jpeg, 8000, 4000))),
    'depth png': (
        decode_depth,
        compressed('16UC1; compressedDepth png', depth_data(png_that_claims(8000, 4000))),
    ),
    'huge rvl': (
        decode_depth,
        compressed('16UC1; compressedDepth rvl', depth_data(rvl_zeros(2**16, 2**15))),
    ),
    'large rvl': (
        decode_depth,
        compressed('32FC1; compressedDepth rvl', depth_data(rvl_zeros(8000, 4000), 1, 1)),
    ),
}

def peak_mb():
    status = Path('/proc/self/status').read_text()
    return int(status.split('VmPeak:')[1].split()[0]) / 1024

decode_rgb(compressed('png', encode_png(RGB)))  # What the decoders need once.
decode_rgb(compressed('jpeg', jpeg))
for name, (decode, message) in bombs.items():
    before = peak_mb()
    try:
        decode(message)
        print(name, 'decoded')
    except FrameError:
        print(name, 'refused' if peak_mb() - before < 40 else 'refused, but allocated')
"""

NAMES = [
    'huge raw', 'large raw', 'planes', 'raw depth', 'huge png', 'large png', 'frame of a png',
    'huge jpeg', 'large jpeg', 'depth png', 'huge rvl', 'large rvl',
]  # fmt: skip


@pytest.mark.skipif(not Path('/proc/self/status').exists(), reason='needs Linux for the peak')
def test_bombs_are_refused_before_their_memory_is_taken() -> None:
    result = subprocess.run(
        [sys.executable, '-c', BOMBS],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.stdout.splitlines() == [f'{name} refused' for name in NAMES], result.stderr
    assert result.returncode == 0
