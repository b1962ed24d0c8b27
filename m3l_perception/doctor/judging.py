"""From facts to findings; no ROS, no clock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from m3l_perception.doctor.cameras import judge_cameras
from m3l_perception.doctor.finding import Finding, Level
from m3l_perception.doctor.machine import judge_machine
from m3l_perception.doctor.pair import judge_pair
from m3l_perception.doctor.segment import judge_segment

if TYPE_CHECKING:
    from m3l_perception.doctor.facts import Facts


def judge(facts: Facts) -> list[Finding]:
    """Return all that is to be said, in the order in which images go."""
    findings = list(judge_machine(facts))
    if facts.graph is not None:
        findings += judge_cameras(facts.graph)
        findings += judge_pair(facts.graph)
        findings += judge_segment(facts.graph)
        if facts.graph.segment is not None and facts.graph.segment.masks:
            # Labels do come: what is missing here, the node has, on another machine or by itself.
            return [_lessened(finding) for finding in findings]
    return findings


def can_label(findings: list[Finding]) -> bool:
    """Return whether nothing stops labels from coming."""
    return not any(finding.level is Level.STOP for finding in findings)


def _lessened(finding: Finding) -> Finding:
    return replace(finding, level=Level.WARN) if finding.level is Level.STOP else finding
