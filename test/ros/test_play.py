"""`m3l play` as a process, heard by a real subscriber."""

from __future__ import annotations

from itertools import pairwise
import signal
import subprocess
import sys
import time
from typing import Any, TYPE_CHECKING

import cv2
from node_harness import Node, PATIENCE_S, stamp_of, wait_until
import numpy as np
import pytest
from sensor_msgs.msg import Image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENT = """
import signal, sys
from m3l_perception import play
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell starts what is to run in the background
play._DISCOVERY_S = play._GRACE_S = play._DELIVERY_S = %s
sys.exit(play.main())
"""
PLAY = (sys.executable, '-c', PATIENT % PATIENCE_S)
"""The player; on a busy machine it waits until it is heard, and until all was heard."""

RGB, DEPTH = '/camera/color/image_raw', '/camera/aligned_depth_to_color/image_raw'
FRAMES, PERIOD_NS = 10, 50_000_000


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames at 20 Hz."""
    pytest.importorskip('rosbags')
    from m3l_core.bags.making import make_bag

    folder = tmp_path_factory.mktemp('images')
    for number in range(FRAMES):
        rgb = np.full((24, 32, 3), number, np.uint8)
        cv2.imwrite(str(folder / f'{number:03}.color.jpg'), rgb)
        cv2.imwrite(str(folder / f'{number:03}.depth.png'), np.full((24, 32), 1000, np.uint16))
    make_bag(folder, folder / 'bag', rate_hz=1e9 / PERIOD_NS)
    return folder / 'bag'


class Ear(Node):
    """Keeps what comes on the bag's topics."""

    def __init__(self) -> None:
        super().__init__('ear')
        self.heard: dict[str, list[Any]] = {RGB: [], DEPTH: []}
        for topic, messages in self.heard.items():
            self.node.create_subscription(Image, topic, messages.append, 100)

    def wait_for_messages(self, topic: str, count: int) -> None:
        wait_until(lambda: len(self.heard[topic]) >= count, f'{count} messages on {topic}')
        assert len(self.heard[topic]) == count

    def steps_ns(self, topic: str) -> list[int]:
        """Return the differences between the stamps of one topic."""
        return [
            stamp_ns(after) - stamp_ns(before) for before, after in pairwise(self.heard[topic])
        ]

    def steps_between_passes_ns(self) -> list[int]:
        """Return the steps from the last color image, which shows its number, to the first."""
        return [
            stamp_ns(after) - stamp_ns(before)
            for before, after in pairwise(self.heard[RGB])
            if (before.data[0], after.data[0]) == (FRAMES - 1, 0)
        ]


def stamp_ns(message: Any) -> int:
    seconds, nanoseconds = stamp_of(message)
    return seconds * 10**9 + nanoseconds


@pytest.fixture
def ear() -> Iterator[Ear]:
    with Ear() as ear:
        yield ear


def play(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [*PLAY, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S)


def test_stamps_are_now_and_keep_the_times_between_them(bag: Path, ear: Ear) -> None:
    done = play(bag)
    assert done.returncode == 0, done.stderr
    for topic in (RGB, DEPTH):
        ear.wait_for_messages(topic, FRAMES)
        assert set(ear.steps_ns(topic)) == {PERIOD_NS}
        assert abs(stamp_of(ear.heard[topic][-1])[0] - time.time()) < 3600
    assert [stamp_of(m) for m in ear.heard[RGB]] == [stamp_of(m) for m in ear.heard[DEPTH]]
    assert ear.heard[RGB][0].header.frame_id


def test_only_the_topics_asked_for_are_played_faster_and_dropped(bag: Path, ear: Ear) -> None:
    done = play(bag, '--topics', 'rgb', '--rate', 2, '--drop', 'rgb:0.1s..0.3s')
    assert done.returncode == 0, done.stderr
    ear.wait_for_messages(RGB, FRAMES - 4)
    assert not ear.heard[DEPTH]
    assert ear.steps_ns(RGB) == [PERIOD_NS // 2] + [PERIOD_NS // 2 * 5] + [PERIOD_NS // 2] * 3


@pytest.mark.parametrize(
    ('loop', 'step_ns', 'number'),
    [
        ('--loop', PERIOD_NS, signal.SIGINT),
        ('--loop=jump', -PERIOD_NS * (FRAMES - 1), signal.SIGTERM),
    ],
)
def test_loop_goes_on_or_jumps_until_told_to_end(
    bag: Path, ear: Ear, loop: str, step_ns: int, number: int
) -> None:
    player = subprocess.Popen([*PLAY, bag, loop], stderr=subprocess.PIPE, text=True)
    try:
        wait_until(ear.steps_between_passes_ns, 'second pass')
        player.send_signal(number)
        _, said = player.communicate(timeout=PATIENCE_S)
    finally:
        player.kill()
    assert player.returncode == 0  # launch calls any other a crash
    assert said.startswith('Playing ')
    assert len(said.splitlines()) == 1
    assert set(ear.steps_between_passes_ns()) == {step_ns}


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--topics', 'labels'], 'expected a topic of labels images, got '),
        (['--topics', '/none'], 'expected the topic /none, got '),
        (['--rate', '0'], '--rate: expected a number above 0, got 0.'),
        (['--drop', 'depth:6s..3s'], '--drop: expected TOPIC:FROM..TO in seconds, got '),
    ],
)
def test_mistake_is_one_line_and_exit_code_2(bag: Path, arguments: list[str], said: str) -> None:
    done = play(bag, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
