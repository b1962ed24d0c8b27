"""Files of a bag that were compressed as a whole (`NAME.db3.zstd`)."""

from __future__ import annotations

from pathlib import Path
import shutil
import tempfile
from typing import BinaryIO, TYPE_CHECKING

from m3l_core.bags.storage import PACKED
from m3l_core.bags.zstd import zstd
from m3l_core.errors import BagError, missing_module

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 1 << 20


class Unpacked:
    """A compressed file, unpacked next to other temporary files until it is closed.

    Of a file that ends early or is damaged, what comes before.

    Args:
        path: `NAME.db3.zstd` or `NAME.mcap.zstd`.

    Attributes:
        path: The plain file.

    Raises:
        BagError: If it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix='m3l-bag-'))
        self.path = self._folder / path.stem
        try:
            with path.open('rb') as packed, self.path.open('wb') as plain:
                plain.writelines(_plain(packed))
        except OSError as error:
            self.close()
            raise BagError(
                f'{path}: cannot be unpacked to {self._folder}: {error.strerror or error}. '
                'Set TMPDIR to a folder with room.'
            ) from error

    def close(self) -> None:
        """Remove the plain file."""
        shutil.rmtree(self._folder)


def _plain(packed: BinaryIO) -> Iterator[bytes]:
    """Yield what a file unpacks to, as far as it can be had."""
    try:
        module = zstd()
    except ModuleNotFoundError as error:
        raise missing_module(error, f'Reading {PACKED} files') from error
    decompressor = module.ZstdDecompressor()
    while data := packed.read(_BLOCK):
        while data:
            try:
                yield decompressor.decompress(data)
            except module.ZstdError:  # What is missing is noticed when the plain file is read.
                return
            data = b''
            if decompressor.eof:  # One frame may follow another.
                data, decompressor = decompressor.unused_data, module.ZstdDecompressor()
