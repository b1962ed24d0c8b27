"""Cameras and node as processes, faults of the cameras, and what happened when."""

from __future__ import annotations

from math import inf
import time
from typing import TYPE_CHECKING

from rich.live import Live

from m3l_core.bags.topics import base_and_transport
from m3l_core.errors import M3lError
from m3l_core.frames import Modality
from m3l_perception.demo.score import Event, gap_rows, periods_s

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from m3l_core.bags.topics import RgbdTopics
    from m3l_perception.demo.processes import Processes
    from m3l_perception.demo.recorder import Recorder
    from m3l_perception.demo.score import GapRow
    from m3l_perception.timeline import Loop

_START_S = 60.0
"""Longest wait for the first labels; a cold disk and a slow CPU take their time."""

_PATIENCE_S = 15.0
"""Longest that a phase takes until the mode is there that belongs to it; a player that starts on
a busy machine takes seconds to be found."""

_REFRESH_S = 0.1

CAMERAS = ('rgb', 'depth')

_MODES = {
    (): 'RGBD',
    ('depth',): 'RGB_ONLY',
    ('rgb',): 'DEPTH_ONLY',
    ('rgb', 'depth'): 'NO_INPUT',
}
"""The mode without these cameras."""

_PERIODS = {('depth',): 1.0, ('rgb',): 4.0, ('rgb', 'depth'): inf}
"""How many periods without a label are promised when these cameras die."""


class Rig:
    """Starts node and cameras on a bag, kills cameras and brings them back.

    Args:
        recorder: Listens to them.
        processes: Where they run.
        topics: What the cameras publish.
        bag: What they show.
        console: For the live line.
    """

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
        self._loop: Loop = 'continue'
        self._origin = 0.0
        self._down: dict[str, str] = {}
        self.events: list[Event] = []
        self.began_s = self.end_s = time.monotonic()

    def start(self, model: Path) -> None:
        """Start the node and the cameras; return when labels come.

        Raises:
            M3lError: If they do not.
        """
        self._processes.start('node', 'm3l_perception.segment_node', self._node_arguments(model))
        self._origin = time.time() + 1
        for camera in CAMERAS:
            self._start_camera(camera)
        if self._topics.labels is not None:
            self._start_player('labels', ['labels'])
        recording = self._recorder.recording
        self._show('waiting for the first labels', _START_S, lambda: bool(recording.masks))
        if not recording.masks:
            raise M3lError(
                f'node: expected labels within {_START_S:.0f} s, got none. '
                f'See {self._processes.log("node")}'
            )
        self.began_s = time.monotonic()

    def kill(self, *cameras: str) -> None:
        """Kill cameras, of `rgb` and `depth`, as a pulled cable would."""
        at_s = time.monotonic()
        for camera in cameras:
            self._processes.kill(camera)
            self._down[camera] = 'killed'
        self._note(cameras, 'killed', at_s, _PERIODS)

    def freeze(self, *cameras: str) -> None:
        """Stop cameras without ending them, as a hung driver would."""
        at_s = time.monotonic()
        for camera in cameras:
            self._processes.freeze(camera)
            self._down[camera] = 'frozen'
        self._note(cameras, 'frozen', at_s, _PERIODS)

    def bring_back(self, *cameras: str) -> None:
        """Start killed cameras where they would be in the bag; let frozen ones go on."""
        at_s = time.monotonic()
        for camera in cameras:
            if self._down.pop(camera) == 'frozen':
                self._processes.thaw(camera)
            else:
                self._start_camera(camera)
        self._note(cameras, 'back', at_s, {}, returned_s=at_s)

    def restart(self, *cameras: str) -> None:
        """Kill cameras and start them again at once."""
        at_s = time.monotonic()
        for camera in cameras:
            self._processes.kill(camera)
        returned_s = time.monotonic()
        for camera in cameras:
            self._start_camera(camera)
        self._note(cameras, 'restarted', at_s, _PERIODS, returned_s)

    def change_loop(self, loop: Loop) -> None:
        """Restart the cameras; from now on they do this at the end of the bag, see `m3l play`."""
        self._loop = loop
        self._origin = time.time()
        self.restart(*CAMERAS)

    def gap_rows(
        self, settled_s: float = 2.0, pauses_s: Sequence[tuple[float, float]] = ()
    ) -> list[GapRow]:
        """Return what each kill and return cost, beside what is promised.

        Args:
            pauses_s: When the machine stood still.
            settled_s: How long after an event the gap that belongs to it may begin.
        """
        recording = self._recorder.recording
        return gap_rows(
            self.events,
            recording.masks,
            recording.modes,
            end_s=self.end_s,
            period_s=max(periods_s(recording.images).values()),
            waits_s=recording.waits_s,
            images=recording.images,
            pauses_s=pauses_s,
            settled_s=settled_s,
        )

    def run(self, title: str, seconds: float) -> None:
        """Let it run for a while under a live line, until mode and labels are there that are due.

        If they do not come, it ends all the same.
        """
        began_s = time.monotonic()
        due = self.events[-1].expected_mode if self.events else 'RGBD'
        masks = self._recorder.recording.masks

        def is_done() -> bool:
            if time.monotonic() < began_s + seconds or self._recorder.mode != due:
                return False
            return due == 'NO_INPUT' or masks[-1].arrival_s > began_s

        self._show(title, max(seconds, _PATIENCE_S), is_done)
        self.end_s = time.monotonic()

    def _note(
        self,
        cameras: tuple[str, ...],
        what: str,
        at_s: float,
        promised: Mapping[tuple[str, ...], float],
        returned_s: float | None = None,
    ) -> None:
        down = tuple(camera for camera in CAMERAS if camera in self._down)
        touched = tuple(camera for camera in CAMERAS if camera in cameras)
        living = [camera for camera in CAMERAS if camera not in (*down, *touched)]
        event = Event(
            f'{" and ".join(touched)} {what}',
            at_s,
            expected_mode=_MODES[down],
            periods=promised.get(touched, inf),
            returning=() if returned_s is None else tuple(map(_modality, touched)),
            returned_s=returned_s or at_s,
            living=tuple(map(_modality, living)),
        )
        self.events.append(event)

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
            raise M3lError(
                f'{name}: expected it to go on, it ended with {code}. '
                f'See {self._processes.log(name)}'
            )

    def _start_camera(self, camera: str) -> None:
        words = (
            ['rgb', 'camera_info'] if camera == 'rgb' and self._topics.camera_info else [camera]
        )
        self._start_player(camera, words)

    def _start_player(self, name: str, words: list[str]) -> None:
        arguments = [str(self._bag), f'--loop={self._loop}', '--origin', f'{self._origin:.6f}']
        self._processes.start(name, 'm3l_perception.play', [*arguments, '--topics', *words])

    def _node_arguments(self, model: Path) -> list[str]:
        arguments = ['--ros-args', '-p', f'model:={model}']
        for camera, topic in (('rgb', self._topics.rgb), ('depth', self._topics.depth)):
            base, transport = base_and_transport(topic or '')
            arguments += [
                '-p',
                f'{camera}_transport:={transport}',
                '-r',
                f'{camera}/image:={base}',
            ]
        if self._topics.camera_info is not None:
            arguments += ['-r', f'rgb/camera_info:={self._topics.camera_info}']
        return arguments


def _modality(camera: str) -> Modality:
    return Modality[camera.upper()]
