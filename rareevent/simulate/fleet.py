"""A simulated fleet in memory, and how it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rareevent.simulate.arguments import checked_rows
from rareevent.simulate.disturbances import Precursors, draw_onsets, draw_precursors
from rareevent.simulate.parameters import (
    DIFFICULTIES,
    GRADE_LEVEL,
    GRADES,
    SENSORS,
)
from rareevent.simulate.signals import (
    Float32,
    Int8,
    add_faults,
    draw_grades,
    draw_signals,
    in_units,
)
from rareevent.simulate.timeline import Bool, Int64, draw_timeline

START = np.datetime64("2025-01-06T00:00:00", "us")  # a Monday
Int32 = NDArray[np.int32]
Times = NDArray[np.datetime64]
# Asset, time, grade and readings, then the columns of the two truths.
_AssetColumns = tuple[Int32, Times, Int8, Float32, tuple[np.ndarray, ...], tuple[np.ndarray, ...]]
NEVER = np.datetime64("NaT", "us")


@dataclass(frozen=True)
class EventTruth:
    """Every event and what announced it, sorted by (asset, time).

    Attributes
    ----------
    asset : int32 [k], code into `Fleet.assets`
    time : datetime64[us] [k]
    announced : bool [k], false for an event without any precursor
    trigger, answer : datetime64[us] [k], rows where the precursor's two disturbances begin; NaT
        without a precursor. With the answer the precursor is complete: the event's lead is
        `time - answer`.
    """

    asset: Int32
    time: Times
    announced: Bool
    trigger: Times
    answer: Times

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True)
class Disturbances:
    """Every disturbance, ordinary or telling, sorted by (asset, sensor, time).

    Attributes
    ----------
    asset : int32 [m], code into `Fleet.assets`
    sensor : int32 [m], index into `SENSORS`
    time : datetime64[us] [m], row where it begins
    """

    asset: Int32
    sensor: Int32
    time: Times


@dataclass(frozen=True)
class Fleet:
    """Sensor rows of several assets, sorted by (asset, time), and the truth behind them.

    Attributes
    ----------
    assets : names; `asset` holds int32 codes [n] into them
    time : datetime64[us] [n]
    grade : int8 [n], codes into `GRADES`
    sensors : name -> float32 [n], NaN where missing
    difficulty, interval_minutes, seed : how the fleet was made
    """

    assets: tuple[str, ...]
    asset: Int32
    time: Times
    grade: Int8
    sensors: Mapping[str, Float32]
    events: EventTruth
    disturbances: Disturbances
    difficulty: str
    interval_minutes: float
    seed: int

    def __len__(self) -> int:
        return len(self.time)

    def between(self, start: np.datetime64, stop: np.datetime64) -> Fleet:
        """The rows, events and disturbances at start <= time < stop."""

        def inside(times: Times) -> Bool:
            return (times >= start) & (times < stop)

        rows = inside(self.time)
        return replace(
            self,
            asset=self.asset[rows],
            time=self.time[rows],
            grade=self.grade[rows],
            sensors={name: values[rows] for name, values in self.sensors.items()},
            events=EventTruth(*_taken(self.events, inside(self.events.time))),
            disturbances=Disturbances(*_taken(self.disturbances, inside(self.disturbances.time))),
        )


def _taken(part: EventTruth | Disturbances, which: Bool) -> list[np.ndarray]:
    return [column[which] for column in vars(part).values()]


def make_fleet(
    *,
    seed: int,
    assets: int = 6,
    days: float = 40,
    difficulty: str = "medium",
    interval_minutes: float = 5,
) -> Fleet:
    """A paper-machine-like fleet; the same arguments give the same values.

    Each asset draws from a stream of random numbers of its own: more assets leave the earlier
    ones as they are.

    Parameters
    ----------
    seed : int, not negative
    assets : int, number of machines
    days : float, how long each is observed
    difficulty : "easy", "medium" or "hard", see `DIFFICULTIES`
    interval_minutes : float, minutes between two rows; runs, delays and leads are counted in
        rows and stretch with it

    Raises
    ------
    ConfigError
        When an argument is out of range; names it, the value received and what is possible.
    """
    rows = checked_rows(seed, assets, days, difficulty, interval_minutes)
    interval = np.timedelta64(round(interval_minutes * 60e6), "us")
    machines = np.random.default_rng(np.random.SeedSequence(seed))
    levels = machines.standard_normal((len(SENSORS), len(GRADES)), dtype=np.float32)
    streams = np.random.SeedSequence(seed).spawn(assets)
    parts = [
        _make_asset(code, np.random.default_rng(stream), rows, interval, difficulty, levels)
        for code, stream in enumerate(streams)
    ]
    asset, time, grade, readings, events, disturbances = zip(*parts, strict=True)
    sensors = np.concatenate(readings, axis=1)
    return Fleet(
        assets=tuple(f"PM{code + 1}" for code in range(assets)),
        asset=np.concatenate(asset),
        time=np.concatenate(time),
        grade=np.concatenate(grade),
        sensors={sensor.name: row for sensor, row in zip(SENSORS, sensors, strict=True)},
        events=EventTruth(*_joined(events)),
        disturbances=Disturbances(*_joined(disturbances)),
        difficulty=difficulty,
        interval_minutes=interval_minutes,
        seed=seed,
    )


def _joined(parts: tuple[tuple[np.ndarray, ...], ...]) -> list[np.ndarray]:
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _make_asset(
    code: int,
    rng: np.random.Generator,
    rows: int,
    interval: np.timedelta64,
    difficulty: str,
    levels: Float32,
) -> _AssetColumns:
    """One asset's columns (asset, time, grade, readings) and those of its two truths."""
    hard = DIFFICULTIES[difficulty]
    timeline = draw_timeline(rng, rows)
    precursors = draw_precursors(rng, timeline, hard)
    onsets = draw_onsets(rng, timeline, precursors, hard)
    grades = draw_grades(rng, rows)
    readings = draw_signals(
        rng, timeline, grades, np.float32(GRADE_LEVEL) * levels, onsets, hard.amplitude
    )
    grid = START + np.arange(rows) * interval
    readings = add_faults(rng, in_units(readings)[:, timeline.running])
    time = grid[timeline.running]
    return (
        np.full(len(time), code, np.int32),
        time,
        grades[timeline.running],
        readings,
        _events(rng, code, grid, timeline.event, precursors, interval),
        _disturbances(code, grid, onsets),
    )


def _events(
    rng: np.random.Generator,
    code: int,
    grid: Times,
    last_rows: Int64,
    precursors: Precursors,
    interval: np.timedelta64,
) -> tuple[np.ndarray, ...]:
    """Columns of `EventTruth`; an event falls, to the second, between its last row and the next."""
    share = rng.uniform(0.01, 0.99, len(last_rows))
    seconds = (share * (interval / np.timedelta64(1, "s"))).astype(np.int64).clip(1)
    told = precursors.announced
    return (
        np.full(len(last_rows), code, np.int32),
        grid[last_rows] + seconds.astype("timedelta64[s]"),
        told,
        np.where(told, grid[precursors.trigger], NEVER),
        np.where(told, grid[precursors.answer], NEVER),
    )


def _disturbances(code: int, grid: Times, onsets: tuple[Int64, ...]) -> tuple[np.ndarray, ...]:
    counts = [len(starts) for starts in onsets]
    return (
        np.full(sum(counts), code, np.int32),
        np.repeat(np.arange(len(onsets), dtype=np.int32), counts),
        grid[np.concatenate(onsets)],
    )
