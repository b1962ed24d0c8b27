"""The report of a replay: what is in it, how large it gets, and what a film shows."""

from __future__ import annotations

import json
from pathlib import Path
import re
import shutil
from typing import Any

import cv2
import numpy as np
import pytest

from m3l_core.classes import NYU13
from m3l_core.cli import main
from m3l_core.errors import DataError
from m3l_core.frames import RgbdFrame
from m3l_core.replay.observing import FrameRecord, ScoredFrame
from m3l_core.replay.report import write_report
from m3l_core.replay.report.film import Film
from m3l_core.replay.report.loading import load, PAGE_BYTES
from m3l_core.replay.report.strips import Strips

SIZE = (24, 32)


def record(index: int, at_s: float, **values: Any) -> FrameRecord:
    usual: dict[str, Any] = {
        'stamp_ns': index, 'anchor': 'rgb', 'received_s': at_s, 'taken_s': at_s,
        'labeled_s': at_s, 'wait_ms': 0.0, 'pair_gap_ms': 0.0, 'mode': 'RGBD', 'reason': 'paired',
        'used': 'rgbd', 'sick': {}, 'problems': (), 'size': SIZE, 'labels_crc32': 0,
        'confidence': 0.5, 'miou': 50.0, 'accuracy': 60.0, 'agreement': None,
    }  # fmt: skip
    return FrameRecord(index=index, **{**usual, **values})


def scored(index: int, at_s: float, *, red: int = 0) -> ScoredFrame:
    rgb = np.zeros((*SIZE, 3), np.uint8)
    rgb[..., 0] = red
    labels = np.full(SIZE, 4, np.uint8)
    frame = RgbdFrame(rgb, np.ones(SIZE, np.float32))
    return ScoredFrame(record(index, at_s), frame, labels, labels, None)


@pytest.fixture
def copy(replayed: Path, tmp_path: Path) -> Path:
    """The files of that replay, for a test to change."""
    return Path(shutil.copytree(replayed, tmp_path / 'copy'))


def change(folder: Path, **values: Any) -> str:
    """Change the first run of a replay, and return its report."""
    path = folder / 'summary.json'
    summary = json.loads(path.read_text())
    summary['runs'] = summary['runs'][:1]
    summary['runs'][0].update(values)
    path.write_text(json.dumps(summary))
    write_report(folder / 'report.html', folder)
    return (folder / 'report.html').read_text()


def test_page_refers_to_nothing_outside_itself(replayed: Path) -> None:
    page = (replayed / 'report.html').read_text()
    places = re.findall(r'(?:src|href)="(.{0,11})', page)
    assert places
    assert all(place.startswith(('data:', '#run-')) for place in places)
    assert 'http' not in re.sub(r'base64,[^"]*|http-equiv', '', page)


def test_what_bags_and_faults_are_called_cannot_become_markup(copy: Path) -> None:
    page = change(copy, bag='<script>alert(1)</script>', warnings=['a < b & "c"'])
    assert '<script>alert' not in page
    assert '&lt;script&gt;alert(1)&lt;/script&gt;' in page
    assert 'a &lt; b &amp; &quot;c&quot;' in page


def test_condition_that_is_not_met_is_told_at_the_top(copy: Path) -> None:
    condition = {'name': 'longest gap', 'limit': '<= 0.1 s', 'got': '0.7 s', 'passed': False}
    page = change(copy, conditions=[condition], passed=False)
    assert 'FAILED: 1 of 1 conditions are not met.' in page
    assert '<td>longest gap</td><td>&lt;= 0.1 s</td><td>0.7 s</td>' in page


def test_run_without_truth_labels_or_faults_has_a_page(copy: Path) -> None:
    empty = {
        'truth': None, 'compared': None, 'faults': [], 'gaps': [], 'transitions': [],
        'longest_gap_s': None, 'frames': 0,
        'latency': {'p50_ms': None, 'p99_ms': None, 'max_ms': None, 'histogram': {}},
    }  # fmt: skip
    run = json.loads((copy / 'summary.json').read_text())['runs'][0]['folder']
    (copy / run / 'records.jsonl').write_text('')
    page = change(copy, **empty)
    assert 'There is no ground truth to score against.' in page
    assert 'There is no mask to time.' in page
    assert 'no input' in page


def test_curve_of_a_realtime_run_has_the_times_that_were_measured(
    bag_path: Path, tiny_files: Path, tmp_path: Path
) -> None:
    command = ['replay', str(bag_path), '--model', str(tiny_files), '--threads', '1']
    assert main([*command, '--realtime', '--out', str(tmp_path)]) == 0
    (view,) = load(tmp_path)[1]
    times = [json.loads(line) for line in (tmp_path / 'runs/rooms/none/times.jsonl').open()]
    labeled = {t['index']: t['labeled_s'] for t in times if t['type'] == 'frame'}
    assert len(view.points) > 5
    assert all(point['labeled_s'] == labeled[point['index']] for point in view.points)
    assert 'realtime' in (tmp_path / 'report.html').read_text()


def test_missing_file_of_a_replay_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refusal:
        write_report(tmp_path / 'report.html', tmp_path)
    assert str(refusal.value) == (
        f'{tmp_path / "summary.json"}: expected what a replay wrote, got none of it: '
        'No such file or directory. Run the replay again.'
    )


def test_missing_picture_is_named(copy: Path) -> None:
    picture = next(copy.glob('runs/*/*/strips/*.jpg'))
    picture.unlink()
    with pytest.raises(DataError, match=f'^{picture}: expected what a replay wrote'):
        write_report(copy / 'report.html', copy)


def test_curve_of_a_long_run_keeps_the_worst_mask_of_each_stretch(copy: Path) -> None:
    run = json.loads((copy / 'summary.json').read_text())['runs'][0]['folder']
    times = np.arange(20_000) / 100
    records = [record(i, float(t)).to_dict() for i, t in enumerate(times)]
    records[12_345]['miou'] = 1.0
    (copy / run / 'records.jsonl').write_text('\n'.join(map(json.dumps, records)))
    change(copy, duration_s=200.0)
    (view,) = load(copy)[1]
    assert len(view.points) == 1200
    assert min(view.points, key=lambda point: point['miou'])['index'] == 12_345


@pytest.mark.parametrize(('runs', 'least'), [(1, 0.5), (12, 0.5), (60, 0.1)])
def test_page_of_large_noisy_frames_and_many_runs_stays_small(
    copy: Path, runs: int, least: float
) -> None:
    run = copy / json.loads((copy / 'summary.json').read_text())['runs'][0]['folder']
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (480, 640, 3), np.uint8)
    for number in range(12):
        cv2.imwrite(str(run / f'worst/{number:02d}.rgb.jpg'), noise)
        (run / f'worst/{number:02d}.json').write_text(json.dumps(record(number, 0.0).to_dict()))
    strips = Strips(run, NYU13)
    for index in range(150):
        frame = scored(index, index / 10)
        assert frame.frame.rgb is not None
        frame.frame.rgb[:] = rng.integers(0, 255, frame.frame.rgb.shape)
        strips.on_frame(frame)
    strips.close({})
    for path in (run / 'strips').glob('*.jpg'):
        path.write_bytes(path.read_bytes() + bytes(60_000))
    change(copy)
    summary = json.loads((copy / 'summary.json').read_text())
    (copy / 'summary.json').write_text(json.dumps({**summary, 'runs': summary['runs'] * runs}))
    write_report(copy / 'report.html', copy)
    assert least * PAGE_BYTES < (copy / 'report.html').stat().st_size < 5_000_000


def test_thousands_of_faults_changes_and_conditions_make_no_long_page(copy: Path) -> None:
    (run,) = json.loads((copy / 'summary.json').read_text())['runs'][:1]
    usual = len(change(copy))
    fault = run['faults'][0]
    faults = [
        fault | {'start_s': i / 2, 'end_s': i / 2 + (0.4 if i == 777 else 0.1), 'kind': 'drop'}
        for i in range(5000)
    ]
    modes = ('RGB_ONLY', 'RGBD')
    transitions = [
        {'at_s': i / 2, 'mode': modes[i % 2], 'previous': '', 'reason': 'r'} for i in range(5000)
    ]
    kept = {'name': 'switch', 'limit': '<= 1 s', 'got': '0.1 s', 'passed': True}
    conditions = [kept] * 5000 + [kept | {'name': 'the last one', 'passed': False}]
    page = change(
        copy, faults=faults, transitions=transitions, conditions=conditions, duration_s=2500.0
    )
    assert len(page) < usual + 250_000
    assert '(4600 shorter ones are not drawn)' in page
    assert '(4601 shorter ones are not drawn)' in page
    assert '388.50 to 388.90 s' in page  # the longest fault
    assert page.count('and 4940 more, all in summary.json') == 1
    assert page.count('and 4941 more, all in summary.json') == 1
    assert 'the last one' in page  # what is not met comes first


def test_while_no_labels_come_they_are_made_from_nothing(copy: Path) -> None:
    run = json.loads((copy / 'summary.json').read_text())['runs'][0]['folder']
    masks = [record(i, t, used=u) for i, (t, u) in enumerate([
        (0.1, 'rgbd'), (0.2, 'rgbd'), (0.3, 'rgb'), (0.4, 'rgb'), (2.0, 'rgb'), (2.1, 'rgbd'),
    ])]  # fmt: skip
    (copy / run / 'records.jsonl').write_text('\n'.join(json.dumps(m.to_dict()) for m in masks))
    gaps = [
        {'start_s': 0.4, 'end_s': 2.0, 'seconds': 1.6},
        {'start_s': 2.1, 'end_s': 4.0, 'seconds': 1.9},
    ]
    page = change(copy, gaps=gaps, duration_s=4.0)
    assert re.findall(r'title="from (.*?)"', page) == [
        'RGB and depth: 0.10 to 0.30 s',
        'RGB alone: 0.30 to 0.40 s',
        'RGB alone: 2.00 to 2.10 s',
        'RGB and depth: 2.10 to 2.10 s',
    ]


def test_of_many_runs_those_that_fail_are_shown(copy: Path) -> None:
    summary = json.loads((copy / 'summary.json').read_text())
    run = summary['runs'][0] | {'passed': True}
    runs = [run | {'bag': f'bag{i}', 'passed': i != 250} for i in range(300)]
    (copy / 'summary.json').write_text(json.dumps({**summary, 'runs': runs}))
    write_report(copy / 'report.html', copy)
    page = (copy / 'report.html').read_text()
    assert page.count('<details class="run"') == 40
    assert '<h2>bag250, ' in page
    assert '40 of 300 runs follow, those first that did not pass.' in page
    assert 'and 240 more, all in summary.json' in page
    assert 'Replay: 300 runs' in page


def test_strips_are_bounded_and_spread_over_the_run(tmp_path: Path) -> None:
    strips = Strips(tmp_path, NYU13)
    for index in range(1000):
        strips.on_frame(scored(index, index / 10))
    strips.close({})
    kept = [entry['index'] for entry in json.loads((tmp_path / 'strips/index.json').read_text())]
    assert kept == list(range(0, 1000, 8))
    assert len(list((tmp_path / 'strips').glob('*.jpg'))) == 125


def frames_of(path: Path) -> tuple[float, list[np.ndarray]]:
    film = cv2.VideoCapture(str(path))
    frames = []
    while (read := film.read())[0]:
        frames.append(read[1])
    return film.get(cv2.CAP_PROP_FPS), frames


def filmed(folder: Path, shots: list[ScoredFrame]) -> tuple[float, list[np.ndarray]]:
    film = Film(folder, NYU13)
    for shot in shots:
        film.on_frame(shot)
    film.close({})
    return frames_of(folder / 'overlay.mp4')


def test_film_runs_in_the_time_of_the_bag_and_stands_still_in_gaps(tmp_path: Path) -> None:
    times = [i / 10 for i in range(11)] + [3 + i / 10 for i in range(11)]
    shots = [scored(i, t, red=250 if t < 2 else 60) for i, t in enumerate(times)]
    rate_hz, frames = filmed(tmp_path, shots)
    assert rate_hz == pytest.approx(10)
    assert len(frames) == 41  # 0.0 to 4.0 s
    reds = [int(np.median(frame[100:200, 50:250, 2])) for frame in frames]
    assert min(reds[:29]) > 180  # the last mask before the gap, until the next one
    assert max(reds[31:]) < 120
    alarm = [float(frame[:20, -180:].mean()) for frame in frames]
    assert min(alarm[15:29]) > 3 > max(alarm[:12])


def test_film_of_a_long_outage_is_cut_short(tmp_path: Path) -> None:
    times = [i / 10 for i in range(10)] + [3600 + i / 10 for i in range(10)]
    _, frames = filmed(tmp_path, [scored(i, t) for i, t in enumerate(times)])
    assert 60 <= len(frames) <= 80  # 1 s, 5 s of the outage, 1 s


def test_film_of_fewer_masks_than_tell_the_rate_is_whole(tmp_path: Path) -> None:
    rate_hz, frames = filmed(tmp_path, [scored(i, i / 20) for i in range(3)])
    assert (round(rate_hz), len(frames)) == (20, 3)


def test_command_films_every_run(replayed: Path) -> None:
    films = sorted(replayed.glob('runs/*/*/overlay.mp4'))
    assert len(films) == 2
    for film in films:
        rate_hz, frames = frames_of(film)
        assert rate_hz == pytest.approx(20, abs=1)
        assert 55 <= len(frames) <= 62  # three seconds
