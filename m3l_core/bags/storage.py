"""Which files a bag is made of, by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m3l_core.errors import BagError

if TYPE_CHECKING:
    from pathlib import Path

_STORAGE_SUFFIXES = ('.mcap', '.db3')
_SUFFIXES = (*_STORAGE_SUFFIXES, '.bag')
UNFINISHED = '.bag.active'
"""What a file of ROS 1 is called while it is recorded."""

PACKED = '.zstd'
"""What a file ends in that was compressed as a whole."""


def remedy(path: Path) -> str:
    """Return the program that mends what can be mended."""
    is_ros1 = path.suffix == '.bag' or path.name.endswith(UNFINISHED)
    return 'Run: rosbag reindex' if is_ros1 else 'Run: ros2 bag reindex'


def _is_storage(file: Path, suffixes: tuple[str, ...] = _STORAGE_SUFFIXES) -> bool:
    """Tell whether a file's name, without the ending of its compression, has such an ending."""
    return file.name.removesuffix(PACKED).endswith(suffixes)


def storage_files(path: Path) -> list[Path]:
    """Return the files of a bag; parts of a split one by their number."""
    if not path.is_dir():
        return [path]
    return sorted(
        filter(_is_storage, path.iterdir()), key=lambda file: (len(file.name), file.name)
    )


def expect_bag(path: Path) -> None:
    """Tell apart, before rosbags looks, what is no bag and what is an unfinished one."""
    expected = f'{path}: expected a bag (a rosbag2 folder, or a file {", ".join(_SUFFIXES)}), got'
    if not path.exists():
        raise BagError(f'{expected} nothing there. Check the path.')
    if path.is_dir() and not (path / 'metadata.yaml').is_file():
        if storage_files(path):
            return  # It was not finished; its files may be read all the same.
        raise BagError(f'{expected} a folder without metadata.yaml. Check the path.')
    if path.is_file() and not _is_storage(path, (*_SUFFIXES, UNFINISHED)):
        raise BagError(f'{expected} {path.name}. Check the path.')
