"""The gate measured: how often a challenger that is worse by the margin gets in, and an equal one.

`python -m tests.evaluation.gate_size` prints more of the same, for docs/promotion.md.
"""

import numpy as np
import pytest

from rareevent.config import PromoteStage
from tests.evaluation.gate_size import (
    ALIKE,
    EVENTS,
    Pair,
    error_for,
    ranking_share,
    shares,
)

# Of 400 draws at a true 2.5 % hardly any share lies above 5 %.
REPEATS, MOST = 400, 0.05


def test_what_is_drawn_is_as_worse_as_it_says():
    """Recall of the pair over many events: 0.7, and 0.6 of the worse one."""
    pair = Pair(20_000, days=2_000, worse=0.1, alike=0.5, false_alarms=0.0)
    ours, theirs, _ = pair.draw(np.random.default_rng(0))

    assert theirs.alarm.mean() == pytest.approx(0.7, abs=0.015)
    assert ours.alarm.mean() == pytest.approx(0.6, abs=0.015)


@pytest.mark.slow
@pytest.mark.parametrize("alike", ALIKE.values(), ids=ALIKE)
@pytest.mark.parametrize("events", EVENTS)
def test_a_challenger_that_is_worse_by_the_margin_gets_in_at_most_once_in_twenty(events, alike):
    found = shares(Pair(events, alike=alike, worse=0.1), PromoteStage(), REPEATS)

    assert found["event recall"] <= MOST


@pytest.mark.slow
def test_an_equal_challenger_gets_in_more_often_the_more_events_there_are():
    found = [shares(Pair(events), PromoteStage(), REPEATS)["event recall"] for events in EVENTS]

    assert found == sorted(found)
    assert found[0] < 0.3
    assert found[-1] > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["pr_auc", "roc_auc"])
def test_a_ranking_that_is_worse_by_the_margin_gets_in_at_most_once_in_twenty(metric):
    worse = error_for(metric, 0.1, 0.8)

    assert ranking_share(metric, 40, (0.8, worse), REPEATS) <= MOST
    assert ranking_share(metric, 100, (0.8, 0.8), 100) > 0.5
