"""The demo in five phases: both cameras, depth dies and comes back, RGB dies and comes back."""

from __future__ import annotations

import os
import signal
from typing import NoReturn, TYPE_CHECKING

from rich.console import Console

from m3l_core.bags.reading import Bag
from m3l_core.bags.topics import find_topics
from m3l_core.models import default_model
from m3l_core.runtime.onnx_card import read_onnx_card
from m3l_core.samples import sample_bag
from m3l_perception.demo.picture import write_picture
from m3l_perception.demo.processes import private_environment, Processes
from m3l_perception.demo.report import EXCUSES, print_report
from m3l_perception.demo.rig import Rig

if TYPE_CHECKING:
    import argparse

    from m3l_perception.demo.recorder import Recorder, Snapshot


def run_scenario(arguments: argparse.Namespace) -> bool:
    """Run the demo, print the report and return whether every promise was kept.

    Raises:
        M3lError: If the bag or the model cannot be used, or the node does not come up.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    bag = (arguments.bag or sample_bag()).resolve()
    with Bag(bag) as opened:
        topics = find_topics(opened)
    model = (arguments.model or default_model()).resolve()
    card = read_onnx_card(model)
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
            rig = Rig(recorder, processes, topics, bag, console)
            rig.start(model)
            snapshots = _five_phases(rig, recorder, arguments.seconds)
    finally:
        recorder.close()
    recording = recorder.recording
    rows = rig.gap_rows()
    print_report(console, rows, recording, card, rig.began_s, is_sample=arguments.bag is None)
    picture = arguments.out / 'demo.png'
    write_picture(picture, snapshots, card.classes)
    console.print(f'Picture: {picture}   Logs: {arguments.out}')
    broken = [row.event.name for row in rows if row.verdict == 'BROKEN']
    for row in rows:
        if row.verdict in EXCUSES:
            console.print(f'{row.event.name}: {EXCUSES[row.verdict]}')
    console.print(f'Broken: {", ".join(broken)}.' if broken else 'Every promise was kept.')
    return not broken


def _five_phases(rig: Rig, recorder: Recorder, seconds: float) -> list[tuple[str, Snapshot]]:
    """Run the phases; return the title of each and how it looked at its end."""
    snapshots = []

    def run(title: str) -> None:
        rig.run(title, seconds)
        snapshot = recorder.snapshot()
        if snapshot is not None:
            snapshots.append((title, snapshot))

    run('both cameras')
    for camera in ('depth', 'rgb'):
        rig.kill(camera)
        run(f'{camera} killed')
        rig.bring_back(camera)
        run(f'{camera} back')
    return snapshots


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
