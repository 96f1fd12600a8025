"""The alarm timeline: what happened, when, and what the alarms made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rareevent.report.axes import Scale, Ticks, time_ticks
from rareevent.report.content import Json
from rareevent.report.reading import AlarmMark, EventMark, Judged
from rareevent.report.svg import drawing, el, line, mark, path, text
from rareevent.report.words import US_PER_DAY, Times, as_datetime, plural

EVENT_MARKS = {
    "caught": ("circle", "caught"),
    "missed": ("diamond", "missed"),
    "unforeseeable": ("diamond", "unforeseeable"),
    "boundary": ("circle", "boundary"),
}
ALARM_STYLES = {"false": "false", "late": "late"}

_HOUR = US_PER_DAY // 24
_STRIPS = tuple(h * _HOUR for h in (1, 2, 6, 12, 24, 7 * 24, 28 * 24, 91 * 24, 364 * 24))
_MONDAY = 4 * US_PER_DAY  # the epoch was a Thursday
_FEW_ASSETS = 3
_MAX_LANES = 24
_ROOM_PER_MARK = 34  # pixels; below it, neighbouring marks run into each other
_SCORE_HEIGHT = 22


@dataclass(frozen=True)
class Lane:
    """One line of the timeline: an asset between two times."""

    label: str
    asset: str
    low: int
    high: int


@dataclass(frozen=True)
class Timeline:
    """The drawing, and what it leaves out, in words (empty where it shows everything)."""

    svg: Markup
    note: str


@dataclass(frozen=True)
class _Layout:
    left: float
    right: float
    top: float
    height: float
    label_above: bool


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
    stretch = _period(judged, series, times)
    if stretch is None:
        return None
    assets = by_trouble(judged, series)
    if times.dated and len(assets) <= _FEW_ASSETS:
        lanes = _strips(assets, *stretch, judged, width)
        ticks = _strip_ticks(lanes[0], width, times)
    else:
        lanes = [Lane(name, name, *stretch) for name in assets[:_MAX_LANES]]
        ticks = time_ticks(*stretch, about=max(3, width // 130), times=times)
    note = _left_out(assets, lanes, judged)
    return Timeline(_draw(lanes, ticks, judged, series, threshold, times, width), note)


def by_trouble(judged: Judged, series: Sequence[Json] = ()) -> list[str]:
    """Asset names, most missed events first, then most false alarms, most events, name."""
    names = [str(row["asset"]) for row in judged.per_asset]
    names += [str(line["asset"]) for line in series]
    tally: dict[str, list[int]] = {name: [0, 0, 0] for name in names}
    for event in judged.events:
        counts = tally.setdefault(event.asset, [0, 0, 0])
        counts[0] += event.outcome in ("missed", "unforeseeable")
        counts[2] += 1
    for alarm in judged.alarms:
        tally.setdefault(alarm.asset, [0, 0, 0])[1] += alarm.judgement == "false"
    return sorted(tally, key=lambda name: ([-n for n in tally[name]], name))


def _period(judged: Judged, series: Sequence[Json], times: Times) -> tuple[int, int] | None:
    ticks = [e.time for e in judged.events] + [a.time for a in judged.alarms]
    ticks += [t for one in series for t in (one["time"][:1] + one["time"][-1:])]
    if not ticks:
        return None
    low, high = min(ticks), max(ticks)
    return (low if times.dated else 0), high + 1


def _strips(assets: list[str], low: int, high: int, judged: Judged, width: int) -> list[Lane]:
    """Cut the period at round times, so that marks have room; days where that is possible."""
    marks = len(judged.events) + len(judged.alarms)
    span, most = high - low, _MAX_LANES / len(assets)
    fitting = [s for s in _STRIPS if s <= span and span / s <= most]
    roomy = [s for s in fitting if marks * s / span <= width / _ROOM_PER_MARK]
    step = max(roomy) if roomy else min(fitting, default=_first_at_least(span))
    start = _MONDAY if step >= 7 * US_PER_DAY else 0
    first = start + (low - start) // step * step
    lanes = []
    for begin in range(first, high + 1, step):
        when = _strip_name(begin, step)
        for name in assets:
            label = when if len(assets) == 1 else f"{when} · {name}"
            lanes.append(Lane(label, name, begin, begin + step))
    return lanes


def _first_at_least(span: int) -> int:
    return next((s for s in _STRIPS if s >= span), span)


def _strip_name(tick: int, step: int) -> str:
    when = as_datetime(tick)
    if step >= 28 * US_PER_DAY:
        return f"{when.day} {when:%b %Y}"
    return f"{when:%a} {when.day} {when:%b}" + (f" {when:%H:%M}" if step < US_PER_DAY else "")


def _strip_ticks(lane: Lane, width: int, times: Times) -> Ticks:
    step, about = lane.high - lane.low, 4 if width < 600 else 8
    if step == US_PER_DAY:
        hours = range(0, 25, 6 if width < 600 else 3)
        return tuple((lane.low + h * _HOUR, f"{h:02d}:00") for h in hours)
    if step < US_PER_DAY:
        ticks = time_ticks(0, step, about, times)
        return tuple((lane.low + t, f"+{int(t / _HOUR * 60)} min") for t, _ in ticks)
    days = step // US_PER_DAY
    stride = max(1, days // (days if days <= about else about))
    return tuple((lane.low + d * US_PER_DAY, f"+{d} d") for d in range(0, days + 1, stride))


def _left_out(assets: list[str], lanes: list[Lane], judged: Judged) -> str:
    shown = {lane.asset for lane in lanes}
    hidden = [name for name in assets if name not in shown]
    if not hidden:
        return ""
    events = sum(e.asset not in shown for e in judged.events)
    false = sum(a.asset not in shown and a.judgement == "false" for a in judged.alarms)
    return (
        f"Shown are the {len(shown)} of {len(assets)} assets with the most missed events and false"
        f" alarms; the other {len(hidden)} had {plural(events, 'event')} and"
        f" {plural(false, 'false alarm')}."
    )


def _draw(
    lanes: list[Lane],
    ticks: Ticks,
    judged: Judged,
    series: Sequence[Json],
    threshold: float | None,
    times: Times,
    width: int,
) -> Markup:
    layout = _layout(lanes, width)
    top = _score_top(series, threshold)
    parts: list[str] = []
    for place, lane in enumerate(lanes):
        base = layout.top + (place + 1) * layout.height - 12
        x = Scale(lane.low, lane.high, layout.left, layout.right)
        parts += _lane(lane, x, base, layout)
        parts += _scores(lane, x, base, series, top, threshold)
        parts += _marks(lane, x, base, judged, times)
    foot = layout.top + len(lanes) * layout.height + 16
    x = Scale(lanes[0].low, lanes[0].high, layout.left, layout.right)
    parts += [text(x(t), foot, words, anchor=_anchor(x(t), layout)) for t, words in ticks]
    label = f"Alarm timeline: {plural(len(judged.events), 'event')} in {len(lanes)} lanes"
    return drawing(width, foot + 8, label, parts, "timeline")


def _layout(lanes: list[Lane], width: int) -> _Layout:
    if width < 600:
        return _Layout(8, width - 8, 0, 62, label_above=True)
    longest = max(len(_short(lane.label)) for lane in lanes)
    return _Layout(14 + 7.0 * longest, width - 14, 0, 46, label_above=False)


def _anchor(x: float, layout: _Layout) -> str:
    if x < layout.left + 14:
        return "start"
    return "end" if x > layout.right - 14 else "middle"


def _short(label: str, most: int = 22) -> str:
    return label if len(label) <= most else f"{label[: most - 1]}…"


def _score_top(series: Sequence[Json], threshold: float | None) -> float:
    """The score at a lane's full height: rare peaks are cut so that the rest can be seen."""
    scores = sorted(p for one in series for p in one["probability"] if p is not None)
    high = scores[min(len(scores) - 1, int(0.998 * len(scores)))] if scores else 1.0
    return max(high, 1.5 * (threshold or 0.0), 1e-9)


def _lane(lane: Lane, x: Scale, base: float, layout: _Layout) -> list[str]:
    name = _short(lane.label)
    tip = [] if name == lane.label else [el("title", {}, [lane.label])]
    place = (layout.left, base - 36, "start") if layout.label_above else (0.0, base, "start")
    shape = {"x": place[0], "y": place[1], "class": "lane-name", "text-anchor": place[2]}
    return [line(x.start, base, x.end, base, "base"), el("text", shape, [name, *tip])]


def _scores(
    lane: Lane,
    x: Scale,
    base: float,
    series: Sequence[Json],
    top: float,
    threshold: float | None,
) -> list[str]:
    one = next((s for s in series if str(s["asset"]) == lane.asset), None)
    if one is None:
        return []
    points = [
        None if p is None else (x(t), base - _SCORE_HEIGHT * min(p / top, 1.0))
        for t, p in zip(one["time"], one["probability"], strict=True)
        if lane.low <= t <= lane.high
    ]
    parts: list[str] = [path(points, "score", closed_at=base)]
    if threshold is not None and threshold <= top:
        y = base - _SCORE_HEIGHT * threshold / top
        parts.append(line(x.start, y, x.end, y, "threshold"))
    return parts


def _marks(lane: Lane, x: Scale, base: float, judged: Judged, times: Times) -> list[str]:
    events = [e for e in judged.events if e.asset == lane.asset and lane.low <= e.time < lane.high]
    alarms = [a for a in judged.alarms if a.asset == lane.asset and lane.low <= a.time < lane.high]
    parts: list[str] = []
    last: dict[str, float] = {}
    for alarm in alarms:
        style = ALARM_STYLES.get(alarm.judgement, "catch")
        if x(alarm.time) - last.get(style, -9.0) >= 1.0:  # never two marks on one pixel
            last[style] = x(alarm.time)
            parts.append(_alarm(alarm, x(alarm.time), base, style, times))
    return parts + [_event(event, x(event.time), base, times) for event in events]


def _alarm(alarm: AlarmMark, x: float, base: float, style: str, times: Times) -> Markup:
    words = {"false": "False alarm", "late": "Late alarm"}.get(style, "Alarm that caught")
    tip = f"{words}, {times.at(alarm.time)} · {alarm.asset}"
    stem = line(x, base - _SCORE_HEIGHT - 2, x, base, f"stem {style}")
    return el("g", {}, [stem, mark("down", x, base - _SCORE_HEIGHT - 4, 4, f"alarm {style}", tip)])


def _event(event: EventMark, x: float, base: float, times: Times) -> Markup:
    shape, style = EVENT_MARKS.get(event.outcome, ("circle", "boundary"))
    ahead = "" if event.lead is None else f", announced {times.lead(event.lead)} ahead"
    late = ", an alarm came too late" if event.late and event.lead is None else ""
    tip = f"Event {event.outcome}{ahead}{late}, {times.at(event.time)} · {event.asset}"
    return mark(shape, x, base, 5, f"event {style}", tip)
