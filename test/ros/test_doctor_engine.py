"""What the doctor says to do about a GPU that nothing runs on; no ROS runs here."""

from __future__ import annotations

from dataclasses import replace

from healthy_robot import COMPUTER, GRAPH, judged, the
import pytest

from m3l_perception.doctor.finding import Level


@pytest.mark.parametrize(
    ('installed', 'remedy'),
    [
        (None, 'Install TensorRT and pycuda, or torch with CUDA; docs/engines.md tells how.'),
        ('11.4', 'Run: m3l build'),
    ],
)
def test_what_is_installed_need_not_be_installed(installed: str | None, remedy: str) -> None:
    libraries = COMPUTER.libraries | dict.fromkeys(('tensorrt', 'pycuda'), installed)
    findings = judged(GRAPH, replace(COMPUTER, has_gpu=True, libraries=libraries))
    assert the(findings, 'engine', Level.WARN).remedy == remedy
