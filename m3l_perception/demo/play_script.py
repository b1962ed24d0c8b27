"""The five acts of the demo: both cameras, depth dies, depth is back, RGB dies, RGB is back."""

from __future__ import annotations

import os
import signal
import time
from typing import NoReturn, TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics
from m3l_core.errors import M3lError
from m3l_core.models import default_model
from m3l_core.runtime.onnx_card import read_onnx_card
from m3l_core.samples import sample_bag
from m3l_perception.demo.picture import write_picture
from m3l_perception.demo.processes import private_environment, Processes
from m3l_perception.demo.report import print_report
from m3l_perception.demo.score import Event, gap_rows, periods_s

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    from m3l_core.bags.topics import RgbdTopics
    from m3l_perception.demo.recorder import Recorder, Snapshot

_START_S = 60.0
"""Longest wait for the first paired labels; a cold disk and a slow CPU take their time."""

_REFRESH_S = 0.1


def perform(arguments: argparse.Namespace) -> bool:
    """Run the demo, print the report and return whether every promise was kept.

    Raises:
        M3lError: If the bag or the model cannot be used, or the node does not come up.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    bag = (arguments.bag or sample_bag()).resolve()
    model = (arguments.model or default_model()).resolve()
    card = read_onnx_card(model)
    with Bag(bag) as opened:
        topics = find_topics(opened)
    arguments.out.mkdir(parents=True, exist_ok=True)
    environment = private_environment()
    os.environ.update(environment)
    # After the environment: rclpy reads the domain and the profile when it starts.
    from m3l_perception.demo.recorder import Recorder

    console = Console()
    console.print(
        f'{bag.name} into m3l_segment with {card.name}, ROS domain '
        f'{environment["ROS_DOMAIN_ID"]} on this machine only. Ctrl-C ends it.'
    )
    recorder = Recorder(topics, len(card.classes))
    try:
        with Processes(environment, arguments.out) as processes:
            play = _Play(recorder, processes, topics, bag, console)
            play.start(model)
            play.perform(arguments.seconds)
    finally:
        recorder.close()
    recording = recorder.recording
    rows = gap_rows(
        play.events,
        recording.masks,
        recording.modes,
        end_s=play.end_s,
        period_s=max(periods_s(recording.stamps).values()),
        waits_s=recording.waits_s,
    )
    print_report(console, rows, recording, card, play.began_s, is_sample=arguments.bag is None)
    picture = arguments.out / 'demo.png'
    write_picture(picture, play.acts, card.classes)
    console.print(f'Picture: {picture}   Logs: {arguments.out}')
    return all(row.kept for row in rows)


class _Play:
    """The stage: cameras and node as processes, and what happened when."""

    def __init__(
        self,
        recorder: Recorder,
        processes: Processes,
        topics: RgbdTopics,
        bag: Path,
        console: Console,
    ) -> None:
        self._recorder = recorder
        self._processes = processes
        self._topics = topics
        self._bag = bag
        self._console = console
        self._origin = 0.0
        self.events: list[Event] = []
        self.acts: list[tuple[str, Snapshot]] = []
        self.began_s = self.end_s = time.monotonic()

    def start(self, model: Path) -> None:
        """Start the node and the cameras; return when paired labels come.

        Raises:
            M3lError: If they do not.
        """
        self._processes.start('node', 'm3l_perception.segment_node', self._node_arguments(model))
        self._origin = time.time() + 1
        for camera in ('rgb', 'depth'):
            self._start_camera(camera)
        if self._topics.labels is not None:
            self._start_player('labels', ['labels'])
        recording = self._recorder.recording
        self._show('waiting for the first labels', _START_S, lambda: bool(recording.masks))
        if not recording.masks:
            raise M3lError('demo: the node published no labels; see node.log beside the picture.')
        self.began_s = time.monotonic()

    def perform(self, seconds: float) -> None:
        """Play the five acts, each for so many seconds."""
        self._act('both cameras', seconds)
        self._processes.kill('depth')
        self._note('depth killed', 'RGB_ONLY', 1)
        self._act('depth killed', seconds)
        self._start_camera('depth')
        self._note('depth back', 'RGBD', 1)
        self._act('depth back', seconds)
        self._processes.kill('rgb')
        self._note('RGB killed', 'DEPTH_ONLY', 4)
        self._act('RGB killed', seconds)
        self._start_camera('rgb')
        self._note('RGB back', 'RGBD', 4)
        self._act('RGB back', seconds)
        self.end_s = time.monotonic()

    def _act(self, title: str, seconds: float) -> None:
        self._show(title, seconds, lambda: False)
        snapshot = self._recorder.snapshot()
        if snapshot is not None:
            self.acts.append((title, snapshot))

    def _note(self, name: str, expected_mode: str, periods: float) -> None:
        self.events.append(Event(name, time.monotonic(), expected_mode, periods))

    def _show(self, title: str, seconds: float, is_done: Callable[[], bool]) -> None:
        """Show a live line for a while, or until something is done.

        Raises:
            M3lError: If a process ended that should not.
        """
        end = time.monotonic() + seconds
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while time.monotonic() < end and not is_done():
                self._expect_alive()
                live.update(self._line(title), refresh=True)
                time.sleep(_REFRESH_S)
        self._console.print(self._line(title))

    def _line(self, title: str) -> str:
        recording = self._recorder.recording
        now = time.monotonic()
        recent = sum(now - mask.arrival_s < 1 for mask in recording.masks[-100:])
        return (
            f'{now - self.began_s:5.1f} s  {title:<28} mode {self._recorder.mode:<10} '
            f'{recent:3d} labels/s  {len(recording.masks):5d} in all'
        )

    def _expect_alive(self) -> None:
        for name, code in self._processes.ended().items():
            raise M3lError(f'demo: {name} ended with {code}; see {name}.log beside the picture.')

    def _start_camera(self, camera: str) -> None:
        words = (
            ['rgb', 'camera_info'] if camera == 'rgb' and self._topics.camera_info else [camera]
        )
        self._start_player(camera, words)

    def _start_player(self, name: str, words: list[str]) -> None:
        arguments = [str(self._bag), '--loop', '--origin', f'{self._origin:.6f}']
        self._processes.start(name, 'm3l_perception.play', [*arguments, '--topics', *words])

    def _node_arguments(self, model: Path) -> list[str]:
        arguments = ['--ros-args', '-p', f'model:={model}']
        for camera, topic in (('rgb', self._topics.rgb), ('depth', self._topics.depth)):
            base, _, ending = (topic or '').rpartition('/')
            transport = ending if ending in ('compressed', 'compressedDepth') else 'raw'
            arguments += ['-p', f'{camera}_transport:={transport}']
            arguments += ['-r', f'{camera}/image:={topic if transport == "raw" else base}']
        if self._topics.camera_info is not None:
            arguments += ['-r', f'rgb/camera_info:={self._topics.camera_info}']
        return arguments


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
