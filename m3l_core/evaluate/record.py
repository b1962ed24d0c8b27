"""Scores written into the file that was scored, and how often it was scored on test.

Test is scored once for a frozen recipe. A count that travels with the weights makes a second
look visible.
"""

from __future__ import annotations

from dataclasses import replace
import os
from typing import Any, TYPE_CHECKING

from m3l_core import weights_file
from m3l_core.errors import ModelError
from m3l_core.files import write_atomically
from m3l_core.runtime import onnx_card

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.model_card import ModelCard

TEST = 'test'

_TIMES = 'test_scored'
"""Name of the count among a card's metrics."""


def read_card(path: Path) -> ModelCard:
    """Return the card of a checkpoint or an exported network.

    Raises:
        ModelError: If the file cannot be read or has no card.
    """
    is_onnx = path.suffix == '.onnx'
    return onnx_card.read_onnx_card(path) if is_onnx else weights_file.read_weights_card(path)


class Record:
    """The card of a model file and of the same weights beside it, as ONNX and as checkpoint.

    Args:
        model: The file that is scored.

    Raises:
        ModelError: If it cannot be read, or its folder cannot be written.
    """

    def __init__(self, model: Path) -> None:
        self._cards = {path: read_card(path) for path in (model, *_twin(model))}
        for path in self._cards:
            if not (os.access(path.parent, os.W_OK) and os.access(path, os.W_OK)):
                raise ModelError(
                    f'{path}: cannot be written, but the scores are recorded in it. Copy the '
                    'model to a folder of yours.'
                )

    @property
    def files(self) -> list[Path]:
        """The files that are written."""
        return list(self._cards)

    @property
    def test_scored(self) -> int:
        """How often these weights were scored on test; the larger count if the files differ."""
        return max(int(card.metrics.get(_TIMES, 0)) for card in self._cards.values())

    def write(self, split: str, numbers: dict[str, Any]) -> None:
        """Note the scores of a split in the files, each whole or not at all."""
        metrics: dict[str, Any] = {split: numbers}
        if split == TEST:
            metrics[_TIMES] = self.test_scored + 1
        for path, card in self._cards.items():
            self._cards[path] = replace(card, metrics=card.metrics | metrics)
            rewrite = onnx_card if path.suffix == '.onnx' else weights_file
            write_atomically(path, rewrite.with_card(path.read_bytes(), self._cards[path]))


def _twin(model: Path) -> list[Path]:
    """Return the file of the same weights beside `model`, if there is one."""
    graph, weights = model.with_suffix('.onnx'), model.with_suffix('.safetensors')
    if not (graph.is_file() and weights.is_file()):
        return []
    try:
        named = onnx_card.read_onnx_card(graph).weights_sha256
        same = weights_file.weights_sha256(weights.read_bytes()) == named
    except (ModelError, ValueError):  # a damaged neighbor is not ours to complain of
        return []
    return [weights if model == graph else graph] if same else []
