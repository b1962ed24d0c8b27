"""Weights on disk: ours with the model card inside, official M3L files, ImageNet encoders."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
import re
from typing import Any, Literal

from safetensors import safe_open, SafetensorError
import safetensors.torch
import torch
from torch import Tensor

from m3l_core.architecture import Architecture
from m3l_core.errors import ModelError
from m3l_core.files import write_atomically
from m3l_core.model_card import CARD_KEY, ModelCard
from m3l_core.network import LinearFusion

StateDict = dict[str, Tensor]

_EXPECTED = (
    'Expected a checkpoint that m3l train wrote; official M3L files (.pth) are read by '
    'm3l_core.checkpoint.load_official.'
)

_OFFICIAL_NAMES = (
    (r'patch_embed(\d)\.', r'stages.\1.embed.'),
    (r'block(\d)\.', r'stages.\1.blocks.'),
    (r'^norm(\d)\.', r'stages.\1.norm.'),
    (r'\.module\.', '.'),
    (r'\.dwconv\.dwconv\.', '.dwconv.'),
    (r'linear_c(\d)\.proj\.', r'scales.\1.'),
    (r'linear_fuse\.conv\.', 'fuse.'),
    (r'linear_fuse\.bn\.', 'norm.'),
    (r'linear_pred\.', 'classify.'),
)
"""How published names, whose stages count from 1, become ours within encoder and decoder."""


def save(path: str | Path, model: LinearFusion, card: ModelCard) -> None:
    """Write weights and card into one safetensors file, whole or not at all."""
    write_atomically(Path(path), serialized(model, card))


def serialized(model: LinearFusion, card: ModelCard, *, half: bool = False) -> bytes:
    """Return the safetensors file that `load` reads.

    Args:
        model: The network.
        card: What it is.
        half: Store matrices and kernels in half precision, as exported graphs do; `load` gives
            float32 either way.
    """
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if half:
        tensors = {
            name: tensor.half() if tensor.ndim > 1 and 'norm' not in name else tensor
            for name, tensor in tensors.items()
        }
    data: bytes = safetensors.torch.save(tensors, {CARD_KEY: card.to_json()})
    return data


def load(path: str | Path) -> tuple[LinearFusion, ModelCard]:
    """Return the network in evaluation mode and its card, from a file that `save` wrote.

    Raises:
        ModelError: If the file is missing, damaged, or holds another network than its card says.
    """
    path = Path(path)
    _require_file(path)
    try:
        with safe_open(path, framework='pt') as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f'{path}: is no safetensors file ({error}). {_EXPECTED}') from error
    if CARD_KEY not in metadata:
        raise ModelError(f'{path}: holds no model card. {_EXPECTED}')
    card = ModelCard.from_json(metadata[CARD_KEY], str(path))
    model = LinearFusion(card.architecture)
    whole = {n: t.float() if t.dtype is torch.float16 else t for n, t in weights.items()}
    _load_exactly(model, whole, path)
    return model.eval(), card


def load_state(path: str | Path, whose: str, model: LinearFusion) -> None:
    """Fill `model` from the state that a training run goes on from.

    Args:
        path: The state file; it is read without running any code in it.
        whose: The key of the weights in it, 'student' or 'teacher'.
        model: A network of the run's architecture.

    Raises:
        ModelError: If the file is missing, damaged, or holds no such weights.
    """
    path = Path(path)
    weights = load_tensors(path).get(whose)
    if not isinstance(weights, dict):
        raise ModelError(f'{path}: holds no {whose}. Expected the state of a run of m3l train.')
    _load_exactly(model, weights, path)


def load_official(
    path: str | Path,
    weights: Literal['auto', 'student', 'teacher'] = 'auto',
    architecture: Architecture | None = None,
) -> LinearFusion:
    """Return the network of a checkpoint that the published M3L code wrote, in evaluation mode.

    Args:
        path: A `.pth` file; it is read without running any code in it.
        weights: Whose weights to take from a semi-supervised run; 'auto' takes the teacher's,
            which are the ones the paper scores.
        architecture: What the file is expected to hold; None reads the sizes off the tensors,
            with the Mix Transformers' heads (1, 2, 5, 8) and a fusion ratio of 0.8.

    Raises:
        ModelError: If the file is missing, damaged, lacks these weights, or fits no network.
    """
    path = Path(path)
    state = _choose(load_tensors(path), weights, path)
    try:
        translated = _stack(state)
        if architecture is None:
            architecture = _infer_architecture(translated)
    except (KeyError, ValueError, IndexError, RuntimeError, AttributeError) as error:
        raise ModelError(f'{path}: is no official M3L checkpoint: {error}.') from error
    model = LinearFusion(architecture)
    _load_exactly(model, translated, path)
    return model.eval()


def load_imagenet(path: str | Path, model: LinearFusion) -> None:
    """Fill the encoder of `model` from a Mix Transformer trained on ImageNet.

    Shared layers are taken as they are, each LayerNorm goes to all modalities, and the
    classification head is left out.

    Raises:
        ModelError: If the file is missing, damaged, or holds an encoder of another size.
    """
    path = Path(path)
    state = load_tensors(path)
    state = state.get('state_dict', state)
    encoder = model.encoder.state_dict()
    filled = {n: t for n, t in encoder.items() if n.endswith('mask_token') or '.exchange.' in n}
    for name, tensor in state.items():
        if name.startswith('head.'):
            continue
        ours = _translate(name)
        if ours not in encoder:
            raise ModelError(f'{path}: unknown tensor {name!r}, expected a Mix Transformer.')
        both = encoder[ours].shape[1:] == tensor.shape
        filled[ours] = tensor.expand_as(encoder[ours]) if both else tensor
    _load_exactly(model.encoder, filled, path)


def load_tensors(path: Path) -> dict[str, Any]:
    """Return the mapping in a file that torch wrote, read without running code from it.

    Raises:
        ModelError: If the file is missing, damaged, or holds more than tensors and plain values.
    """
    _require_file(path)
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # The unpickler fails in as many ways as bytes can be wrong.
        reason = (str(error).splitlines() or ['it is empty'])[0]
        raise ModelError(f'{path}: cannot be read as tensors only: {reason}') from error
    if not isinstance(content, dict):
        raise ModelError(f'{path}: expected a mapping of tensors, got {type(content).__name__}.')
    return content


def locate(name: str) -> tuple[str, int | None]:
    """Return our tensor for a published name, and the modality whose row of it that one fills.

    The modality is None where a tensor is shared by both.
    """
    modality = re.search(r'\.ln_([01])\.', name)
    shared = name.replace(modality.group(), '.') if modality else name
    part, dot, rest = shared.partition('.')
    ours = f'{part}.{_translate(rest)}' if dot else part
    return ours, int(modality.group(1)) if modality else None


def _translate(name: str) -> str:
    """Return our name, within encoder or decoder, of a published one."""
    for pattern, replacement in _OFFICIAL_NAMES:
        name = re.sub(pattern, replacement, name)
    return re.sub(r'^(stages|scales)\.(\d)', lambda m: f'{m.group(1)}.{int(m.group(2)) - 1}', name)


def _stack(official: StateDict) -> StateDict:
    """Return official tensors under our names, those of the two modalities stacked."""
    tensors: StateDict = {}
    rows: dict[str, dict[int, Tensor]] = {}
    for name, tensor in official.items():
        ours, modality = locate(name)
        if modality is None:
            tensors[ours] = tensor
        else:
            rows.setdefault(ours, {})[modality] = tensor
    return tensors | {name: torch.stack([row[0], row[1]]) for name, row in rows.items()}


def _infer_architecture(tensors: StateDict) -> Architecture:
    """Return the sizes that the shapes of our tensors tell."""
    stages = [f'encoder.stages.{index}' for index in range(4)]
    blocks = Counter(
        name.split('.blocks.')[0] for name in tensors if name.endswith('.norm1.weight')
    )
    dims = tuple(tensors[f'{stage}.embed.proj.weight'].shape[0] for stage in stages)
    reductions = (tensors.get(f'{stage}.blocks.0.attn.sr.weight') for stage in stages)
    return Architecture(
        embed_dims=dims,
        num_heads=(1, 2, 5, 8),
        depths=tuple(blocks[stage] for stage in stages),
        sr_ratios=tuple(1 if sr is None else sr.shape[-1] for sr in reductions),
        mlp_ratio=tensors[f'{stages[0]}.blocks.0.mlp.fc1.weight'].shape[0] // dims[0],
        decoder_dim=tensors['decoder.fuse.weight'].shape[0],
        num_classes=tensors['decoder.classify.weight'].shape[0],
        fusion_ratio=0.8,
    )


def _choose(file: dict[str, Any], weights: str, path: Path) -> StateDict:
    """Return the state dict asked for, from either form of official checkpoint."""
    if 'model_state_dict' not in file:
        if weights != 'auto':
            raise ModelError(f'{path}: holds a single network, no {weights}. Use weights="auto".')
        return file
    whose = 'teacher.' if weights == 'auto' else f'{weights}.'
    state = file['model_state_dict']
    if not isinstance(state, dict):
        raise ModelError(f'{path}: expected tensors in model_state_dict, got {type(state)}.')
    chosen = {key[len(whose) :]: value for key, value in state.items() if key.startswith(whose)}
    if not chosen:
        raise ModelError(f'{path}: holds no weights named {whose}*.')
    return chosen


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise ModelError(f'{path}: there is no such file. Give the path of a checkpoint.')


def _load_exactly(model: torch.nn.Module, weights: StateDict, path: Path) -> None:
    """Fill `model`, refusing weights of another network by the first tensor that differs."""
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    got = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if wanted != got:
        name = next(n for n in [*wanted, *got] if wanted.get(n) != got.get(n))
        raise ModelError(
            f'{path}: is of another architecture: {name} expected '
            f'{wanted.get(name, "nothing")}, got {got.get(name, "nothing")}.'
        )
    model.load_state_dict(weights)
