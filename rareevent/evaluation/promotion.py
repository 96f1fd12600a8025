"""The gate to the champion's place: one question per check, each answered with its figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rareevent.config import PromoteStage
from rareevent.evaluation.blocks import FEWEST_BLOCKS
from rareevent.evaluation.compare import Comparison

TITLES = {"event_recall": "event recall", "pr_auc": "PR-AUC", "roc_auc": "ROC-AUC"}


@dataclass(frozen=True)
class GateCheck:
    """One question of the gate: what was found, and what was asked for, in words with figures."""

    name: str
    passed: bool
    found: str
    asked: str

    @property
    def detail(self) -> str:
        """Both in one phrase."""
        return f"{self.found}; asked for: {self.asked}"

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
    if not stage.require_skill:
        return ()
    return (GateCheck("skill", skill.has_skill, skill.words, "better than chance"),)


def failed(checks: Sequence[GateCheck]) -> tuple[GateCheck, ...]:
    """The checks that do not hold."""
    return tuple(check for check in checks if not check.passed)


def _events(stage: PromoteStage, comparison: Comparison) -> GateCheck:
    count = comparison.events
    found = f"{count} on rows that neither has learned from"
    return GateCheck("events", count >= stage.min_events, found, f"{stage.min_events} or more")


def _no_worse(stage: PromoteStage, comparison: Comparison) -> GateCheck:
    """Non-inferiority: the whole interval of the difference lies above minus the margin."""
    difference, title = comparison.differences[stage.metric], TITLES[stage.metric]
    where = f"at most {stage.margin:g} below" if stage.margin else "above"
    asked = f"{where} the champion with the whole interval"
    if difference.ours is None or difference.theirs is None or difference.value is None:
        return GateCheck(title, False, "not defined on these rows, which lack events", asked)
    found = f"{difference.ours:.3f} against {difference.theirs:.3f}"
    if difference.interval is None:
        return GateCheck(title, False, f"{found}, {_why_no_interval(comparison)}", asked)
    low, high = difference.interval
    if stage.metric == "event_recall" and low == high:
        low, high = _never_differ(low, comparison)
    found += (
        f", difference {difference.value:+.3f}, {comparison.confidence:.0%} interval {low:+.3f} to"
        f" {high:+.3f}"
    )
    return GateCheck(title, low > -stage.margin, found, asked)


def _why_no_interval(comparison: Comparison) -> str:
    if comparison.blocks < FEWEST_BLOCKS:
        return (
            f"no interval: {comparison.blocks} blocks of time or assets, it takes {FEWEST_BLOCKS}"
        )
    return "no interval: evaluate.bootstrap is 0, or too few draws define the figure"


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
    asked = f"at most {ratio:g} times as many, {most}"
    return GateCheck("false alarms", ours <= most, f"{ours} against {theirs}", asked)
