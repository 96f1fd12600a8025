"""Charts of gradient health: by layer and epoch, and by step of the window."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from rareevent.report.axes import Axis, axis, nice_step, panel
from rareevent.report.charts import HEIGHT, WIDTH
from rareevent.report.content import Json
from rareevent.report.svg import drawing, mark, path
from rareevent.report.words import number

STYLES = ("model", "other-1", "other-2", "other-3", "other-4")
_LOWEST_DECADE = -9


def gradient_chart(members: Sequence[Sequence[Json]]) -> Markup | None:
    """Gradient norm of each layer by epoch on a scale of decades, the mean over the members.

    Parameters
    ----------
    members : per member its epochs, `EpochHealth.to_json()` each
    """
    curves = [_by_epoch(members, name) for name in layer_names(members)][: len(STYLES)]
    values = [y for curve in curves for _, y in curve]
    if not values:
        return None
    last = max(2, *(epoch for curve in curves for epoch, _ in curve))
    stride = max(1, round(nice_step(last, 8)))
    ticks = tuple((float(e), str(e)) for e in range(1, last + 1) if e == 1 or e % stride == 0)
    up = _decades(min(values), max(values), "gradient norm, before clipping")
    place = panel(WIDTH, HEIGHT, Axis(1, last, ticks, "epoch"), up)
    parts: list[str] = [place.furniture]
    for style, name, curve in zip(STYLES, layer_names(members), curves, strict=False):
        points = [(place.x(epoch), place.y(_decade(value))) for epoch, value in curve]
        parts.append(path(points, f"curve {style}"))
        for (x, y), (epoch, value) in zip(points, curve, strict=True):
            tip = f"{name}, epoch {epoch}: {value:.2g}"
            parts.append(mark("circle", x, y, 3, f"dot {style}", tip))
    return drawing(WIDTH, HEIGHT, "Gradient norm of each layer by epoch", parts, "plot")


def reach_chart(members: Sequence[Sequence[Json]]) -> Markup | None:
    """How strongly the loss depends on each step's input, after training; one line per member."""
    told = [_last_probe(member) for member in members]
    probes = [probe for probe in told if probe and max(probe) > 0]
    if not probes:
        return None
    shares = [[value / max(probe) for value in probe] for probe in probes]
    steps = max(2, len(shares[0]))
    lowest = min(value for one in shares for value in one)
    up = _decades(lowest, 1.0, "gradient at the step's input, share of the strongest")
    stride = max(1, math.ceil(steps / 6))
    places = range(steps - 1, -1, -stride)
    ticks = tuple((float(at), str(at - steps + 1).replace("-", "−")) for at in places)
    place = panel(WIDTH, HEIGHT, Axis(0, steps - 1, ticks, "steps from the last row"), up)
    parts: list[str] = [place.furniture]
    for number_, one in enumerate(shares, start=1):
        points = [(place.x(at), place.y(_decade(value))) for at, value in enumerate(one)]
        parts.append(path(points, "curve model thin"))
        for at, ((x, y), value) in enumerate(zip(points, one, strict=True)):
            tip = f"member {number_}, {len(one) - 1 - at} steps before the last row: {value:.2g}"
            parts.append(mark("circle", x, y, 2.5, "dot model", tip))
    return drawing(WIDTH, HEIGHT, "Gradient with respect to each step's input", parts, "plot")


def layer_names(members: Sequence[Sequence[Json]]) -> list[str]:
    """The layers that learn, in the order of the flow."""
    return list(members[0][0]["layers"]) if members and members[0] else []


def _by_epoch(members: Sequence[Sequence[Json]], name: str) -> list[tuple[int, float]]:
    curve = []
    for epoch in range(max(map(len, members))):
        seen = [m[epoch]["layers"][name]["gradient_norm"] for m in members if len(m) > epoch]
        known = [value for value in seen if value]
        if known:
            curve.append((epoch + 1, sum(known) / len(known)))
    return curve


def _last_probe(member: Sequence[Json]) -> list[float] | None:
    probes = [epoch["input_gradient"] for epoch in member if epoch.get("input_gradient")]
    return [value or 0.0 for value in probes[-1]] if probes else None


def _decade(value: float) -> float:
    return max(_LOWEST_DECADE, math.log10(value)) if value > 0 else _LOWEST_DECADE


def _decades(low: float, high: float, label: str) -> Axis:
    """An axis of powers of ten."""
    first = math.floor(_decade(low))
    last = max(math.ceil(_decade(high)), first + 1)
    linear = axis(first, last, label, about=min(6, last - first))
    ticks = tuple((at, _power(at)) for at, _ in linear.ticks if at == int(at))
    return Axis(linear.low, linear.high, ticks, label)


def _power(exponent: float) -> str:
    return number(10.0**exponent) if -4 < exponent < 4 else f"1e{exponent:.0f}"
