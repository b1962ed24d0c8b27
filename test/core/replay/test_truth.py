from __future__ import annotations

from pathlib import Path
from typing import Any, TYPE_CHECKING

import cv2
import numpy as np
import pytest
from recordings import START_NS, write_bag

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import LABELS_TOPIC
from m3l_core.classes import IGNORE, NYU13, NYU40
from m3l_core.errors import ConfigError, DataError
from m3l_core.frames import RgbdFrame
from m3l_core.replay.truth import FolderTruth, id_table, TopicTruth

if TYPE_CHECKING:
    from recordings import ReplayIt

CLASSES = id_table('classes', NYU13)


def folder_of(path: Path, names: dict[str, int]) -> Path:
    """Write label images of one id each."""
    path.mkdir()
    for name, value in names.items():
        cv2.imwrite(str(path / f'{name}.png'), np.full((4, 6), value, np.uint8))
    return path


def value_at(truth: Any, stamp_ns: int, within_ns: int = 1_000_000) -> int | None:
    labels = truth.at(stamp_ns, within_ns)
    return None if labels is None else int(labels[0, 0])


@pytest.mark.parametrize(
    'name', ['1600000000050000000', '1600000000.05', '1600000000.050000', '1600000000_050000000']
)
def test_label_images_are_found_by_the_stamp_in_their_names(tmp_path: Path, name: str) -> None:
    truth = FolderTruth(folder_of(tmp_path / 'labels', {name: 7}), CLASSES)
    assert value_at(truth, START_NS + 50_000_000) == 7
    assert value_at(truth, START_NS + 51_000_000) == 7
    assert value_at(truth, START_NS + 51_000_001) is None
    assert value_at(truth, START_NS + 40_000_000, 10_000_000) == 7


def test_a_folder_without_stamps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='expected label images named by stamp'):
        FolderTruth(folder_of(tmp_path / 'labels', {'kitchen': 1}), CLASSES)


def test_a_label_topic_is_found_by_stamp_also_a_little_back(bag_path: Path) -> None:
    truth = TopicTruth(bag_path, LABELS_TOPIC, CLASSES)
    first = truth.at(START_NS, 0)
    assert first is not None
    assert set(np.unique(first)) == {3, 11}
    assert truth.at(START_NS + 1_000_000_000, 0) is not None
    np.testing.assert_array_equal(truth.at(START_NS, 0), first)
    assert truth.at(START_NS + 25_000_000, 1_000_000) is None
    assert truth.at(START_NS + 99_000_000_000, 1_000_000) is None
    truth.close()


def test_ids_of_nyu40_become_the_classes_of_the_network() -> None:
    table = id_table('nyu40', NYU13)
    assert table[0] == IGNORE
    assert NYU13.names[table[NYU40.names.index('sofa') + 1]] == 'sofa'
    assert NYU13.names[table[NYU40.names.index('blinds') + 1]] == 'window'
    assert id_table('nyu40', NYU40)[40] == 39


def test_a_file_maps_ids_to_names_of_classes(tmp_path: Path) -> None:
    (tmp_path / 'map.yaml').write_text('{0: null, 4: chair, 9: wall}')
    table = id_table(str(tmp_path / 'map.yaml'), NYU13)
    assert [int(table[i]) for i in (0, 4, 9, 255)] == [255, 3, 11, 255]


def test_a_map_with_names_the_network_lacks_is_refused_all_at_once(tmp_path: Path) -> None:
    (tmp_path / 'map.yaml').write_text('{0: chair, 300: wall, 2: couch, 3: lamp}')
    with pytest.raises(ConfigError) as error:
        id_table(str(tmp_path / 'map.yaml'), NYU13)
    assert '300: expected an id from 0 to 255' in str(error.value)
    assert 'couch, lamp: expected classes of the network, bed, books' in str(error.value)


def test_an_id_that_nobody_explained_is_refused(tmp_path: Path) -> None:
    truth = FolderTruth(folder_of(tmp_path / 'labels', {'5': 39}), CLASSES)
    with pytest.raises(DataError) as error:
        truth.at(5, 0)
    assert str(error.value) == (
        f'{tmp_path}/labels/5.png: expected ids that --truth-ids explains, got 39. '
        'Say what they mean: --truth-ids nyu40, or a YAML file of ids and classes.'
    )


def test_a_folder_scores_as_the_topic_does(
    replay_it: ReplayIt, tmp_path: Path, bag_path: Path
) -> None:
    (tmp_path / 'labels').mkdir()
    with Bag(bag_path) as bag:
        for message in bag.messages([LABELS_TOPIC]):
            image = message.message
            ids = image.data.reshape(image.height, image.width)
            cv2.imwrite(str(tmp_path / 'labels' / f'{message.receive_ns}.png'), ids)
    by_topic = replay_it(name='topic')['truth']
    by_folder = replay_it(name='folder', truth=str(tmp_path / 'labels'))['truth']
    assert by_folder == by_topic


def test_masks_without_a_label_image_are_counted(replay_it: ReplayIt, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / 'labels', {str(START_NS): 3})
    cv2.imwrite(str(folder / f'{START_NS}.png'), np.full((64, 96), 3, np.uint8))
    truth = replay_it(truth=str(folder))['truth']
    assert (truth['frames'], truth['without']) == (1, 59)


def test_label_images_of_another_size_are_refused(
    replay_it: ReplayIt, tmp_path: Path, rooms: list[RgbdFrame]
) -> None:
    bag = write_bag(tmp_path / 'half', rooms, count=3, size=2)
    with pytest.raises(DataError) as error:
        replay_it(bag=bag)
    assert str(error.value) == (
        f'label image at {START_NS} ns: expected 96x64 pixels as the camera image has, got 48x32. '
        'Give label images of the size of the camera images.'
    )


def test_truth_can_be_turned_off(replay_it: ReplayIt) -> None:
    summary = replay_it(truth='none')
    assert summary['truth'] is None
    assert summary['compared']['scores'] is None
    assert 0 <= summary['compared']['agreement']['rgbd_rgb'] <= 100
