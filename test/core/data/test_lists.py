"""Lists of paths: tabs or spaces, with and without labels, and what is wrong in which line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from published_trees import frames, write
import pytest

from m3l_core.cli import main
from m3l_core.data.few_labels import few_labels
from m3l_core.data.opening import open_samples
from m3l_core.errors import DataError


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Eight images in two folders, in which their files have the same names."""
    lines = []
    for index, frame in enumerate(frames()):
        place = f'area_{index % 2}'
        columns = [f'{place}/{kind}/{index // 2}.png' for kind in ('color', 'range', 'truth')]
        for path, image in zip(columns, frame, strict=True):
            write(tmp_path / path, image)
        lines.append('\t'.join(columns))
    (tmp_path / 'train.txt').write_text('\n'.join(lines[:6]))
    (tmp_path / 'val.txt').write_text('\n'.join(lines[6:]) + '\n')
    (tmp_path / 'card.yaml').write_text('classes: nyu13\n')
    return tmp_path


def test_each_line_names_the_files_of_an_image(listed: Path) -> None:
    samples = open_samples(listed, 'train')
    assert samples.ids[:2] == ('area_0_color_0', 'area_1_color_0')
    for sample, frame in zip(samples.once(), frames(), strict=False):
        np.testing.assert_array_equal(sample.rgb, frame.rgb)
        np.testing.assert_array_equal(sample.depth_mm, frame.depth_mm)
        np.testing.assert_array_equal(sample.labels, frame.labels)


def test_lines_without_a_label_file_have_no_labels(
    listed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (listed / 'train.txt').read_text().splitlines()
    lines[2:] = [line.rpartition('\t')[0] for line in lines[2:]]
    lines[3] += '\t'
    (listed / 'train.txt').write_text('\n'.join(lines))
    samples = open_samples(listed, 'train')
    assert [bool((s.labels < 255).any()) for s in samples.once()] == [True] * 2 + [False] * 4
    assert [bool((labels < 255).any()) for labels in samples.labels_once()][1:3] == [True, False]
    assert set(few_labels(samples, 2, seed=0)[0]) == {0, 1}
    with pytest.raises(DataError, match=r'expected 2 to 2 images with labels, got 3'):
        few_labels(samples, 3, seed=0)
    assert main(['data', 'check', str(listed)]) == 0
    assert 'none for 4 of the images' in capsys.readouterr().out


def test_a_line_with_labels_wins_over_one_without(listed: Path) -> None:
    line = (listed / 'val.txt').read_text().splitlines()[0]
    with (listed / 'train.txt').open('a') as file:
        file.write('\n' + line.rpartition('\t')[0])
        file.write('\n' + (listed / 'train.txt').read_text().splitlines()[0].rpartition('\t')[0])
    assert (open_samples(listed, 'val')[0].labels < 255).any()
    assert (open_samples(listed, 'train')[0].labels < 255).any()
    assert len(open_samples(listed, 'train')) == 6


def test_a_mark_of_the_byte_order_is_no_part_of_a_name(listed: Path) -> None:
    data = (listed / 'train.txt').read_bytes()
    (listed / 'train.txt').write_bytes(b'\xef\xbb\xbf' + data)
    assert len(open_samples(listed, 'train')) == 6


def test_spaces_separate_paths_too(listed: Path) -> None:
    for name in ('train.txt', 'val.txt'):
        text = (listed / name).read_text().replace('\t', '  ').replace('area', './area')
        (listed / name).write_text(text)
    assert len(open_samples(listed, 'all')) == 8


def test_a_list_elsewhere_chooses_among_them(listed: Path) -> None:
    few = listed / 'lists' / 'labeled.txt'
    few.parent.mkdir()
    few.write_text((listed / 'train.txt').read_text().splitlines()[3])
    assert open_samples(listed, 'lists/labeled.txt').ids == ('area_1_color_1',)
    assert open_samples(listed, str(few)).ids == ('area_1_color_1',)


@pytest.mark.parametrize(
    ('line', 'problem'),
    [
        ('area_0/color/0.png\tarea_0/range/9.png', r'there is no file area_0/range/9.png in'),
        ('area_0/color/0.png\t\ta', 'expected the paths of color, depth and, .* got 3 columns'),
        ('a.png\tb.png\tc.png\td.png', '.* got 4 columns'),
        ('area_0/color/0.png', '.* got 1 columns'),
    ],
)
def test_a_wrong_line_is_named_by_its_number(listed: Path, line: str, problem: str) -> None:
    with (listed / 'val.txt').open('a') as file:
        file.write(f'\n{line}\n')
    with pytest.raises(DataError, match=f'val.txt:4: {problem}'):
        open_samples(listed, 'train')


def test_what_is_no_text_is_refused(listed: Path) -> None:
    (listed / 'val.txt').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(DataError, match=r'val.txt: expected one image name in each line'):
        open_samples(listed, 'train')
