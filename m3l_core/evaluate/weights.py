"""Which weights are scored: a file's, or those of a training run's student or teacher."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, TYPE_CHECKING

from m3l_core.errors import ModelError
from m3l_core.evaluate.record import twins

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.model_card import ModelCard
    from m3l_core.network import LinearFusion

    Network = tuple[LinearFusion, ModelCard]

Which = Literal['teacher', 'student']

STATE = 'state.pt'
"""What a run goes on from, beside the checkpoint: it holds the student too."""


def find_model(path: Path) -> Path:
    """Return the model file `path`, or the checkpoint of the training run in that folder.

    The checkpoint of a run holds its teacher, the running average of the student.

    Raises:
        ModelError: If the folder holds no checkpoint, or several.
    """
    if not path.is_dir():
        return path
    found = sorted(path.glob('*.safetensors'))
    if len(found) != 1:
        names = ', '.join(file.name for file in found) or 'none'
        raise ModelError(
            f'{path}: expected the folder of a training run with one checkpoint, got {names}. '
            'Name the file.'
        )
    return found[0]


def load_plain(path: Path, which: Which = 'teacher') -> Network:
    """Return a network and its card, from a checkpoint or the one beside an exported graph.

    Args:
        path: The model file.
        which: 'student' takes the trained weights from the state of the run around it.

    Raises:
        ModelError: If there are no such weights, or they cannot be read.
    """
    from m3l_core import checkpoint

    weights = path
    if path.suffix == '.onnx':
        beside = twins(path)
        if not beside:
            raise ModelError(
                f'{path}: the plain network needs the checkpoint it was made from beside it, as '
                f'{path.with_suffix(".safetensors").name}. Copy it there, or name it.'
            )
        weights = beside[0]
    model, card = checkpoint.load(weights)
    if which == 'student':
        checkpoint.load_state(weights.with_name(STATE), which, model)
        card = replace(card, calibration=None)  # the file's calibration is its teacher's
    return model, card
