"""The charts: trade-off, precision and recall, reliability, lead times, training, intervals."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from rareevent.report.axes import Axis, Panel, Scale, axis, nice_step, panel
from rareevent.report.content import Json
from rareevent.report.reading import Judged, Pair, Rival
from rareevent.report.svg import drawing, el, line, mark, path, rect, text
from rareevent.report.words import Times, number, percent, percent_range, plural

WIDTH, HEIGHT = 440, 310
_SPIKE = 0.02  # recall below which precision is that of a handful of rows
_NEARLY = 0.9
_FEWEST_BARS = 6


def tradeoff_chart(
    model: Judged, others: Sequence[Rival], chosen: Pair | None, times: Times
) -> Markup | None:
    """Event recall against false alarms, one curve per model, the chosen point as a ring.

    Parameters
    ----------
    others : those without a curve are drawn as one point
    chosen : (false alarm rate, event recall) of the alarm policy in use

    Returns
    -------
    None where the model has no curve.
    """
    points = curve_points(model, times)
    if not points:
        return None
    ends = [(other, operating_point(other.judged, times)) for other in others]
    high = tradeoff_reach(points, [chosen, *(end for _, end in ends)])
    across = axis(0, high, f"false alarms {times.rate_words}")
    place = panel(WIDTH, HEIGHT, across, axis(0, 1, "events caught", as_percent=True))
    parts: list[str] = [place.furniture]
    for other in others:
        curve = _inside(curve_points(other.judged, times), place)
        parts.append(path(curve, f"curve {other.style}"))
    parts.append(path(_inside(points, place), "curve model"))
    for other, end in ends:
        parts += _operating(place, end, f"dot {other.style}", other.name, times)
    parts += _operating(place, chosen, "dot model chosen", "chosen point", times)
    return drawing(WIDTH, HEIGHT, "Events caught against false alarms", parts, "plot")


def tradeoff_reach(points: Sequence[Pair], ends: Sequence[Pair | None]) -> float:
    """How far to draw the trade-off: three times beyond the points in use, where there are any.

    Without a false alarm at them, as far as the curve still climbs.
    """
    most = max(x for x, _ in points)
    used = max((end[0] for end in ends if end is not None), default=0.0)
    if used <= 0:
        top = max(y for _, y in points)
        used = min(x for x, y in points if y >= _NEARLY * top) / 2
    return min(most, 3 * used) or most or 1.0


def curve_points(judged: Judged, times: Times) -> list[Pair]:
    """(False alarm rate, event recall) along the trade-off curve, where both are known."""
    key = times.rate_key
    pairs = [(p.get(key, p.get("false_alarms")), p.get("event_recall")) for p in judged.curve]
    return [(float(x), float(y)) for x, y in pairs if x is not None and y is not None]


def operating_point(judged: Judged, times: Times) -> Pair | None:
    """(False alarm rate, event recall) at the threshold in use."""
    x, y = judged.metrics.get(times.rate_key), judged.metrics.get("event_recall")
    return None if x is None or y is None else (float(x), float(y))


def _inside(points: Sequence[Pair], place: Panel) -> list[Pair]:
    """Pixels of a staircase: between two thresholds nothing is gained for free."""
    pixels: list[Pair] = []
    for x, y in points:
        if not place.x.holds(x):
            pixels += [(place.x.end, pixels[-1][1])] if pixels else []
            break
        if pixels:
            pixels.append((place.x(x), pixels[-1][1]))
        pixels.append((place.x(x), place.y(y)))
    return pixels


def _operating(
    place: Panel, point: Pair | None, style: str, name: str, times: Times
) -> list[Markup]:
    if point is None or not place.x.holds(point[0]):
        return []
    rate = f"{number(point[0])} false alarms {times.rate_words}"
    tip = f"{name}: {percent(point[1])} of events caught at {rate}"
    return [mark("circle", place.x(point[0]), place.y(point[1]), 5, style, tip)]


def pr_chart(model: Judged, others: Sequence[Rival], prevalence: float | None) -> Markup | None:
    """Precision against recall of rows; guessing gives the dashed prevalence line."""
    if not model.pr:
        return None
    drawn = [model, *(other.judged for other in others)]
    # The first few rows make a spike that would flatten everything else.
    high = max((p for one in drawn for r, p in one.pr if r >= _SPIKE), default=0.0)
    high = min(1.0, max(1.05 * high, 2 * (prevalence or 0.0), 1e-3))
    up = axis(0, high, "precision of rows", as_percent=True)
    place = panel(WIDTH, HEIGHT, axis(0, 1, "recall of rows", as_percent=True), up)
    parts: list[str] = [place.furniture]
    for other in others:
        parts.append(path(_clipped(other.judged.pr, place), f"curve {other.style}"))
    parts.append(path(_clipped(model.pr, place), "curve model"))
    if prevalence is not None and place.y.holds(prevalence):
        y = place.y(prevalence)
        parts.append(line(place.x.start, y, place.x.end, y, "threshold"))
        words = f"prevalence {percent(prevalence)}"
        parts.append(text(place.x.start + 6, y - 6, words, "label"))
    return drawing(WIDTH, HEIGHT, "Precision against recall", parts, "plot")


def _clipped(points: Sequence[Pair], place: Panel) -> list[Pair]:
    return [(place.x(x), place.y(min(y, place.y.high))) for x, y in points]


def reliability_chart(bins: Sequence[Json]) -> Markup | None:
    """Observed frequency against forecast probability; on the diagonal, a probability is one.

    Parameters
    ----------
    bins : records with `mean_probability`, `observed`, `rows`
    """
    known = [
        b for b in bins if b.get("mean_probability") is not None and b.get("observed") is not None
    ]
    if not known:
        return None
    high = max(max(b["mean_probability"], b["observed"]) for b in known)
    both = axis(0, min(1.0, 1.05 * high) or 1.0, "", as_percent=True)
    across = Axis(both.low, both.high, both.ticks, "forecast probability")
    up = Axis(both.low, both.high, both.ticks, "observed frequency")
    place = panel(WIDTH, HEIGHT, across, up)
    diagonal = line(place.x.start, place.y.start, place.x.end, place.y.end, "threshold")
    dots = [_reliability_dot(place, b) for b in known]
    points = sorted((place.x(b["mean_probability"]), place.y(b["observed"])) for b in known)
    parts = [place.furniture, diagonal, path(points, "curve model thin"), *dots]
    return drawing(WIDTH, HEIGHT, "Observed frequency against forecast probability", parts, "plot")


def _reliability_dot(place: Panel, one: Json) -> Markup:
    rows = int(one.get("rows") or 0)
    tip = (
        f"forecast {percent(one['mean_probability'])}, observed {percent(one['observed'])}"
        f" in {plural(rows, 'row')}"
    )
    size = 2.5 + 0.6 * min(5.0, math.log10(max(rows, 1)))
    return mark(
        "circle", place.x(one["mean_probability"]), place.y(one["observed"]), size, "dot model", tip
    )


def lead_chart(leads: Sequence[float], times: Times) -> Markup | None:
    """How long before their event the catching alarms came: a histogram of lead times."""
    if not leads:
        return None
    width = _bin_width(leads)
    counts = Counter(int(lead / width + 1e-9) for lead in leads)
    last = max(counts)
    unit = "min" if times.dated else "cycles"
    across = axis(
        0, max(last + 1, _FEWEST_BARS) * width, f"lead time of caught events, {unit}", about=6
    )
    most = max(counts.values())
    up = axis(0, most, "events", about=min(4, most))
    place = panel(WIDTH, HEIGHT, across, up)
    bars = []
    for step, count in sorted(counts.items()):
        x, end = place.x(step * width), place.x((step + 1) * width)
        span = f"{number(step * width)} to {number((step + 1) * width)} {unit}"
        tip = f"{plural(count, 'event')} caught {span} ahead"
        y = place.y(count)
        bars.append(rect(x + 1, y, end - x - 2, place.y.start - y, "bar model", tip))
    return drawing(WIDTH, HEIGHT, "Lead times of caught events", [place.furniture, *bars], "plot")


def _bin_width(leads: Sequence[float]) -> float:
    """A round width for about twelve bars, no finer than the leads themselves are."""
    apart = [b - a for a, b in itertools.pairwise(sorted(set(leads)))]
    return max(nice_step(max(leads) or 1.0, 12), min(apart, default=0.0))


def training_chart(history: Sequence[Sequence[Json]], key: str, label: str) -> Markup | None:
    """One figure per epoch, one line per ensemble member."""
    lines = [
        [(float(e["epoch"]), float(e[key])) for e in member if e.get(key) is not None]
        for member in history
    ]
    values = [y for one in lines for _, y in one]
    if not values:
        return None
    last = max(2, *(int(x) for one in lines for x, _ in one))
    stride = max(1, round(nice_step(last, 8)))
    ticks = tuple((float(e), str(e)) for e in range(1, last + 1) if e == 1 or e % stride == 0)
    across = Axis(1, last, ticks, "epoch")
    slack = 0.06 * (max(values) - min(values) or max(values) or 1.0)
    up = axis(max(0.0, min(values) - slack), max(values) + slack, label)
    place = panel(WIDTH, HEIGHT, across, up)
    parts: list[str] = [place.furniture]
    for member, one in enumerate(lines, 1):
        parts.append(path([(place.x(x), place.y(y)) for x, y in one], "curve model thin"))
        for x, y in one:
            tip = f"member {member}, epoch {x:.0f}: {number(y)}"
            parts.append(mark("circle", place.x(x), place.y(y), 3, "dot model", tip))
    return drawing(WIDTH, HEIGHT, f"{label} by epoch", parts, "plot")


def interval_bar(value: float | None, pair: Pair | None, high: float, style: str) -> Markup | None:
    """A figure and its interval on one line, for a cell of the comparison table."""
    if value is None:
        return None
    x = Scale(0.0, high or 1.0, 7, 113)
    words = f"{percent(value)}, interval {percent_range(pair)}" if pair else percent(value)
    parts: list[str] = [line(x.start, 10, x.end, 10, "grid")]
    if pair is not None:
        parts.append(line(x(max(pair[0], 0)), 10, x(min(pair[1], x.high)), 10, f"whisker {style}"))
    parts.append(mark("circle", x(min(value, x.high)), 10, 4.5, f"dot {style}"))
    return drawing(120, 20, words, parts, "spark")


def split_bar(parts: Sequence[tuple[str, float]]) -> Markup:
    """Shares of rows per part, as one bar."""
    total = sum(size for _, size in parts) or 1.0
    x, drawn = 0.0, []
    for name, size in parts:
        width = 1000 * size / total
        tip = f"{name}: {percent(size / total)} of rows"
        drawn.append(rect(x, 0, max(width - 3, 1), 14, f"part {name}", tip))
        x += width
    return el(
        "svg",
        {
            "viewBox": "0 0 1000 14",
            "class": "split-bar",
            "preserveAspectRatio": "none",
            "role": "img",
            "aria-label": "Rows per part",
        },
        drawn,
    )
