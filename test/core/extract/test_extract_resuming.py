"""Going on after a stop: what is done is not done again, and nothing is mixed."""

from __future__ import annotations

from pathlib import Path
import shutil

from extracting import good_bag, names, PERIOD_NS, run, START_NS
import pytest

from m3l_core.bags.topics import RGB_TOPIC
from m3l_core.errors import DataError


def test_finished_bags_are_not_read_again_and_new_ones_are_added(tmp_path: Path) -> None:
    first = good_bag(tmp_path / 'first', 2)
    run(tmp_path / 'out', first)
    shutil.rmtree(first)
    done = run(tmp_path / 'out', first, good_bag(tmp_path / 'second', 3))
    assert done.failed == {}
    assert done.done_before == {'first'}
    assert [report.kept for report in done.reports] == [2, 3]
    assert len((tmp_path / 'out/stamps.csv').read_text().splitlines()) == 1 + 5


def test_bag_that_was_recorded_again_is_extracted_again(tmp_path: Path) -> None:
    bag, other, out = tmp_path / 'b', good_bag(tmp_path / 'b_1', 3), tmp_path / 'out'
    run(out, good_bag(bag, 6), other)
    shutil.rmtree(bag)
    good_bag(bag, 2)
    extraction = run(out, bag, other)
    assert extraction.done_before == {'b_1'}
    assert [report.kept for report in extraction.reports] == [2, 3]
    kept = [f'b_{START_NS + i * PERIOD_NS}' for i in range(2)]
    kept += [f'b_1_{START_NS + i * PERIOD_NS}' for i in range(3)]
    assert names(out) == sorted(kept)
    assert sorted(path.stem for path in (out / 'depth').iterdir()) == sorted(kept)
    assert len((out / 'stamps.csv').read_text().splitlines()) == 1 + 5
    assert run(out, bag, other).done_before == {'b', 'b_1'}


def test_bag_is_extracted_again_when_other_topics_are_asked_for(tmp_path: Path) -> None:
    bag, out = good_bag(tmp_path / 'b'), tmp_path / 'out'
    run(out, bag)
    assert run(out, bag, rgb=RGB_TOPIC).done_before == set()
    assert run(out, bag, rgb=RGB_TOPIC).done_before == {'b'}


def test_stopped_run_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    bags = [good_bag(tmp_path / name / 'bag', 3) for name in ('monday', 'tuesday')]
    whole, stopped = tmp_path / 'whole', tmp_path / 'stopped'
    run(whole, *bags)
    run(stopped, *bags)
    (stopped / 'bags/bag-2.json').unlink()  # killed before the second bag was done
    (stopped / 'rgb' / f'bag-2_{START_NS}.jpg').unlink()
    run(stopped, *bags[::-1])
    assert names(whole) == names(stopped)
    assert (whole / 'stamps.csv').read_bytes() == (stopped / 'stamps.csv').read_bytes()


def test_bags_of_one_name_get_numbers(tmp_path: Path) -> None:
    bags = [good_bag(tmp_path / name / 'bag', 1) for name in ('monday', 'tuesday')]
    run(tmp_path / 'out', *bags, workers=2)
    assert names(tmp_path / 'out') == [f'bag-2_{START_NS}', f'bag_{START_NS}']


def test_other_configuration_is_refused_in_the_same_folder(tmp_path: Path) -> None:
    bag = good_bag(tmp_path / 'b', 2)
    run(tmp_path / 'out', bag, every='2')
    with pytest.raises(DataError, match=r'was extracted with every 2\. Give the same, or another'):
        run(tmp_path / 'out', bag, every='3')
