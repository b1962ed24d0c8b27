"""A folder of rendered frames to train on: `rgb/`, `depth/`, `labels/` and `card.yaml`.

Frame i depends on the seed, the size and i alone, so that a stopped run goes on where it was
and a longer one begins with the frames of a shorter one.
"""

from __future__ import annotations

from concurrent.futures import as_completed, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
import multiprocessing
import os
import signal
from typing import TYPE_CHECKING

import cv2
import numpy as np
import yaml

from m3l_core.classes import IGNORE, NYU13
from m3l_core.errors import DataError, M3lError
from m3l_core.files import write_atomically
from m3l_core.rooms import RESERVED_SEED
from m3l_core.rooms.camera import random_pose
from m3l_core.rooms.canvas import Canvas
from m3l_core.rooms.capture import capture
from m3l_core.rooms.color_sensor import draw_color_sensor
from m3l_core.rooms.depth_sensor import draw_depth_sensor
from m3l_core.rooms.layout import furnish
from m3l_core.rooms.piece import CLASS_ID
from m3l_core.rooms.render import RoomRenderer
from m3l_core.stream.image_codec import encode_jpeg, encode_png

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.synchronize import Event
    from pathlib import Path

    from m3l_core.rooms.capture import Capture
    from m3l_core.rooms.render import Pose
    from m3l_core.rooms.room import Room

FRAMES_PER_ROOM = 4
"""Views of one layout: fewer would cost more time for each, more would be less varied."""

_FOVY_DEG = (42.0, 62.0)
_CANDIDATES = 3
_LARGEST_SHARE = 0.8
_NEAREST_M = 0.45


@dataclass(frozen=True)
class RoomSet:
    """Which frames to render, and where to.

    Raises:
        DataError: If a value is out of range.
    """

    folder: Path
    frames: int
    seed: int
    size: tuple[int, int] = (240, 320)

    def __post_init__(self) -> None:
        problems = []
        if self.frames < 1:
            problems.append(f'at least 1 frame, got {self.frames}')
        if not 0 <= self.seed < RESERVED_SEED:
            problems.append(
                f'a seed from 0 to {RESERVED_SEED - 1}, got {self.seed}: '
                'later ones are kept for the sample bag, which no network may train on'
            )
        if not all(48 <= side <= 2048 for side in self.size):
            problems.append(f'sides of 48 to 2048 pixels, got {self.size[0]}x{self.size[1]}')
        if problems:
            raise DataError(f'rooms: expected {"; ".join(problems)}.')

    def paths(self, frame: int) -> tuple[Path, Path, Path]:
        """Return the color, depth and label files of a frame."""
        name = f'{frame:06d}'
        return (
            self.folder / 'rgb' / f'{name}.jpg',
            self.folder / 'depth' / f'{name}.png',
            self.folder / 'labels' / f'{name}.png',
        )

    def is_there(self, frame: int) -> bool:
        """Tell whether a frame is complete; color is written last."""
        return all(path.exists() for path in self.paths(frame))


def render_set(
    rooms: RoomSet,
    *,
    workers: int = 1,
    on_frames: Callable[[int], None] | None = None,
) -> int:
    """Render the frames that are not there yet and return how many those were.

    Args:
        rooms: Which frames, and where to.
        workers: Processes that render.
        on_frames: Told the number of frames that are there, at first and after each room.

    Raises:
        DataError: If the folder holds a set of another seed or size.
        M3lError: If the machine cannot render, or a process dies.
    """
    _write_card(rooms)
    missing: dict[int, list[int]] = {}
    for frame in range(rooms.frames):
        if not rooms.is_there(frame):
            missing.setdefault(frame // FRAMES_PER_ROOM, []).append(frame)
    todo = sum(len(frames) for frames in missing.values())
    done = rooms.frames - todo
    report = on_frames or (lambda _: None)
    report(done)
    for count in _render_parallel(rooms, missing, workers):
        done += count
        report(done)
    return todo


def _render_parallel(rooms: RoomSet, missing: dict[int, list[int]], workers: int) -> Iterator[int]:
    """Yield the number of frames of each room as it is finished, in any order."""
    context = multiprocessing.get_context('spawn')  # a graphics context survives no fork
    stop = context.Event()
    threads = max(1, (os.cpu_count() or 1) // workers)
    with ProcessPoolExecutor(
        workers, context, initializer=_start_worker, initargs=(stop, threads)
    ) as pool:
        try:
            with _interrupts_ignored():  # processes inherit this; only we answer Ctrl-C
                jobs = [pool.submit(_render_room, rooms, *room) for room in missing.items()]
            for job in as_completed(jobs):
                yield job.result()
        except BrokenProcessPool as error:
            raise M3lError(
                'rooms: expected every process to live, got one killed (out of memory?). '
                'Run again with fewer --workers; finished frames are kept.'
            ) from error
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


_stop: Event | None = None
"""In a worker: set when no more frames are wanted."""


def _start_worker(stop: Event, threads: int) -> None:
    global _stop  # an event reaches the processes of a pool in no other way
    _stop = stop
    cv2.setNumThreads(threads)
    os.environ.setdefault('LP_NUM_THREADS', str(threads))  # Mesa's software renderer


@lru_cache(maxsize=1)
def _canvas(size: tuple[int, int]) -> Canvas:
    return Canvas(size)


def _render_room(rooms: RoomSet, number: int, frames: list[int]) -> int:
    """Render some frames of one room; return how many were written."""
    if _stop is not None and _stop.is_set():
        return 0
    canvas = _canvas(rooms.size)
    rng = np.random.default_rng([rooms.seed, number, 1])
    room = furnish(rng)
    with RoomRenderer(room, canvas, fovy_deg=rng.uniform(*_FOVY_DEG), rng=rng) as renderer:
        for frame in frames:
            own = np.random.default_rng([rooms.seed, number, 2, frame])
            _save(rooms, frame, _shoot(room, renderer, own))
    return len(frames)


def _shoot(room: Room, renderer: RoomRenderer, rng: np.random.Generator) -> Capture:
    return capture(
        renderer,
        _worthwhile_pose(room, renderer, rng),
        color_sensor=draw_color_sensor(rng),
        depth_sensor=draw_depth_sensor(rng),
        rng=rng,
    )


def _worthwhile_pose(room: Room, renderer: RoomRenderer, rng: np.random.Generator) -> Pose:
    """Return that of a few poses which sees least of the bare room, as people aim at things.

    None that sees next to nothing, or something too near, if others are to be had.
    """
    plain = [CLASS_ID[name] for name in ('wall', 'floor', 'ceiling')]
    best = (2.0, random_pose(room, rng))
    good = 0
    for _ in range(10):
        pose = random_pose(room, rng)
        labels, depth_m = renderer.geometry(pose)
        shares = np.bincount(labels.ravel(), minlength=len(NYU13)) / labels.size
        near = float(np.quantile(depth_m, 0.05))
        if (shares > 0.01).sum() < 4 or shares.max() > _LARGEST_SHARE or near < _NEAREST_M:
            continue
        best = min(best, (float(shares[plain].sum()), pose), key=lambda rated: rated[0])
        good += 1
        if good == _CANDIDATES:
            break
    return best[1]


def _save(rooms: RoomSet, frame: int, shot: Capture) -> None:
    rgb, depth, labels = rooms.paths(frame)
    write_atomically(depth, encode_png(shot.depth_mm))
    write_atomically(labels, encode_png(shot.labels))
    write_atomically(rgb, encode_jpeg(shot.rgb, 92))


def _write_card(rooms: RoomSet) -> None:
    """Write what the folder holds, or check that it holds frames of the same set."""
    path = rooms.folder / 'card.yaml'
    card = {
        'made_by': 'm3l rooms',
        'seed': rooms.seed,
        'size': list(rooms.size),
        'frames_per_room': FRAMES_PER_ROOM,
        'frames': rooms.frames,
        'depth': 'uint16 millimeters along the optical axis, 0 = no reading',
        'ignore': IGNORE,
        'classes': list(NYU13.names),
    }
    if path.exists():
        there = yaml.safe_load(path.read_text(encoding='utf-8'))
        same = ('seed', 'size', 'frames_per_room')
        if not isinstance(there, dict) or any(there.get(key) != card[key] for key in same):
            raise DataError(
                f'{path}: expected a set of seed {rooms.seed} and size '
                f'{rooms.size[0]}x{rooms.size[1]} to go on with, got another. '
                'Give another folder, or the seed and size of this one.'
            )
        card['frames'] = max(rooms.frames, int(there.get('frames', 0)))
    write_atomically(path, yaml.safe_dump(card, sort_keys=False).encode())
