"""The alarm timeline: what happened, when, and what the alarms made of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rareevent.report.axes import Scale
from rareevent.report.content import Json
from rareevent.report.lanes import Lane, Plan, left_out, plan_lanes, score_top
from rareevent.report.reading import AlarmMark, EventMark, Judged, Pair
from rareevent.report.svg import drawing, el, line, mark, path, text
from rareevent.report.words import Times, plural

EVENT_SHAPES = {
    "caught": "circle",
    "missed": "diamond",
    "unforeseeable": "diamond",
    "boundary": "circle",
}
_ALARM_STYLES = {"false": "false", "late": "late", "boundary": "late"}
_ALARM_WORDS = {"false": "False alarm", "late": "Alarm that does not count"}

_NARROW = 600  # pixels; below it, lane names stand above their lanes
_SCORE_HEIGHT = 22
_PIXELS_PER_PEAK = 1.5
_PIXELS_PER_ALARM = 3.0  # a third of a mark: closer ones of a kind cannot be told apart
_LETTER = 7.0  # pixels of an average letter, rounded up


@dataclass(frozen=True)
class Timeline:
    """The drawing, and what it leaves out, in words (empty where it shows everything)."""

    svg: Markup
    note: str


@dataclass(frozen=True)
class _Place:
    """Where a lane is drawn: its time scale, its base line and the score at full height."""

    x: Scale
    base: float
    top: float
    times: Times


def timeline(
    judged: Judged, series: Sequence[Json], threshold: float | None, times: Times, width: int
) -> Timeline | None:
    """Draw the test period, one lane per asset, or per stretch of time where assets are few.

    Parameters
    ----------
    series : from `score_series`; assets without one are drawn without scores
    threshold : of the alarm policy, drawn as a dashed line
    width : int, pixels of the drawing; below 600 lane names stand above their lanes

    Returns
    -------
    None where there is neither an event nor an alarm nor a score.
    """
    plan = plan_lanes(judged, series, times, width)
    if plan is None:
        return None
    left, height = _margins(plan, width)
    top = score_top(plan, threshold)
    parts: list[str] = []
    for number, lane in enumerate(plan.lanes, 1):
        x = Scale(lane.low, lane.high, left, width - 14)
        place = _Place(x, number * height - 12, top, times)
        parts += [*_name(lane, place, width), *_scores(lane, place, threshold)]
        parts += [*_alarms(lane, place), *(_event(event, place) for event in lane.events)]
    foot = len(plan.lanes) * height + 16
    parts += _tick_words(plan, Scale(plan.lanes[0].low, plan.lanes[0].high, left, width - 14), foot)
    label = f"Alarm timeline of {plural(len(judged.events), 'event')}"
    return Timeline(drawing(width, foot + 8, label, parts, "timeline"), left_out(plan, judged))


def alarm_style(judgement: str) -> str:
    """CSS class of an alarm: catch, false, or late (also for those that count nowhere)."""
    return _ALARM_STYLES.get(judgement, "catch")


def _margins(plan: Plan, width: int) -> tuple[float, float]:
    """Left margin and lane height, pixels."""
    if width < _NARROW:
        return 8, 62
    return 14 + _LETTER * max(len(_short(lane.label)) for lane in plan.lanes), 46


def _short(label: str, most: int = 22) -> str:
    return label if len(label) <= most else f"{label[: most - 1]}…"


def _tick_words(plan: Plan, x: Scale, foot: float) -> list[Markup]:
    words = []
    for tick, label in plan.ticks:
        at = x(tick)
        anchor = "start" if at < x.start + 14 else "end" if at > x.end - 14 else "middle"
        words.append(text(at, foot, label, anchor=anchor))
    return words


def _name(lane: Lane, place: _Place, width: int) -> list[Markup]:
    short = _short(lane.label)
    tip = [] if short == lane.label else [el("title", {}, [lane.label])]
    x, y = (place.x.start, place.base - 36) if width < _NARROW else (0, place.base)
    name = el("text", {"x": x, "y": y, "class": "lane-name"}, [short, *tip])
    return [line(place.x.start, place.base, place.x.end, place.base, "base"), name]


def _scores(lane: Lane, place: _Place, threshold: float | None) -> list[Markup]:
    if not lane.scores:
        return []
    peaks = [None if p is None else (p[0], _height(p[1], place)) for p in _peaks(lane, place.x)]
    parts = [path(peaks, "score", closed_at=place.base)]
    if threshold is not None:
        y = _height(threshold, place)
        parts.append(line(place.x.start, y, place.x.end, y, "threshold"))
    return parts


def _height(score: float, place: _Place) -> float:
    """Pixel row of a score: a square root, so that rare scores can be seen at all."""
    return place.base - _SCORE_HEIGHT * math.sqrt(min(max(score / place.top, 0.0), 1.0))


def _peaks(lane: Lane, x: Scale) -> list[Pair | None]:
    """Pixel and score, the highest of each pixel and a half; None where the pen is lifted."""
    out: list[Pair | None] = []
    for tick, score in lane.scores:
        last = out[-1] if out else None
        if score is None:
            out.append(None)
        elif last is None or x(tick) - last[0] >= _PIXELS_PER_PEAK:
            out.append((x(tick), score))
        elif score > last[1]:
            out[-1] = (last[0], score)
    return out


def _alarms(lane: Lane, place: _Place) -> list[Markup]:
    parts: list[Markup] = []
    last: dict[str, float] = {}
    for alarm in lane.alarms:
        style, x = alarm_style(alarm.judgement), place.x(alarm.time)
        if x - last.get(style, -9.0) >= _PIXELS_PER_ALARM:
            last[style] = x
            parts.append(_alarm(alarm, x, style, place))
    return parts


def _alarm(alarm: AlarmMark, x: float, style: str, place: _Place) -> Markup:
    words = _ALARM_WORDS.get(style, "Alarm that caught")
    tip = f"{words}, {place.times.at(alarm.time)} · {alarm.asset}"
    head = place.base - _SCORE_HEIGHT - 4
    stem = line(x, head + 2, x, place.base, f"stem {style}")
    return el("g", {}, [stem, mark("down", x, head, 4, f"alarm {style}", tip)])


def _event(event: EventMark, place: _Place) -> Markup:
    ahead = "" if event.lead is None else f", announced {place.times.lead(event.lead)} ahead"
    late = ", an alarm came too late" if event.late and event.lead is None else ""
    tip = f"Event {event.outcome}{ahead}{late}, {place.times.at(event.time)} · {event.asset}"
    shape = EVENT_SHAPES.get(event.outcome, "circle")
    return mark(shape, place.x(event.time), place.base, 5, f"event {event.outcome}", tip)
