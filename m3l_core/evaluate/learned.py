"""Whether a network has learned from the images that it is to be judged by."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from m3l_core.model_card import ModelCard


def has_learned_from_val(card: ModelCard, data: str) -> bool:
    """Return whether the images of val of a data set were learned from, or may have been.

    Args:
        card: Of a network with the classes of the data set.
        data: The name of the data set.
    """
    if card.training.get('learned_from_val_of') == data:
        return True
    if card.training.get('recipe', {}).get('split') not in ('trainval', 'all'):
        return False
    learned = str(card.training.get('data', ''))
    named = re.search(rf'(?<!\w){re.escape(data)}(?!\w)', learned)
    return named is not None or not learned
