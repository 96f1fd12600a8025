"""What a bootstrap resamples: whole assets, or stretches of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import Bool, Clock, Events, Float64, Int64

FEWEST_BLOCKS = 10
ASSETS_AS_BLOCKS = 30
_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Blocks:
    """What is resampled: rows of one block stay together, and so do its events.

    Attributes
    ----------
    kind : "assets", or "time" where there are fewer than 30 assets
    of_row : int64 [n], block of each row
    of_event : int64 [k], block of each counted event; -1 for the others
    count : int
    length : int, ticks of a time block; None for assets
    assets : int, assets with a row
    """

    kind: Literal["assets", "time"]
    of_row: Int64
    of_event: Int64
    count: int
    length: int | None
    assets: int

    def enough(self) -> bool:
        """Whether there are so many that an interval means something."""
        return self.count >= FEWEST_BLOCKS


def sum_by(block: Int64, value: np.ndarray, count: int) -> Float64:
    """Sum of a value over the rows or events of each of so many blocks, float64 [count]."""
    return np.asarray(np.bincount(block, value, minlength=count), np.float64)


def make_blocks(
    scored: Scored, events: Events, counted: Bool, clock: Clock, *, lookback: int, horizon: int
) -> Blocks:
    """Blocks by asset where 30 or more have rows, else by time.

    A time block holds at least a day and at least 2 (lookback + horizon), so that what lies in
    two of them is about independent. On timestamps a block spans all assets; ages of different
    assets have nothing to do with each other, so there each asset has its own.

    Parameters
    ----------
    counted : bool [k], events whose whole catch window lies in this part
    lookback : int, rows
    horizon : int, ticks
    """
    asset = np.concatenate([scored.asset, events.asset[counted]]).astype(np.int64)
    time = np.concatenate([scored.time, events.time[counted]])
    assets = scored.assets_seen()
    length = None
    if assets < ASSETS_AS_BLOCKS:
        length = _block_length(clock, lookback, horizon)
    key = _keys(asset, time, clock, length)
    names, block = np.unique(key, return_inverse=True)
    of_event = np.full(len(counted), -1, np.int64)
    of_event[counted] = block[len(scored) :]
    kind: Literal["assets", "time"] = "assets" if length is None else "time"
    return Blocks(kind, block[: len(scored)], of_event, len(names), length, assets)


def event_blocks(
    asset: Int64, time: Int64, clock: Clock, *, assets: int, lookback: int, horizon: int
) -> Int64:
    """The block of each of some events, counted from 0; blocks are cut as `make_blocks` cuts them.

    Parameters
    ----------
    asset : int64 [k]
    time : int64 [k], ticks
    assets : how many there are, with events or without
    lookback : int, rows
    horizon : int, ticks

    Examples
    --------
    Two assets are too few to stand for themselves; of three days the second has no event.

    >>> day, one = 86_400_000_000, np.array([0, 1, 0])
    >>> time = np.array([0, day // 2, 3 * day])
    >>> event_blocks(one, time, Clock("datetime", 60_000_000), assets=2, lookback=5, horizon=0)
    array([0, 0, 1])
    """
    length = None if assets >= ASSETS_AS_BLOCKS else _block_length(clock, lookback, horizon)
    block: Int64 = np.unique(_keys(asset, time, clock, length), return_inverse=True)[1]
    return block


def _block_length(clock: Clock, lookback: int, horizon: int) -> int:
    """Ticks of a time block, at least."""
    shortest = 2 * (lookback * clock.interval + horizon)
    return max(shortest, _DAY_US) if clock.kind == "datetime" else shortest


def _keys(asset: Int64, time: Int64, clock: Clock, length: int | None) -> Int64:
    """A number per block: the asset, or a stretch of time where blocks have a length."""
    if length is None:
        return asset
    group = asset if clock.kind == "age" else np.zeros_like(asset)
    return _time_key(group, time, length)


def _time_key(group: Int64, time: Int64, length: int) -> Int64:
    """A number per (group, stretch); each group's span is cut into equal stretches >= length."""
    key = np.zeros(len(time), np.int64)
    offset = 0
    for name in np.unique(group):
        inside = group == name
        first, last = int(time[inside].min()), int(time[inside].max())
        stretches = max(1, (last - first) // length)
        size = (last - first) // stretches + 1
        key[inside] = offset + (time[inside] - first) // size
        offset += stretches
    return key


def draw_weights(blocks: Blocks, draws: int, seed: int) -> np.ndarray:
    """How often each resample takes each block, uint16 [draws, blocks].

    The same blocks and seed give the same resamples, which makes differences between models
    paired.
    """
    rng = np.random.default_rng(seed)
    weights = np.zeros((draws, blocks.count), np.uint16)
    for row in weights:
        row[:] = np.bincount(rng.integers(0, blocks.count, blocks.count), minlength=blocks.count)
    return weights
