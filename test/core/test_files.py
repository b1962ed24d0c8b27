"""Files are whole or not there, whoever writes them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import os
from threading import Barrier
from typing import TYPE_CHECKING

from m3l_core.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_two_threads_may_write_one_file_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_have_written = Barrier(2, timeout=300)
    monkeypatch.setattr(os, 'fsync', lambda _: both_have_written.wait())
    path = tmp_path / 'file'
    contents = (b'a' * 1000, b'b' * 1000)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(write_atomically, path, data) for data in contents]:
            done.result()
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]
