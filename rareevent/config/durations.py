"""Durations, shares and counts of rows, as pipeline files write them.

A duration (`horizon`, `lead`, `silence`, `recovery`, `max_gap`, `interval`, `event_delay`) is a
text such as "4min", "2h", "1d", or an integer: that many nominal intervals. What counts rows
(`lookback`, channel windows, k and n) is always an integer.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_UNITS_US = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "sec": 1_000_000,
    "m": 60_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "hour": 3_600_000_000,
    "d": 86_400_000_000,
    "day": 86_400_000_000,
    "w": 604_800_000_000,
    "week": 604_800_000_000,
}
# A thousand years: no process is watched for longer, and sums with times stay within 64 bits.
_LONGEST_US = 1000 * 365 * _UNITS_US["d"]
_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*$")


def parse_duration_us(text: str) -> int:
    """Microseconds in a text such as "4min" or "1.5 h".

    Raises
    ------
    ValueError
        When the text is no number followed by a unit of time, or is longer than 1000 years.

    Examples
    --------
    >>> parse_duration_us("4min")
    240000000
    >>> parse_duration_us("1.5 hours")
    5400000000
    """
    match = _DURATION.match(text.lower())
    unit = match[2] if match else ""
    if unit not in _UNITS_US:
        unit = unit.removesuffix("s")
    if not match or unit not in _UNITS_US:
        raise ValueError(
            "must be a duration such as '4min', '2h' or '1d', or an integer number of intervals;"
            f" received {text!r}"
        )
    microseconds = float(match[1]) * _UNITS_US[unit]
    if microseconds > _LONGEST_US:
        raise ValueError(f"must not be longer than 1000 years; received {text!r}")
    return round(microseconds)


def check_duration(value: Any) -> Any:
    """A duration as a pipeline file writes it: a text, or a number of nominal intervals.

    Raises
    ------
    ValueError
        When it is neither, or negative.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(
            "must be a duration such as '4min', or an integer number of intervals;"
            f" received {value!r}"
        )
    if isinstance(value, str):
        if value.strip().isdigit():
            return int(value)
        parse_duration_us(value)
    elif value < 0:
        raise ValueError(f"must not be negative; received {value}")
    return value


Duration = Annotated[int | str, BeforeValidator(check_duration)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Rows = Annotated[int, Field(ge=1)]
# What every library that draws takes, with room for the members of an ensemble, which count on.
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
