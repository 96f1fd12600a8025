"""How the alarm timeline is laid out: which assets, how long a line, which ticks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rareevent.report.axes import Ticks, time_ticks
from rareevent.report.content import Json
from rareevent.report.reading import AlarmMark, EventMark, Judged
from rareevent.report.words import US_PER_DAY, Times, as_datetime, plural

MOST_LANES = 24
_HOUR = US_PER_DAY // 24
_STRIPS = tuple(h * _HOUR for h in (1, 2, 6, 12, 24, 7 * 24, 28 * 24, 91 * 24, 364 * 24))
_MONDAY = 4 * US_PER_DAY  # the epoch was a Thursday
_FEW_ASSETS = 3
_ROOM_PER_MARK = 34  # pixels; below it, neighbouring marks run into each other


@dataclass(frozen=True)
class Lane:
    """One line of the timeline: an asset between two times, and what happened there.

    Attributes
    ----------
    low, high : ticks; `high` belongs to the next lane
    scores : (tick, score) in order of time; a score of None lifts the pen
    """

    label: str
    asset: str
    low: int
    high: int
    events: tuple[EventMark, ...] = ()
    alarms: tuple[AlarmMark, ...] = ()
    scores: tuple[tuple[int, float | None], ...] = ()


@dataclass(frozen=True)
class Plan:
    """Lanes of equal length, the ticks of the first one, and assets that have no lane."""

    lanes: tuple[Lane, ...]
    ticks: Ticks
    hidden: tuple[str, ...]


def plan_lanes(judged: Judged, series: Sequence[Json], times: Times, width: int) -> Plan | None:
    """One lane per asset, or per stretch of time where assets are few.

    Parameters
    ----------
    series : from `score_series`
    width : int, pixels; decides how many marks fit side by side

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
        lanes = [Lane(name, name, *stretch) for name in assets[:MOST_LANES]]
        ticks = time_ticks(*stretch, about=max(4, width // 130), times=times)
        if not times.dated:
            ticks = (*ticks[:-1], (ticks[-1][0], f"{ticks[-1][1]}\u00a0cycles"))
    scores = {
        str(one["asset"]): list(zip(one["time"], one["probability"], strict=True)) for one in series
    }
    filled = tuple(_fill(lane, judged, scores.get(lane.asset, [])) for lane in lanes)
    shown = {lane.asset for lane in lanes}
    return Plan(filled, ticks, tuple(name for name in assets if name not in shown))


def _fill(lane: Lane, judged: Judged, scores: list[tuple[int, float | None]]) -> Lane:
    def mine(mark: EventMark | AlarmMark) -> bool:
        return mark.asset == lane.asset and lane.low <= mark.time < lane.high

    return replace(
        lane,
        events=tuple(filter(mine, judged.events)),
        alarms=tuple(filter(mine, judged.alarms)),
        scores=tuple(pair for pair in scores if lane.low <= pair[0] < lane.high),
    )


def left_out(plan: Plan, judged: Judged) -> str:
    """What the timeline does not show, in words; empty where it shows everything."""
    if not plan.hidden:
        return ""
    hidden = set(plan.hidden)
    shown = len({lane.asset for lane in plan.lanes})
    events = sum(e.asset in hidden for e in judged.events)
    false = sum(a.asset in hidden and a.judgement == "false" for a in judged.alarms)
    return (
        f"Shown are the {shown} of {shown + len(hidden)} assets with the most missed events and"
        f" false alarms; the other {len(hidden)} had {plural(events, 'event')} and"
        f" {plural(false, 'false alarm')}."
    )


def score_top(plan: Plan, threshold: float | None) -> float:
    """The score at a lane's full height: four thresholds or certainty, else the highest score."""
    if threshold:
        return max(threshold, min(4 * threshold, 1.0))
    scores = (score for lane in plan.lanes for _, score in lane.scores if score is not None)
    return max(scores, default=1.0) or 1.0


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
    span, most = high - low, MOST_LANES / len(assets)
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
