"""Numbers, intervals and times as a person reads them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

NONE = "–"
SPACE = "\u00a0"  # no line break between a figure and its unit
US_PER_MINUTE = 60_000_000
US_PER_DAY = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def number(value: float | None) -> str:
    """About three significant digits; whole numbers whole, thousands apart, None as a dash.

    Examples
    --------
    >>> number(0.03127), number(12.44), number(12.0), number(31200), number(None)
    ('0.031', '12.4', '12', '31,200', '–')
    """
    if value is None or value != value:
        return NONE
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    sign = "−" if value < 0 else ""
    if size == int(size) or size >= 100:
        return f"{sign}{size:,.0f}"
    if size >= 1:
        return f"{sign}{size:.{1 if size >= 10 else 2}f}".rstrip("0").rstrip(".")
    return f"{sign}{size:.3f}".rstrip("0") if size >= 0.001 else f"{sign}{size:.1g}"


def percent(value: float | None) -> str:
    """A share as a percentage.

    Examples
    --------
    >>> percent(0.194), percent(0.0132), percent(1.0), percent(None)
    ('19\\xa0%', '1.3\\xa0%', '100\\xa0%', '–')
    """
    if value is None or value != value:
        return NONE
    hundred = 100 * value
    exact = hundred == round(hundred) or abs(hundred) >= 10
    return f"{hundred:.0f}{SPACE}%" if exact else f"{hundred:.1f}{SPACE}%"


def percent_range(pair: tuple[float, float] | None) -> str:
    """An interval of shares, the unit written once; empty where there is none.

    Examples
    --------
    >>> percent_range((0.11, 0.304)), percent_range(None)
    ('11–30\\xa0%', '')
    """
    if pair is None:
        return ""
    low, high = (percent(v).removesuffix(f"{SPACE}%") for v in pair)
    return f"{low}–{high}{SPACE}%"


def count(value: float | None) -> str:
    """A count; an expected one, which need not be whole, to one place.

    Examples
    --------
    >>> count(12), count(4.347), count(None)
    ('12', '4.3', '–')
    """
    if value is None or value == int(value):
        return number(value)
    return f"{value:,.1f}"


def score(value: float | None) -> str:
    """An area or a score between 0 and 1, to three places, so that columns line up.

    Examples
    --------
    >>> score(0.7), score(-0.0214), score(None)
    ('0.700', '−0.021', '–')
    """
    if value is None or value != value:
        return NONE
    return f"{value:.3f}".replace("-", "−")


def score_range(pair: tuple[float, float] | None) -> str:
    """An interval of scores; "to" where a sign would run into the dash.

    Examples
    --------
    >>> score_range((0.011, 0.3)), score_range((-0.02, 0.035)), score_range(None)
    ('0.011–0.300', '−0.020 to 0.035', '')
    """
    if pair is None:
        return ""
    joint = " to " if pair[0] < 0 else "–"
    return joint.join(map(score, pair))


def minutes(value: float | None) -> str:
    """A stretch of time given in minutes, in the unit that reads best.

    Examples
    --------
    >>> minutes(4), minutes(0.5), minutes(150), minutes(4320), minutes(None)
    ('4\\xa0min', '30\\xa0s', '2.5\\xa0h', '3\\xa0days', '–')
    """
    if value is None or value != value:
        return NONE
    size = abs(value)
    if 0 < size < 1:
        return f"{number(value * 60)}{SPACE}s"
    if size < 120:
        return f"{number(value)}{SPACE}min"
    if size < 2880:
        return f"{number(value / 60)}{SPACE}h"
    return f"{number(value / 1440)}{SPACE}days"


def plural(count: int, word: str) -> str:
    """A count and its noun.

    Examples
    --------
    >>> plural(1, "event"), plural(1200, "asset")
    ('1\\xa0event', '1,200\\xa0assets')
    """
    return f"{number(count)}{SPACE}{word}{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class Times:
    """How this run counts time, in words: timestamps, or an integer age in cycles.

    Attributes
    ----------
    kind : "datetime" (ticks are microseconds since 1970) or "age" (ticks are cycles)
    """

    kind: str

    @property
    def dated(self) -> bool:
        """Whether ticks are points in time."""
        return self.kind == "datetime"

    @property
    def lead_unit(self) -> str:
        """Suffix of lead-time metrics: `lead_time_median_<unit>`."""
        return "min" if self.dated else "cycles"

    @property
    def rate_key(self) -> str:
        """The false alarm rate that has a meaning on this clock."""
        return "false_alarms_per_day" if self.dated else "false_alarms_per_1000_cycles"

    @property
    def rate_words(self) -> str:
        """What the rate counts by."""
        return "per day" if self.dated else "per 1,000 cycles"

    def lead(self, value: float | None) -> str:
        """A lead time in this clock's unit."""
        if value is None or self.dated:
            return minutes(value)
        return f"{number(value)}{SPACE}cycle{'' if value == 1 else 's'}"

    def span(self, ticks: float) -> str:
        """A stretch of ticks."""
        return minutes(ticks / US_PER_MINUTE) if self.dated else self.lead(ticks)

    def at(self, tick: int) -> str:
        """A point in time: to the minute, seconds where there are some."""
        if not self.dated:
            return f"cycle{SPACE}{tick:,}"
        when = as_datetime(tick)
        return when.strftime("%Y-%m-%d %H:%M:%S" if when.second else "%Y-%m-%d %H:%M")


def as_datetime(tick: int) -> datetime:
    """Microseconds since 1970 as an aware datetime; nothing is converted to a local zone."""
    return _EPOCH + timedelta(microseconds=int(tick))


def as_tick(value: int | str) -> int:
    """A time as ticks: whole ticks as they are, ISO text as microseconds since 1970.

    Raises
    ------
    ValueError
        When a text is neither a whole number nor an ISO time.

    Examples
    --------
    >>> as_tick(7), as_tick("1970-01-01 00:00:01"), as_tick("42")
    (7, 1000000, 42)
    """
    if not isinstance(value, str):
        return int(value)
    if value.strip().lstrip("-").isdigit():
        return int(value)
    when = datetime.fromisoformat(value)
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return (when - _EPOCH) // timedelta(microseconds=1)
