"""Small trees in the layouts in which data sets are published, of frames that came from a sensor.

The frames are those that every network carries for its parity check; their labels are its own.
"""

from __future__ import annotations

from functools import cache
import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from m3l_core.classes import NYU13, STANFORD13, SUN37
from m3l_core.models import default_model

SUN_OF_NYU13 = {'furniture': 'cabinet', 'objects': 'box', 'tv': 'television'}
"""A class of SUN37 for each of the 13, where it is not called the same."""

MISSING = 0x0D0D0D


class Frame(NamedTuple):
    """One small frame, its labels in 13 classes."""

    rgb: np.ndarray
    depth_mm: np.ndarray
    labels: np.ndarray


@cache
def frames() -> tuple[Frame, ...]:
    """Return eight frames of 60 x 80, of which each differs from the others."""
    with np.load(default_model().with_suffix('.parity.npz')) as stored:
        images = [stored[key][:, ::4, ::4] for key in ('rgb', 'depth_mm', 'RGBD.labels')]
    whole = [Frame(*image) for image in zip(*images, strict=True)]
    return (*whole, *(Frame(*(image[:, ::-1] for image in frame)) for frame in whole))


def sun_ids(frame: Frame) -> np.ndarray:
    """Return ids of SUN RGB-D that become the labels of the frame in 13 classes."""
    names = [SUN_OF_NYU13.get(name, name) for name in NYU13.names]
    return np.array([SUN37.names.index(name) + 1 for name in names], np.uint8)[frame.labels]


def rotated(depth_mm: np.ndarray) -> np.ndarray:
    """Return depth as the PNGs of SUN RGB-D hold it."""
    return (depth_mm << 3) | (depth_mm >> 13)


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)


SUN_PLACES = (
    'kv1/NYUdata/NYU0001',
    'kv1/NYUdata/NYU0002',
    'kv1/b3dodata/img_0063',
    'kv2/kinect2data/000002_2014-05-26_14-23-37_260595134347_rgbf000103-resize',
    'realsense/lg/2014_10_21-18_17_43-1311000073',
    'xtion/sun3ddata/hotel_umd/maryland_hotel1/0000002-000000033369',
    'xtion/sun3ddata/hotel_umd/maryland_hotel1/0000902-000030030040',
    'xtion/sun3ddata/hotel_umd/maryland_hotel3/0000002-000000033369',
)
SUN_TEST = SUN_PLACES[:2]


def write_sun_as_published(root: Path, *, start: str = 'SUNRGBD/') -> None:
    """Write the folders of the sensors; see `write_sun_toolbox` for labels and splits."""
    for place, frame in zip(SUN_PLACES, frames(), strict=True):
        folder = root / start / place
        write(folder / 'image/frame.jpg', frame.rgb)
        write(folder / 'depth_bfx/frame_abs.png', rotated(frame.depth_mm))
        (folder / 'intrinsics.txt').write_text('520 0 320 0 520 240 0 0 1')
        (folder / 'scene.txt').write_text('office')


def write_sun_toolbox(root: Path) -> None:
    """Write labels and splits of `write_sun_as_published` as the toolbox has them."""
    import h5py
    from scipy.io import savemat

    toolbox = root / 'SUNRGBDtoolbox'
    for folder in ('Metadata', 'traintestSUNRGBD'):
        (toolbox / folder).mkdir(parents=True)
    before = '/n/fs/sun3d/data/SUNRGBD/'
    rows = [(f'{before}{p}/image/frame.jpg', 'frame.jpg', 'frame_abs.png') for p in SUN_PLACES]
    fields = [('rgbpath', object), ('rgbname', object), ('depthname', object)]
    savemat(toolbox / 'Metadata/SUNRGBDMeta.mat', {'SUNRGBDMeta': np.array(rows, fields)})
    train = [before + place for place in SUN_PLACES if place not in SUN_TEST]
    splits = {'alltrain': train, 'alltest': [before + place for place in SUN_TEST]}
    savemat(
        toolbox / 'traintestSUNRGBD/allsplit.mat',
        {key: np.array(value, object)[None] for key, value in splits.items()},
    )
    with h5py.File(toolbox / 'Metadata/SUNRGBD2Dseg.mat', 'w') as file:
        references = file.create_dataset(
            'SUNRGBD2Dseg/seglabel', (len(SUN_PLACES), 1), h5py.ref_dtype
        )
        for index, frame in enumerate(frames()):
            image = file.create_dataset(f'#refs#/{index}', data=sun_ids(frame).T.astype(np.uint16))
            references[index, 0] = image.ref


def write_sun_folders(root: Path, *, labels: str = 'label37', depth_step: str = 'tenths') -> None:
    """Write eight images in folders, numbered differently in each, two of them for the test."""
    stored = {
        'tenths': lambda depth: depth * 10,
        'published': rotated,
        'millimeters': lambda depth: depth,
        'coarse': lambda depth: depth // 40 * 40 * 10,
    }
    for number, frame in enumerate(frames(), start=1):
        write(root / f'image/img-{number:06d}.jpg', frame.rgb)
        write(root / f'depth/{number:08d}.png', stored[depth_step](frame.depth_mm))
        write(root / f'{labels}/img37labels-{number:06d}.png', sun_ids(frame))
    (root / 'test.txt').write_text('img-000001\nimg-000002\n')
    (root / 'train.txt').write_text(''.join(f'img-{n:06d}.jpg\n' for n in range(3, 9)))


STANFORD_ROOMS = (
    ('area_1', 'office_1', 0),
    ('area_1', 'office_1', 3),
    ('area_1', 'conferenceRoom_2', 0),
    ('area_3', 'office_1', 0),
    ('area_5a', 'WC_1', 0),
    ('area_5b', 'hallway_12', 7),
)
OBJECTS_OF_A_CLASS = 300
"""So that one byte cannot number them all; those of the real file are 9,816."""


def write_stanford(root: Path) -> None:
    """Write six images of four areas, with a corner in which nothing was scanned."""
    objects = [
        f'{name}_{number}_office_1_1'
        for name in STANFORD13.names
        for number in range(1, OBJECTS_OF_A_CLASS + 1)
    ]
    (root / 'assets').mkdir(parents=True)
    names = json.dumps(['<UNK>_0_<UNK>_0_0', *objects])
    (root / 'assets/semantic_labels.json').write_text(names)
    for index, ((area, room, number), frame) in enumerate(
        zip(STANFORD_ROOMS, frames(), strict=False)
    ):
        start = f'camera_{index:032x}_{room}_frame_{number}_domain'
        instance = 1 + frame.labels.astype(np.uint32) * OBJECTS_OF_A_CLASS + index
        instance[:10, :10] = MISSING
        instance[-1, -1] = 0
        color = np.stack([instance >> 16, instance >> 8 & 255, instance & 255], -1)
        depth = np.rint(frame.depth_mm * 0.512).astype(np.uint16)
        depth[frame.depth_mm == 0] = 65535
        data = root / area / 'data'
        write(data / f'rgb/{start}_rgb.png', frame.rgb)
        write(data / f'depth/{start}_depth.png', depth)
        write(data / f'semantic/{start}_semantic.png', color.astype(np.uint8))
        write(data / f'semantic_pretty/{start}_semantic_pretty.png', frame.rgb)
        write(root / area / f'pano/rgb/camera_{index}_{room}_frame_equirectangular.png', frame.rgb)
