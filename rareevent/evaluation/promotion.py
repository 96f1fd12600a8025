"""The gate to the champion's place: one question per check, each answered with its figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rareevent.config import PromoteStage
from rareevent.evaluation.blocks import FEWEST_BLOCKS
from rareevent.evaluation.compare import Comparison, Difference
from rareevent.evaluation.intervals import paired_shares_interval

TITLES = {"event_recall": "event recall", "pr_auc": "PR-AUC", "roc_auc": "ROC-AUC"}
LATER = (
    "give later data with --set ingest.source=PATH, and where events have a log of their own --set"
    " ingest.events.source=PATH"
)


@dataclass(frozen=True)
class GateCheck:
    """One question of the gate, in words with figures.

    Attributes
    ----------
    name : what is asked about
    passed : whether it holds
    found, asked : what was found, and what was asked for
    advice : what it would take, where more rows could; empty otherwise
    """

    name: str
    passed: bool
    found: str
    asked: str
    advice: str = ""

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


def fewest_events_for(margin: float, confidence: float) -> int:
    """Events below which no interval of recall is narrower than the margin, to one side.

    With fewer, not even a challenger that catches the very same events is shown to be no worse.

    Examples
    --------
    >>> fewest_events_for(0.1, 0.95), fewest_events_for(0.2, 0.95)
    (35, 16)
    """
    from scipy.stats import norm

    z = float(norm.ppf((1 + confidence) / 2))
    return math.floor(z * z * (1 - margin) / margin) + 1


def _events(stage: PromoteStage, comparison: Comparison) -> GateCheck:
    count = comparison.events
    found = f"{count} on rows that neither has learned from"
    passed, asked = count >= stage.min_events, f"{stage.min_events} or more"
    return GateCheck("events", passed, found, asked, "" if passed else LATER)


def _no_worse(stage: PromoteStage, comparison: Comparison) -> GateCheck:
    """Non-inferiority: the whole interval of the difference lies above minus the margin."""
    difference, title = comparison.differences[stage.metric], TITLES[stage.metric]
    where = f"at most {stage.margin:g} below" if stage.margin else "above"
    asked = f"{where} the champion with the whole interval"
    if difference.ours is None or difference.theirs is None or difference.value is None:
        return GateCheck(title, False, "not defined on these rows, which lack events", asked, LATER)
    found = f"{difference.ours:.3f} against {difference.theirs:.3f}"
    if difference.interval is None:
        few = comparison.blocks < FEWEST_BLOCKS
        advice = f"a block of time is a day or longer: {LATER}" if few else ""
        found += f", no interval: {_why_no_interval(comparison)}"
        return GateCheck(title, False, found, asked, advice)
    low, high = _interval(stage, comparison, difference.interval)
    found += (
        f", difference {difference.value:+.3f}, {comparison.confidence:.0%} interval {low:+.3f} to"
        f" {high:+.3f}"
    )
    passed = low > -stage.margin
    advice = "" if passed else _what_it_takes(stage, comparison, difference, (low, high))
    return GateCheck(title, passed, found, asked, advice)


def _interval(
    stage: PromoteStage, comparison: Comparison, resampled: tuple[float, float]
) -> tuple[float, float]:
    """The resampled interval; of recall as wide at least as the score interval of its counts.

    Where hardly an event tells the two apart resampling finds hardly a doubt, and a challenger
    that loses a tenth of all events would be let in by one such draw in ten.
    """
    if stage.metric != "event_recall" or comparison.caught_alone is None:
        return resampled
    ours, theirs = comparison.caught_alone
    counted = paired_shares_interval(ours, theirs, comparison.events, comparison.confidence)
    return min(resampled[0], counted[0]), max(resampled[1], counted[1])


def _why_no_interval(comparison: Comparison) -> str:
    if comparison.blocks < FEWEST_BLOCKS:
        return f"{comparison.blocks} blocks of time or assets, it takes {FEWEST_BLOCKS}"
    return "evaluate.bootstrap is 0, or too few draws define the figure"


def _what_it_takes(
    stage: PromoteStage,
    comparison: Comparison,
    difference: Difference,
    interval: tuple[float, float],
) -> str:
    """Which margin these events can show, and how many it takes for the one that was asked.

    Nothing where the challenger is below by more than the margin, or worse for certain, or where
    an equal one would have held: more events would hardly help it.
    """
    if not stage.margin:
        return ""
    value, (low, high) = difference.value or 0.0, interval
    reach, events = (high - low) / 2, max(comparison.events, 1)
    if value <= -stage.margin or high < 0 or reach < stage.margin:
        return ""
    takes = math.ceil(events * (reach / stage.margin) ** 2)
    advice = (
        f"with {events} events the interval reaches {reach:.3f} to either side: that is the"
        f" smallest margin that an equal challenger can show here; {stage.margin:g} takes about"
        f" {takes} events"
    )
    least = fewest_events_for(stage.margin, comparison.confidence)
    if stage.metric == "event_recall" and takes > least > events:
        advice += f", and {least} at the very least"
    return f"{advice}; {LATER}"


def _false_alarms(ratio: float, ours: int, theirs: int) -> GateCheck:
    """Counts are small: the bound is rounded up, and one false alarm is always allowed."""
    most = max(math.ceil(round(ratio * theirs, 9)), 1)
    asked = f"at most {ratio:g} times as many, {most}"
    return GateCheck("false alarms", ours <= most, f"{ours} against {theirs}", asked)
