"""What a network is given for an image that is missing, and which of its predictions is taken.

A score with a modality missing depends on both, so neither goes without saying.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import get_args, Literal, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from m3l_core.evaluate.scoring import Evaluation

Replacement = Literal['token', 'zero', 'mean']
Prediction = Literal['ensemble', 'present']


@dataclass(frozen=True)
class Convention:
    """How a missing modality is scored."""

    replacement: Replacement = 'token'
    """The learned mask token in place of its tokens, zeros in place of the normalized image, or
    the mean of the training images. The network is told of the first only."""
    prediction: Prediction = 'ensemble'
    """Both streams weighted, or the stream alone whose image is there."""

    def __str__(self) -> str:
        return f'{self.replacement}, {self.prediction}'

    def describe(self) -> str:
        """Return the convention as a sentence."""
        given = {
            'token': 'its tokens are the learned mask token',
            'zero': 'its normalized values are zeros',
            'mean': 'it is the mean training image',
        }[self.replacement]
        taken = {'ensemble': 'the ensemble', 'present': "the other stream's prediction"}
        return f'Of a missing image {given}; {taken[self.prediction]} is scored.'


DEPLOYED = Convention()
"""What engines do."""

CONVENTIONS = tuple(
    Convention(replacement, prediction)
    for replacement, prediction in product(get_args(Replacement), get_args(Prediction))
)
"""All of them."""


def best_convention(results: Mapping[Convention, Evaluation]) -> Convention:
    """Return the convention of the highest MM-Robust, to be chosen on val."""
    return max(results, key=lambda convention: results[convention].mm_robust)
