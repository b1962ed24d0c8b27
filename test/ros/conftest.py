"""Real processes and DDS on loopback, in a domain of their own; nothing here is imitated."""

from __future__ import annotations

from contextlib import suppress
import fcntl
from importlib.util import find_spec
import os
from pathlib import Path
from tempfile import gettempdir
from typing import IO, TYPE_CHECKING

import pytest

from m3l_perception.dds import profile_environment

_lent: list[IO[str]] = []


def _lent_domain() -> int:
    """Return a domain that is these tests' until they end: others may run on this machine."""
    for number in range(os.getpid(), os.getpid() + 100):
        domain = 1 + number % 100
        with suppress(OSError):  # lent to others
            lock = (Path(gettempdir()) / f'm3l-test-domain-{domain}').open('w')
            _lent.append(lock)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return domain
    pytest.exit('all ROS domains are lent to other tests on this machine', returncode=1)


# Before the first rclpy.init; the processes that tests start inherit both.
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
os.environ['ROS_LOCALHOST_ONLY'] = '1'  # Humble
os.environ['ROS_DOMAIN_ID'] = str(_lent_domain())

# The profile also finds processes sooner.
os.environ.update(profile_environment('shipped', os.environ))

HAVE_ROS = find_spec('rclpy') is not None
collect_ignore_glob = [] if HAVE_ROS else ['test_*.py']

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node_harness import Camera, SegmentProcess, Watcher


def pytest_report_header() -> str:
    return 'ROS tests: ' + ('on' if HAVE_ROS else 'left out, rclpy is not installed')


@pytest.fixture(scope='session')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network of random weights, exported as every network is."""
    onnx = pytest.importorskip('onnx')
    torch = pytest.importorskip('torch')
    from m3l_core.architecture import Architecture
    from m3l_core.classes import NYU13
    from m3l_core.export.onnx import deployment_graph
    from m3l_core.model_card import ModelCard
    from m3l_core.network import LinearFusion

    torch.manual_seed(0)
    architecture = Architecture(
        embed_dims=(8, 8, 16, 16),
        num_heads=(1, 1, 2, 2),
        depths=(1, 1, 1, 1),
        sr_ratios=(8, 4, 2, 1),
        mlp_ratio=2,
        decoder_dim=16,
        num_classes=13,
        fusion_ratio=0.8,
    )
    card = ModelCard(
        name='tiny',
        architecture=architecture,
        classes=NYU13,
        image_size=(96, 128),
        network_size=(96, 128),
    )
    path = tmp_path_factory.mktemp('model') / 'tiny.onnx'
    onnx.save(deployment_graph(LinearFusion(architecture).eval(), card), path)
    return path


@pytest.fixture(scope='session', autouse=True)
def ros() -> Iterator[None]:
    """The test process's own part in the ROS graph."""
    import rclpy

    rclpy.init()
    yield
    rclpy.try_shutdown()


@pytest.fixture
def camera() -> Iterator[Camera]:
    from node_harness import Camera

    with Camera() as camera:
        yield camera


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    from node_harness import Watcher

    with Watcher() as watcher:
        yield watcher


@pytest.fixture
def node(tmp_path: Path, model: Path) -> Iterator[SegmentProcess]:
    """The node with the tiny network, as a process."""
    from node_harness import segment

    with segment(tmp_path, model=model) as process:
        yield process
