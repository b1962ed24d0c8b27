"""Weights on disk: what is read, and what is refused."""

from __future__ import annotations

from dataclasses import replace
import json
import os
from pathlib import Path
from typing import get_args

import pytest

torch = pytest.importorskip('torch')

from m3l_core import checkpoint  # noqa: E402
from m3l_core.architecture import Fusion  # noqa: E402
from m3l_core.classes import NYU13  # noqa: E402
from m3l_core.errors import ModelError  # noqa: E402
from m3l_core.model_card import ModelCard  # noqa: E402
from m3l_core.network import Architecture, LinearFusion  # noqa: E402

GOLDEN = Path(__file__).parents[1] / 'golden'
OFFICIAL = GOLDEN / 'tiny_official.pth'


@pytest.fixture(scope='module')
def small() -> Architecture:
    values = json.loads((GOLDEN / 'tiny.json').read_text())['architecture']
    return Architecture.from_dict(values)


@pytest.mark.parametrize('encoder', ['b0', 'b2'])
def test_official_names_map_one_to_one(encoder: str) -> None:
    official = json.loads((GOLDEN / f'official_keys_mit_{encoder}.json').read_text())
    with torch.device('meta'):
        state = LinearFusion(Architecture.mit(encoder, num_classes=13)).state_dict()
    rows = [checkpoint.locate(name) for name in official]
    assert len(set(rows)) == len(rows)
    wanted = {
        (name, row)
        for name, tensor in state.items()
        for row in ((0, 1) if (name, 0) in rows else (None,))
    }
    assert set(rows) == wanted
    for (name, row), shape in zip(rows, official.values(), strict=True):
        ours = state[name] if row is None else state[name][row]
        assert list(ours.shape) == shape, name


def test_official_architecture_is_read_off_the_tensors(small: Architecture) -> None:
    assert checkpoint.load_official(OFFICIAL).architecture == small


def test_auto_takes_the_teacher() -> None:
    auto, teacher, student = (
        checkpoint.load_official(OFFICIAL, weights).state_dict()
        for weights in ('auto', 'teacher', 'student')
    )
    assert all(torch.equal(auto[name], teacher[name]) for name in auto)
    assert any(not torch.equal(auto[name], student[name]) for name in auto)


def test_a_flat_official_file_is_read(tmp_path: Path) -> None:
    both = torch.load(OFFICIAL, weights_only=True)['model_state_dict']
    flat = {k.removeprefix('student.'): v for k, v in both.items() if k.startswith('student.')}
    torch.save(flat, tmp_path / 'flat.pth')
    ours = checkpoint.load_official(tmp_path / 'flat.pth').state_dict()
    student = checkpoint.load_official(OFFICIAL, 'student').state_dict()
    assert all(torch.equal(ours[name], student[name]) for name in student)
    with pytest.raises(ModelError, match='holds a single network, no teacher'):
        checkpoint.load_official(tmp_path / 'flat.pth', 'teacher')


def test_another_architecture_is_refused_by_the_tensor_that_differs() -> None:
    with pytest.raises(ModelError, match=r'another architecture: \S+ expected \(.*\), got \(.*\)'):
        checkpoint.load_official(OFFICIAL, architecture=Architecture.mit('b0', num_classes=13))


def test_a_file_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f'touch {tmp_path}/ran',)

    torch.save({'model': Evil()}, tmp_path / 'evil.pth')
    with pytest.raises(ModelError, match='cannot be read as tensors only'):
        checkpoint.load_official(tmp_path / 'evil.pth')
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('content', [b'', b'no checkpoint', b'PK\x03\x04 truncated'])
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / 'damaged'
    path.write_bytes(content)
    for read in (checkpoint.load, checkpoint.load_official):
        with pytest.raises(ModelError) as error:
            read(path)
        assert str(path) in str(error.value)
        assert '\n' not in str(error.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ModelError, match=r'nowhere\.safetensors: there is no such file'):
        checkpoint.load('nowhere.safetensors')


@pytest.mark.parametrize('fusion', get_args(Fusion))
def test_weights_and_card_come_back_as_saved(
    tmp_path: Path, small: Architecture, fusion: Fusion
) -> None:
    small = replace(small, fusion=fusion)
    model = LinearFusion(small)
    card = ModelCard(name='small', architecture=small, classes=NYU13, metrics={'val': 1.5})
    checkpoint.save(tmp_path / 'small.safetensors', model, card)
    loaded, read = checkpoint.load(tmp_path / 'small.safetensors')
    assert read == card
    assert not loaded.training
    state = model.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.state_dict().items())
    assert [path.name for path in tmp_path.iterdir()] == ['small.safetensors']


def test_half_precision_halves_the_file_and_loads_as_float32(
    tmp_path: Path, small: Architecture
) -> None:
    model = LinearFusion(small)
    card = ModelCard(name='small', architecture=small, classes=NYU13)
    for half in (False, True):
        data = checkpoint.serialized(model, card, half=half)
        (tmp_path / f'{half}.safetensors').write_bytes(data)
    whole, half_size = ((tmp_path / f'{h}.safetensors').stat().st_size for h in (False, True))
    assert half_size < 0.6 * whole
    loaded, _ = checkpoint.load(tmp_path / 'True.safetensors')
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize('fusion', get_args(Fusion))
def test_imagenet_weights_fill_shared_layers_and_all_norms(
    tmp_path: Path, small: Architecture, fusion: Fusion
) -> None:
    donor = LinearFusion(small)
    for name, parameter in donor.encoder.named_parameters():
        if 'norm' in name:
            torch.nn.init.normal_(parameter)
    torch.save(_as_imagenet(donor), tmp_path / 'mit.pth')
    model = LinearFusion(replace(small, fusion=fusion))
    before = {name: tensor.clone() for name, tensor in model.encoder.state_dict().items()}
    checkpoint.load_imagenet(tmp_path / 'mit.pth', model)
    wanted = donor.encoder.state_dict()
    for name, tensor in model.encoder.state_dict().items():
        if name.endswith('mask_token') or '.exchange.' in name:
            assert torch.equal(tensor, before[name]), name
        elif 'norm' in name:
            assert len(tensor) == model.architecture.modalities
            assert all(torch.equal(row, wanted[name][0]) for row in tensor), name
        else:
            assert torch.equal(tensor, wanted[name]), name


def _as_imagenet(model: LinearFusion) -> dict[str, torch.Tensor]:
    """Return the encoder under the names of a Mix Transformer trained on ImageNet."""
    official = json.loads((GOLDEN / 'official_keys_mit_b0.json').read_text())
    state = model.state_dict()
    tensors = {'head.weight': torch.zeros(1000, 64)}
    for name in official:
        if not name.startswith('encoder.') or 'mask_token' in name or '.ln_1.' in name:
            continue
        ours, row = checkpoint.locate(name)
        if ours in state:
            plain = name.removeprefix('encoder.').replace('.module.', '.').replace('.ln_0.', '.')
            tensors[plain] = state[ours] if row is None else state[ours][row]
    return tensors
