from __future__ import annotations

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

from m3l_core.bags.folders import open_folder
from m3l_core.classes import NYU13
from m3l_core.cli import main
from m3l_core.errors import DataError, M3lError
from m3l_core.rooms.camera import looking_at
from m3l_core.rooms.canvas import Canvas
from m3l_core.rooms.layout import furnish
from m3l_core.rooms.render import RoomRenderer
from m3l_core.rooms.training_set import render_set, RoomSet

SIZE = (60, 80)


def why_not_rendering() -> str:
    try:
        with Canvas(SIZE):
            return ''
    except M3lError as error:
        return str(error)


WHY_NOT = why_not_rendering()
renders = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


@renders
def test_depth_is_along_the_optical_axis_and_labels_are_where_things_are() -> None:
    room = furnish(np.random.default_rng(2))
    corner = np.array([room.width / 2, room.depth / 2, room.height - 0.5])
    up = looking_at(corner, corner + np.array([1e-3, 0.0, 1.0]))
    with (
        Canvas(SIZE) as canvas,
        RoomRenderer(room, canvas, fovy_deg=40, rng=np.random.default_rng(0)) as renderer,
    ):
        labels, depth_m = renderer.geometry(up)
        view = renderer.view(up)
    ceiling = labels == NYU13.names.index('ceiling')
    assert ceiling.mean() > 0.3
    np.testing.assert_allclose(depth_m[ceiling], 0.5, atol=0.01)
    np.testing.assert_array_equal(view.labels, labels)
    assert view.rgb.std() > 0


@renders
def test_a_set_goes_on_where_it_stopped_and_keeps_what_is_there(tmp_path: Path) -> None:
    rooms = RoomSet(tmp_path / 'set', 6, seed=3, size=SIZE)
    assert render_set(rooms) == 6
    before = {path: path.read_bytes() for path in rooms.folder.rglob('*.*')}
    rooms.paths(4)[1].unlink()
    seen: list[int] = []
    assert render_set(rooms, on_frames=seen.append) == 1
    assert seen == [5, 6]
    assert {path: path.read_bytes() for path in rooms.folder.rglob('*.*')} == before


@renders
def test_a_set_is_a_folder_of_frames_with_a_card(tmp_path: Path) -> None:
    rooms = RoomSet(tmp_path, 2, seed=3, size=SIZE)
    render_set(rooms)
    frames = open_folder(tmp_path).frames
    assert len(frames) == 2
    for frame in frames:
        labels = frame.read_labels()
        assert frame.read_rgb().shape == (*SIZE, 3)
        assert frame.read_depth_mm().dtype == np.uint16
        assert labels is not None
        assert len(np.unique(labels)) >= 3
    card = yaml.safe_load((tmp_path / 'card.yaml').read_text())
    assert (card['frames'], card['seed'], card['size']) == (2, 3, list(SIZE))
    assert card['classes'] == list(NYU13.names)


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@renders
def test_ctrl_c_ends_all_processes_and_leaves_whole_files(tmp_path: Path) -> None:
    command = [sys.executable, '-m', 'm3l_core', 'rooms', '9999', str(tmp_path), '--size', '60x80']
    process = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    while not list(tmp_path.glob('rgb/*.jpg')):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.communicate(timeout=300)[1] == b''
    assert process.returncode == 130
    assert not list(tmp_path.rglob('*.partial'))
    deadline = time.monotonic() + 300
    while group_lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not group_lives(process.pid)


def test_a_folder_of_another_seed_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'card.yaml').write_text('seed: 4\nsize: [60, 80]\nframes_per_room: 4\n')
    with pytest.raises(DataError, match=r'card.yaml: expected a set of seed 3 and size 60x80'):
        render_set(RoomSet(tmp_path, 2, seed=3, size=SIZE))


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['5', 'OUT', '--seed', '1000000'], 'expected a seed from 0 to 999999, got 1000000'),
        (['0', 'OUT'], 'expected at least 1 frame, got 0'),
        (['5', 'OUT', '--size', '4x4'], 'expected sides of 48 to 2048 pixels, got 4x4'),
        (['5', 'OUT', '--size', 'big'], '--size: expected HxW, each at least 1, such as 384x640'),
        (['5', 'OUT', '--workers', '0'], '--workers: expected at least 1, got 0'),
        (['5'], 'expected N OUT or --bag BAG, got neither'),
        (['5', 'OUT', '--bag', 'BAG'], 'expected N OUT or --bag BAG, got both'),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['rooms', *arguments]) == 2
    printed = capsys.readouterr().err
    assert text in printed
    assert printed.count('\n') == 1


@renders
def test_a_machine_without_a_driver_is_told_what_to_install(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'm3l_core', 'rooms', '4', str(tmp_path)],
        env={**os.environ, 'MUJOCO_GL': 'egl', '__EGL_VENDOR_LIBRARY_DIRS': '/nonexistent'},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert 'expected a machine that renders without a screen' in done.stderr
    assert done.stderr.count('\n') == 1
