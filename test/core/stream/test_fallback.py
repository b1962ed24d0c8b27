"""When unregistered depth stands in."""

from __future__ import annotations

from itertools import pairwise

import pytest

from m3l_core.frames import Modality
from m3l_core.stream import Mode, Stream, StreamConfig
from m3l_core.stream.fallback import Fallback

PERIOD_NS = 40_000_000


def watched(frames: int, *modalities: Modality) -> tuple[Fallback, int]:
    """Return a fallback that saw so many images of each stream, and when the last one came."""
    fallback = Fallback(0)
    now_ns = 0
    for _ in range(frames):
        now_ns += PERIOD_NS
        for modality in modalities:
            fallback.note(modality, now_ns)
    return fallback, now_ns


@pytest.mark.parametrize(('silence_ms', 'needed'), [(59, False), (60, True)])
def test_needed_when_both_streams_miss_one_and_a_half_periods(
    silence_ms: int, needed: bool
) -> None:
    fallback, last_ns = watched(20, *Modality)
    assert fallback.is_needed(last_ns + silence_ms * 1_000_000) is needed


@pytest.mark.parametrize('alive', list(Modality))
def test_not_needed_while_one_stream_comes(alive: Modality) -> None:
    fallback, now_ns = watched(20, *Modality)
    for _ in range(20):
        now_ns += PERIOD_NS
        fallback.note(alive, now_ns)
        assert not fallback.is_needed(now_ns + PERIOD_NS)


@pytest.mark.parametrize(('age_ms', 'needed'), [(299, False), (300, True)])
def test_streams_that_never_came_are_given_their_time(age_ms: int, needed: bool) -> None:
    assert Fallback(0).is_needed(age_ms * 1_000_000) is needed


def test_clock_that_is_set_back_starts_the_silence_anew() -> None:
    fallback, _ = watched(20, *Modality)
    assert not fallback.is_needed(10)
    assert fallback.is_needed(10 + 2 * PERIOD_NS)


def test_stream_labels_depth_within_four_periods_when_both_die_and_a_fallback_lives() -> None:
    stream, fallback = Stream(StreamConfig()), Fallback(0)
    labeled_ns: list[int] = []
    died = 100
    for tick in range(2 * died):
        for offset_ns in range(0, PERIOD_NS, PERIOD_NS // 8):
            now_ns = tick * PERIOD_NS + offset_ns
            if offset_ns == 0 and tick <= died:
                for modality in Modality:
                    fallback.note(modality, now_ns)
                    stream.add(modality, modality.name, stamp_ns=now_ns + 1, now_ns=now_ns)
            if offset_ns == PERIOD_NS // 2 and fallback.is_needed(now_ns):
                stream.add(Modality.DEPTH, 'fallback', stamp_ns=now_ns + 1, now_ns=now_ns)
            while (taken := stream.take(now_ns)) is not None:
                labeled_ns.append(now_ns)
                if tick > died:
                    assert (taken.rgb, taken.depth) == (None, 'fallback')
    gaps = [after - before for before, after in pairwise(labeled_ns)]
    assert max(gaps) <= 4 * PERIOD_NS
    assert stream.mode is Mode.DEPTH_ONLY
