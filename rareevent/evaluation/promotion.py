"""The gate to the champion's place: one question per check, each answered with its figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rareevent.config import PromoteStage
from rareevent.evaluation.compare import Comparison

TITLES = {"event_recall": "event recall", "pr_auc": "PR-AUC", "roc_auc": "ROC-AUC"}


@dataclass(frozen=True)
class GateCheck:
    """One question of the gate, and its answer in words with figures."""

    name: str
    passed: bool
    detail: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class SkillFinding:
    """Whether a version ranks rows before events higher than chance would, and how that is known.

    Attributes
    ----------
    has_skill : bool
    words : such as "p = 0.0004 on the compared rows"
    """

    has_skill: bool
    words: str


def gate_checks(
    stage: PromoteStage,
    comparison: Comparison,
    false_alarms: tuple[int, int],
    skill: SkillFinding,
) -> tuple[GateCheck, ...]:
    """Every question of the gate.

    Parameters
    ----------
    stage : the gate
    comparison : the challenger ("ours") and the champion ("theirs") on the same rows
    false_alarms : of the challenger and of the champion
    skill : of the challenger
    """
    checks = [_events(stage, comparison), _no_worse(stage, comparison)]
    if stage.false_alarms is not None:
        checks.append(_false_alarms(stage.false_alarms, *false_alarms))
    return (*checks, *skill_checks(stage, skill))


def skill_checks(stage: PromoteStage, skill: SkillFinding) -> tuple[GateCheck, ...]:
    """The one question that a version has to answer where there is no champion yet."""
    return (GateCheck("skill", skill.has_skill, skill.words),) if stage.require_skill else ()


def failed(checks: Sequence[GateCheck]) -> tuple[GateCheck, ...]:
    """The checks that do not hold."""
    return tuple(check for check in checks if not check.passed)


def _events(stage: PromoteStage, comparison: Comparison) -> GateCheck:
    count = comparison.events
    detail = f"{count} on rows that neither has learned from; asked for: {stage.min_events}"
    return GateCheck("events", count >= stage.min_events, detail)


def _no_worse(stage: PromoteStage, comparison: Comparison) -> GateCheck:
    """Non-inferiority: the whole interval of the difference lies above minus the margin."""
    difference, title = comparison.differences[stage.metric], TITLES[stage.metric]
    asked = f"at most {stage.margin:g} below" if stage.margin else "above"
    if difference.ours is None or difference.theirs is None or difference.value is None:
        return GateCheck(title, False, "not defined on these rows, which lack events")
    text = f"{difference.ours:.3f} against {difference.theirs:.3f}"
    if difference.interval is None:
        few = f"{comparison.blocks} blocks of time or assets give no interval, it takes ten"
        return GateCheck(title, False, f"{text}; {few}")
    low, high = difference.interval
    if stage.metric == "event_recall" and low == high:
        low, high = _never_differ(low, comparison)
    text += (
        f", difference {difference.value:+.3f}, {comparison.confidence:.0%} interval {low:+.3f} to"
        f" {high:+.3f}; asked for: {asked} the champion with all of it"
    )
    return GateCheck(title, low > -stage.margin, text)


def _never_differ(value: float, comparison: Comparison) -> tuple[float, float]:
    """The interval where both catch the very same events, of which resampling makes no doubt.

    Clopper and Pearson's bound on the share of events that one catches and the other does not,
    none of n having been seen: 1 - (alpha / 2)^(1 / n).
    """
    bound = 1 - ((1 - comparison.confidence) / 2) ** (1 / max(comparison.events, 1))
    return value - bound, value + bound


def _false_alarms(ratio: float, ours: int, theirs: int) -> GateCheck:
    """Counts are small: the bound is rounded up, and one false alarm is always allowed."""
    most = max(math.ceil(round(ratio * theirs, 9)), 1)
    detail = f"{ours} against {theirs}; asked for: at most {ratio:g} times as many ({most})"
    return GateCheck("false alarms", ours <= most, detail)
