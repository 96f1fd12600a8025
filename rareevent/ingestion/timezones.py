"""Local wall-clock times to UTC, across clock changes."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from rareevent.errors import ConfigError, DataError
from rareevent.ingestion.frame import Bool, Int32, Int64

_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Localised:
    """Local times in UTC.

    Attributes
    ----------
    ticks : int64 [n], microseconds since 1970 in UTC
    ambiguous : local times that occur twice because a clock went back
    changes : changes of the offset from UTC between the first and the last time
    """

    ticks: Int64
    ambiguous: int
    changes: int


def localise(local: Int64, asset: Int32, timezone: str, what: str) -> Localised:
    """Local times in UTC; where a clock went back, an asset's order of rows tells which is which.

    An asset's local times within the repeated hour must rise, fall back once, and rise again: the
    times before the fall are the first pass (summer time), those after it the second.

    Parameters
    ----------
    local : int64 [n], microseconds since 1970 on the wall clock, in the order of the file
    asset : int32 [n]
    timezone : IANA name, such as "Europe/Berlin"
    what : the column, for errors

    Raises
    ------
    ConfigError
        When nobody knows the time zone.
    DataError
        When a time does not exist in the zone, or the order of rows does not tell the passes apart.
    """
    import pandas as pd

    _check_zone(timezone)
    index = pd.DatetimeIndex(local.view("M8[us]"))

    def to_utc(first_pass: Bool) -> Int64:
        known = index.tz_localize(timezone, ambiguous=first_pass, nonexistent="NaT")
        moments = known.tz_convert("UTC").tz_localize(None).to_numpy()
        ticks: Int64 = moments.astype("M8[us]").view(np.int64)
        return ticks

    early, late = to_utc(np.ones(len(local), bool)), to_utc(np.zeros(len(local), bool))
    skipped = early == np.iinfo(np.int64).min
    if skipped.any():
        example = str(local[skipped].view("M8[us]")[0]).replace("T", " ")
        raise DataError(
            f"{what}: {skipped.sum()} times do not exist in {timezone}, such as {example}: its"
            " clocks skip them; if the recorder's clock is never changed, set ingest.timezone to a"
            " fixed offset such as 'Etc/GMT-1'"
        )
    twice = np.flatnonzero(early != late)
    second = _second_pass(local[twice], asset[twice], timezone, what)
    ticks = early
    ticks[twice[second]] = late[twice[second]]
    return Localised(ticks, len(twice), _changes(ticks, local))


def _check_zone(timezone: str) -> None:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"ingest.timezone: must be an IANA name such as 'Europe/Berlin'; received {timezone!r}"
        ) from None


def _second_pass(local: Int64, asset: Int32, timezone: str, what: str) -> Bool:
    """Which of the repeated times belong to the second pass, bool [k]."""
    second = np.zeros(len(local), bool)
    if not len(local):
        return second
    change = np.stack([asset, local // _DAY_US])
    _, group = np.unique(change, axis=1, return_inverse=True)
    order = np.argsort(group, kind="stable")
    same = np.diff(group[order]) == 0
    fall = np.concatenate([[False], same & (np.diff(local[order]) <= 0)])
    falls = np.bincount(group[order], weights=fall)
    if (falls != 1).any():
        unclear = local[np.isin(group, np.flatnonzero(falls != 1))]
        example = str(unclear.view("M8[us]")[0]).replace("T", " ")
        raise DataError(
            f"{what}: {len(unclear)} local times occur twice in {timezone} because the clock goes"
            f" back, such as {example}, and the order of rows does not tell which is meant; give"
            " times in UTC or with their offset"
        )
    # Past its one fall, a group is in its second pass.
    passed = np.cumsum(fall)
    start = np.flatnonzero(np.concatenate([[True], ~same]))
    before = np.repeat(passed[start] - fall[start], np.diff([*start, len(order)]))
    second[order] = passed - before > 0
    return second


def _changes(ticks: Int64, local: Int64) -> int:
    offset = (local - ticks)[np.argsort(ticks, kind="stable")]
    return int(np.count_nonzero(np.diff(offset)))
