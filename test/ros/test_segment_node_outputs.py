"""What the node publishes besides masks, and for whom; real DDS."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

from node_harness import (
    DEPTH_SIZE,
    FALLBACK_FRAME_ID,
    FALLBACK_SIZE,
    FRAME_ID,
    is_pair,
    RGB_SIZE,
    segment,
    SegmentProcess,
    set_parameter,
    stamp_of,
    values_of,
    wait_until,
    Watcher,
)
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, qos_profile_sensor_data, QoSProfile
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from m3l_core.frames import Modality

if TYPE_CHECKING:
    from pathlib import Path

    from node_harness import Camera, Label


@pytest.mark.usefixtures('node', 'camera')
def test_overlay_and_points_come_with_the_mask_when_somebody_listens(watcher: Watcher) -> None:
    overlays = watcher.listen(Image, 'overlay')
    clouds = watcher.listen(PointCloud2, 'points')
    wait_until(lambda: overlays and clouds, 'overlay and points')
    pairs = {label.stamp for label in watcher.wait_for_labels('of pairs', is_pair, 5)}
    picture, cloud = (first_of(pairs, images) for images in (overlays, clouds))
    assert (picture.encoding, picture.height, picture.width) == ('rgb8', *RGB_SIZE)
    assert len(picture.data) == RGB_SIZE[0] * RGB_SIZE[1] * 3
    assert [field.name for field in cloud.fields] == ['x', 'y', 'z', 'rgb', 'label']
    assert cloud.header.frame_id == FRAME_ID
    # The depth image is half the size of the color image and has no holes.
    assert cloud.width == DEPTH_SIZE[0] * DEPTH_SIZE[1]
    kinds = ('<f4', '<f4', '<f4', '<u4', '<u4')
    names = [field.name for field in cloud.fields]
    points = np.frombuffer(cloud.data, list(zip(names, kinds, strict=True)))
    assert points['z'].min() >= 0.5
    assert points['z'].max() <= 4.0
    assert points['label'].max() < 13
    # The focal length is the image's width: the outermost rays lie half a width aside.
    assert np.abs(points['x'] / points['z']).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.usefixtures('camera')
def test_nothing_is_labeled_while_nobody_listens_but_mode_and_diagnostics_live(
    tmp_path: Path, model: Path
) -> None:
    with segment(tmp_path, model=model), Watcher(listens=False) as watcher:
        watcher.wait_for_mode('RGBD')
        skipped = 'skipped_unheard'
        watcher.wait_for_diagnostic('engine', lambda s: int(values_of(s).get(skipped, 0)) > 5)
        assert values_of(watcher.diagnostics['engine'])['labeled'] == '0'
        assert set_parameter(watcher, 'always_on', True) == (True, '')
        watcher.wait_for_diagnostic('engine', lambda s: int(values_of(s)['labeled']) > 0)


def test_mode_follows_sick_images_though_nobody_listens(
    tmp_path: Path, model: Path, camera: Camera
) -> None:
    with segment(tmp_path, model=model), Watcher(listens=False) as watcher:
        watcher.wait_for_mode('RGBD')
        camera.bad[Modality.RGB] = blacken
        watcher.wait_for_mode('DEPTH_ONLY')
        del camera.bad[Modality.RGB]
        watcher.wait_for_mode('RGBD')
        assert values_of(watcher.diagnostics['engine'])['labeled'] == '0'


@pytest.mark.usefixtures('node', 'camera')
def test_unsure_pixels_are_unlabeled_as_soon_as_the_parameter_says_so(watcher: Watcher) -> None:
    watcher.wait_for_masks(1)
    assert set_parameter(watcher, 'min_confidence', 1.0) == (True, '')
    wait_until(lambda: min(watcher.masks[-1].data) == 255, 'an unlabeled mask')
    assert set_parameter(watcher, 'min_confidence', 0.0) == (True, '')
    wait_until(lambda: max(watcher.masks[-1].data) < 13, 'a labeled mask')


@pytest.mark.usefixtures('camera')
def test_max_rate_leaves_frames_out_and_counts_them(
    tmp_path: Path, model: Path, watcher: Watcher
) -> None:
    with segment(tmp_path, model=model, max_rate=5.0):
        watcher.wait_for_diagnostic(
            'engine', lambda s: int(values_of(s).get('skipped_max_rate', 0)) > 10
        )


@pytest.mark.usefixtures('node')
def test_unregistered_depth_stands_in_with_its_own_header_when_both_streams_stop(
    camera: Camera, watcher: Watcher
) -> None:
    camera.has_fallback = True
    watcher.wait_for_mode('RGBD')
    camera.alive = set()
    watcher.wait_for_mode('DEPTH_ONLY')
    stamps = camera.stamps[Modality.RGB] | camera.stamps[Modality.DEPTH]
    labels = watcher.wait_for_labels('of the other depth', lambda it: it.stamp not in stamps, 5)
    for label in labels:
        assert (label.used, label.said['reason']) == ('depth', 'fallback')
        assert (label.mask.header.frame_id, label.size) == (FALLBACK_FRAME_ID, FALLBACK_SIZE)
    info = first_of({label.stamp for label in labels}, watcher.infos)
    assert (info.header.frame_id, info.width) == (FALLBACK_FRAME_ID, FALLBACK_SIZE[1])
    watcher.wait_for_diagnostic('depth_fallback', lambda s: 'used when' in s.message)
    camera.alive = set(Modality)
    (pair,) = watcher.wait_for_labels('of pairs', is_pair)
    assert pair.mask.header.frame_id == FRAME_ID
    watcher.wait_for_mode('RGBD')


def test_depth_of_another_size_is_told_once(
    camera: Camera, watcher: Watcher, node: SegmentProcess
) -> None:
    watcher.wait_for_labels('of pairs', is_pair, 5)
    doubt = '/depth/image: depth image: expected 160x120 pixels as the color image has, got 80x60'
    assert node.log.count(doubt) == 1
    assert camera.stamps[Modality.DEPTH]


@pytest.mark.usefixtures('node')
def test_black_color_image_counts_as_missing_and_depth_labels_at_its_size(
    camera: Camera, watcher: Watcher
) -> None:
    watcher.wait_for_mode('RGBD')
    camera.bad = {Modality.RGB: blacken}
    watcher.wait_for_mode('DEPTH_ONLY')

    def lies_beside_black(label: Label) -> bool:
        return label.used == 'depth' and 'rgb_black' in label.said['problem']

    for label in watcher.wait_for_labels('of depth beside black', lies_beside_black, 3):
        assert label.size == RGB_SIZE
    watcher.wait_for_diagnostic(
        'rgb', lambda s: 'rgb_black' in s.message and int(values_of(s)['sick']) >= 5
    )
    camera.bad = {}
    watcher.wait_for_mode('RGBD')


def test_reliable_subscription_of_a_best_effort_camera_is_told_with_the_remedy(
    tmp_path: Path, model: Path, watcher: Watcher
) -> None:
    best_effort = qos_profile_sensor_data
    publisher = watcher.node.create_publisher(Image, '/rgb/image', best_effort)
    override = {'qos_overrides./rgb/image.subscription.reliability': 'reliable'}
    with segment(tmp_path, model=model, **override) as node:
        node.wait_for_log('/rgb/image: a publisher offers an incompatible QoS (RELIABILITY)')
        assert 'set qos_overrides./rgb/image.subscription.* here' in node.log
        status = watcher.wait_for_diagnostic('rgb', lambda s: 'incompatible QoS' in s.message)
        asked = values_of(status)['qos']
        assert asked == 'reliable volatile; offered: best_effort volatile'
    watcher.node.destroy_publisher(publisher)


def test_subscription_that_asks_for_more_than_is_offered_is_told_once_with_the_remedy(
    tmp_path: Path, model: Path, watcher: Watcher
) -> None:
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    for kind, topic in ((CameraInfo, 'camera_info'), (Image, 'mask'), (Image, 'overlay')):
        watcher.node.create_subscription(kind, f'/m3l_segment/{topic}', id, latched)
    override = {'qos_overrides./m3l_segment/overlay.publisher.reliability': 'best_effort'}
    with segment(tmp_path, model=model, **override) as node:
        why = '/watcher asks for an incompatible QoS (Volatile publisher and transient local '
        for topic in ('camera_info', 'mask'):
            node.wait_for_log(f'/m3l_segment/{topic}: {why}subscription), and gets nothing. Ask ')
        node.wait_for_log('Ask for reliable volatile there.\n')
        remedy = 'set qos_overrides./m3l_segment/overlay.publisher.reliability here'
        node.wait_for_log(f'Ask for best_effort volatile there, or {remedy}')
        watcher.diagnostics.clear()
        watcher.wait_for_diagnostic('engine', lambda s: s.message == 'READY')
        assert node.log.count('asks for an incompatible QoS') == 3


def test_quality_of_service_is_overridden_for_one_topic_alone(
    watcher: Watcher, tmp_path: Path, model: Path
) -> None:
    def reliability(topic: str) -> list[str]:
        listed = (
            *watcher.node.get_publishers_info_by_topic(topic),
            *watcher.node.get_subscriptions_info_by_topic(topic),
        )
        return [e.qos_profile.reliability.name for e in listed if e.node_name == 'm3l_segment']

    overrides = {
        'qos_overrides./rgb/image.subscription.reliability': 'reliable',
        'qos_overrides./m3l_segment/mask.publisher.reliability': 'best_effort',
    }
    with segment(tmp_path, model=model, **overrides):
        for topic, words in (
            ('/rgb/camera_info', 'BEST_EFFORT'),
            ('/rgb/image', 'RELIABLE'),
            ('/depth/image', 'BEST_EFFORT'),
            ('/m3l_segment/confidence', 'RELIABLE'),
            ('/m3l_segment/mask', 'BEST_EFFORT'),
            ('/diagnostics', 'RELIABLE'),
        ):
            wait_until(lambda topic=topic: reliability(topic), f'the node at {topic}')
            assert reliability(topic) == [words], topic


def test_diagnostics_tell_rate_skew_and_quality_of_service(
    camera: Camera, watcher: Watcher, node: SegmentProcess
) -> None:
    def is_told_with_its_rate(status: Any) -> bool:
        rate_hz = values_of(status).get('rate_hz', '-')
        kept_hz = pytest.approx(camera.rate_hz, rel=0.5)  # which a busy machine lowers
        return status.message == 'receiving' and rate_hz != '-' and float(rate_hz) == kept_hz

    def is_without_skew(status: Any) -> bool:
        skew_ms = values_of(status).get('skew_ms', '-')
        return skew_ms != '-' and float(skew_ms) == 0.0

    rgb = values_of(watcher.wait_for_diagnostic('rgb', is_told_with_its_rate))
    assert rgb['qos'] == 'best_effort volatile; offered: reliable volatile'
    assert (rgb['transport'], rgb['health'], rgb['sick']) == ('raw', 'ok', '0')
    watcher.wait_for_diagnostic('pairing', is_without_skew)
    assert node.process.poll() is None


def test_stamps_that_stand_still_are_told_from_silence(
    camera: Camera, watcher: Watcher, node: SegmentProcess
) -> None:
    watcher.wait_for_mode('RGBD')
    now = camera.node.get_clock().now().to_msg()
    camera.bad[Modality.DEPTH] = lambda image: setattr(image.header, 'stamp', now)
    watcher.wait_for_mode('RGB_ONLY')
    said = '/depth/image: images come, but for '
    watcher.wait_for_diagnostic('depth', lambda s: s.message.startswith(said))
    node.wait_for_log('its stamps stand still or repeat')


def first_of(stamps: set[tuple[int, int]], messages: list[Any]) -> Any:
    """Return the first message that has one of these stamps, once it came."""
    wait_until(lambda: any(stamp_of(m) in stamps for m in messages), 'message of these stamps')
    return next(message for message in messages if stamp_of(message) in stamps)


def blacken(image: Image) -> None:
    image.data = bytes(len(image.data))
