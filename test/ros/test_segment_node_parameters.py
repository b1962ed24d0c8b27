"""Parameters of the node: refused with the reason, or taken while it runs; a process."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any, TYPE_CHECKING

from node_harness import PATIENCE_S, set_parameter, values_of
import pytest

if TYPE_CHECKING:
    from node_harness import SegmentProcess, Watcher

NODE = (sys.executable, '-m', 'm3l_perception.segment_node')


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


@pytest.mark.usefixtures('camera')
def test_settings_of_the_stream_change_without_starting_over(
    node: SegmentProcess, watcher: Watcher
) -> None:
    def received(status: Any) -> int:
        return int(values_of(status)['received'])

    def begun() -> list[str]:
        return re.findall('-> NO_INPUT: (?!no_input).*', node.log)

    watcher.wait_for_mode('RGBD')
    before = received(watcher.wait_for_diagnostic('rgb', lambda status: received(status) > 20))
    assert begun() == []
    settings = {'stale_after': 4.0, 'pair_wait': 0.1, 'recovery_time': 0.7, 'unpaired': 'rgb'}
    for name, value in settings.items():
        assert set_parameter(watcher, name, value) == (True, '')
    watcher.diagnostics.clear()
    assert received(watcher.wait_for_diagnostic('rgb', lambda _: True)) >= before
    watcher.wait_for_diagnostic('pairing', lambda s: values_of(s)['pair_wait_ms'] == '100.0')
    watcher.wait_for_masks(5)
    assert begun() == []  # silence of a camera on a busy machine is another matter


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
