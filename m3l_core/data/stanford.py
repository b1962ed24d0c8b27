"""Stanford 2D-3D-S (Armeni et al., 2017) as it is published: areas of rooms, 13 classes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np

from m3l_core.classes import IGNORE, STANFORD13
from m3l_core.data.card import DataCard
from m3l_core.data.layout import Files, Layout
from m3l_core.data.samples import decode_rgb
from m3l_core.data.splits import read_splits
from m3l_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from m3l_core.data.tree import Tree

TERMS = (
    'Weights trained on Stanford 2D-3D-S (Armeni, Sax, Zamir, Savarese; 2017), which its authors '
    'offer under an agreement of their own; check it before commercial use.'
)

_AREAS = {
    'train': ('area_1', 'area_2', 'area_4', 'area_6'),
    'val': ('area_3',),
    'test': ('area_5a', 'area_5b'),
}

_INDEX_FILES = ('assets/semantic_labels.json', 'semantic_labels.json')

_MISSING = 0x0D
"""Each of the three bytes of a pixel without an object."""

_RGB_NAME = re.compile(r'(camera_[^_]+_+(.+)_frame_\d+)_domain_+rgb\.png')
"""Name of an image and, in it, its room."""


def is_stanford(tree: Tree) -> bool:
    """Tell whether these are the areas of Stanford 2D-3D-S."""
    return any(tree.names(f'{area}/data') for areas in _AREAS.values() for area in areas)


def stanford_layout(tree: Tree) -> Layout:
    """Return where the files of the areas that are there are; `pano` is left out.

    `AREA/data/{rgb,depth,semantic}/camera_UUID_ROOM_frame_N_domain_{rgb,depth,semantic}.png`:
    depth in 1/512 m, 65535 = none. The three bytes of a semantic pixel are a number, the place of
    its object in `assets/semantic_labels.json`, whose name begins with the class. Lists beside
    the areas say otherwise which images are for what, see `read_splits`.

    Raises:
        DataError: If that file or all images are missing, or lists are wrong.
    """
    files: dict[str, Files] = {}
    scenes: dict[str, str] = {}
    splits: dict[str, tuple[str, ...]] = {}
    for split, areas in _AREAS.items():
        before = len(files)
        for area in areas:
            for file in tree.names(f'{area}/data/rgb'):
                match = _RGB_NAME.fullmatch(file)
                if match:
                    name = f'{area}_{match[1]}'
                    files[name] = _files(area, file.removesuffix('rgb.png'))
                    scenes[name] = f'{area}_{match[2]}'
        splits[split] = tuple(list(files)[before:])
    if not files:
        raise DataError(
            f'{tree.root}: expected images such as area_1/data/rgb/camera_*_domain_rgb.png, found '
            'none. Unpack area_1 to area_6 there.'
        )
    card = DataCard(
        name='Stanford 2D-3D-S',
        classes=STANFORD13.names,
        depth_unit_m=1 / 512,
        depth_missing=65535,
        clean_depth=True,  # rendered from a mesh
        terms=TERMS,
    )
    return Layout(
        card=card,
        files=files,
        splits=read_splits(
            tree,
            files,
            learned=splits['train'],
            validating=splits['val'],
            scored=splits['test'],
        ),
        scenes=scenes,
        read_ids=_id_reader(_classes_of_objects(tree)),
    )


def _files(area: str, start: str) -> Files:
    rgb, depth, labels = (
        f'{area}/data/{kind}/{start}{kind}.png' for kind in ('rgb', 'depth', 'semantic')
    )
    return Files(rgb, depth, labels)


def _classes_of_objects(tree: Tree) -> NDArray[np.uint8]:
    """Return the label of each object, and 255 at the end for those that have no number."""
    file = next(filter(tree.has, _INDEX_FILES), None)
    if file is None:
        raise DataError(
            f'{tree.root}/{_INDEX_FILES[0]}: there is no such file; it says which class the '
            'objects in semantic/ are. Take it from github.com/alexsax/2D-3D-Semantics.'
        )
    try:
        names = json.loads(tree.read(file))
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(
            f'{tree.root}/{file}: expected a list of names such as "chair_1_office_3_1". '
            'Take it from github.com/alexsax/2D-3D-Semantics.'
        )
    label = {name: index for index, name in enumerate(STANFORD13.names)}
    return np.array([*(label.get(name.split('_')[0], IGNORE) for name in names), IGNORE], np.uint8)


def _id_reader(labels: NDArray[np.uint8]) -> Callable[[Tree, str], NDArray[np.uint8]]:
    def read(tree: Tree, file: str) -> NDArray[np.uint8]:
        color = decode_rgb(tree.read(file), f'{tree.root}/{file}').astype(np.uint32)
        if (color == color[..., :1]).all() and color.max() > _MISSING:
            raise DataError(
                f'{tree.root}/{file}: expected the colors of semantic/, got gray. For images of '
                'class ids write a card.yaml and lists of the files.'
            )
        number = (color[..., 0] << 16) | (color[..., 1] << 8) | color[..., 2]
        ids: NDArray[np.uint8] = labels[np.minimum(number, len(labels) - 1)]
        return ids

    return read
