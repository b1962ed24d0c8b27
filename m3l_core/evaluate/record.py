"""Scores written into the file that was scored, and how often it was scored on test.

Test is scored once for a frozen recipe. A count that travels with the weights makes a second
look visible. Scores and counts of test are kept by the name of the data set, as the test images of
another one tell nothing about the first.
"""

from __future__ import annotations

from dataclasses import replace
import os
from typing import Any, TYPE_CHECKING

from m3l_core import weights_file
from m3l_core.errors import ModelError
from m3l_core.files import write_atomically
from m3l_core.model_card import TEST_SCORED
from m3l_core.runtime import onnx_card

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.model_card import ModelCard

TEST = 'test'


def read_card(path: Path) -> ModelCard:
    """Return the card of a checkpoint or an exported network.

    Raises:
        ModelError: If the file cannot be read or has no card.
    """
    is_onnx = path.suffix == '.onnx'
    return onnx_card.read_onnx_card(path) if is_onnx else weights_file.read_weights_card(path)


class Record:
    """The card of a model file and of the same network beside it, as ONNX and as checkpoint.

    The same are those of equal weights and equal calibration, which give equal labels.

    Args:
        model: The file that is scored.

    Raises:
        ModelError: If it cannot be read, or its folder cannot be written.
    """

    def __init__(self, model: Path) -> None:
        self._cards = {path: read_card(path) for path in (model, *twins(model))}
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

    def test_scored(self, data: str) -> int:
        """Return how often these weights were scored on the test images of the data set `data`.

        The larger count if the files differ.
        """
        counts = (card.metrics.get(TEST_SCORED, {}) for card in self._cards.values())
        return max(int(count.get(data, 0)) for count in counts)

    def write(self, split: str, data: str, numbers: dict[str, Any]) -> None:
        """Note the scores of a split of the data set `data` in the files, each whole or not."""
        times = self.test_scored(data) + 1
        for path, card in self._cards.items():
            metrics: dict[str, Any] = {split: numbers}
            if split == TEST:
                metrics = {
                    TEST: card.metrics.get(TEST, {}) | {data: numbers},
                    TEST_SCORED: card.metrics.get(TEST_SCORED, {}) | {data: times},
                }
            self._cards[path] = replace(card, metrics=card.metrics | metrics)
            rewrite = onnx_card if path.suffix == '.onnx' else weights_file
            write_atomically(path, rewrite.with_card(path.read_bytes(), self._cards[path]))


def twins(model: Path) -> list[Path]:
    """Return the files of the same network beside `model`: one or none."""
    graph, weights = model.with_suffix('.onnx'), model.with_suffix('.safetensors')
    if not (graph.is_file() and weights.is_file()):
        return []
    try:
        of_graph, of_weights = read_card(graph), read_card(weights)
        digest = weights_file.weights_sha256(weights.read_bytes())
        same = (digest, of_weights.calibration) == (of_graph.weights_sha256, of_graph.calibration)
    except (ModelError, ValueError):  # a damaged neighbor is not ours to complain of
        return []
    return [weights if model == graph else graph] if same else []
