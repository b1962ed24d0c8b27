"""Rule 8 on decoded images: what is sick, and what only looks so."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

from m3l_core.frames import Modality, RgbdFrame
from m3l_core.stream.content import Content, ContentWatch
from m3l_core.stream.health import Finding, HealthRecord, Severity

RGB, DEPTH = Modality.RGB, Modality.DEPTH
SIZE = (480, 640)
PERIOD_NS = 33_333_333


def rgb(scene: int = 0, cell: int = 80) -> NDArray[np.uint8]:
    """A rendered image: equal bytes for an equal scene."""
    pixels = np.random.default_rng(scene).integers(0, 256, (6, 8, 3), np.uint8)
    return pixels.repeat(cell, axis=0).repeat(cell, axis=1)


def depth(scene: int = 0, cell: int = 80) -> NDArray[np.float32]:
    meters = np.random.default_rng(scene).uniform(0.5, 4, (6, 8)).astype(np.float32)
    meters[0, 0] = np.nan
    return meters.repeat(cell, axis=0).repeat(cell, axis=1)


def judge(frame: RgbdFrame) -> Content:
    return ContentWatch().judge(frame, now_ns=0)


def words(content: Content) -> list[str]:
    found = [finding.fault for finding in (content.rgb, content.depth) if finding]
    return [fault.partition(':')[0] for fault in found if fault]


def judged(
    scenes: Iterator[tuple[int, int]], *, period_ns: int = PERIOD_NS
) -> Iterator[tuple[float, Content]]:
    """Judge frames of rendered scenes, one period apart; yield the seconds and the findings."""
    watch = ContentWatch()
    for index, (seen_by_rgb, seen_by_depth) in enumerate(scenes):
        frame = RgbdFrame(rgb(seen_by_rgb), depth(seen_by_depth))
        yield index * period_ns / 1e9, watch.judge(frame, now_ns=index * period_ns)


def test_good_images_are_healthy() -> None:
    content = judge(RgbdFrame(rgb(), depth()))
    assert content == Content(Finding(), Finding())
    assert content.used == (RGB, DEPTH)


def test_an_image_that_is_not_there_is_not_judged() -> None:
    assert judge(RgbdFrame(rgb(), None)).depth is None
    assert judge(RgbdFrame(None, depth())).rgb is None


@pytest.mark.parametrize(('level', 'found'), [(7, ['rgb_black']), (8, [])])
def test_black_is_an_image_below_8(level: int, found: list[str]) -> None:
    assert words(judge(RgbdFrame(np.full((*SIZE, 3), level, np.uint8), depth()))) == found


@pytest.mark.parametrize(('level', 'found'), [(248, ['rgb_white']), (247, [])])
def test_white_is_an_image_above_247(level: int, found: list[str]) -> None:
    assert words(judge(RgbdFrame(np.full((*SIZE, 3), level, np.uint8), depth()))) == found


def test_a_lamp_in_the_dark_is_something_to_see() -> None:
    night = np.zeros((*SIZE, 3), np.uint8)
    night[200:280, 300:380] = 200
    assert words(judge(RgbdFrame(night, None))) == []


def test_a_pure_color_is_not_black() -> None:
    blue = np.zeros((*SIZE, 3), np.uint8)
    blue[..., 2] = 200
    assert words(judge(RgbdFrame(blue, None))) == []


@pytest.mark.parametrize('hole', [0, np.nan, np.inf, -np.inf, -1])
def test_depth_without_readings_is_empty(hole: float) -> None:
    content = judge(RgbdFrame(rgb(), np.full(SIZE, hole, np.float32)))
    assert content.depth is not None
    assert content.depth.fault == 'depth_empty: 0.0% of the depth image is valid'
    assert content.used == (RGB,)


@pytest.mark.parametrize(('columns', 'found'), [(8, ['depth_empty']), (16, [])])
def test_depth_needs_a_fiftieth_of_its_readings(columns: int, found: list[str]) -> None:
    meters = np.zeros(SIZE, np.float32)
    meters[:, :columns] = 1.5
    assert words(judge(RgbdFrame(rgb(), meters))) == found


def test_the_sick_image_is_left_out_and_the_frame_keeps_its_place() -> None:
    frame = RgbdFrame(np.zeros((*SIZE, 3), np.uint8), depth(), stamp_ns=7, frame_id='camera')
    healthy = judge(frame).without_sick(frame)
    assert healthy.rgb is None
    assert healthy.depth_m is frame.depth_m
    assert (healthy.stamp_ns, healthy.frame_id) == (7, 'camera')


def test_of_two_sick_images_the_less_sick_one_is_labeled_and_told() -> None:
    frame = RgbdFrame(np.zeros((*SIZE, 3), np.uint8), np.zeros(SIZE, np.float32))
    content = judge(frame)
    assert content.used == (RGB,)
    assert content.without_sick(frame).rgb is frame.rgb
    assert content.warning == (
        'both_sick: rgb_black: 100% of the image is black; '
        'depth_empty: 0.0% of the depth image is valid; labels are made from rgb'
    )


def test_empty_depth_is_less_sick_than_frozen_rgb() -> None:
    watch = ContentWatch()
    for index in range(70):
        few = np.zeros(SIZE, np.float32)
        few[index, 0] = 1
        content = watch.judge(RgbdFrame(rgb(), few), now_ns=index * PERIOD_NS)
    assert words(content) == ['rgb_frozen', 'depth_empty']
    assert content.used == (DEPTH,)
    assert content.warning.endswith('labels are made from depth')


def test_a_sick_image_alone_is_labeled() -> None:
    assert judge(RgbdFrame(np.zeros((*SIZE, 3), np.uint8), None)).used == (RGB,)


def test_depth_is_frozen_after_2_s_in_which_rgb_changed() -> None:
    found = {at: words(content) for at, content in judged((i, 0) for i in range(90))}
    assert {at: [] for at in found if at < 2} == {at: f for at, f in found.items() if at < 2}
    assert all(words == ['depth_frozen'] for at, words in found.items() if at > 2)


def test_rgb_is_frozen_after_2_s_in_which_depth_changed() -> None:
    *_, (at, content) = judged((0, i) for i in range(90))
    assert words(content) == ['rgb_frozen']
    assert content.used == (DEPTH,)
    assert content.rgb is not None
    assert content.rgb.fault == (
        f'rgb_frozen: the same image for {at:.1f} s while the other stream changes'
    )


def test_a_frozen_stream_is_well_with_its_first_new_image() -> None:
    scenes = [(i, 0) for i in range(90)] + [(91, 91)]
    *_, (_, content) = judged(iter(scenes))
    assert words(content) == []


@pytest.mark.parametrize('period_ns', [PERIOD_NS, 900_000_000])
def test_both_still_is_worth_a_word_and_no_more(period_ns: int) -> None:
    results = [content for _, content in judged(((0, 0) for _ in range(90)), period_ns=period_ns)]
    assert all(words(content) == [] for content in results)
    assert results[0].warning == ''
    assert results[-1].warning.startswith('both_still: ')


def test_a_slow_engine_sees_what_is_frozen() -> None:
    results = judged(((i, 0) for i in range(10)), period_ns=900_000_000)
    assert [words(content) for _, content in results][-1] == ['depth_frozen']


def test_one_pixel_is_a_change() -> None:
    watch = ContentWatch()
    for index in range(90):
        meters = depth()
        meters[471, 633] = index
        content = watch.judge(RgbdFrame(rgb(index), meters), now_ns=index * PERIOD_NS)
    assert words(content) == []


def test_a_clock_that_was_set_back_begins_anew() -> None:
    watch = ContentWatch()
    for index in range(50):
        watch.judge(RgbdFrame(rgb(index), depth()), now_ns=10**12 + index * PERIOD_NS)
    for index in range(50):
        content = watch.judge(RgbdFrame(rgb(index), depth()), now_ns=index * PERIOD_NS)
        assert words(content) == []


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    legs=st.lists(st.tuples(st.booleans(), st.integers(1, 120)), min_size=2, max_size=5),
    behind=st.integers(-1, 1),
    depth_every=st.integers(1, 3),
)
def test_a_robot_that_drives_and_parks_without_noise_raises_no_alarm(
    legs: list[tuple[bool, int]], behind: int, depth_every: int
) -> None:
    """One stream may see the start of a motion a frame before the other, or run slower."""
    scene, seen = 0, []
    for drives, frames in legs:
        for _ in range(frames):
            scene += drives
            seen.append(scene)
    watch = ContentWatch()
    for index, of_rgb in enumerate(seen):
        of_depth = seen[min(max(index + behind, 0), len(seen) - 1)]
        meters = depth(of_depth, cell=1) if index % depth_every == 0 else None
        pair = RgbdFrame(rgb(of_rgb, cell=1), meters)
        assert words(watch.judge(pair, now_ns=index * PERIOD_NS)) == []


def test_five_sick_images_in_a_row_make_a_stream_sick() -> None:
    record = HealthRecord()
    black = Finding('rgb_black: 100% of the image is black', Severity.SAYS_NOTHING)
    faults = []
    for finding in [black] * 4 + [Finding()] + [black] * 5 + [Finding()]:
        record.note(finding, 0)
        faults.append(record.fault)
    assert faults == [None] * 9 + [black.fault, None]
    assert record.sick == 9


def test_an_image_that_cannot_be_decoded_is_the_sickest() -> None:
    finding = Finding.unreadable(RGB, 'rgb image: expected a JPEG')
    assert finding.fault == 'rgb_unreadable: rgb image: expected a JPEG'
    assert finding.severity == max(Severity)
