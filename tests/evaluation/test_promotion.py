"""The gate to the champion's place, question by question."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import xlogy
from scipy.stats import norm

from rareevent.config import PromoteStage
from rareevent.evaluation.compare import Comparison, Difference
from rareevent.evaluation.intervals import paired_shares_interval
from rareevent.evaluation.promotion import SkillFinding, failed, gate_checks, skill_checks

SKILL = SkillFinding(True, "p = 0.001 on the rows of later.csv, believed up to 0.01")


def compared(
    ours=0.7,
    theirs=0.72,
    interval=(-0.08, 0.04),
    *,
    events=40,
    blocks=20,
    alone=None,
    **stage,
):
    """What the gate says of two models with these figures of event recall."""
    difference = Difference(ours, theirs, ours - theirs, interval, "cannot be told apart")
    comparison = Comparison({"event_recall": difference}, events, blocks, 0.95, alone)
    return gate_checks(PromoteStage(**stage), comparison, (12, 10), SKILL)


def names_of_failed(checks):
    return [check.name for check in failed(checks)]


def test_a_challenger_that_is_hardly_worse_holds():
    checks = compared()

    assert names_of_failed(checks) == []
    assert [check.name for check in checks] == ["events", "event recall", "false alarms", "skill"]
    assert checks[1].detail == (
        "0.700 against 0.720, difference -0.020, 95% interval -0.080 to +0.040; asked for: at most"
        " 0.1 below the champion with the whole interval"
    )
    assert checks[2].detail == "12 against 10; asked for: at most 1.25 times as many, 13"


@pytest.mark.parametrize(
    ("margin", "interval", "holds"),
    [
        (0.1, (-0.0999, 0.0), True),
        (0.1, (-0.1, 0.0), False),
        (0.05, (-0.08, 0.04), False),
        (0.0, (0.001, 0.1), True),
        (0.0, (-0.001, 0.1), False),
    ],
)
def test_the_whole_interval_has_to_lie_above_the_margin(margin, interval, holds):
    found = names_of_failed(compared(interval=interval, margin=margin))

    assert found == ([] if holds else ["event recall"])


@pytest.mark.parametrize(
    ("alone", "events", "holds"),
    [
        ((0, 0), 34, False),
        ((0, 0), 35, True),
        ((0, 1), 52, False),
        ((0, 1), 53, True),
        ((0, 0), 200, True),
    ],
)
def test_models_that_hardly_differ_are_not_known_to_be_equal(alone, events, holds):
    """Resampling finds no doubt, or little, where one event or none tells the two apart."""
    value = (alone[0] - alone[1]) / events
    found = compared(0.7 + value, 0.7, (value - 0.01, value + 0.01), events=events, alone=alone)

    assert names_of_failed(found) == ([] if holds else ["event recall"])


@pytest.mark.parametrize(("ours", "theirs", "total"), [(12, 2, 50), (0, 1, 40), (0, 0, 35)])
def test_the_ends_of_the_score_interval_are_what_a_score_test_just_does_not_refuse(
    ours, theirs, total
):
    """The likeliest shares under a difference are searched for, not solved for as in the code."""

    def statistic(difference):
        def unlikely(share):
            cells = (share + difference, share, 1 - 2 * share - difference)
            counts = (ours, theirs, total - ours - theirs)
            return -sum(xlogy(count, cell) for count, cell in zip(counts, cells, strict=True))

        bounds = (max(0.0, -difference), (1 - difference) / 2)
        share = minimize_scalar(
            unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-12}
        ).x
        variance = total * (2 * share + difference - difference**2)
        return (ours - theirs - total * difference) / np.sqrt(variance)

    low, high = paired_shares_interval(ours, theirs, total, 0.95)

    assert statistic(low) == pytest.approx(norm.ppf(0.975), abs=1e-4)
    assert statistic(high) == pytest.approx(norm.ppf(0.025), abs=1e-4)
    assert paired_shares_interval(theirs, ours, total, 0.95) == pytest.approx((-high, -low))


def test_where_nothing_is_left_to_doubt_the_score_interval_ends_at_one():
    assert paired_shares_interval(0, 9, 9, 0.95)[0] == -1.0
    assert paired_shares_interval(9, 0, 9, 0.95)[1] == 1.0


def advice(**figures):
    return compared(**figures)[1].advice


def test_a_refusal_says_what_margin_these_events_can_show_and_how_many_it_takes():
    """An interval twice as wide as the margin takes four times the events."""
    assert advice(interval=(-0.22, 0.18), events=30) == (
        "with 30 events the interval reaches 0.200 to either side: that is the smallest margin that"
        " an equal challenger can show here; 0.1 takes about 120 events, and 35 at the very least;"
        " give later data with --set ingest.source=PATH, and where events have a log of their own"
        " --set ingest.events.source=PATH"
    )
    assert "at the very least" not in advice(interval=(-0.22, 0.18), events=36)


def test_more_events_are_not_advised_where_they_would_not_help():
    assert advice() == ""
    assert advice(ours=0.6, theirs=0.72, interval=(-0.3, 0.06)) == ""
    assert advice(ours=0.6, theirs=0.69, interval=(-0.17, -0.01)) == ""
    assert advice(ours=0.63, theirs=0.7, interval=(-0.13, -0.0)) == ""
    assert advice(interval=(-0.22, 0.18), margin=0.0) == ""
    assert "later data" in compared(events=9)[0].advice


def test_too_few_events_or_blocks_do_not_hold():
    assert names_of_failed(compared(events=9)) == ["events"]
    few = compared(interval=None, blocks=7)
    assert names_of_failed(few) == ["event recall"]
    assert few[1].found.endswith("no interval: 7 blocks of time or assets, it takes 10")
    assert few[1].advice.startswith("a block of time is a day or longer: give later data")
    assert "evaluate.bootstrap" in compared(interval=None, blocks=30)[1].found


@pytest.mark.parametrize(
    ("ratio", "ours", "theirs", "holds"),
    [(1.25, 12, 10, True), (1.25, 13, 10, True), (1.25, 14, 10, False), (1.0, 10, 10, True),
     (1.0, 11, 10, False), (1.25, 1, 0, True), (1.25, 2, 0, False), (None, 999, 0, True)],
)  # fmt: skip
def test_recall_cannot_be_bought_with_false_alarms(ratio, ours, theirs, holds):
    difference = Difference(0.8, 0.7, 0.1, (0.02, 0.18), "better")
    comparison = Comparison({"event_recall": difference}, 40, 20, 0.95)
    stage = PromoteStage(false_alarms=ratio)

    checks = gate_checks(stage, comparison, (ours, theirs), SKILL)

    assert names_of_failed(checks) == ([] if holds else ["false alarms"])


def test_skill_is_asked_for_unless_the_pipeline_says_otherwise():
    none = SkillFinding(False, "the verdict of its training was no_skill")

    assert names_of_failed(skill_checks(PromoteStage(), none)) == ["skill"]
    assert skill_checks(PromoteStage(require_skill=False), none) == ()
