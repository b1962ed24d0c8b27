"""The network that a run begins with."""

from __future__ import annotations

import hashlib
from typing import NamedTuple, TYPE_CHECKING

from m3l_core.checkpoint import load, load_imagenet
from m3l_core.errors import ConfigError, ModelError
from m3l_core.network import Architecture, LinearFusion
from m3l_core.weights_file import weights_sha256

if TYPE_CHECKING:
    from pathlib import Path

    from m3l_core.classes import ClassSet
    from m3l_core.train.config import TrainConfig


class Start(NamedTuple):
    """Where weights come from."""

    name: str = 'scratch'
    """File and hash of a checkpoint."""
    terms: str = ''
    """What that checkpoint is subject to."""


def initial_network(
    config: TrainConfig, classes: ClassSet, weights: Path | None
) -> tuple[LinearFusion, Start]:
    """Return the network with weights from chance or a checkpoint, as `config.init` says.

    A checkpoint of other classes gives everything but the layer that tells them apart, a `.pth`
    of a Mix Transformer trained on ImageNet the encoder.

    Raises:
        ConfigError: If weights are missing, or given but not asked for, or of another encoder
            or depth encoding.
        ModelError: If the checkpoint cannot be read.
    """
    architecture = Architecture.mit(config.encoder, num_classes=len(classes), fusion=config.fusion)
    model = LinearFusion(architecture)
    if weights is None and config.init == 'pretrained':
        raise ConfigError('init: pretrained needs a checkpoint. Give one with --weights.')
    if weights is not None and config.init == 'scratch':
        raise ConfigError(
            f'init: is scratch, but weights were given. Say init: pretrained to use {weights}.'
        )
    if weights is None:
        return model, Start()
    if weights.suffix == '.pth':
        load_imagenet(weights, model)
        return model, Start(
            f'{weights.name} {digest_of(weights)}', f'Began as {weights.name}, whose terms apply.'
        )
    trained, card = load(weights)
    expected = (model.architecture.embed_dims, model.architecture.depths, config.depth)
    if (card.architecture.embed_dims, card.architecture.depths, card.depth) != expected:
        raise ConfigError(
            f'{weights}: expected a {config.encoder} with depth encoded as {config.depth}; got '
            f'widths {card.architecture.embed_dims}, depths {card.architecture.depths} and '
            f'{card.depth}. Change encoder or depth, or give other weights.'
        )
    state = trained.weights_for(architecture)
    if card.classes.names != classes.names:
        state = {name: value for name, value in state.items() if '.classify.' not in name}
    model.load_state_dict(state, strict=False)
    return model, Start(f'{weights.name} {digest_of(weights)}', card.license_note)


def digest_of(weights: Path) -> str:
    """Return the 12 digits that tell the weights in a checkpoint from others.

    Raises:
        ModelError: If the file cannot be read.
    """
    try:
        data = weights.read_bytes()
        if weights.suffix == '.pth':
            return hashlib.sha256(data).hexdigest()[:12]
        return weights_sha256(data)[:12]
    except (OSError, ValueError) as error:
        raise ModelError(
            f'{weights}: cannot be read as a checkpoint: {error}. Give one that m3l train wrote, '
            'or the .pth of a Mix Transformer.'
        ) from error


def initial_peer(student: LinearFusion, *, pretrained: bool) -> LinearFusion:
    """Return a second network, from chance but for the encoder's weights if they are trained."""
    peer = LinearFusion(student.architecture)
    if pretrained:
        peer.encoder.load_state_dict(student.encoder.state_dict())
    return peer
