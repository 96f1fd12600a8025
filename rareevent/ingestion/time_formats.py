"""Text as time: a given format, ISO 8601, or the one format that reads every value.

Arrow's parser is used for its speed (50 ns a value against 3 us in pandas). It rolls 31 February
over to 2 or 3 March without a word, so a day that comes out as 1, 2 or 3 is compared with the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rareevent.errors import ConfigError
from rareevent.ingestion.arrow_casts import cast_or_none
from rareevent.ingestion.frame import ISO, Bool, Int64

_DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"),
    *("%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y"),
    *("%d-%m-%Y", "%m-%d-%Y", "%d-%m-%y", "%m-%d-%y"),
    *("%d.%m.%Y", "%d.%m.%y"),
    *("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%b %d %Y", "%b %d, %Y"),
)
_HOURS = ("", "%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
_FORMATS = (
    *(
        f"{date}{blank}{hour}"
        for date, hour in product(_DATES, _HOURS)
        for blank in ((" ", "T") if hour else ("",))
    ),
    ISO,
)
# Digits a format's directives may stand for; others go to pandas.
_DIRECTIVES = {
    **{"Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{1,2}", "d": r"(?P<day>\d{1,2})"},
    **{"H": r"\d{1,2}", "I": r"\d{1,2}", "M": r"\d{1,2}", "S": r"\d{1,2}"},
    **{"b": r"[A-Za-z]+\.?", "p": r"[AaPp]\.?[Mm]\.?", "z": r"[+-]\d{2}:?\d{2}|Z", "%": "%"},
}
_OFFSET = r"[T ]\d{2}.*([+-]\d{2}(:?\d{2})?|[Zz])$"
_FRACTION = r"^(?P<head>.*:\d{1,2})[.,](?P<fraction>\d+)(?P<tail>.*)$"
_SAMPLE = 1_000
# A two-digit year read as a four-digit one would be one of the first century.
_EARLIEST, _LATEST = (np.datetime64(year, "us").astype(np.int64) for year in ("1900", "2200"))
_LAST_ROLLED_OVER = 3


@dataclass(frozen=True)
class Reading:
    """Texts read with one format.

    Attributes
    ----------
    format : strptime format, or "ISO8601"
    ticks : int64 [n], microseconds since 1970, in UTC where the text has an offset
    read : bool [n], False where the format does not read the value
    aware : the text has an offset from UTC
    """

    format: str
    ticks: Int64
    read: Bool
    aware: bool = False


def read_format(text: pa.Array, time_format: str) -> Reading:
    """Texts [n] without nulls, read with one format."""
    if time_format == ISO:
        return read_iso(text)
    directives = set(re.findall(r"%(.)", time_format))
    if directives <= _DIRECTIVES.keys():
        parsed = pc.strptime(text, format=time_format, unit="us", error_is_null=True)
        reading = _reading(parsed, time_format)
        return _without_rolled_over(text, reading) if "d" in directives else reading
    if directives - {"f"} <= _DIRECTIVES.keys() and "%S.%f" in time_format:
        return _read_fraction(text, time_format)
    return _read_pandas(text, time_format)


def read_iso(text: pa.Array) -> Reading:
    """Texts [n] without nulls, read as ISO 8601; all have an offset from UTC, or none has."""
    reading = _read_iso_at_once(text)
    return _read_iso_one_by_one(text) if reading is None else reading


def _read_iso_at_once(text: pa.Array) -> Reading | None:
    for aware, unit in product((False, True), ("us", "ns")):
        parsed = cast_or_none(text, pa.timestamp(unit, "UTC" if aware else None))
        if parsed is not None:
            return _reading(parsed, ISO)
    return None


def _read_iso_one_by_one(text: pa.Array) -> Reading:
    """The slow way, which knows the values that are not ISO 8601 or differ in having an offset."""
    reading = _read_pandas(text, ISO)
    # pandas takes "now" and "today" for times.
    dated = pc.match_substring_regex(text, r"^\d{4}").to_numpy(zero_copy_only=False)
    reading = replace(reading, read=reading.read & dated)
    aware = has_offset(text)
    mostly = bool(aware[reading.read].mean() > 0.5) if reading.read.any() else False
    return replace(reading, read=reading.read & (aware == mostly), aware=mostly)


def has_offset(text: pa.Array) -> Bool:
    """Which texts [n] without nulls end with an offset from UTC, as ISO 8601 writes one."""
    ends: Bool = pc.match_substring_regex(text, _OFFSET).to_numpy(zero_copy_only=False)
    return ends


def infer_formats(text: pa.Array) -> list[Reading]:
    """What the formats in common use make of the texts [n], without nulls.

    Returns
    -------
    Every reading that reads all values, one of several that agree; where there is none, those that
    read the most, of all that read half of a sample. A broken value beside others does not tell
    the day from the month.
    """
    iso = _read_iso_at_once(text)
    if iso is not None:
        return [iso]
    sample = text.slice(0, _SAMPLE)
    shares = {name: float(_plausible(read_format(sample, name)).mean()) for name in _FORMATS}
    complete: list[Reading] = []
    counts: list[tuple[int, Reading]] = []
    for name in sorted(shares, key=lambda name: -shares[name]):
        if shares[name] < (1 if complete else 0.5):
            break
        reading = read_format(text, name)
        counts.append((int(_plausible(reading).sum()), reading))
        if counts[-1][0] == len(text):
            complete.append(reading)
    most = max((count for count, _ in counts), default=0)
    return _distinct(complete or [reading for count, reading in counts if count == most])


def _distinct(readings: list[Reading]) -> list[Reading]:
    kept: list[Reading] = []
    for reading in readings:
        if not any(_agree(reading, other) for other in kept):
            kept.append(reading)
    return kept


def _agree(one: Reading, other: Reading) -> bool:
    both = one.read & other.read
    return np.array_equal(one.ticks[both], other.ticks[both])


def _plausible(reading: Reading) -> Bool:
    return reading.read & (reading.ticks >= _EARLIEST) & (reading.ticks < _LATEST)


def _reading(parsed: pa.Array, time_format: str) -> Reading:
    aware = parsed.type.tz is not None
    micros = pc.cast(parsed, pa.timestamp("us", parsed.type.tz), safe=False)
    ticks = pc.cast(micros, pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    read = pc.is_valid(parsed).to_numpy(zero_copy_only=False)
    return Reading(time_format, ticks, read, aware)


def _without_rolled_over(text: pa.Array, reading: Reading) -> Reading:
    day = pc.day(pc.cast(pa.array(reading.ticks), pa.timestamp("us"))).to_numpy()
    # An offset can move the day by one either way.
    suspects = np.flatnonzero(reading.read & (day <= _LAST_ROLLED_OVER + reading.aware))
    if not len(suspects):
        return reading
    found = pc.extract_regex(text.take(pa.array(suspects)), _pattern(reading.format))
    written = pc.cast(pc.struct_field(found, "day"), pa.int64()).fill_null(0).to_numpy()
    # Only 29, 30 and 31 can be one too many for a month, and they never come out as 1, 2 or 3,
    # unless an offset moved the last day of a month; that is rare enough to be read again.
    rolled = (written > 28) & (written != day[suspects])
    if reading.aware and rolled.any():
        return _read_pandas(text, reading.format)
    read = reading.read.copy()
    read[suspects[rolled]] = False
    return replace(reading, read=read)


def _pattern(time_format: str) -> str:
    parts = re.split(r"%(.)", time_format)
    literal = [re.escape(part).replace(r"\ ", r"\s*") for part in parts[::2]]
    directives = [_DIRECTIVES[letter] for letter in parts[1::2]] + [""]
    body = "".join(part + f"(?:{code})" for part, code in zip(literal, directives, strict=True))
    return f"^\\s*{body}\\s*$"


def _read_fraction(text: pa.Array, time_format: str) -> Reading:
    found = pc.extract_regex(text, _FRACTION)
    has = pc.is_valid(found).to_numpy(zero_copy_only=False)
    head, tail = pc.struct_field(found, "head"), pc.struct_field(found, "tail")
    whole = pc.binary_join_element_wise(head, tail, "").fill_null("")
    reading = read_format(whole, time_format.replace("%S.%f", "%S"))
    digits = pc.utf8_slice_codeunits(pc.struct_field(found, "fraction"), 0, 6)
    micros = pc.cast(pc.utf8_rpad(digits, 6, "0"), pa.int64()).fill_null(0).to_numpy()
    return Reading(time_format, reading.ticks + micros, reading.read & has, reading.aware)


def _read_pandas(text: pa.Array, time_format: str) -> Reading:
    """Directives that Arrow does not know, such as %j and %A, and ISO 8601 value by value."""
    import pandas as pd

    aware = time_format == ISO or "%z" in time_format.lower()
    strings = pd.Series(text.to_pylist(), dtype=object)
    try:
        parsed = pd.to_datetime(strings, format=time_format, utc=aware, errors="coerce")
    except ValueError as error:
        raise ConfigError(f"time_format: {time_format!r} is no time format: {error}") from None
    naive = parsed.dt.tz_convert(None) if aware else parsed
    values = pa.array(naive, pa.timestamp("us"), from_pandas=True)
    return replace(_reading(values, time_format), aware=aware)
