"""The header stamp inside a serialized message: moved without deserializing the image."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ENCAPSULATION_BYTES = 4
"""What CDR puts ahead of a message; its second byte is odd for little-endian numbers."""

_NS = 1_000_000_000


def with_stamp(data: bytes, change: Callable[[int], int]) -> bytes:
    """Return a serialized message that begins with a header, its stamp changed.

    A stamp of zero means unknown and stays, as do bytes that begin with no header, and a stamp
    that would be beyond what a header holds.

    Args:
        data: CDR bytes of a message whose first field is a `std_msgs/Header`.
        change: From the old stamp to the new one, in nanoseconds.
    """
    try:
        layout = struct.Struct('<iI' if data[1] & 1 else '>iI')
        seconds, nanoseconds = layout.unpack_from(data, ENCAPSULATION_BYTES)
        if seconds == nanoseconds == 0:
            return data
        changed = layout.pack(*divmod(change(seconds * _NS + nanoseconds), _NS))
    except (IndexError, struct.error):
        return data
    return data[:ENCAPSULATION_BYTES] + changed + data[ENCAPSULATION_BYTES + layout.size :]
