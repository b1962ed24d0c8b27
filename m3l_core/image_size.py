"""Sizes of images as a person writes them."""

from __future__ import annotations

import re

from m3l_core.errors import ConfigError


def parse_size(text: str, *, least: int = 1) -> tuple[int, int]:
    """Return height and width of a text such as '384x640', given as `--size`.

    Raises:
        ConfigError: If it is none, or a side is smaller than `least`.
    """
    match = re.fullmatch(r'(\d+)x(\d+)', text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if min(size) < least:
        raise ConfigError(
            f'--size: expected HxW, each at least {least}, such as 384x640, got {text!r}.'
        )
    return size
