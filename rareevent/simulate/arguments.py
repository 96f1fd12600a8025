"""Which fleets can be simulated."""

from __future__ import annotations

import difflib
import math

from rareevent.errors import ConfigError
from rareevent.simulate.parameters import DIFFICULTIES, RUN_MEAN_ROWS, RUN_MIN_ROWS

MOST_ROWS = 10_000_000  # several GB of memory while a fleet of one asset is made
LEAST_MINUTES = 0.1  # events fall between rows and are logged to the second


def checked_rows(
    seed: int, assets: int, days: float, difficulty: str, interval_minutes: float
) -> int:
    """Rows per asset, after every argument was found possible."""
    if seed < 0:
        raise ConfigError(f"simulate: 'seed' must not be negative; received {seed}")
    if assets < 1:
        raise ConfigError(f"simulate: 'assets' must be at least 1; received {assets}")
    if difficulty not in DIFFICULTIES:
        near = difflib.get_close_matches(difficulty, DIFFICULTIES, n=1)
        raise ConfigError(
            f"simulate: 'difficulty' must be one of {', '.join(DIFFICULTIES)}; received"
            f" {difficulty!r}" + (f"; did you mean {near[0]!r}?" if near else "")
        )
    for name, value in (("days", days), ("interval_minutes", interval_minutes)):
        if not (math.isfinite(value) and value > 0):
            raise ConfigError(f"simulate: {name!r} must be a number above 0; received {value}")
    return _rows_in_reach(assets, days, interval_minutes)


def _rows_in_reach(assets: int, days: float, interval_minutes: float) -> int:
    rows = days * 1440 / interval_minutes
    least = RUN_MIN_ROWS + RUN_MEAN_ROWS
    if interval_minutes < LEAST_MINUTES:
        raise ConfigError(
            f"simulate: 'interval_minutes' must be at least {LEAST_MINUTES}; received"
            f" {interval_minutes}"
        )
    if rows < least:
        raise ConfigError(
            f"simulate: {days} days at {interval_minutes} minutes a row are {int(rows)} rows per"
            f" asset; give at least {least}, so that events can happen: more days, or a shorter"
            " interval"
        )
    if rows * assets > MOST_ROWS:
        raise ConfigError(
            f"simulate: {assets} assets over {days} days are {int(rows * assets):,} rows; at most"
            f" {MOST_ROWS:,} can be simulated at once: fewer assets or days, or a longer interval"
        )
    return int(rows)
