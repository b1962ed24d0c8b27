"""Messages whose stamp cannot be moved are played as they are."""

from __future__ import annotations

import struct

import pytest

from m3l_perception.cdr_stamp import with_stamp

HEADER = b'\x00\x01\x00\x00' + struct.pack('<iI', 2**31 - 1, 0)


@pytest.mark.parametrize('data', [b'', b'\x00\x01', HEADER[:-1]], ids=len)
def test_bytes_without_a_stamp_stay(data: bytes) -> None:
    assert with_stamp(data, lambda stamp_ns: stamp_ns + 1) == data


def test_stamp_that_would_not_fit_stays() -> None:
    assert with_stamp(HEADER, lambda stamp_ns: stamp_ns + 10**9) == HEADER
    assert with_stamp(HEADER, lambda stamp_ns: stamp_ns - 10**9) != HEADER
