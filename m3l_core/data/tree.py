"""The files of a data set, which lie in a folder or in one uncompressed zip file."""

from __future__ import annotations

from typing import Protocol, TYPE_CHECKING
import zipfile

from m3l_core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


class Tree(Protocol):
    """Files by their name relative to the data set, such as `rgb/0001.jpg`."""

    root: Path

    def names(self, folder: str) -> list[str]:
        """Return the sorted names of the files directly in `folder`; hidden ones are left out."""

    def has(self, name: str) -> bool:
        """Tell whether there is such a file."""

    def read(self, name: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            DataError: If it is missing or damaged.
        """


def open_tree(path: Path) -> Tree:
    """Open a folder, or a zip file that holds what the folder would.

    Raises:
        DataError: If it is neither.
    """
    if path.is_dir():
        return FolderTree(path)
    if path.is_file():
        return ZipTree(path)
    raise DataError(f'{path}: there is no such folder or file. Give that of a data set.')


class FolderTree:
    """A data set in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self, folder: str) -> list[str]:
        """Return the sorted names of the files in `folder`."""
        place = self.root / folder
        if not place.is_dir():
            return []
        return sorted(entry.name for entry in place.iterdir() if entry.name[0] != '.')

    def has(self, name: str) -> bool:
        """Tell whether there is such a file."""
        return (self.root / name).is_file()

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        path = self.root / name
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise DataError(f'{path}: there is no such file.') from None
        except OSError as error:
            raise DataError(f'{path}: cannot be read: {error.strerror}.') from error


class ZipTree:
    """A data set in a zip file; threads may read at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            self._file = zipfile.ZipFile(root)
        except (zipfile.BadZipFile, OSError) as error:
            raise DataError(
                f'{root}: is no zip file that can be read ({error}). Pack it again: m3l data pack'
            ) from error
        self._members = set(self._file.namelist())

    def names(self, folder: str) -> list[str]:
        """Return the sorted names of the files in `folder`."""
        start = f'{folder}/'
        names = (name[len(start) :] for name in self._members if name.startswith(start))
        return sorted(name for name in names if name and '/' not in name)

    def has(self, name: str) -> bool:
        """Tell whether there is such a file."""
        return name in self._members

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        if name not in self._members:
            raise DataError(f'{self.root}: holds no {name}.')
        try:
            return self._file.read(name)
        except (zipfile.BadZipFile, OSError) as error:
            raise DataError(f'{self.root}: its {name} is damaged ({error}).') from error
