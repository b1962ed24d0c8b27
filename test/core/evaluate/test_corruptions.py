"""Missing and noisy values are as many and as large as their names say."""

from __future__ import annotations

import pytest

torch = pytest.importorskip('torch')

from m3l_core.evaluate.corruptions import CORRUPTIONS, noisy, random_missing  # noqa: E402


def normal() -> torch.Tensor:
    return torch.randn(1, 3, 200, 200, generator=torch.Generator().manual_seed(7))


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize('share', [0.25, 0.5, 0.75])
def test_a_share_of_the_values_is_missing_and_the_rest_as_it_was(share: float) -> None:
    image = normal()
    result = random_missing(image, chance(), share=share)
    missing = result == 0
    assert missing.float().mean().item() == pytest.approx(share, abs=0.01)
    assert torch.equal(result[~missing], image[~missing])
    assert (missing[0, 0] != missing[0, 1]).any()  # value by value, not pixel by pixel


def test_salt_and_pepper_are_the_extremes_of_the_image() -> None:
    image = normal()
    result = noisy(image, chance(), share=0.2, deviation=0.0)
    salt, pepper = result == image.max(), result == image.min()
    assert salt.float().mean().item() == pytest.approx(0.1, abs=0.005)
    assert pepper.float().mean().item() == pytest.approx(0.1, abs=0.005)
    untouched = ~(salt | pepper)
    assert torch.equal(result[untouched], image[untouched])


def test_salt_and_pepper_come_after_the_gaussian_noise() -> None:
    image = normal()
    result = noisy(image, chance(), share=0.2, deviation=0.5)
    for extreme in (image.max(), image.min()):
        assert (result == extreme).float().mean().item() == pytest.approx(0.1, abs=0.005)


def test_gaussian_noise_has_its_deviation() -> None:
    image = normal()
    difference = noisy(image, chance(), share=0.0, deviation=0.5) - image
    assert difference.std().item() == pytest.approx(0.5, rel=0.01)
    assert difference.mean().item() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize('name', CORRUPTIONS)
def test_the_same_seed_gives_the_same_image(name: str) -> None:
    corrupt = CORRUPTIONS[name]
    assert torch.equal(corrupt(normal(), chance()), corrupt(normal(), chance()))


def test_the_levels_are_those_of_the_benchmark() -> None:
    assert list(CORRUPTIONS) == [
        'RMM 0.25', 'RMM 0.5', 'RMM 0.75', 'NM 0.05 + 0.1', 'NM 0.1 + 0.2', 'NM 0.2 + 0.5'
    ]  # fmt: skip
