"""The node as users run it: a process, real cameras (publishers), real DDS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticStatus
from node_harness import (
    DEPTH_SIZE,
    FRAME_ID,
    is_error,
    RGB_SIZE,
    segment,
    SegmentProcess,
    stamp_of,
    wait_until,
)
import pytest

from m3l_core.frames import Modality

if TYPE_CHECKING:
    from pathlib import Path

    from node_harness import Camera, Watcher


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
