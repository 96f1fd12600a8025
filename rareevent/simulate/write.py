"""A simulated fleet on disk: Parquet, an event log, and the truth."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rareevent.errors import ConfigError, OutputError
from rareevent.simulate.fleet import EventTruth, Fleet, Times, make_fleet
from rareevent.simulate.parameters import ANSWER, HORIZON_ROWS, TRIGGER
from rareevent.simulate.tables import sensor_table, truth_table
from rareevent.whole_files import written_aside

if TYPE_CHECKING:
    import pyarrow as pa

DAY = np.timedelta64(1, "D")
UNSEEN = "unseen"
UNSEEN_PATTERN = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9].parquet"


@dataclass(frozen=True)
class SimulationSummary:
    """What a simulation wrote.

    Attributes
    ----------
    sensors_file, events_file, truth_file : the rows and events before the held-back days; the
        truth about every event
    unseen_files, unseen_events_file : the held-back days, one file each, and the log of all
        events with theirs; empty and None where nothing was held back
    rows, events : in the sensors file and the events file
    unseen_rows, unseen_events : in the held-back days
    unannounced : events without a precursor, all days
    horizon_minutes : the horizon that fits the leads from precursor to event
    precursor : the two sensors of the precursor, in their order
    """

    sensors_file: str
    events_file: str
    truth_file: str
    unseen_files: tuple[str, ...]
    unseen_events_file: str | None
    assets: int
    sensors: int
    rows: int
    events: int
    unseen_rows: int
    unseen_events: int
    unannounced: int
    difficulty: str
    seed: int
    interval_minutes: float
    horizon_minutes: float
    precursor: tuple[str, str]

    def to_json(self) -> dict[str, Any]:
        """The summary as plain data."""
        return asdict(self)


def simulate(
    output: Path,
    *,
    seed: int,
    assets: int = 6,
    days: float = 40,
    difficulty: str = "medium",
    interval_minutes: float = 5,
    hold_back_days: int = 0,
) -> SimulationSummary:
    """Make a fleet and write it to a directory; see `make_fleet` and `write_fleet`.

    Raises
    ------
    ConfigError
        When an argument is out of range.
    OutputError
        When the directory cannot be written.
    """
    fleet = make_fleet(
        seed=seed,
        assets=assets,
        days=days,
        difficulty=difficulty,
        interval_minutes=interval_minutes,
    )
    return write_fleet(fleet, output, hold_back_days=hold_back_days)


def write_fleet(fleet: Fleet, output: Path, *, hold_back_days: int = 0) -> SimulationSummary:
    """Write `sensors.parquet`, `events.csv` and `truth.parquet`; each replaces its predecessor.

    Parameters
    ----------
    fleet : Fleet
    output : directory, made where absent
    hold_back_days : int, so many last calendar days are left out of the first two files and
        written to `unseen/YYYY-MM-DD.parquet`, all assets together, for batch scoring;
        `unseen/events.csv` is the log as it stands after them, with every event

    Raises
    ------
    ConfigError
        When the held-back days leave nothing to train on.
    OutputError
        When a file cannot be written.
    """
    output = Path(output)
    end = fleet.time.max()
    cut = end.astype("datetime64[D]") + DAY - hold_back_days * DAY
    _check_held_back(hold_back_days, fleet)
    seen = fleet.between(fleet.time.min(), cut) if hold_back_days else fleet
    try:
        files = _write_seen(fleet, seen, output)
        unseen = _write_unseen(fleet, cut, output / UNSEEN) if hold_back_days else ()
        _remove_stale(output / UNSEEN, unseen)
    except OSError as error:
        raise OutputError(f"{output}: the fleet cannot be written: {error}") from None
    return SimulationSummary(
        **files,
        unseen_files=tuple(map(str, unseen)),
        unseen_events_file=str(output / UNSEEN / "events.csv") if hold_back_days else None,
        assets=len(fleet.assets),
        sensors=len(fleet.sensors),
        rows=len(seen),
        events=len(seen.events),
        unseen_rows=len(fleet) - len(seen),
        unseen_events=len(fleet.events) - len(seen.events),
        unannounced=int((~fleet.events.announced).sum()),
        difficulty=fleet.difficulty,
        seed=fleet.seed,
        interval_minutes=fleet.interval_minutes,
        horizon_minutes=HORIZON_ROWS * fleet.interval_minutes,
        precursor=(TRIGGER, ANSWER),
    )


def _check_held_back(hold_back_days: int, fleet: Fleet) -> None:
    first, last = (time.astype("datetime64[D]") for time in (fleet.time.min(), fleet.time.max()))
    days = (last - first).astype(int) + 1
    if not 0 <= hold_back_days < days:
        raise ConfigError(
            f"simulate: 'hold_back_days' must be from 0 to less than the {days} calendar days"
            f" there are; received {hold_back_days}"
        )


def _write_seen(fleet: Fleet, seen: Fleet, output: Path) -> dict[str, str]:
    output.mkdir(parents=True, exist_ok=True)
    files = {f"{name}_file": output / file for name, file in _FILES.items()}
    _write_table(sensor_table(seen), files["sensors_file"])
    _write_events(fleet, seen.events, files["events_file"])
    _write_table(truth_table(fleet), files["truth_file"])
    return {name: str(path) for name, path in files.items()}


_FILES = {"sensors": "sensors.parquet", "events": "events.csv", "truth": "truth.parquet"}


def _write_unseen(fleet: Fleet, cut: np.datetime64, directory: Path) -> tuple[Path, ...]:
    directory.mkdir(exist_ok=True)
    written = []
    for day in np.arange(cut, fleet.time.max() + 1, DAY).astype("datetime64[D]"):
        part = fleet.between(day, day + DAY)
        if len(part):
            written.append(directory / f"{day}.parquet")
            _write_table(sensor_table(part), written[-1])
    _write_events(fleet, fleet.events, directory / "events.csv")
    return tuple(written)


def _remove_stale(directory: Path, written: tuple[Path, ...]) -> None:
    """Days of an earlier, other fleet must not be scored together with this one's."""
    for path in directory.glob(UNSEEN_PATTERN):
        if path not in written:
            path.unlink()
    if not written:
        (directory / "events.csv").unlink(missing_ok=True)


def _write_table(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet as pq

    texts = [name for name in ("asset", "grade") if name in table.column_names]
    _replace(path, lambda part: pq.write_table(table, part, use_dictionary=texts))


def _write_events(fleet: Fleet, events: EventTruth, path: Path) -> None:
    def write(part: Path) -> None:
        with part.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(["asset", "time"])
            names = [fleet.assets[code] for code in events.asset]
            lines.writerows(zip(names, _texts(events.time), strict=True))

    _replace(path, write)


def _texts(times: Times) -> list[str]:
    return [str(time).replace("T", " ") for time in times.astype("datetime64[s]")]


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """Write beside `path` and move into place, so that no reader sees half a file."""
    with written_aside(path) as part:
        write(part)
