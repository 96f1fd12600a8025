"""The gate to the champion's place, question by question."""

import pytest

from rareevent.config import PromoteStage
from rareevent.evaluation.compare import Comparison, Difference
from rareevent.evaluation.promotion import SkillFinding, failed, gate_checks, skill_checks

SKILL = SkillFinding(True, "p = 0.001 on the rows of later.csv, believed up to 0.01")


def compared(ours=0.7, theirs=0.72, interval=(-0.08, 0.04), *, events=40, blocks=20, **stage):
    """What the gate says of two models with these figures of event recall."""
    difference = Difference(ours, theirs, ours - theirs, interval, "cannot be told apart")
    comparison = Comparison({"event_recall": difference}, events, blocks, 0.95)
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


@pytest.mark.parametrize(("events", "holds"), [(34, False), (36, True), (200, True)])
def test_models_that_never_differ_are_not_known_to_be_equal(events, holds):
    """0.025^(1/36) is .903 and 0.025^(1/34) .897: bounds of .097 and .103."""
    found = names_of_failed(compared(0.7, 0.7, (0.0, 0.0), events=events))

    assert found == ([] if holds else ["event recall"])


def test_too_few_events_or_blocks_do_not_hold():
    assert names_of_failed(compared(events=9)) == ["events"]
    few = compared(interval=None, blocks=7)
    assert names_of_failed(few) == ["event recall"]
    assert "7 blocks" in few[1].found
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
