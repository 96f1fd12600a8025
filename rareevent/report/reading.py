"""An evaluation's plain data, read once: marks on a timeline, figures, curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rareevent.report.content import Json
from rareevent.report.words import as_tick

Pair = tuple[float, float]


@dataclass(frozen=True)
class EventMark:
    """An event and what became of it.

    Attributes
    ----------
    outcome : caught, missed, unforeseeable or boundary
    lead : minutes (or cycles) between the first catching alarm and the event; None where none
    late : whether an alarm came too late to act on
    """

    asset: str
    time: int
    outcome: str
    lead: float | None
    late: bool


@dataclass(frozen=True)
class AlarmMark:
    """An alarm and its judgement: caught (or repeat), late, false, or unjudged."""

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
    """

    metrics: Mapping[str, Any]
    intervals: Mapping[str, Pair | None]
    events: tuple[EventMark, ...]
    alarms: tuple[AlarmMark, ...]
    per_asset: tuple[Json, ...]
    curve: tuple[Json, ...]
    reliability: tuple[Json, ...]
    pr: tuple[Pair, ...]

    def count(self, outcome: str) -> int:
        """Number of events with this outcome."""
        return sum(event.outcome == outcome for event in self.events)

    def interval(self, metric: str) -> Pair | None:
        """The interval of a metric, None where there is none."""
        return self.intervals.get(metric)


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
        time=as_tick(data["time"]),
        outcome=str(data["outcome"]),
        lead=data.get("lead_time"),
        late=bool(data.get("late")),
    )


def _alarm(data: Json) -> AlarmMark:
    return AlarmMark(str(data["asset"]), as_tick(data["time"]), str(data["judgement"]))
