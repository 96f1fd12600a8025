"""An evaluation's plain data, read once: marks on a timeline, figures, curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rareevent.report.content import Json

Pair = tuple[float, float]


@dataclass(frozen=True)
class EventMark:
    """An event and what became of it.

    Attributes
    ----------
    outcome : caught, missed, unforeseeable or boundary
    lead : minutes (or cycles) between the first catching alarm and the event; None where none
    late : whether an alarm came too late to act on
    silenced : whether it was missed because an alarm before its catch window kept later ones silent
    """

    asset: str
    time: int
    outcome: str
    lead: float | None
    late: bool
    silenced: bool = False


@dataclass(frozen=True)
class AlarmMark:
    """An alarm and its judgement: catch, repeat, late, false or boundary."""

    asset: str
    time: int
    judgement: str


@dataclass(frozen=True)
class Judged:
    """One evaluation. Whatever is absent is empty, never an error.

    Attributes
    ----------
    curve : trade-off points, in ascending order of false alarms
    pr : recall and precision of rows, one pair per point
    blocks : kind and count of what intervals resample
    policy : threshold, k, n, silence
    unlisted : alarms that were too many to list
    """

    metrics: Mapping[str, Any]
    intervals: Mapping[str, Pair | None]
    events: tuple[EventMark, ...]
    alarms: tuple[AlarmMark, ...]
    per_asset: tuple[Json, ...]
    curve: tuple[Json, ...]
    reliability: tuple[Json, ...]
    pr: tuple[Pair, ...]
    blocks: Json
    policy: Json
    unlisted: int

    def count(self, outcome: str) -> int:
        """Number of events with this outcome."""
        return sum(event.outcome == outcome for event in self.events)

    def interval(self, metric: str) -> Pair | None:
        """The interval of a metric, None where there is none; for event recall the exact one."""
        exact = self.intervals.get(f"{metric}_exact")
        return exact if exact is not None else self.intervals.get(metric)


MODEL_NAMES = {
    "lstm": "Stacked LSTM",
    "blend": "Blend",
    "blend_without_lstm": "Blend without its LSTM",
    "random": "Alarms at random",
    "logistic": "Logistic regression",
    "boosting": "Gradient boosting",
}
CHANCE = "chance"
_STYLES = ("other-1", "other-2", "other-3", "other-4")


@dataclass(frozen=True)
class Rival:
    """A baseline: its name for people, the CSS class of its curve and dots, its evaluation."""

    name: str
    style: str
    judged: Judged


def rivals(baselines: Mapping[str, Json]) -> list[Rival]:
    """Baselines in the order given; alarms at random look like chance, the others differ."""
    out: list[Rival] = []
    for key, evaluation in baselines.items():
        models = sum(rival.style != CHANCE for rival in out)
        style = CHANCE if key == "random" else _STYLES[models % len(_STYLES)]
        out.append(Rival(MODEL_NAMES.get(key, key), style, read(evaluation)))
    return out


def read(evaluation: Json | None) -> Judged:
    """Read `Evaluation.to_json()`; None reads as an evaluation of nothing."""
    data = evaluation or {}
    curve = sorted(records(data.get("curve")), key=lambda p: p.get("false_alarms") or 0)
    return Judged(
        metrics=data.get("metrics") or {},
        intervals={k: _pair(v) for k, v in (data.get("intervals") or {}).items()},
        events=tuple(_event(e) for e in records(data.get("events"))),
        alarms=tuple(_alarm(a) for a in records(data.get("alarms"))),
        per_asset=tuple(records(data.get("per_asset"))),
        curve=tuple(curve),
        reliability=tuple(records(data.get("reliability"))),
        pr=tuple((p["recall"], p["precision"]) for p in records(data.get("pr_curve"))),
        blocks=data.get("blocks") or {},
        policy=data.get("policy") or {},
        unlisted=int(data.get("alarms_not_listed") or 0),
    )


def records(value: Sequence[Json] | Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """A list of records, from a list of records or from columns of equal length.

    Examples
    --------
    >>> records({"a": [1, 2], "b": [3, 4]})
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 4}]
    >>> records([{"a": 1}]), records(None)
    ([{'a': 1}], [])
    """
    if not value:
        return []
    if isinstance(value, Mapping):
        names = list(value)
        return [dict(zip(names, row, strict=True)) for row in zip(*value.values(), strict=True)]
    return [dict(item) for item in value]


def _pair(value: Sequence[float] | None) -> Pair | None:
    if value is None or any(v is None for v in value):
        return None
    low, high = value
    return (float(low), float(high))


def _event(data: Json) -> EventMark:
    return EventMark(
        asset=str(data["asset"]),
        time=int(data["tick"]),
        outcome=str(data["outcome"]),
        lead=data.get("lead_time"),
        late=bool(data.get("late")),
        silenced=bool(data.get("silenced")),
    )


def _alarm(data: Json) -> AlarmMark:
    return AlarmMark(str(data["asset"]), int(data["tick"]), str(data["judgement"]))
