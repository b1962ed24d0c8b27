"""A network is scored on labels that mean what its outputs mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from m3l_core.classes import ClassSet, NYU13, NYU40
from m3l_core.data.matching import open_matching
from m3l_core.errors import DataError


@pytest.mark.parametrize('classes', [NYU13, NYU40])
def test_nyuv2_is_opened_in_the_classes_of_the_network(
    nyu_folder: Path, classes: ClassSet
) -> None:
    assert open_matching(nyu_folder, 'val', classes).classes == classes


def test_a_folder_with_the_classes_of_the_network_is_opened(plain_folder: Path) -> None:
    classes = ClassSet(('shelf', 'floor', 'robot'), ((1, 2, 3),) * 3)
    assert len(open_matching(plain_folder, 'all', classes)) == 12


@pytest.mark.parametrize('classes', [NYU13, NYU40])
def test_other_classes_are_refused(plain_folder: Path, classes: ClassSet) -> None:
    with pytest.raises(DataError, match=r'labels shelf, floor, robot, which cannot become nyu\d+'):
        open_matching(plain_folder, 'all', classes)
