"""The types that ingestion hands on: clock, events, segments and the SensorFrame."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rareevent.config import Duration, parse_duration_us
from rareevent.errors import ConfigError

Bool = NDArray[np.bool_]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float16 = NDArray[np.float16]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# The name of the time format that is no strptime format, as pandas has it.
ISO = "ISO8601"
# A thousand years in microseconds. Times lie within 2^60 ticks and label.auxiliary multiplies by up
# to a hundred, so no sum of a time and a duration leaves 64 bits.
LONGEST_TICKS = 1000 * 365 * 86_400_000_000
# Words for truth values, and what a typed column of these holds.
_TRUTH = {"true": "1", "false": "0"}


class Fate(IntEnum):
    """What became of a row: its place in a segment, or the one reason why it has none."""

    IN_SEGMENT = 0
    EVENT = 1
    EVENT_RUN = 2
    RECOVERY = 3
    EXCLUDED = 4


@dataclass(frozen=True)
class Clock:
    """How time is counted: in microseconds since 1970 (datetime) or in whole steps (age).

    Attributes
    ----------
    kind : "datetime" or "age"
    interval : int
        The nominal step between two rows of an asset, in ticks.
    """

    kind: Literal["datetime", "age"]
    interval: int

    def ticks(self, duration: Duration) -> int:
        """Ticks in a duration: an int counts nominal intervals, a text is a time.

        Raises
        ------
        ConfigError
            When a text duration meets an age clock, which has no minutes, or it is longer than a
            thousand years (in microseconds, or that many steps of an age).
        """
        if isinstance(duration, int):
            ticks = duration * self.interval
            if ticks > LONGEST_TICKS:
                raise ConfigError(
                    f"the duration of {duration} intervals of {self.duration_text(self.interval)}"
                    " is too long to count with; give a shorter one"
                )
            return ticks
        if self.kind == "age":
            raise ConfigError(
                f"the duration {duration!r} needs timestamps, but time is an integer age; give the"
                " number of intervals as an integer"
            )
        return parse_duration_us(duration)

    def minutes(self, ticks: float) -> float | None:
        """Minutes in a number of ticks; None where time is an age."""
        return ticks / 60e6 if self.kind == "datetime" else None

    def days(self, ticks: float) -> float | None:
        """Days in a number of ticks; None where time is an age."""
        return ticks / 86400e6 if self.kind == "datetime" else None

    def duration_text(self, ticks: float) -> str:
        """A span of ticks as a person writes it: "4 min", "1.5 h", "12 cycles"."""
        if self.kind == "age":
            return f"{int(ticks)} cycles"
        units = (("d", 86400e6), ("h", 3600e6), ("min", 60e6), ("s", 1e6), ("ms", 1e3), ("us", 1))
        unit, size = next((u for u in units if abs(ticks) >= u[1]), units[-1])
        return f"{ticks / size:.4g} {unit}"

    def text(self, tick: int) -> str:
        """A tick as a person writes it: ISO time, or the age."""
        if self.kind == "age":
            return str(int(tick))
        return str(np.datetime64(int(tick), "us")).replace("T", " ").removesuffix(".000000")


@dataclass(frozen=True)
class Events:
    """Known events, sorted by (asset, time), at most one per (asset, time).

    Attributes
    ----------
    asset : int32 [k], code into `SensorFrame.assets`
    time : int64 [k], ticks
    kind : int32 [k], code into `kinds`, -1 where an event has no type; all 0 where none has one
    kinds : names of the event types
    """

    asset: Int32
    time: Int64
    kind: Int32
    kinds: tuple[str, ...] = ("event",)

    def __len__(self) -> int:
        return len(self.time)

    def take(self, which: Bool | Int64) -> Events:
        """Some of the events, by a mask bool [k] or their numbers."""
        return Events(self.asset[which], self.time[which], self.kind[which], self.kinds)

    @classmethod
    def none(cls) -> Events:
        """No event known."""
        empty = np.zeros(0, np.int32)
        return cls(empty, np.zeros(0, np.int64), empty)


@dataclass(frozen=True)
class Segments:
    """Stretches of rows that belong together; rows outside have a Fate that says why.

    Attributes
    ----------
    start, stop : int64 [s], half-open row ranges, ascending, one asset each
    of_row : int64 [n], index of the row's segment, -1 where it has none
    fate : int8 [n], a `Fate` per row
    """

    start: Int64
    stop: Int64
    of_row: Int64
    fate: Int8

    def __len__(self) -> int:
        return len(self.start)

    def row_start(self) -> Int64:
        """First row of each row's segment, int64 [n]; -1 for a row that has none."""
        out = np.full(len(self.of_row), -1, np.int64)
        inside = self.of_row >= 0
        out[inside] = self.start[self.of_row[inside]]
        return out


@dataclass(frozen=True)
class TextColumn:
    """A categorical column: int32 codes [n] into `levels`, -1 where missing."""

    codes: Int32
    levels: tuple[str, ...]

    def places(self, known: Sequence[str]) -> Int64:
        """Where each level, and what is missing, stands among known ones; int64 [levels + 1].

        -1 stands for none. Truth values are 1 and 0 in a typed column and words in a text, so a
        level that is not there is taken for the one with its truth value.

        Examples
        --------
        >>> TextColumn(np.zeros(0, np.int32), ("1", "FALSE", "B")).places(["A", "B", "true"])
        array([ 2, -1,  1, -1])
        """
        place = {level: number for number, level in enumerate(known)}
        told = {_TRUTH.get(level.lower(), level): number for number, level in enumerate(known)}
        found = [
            place.get(level, told.get(_TRUTH.get(level.lower(), level), -1))
            for level in self.levels
        ]
        return np.array([*found, -1], np.int64)


@dataclass(frozen=True)
class SensorFrame:
    """Sensor rows, one per (asset, time), sorted by asset, then time.

    Attributes
    ----------
    assets : names; `asset` holds int32 codes [n] into them, ascending
    time : int64 [n], ticks of `clock`, strictly ascending within an asset
    sensors : name -> float64 [n], NaN where missing; nothing filled yet
    texts : name -> TextColumn
    asset_starts : int64 [a + 1], row range of each asset
    source_sha256 : digest of the input bytes, file by file, in order
    max_gap, recovery : ticks, what the segments were cut with
    """

    assets: tuple[str, ...]
    asset: Int32
    time: Int64
    sensors: Mapping[str, Float64]
    texts: Mapping[str, TextColumn]
    clock: Clock
    events: Events
    segments: Segments
    source_sha256: str = ""
    asset_starts: Int64 = field(default_factory=lambda: np.zeros(1, np.int64))
    max_gap: int = 0
    recovery: int = 0

    def __len__(self) -> int:
        return len(self.time)

    def data_sha256(self) -> str:
        """Digest of all that was read: the bytes of the rows, and the events."""
        digest = hashlib.sha256(self.source_sha256.encode())
        for array in (self.events.asset, self.events.time, self.events.kind):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def end_of_observation(self) -> Int64:
        """Last observed time of each asset, int64 [a], ticks."""
        return self.time[self.asset_starts[1:] - 1]
