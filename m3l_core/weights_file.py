"""The card in a safetensors file, read and replaced without torch or any library for it.

The file is the length of its header (8 bytes, little-endian), the header (JSON: the place of each
tensor, and texts under `__metadata__`, padded with spaces to a multiple of 8), and the tensors.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, TYPE_CHECKING

from m3l_core.errors import ModelError
from m3l_core.model_card import CARD_KEY, ModelCard

if TYPE_CHECKING:
    from pathlib import Path

_LENGTH = 8
_METADATA = '__metadata__'


def read_weights_card(path: Path) -> ModelCard:
    """Return the model card of the checkpoint `path`.

    Raises:
        ModelError: If the file cannot be read, is damaged, or carries no model card.
    """
    try:
        header, _ = _parts(path.read_bytes())
    except OSError as error:
        raise ModelError(
            f'{path}: {error.strerror}. Give the path of a checkpoint that m3l train wrote.'
        ) from error
    except ValueError as error:
        raise ModelError(f'{path}: is damaged or no safetensors file: {error}.') from error
    card = header.get(_METADATA, {}).get(CARD_KEY)
    if card is None:
        raise ModelError(f'{path}: holds no model card. Expected a file that m3l train wrote.')
    return ModelCard.from_json(card, str(path))


def with_card(data: bytes, card: ModelCard) -> bytes:
    """Return the safetensors file `data` with `card` in the place of the one that is there.

    Raises:
        ValueError: If the bytes are no safetensors file.
    """
    header, tensors = _parts(data)
    header[_METADATA] = header.get(_METADATA, {}) | {CARD_KEY: card.to_json()}
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % _LENGTH)
    return len(text).to_bytes(_LENGTH, 'little') + text + tensors


def weights_sha256(data: bytes) -> str:
    """Return a hash of the tensors in the safetensors file `data`, whatever its card says.

    Raises:
        ValueError: If the bytes are no safetensors file.
    """
    header, tensors = _parts(data)
    header.pop(_METADATA, None)
    return hashlib.sha256(json.dumps(header, sort_keys=True).encode() + tensors).hexdigest()


def _parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header and the bytes of the tensors."""
    end = _LENGTH + int.from_bytes(data[:_LENGTH], 'little')
    if len(data) < end:
        raise ValueError(f'its header should end at byte {end}, the file at {len(data)}')
    header = json.loads(data[_LENGTH:end])
    if not isinstance(header, dict):
        raise ValueError('its header is no mapping')  # noqa: TRY004 - bytes are wrong, not types
    return header, data[end:]
