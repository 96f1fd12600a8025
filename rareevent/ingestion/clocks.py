"""The nominal interval of the rows, and what counts as a gap."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rareevent.config import Ingest
from rareevent.errors import ConfigError, DataError
from rareevent.ingestion.frame import Clock
from rareevent.ingestion.rows import Rows

# A row may come half an interval late before its absence is a gap.
_GAP_TOLERANCE = 1.5


def find_clock(rows: Rows, kind: Literal["datetime", "age"], stage: Ingest) -> Clock:
    """The clock of the rows: the interval given, or the median step within assets.

    Raises
    ------
    ConfigError, DataError
        When the interval given does not fit the clock, or no asset has two rows to measure it by.
    """
    if kind == "datetime" and isinstance(stage.interval, int):
        raise ConfigError(
            "ingest.interval: must be a duration such as '2min' where time is a point in time;"
            f" received {stage.interval}"
        )
    if stage.interval is not None:
        ticks = Clock(kind, 1).ticks(stage.interval)
        if ticks <= 0:
            raise ConfigError(f"ingest.interval: must be above 0; received {stage.interval!r}")
        return Clock(kind, ticks)
    steps = np.diff(rows.time)[rows.asset[1:] == rows.asset[:-1]]
    if not len(steps):
        raise DataError(
            f"{stage.source}: no asset has two rows, so the interval cannot be measured; set"
            " ingest.interval, and check ingest.asset"
        )
    # Of the two middle steps the lower one: the interval is a step that occurs.
    middle = (len(steps) - 1) // 2
    return Clock(kind, int(np.partition(steps, middle)[middle]))


def gap_ticks(stage: Ingest, clock: Clock) -> int:
    """The longest step that is no gap, in ticks."""
    if stage.max_gap is not None:
        return clock.ticks(stage.max_gap)
    return int(_GAP_TOLERANCE * clock.interval)
