"""Rule 8 in the stream: what sick images do to the mode; and depth that is not registered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from stream_simulation import camera, DEPTH, EPOCH_NS, Event, ms, RGB, Run, simulate

from m3l_core.frames import Modality, RgbdFrame
from m3l_core.stream import ContentWatch, Finding, Mode, StreamConfig, Taken
from m3l_core.stream.health import Severity

SETTLED = [Mode.RGB_ONLY, Mode.RGBD]
BLACK = Finding('rgb_black: 100% of the image is black', Severity.SAYS_NOTHING)
EMPTY = Finding('depth_empty: 0.0% of the depth image is valid', Severity.SAYS_NOTHING)
FROZEN = Finding('rgb_frozen: the same image', Severity.MISLEADS)
SICK = {RGB: BLACK, DEPTH: EMPTY}
ALONE = {RGB: Mode.DEPTH_ONLY, DEPTH: Mode.RGB_ONLY}


def rgb(hz: float = 30, **how: float | tuple[float, float]) -> list[Event]:
    return camera(RGB, hz=hz, end_ms=8000, jitter_ms=5, **how)  # type: ignore[arg-type]


def depth(hz: float = 30, **how: float | tuple[float, float]) -> list[Event]:
    return camera(DEPTH, hz=hz, end_ms=8000, lag_ms=40, jitter_ms=10, **how)  # type: ignore[arg-type]


def sick(
    *spells: tuple[Modality, float, float, Finding],
) -> Callable[[Taken], dict[Modality, Finding]]:
    """Images of a stream that arrive from one time to another are sick."""

    def look(taken: Taken) -> dict[Modality, Finding]:
        found = {}
        for modality, image in ((RGB, taken.rgb), (DEPTH, taken.depth)):
            if isinstance(image, Event):
                found[modality] = Finding()
                for whose, first_ms, last_ms, finding in spells:
                    if whose is modality and ms(first_ms) <= image.arrival_ns < ms(last_ms):
                        found[modality] = finding
        return found

    return look


def words(run: Run) -> list[str]:
    return [transition.reason.partition(':')[0] for transition in run.transitions]


@pytest.mark.parametrize('ill', [RGB, DEPTH])
@pytest.mark.parametrize('rates', [(30, 30), (30, 15), (15, 30)])
def test_a_sick_stream_is_left_for_the_other_and_comes_back(
    ill: Modality, rates: tuple[int, int]
) -> None:
    run = simulate(
        rgb(rates[0]), depth(rates[1]), look=sick((ill, 3000, 5000, SICK[ill])), until_ms=7900
    )
    assert run.path == [*SETTLED, ALONE[ill], Mode.RGBD]
    assert run.transitions[2].reason == SICK[ill].fault
    assert run.mode_at(4000) is ALONE[ill]
    assert run.mode_at(5700) is Mode.RGBD


@pytest.mark.parametrize(('images', 'leaves'), [(4, False), (5, True)])
def test_five_sick_images_in_a_row_change_the_mode(images: int, leaves: bool) -> None:
    look = sick((DEPTH, 3000, 2999 + images * 1000 / 30, EMPTY))
    run = simulate(camera(RGB, hz=30, end_ms=6000), camera(DEPTH, hz=30, end_ms=6000), look=look)
    assert run.stream.statistics(ms(6000)).depth.sick == images
    assert (run.path == SETTLED) is not leaves


def test_every_second_image_sick_changes_no_mode_and_ends_none() -> None:
    def look(taken: Taken) -> dict[Modality, Finding]:
        number = taken.stamp_ns // ms(1000 / 30)
        is_ill = taken.receive_ns > ms(3000) and (number % 2 or taken.receive_ns < ms(3500))
        return {DEPTH: EMPTY if is_ill else Finding()} if taken.depth else {}

    run = simulate(rgb(), depth(), look=look)
    assert run.path == [*SETTLED, Mode.RGB_ONLY]


def test_the_health_of_a_stream_is_told_with_its_counts() -> None:
    run = simulate(rgb(), depth(), look=sick((RGB, 3000, 9000, BLACK)))
    counts = run.stream.statistics(ms(8000))
    assert counts.rgb.health == BLACK.fault
    assert counts.depth.health == ''


def test_frames_are_still_paired_while_a_stream_is_sick() -> None:
    run = simulate(rgb(), depth(), look=sick((RGB, 3000, 9000, BLACK)))
    assert all(frame.reason == 'paired' for frame in run.frames(4000, 7000))
    assert {frame.anchor for frame in run.frames()} == {RGB}


def test_between_images_of_a_slower_depth_sick_rgb_is_left_out() -> None:
    config = StreamConfig(unpaired='rgb')
    run = simulate(rgb(30), depth(15), config=config, look=sick((RGB, 3000, 9000, BLACK)))
    assert run.path == [*SETTLED, Mode.DEPTH_ONLY]
    assert len(run.frames(2000, 3000)) == 30
    assert all(frame.depth is not None for frame in run.frames(4000, 7000))


@pytest.mark.parametrize(
    ('of_rgb', 'mode'), [(BLACK, Mode.RGB_ONLY), (FROZEN, Mode.DEPTH_ONLY)], ids=['equal', 'worse']
)
def test_of_two_sick_streams_the_less_sick_one_is_the_mode(of_rgb: Finding, mode: Mode) -> None:
    look = sick((RGB, 3000, 9000, of_rgb), (DEPTH, 3000, 9000, EMPTY))
    run = simulate(rgb(), depth(), look=look)
    assert run.mode_at(4000) is mode
    assert of_rgb.fault in run.stream.reason
    assert EMPTY.fault in run.stream.reason
    assert len(run.frames(4000, 5000)) == 30


def test_depth_that_dies_while_rgb_is_sick_leaves_the_labels_to_rgb() -> None:
    run = simulate(
        rgb(), depth(dead_ms=(5000, 9000)), look=sick((RGB, 3000, 9000, BLACK)), until_ms=7900
    )
    assert run.path == [*SETTLED, Mode.DEPTH_ONLY, Mode.RGB_ONLY]
    assert words(run)[-1] == 'depth_stale'
    assert run.gap_ms(5000) <= 1000 / 30 + 66 + 5 + 5


def test_sick_rgb_that_dies_and_comes_back_well_is_used_again() -> None:
    run = simulate(
        rgb(dead_ms=(4000, 5500)), depth(), look=sick((RGB, 3000, 4500, BLACK)), until_ms=7900
    )
    assert run.path == [*SETTLED, Mode.DEPTH_ONLY, Mode.RGBD]


def test_rgb_that_is_back_leaves_depth_that_was_sick_the_time_to_recover() -> None:
    look = sick((DEPTH, 5500, 7300, EMPTY))
    run = simulate(rgb(dead_ms=(4000, 6500)), depth(), look=look, until_ms=7950)
    assert run.path == [*SETTLED, Mode.DEPTH_ONLY, Mode.RGBD]


def test_a_reset_forgets_that_a_stream_was_sick() -> None:
    run = simulate(rgb(), depth(), look=sick((RGB, 3000, 9000, BLACK)))
    run.stream.reset()
    assert run.stream.statistics(ms(8000)).rgb.health == ''


def test_a_parked_robot_in_a_simulator_without_noise_keeps_its_mode() -> None:
    """It drives for 3 s, parks for 6 s and drives on; what it sees depends on that alone."""
    watch = ContentWatch()
    warnings = set()

    def seen(image: object, offset: int) -> int:
        assert isinstance(image, Event)
        at = (image.stamp_ns - EPOCH_NS) // ms(1)
        return 1 + offset + min(at, 3000) + max(at - 9000, 0)

    def look(taken: Taken) -> dict[Modality, Finding]:
        frame = RgbdFrame(
            np.full((6, 8, 3), 20 + seen(taken.rgb, 0) % 200, np.uint8) if taken.rgb else None,
            np.full((6, 8), seen(taken.depth, 7) / 1000, np.float32) if taken.depth else None,
        )
        content = watch.judge(frame, now_ns=taken.receive_ns)
        warnings.add(content.warning.partition(':')[0])
        found = {RGB: content.rgb, DEPTH: content.depth}
        return {modality: finding for modality, finding in found.items() if finding}

    run = simulate(
        camera(RGB, hz=30, end_ms=12_000, jitter_ms=5),
        camera(DEPTH, hz=30, end_ms=12_000, lag_ms=40, jitter_ms=10, loss=0.05, phase_ms=9),
        look=look,
        until_ms=11_900,
    )
    assert run.path == SETTLED
    counts = run.stream.statistics(ms(11_900))
    assert (counts.rgb.sick, counts.depth.sick) == (0, 0)
    assert warnings == {'', 'both_still'}


# The sensor of the unregistered depth is that of the registered one: same stamps, same rhythm.
def unregistered(**how: float | tuple[float, float]) -> list[Event]:
    return camera(DEPTH, hz=30, end_ms=8000, lag_ms=20, jitter_ms=5, **how)  # type: ignore[arg-type]


def test_unregistered_depth_stands_in_when_registered_depth_dies_with_rgb() -> None:
    dead_ms = (3000.0, 5000.0)
    other = unregistered()
    run = simulate(rgb(dead_ms=dead_ms), depth(dead_ms=dead_ms), fallback=other, until_ms=7900)
    assert run.path == [*SETTLED, Mode.DEPTH_ONLY, Mode.RGBD]
    used = {id(frame.depth) for frame in run.frames()} & set(map(id, other))
    assert len(used) == pytest.approx(57, abs=3)
    assert {f.reason for f in run.frames() if id(f.depth) in used} == {'fallback'}
    assert run.gap_ms(3000) <= 4 * 1000 / 30 + 5 + 66 + 5
    assert run.stream.statistics(ms(7900)).fallback.drops['not_needed'] > 100


def test_unregistered_depth_is_never_used_while_another_stream_lives() -> None:
    other = unregistered()
    for streams in ([rgb()], [depth()], [rgb(), depth()]):
        run = simulate(*streams, fallback=other, until_ms=7900)
        assert not {id(frame.depth) for frame in run.frames()} & set(map(id, other))


def test_unregistered_depth_alone_from_the_start_is_labeled() -> None:
    run = simulate(fallback=unregistered(), until_ms=3000)
    assert run.path == [Mode.DEPTH_ONLY]
    assert run.transitions[0].at_ns <= ms(400)
    assert len(run.labels) > 75


def test_all_three_dead_is_no_input() -> None:
    dead_ms = (3000.0, 9000.0)
    run = simulate(
        rgb(dead_ms=dead_ms),
        depth(dead_ms=dead_ms),
        fallback=unregistered(dead_ms=(4500, 9000)),
        until_ms=7900,
    )
    assert run.path == [*SETTLED, Mode.DEPTH_ONLY, Mode.NO_INPUT]


def test_unregistered_depth_behind_its_newest_is_dropped_and_set_back_begins_anew() -> None:
    other = unregistered()
    swapped = [replace(other[1], arrival_ns=other[2].arrival_ns + 1)]
    back = [
        replace(image, stamp_ns=image.stamp_ns - ms(9000))
        for image in other
        if image.arrival_ns > ms(4000)
    ]
    images = [other[0], other[2], *swapped, *other[3:120], *back]
    run = simulate(fallback=images, until_ms=7900)
    counts = run.stream.statistics(ms(7900)).fallback
    assert counts.drops['out_of_order'] == 1
    assert run.path == [Mode.DEPTH_ONLY]


def test_faults_of_unregistered_depth_are_its_own() -> None:
    dead_ms = (3000.0, 5000.0)
    other = unregistered()

    def look(taken: Taken) -> dict[Modality, Finding]:
        return {DEPTH: EMPTY if taken.is_fallback else Finding()} if taken.depth else {}

    run = simulate(
        rgb(dead_ms=dead_ms), depth(dead_ms=dead_ms), fallback=other, look=look, until_ms=7900
    )
    counts = run.stream.statistics(ms(7900))
    assert (counts.depth.sick, counts.depth.health) == (0, '')
    assert counts.fallback.sick > 50
    assert counts.fallback.health == EMPTY.fault
    assert run.path == [*SETTLED, Mode.DEPTH_ONLY, Mode.RGBD]
