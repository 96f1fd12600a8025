"""Splitting: which rows teach, which choose, which judge; by the clock, and purged.

Parts are numbered in the order of time: 0 teaches, 1 … folds are the validation folds that
choose, folds + 1 is the test part that judges. A model that is judged on a part may learn from
all parts before it, less the rows whose labels reach into it (the purge).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np

from rareevent.config import SplitStage
from rareevent.errors import ConfigError, DataError
from rareevent.ingestion.frame import Bool, Int8, Int64, SensorFrame

TRAIN = 0
UNUSED = -1


class EventPart(IntEnum):
    """The part of the split that holds an event's whole catch window."""

    UNOBSERVED = -2
    BOUNDARY = -1
    TRAIN = 0
    VALIDATION = 1
    TEST = 2


@dataclass(frozen=True)
class Split:
    """The part of every row, and what may be learned for which part.

    Attributes
    ----------
    strategy : how the rows were parted
    part : int8 [n], 0 training, 1 … folds validation, folds + 1 test, -1 unused
    folds : number of validation folds
    edges : int64 [folds + 2], first ticks of parts 1 … folds + 1 and the tick that ends the test
        part; empty where the rows are not parted by the clock
    reach : ticks, the longest horizon in use
    apart : rows of input that `purge: strict` keeps between parts, 0 otherwise
    time : int64 [n], ticks
    asset_starts : int64 [a + 1], row range of each asset
    """

    strategy: Literal["chronological", "by_asset", "random_leaky"]
    part: Int8
    folds: int
    edges: Int64
    reach: int
    apart: int
    time: Int64
    asset_starts: Int64

    @property
    def test(self) -> int:
        """Number of the test part."""
        return self.folds + 1

    def rows_of(self, part: int) -> Bool:
        """Rows that lie in a part, bool [n]."""
        inside: Bool = self.part == part
        return inside

    def rows_before(self, part: int) -> Bool:
        """Rows that may teach a model judged on `part`, bool [n]: earlier parts, purged."""
        earlier = (self.part >= TRAIN) & (self.part < part)
        return earlier & ~self.purged(part)

    def purged(self, part: int) -> Bool:
        """Rows of earlier parts kept from a model judged on `part`, bool [n].

        By the clock, a row at t is purged unless t + reach < start of the part. Under `strict`
        so is a row that a window of the part, or one of its channels, would read as input.
        """
        if self.strategy != "chronological" or part == TRAIN:
            return np.zeros(len(self.part), bool)
        earlier: Bool = (self.part >= TRAIN) & (self.part < part)
        reaching: Bool = self.time + self.reach >= self.edges[part - 1]
        return earlier & (reaching | self._read_by(part))

    def choosing_rows(self) -> Bool:
        """Validation rows that may choose, bool [n]: none whose label reaches into the test."""
        validation = (self.part > TRAIN) & (self.part < self.test)
        return validation & ~self.purged(self.test)

    def _read_by(self, part: int) -> Bool:
        rows = np.arange(len(self.part))
        if not self.apart:
            return np.zeros(len(rows), bool)
        later = np.where(self.part >= part, rows, len(rows) + self.apart)
        # The first row of this or a later part, seen from each row of the same asset.
        first = np.minimum.reduceat(later, self.asset_starts[:-1])
        sizes = np.diff(self.asset_starts)
        return rows >= np.repeat(first, sizes) - self.apart


def split_rows(frame: SensorFrame, stage: SplitStage, reach: int, receptive_field: int) -> Split:
    """Part the rows as the pipeline says.

    Parameters
    ----------
    frame : SensorFrame of n rows
    stage : SplitStage; `validation` and `test` are shares of all rows in the order of time (of
        the assets, by asset)
    reach : ticks, the longest horizon in use, auxiliary heads included
    receptive_field : rows before a row that its window and channels read; kept apart only under
        `purge: strict`

    Raises
    ------
    ConfigError
        `chronological` where time is an age that starts anew for each asset.
    DataError
        A part would be empty.
    """
    apart = receptive_field if stage.purge == "strict" else 0
    if stage.strategy == "by_asset":
        return split_assets(frame, (*_part_shares(stage), 1.0), stage.seed, reach, apart)
    if stage.strategy == "random_leaky":
        return _random_leaky(frame, stage, reach)
    _refuse_ages(frame)
    shares = (*_part_shares(stage), 1.0)
    return split_by_clock(frame, clock_edges(frame, shares), reach, apart)


def clock_edges(frame: SensorFrame, shares: tuple[float, ...]) -> Int64:
    """Ticks before which the given shares of all rows lie, int64; share 1 is the end of time.

    Examples
    --------
    Of ten rows at ticks 0 … 9, share 0.6 is tick 6: rows 0 … 5 lie before it.
    """
    ordered = np.sort(frame.time)
    places = [round(share * len(ordered), 6) for share in shares]
    last = ordered[-1] + 1
    return np.array([ordered[int(p)] if p < len(ordered) else last for p in places], np.int64)


def split_by_clock(
    frame: SensorFrame, edges: Int64, reach: int, apart: int, start: int | None = None
) -> Split:
    """Part rows at given ticks, for training as for one fold of a backtest.

    Parameters
    ----------
    edges : int64 [folds + 2], first ticks of the validation folds and of the test part, and the
        tick that ends the test part; rows from there on are unused. Where the last two are equal
        there is no test part on purpose
    start : rows before this tick are unused (a sliding window), None uses all

    Raises
    ------
    DataError
        A part would be empty.
    """
    part = np.searchsorted(edges, frame.time, side="right").astype(np.int8)
    folds = len(edges) - 2
    part[part > folds + 1] = UNUSED
    if start is not None:
        part[frame.time < start] = UNUSED
    for number in range(folds + 2 - int(edges[-2] == edges[-1])):
        if not (part == number).any():
            raise DataError(
                f"the {_name(number, folds)} part of the split has no row; give it a larger share"
                " or use more data"
            )
    return Split("chronological", part, folds, edges, reach, apart, frame.time, frame.asset_starts)


def split_assets(
    frame: SensorFrame,
    shares: tuple[float, ...],
    seed: int,
    reach: int,
    apart: int,
    start: float = 0.0,
) -> Split:
    """Part whole assets, in a seeded order.

    Parameters
    ----------
    shares : shares of the assets before each validation fold, the test part, and its end; where
        the last two are equal there is no test part on purpose
    seed : of the order
    start : share of the assets that is left out in front

    Raises
    ------
    DataError
        A part would be empty.
    """
    assets = len(frame.assets)
    cuts = np.round(np.array([start, *shares]) * assets).astype(int)
    if len(np.unique(cuts)) < len(cuts) - int(shares[-2] == shares[-1]):
        raise DataError(
            f"{assets} assets are too few for training, {len(shares) - 2} validation folds and a"
            " test part at these shares; change split.validation and split.test"
            + (", or set split.folds=1" if len(shares) > 3 else "")
        )
    number = np.searchsorted(cuts, np.arange(assets), side="right") - 1
    number[number > len(shares) - 1] = UNUSED
    of_asset = np.empty(assets, np.int8)
    of_asset[np.random.default_rng(seed).permutation(assets)] = number
    part, none = of_asset[frame.asset], np.zeros(0, np.int64)
    folds = len(shares) - 2
    return Split("by_asset", part, folds, none, reach, apart, frame.time, frame.asset_starts)


def part_of_events(frame: SensorFrame, split: Split, horizon: int, lead: int) -> Int8:
    """The `EventPart` of every event, int8 [k].

    An event belongs to the part that holds its whole catch window, the ticks t with
    lead <= e - t <= horizon and t < e; all validation folds count as one part. An event that no
    row of its asset can come before by a horizon or less, because it lies before the first or
    long after the last row, is unobserved.
    """
    events = frame.events
    first = frame.time[frame.asset_starts[:-1]][events.asset]
    last = frame.end_of_observation()[events.asset]
    opens, closes = events.time - horizon, events.time - max(lead, 1)
    part = np.full(len(events), EventPart.BOUNDARY, np.int8)
    if split.strategy == "chronological":
        # Where the test part ends with the data, what happened after still belongs to it.
        whole = split.edges[-1] > frame.time.max()
        end = np.iinfo(np.int64).max if whole else split.edges[-1]
        bounds = np.array([split.edges[0], split.edges[-2], end])
        inside = np.searchsorted(bounds, opens, side="right")
        same = inside == np.searchsorted(bounds, closes, side="right")
        part[same] = inside[same]
        part[inside > EventPart.TEST] = EventPart.UNOBSERVED
        # Rows before a sliding window are unused, and so are events that only they could foresee.
        start = split.time[split.part != UNUSED].min()
        if start > split.time.min():
            part[opens < start] = EventPart.BOUNDARY
            part[closes < start] = EventPart.UNOBSERVED
    elif split.strategy == "by_asset":
        of_asset = split.part[frame.asset_starts[:-1]][events.asset]
        known = [of_asset == UNUSED, of_asset == TRAIN, of_asset == split.test]
        part = np.select(known, [EventPart.UNOBSERVED, 0, 2], 1).astype(np.int8)
    part[(events.time < first) | (opens > last)] = EventPart.UNOBSERVED
    return part


def _part_shares(stage: SplitStage) -> tuple[float, ...]:
    """Shares of all rows (or assets) before each validation fold and before the test part."""
    shares = np.linspace(1 - stage.test - stage.validation, 1 - stage.test, stage.folds + 1)
    return tuple(shares.tolist())


def _random_leaky(frame: SensorFrame, stage: SplitStage, reach: int) -> Split:
    draw = np.random.default_rng(stage.seed).random(len(frame))
    part = np.searchsorted([1 - stage.test - stage.validation, 1 - stage.test], draw, side="right")
    none = np.zeros(0, np.int64)
    return Split(
        "random_leaky", part.astype(np.int8), 1, none, reach, 0, frame.time, frame.asset_starts
    )


def _refuse_ages(frame: SensorFrame) -> None:
    if frame.clock.kind == "age" and len(frame.assets) > 1:
        raise ConfigError(
            "split.strategy: time is an age that starts anew for each asset, so rows of different"
            " assets have no common clock; set split.strategy to by_asset"
        )


def _name(part: int, folds: int) -> str:
    return "training" if part == TRAIN else "test" if part > folds else "validation"
