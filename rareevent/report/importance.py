"""The section "Which sensors the model relies on"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rareevent.report.axes import Scale, axis
from rareevent.report.content import Json
from rareevent.report.svg import drawing, line, mark, text
from rareevent.report.tables import Cell, Table
from rareevent.report.words import NONE, percent, plural, score

_MOST_BARS = 15
_WIDTH, _ROW, _TOP, _BOTTOM = 440, 20, 12, 44
_LONGEST_NAME = 22


@dataclass(frozen=True)
class ImportanceView:
    """What the template shows: words, a chart of the first sensors, a table of all.

    `warning` is not empty where the model does not tell these windows apart, so that there is
    nothing to lose.
    """

    words: str
    warning: str
    found: str
    chart: Markup | None
    table: Table


def importance_view(importance: Json) -> ImportanceView:
    """Arrange what `jobs.importance.importance_content` found."""
    sensors, base = importance["sensors"], importance["base"]
    events = plural(importance["events"], "validation event")
    left = importance["unmatched"]
    without = f" ({plural(left, 'event')} without a matched stretch left out)" if left else ""
    words = (
        f"Before {events}{without} each sensor's course was exchanged for its course in matched"
        f" stretches of the same asset that no event is near, up to {importance['matches']} for"
        f" each, all other sensors left as they are. As it is, the model has a PR-AUC of"
        f" {score(base['pr_auc'])} on these windows, of which {percent(base['prevalence'])} are"
        f" before events, and {percent(base['event_recall'])} of the events reach the alarm"
        " threshold."
    )
    return ImportanceView(
        words, _warning(base), _found(importance), _chart(sensors), _table(sensors)
    )


def _warning(base: Json) -> str:
    if base["low"] is None or base["low"] > base["prevalence"]:
        return ""
    guess, ends = score(base["prevalence"]), f"{score(base['low'])} to {score(base['high'])}"
    return (
        f"Guessing would have {guess}, and the interval of the model's PR-AUC is {ends}: it is not"
        " shown to tell these windows apart at all, so there is little that could be lost, and the"
        " order below means nothing."
    )


def _found(importance: Json) -> str:
    sensors = importance["sensors"]
    if sensors[0]["pr_auc"]["low"] is None:
        fewest = importance.get("fewest_blocks", importance.get("fewest_events"))
        return (
            f"With events in fewer than {fewest} stretches of time, or on fewer assets, there are"
            " no intervals."
        )
    sure = sum(one["pr_auc"]["low"] > 0 for one in sensors)
    share, all_ = percent(importance["confidence"]), plural(len(sensors), "sensor")
    return (
        f"The interval lies above 0 for {sure or 'none'} of {all_}. Intervals are by bootstrap over"
        f" {_resampled(importance)}, and with {share} confidence all of them hold at once."
    )


def _resampled(importance: Json) -> str:
    """What was drawn anew; a run of an older version drew its events."""
    if "blocks" not in importance:
        return "events"
    return f"the {importance['blocks']} assets, or stretches of time, that the events lie in"


def _table(sensors: Sequence[Json]) -> Table:
    rows = tuple(
        (
            Cell(one["name"]),
            *_cells(one["pr_auc"], score),
            *_cells(one["event_recall"], _points),
        )
        for one in sensors
    )
    heads = ("sensor", "PR-AUC lost", "interval", "events lost, points", "interval")
    return Table(heads, (False, True, True, True, True), rows)


def _cells(drop: Json, write: Callable[[float], str]) -> tuple[Cell, Cell]:
    value, low, high = drop["value"], drop["low"], drop["high"]
    interval = NONE if low is None else f"{write(low)} to {write(high)}"
    return Cell(write(value), value), Cell(interval)


def _points(value: float) -> str:
    return f"{100 * value:.1f}".replace("-", "−")


def _chart(sensors: Sequence[Json]) -> Markup | None:
    """PR-AUC lost by sensor, the most first, with intervals."""
    shown = sensors[:_MOST_BARS]
    ends = [one["pr_auc"][key] for one in shown for key in ("value", "low", "high")]
    known = [end for end in ends if end is not None]
    if not max(abs(end) for end in known) > 0:
        return None
    across = axis(min(0.0, *known), max(0.0, *known), "PR-AUC lost without the sensor's course")
    names = [_short(one["name"]) for one in shown]
    left = 14 + 7.2 * max(map(len, names))
    foot = _TOP + _ROW * len(shown)
    x = Scale(across.low, across.high, left, _WIDTH - 20)
    parts: list[str] = []
    for value, words in across.ticks:
        parts.append(line(x(value), _TOP, x(value), foot, "base" if value == 0 else "grid"))
        parts.append(text(x(value), foot + 16, words, anchor="middle"))
    parts.append(text(x.end, foot + _BOTTOM - 8, across.label, "axis", anchor="end"))
    for place, (one, name) in enumerate(zip(shown, names, strict=True)):
        parts += _row(one, name, _TOP + _ROW * (place + 0.5), x)
    return drawing(_WIDTH, foot + _BOTTOM, "PR-AUC lost by sensor", parts, "plot")


def _row(one: Json, name: str, y: float, x: Scale) -> list[Markup]:
    drop = one["pr_auc"]
    tip = f"{one['name']}: {score(drop['value'])}"
    parts = [text(x.start - 8, y + 4, name, anchor="end")]
    if drop["low"] is not None:
        tip += f", {score(drop['low'])} to {score(drop['high'])}"
        parts.append(line(x(drop["low"]), y, x(drop["high"]), y, "whisker model"))
    return [*parts, mark("circle", x(drop["value"]), y, 4.5, "dot model", tip)]


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
