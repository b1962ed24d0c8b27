"""Zstandard, in which rosbag2 compresses files, chunks or each message by itself."""

from __future__ import annotations

from importlib import import_module
import sys
from typing import Any

_MAGIC = b'\x28\xb5\x2f\xfd'


def zstd() -> Any:  # noqa: ANN401
    """Return the module that reads it: Python's own, or the one that rosbags brings along.

    Raises:
        ModuleNotFoundError: If neither is there.
    """
    return import_module('compression.zstd' if sys.version_info >= (3, 14) else 'backports.zstd')


def plain_message(data: bytes) -> bytes:
    """Return a message of ROS 2, which may have been compressed by itself, as CDR.

    Only metadata.yaml tells that messages are compressed, and a bag may lack it; but CDR never
    begins with these four bytes. What is damaged stays as it is.
    """
    if data[:4] != _MAGIC:
        return data
    module = zstd()
    try:
        plain: bytes = module.decompress(data)
    except module.ZstdError:
        return data
    return plain
