"""The vectorised figures against a second implementation: plain loops over plain lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rareevent.alarms.policy import AlarmPolicy
from rareevent.evaluation.catches import judge
from rareevent.evaluation.metrics import alarm_metrics, row_metrics
from rareevent.evaluation.random_alarms import random_alarms
from rareevent.evaluation.tradeoff import tradeoff_curve
from rareevent.ingestion.frame import Clock
from tests.evaluation.worlds import MINUTE, make_world


@st.composite
def fleets(draw):
    """Times, events, scores, a policy and a horizon; gaps and events anywhere."""
    times, events = {}, []
    for asset in ("a", "b")[: draw(st.integers(1, 2))]:
        steps = draw(st.lists(st.sampled_from([1, 1, 1, 1, 2, 5]), min_size=1, max_size=25))
        times[asset] = [int(t) for t in np.cumsum(steps)]
        found = draw(st.sets(st.integers(0, times[asset][-1] + 4), max_size=4))
        events += [(asset, t) for t in sorted(found)]
    rows = sum(len(t) for t in times.values())
    score = draw(st.lists(st.sampled_from([0.1, 0.3, 0.5, 0.7]), min_size=rows, max_size=rows))
    n = draw(st.integers(1, 3))
    policy = AlarmPolicy(0.5, draw(st.integers(1, n)), n, draw(st.integers(0, 6)))
    horizon = draw(st.integers(1, 6))
    counted = [draw(st.booleans()) for _ in events]
    return times, events, score, policy, horizon, draw(st.integers(0, horizon)), counted


def slow_rows(times, events, score, horizon, lead):
    """One dict per scored row, labelled from the definitions alone."""
    out, place, segment = [], 0, 0
    for asset in sorted(times):
        known = [(t, i) for i, (name, t) in enumerate(events) if name == asset]
        previous, last = None, times[asset][-1]
        for t in times[asset]:
            if t in [e for e, _ in known]:
                previous = None
            else:
                if previous is None or t - previous > 1 or any(previous < e < t for e, _ in known):
                    segment += 1
                ahead = [(e, i) for e, i in known if e > t]
                wait, event = (ahead[0][0] - t, ahead[0][1]) if ahead else (None, None)
                if wait is not None and lead <= wait <= horizon:
                    kind = "positive"
                elif wait is not None and wait < lead:
                    kind = "late"
                elif wait is None and t + horizon > last:
                    kind = "censored"
                else:
                    kind = "negative"
                out.append(
                    {
                        "asset": asset,
                        "t": t,
                        "segment": segment,
                        "p": score[place],
                        "kind": kind,
                        "event": event,
                        "wait": wait,
                    }
                )
                previous = t
            place += 1
    return out


def slow_alarms(rows, policy):
    """The rows at which an alarm is raised, by the definition."""
    alarms = []
    for i, row in enumerate(rows):
        own = [r for r in rows[: i + 1] if r["segment"] == row["segment"]]
        due = sum(r["p"] >= policy.threshold for r in own[-policy.n :]) >= policy.k
        recent = [
            a
            for a in alarms
            if a["segment"] == row["segment"] and row["t"] - a["t"] <= policy.silence
        ]
        if due and not recent:
            alarms.append(row)
    return alarms


def slow_figures(rows, alarms, counted):
    caught, tally = {}, {"catch": 0, "repeat": 0, "late": 0, "false": 0, "boundary": 0}
    for alarm in alarms:
        if alarm["kind"] == "late":
            tally["late"] += 1
        elif alarm["kind"] != "positive":
            tally["false"] += 1
        elif not counted[alarm["event"]]:
            tally["boundary"] += 1
        elif alarm["event"] in caught:
            tally["repeat"] += 1
        else:
            tally["catch"] += 1
            caught[alarm["event"]] = alarm["wait"]
    return caught, tally


def slow_auc(rows):
    hits = [r["p"] for r in rows if r["kind"] == "positive"]
    misses = [r["p"] for r in rows if r["kind"] == "negative"]
    if not hits or not misses:
        return None
    won = sum((h > m) + 0.5 * (h == m) for h in hits for m in misses)
    return won / (len(hits) * len(misses))


def slow_average_precision(rows):
    known = [r for r in rows if r["kind"] in ("positive", "negative")]
    total = sum(r["kind"] == "positive" for r in known)
    if total in (0, len(known)):
        return None
    area, before = 0.0, 0
    for threshold in sorted({r["p"] for r in known}, reverse=True):
        above = [r for r in known if r["p"] >= threshold]
        hits = sum(r["kind"] == "positive" for r in above)
        area += (hits - before) / total * hits / len(above)
        before = hits
    return area


@given(fleets())
def test_every_figure_equals_the_slow_count(fleet):
    times, events, score, policy, horizon, lead, counted = fleet
    world = make_world(times, events, horizon=horizon, lead=lead)
    scored = world.raised(policy, score)
    counted = np.array(counted, bool)
    judged = judge(scored, counted)
    found = alarm_metrics(scored, judged, counted, world.frame.clock, policy.threshold)

    rows = slow_rows(times, events, score, horizon, lead)
    alarms = slow_alarms(rows, policy)
    caught, tally = slow_figures(rows, alarms, counted)
    assert [(a["asset"], a["t"]) for a in alarms] == [
        (world.frame.assets[scored.asset[row]], scored.time[row]) for row in judged.row
    ]
    assert (found["alarms"], found["caught"]) == (len(alarms), len(caught))
    assert found["false_alarms"] == tally["false"]
    assert found["late_alarms"] == tally["late"]
    assert found["repeated_alarms"] == tally["repeat"]
    assert found["boundary_alarms"] == tally["boundary"]
    assert {i: judged.lead_time[i] for i in np.flatnonzero(judged.caught)} == caught
    if rows:
        rate = tally["false"] / len(rows) * 1000
        assert found["false_alarms_per_1000_cycles"] == pytest.approx(rate)

    by_row = row_metrics(scored)
    assert by_row["positive_rows"] == sum(r["kind"] == "positive" for r in rows)
    for name, slow in (("roc_auc", slow_auc(rows)), ("pr_auc", slow_average_precision(rows))):
        assert by_row[name] == (None if slow is None else pytest.approx(slow))


@given(fleets())
def test_the_curve_counts_at_each_threshold_what_the_policy_raises_there(fleet):
    times, events, score, policy, horizon, lead, counted = fleet
    world = make_world(times, events, horizon=horizon, lead=lead)
    counted = np.array(counted, bool)
    curve = tradeoff_curve(world.scored(probability=score), counted, world.frame.clock, policy)
    rows = slow_rows(times, events, score, horizon, lead)
    assert curve.above[0] == 0
    assert curve.above[-1] == len(rows)
    for i, threshold in enumerate(curve.threshold.tolist()):
        shape = AlarmPolicy(threshold, policy.k, policy.n, policy.silence)
        alarms = slow_alarms(rows, shape)
        caught, tally = slow_figures(rows, alarms, counted)
        assert curve.alarms[i] == len(alarms)
        assert curve.caught[i] == len(caught)
        assert curve.false_alarms[i] == tally["false"]
        assert curve.above[i] == sum(r["p"] >= threshold for r in rows)


@given(fleets())
def test_random_alarms_are_the_mean_over_all_turns_of_the_ring(fleet):
    times, events, score, policy, horizon, lead, counted = fleet
    world = make_world(times, events, horizon=horizon, lead=lead)
    scored = world.raised(policy, score)
    counted = np.array(counted, bool)
    rows = slow_rows(times, events, score, horizon, lead)
    raised = scored.alarm.tolist()
    hits, false = np.zeros(len(events)), 0
    for turn in range(len(rows)):
        alarms = [r for r, on in zip(rows, raised[turn:] + raised[:turn], strict=True) if on]
        for event in {a["event"] for a in alarms if a["kind"] == "positive"}:
            hits[event] += counted[event]
        false += sum(a["kind"] in ("negative", "censored") for a in alarms)
    turns = max(len(rows), 1)
    random = random_alarms(scored, counted, Clock("datetime", MINUTE))
    # A positive stretch is not contiguous among the rows where a gap or event cuts into it,
    # which cannot be: its rows stand together before their event.
    assert random.chance == pytest.approx(hits / turns)
    assert random.metrics["false_alarms"] == pytest.approx(false / turns)
