"""Scales and axes: from values and times to pixels, with ticks a person can read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from rareevent.report.svg import line, text
from rareevent.report.words import US_PER_DAY, Times, as_datetime, as_tick, number

Ticks = tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Scale:
    """A linear map from values [low, high] to pixels [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        width = (self.high - self.low) or 1.0
        return self.start + (value - self.low) / width * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether the value lies inside, to rounding."""
        slack = 1e-9 * (self.high - self.low)
        return self.low - slack <= value <= self.high + slack


@dataclass(frozen=True)
class Axis:
    """What one axis shows: its range, its ticks and what it counts, with the unit."""

    low: float
    high: float
    ticks: Ticks
    label: str


def nice_step(span: float, about: int) -> float:
    """The step of 1, 2 or 5 times a power of ten that gives about so many ticks.

    Examples
    --------
    >>> nice_step(1.0, 5), nice_step(37, 5)
    (0.2, 10.0)
    """
    raw = max(span, 1e-12) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999999)


def axis(low: float, high: float, label: str, *, about: int = 5, as_percent: bool = False) -> Axis:
    """An axis whose ends are ticks.

    Examples
    --------
    >>> [word for _, word in axis(0, 0.37, "precision", as_percent=True).ticks]
    ['0\\xa0%', '10\\xa0%', '20\\xa0%', '30\\xa0%', '40\\xa0%']
    """
    step = nice_step((high - low) or 1.0, about)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    values = [round(step * i, 12) for i in range(first, last + 1)]
    digits = max(0, -math.floor(math.log10(step * (100 if as_percent else 1)) + 1e-9))
    words = [f"{100 * v:.{digits}f}\u00a0%" if as_percent else _tick(v, digits) for v in values]
    return Axis(values[0], values[-1], tuple(zip(values, words, strict=True)), label)


def _tick(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}" if abs(value) < 1e6 else number(value)


@dataclass(frozen=True)
class Panel:
    """A plot's place for data, between its axes.

    Attributes
    ----------
    x, y : Scale, from values to pixels of the drawing
    furniture : grid, ticks and labels, to be drawn below the data
    """

    x: Scale
    y: Scale
    furniture: Markup


def panel(width: float, height: float, across: Axis, up: Axis) -> Panel:
    """Axes for a drawing of this size: horizontal grid only, labels with units."""
    left = 14 + 7.2 * max(len(words) for _, words in up.ticks)
    x = Scale(across.low, across.high, left, width - 20)
    y = Scale(up.low, up.high, height - 46, 30)
    rows = [
        line(x.start, y(v), x.end, y(v), "base" if v == up.low else "grid")
        + text(x.start - 8, y(v) + 4, words, anchor="end")
        for v, words in up.ticks
    ]
    columns = [text(x(v), y.start + 18, words, anchor="middle") for v, words in across.ticks]
    names = [
        text(0, 14, up.label, "axis"),
        text(x.end, height - 8, across.label, "axis", anchor="end"),
    ]
    return Panel(x, y, Markup("").join([*rows, *columns, *names]))


_MINUTE = 60_000_000
_HOUR = 60 * _MINUTE
_CLOCK_STEPS = (
    *(m * _MINUTE for m in (1, 2, 5, 10, 15, 30)),
    *(h * _HOUR for h in (1, 2, 3, 6, 12)),
    *(d * US_PER_DAY for d in (1, 2, 7, 14)),
)
_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)


def time_ticks(low: int, high: int, about: int, times: Times) -> Ticks:
    """Ticks between two times: round clock times, days or months; round cycles on an age clock.

    Examples
    --------
    >>> day = 86_400_000_000
    >>> [word for _, word in time_ticks(0, 4 * day, 4, Times("datetime"))]
    ['1 Jan', '2 Jan', '3 Jan', '4 Jan', '5 Jan']
    >>> [word for _, word in time_ticks(0, 300, 3, Times("age"))]
    ['0', '100', '200', '300']
    """
    if not times.dated:
        step = max(1, round(nice_step(high - low, about)))
        first = -(-low // step) * step
        return tuple((float(v), f"{v:,}") for v in range(first, high + 1, step))
    room = (high - low) / max(about, 1)
    stride = next((s for s in _CLOCK_STEPS if s >= room), None)
    if stride is None:
        return _month_ticks(low, high, room / (30.4 * US_PER_DAY))
    first = -(-low // stride) * stride
    return tuple((float(v), _clock_words(v, stride)) for v in range(first, high + 1, stride))


def _clock_words(tick: int, step: int) -> str:
    when = as_datetime(tick)
    if step >= US_PER_DAY or tick % US_PER_DAY == 0:
        return f"{when.day} {when:%b}"
    return f"{when:%H:%M}"


def _month_ticks(low: int, high: int, room: float) -> Ticks:
    step = next((s for s in _MONTH_STEPS if s >= room), _MONTH_STEPS[-1])
    start, stop = as_datetime(low), as_datetime(high)
    out = []
    for month in range(start.year * 12, (stop.year + 1) * 12):
        when = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        if month % step == 0 and start <= when <= stop:
            words = f"{when:%b %Y}" if step < 12 else str(when.year)
            out.append((float(as_tick(when.isoformat())), words))
    return tuple(out)
