"""The node as users run it: a process, real cameras (publishers), real DDS."""

from __future__ import annotations

from array import array
from itertools import cycle
import signal
import subprocess
import sys
from typing import Any, TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from node_harness import (
    change,
    DEPTH_SIZE,
    FRAME_ID,
    PATIENCE_S,
    RGB_SIZE,
    segment,
    SegmentProcess,
    set_parameter,
    stamp_of,
    state,
    values_of,
    wait_until,
)
import pytest

from m3l_core.frames import Modality

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node_harness import Camera, Watcher
    from sensor_msgs.msg import Image

NODE = (sys.executable, '-m', 'm3l_perception.segment_node')


@pytest.fixture
def node(tmp_path: Path, model: Path) -> Iterator[SegmentProcess]:
    with segment(tmp_path, model=model) as process:
        yield process


@pytest.mark.usefixtures('node')
def test_mask_has_the_header_and_the_size_of_the_color_image(
    camera: Camera, watcher: Watcher
) -> None:
    watcher.wait_for_mode('RGBD')
    wait_until(lambda: watcher.infos and watcher.confidences, 'confidence and calibration')
    masks = watcher.wait_for_masks(5)
    for image in (*masks, watcher.confidences[-1], watcher.infos[-1]):
        assert stamp_of(image) in camera.stamps[Modality.RGB]
        assert image.header.frame_id == FRAME_ID
        assert (image.height, image.width) == RGB_SIZE
    for mask in masks:
        assert (mask.encoding, mask.step) == ('mono8', RGB_SIZE[1])
        assert max(mask.data) < 13
    wait_until(lambda: watcher.frames[-1]['used'] == 'rgb+depth', 'a paired frame')
    frame = watcher.frames[-1]
    assert (frame['mode'], frame['reason']) == ('RGBD', 'paired')
    assert float(frame['pair_gap_ms']) == 0
    assert float(frame['engine_ms']) > 0


@pytest.mark.usefixtures('node')
def test_labels_go_on_when_depth_dies_and_use_it_again_when_it_returns(
    camera: Camera, watcher: Watcher
) -> None:
    watcher.wait_for_mode('RGBD')
    camera.alive = {Modality.RGB}
    watcher.wait_for_mode('RGB_ONLY')
    watcher.wait_for_masks(5)
    assert watcher.frames[-1]['used'] == 'rgb'
    camera.alive = set(Modality)
    watcher.wait_for_mode('RGBD')
    assert (
        watcher.modes
        == ['NO_INPUT', 'RGB_ONLY', 'RGBD', 'RGB_ONLY', 'RGBD'][-len(watcher.modes) :]
    )


@pytest.mark.usefixtures('node')
def test_depth_alone_is_labeled_when_color_dies(camera: Camera, watcher: Watcher) -> None:
    watcher.wait_for_mode('RGBD')
    camera.alive = {Modality.DEPTH}
    watcher.wait_for_mode('DEPTH_ONLY')
    mask = watcher.wait_for_masks(5)[-1]
    assert (mask.height, mask.width) == DEPTH_SIZE
    assert stamp_of(mask) in camera.stamps[Modality.DEPTH]
    camera.alive = set(Modality)
    watcher.wait_for_mode('RGBD')


@pytest.mark.usefixtures('node')
def test_diagnostics_name_both_topics_when_nothing_comes(
    camera: Camera, watcher: Watcher, node: SegmentProcess
) -> None:
    watcher.wait_for_mode('RGBD')
    camera.alive = set()
    watcher.wait_for_mode('NO_INPUT')
    for modality in ('rgb', 'depth'):
        status = watcher.wait_for_diagnostic(modality, is_error)
        assert status.message.startswith(f'/{modality}/image: nothing for ')
        assert status.message.endswith(' s: 1 publisher, but no image arrives')
    node.wait_for_log('/rgb/image: nothing for ')


@pytest.mark.usefixtures('camera')
def test_topic_of_the_transport_is_named_when_nobody_publishes_it(
    tmp_path: Path, model: Path, watcher: Watcher
) -> None:
    with segment(tmp_path, model=model, rgb_transport='compressed') as node:
        node.wait_for_log('/rgb/image/compressed: nothing for ')
        status = watcher.wait_for_diagnostic('rgb', lambda s: 'nothing for' in s.message)
        assert status.message.endswith('no publisher')


def lying_step(image: Image) -> None:
    image.step = 1


def short_data(image: Image) -> None:
    image.data = array('B', b'x')


def huge_size(image: Image) -> None:
    image.height = image.width = image.step = 2**32 - 1


def unknown_encoding(image: Image) -> None:
    image.encoding = 'yuv9000'


def no_pixels(image: Image) -> None:
    image.height = image.width = image.step = 0


def test_damaged_images_are_counted_and_end_nothing(
    camera: Camera, watcher: Watcher, node: SegmentProcess
) -> None:
    watcher.wait_for_mode('RGBD')
    kinds = cycle((lying_step, short_data, huge_size, unknown_encoding, no_pixels))
    camera.bad = dict.fromkeys(Modality, lambda image: next(kinds)(image))
    wait_until(lambda: count_bad(watcher) > 20, 'counted frames')
    camera.bad = {}
    watcher.wait_for_masks(5)
    assert node.process.poll() is None
    node.wait_for_log('color image: expected ')


@pytest.mark.usefixtures('node')
@pytest.mark.parametrize(
    ('damaged', 'used', 'size'),
    [(Modality.DEPTH, 'rgb', RGB_SIZE), (Modality.RGB, 'depth', DEPTH_SIZE)],
)
def test_good_image_of_a_pair_is_labeled_when_the_other_is_damaged(
    camera: Camera, watcher: Watcher, damaged: Modality, used: str, size: tuple[int, int]
) -> None:
    watcher.wait_for_mode('RGBD')
    camera.bad = {damaged: short_data}
    wait_until(lambda: watcher.frames and watcher.frames[-1]['used'] == used, f'a {used} frame')
    mask = watcher.wait_for_masks(2)[-1]
    assert (mask.height, mask.width) == size
    assert 'expected' in watcher.frames[-1]['problem']


@pytest.mark.usefixtures('node', 'camera')
def test_parameter_is_refused_with_the_reason_and_a_live_one_taken(watcher: Watcher) -> None:
    watcher.wait_for_mode('RGBD')
    assert set_parameter(watcher, 'unpaired', 'both') == (
        False,
        "unpaired: expected one of skip, rgb, got 'both'.",
    )
    refused, reason = set_parameter(watcher, 'model', '/other.onnx')
    assert not refused
    assert reason.startswith('model: read when the node configures. Clean it up first')
    assert 'out of range' in set_parameter(watcher, 'stale_after', -1.0)[1]
    if hasattr(watcher.node, 'add_pre_set_parameters_callback'):  # all but Humble
        assert set_parameter(watcher, 'max_rate', 20) == (True, '')
        assert 'out of range' in set_parameter(watcher, 'max_rate', 2000)[1]
    assert not set_parameter(watcher, 'max_rate', 'fast')[0]


@pytest.mark.usefixtures('node', 'camera')
def test_settings_of_the_stream_change_without_starting_over(watcher: Watcher) -> None:
    def received() -> int:
        return int(values_of(watcher.diagnostics['rgb'])['received'])

    watcher.wait_for_mode('RGBD')
    watcher.wait_for_diagnostic('rgb', lambda status: int(values_of(status)['received']) > 20)
    modes, before = list(watcher.modes), received()
    settings = {'stale_after': 0.4, 'pair_wait': 0.1, 'recovery_time': 0.7, 'unpaired': 'rgb'}
    for name, value in settings.items():
        assert set_parameter(watcher, name, value) == (True, '')
    watcher.diagnostics.clear()
    wait_until(lambda: 'pairing' in watcher.diagnostics, 'diagnostics')
    wait_until(lambda: values_of(watcher.diagnostics['pairing'])['pair_wait_ms'] == '100.0', 'it')
    watcher.wait_for_masks(5)
    assert watcher.modes == modes
    assert received() > before


@pytest.mark.parametrize(
    ('name', 'value', 'said'),
    [
        (
            'backend',
            'abacus',
            "backend: expected one of auto, tensorrt, openvino, torch, got 'abacus'.",
        ),
        ('max_pair_gap', '5.0', 'max_pair_gap: expected 0.0 to 1.0, got 5.0.'),
        ('stale_after', '1', 'stale_after: expected a value like 0.0, got 1. Write 1.0.'),
        ('model', '12', "model: expected a value like '', got 12."),
    ],
)
def test_refused_value_at_the_start_is_one_line_and_exit_code_2(
    name: str, value: str, said: str
) -> None:
    done = subprocess.run(
        [*NODE, '--ros-args', '-p', f'{name}:={value}'],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stderr) == (2, f'm3l: {said}\n')


@pytest.mark.parametrize('path', ['/no/such.onnx', '~no-such-user/b0.onnx'])
def test_missing_model_leaves_the_node_unconfigured_with_an_error(
    tmp_path: Path, watcher: Watcher, path: str
) -> None:
    with segment(tmp_path, model=path, unpaird='rgb') as node:
        status = watcher.wait_for_diagnostic('engine', is_error)
        said = f'model: expected the path of an exported network, got {path}'
        assert status.message.startswith(said)
        assert said in node.log
        assert 'unpaird: no such parameter, ignored. Did you mean unpaired?' in node.log
        assert state(watcher) == 'unconfigured'


@pytest.mark.usefixtures('camera')
def test_model_that_cannot_be_loaded_leaves_the_node_inactive_with_an_error(
    tmp_path: Path, watcher: Watcher
) -> None:
    broken = tmp_path / 'broken.onnx'
    broken.write_bytes(b'no network')
    with segment(tmp_path, model=broken) as node:
        status = watcher.wait_for_diagnostic('engine', is_error)
        assert str(broken) in status.message
        wait_until(lambda: state(watcher) == 'inactive', 'the inactive state')
        assert node.process.poll() is None
        assert 'Traceback' not in node.log


FAILING_ENGINE = """
import sys
from m3l_core.errors import EngineError
from m3l_perception import inference, loading, segment_node

inference._DOUBT_AFTER_S = 0.2
open_engine = loading.open_engine

def open_failing(*args, **options):
    engine = open_engine(*args, **options)
    run, calls = engine.run, []
    def run_thrice(*images):
        calls.append(1)
        if len(calls) > 3 and ('%(fails_on)s' == 'all' or images[0].any()):
            raise %(error)s
        return run(*images)
    engine.run = run_thrice
    return engine

loading.open_engine = open_failing
sys.exit(segment_node.main())
"""


def failing_node(folder: Path, model: Path, error: str, fails_on: str) -> SegmentProcess:
    code = FAILING_ENGINE % {'error': error, 'fails_on': fails_on}
    settings = ['-p', f'model:={model}', '-p', 'always_on:=true']
    return SegmentProcess(folder / 'log', ['-c', code, '--ros-args', *settings])


@pytest.mark.usefixtures('camera')
@pytest.mark.parametrize(
    ('error', 'said'),
    [
        ("EngineError('engine: the device is gone.')", 'engine: the device is gone.'),
        ("OSError('gone')", "engine: expected labels, got OSError('gone') for every image"),
    ],
)
def test_engine_that_fails_after_ready_ends_the_process(
    tmp_path: Path, model: Path, error: str, said: str
) -> None:
    node = failing_node(tmp_path, model, error, 'all')
    assert node.process.wait(PATIENCE_S) == 1
    assert said in node.log
    assert 'Traceback' not in node.log


@pytest.mark.usefixtures('camera')
def test_images_that_no_engine_labels_end_nothing(
    tmp_path: Path, model: Path, watcher: Watcher
) -> None:
    node = failing_node(tmp_path, model, "ValueError('odd image')", 'images')
    try:
        wait_until(lambda: count_bad(watcher) > 20, 'counted frames', lambda: node.log)
        assert node.process.poll() is None
    finally:
        assert node.end() == 0


@pytest.mark.usefixtures('camera')
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_node_cleanly(node: SegmentProcess, watcher: Watcher, number: int) -> None:
    watcher.wait_for_masks(2)
    assert node.end(number) == 0
    assert 'Traceback' not in node.log


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize('said', ['Loading', 'READY'])
def test_signal_ends_a_node_that_loads_or_waits_and_others_learn_of_it(
    tmp_path: Path, watcher: Watcher, said: str, number: int
) -> None:
    def heard() -> int:
        return int(watcher.node.count_publishers('/m3l_segment/mask'))

    with segment(tmp_path) as node:  # the shipped network, which takes a second to load
        node.wait_for_log(said)
        wait_until(lambda: heard() == 1, 'the node in the graph')
        assert node.end(number) == 0
        assert 'Traceback' not in node.log
        # One that vanished without a word would be taken to live for 20 s.
        wait_until(lambda: heard() == 0, 'the node out of the graph', patience_s=10)


@pytest.mark.usefixtures('camera')
def test_lifecycle_can_be_walked_up_and_down(
    tmp_path: Path, model: Path, watcher: Watcher
) -> None:
    with segment(tmp_path, model=model, autostart=False):
        for _ in range(2):
            assert state(watcher) == 'unconfigured'
            change(watcher, Transition.TRANSITION_CONFIGURE)
            for _ in range(2):
                change(watcher, Transition.TRANSITION_ACTIVATE)
                watcher.wait_for_mode('RGBD')
                watcher.wait_for_masks(2)
                change(watcher, Transition.TRANSITION_DEACTIVATE)
            change(watcher, Transition.TRANSITION_CLEANUP)
        change(watcher, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
        assert state(watcher) == 'finalized'


def test_simulated_time_is_missed_then_followed_and_jumps_are_survived(
    camera: Camera, watcher: Watcher, tmp_path: Path, model: Path
) -> None:
    with segment(tmp_path, model=model, use_sim_time=True) as node:
        node.wait_for_log('use_sim_time is set, but nothing comes on /clock')
        camera.start_clock(at_s=1000.0)
        watcher.wait_for_mode('RGBD')
        before = len(watcher.modes)
        camera.start_clock(at_s=5000.0)  # what skips ahead has lost nothing
        watcher.wait_for_masks(20)
        assert len(watcher.modes) == before
        camera.start_clock(at_s=10.0)
        wait_until(lambda: 'NO_INPUT' in watcher.modes[before:], 'reset')
        watcher.wait_for_mode('RGBD')
        watcher.wait_for_masks(3)
        camera.kill_clock()
        said = 'nobody publishes /clock any more'
        status = watcher.wait_for_diagnostic('clock', lambda s: s.message.startswith(said))
        assert status.level == DiagnosticStatus.WARN
        node.wait_for_log(said)


def is_error(status: Any) -> bool:
    return status.level == DiagnosticStatus.ERROR


def count_bad(watcher: Watcher) -> int:
    status = watcher.diagnostics.get('engine')
    values = status.values if status else ()
    return sum(int(item.value) for item in values if item.key.startswith('bad: '))
