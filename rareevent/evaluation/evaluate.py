"""The whole judgement of one model on one part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rareevent.alarms.policy import AlarmPolicy, raise_alarms
from rareevent.config import EvaluateStage
from rareevent.evaluation.blocks import Blocks, make_blocks
from rareevent.evaluation.bootstrap import tally
from rareevent.evaluation.catches import Judged, Judgement, Outcome, judge, outcomes
from rareevent.evaluation.intervals import Interval, clopper_pearson, intervals
from rareevent.evaluation.metrics import (
    Metrics,
    alarm_metrics,
    per_asset_table,
    pr_points,
    reliability,
    row_metrics,
    threshold_metrics,
)
from rareevent.evaluation.scored import Scored
from rareevent.evaluation.tradeoff import tradeoff_curve
from rareevent.ingestion.frame import Bool, Clock, Events

# An alarm that is always on would list millions; the counts in `metrics` are never cut.
MOST_LISTED_ALARMS = 20_000


@dataclass(frozen=True)
class Evaluation:
    """What one model did on one part; all of it plain data, ready for JSON.

    Attributes
    ----------
    metrics : name (without the part) -> number; None where it does not exist
    intervals : name -> (low, high) or None; `event_recall_exact` is Clopper and Pearson's
    blocks : how the intervals were resampled: kind, count, length in ticks
    events : one record per counted or boundary event: asset, time, tick, type, outcome, lead_time
        (minutes, or cycles of an age clock; None unless caught) and late
    alarms : one record per alarm, the first 20,000: asset, time, tick, probability, judgement
    per_asset : one record per asset
    curve : the trade-off, one record per threshold, thresholds descending
    reliability : one record per bin
    pr_curve : one record per threshold, thresholds descending
    policy : the alarm policy that raised the alarms
    """

    metrics: Metrics
    intervals: dict[str, Interval]
    blocks: dict[str, Any]
    events: list[dict[str, Any]]
    alarms: list[dict[str, Any]]
    per_asset: list[dict[str, Any]]
    curve: list[dict[str, Any]]
    reliability: list[dict[str, Any]]
    pr_curve: list[dict[str, float]]
    policy: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The evaluation as strict JSON data: no NaN, no tuple."""
        plain = dict(vars(self))
        plain["intervals"] = {n: list(i) if i else None for n, i in self.intervals.items()}
        plain["alarms_not_listed"] = int(self.metrics["alarms"] or 0) - len(self.alarms)
        return plain


def evaluate(
    scored: Scored,
    events: Events,
    counted: Bool,
    boundary: Bool,
    assets: tuple[str, ...],
    clock: Clock,
    policy: AlarmPolicy,
    *,
    lookback: int,
    horizon: int,
    stage: EvaluateStage,
) -> Evaluation:
    """Judge a model by the output of the scorer on one part.

    Parameters
    ----------
    scored : Scored, the scorer's rows of the part, with the alarms it raised
    events : Events of the frame, [k]
    counted : bool [k], events whose whole catch window lies in the part
    boundary : bool [k], events whose catch window lies in it only partly; listed, not counted
    assets : names; asset codes point into them
    policy : the policy that raised the alarms
    lookback : int, rows
    horizon : int, ticks
    """
    judged = judge(scored, counted)
    blocks = make_blocks(scored, events, counted, clock, lookback=lookback, horizon=horizon)
    metrics = {
        **row_metrics(scored),
        **threshold_metrics(scored, policy.threshold),
        **alarm_metrics(scored, judged, counted, clock, policy.threshold),
    }
    return Evaluation(
        metrics=metrics,
        intervals=_intervals(scored, judged, counted, blocks, clock, stage),
        blocks={"kind": blocks.kind, "count": blocks.count, "length": blocks.length},
        events=_event_records(
            events,
            judged,
            outcomes(judged, counted, boundary),
            _reached(scored, policy, len(counted)),
            assets,
            clock,
        ),
        alarms=_alarm_records(scored, judged, assets, clock),
        per_asset=per_asset_table(scored, judged, counted, events.asset, assets, clock),
        curve=tradeoff_curve(scored, counted, clock, policy).to_json(),
        reliability=reliability(scored),
        pr_curve=pr_points(scored),
        policy=policy.to_json(),
    )


def _intervals(
    scored: Scored,
    judged: Judged,
    counted: Bool,
    blocks: Blocks,
    clock: Clock,
    stage: EvaluateStage,
) -> dict[str, Interval]:
    found = intervals(
        tally(scored, judged, counted, blocks, clock),
        blocks,
        draws=stage.bootstrap,
        confidence=stage.confidence,
        seed=stage.seed,
    )
    caught, events = int(judged.caught.sum()), int(counted.sum())
    return {**found, "event_recall_exact": clopper_pearson(caught, events, stage.confidence)}


def _reached(scored: Scored, policy: AlarmPolicy, events: int) -> Bool:
    """Events before which an alarm was due in time, were it not for the silence; bool [k]."""
    shape = replace(policy, silence=0)
    due = raise_alarms(shape, scored.time, scored.segment, scored.probability)
    reached = np.zeros(events, bool)
    reached[scored.event[due & (scored.target == 1)]] = True
    return reached


def _event_records(
    events: Events,
    judged: Judged,
    outcome: np.ndarray,
    reached: Bool,
    assets: tuple[str, ...],
    clock: Clock,
) -> list[dict[str, Any]]:
    records = []
    for i in np.flatnonzero(outcome >= 0).tolist():
        caught = outcome[i] == Outcome.CAUGHT
        records.append(
            {
                "asset": assets[events.asset[i]],
                "time": clock.text(events.time[i]),
                "tick": int(events.time[i]),
                "type": _type_of(events, i),
                "outcome": Outcome(int(outcome[i])).name.lower(),
                "lead_time": _lead_time(int(judged.lead_time[i]), clock) if caught else None,
                "late": bool(judged.late[i]),
                "silenced": bool(outcome[i] == Outcome.MISSED and reached[i]),
            }
        )
    return records


def _type_of(events: Events, i: int) -> str | None:
    return events.kinds[events.kind[i]] if events.kind[i] >= 0 else None


def _lead_time(ticks: int, clock: Clock) -> float | None:
    """Minutes, or cycles where time is an age."""
    return float(ticks) if clock.kind == "age" else clock.minutes(ticks)


def _alarm_records(
    scored: Scored, judged: Judged, assets: tuple[str, ...], clock: Clock
) -> list[dict[str, Any]]:
    records = []
    listed = judged.row[:MOST_LISTED_ALARMS].tolist()
    for row, judgement in zip(listed, judged.judgement.tolist(), strict=False):
        records.append(
            {
                "asset": assets[scored.asset[row]],
                "time": clock.text(scored.time[row]),
                "tick": int(scored.time[row]),
                "probability": float(scored.probability[row]),
                "judgement": Judgement(judgement).name.lower(),
            }
        )
    return records
