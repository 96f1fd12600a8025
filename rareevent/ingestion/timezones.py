"""Local wall-clock times to UTC, across clock changes."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from rareevent.errors import ConfigError, DataError
from rareevent.ingestion.frame import Bool, Int32, Int64

_DAY_US = 86_400_000_000


# Rows may come half an interval late before they no longer follow on each other.
_TOLERANCE = 1.5


@dataclass(frozen=True)
class Localised:
    """Local times in UTC.

    Attributes
    ----------
    ticks : int64 [n], microseconds since 1970 in UTC; 0 where that is not known
    ambiguous : local times that occur twice because a clock went back
    changes : changes of the offset from UTC between the first and the last time
    skipped : bool [n], times that the zone's clocks skip
    unclear : bool [n], times that occur twice, and nothing tells which is meant
    """

    ticks: Int64
    ambiguous: int
    changes: int
    skipped: Bool
    unclear: Bool


def localise(
    local: Int64, asset: Int32, timezone: str, what: str, gap: int | None = None
) -> Localised:
    """Local times in UTC, all of them; see `read_local`.

    Parameters
    ----------
    what : the column, for errors

    Raises
    ------
    ConfigError
        When nobody knows the time zone.
    DataError
        When a time does not exist in the zone, or nothing tells the passes apart.
    """
    found = read_local(local, asset, timezone, gap)
    if found.skipped.any():
        example = str(local[found.skipped].view("M8[us]")[0]).replace("T", " ")
        raise DataError(
            f"{what}: {found.skipped.sum()} times do not exist in {timezone}, such as {example}:"
            " its clocks skip them; if the recorder's clock is never changed, set ingest.timezone"
            " to a fixed offset such as 'Etc/GMT-1'"
        )
    if found.unclear.any():
        example = str(local[found.unclear].view("M8[us]")[0]).replace("T", " ")
        raise DataError(
            f"{what}: {found.unclear.sum()} local times occur twice in {timezone} because the clock"
            f" goes back, such as {example}, and the order of rows does not tell which is meant;"
            " give times in UTC or with their offset"
        )
    return found


def read_local(local: Int64, asset: Int32, timezone: str, gap: int | None = None) -> Localised:
    """Local times in UTC; where a clock went back, an asset's rows tell which pass is which.

    Within the repeated hour an asset's local times rise, fall back once, and rise again: the times
    before the fall are the first pass (summer time), those after it the second. Where they do not
    fall, because the rows end or begin within the hour, rows that follow without a gap on one
    before the hour are of the first pass, and rows that one after the hour follows without a gap
    are of the second; what would do for both, or hangs on neither, is unclear.

    Parameters
    ----------
    local : int64 [n], microseconds since 1970 on the wall clock, in the order of the file
    asset : int32 [n]
    timezone : IANA name, such as "Europe/Berlin"
    gap : the longest step between rows that is none; None for one and a half times the usual step

    Raises
    ------
    ConfigError
        When nobody knows the time zone.

    Examples
    --------
    Berlin's clocks went back from 03:00 to 02:00. The file ends within the hour, so its rows at
    02:00 and 02:20 follow on 01:40 as the first pass, at 00:00 and 00:20 in UTC.

    >>> wall = np.array(["2020-10-25T01:40", "2020-10-25T02:00", "2020-10-25T02:20"], "M8[us]")
    >>> found = read_local(wall.view(np.int64), np.zeros(3, np.int32), "Europe/Berlin")
    >>> found.ticks.view("M8[us]").astype("M8[m]").astype(str).tolist()
    ['2020-10-24T23:40', '2020-10-25T00:00', '2020-10-25T00:20']
    """
    early, late = both_passes(local, timezone)
    skipped = early == np.iinfo(np.int64).min
    order = np.argsort(asset, kind="stable")
    order = order[~skipped[order]]
    gap = _usual_gap(local[order], asset[order]) if gap is None else gap
    rows = _Rows(local[order], asset[order], early[order], late[order], gap)
    second, unclear = np.zeros(len(local), bool), np.zeros(len(local), bool)
    second[order], unclear[order] = _passes(rows)
    ticks = np.where(second, late, early)
    sure = ~(skipped | unclear)
    changes = _changes(ticks[sure], local[sure])
    ticks[~sure] = 0
    return Localised(ticks, int((early != late).sum()), changes, skipped, unclear)


def both_passes(local: Int64, timezone: str) -> tuple[Int64, Int64]:
    """Local times in UTC, were they all of the first pass of a repeated hour, and of the second.

    int64 [n] each; they are equal where a time occurs once, and the least integer where the
    zone's clocks skip it.

    Raises
    ------
    ConfigError
        When nobody knows the time zone.
    """
    import pandas as pd

    _check_zone(timezone)
    index = pd.DatetimeIndex(local.view("M8[us]"))

    def to_utc(first_pass: Bool) -> Int64:
        known = index.tz_localize(timezone, ambiguous=first_pass, nonexistent="NaT")
        moments = known.tz_convert("UTC").tz_localize(None).to_numpy()
        ticks: Int64 = moments.astype("M8[us]").view(np.int64)
        return ticks

    return to_utc(np.ones(len(local), bool)), to_utc(np.zeros(len(local), bool))


@dataclass(frozen=True)
class _Rows:
    """n rows asset by asset, each asset's in the order of the file.

    Attributes
    ----------
    local : int64 [n], wall-clock times
    asset : int32 [n]
    early, late : int64 [n], in UTC as of the first pass and of the second; equal outside the hour
    gap : the longest step that is none
    """

    local: Int64
    asset: Int32
    early: Int64
    late: Int64
    gap: int


def _usual_gap(local: Int64, asset: Int32) -> int:
    """One and a half times the median step; 0 where no asset has two rows in order."""
    step = np.diff(local)[np.diff(asset) == 0]
    step = step[step > 0]
    return int(_TOLERANCE * np.median(step)) if len(step) else 0


def _check_zone(timezone: str) -> None:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"ingest.timezone: must be an IANA name such as 'Europe/Berlin'; received {timezone!r}"
        ) from None


def _passes(rows: _Rows) -> tuple[Bool, Bool]:
    """Which rows are of the second pass, and of which it is unclear, bool [n] each."""
    second = np.zeros(len(rows.local), bool)
    unclear = second.copy()
    twice = np.flatnonzero(rows.early != rows.late)
    if not len(twice):
        return second, unclear
    change = np.stack([rows.asset[twice], rows.local[twice] // _DAY_US])
    _, group = np.unique(change, axis=1, return_inverse=True)
    # The rows are sorted by asset, but a day of one may be cut by rows of another day.
    order = np.argsort(group, kind="stable")
    twice, group = twice[order], group[order]
    same = np.diff(group) == 0
    fall = np.concatenate([[False], same & (np.diff(rows.local[twice]) <= 0)])
    falls = np.bincount(group, weights=fall)
    passed = np.cumsum(fall)
    start = np.flatnonzero(np.concatenate([[True], ~same]))
    before = np.repeat(passed[start] - fall[start], np.diff([*start, len(group)]))
    second[twice] = passed - before > 0
    told = falls == 1
    told[group[np.flatnonzero(fall)[~_is_fall(rows, twice, fall)]]] = False
    unclear[twice] = ~told[group]
    _tell_by_neighbours(rows, twice[(falls == 0)[group]], second, unclear)
    return second & ~unclear, unclear


def _is_fall(rows: _Rows, twice: Int64, fall: Bool) -> Bool:
    """Which falls are no row that merely stands there twice, bool [falls]."""
    at = np.flatnonzero(fall)
    back = rows.local[twice[at]] < rows.local[twice[at - 1]]
    follows: Bool = back | (rows.late[twice[at]] - rows.early[twice[at - 1]] <= rows.gap)
    return follows


def _tell_by_neighbours(rows: _Rows, twice: Int64, second: Bool, unclear: Bool) -> None:
    """Tell stretches of rows without a fall by the rows beside them; both masks change in place.

    Parameters
    ----------
    twice : int64 [k], rows within a repeated hour, group by group
    """
    if not len(twice):
        return
    step = rows.local[twice[1:]] - rows.local[twice[:-1]]
    goes_on = (np.diff(twice) == 1) & (np.diff(rows.asset[twice]) == 0)
    goes_on &= (step > 0) & (step <= rows.gap)
    cuts = np.flatnonzero(~goes_on) + 1
    starts, ends = np.append(0, cuts), np.append(cuts, len(twice))
    first_row, last_row = twice[starts], twice[ends - 1]
    begun = _follows(rows, first_row - 1, first_row)
    ended = _follows(rows, last_row, last_row + 1)
    for low, high, is_first, is_second in zip(starts, ends, begun, ended, strict=True):
        unclear[twice[low:high]] = is_first == is_second
        second[twice[low:high]] = is_second


def _follows(rows: _Rows, one: Int64, next_: Int64) -> Bool:
    """Whether rows follow on others without a gap in one reading of the hour, and in no other.

    One of the two is in a repeated hour, the other is not: before it, it calls for the first pass,
    behind it for the second.
    """
    inside = (one >= 0) & (next_ < len(rows.local))
    one, next_ = np.where(inside, one, 0), np.where(inside, next_, 0)
    beside = (rows.early[one] == rows.late[one]) != (rows.early[next_] == rows.late[next_])
    near, far = rows.early[next_] - rows.late[one], rows.late[next_] - rows.early[one]
    follows: Bool = inside & beside & (rows.asset[one] == rows.asset[next_])
    return follows & (near > 0) & (near <= rows.gap) & (far > rows.gap)


def _changes(ticks: Int64, local: Int64) -> int:
    offset = (local - ticks)[np.argsort(ticks, kind="stable")]
    return int(np.count_nonzero(np.diff(offset)))
