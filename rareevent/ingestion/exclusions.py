"""Excluded stretches of time: planned stops and the like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from rareevent.config import Ingest
from rareevent.errors import ConfigError, DataError
from rareevent.ingestion.frame import Bool, Clock, Int32, Int64
from rareevent.ingestion.quality import Findings
from rareevent.ingestion.time_numbers import Place
from rareevent.ingestion.times import KIND_WORDS, read_times_like
from rareevent.ingestion.timezones import localise

# (asset code or None for all assets, first tick, last tick), both ticks included.
Stretch = tuple[int | None, int, int]


def parse_exclusions(
    stage: Ingest, clock: Clock, assets: tuple[str, ...], found: Findings
) -> list[Stretch]:
    """Excluded stretches as (asset code or None, first tick, last tick).

    Raises
    ------
    ConfigError
        When a bound cannot be read, or a stretch ends before it begins.
    """
    code_of = {name: code for code, name in enumerate(assets)}
    stretches: list[Stretch] = []
    for number, stretch in enumerate(stage.exclude):
        key = f"ingest.exclude.{number}"
        first = read_bound(stretch.start, f"{key}.from", stage, clock)
        last = read_bound(stretch.end, f"{key}.to", stage, clock)
        if last < first:
            raise ConfigError(f"{key}: 'to' lies before 'from': {stretch.start}, {stretch.end}")
        if stretch.asset is None:
            stretches.append((None, first, last))
        elif stretch.asset in code_of:
            stretches.append((code_of[stretch.asset], first, last))
        else:
            found.note(f"{key}: no row belongs to asset {stretch.asset!r}")
    return stretches


def read_bound(value: int | str, key: str, stage: Ingest, clock: Clock) -> int:
    """A moment that a setting gives, in ticks, read as the rows' times are.

    Raises
    ------
    ConfigError
        When it cannot be read, or counts time otherwise than the rows do.
    """
    place = Place(key, lambda row: key)
    try:
        # As text: a whole number may be too large for 64 bits.
        times = read_times_like(pa.chunked_array([[str(value)]]), stage.time_format, (), place)
    except DataError as error:
        raise ConfigError(str(error)) from None
    if times.kind != clock.kind:
        raise ConfigError(
            f"{key}: must be {KIND_WORDS[clock.kind]}, as the rows' times; got {value!r}"
        )
    if times.local and stage.timezone is not None:
        return int(localise(times.ticks, np.zeros(1, np.int32), stage.timezone, key).ticks[0])
    return int(times.ticks[0])


def mark_excluded(asset: Int32, time: Int64, intervals: Sequence[Stretch]) -> Bool:
    """Rows within closed intervals, bool [n].

    Parameters
    ----------
    asset : int32 [n]
    time : int64 [n], ticks
    intervals : (asset code or None for all, first tick, last tick)
    """
    excluded = np.zeros(len(time), bool)
    for code, first, last in intervals:
        within = (time >= first) & (time <= last)
        excluded |= within if code is None else within & (asset == code)
    return excluded
