"""Lists of the images to label: nested, read back as splits, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from m3l_core.cli import main
from m3l_core.data.few_labels import few_labels
from m3l_core.data.opening import open_samples


def split(folder: Path, out: Path, *more: str) -> list[str]:
    return ['data', 'split', str(folder), '--out', str(out), '--split', 'all', *more]


def test_lists_hold_what_few_labels_chooses(
    plain_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'lists'
    assert main(split(plain_folder, out, '--labels', '4', '9', '--seeds', '2')) == 0
    samples = open_samples(plain_folder, 'all')
    for seed in (0, 1):
        few, more = (out / f'labels_{count}_seed_{seed}.txt' for count in (4, 9))
        assert more.read_text().startswith(few.read_text())
        chosen, _ = few_labels(samples, 9, seed=seed)
        assert open_samples(plain_folder, str(more)).ids == tuple(samples.ids[i] for i in chosen)
    told = capsys.readouterr().out
    assert 'mine, 12 images of 1 scene' in told
    assert f'{out}/labels_4_seed_0.txt: 4 images of 1 scene, rarest shelf in 4' in told


def test_images_without_labels_are_put_in_an_order_to_label_them(
    plain_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (plain_folder / 'card.yaml').write_text('labeled: false\n')
    for path in (plain_folder / 'rgb').iterdir():
        path.write_bytes(b'')  # nothing of them needs to be read
    assert main(split(plain_folder, tmp_path / 'lists', '--labels', '3')) == 0
    names = (tmp_path / 'lists/labels_3_seed_0.txt').read_text().split()
    assert len(set(names)) == 3
    assert 'rarest' not in capsys.readouterr().out


@pytest.mark.parametrize(
    ('more', 'problem'),
    [
        (('--labels', '2'), 'expected counts of 3 to 12, got 2. It takes 3 to show each class'),
        (('--labels', '5', '13'), 'expected counts of 3 to 12, got 5, 13'),
        (('--labels', '5', '--seeds', '0'), '--seeds: expected at least 1, got 0'),
    ],
)
def test_counts_that_cannot_be_are_refused(
    plain_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
    problem: str,
) -> None:
    assert main(split(plain_folder, tmp_path / 'lists', *more)) == 2
    assert problem in capsys.readouterr().err
    assert not (tmp_path / 'lists').exists()


def test_lists_that_are_there_are_kept(
    plain_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'lists'
    out.mkdir()
    (out / 'labels_4_seed_0.txt').write_text('mine\n')
    assert main(split(plain_folder, out, '--labels', '4', '5')) == 2
    assert 'labels_4_seed_0.txt: is there already. Give --force' in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ['labels_4_seed_0.txt']
    assert main(split(plain_folder, out, '--labels', '4', '5', '--force')) == 0
