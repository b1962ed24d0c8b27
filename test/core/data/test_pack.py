"""A packed data set: one file, smaller images, the same labels, lists and meaning."""

from __future__ import annotations

from pathlib import Path
import zipfile

import cv2
from labeled_images import write_frame
import numpy as np
import pytest

from m3l_core.cli import main
from m3l_core.data.opening import open_samples
from m3l_core.data.pack import pack, Packing
from m3l_core.errors import DataError


@pytest.fixture
def packed(plain_folder: Path, tmp_path: Path) -> Path:
    out = tmp_path / 'mine.zip'
    (plain_folder / 'card.yaml').write_text(
        'classes: [shelf, floor, robot]\nframe: 3\ndepth_unit_m: 0.0005\nterms: ours\n'
    )
    pack(open_samples(plain_folder, 'trainval'), out, Packing(size=(32, 32)))
    return out


def test_images_are_shrunk_and_keep_their_aspect(plain_folder: Path, tmp_path: Path) -> None:
    big = np.random.default_rng(0).integers(0, 3, (60, 80)).astype(np.uint8)
    for kind, image in (('rgb', big), ('depth', 900 + big.astype(np.uint16)), ('labels', big)):
        cv2.imwrite(str(plain_folder / kind / '000.png'), image)
    out = tmp_path / 'mine.zip'
    pack(open_samples(plain_folder, 'all'), out, Packing(size=(36, 40)))
    sample = open_samples(out, 'all')[0]
    assert sample.rgb.shape == (30, 40, 3)
    assert sample.depth_mm.shape == sample.labels.shape == (30, 40)
    assert set(np.unique(sample.labels)) == {0, 1, 2}  # no class between two others
    np.testing.assert_array_equal(sample.depth_mm - 900, sample.labels)
    assert open_samples(out, 'all')[1].labels.shape == (24, 32)  # never enlarged


def test_depth_is_in_millimeters_and_labels_are_exact(plain_folder: Path, packed: Path) -> None:
    before, after = open_samples(plain_folder, 'train'), open_samples(packed, 'train')
    assert before.ids == after.ids
    for one, same in zip(before.once(), after.once(), strict=True):
        np.testing.assert_array_equal(one.depth_mm, same.depth_mm)
        np.testing.assert_array_equal(one.labels, same.labels)


def test_a_place_that_cannot_be_written_is_named(plain_folder: Path, tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    with pytest.raises(DataError, match=r'mine\.zip: cannot be written: '):
        pack(open_samples(plain_folder, 'all'), tmp_path / 'file/mine.zip', Packing())


def test_what_the_card_says_travels(packed: Path) -> None:
    samples = open_samples(packed, 'val')
    assert samples.classes.names == ('shelf', 'floor', 'robot')
    assert (samples.name, samples.frame, samples.terms) == ('mine', 3, 'ours')
    assert samples.card.depth_unit_m == 0.001


def test_nyuv2_becomes_a_data_set_of_its_classes(nyu_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / 'nyu.zip'
    pack(open_samples(nyu_folder, 'trainval', classes='nyu40'), out, Packing())
    samples = open_samples(out, 'train')
    assert samples.ids == ('0001', '0003')
    assert open_samples(out, 'val').ids == ('0002',)
    assert len(samples.classes) == 40
    assert samples.classes.names[samples[0].labels[0, 0]] == 'bed'
    assert (samples.frame, samples.clean_depth) == (8, True)
    with pytest.raises(DataError, match='expected images in the split test, got none'):
        open_samples(out, 'test')


def test_the_same_images_make_the_same_bytes(plain_folder: Path, tmp_path: Path) -> None:
    folder = open_samples(plain_folder, 'all')
    one, other = tmp_path / 'one.zip', tmp_path / 'other.zip'
    pack(folder, one, Packing(), threads=1)
    pack(folder, other, Packing(), threads=3)
    assert one.read_bytes() == other.read_bytes()


def test_names_with_spaces_are_packed(plain_folder: Path, tmp_path: Path) -> None:
    write_frame(plain_folder, 'my desk 1', 99)
    before = open_samples(plain_folder, 'all')
    pack(before, tmp_path / 'a.zip', Packing())
    assert open_samples(tmp_path / 'a.zip', 'all').ids == before.ids


def test_fewer_frames_are_spread_evenly(plain_folder: Path, tmp_path: Path) -> None:
    pack(open_samples(plain_folder, 'all'), tmp_path / 'few.zip', Packing(frames=3))
    assert open_samples(tmp_path / 'few.zip', 'all').ids == ('000', '006', '011')


def test_a_file_above_the_limit_is_not_left_behind(plain_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / 'out' / 'large.zip'
    with pytest.raises(DataError, match=r'at most 0.01 MiB, but 12 images .* Give --frames 2 or'):
        pack(open_samples(plain_folder, 'all'), out, Packing(max_mib=0.01))
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    ('values', 'problem'),
    [
        ({'size': (16, 320)}, 'a size of at least 32x32, got 16x320'),
        ({'frames': 0}, 'at least 1 frame, got 0'),
        ({'max_mib': 0.0}, 'a limit above 0 MiB, got 0'),
    ],
)
def test_what_makes_no_sense_is_refused(values: dict[str, object], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        Packing(**values)  # type: ignore[arg-type]


def test_a_damaged_file_is_named(packed: Path) -> None:
    with zipfile.ZipFile(packed) as file:
        place = file.getinfo('labels/003.png').header_offset + 60
    data = bytearray(packed.read_bytes())
    data[place] ^= 255
    packed.write_bytes(data)
    samples = open_samples(packed, 'all')
    with pytest.raises(DataError, match=r'its labels/003.png is damaged'):
        samples[3]


def test_the_command_keeps_a_file_that_is_there(
    plain_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'mine.zip'
    command = ['data', 'pack', str(plain_folder), str(out), '--size', '48x64']
    assert main(command) == 0
    assert f'{out}: 12 images' in capsys.readouterr().out
    assert main(command) == 2
    assert 'is there already. Give --force' in capsys.readouterr().err
    assert main([*command, '--force']) == 0


def test_real_images_keep_their_labels_and_a_smaller_frame(
    data_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'nyu.zip'
    before = open_samples(data_folder / 'nyuv2', 'val')
    pack(before, out, Packing(frames=4, max_mib=0.3))
    after = open_samples(out, 'val')
    assert (len(after), after.frame, after.classes) == (4, 4, before.classes)
    for sample in after.once():
        (original,) = (before[i] for i, name in enumerate(before.ids) if name == sample.name)
        assert sample.labels.shape == (240, 320)
        shares, expected = (
            np.bincount(labels.ravel(), minlength=256) / labels.size
            for labels in (sample.labels, original.labels)
        )
        np.testing.assert_allclose(shares, expected, atol=0.01)
