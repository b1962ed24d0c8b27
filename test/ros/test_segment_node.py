"""The node as users run it: a process, real cameras (publishers), real DDS."""

from __future__ import annotations

import re
from typing import Any, TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticStatus
from node_harness import (
    DEPTH_SIZE,
    FRAME_ID,
    is_error,
    is_pair,
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

    from node_harness import Camera, Label, Watcher
    from sensor_msgs.msg import Image


@pytest.mark.usefixtures('node')
def test_mask_has_the_header_and_the_size_of_the_color_image(
    camera: Camera, watcher: Watcher
) -> None:
    def that_go_with(masks: dict[tuple[int, int], Image], images: list[Any]) -> list[Any]:
        return [image for image in images if stamp_of(image) in masks]

    wait_until(lambda: watcher.infos and watcher.confidences, 'confidence and calibration')
    pairs = watcher.wait_for_labels('of pairs in RGBD', in_rgbd, 5)
    masks = {label.stamp: label.mask for label in pairs}
    for others in (watcher.confidences, watcher.infos):
        wait_until(lambda others=others: that_go_with(masks, others), 'what goes with a mask')
        for image in (*masks.values(), *that_go_with(masks, others)):
            assert stamp_of(image) in camera.stamps[Modality.RGB]
            assert image.header.frame_id == FRAME_ID
            assert (image.height, image.width) == RGB_SIZE
    for label in pairs:
        assert (label.mask.encoding, label.mask.step) == ('mono8', RGB_SIZE[1])
        assert max(label.mask.data) < 13
        assert label.said['reason'] == 'paired'
        assert float(label.said['pair_gap_ms']) == 0
        assert float(label.said['engine_ms']) > 0


def in_rgbd(label: Label) -> bool:
    return is_pair(label) and label.said['mode'] == 'RGBD'


@pytest.mark.usefixtures('node')
def test_labels_go_on_when_depth_dies_and_use_it_again_when_it_returns(
    camera: Camera, watcher: Watcher
) -> None:
    def lacks_depth(label: Label) -> bool:
        return label.stamp not in camera.stamps[Modality.DEPTH]

    watcher.wait_for_labels('of pairs in RGBD', in_rgbd)
    camera.alive = {Modality.RGB}
    alone = watcher.wait_for_labels('without depth', lacks_depth, 5)
    watcher.wait_for_mode('RGB_ONLY')
    modes = len(watcher.modes)
    alone += watcher.wait_for_labels('without depth', lacks_depth, 5)
    assert {label.used for label in alone} == {'rgb'}
    assert 'RGBD' not in watcher.modes[modes:]
    camera.alive = set(Modality)
    watcher.wait_for_labels('of pairs in RGBD', in_rgbd)
    watcher.wait_for_mode('RGBD')


@pytest.mark.usefixtures('node')
def test_depth_alone_is_labeled_when_color_dies(camera: Camera, watcher: Watcher) -> None:
    def lacks_color(label: Label) -> bool:
        return label.stamp not in camera.stamps[Modality.RGB]

    watcher.wait_for_labels('of pairs in RGBD', in_rgbd)
    camera.alive = {Modality.DEPTH}
    for label in watcher.wait_for_labels('without color', lacks_color, 5):
        assert (label.used, label.size) == ('depth', DEPTH_SIZE)
        assert label.stamp in camera.stamps[Modality.DEPTH]
    watcher.wait_for_mode('DEPTH_ONLY')
    camera.alive = set(Modality)
    watcher.wait_for_labels('of pairs in RGBD', in_rgbd)
    watcher.wait_for_mode('RGBD')


@pytest.mark.usefixtures('node')
def test_diagnostics_name_both_topics_when_nothing_comes(
    camera: Camera, watcher: Watcher, node: SegmentProcess
) -> None:
    watcher.wait_for_mode('RGBD')
    camera.alive = set()
    watcher.wait_for_mode('NO_INPUT')
    for modality in ('rgb', 'depth'):
        # At the start there was an error as well, of no publisher.
        status = watcher.wait_for_diagnostic(
            modality, lambda s: is_error(s) and '1 publisher' in s.message
        )
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
        camera.start_clock(at_s=5000.0)
        watcher.wait_for_masks(20)
        watcher.wait_for_mode('RGBD')
        silences_s = map(float, re.findall(r'image for ([\d.]+) s', node.log))
        assert max(silences_s, default=0.0) < 1000  # what skips ahead has lost nothing
        camera.start_clock(at_s=10.0)
        node.wait_for_log('-> NO_INPUT: clock_jump')
        watcher.wait_for_mode('RGBD')
        watcher.wait_for_masks(3)
        camera.kill_clock()
        said = 'nobody publishes /clock any more'
        status = watcher.wait_for_diagnostic('clock', lambda s: s.message.startswith(said))
        assert status.level == DiagnosticStatus.WARN
        node.wait_for_log(said)
