from __future__ import annotations

from pathlib import Path

import pytest

from m3l_core.errors import ConfigError
from m3l_core.replay.scenario import load_scenario, shipped_scenarios


def written(folder: Path, text: str) -> str:
    path = folder / 'own.yaml'
    path.write_text(text)
    return str(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as error:
        load_scenario(written(folder, text))
    assert '\n' not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    'name', ['depth_dies', 'rgb_dies', 'bad_transport', 'sick_images', 'outages', 'sweep']
)
def test_scenarios_that_are_shipped_are_reached_by_name(name: str) -> None:
    assert name in shipped_scenarios()
    scenarios = load_scenario(name)
    assert {scenario.name for scenario in scenarios} == {name}
    assert all(scenario.faults or scenario.outages for scenario in scenarios)


def test_no_scenario_does_nothing() -> None:
    (scenario,) = load_scenario('none')
    assert (scenario.faults, scenario.outages) == ((), ())


def test_a_sweep_is_a_run_for_each_fault_of_each_camera(tmp_path: Path) -> None:
    scenarios = load_scenario(written(tmp_path, 'sweep: {kinds: [drop, freeze]}\nseed: 4'))
    assert [scenario.title for scenario in scenarios] == [
        'own.rgb_drop', 'own.rgb_freeze', 'own.depth_drop', 'own.depth_freeze'
    ]  # fmt: skip
    assert {scenario.seed for scenario in scenarios} == {4}


def test_a_seed_that_is_given_wins(tmp_path: Path) -> None:
    (scenario,) = load_scenario(written(tmp_path, 'seed: 4'), seed=9)
    assert scenario.seed == 9


def test_a_seed_below_zero_is_refused(tmp_path: Path) -> None:
    assert (
        refusal(tmp_path, 'seed: -1') == f'{tmp_path}/own.yaml: seed: expected 0 or more, got -1.'
    )


def test_every_problem_of_a_scenario_is_named_at_once(tmp_path: Path) -> None:
    text = refusal(
        tmp_path,
        'fault: []\n'
        'faults:\n'
        '  - {kind: dropp, modality: depth}\n'
        '  - {kind: drop, modality: depth, ms: 3, share: 2}\n'
        'limits: {longest_gap: 1, mean_iou: {both: 3}}\n',
    )
    path = tmp_path / 'own.yaml'
    assert f'{path}.fault: unknown key, expected one of [' in text
    assert "faults[0].kind: expected one of ['drop', 'delay'" in text
    assert 'faults[1]: share: expected 0 to 1, got 2' in text
    assert 'ms: only delay, jitter, clock_shift take it, not drop' in text
    assert 'limits.longest_gap: unknown key' in text


def test_limits_on_scores_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, 'limits: {mean_iou: {both: 3}}') == (
        f'{tmp_path}/own.yaml.limits: mean_iou: expected keys among overall, rgbd, rgb, depth, '
        'RGBD, RGB_ONLY, DEPTH_ONLY, got both.'
    )


def test_times_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    text = refusal(
        tmp_path,
        'faults: [{kind: drop, modality: rgb, start_s: 3, end_s: 2, start_share: 0.1}]',
    )
    assert 'start_s and start_share: expected one of the two, got both' in text
    assert 'end_s: expected more than start_s, got 2' in text


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('faults: [{kind: drop, modality: rgb, start_s: -3, end_s: -1}]',
         'faults[0]: start_s: expected 0 or more seconds after the first image, got -3; '
         'end_s: expected 0 or more seconds after the first image, got -1.'),
        ('faults: [{kind: drop, modality: rgb, start_s: .nan}]',
         'faults[0]: start_s: expected 0 or more seconds after the first image, got nan.'),
        ('faults: [{kind: drop, modality: rgb, end_s: .inf}]',
         'faults[0]: end_s: expected 0 or more seconds after the first image, got inf.'),
        ('faults: [{kind: delay, modality: rgb, ms: -5}]',
         'faults[0]: ms: expected at least 0, got -5.'),
        ('faults: [{kind: clock_shift, modality: rgb, ms: -.inf}]',
         'faults[0]: ms: expected a number, got -inf.'),
        ('outages: [{modality: rgb, per_minute: .inf}]',
         'outages[0]: per_minute: expected more than 0, got inf.'),
        ('sweep: {start_share: -0.5}',
         'sweep: start_share, end_share: expected 0 <= start_share < end_share <= 1, got -0.5 '
         'and 0.7.'),
        ('limits: {longest_gap_s: -1}', 'limits: longest_gap_s: expected 0 or more, got -1.'),
        ('limits: {mean_iou: {rgb: 250}}', 'limits: mean_iou.rgb: expected 0 to 100, got 250.'),
    ],
)  # fmt: skip
def test_numbers_that_nobody_can_mean_are_refused(tmp_path: Path, text: str, said: str) -> None:
    found = refusal(tmp_path, text)
    assert found == f'{tmp_path}/own.yaml.{said}'


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigError) as error:
        load_scenario('depth_dead')
    assert str(error.value) == (
        '--scenario: expected a YAML file or one of none, bad_transport, depth_dies, outages, '
        'rgb_dies, sick_images, sweep, got depth_dead.'
    )
