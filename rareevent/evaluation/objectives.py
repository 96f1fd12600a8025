"""Fitting the alarm policy to what the user wants of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rareevent.alarms.policy import AlarmPolicy
from rareevent.config import AlarmStage
from rareevent.errors import ConfigError, RareEventWarning, TrainingError
from rareevent.evaluation.scored import Scored
from rareevent.evaluation.tradeoff import Curve, tradeoff_curve
from rareevent.ingestion.frame import Bool, Clock, Int64

_BUDGETS = ("false_alarms_per_event", "false_alarms_per_day", "false_alarms_per_asset_day")
# The threshold of the policy that only gives a curve its k, n and silence.
_ANY_THRESHOLD = 0.5
# A budget of which this share is enough for the same catches is worth a word.
_CALMER = 0.5

# Place on the curve, whether the objective is met there, and a note.
Choice = tuple[int, bool, str]


@dataclass(frozen=True)
class FittedPolicy:
    """A policy, and how well it meets the objective on the rows it was fitted to.

    Attributes
    ----------
    policy : AlarmPolicy
    curve : Curve on those rows
    chosen : int, the policy's place on the curve
    met : bool, whether the objective is met there
    note : what a reader should know: what is reachable where it is not met, or what the fit
        could not know; empty when there is nothing to say
    """

    policy: AlarmPolicy
    curve: Curve
    chosen: int
    met: bool
    note: str

    def to_json(self) -> dict[str, Any]:
        """The fit as plain data, with the chosen point but without the curve."""
        return {
            "policy": self.policy.to_json(),
            "met": self.met,
            "note": self.note,
            "chosen": self.curve.to_json()[self.chosen],
        }


def silence_ticks(stage: AlarmStage, clock: Clock, horizon: int) -> int:
    """The silence in ticks: the horizon unless given; a longer one warns.

    Raises
    ------
    ConfigError
        When a text duration meets an age clock.
    """
    if stage.silence is None:
        return horizon
    silence = clock.ticks(stage.silence)
    if silence > horizon:
        warnings.warn(
            f"alarm.silence of {stage.silence!r} is longer than the horizon: a false alarm can"
            " silence the whole catch window of the event after it",
            RareEventWarning,
            stacklevel=2,
        )
    return silence


def fit_policy(
    scored: Scored, counted: Bool, clock: Clock, stage: AlarmStage, *, horizon: int
) -> FittedPolicy:
    """Choose the threshold that serves the objective best on these rows.

    Budget: the lowest threshold that keeps it and catches most. Cost: the least of missed events
    and false alarms in the user's money. F-beta: of alarm precision and event recall. Precision
    floor: the most events at that precision. Recall floor: the fewest false alarms at that recall.
    Of equally good thresholds, budget aside, the one with the fewest false alarms, and the middle
    one of a plateau.

    Parameters
    ----------
    scored : Scored, rows before the test part, which the model was not trained on
    counted : bool [k], events whose whole catch window lies among those rows
    horizon : int, ticks

    Raises
    ------
    ConfigError
        When a budget per day meets an age clock.
    TrainingError
        When there is no row, or no event and the objective needs one.
    """
    require_objective(counted, clock, stage)
    if not len(scored):
        raise TrainingError(
            "alarm: no scored row before the test part to fit the threshold on; give"
            " split.validation more of the data"
        )
    silence = silence_ticks(stage, clock, horizon)
    shape = AlarmPolicy(_ANY_THRESHOLD, stage.k, stage.n, silence)
    curve = tradeoff_curve(scored, counted, clock, shape)
    chosen, met, note = _OBJECTIVES[stage.objective](curve, stage)
    policy = replace(shape, threshold=float(curve.threshold[chosen]))
    return FittedPolicy(policy, curve, chosen, met, note)


def require_objective(counted: Bool, clock: Clock, stage: AlarmStage) -> None:
    """Refuse an objective that these events and this clock cannot serve, before any training.

    Parameters
    ----------
    counted : bool [k], events that the threshold would be fitted on

    Raises
    ------
    ConfigError
        When a budget per day meets an age clock.
    TrainingError
        When there is no event and the objective needs one.
    """
    budget = _budget_of(stage) if stage.objective == "budget" else None
    if budget in _BUDGETS[1:] and clock.kind == "age":
        raise ConfigError(
            f"alarm.{budget}: needs timestamps, but time is an integer age; set"
            " alarm.false_alarms_per_event instead"
        )
    if not counted.any() and budget not in _BUDGETS[1:]:
        wanted = f"alarm.{budget}" if budget else f"alarm.objective {stage.objective!r}"
        raise TrainingError(
            f"{wanted} needs an event to be fitted on, and none lies before the test part with"
            " its whole catch window; give split.validation more of the data, or set a rate such"
            " as alarm.false_alarms_per_day"
        )


def _budget_of(stage: AlarmStage) -> str:
    return next(name for name in _BUDGETS if getattr(stage, name) is not None)


def _budget(curve: Curve, stage: AlarmStage) -> Choice:
    name = _budget_of(stage)
    limit = getattr(stage, name)
    rate = curve.rate(name)
    # The allowance is spent: of the thresholds before the first one that breaks the budget, the
    # lowest that catches most. What the last false alarms catch here is luck; on new days it is
    # what they are there for.
    # The highest candidate raises no alarm, so one is always left.
    caught = curve.caught[: int(np.argmin(np.append(rate <= limit, False)))]
    chosen = int(np.flatnonzero(caught == caught.max())[-1])
    if curve.caught[chosen]:
        return chosen, True, _calmer(curve, chosen, name)
    if not curve.events:
        return chosen, True, "no event to fit on: the threshold only keeps the rate of alarms"
    if not curve.caught.any():
        return chosen, True, "no threshold catches an event; the threshold only keeps the budget"
    cheapest = float(rate[curve.caught > 0].min())
    note = (
        f"no event is caught within {name} = {limit:g}; catching one takes {cheapest:.3g}, so the"
        " threshold only keeps the budget"
    )
    return chosen, True, note


def _calmer(curve: Curve, chosen: int, name: str) -> str:
    """A word on a budget that is far above what the same catches take; else empty."""
    rate = curve.rate(name)
    needed = float(rate[curve.caught == curve.caught[chosen]].min())
    if needed >= _CALMER * float(rate[chosen]):
        return ""
    return (
        f"before the test part the same {curve.caught[chosen]} of {curve.events} events are caught"
        f" at {name} = {needed:.2g}; the threshold spends {rate[chosen]:.2g} for events to come: a"
        f" smaller alarm.{name} is calmer"
    )


def _cost(curve: Curve, stage: AlarmStage) -> Choice:
    missed = curve.events - curve.caught
    cost = stage.cost_missed * missed + stage.cost_false * curve.false_alarms
    chosen = _fewest_false(curve, cost == cost.min())
    note = "" if curve.caught[chosen] else "the cheapest is to catch no event and raise no alarm"
    return chosen, True, note


def _fbeta(curve: Curve, stage: AlarmStage) -> Choice:
    square = stage.beta**2
    # F-beta in counts (van Rijsbergen 1979, chapter 7): precision and recall share `caught`.
    score = (
        (1 + square) * curve.caught / (square * curve.events + curve.caught + curve.false_alarms)
    )
    chosen = _fewest_false(curve, score == score.max())
    if curve.caught[chosen]:
        return chosen, True, ""
    return chosen, False, "no threshold catches an event: F-beta is 0 at every one"


def _precision(curve: Curve, stage: AlarmStage) -> Choice:
    precision = np.nan_to_num(curve.precision())
    reached = precision >= stage.floor
    best = reached if reached.any() else precision == precision.max()
    chosen = _most_caught(curve, best)
    if reached.any():
        return chosen, True, ""
    return chosen, False, _out_of_reach("precision", stage.floor, precision[chosen], curve, chosen)


def _recall(curve: Curve, stage: AlarmStage) -> Choice:
    recall = curve.event_recall()
    reached = recall >= stage.floor
    if reached.any():
        return _fewest_false(curve, reached), True, ""
    chosen = _fewest_false(curve, recall == recall.max())
    return chosen, False, _out_of_reach("event recall", stage.floor, recall[chosen], curve, chosen)


def _out_of_reach(name: str, floor: float, best: float, curve: Curve, chosen: int) -> str:
    return (
        f"no threshold reaches {name} {floor:g}; the highest, taken here, is {best:.3g}"
        f" ({curve.caught[chosen]} of {curve.events} events caught,"
        f" {curve.false_alarms[chosen]} false alarms)"
    )


def _most_caught(curve: Curve, among: Bool) -> int:
    """Of the candidates the one that catches most, with the fewest false alarms."""
    return _fewest_false(curve, among & (curve.caught == curve.caught[among].max()))


def _fewest_false(curve: Curve, among: Bool) -> int:
    """Of the candidates the one with the fewest false alarms; of ties the plateau's middle."""
    fewest = curve.false_alarms[among].min()
    return _middle(np.flatnonzero(among & (curve.false_alarms == fewest)))


def _middle(places: Int64) -> int:
    """The middle of the longest run of consecutive places: a margin on either side."""
    runs = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    longest = max(runs, key=len)
    return int(longest[len(longest) // 2])


_OBJECTIVES: dict[str, Callable[[Curve, AlarmStage], Choice]] = {
    "budget": _budget,
    "cost": _cost,
    "fbeta": _fbeta,
    "precision": _precision,
    "recall": _recall,
}
