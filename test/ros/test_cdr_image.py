"""Serialized images read in place, against what rclpy makes of the same bytes."""

from __future__ import annotations

from typing import Any

from builtin_interfaces.msg import Time
from node_harness import image_message
import numpy as np
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from m3l_core.errors import FrameError
from m3l_perception.cdr_image import read_compressed_image, read_image

STAMP = Time(sec=7, nanosec=999_999_999)
PIXELS = np.arange(5 * 3 * 3, dtype=np.uint8).reshape(5, 3, 3)

FRAME_IDS = ['', 'a', 'ab', 'abc', 'abcd', 'camera_ä/optical']
"""Of all lengths in steps of an alignment."""


def raw(frame_id: str, encoding: str = 'rgb8') -> Any:
    return image_message(PIXELS, encoding, STAMP, frame_id)


def compressed(frame_id: str, transport: str = 'jpeg') -> Any:
    header = Header(stamp=STAMP, frame_id=frame_id)
    return CompressedImage(header=header, format=transport, data=PIXELS.tobytes())


@pytest.mark.parametrize('frame_id', FRAME_IDS)
@pytest.mark.parametrize('encoding', ['rgb8', 'mono8', '16UC1', 'bayer_rggb16'])
def test_image_has_the_fields_that_were_published(frame_id: str, encoding: str) -> None:
    message = raw(frame_id, encoding)
    message.is_bigendian = 1
    read = read_image(serialize_message(message))
    for name in ('header', 'height', 'width', 'encoding', 'is_bigendian', 'step'):
        assert getattr(read, name) == getattr(message, name)
    assert bytes(read.data) == PIXELS.tobytes()


@pytest.mark.parametrize('frame_id', FRAME_IDS)
@pytest.mark.parametrize('transport', ['', 'jpeg', 'rgb8; jpeg compressed bgr8'])
def test_compressed_image_has_the_fields_that_were_published(
    frame_id: str, transport: str
) -> None:
    message = compressed(frame_id, transport)
    read = read_compressed_image(serialize_message(message))
    assert (read.header, read.format) == (message.header, transport)
    assert bytes(read.data) == PIXELS.tobytes()


def test_numbers_of_a_big_endian_machine_are_read() -> None:
    stamp, frame_id = '00000007 00000009', '00000002 4100 0000'  # two bytes fill up to four
    transport, pixels = '00000004 504e4700', '00000002 0506'
    data = bytes.fromhex(f'00000000 {stamp} {frame_id} {transport} {pixels}')
    read = read_compressed_image(data)
    assert (read.header.stamp.sec, read.header.stamp.nanosec) == (7, 9)
    assert (read.header.frame_id, read.format, bytes(read.data)) == ('A', 'PNG', b'\5\6')


def test_pixels_are_not_copied() -> None:
    data = serialize_message(raw('camera'))
    assert read_image(data).data.obj is data


@pytest.mark.parametrize('read', [read_image, read_compressed_image])
def test_message_that_is_cut_anywhere_is_refused(read: Any) -> None:
    data = serialize_message((raw if read is read_image else compressed)('camera'))
    text = r'image: expected a serialized message, got \d+ bytes that are none\.'
    for length in range(data.index(PIXELS.tobytes()) + PIXELS.nbytes):
        with pytest.raises(FrameError, match=text):
            read(data[:length])


def test_frame_id_that_is_no_text_costs_only_the_letters_that_are_none() -> None:
    data = serialize_message(raw('camera')).replace(b'camera', b'c\xffmera')
    read = read_image(data)
    assert read.header.frame_id == 'c\N{REPLACEMENT CHARACTER}mera'
    assert bytes(read.data) == PIXELS.tobytes()
