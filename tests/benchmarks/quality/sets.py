"""Where it is compared: data sets, how they are cut, and the false alarms they are read at."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rareevent.config import PipelineConfig, load_pipeline
from rareevent.jobs.fold import FoldPlan
from rareevent.simulate import simulate

REPOSITORY = Path(__file__).parents[3]
WALK = FoldPlan(5, 0.5, "expanding")
# Fleets that nothing was tried on before this table was first printed.
FLEETS = (901, 902, 903)
FLEET_DAYS = 45


@dataclass(frozen=True)
class Budget:
    """False alarms that someone accepts.

    Attributes
    ----------
    text : how a table calls it
    rate : metric of the product that counts them
    limit : most of them
    """

    text: str
    rate: str
    limit: float


@dataclass(frozen=True)
class Piece:
    """One source of rows and how it is cut; without a plan, by the pipeline's own split."""

    name: str
    config: PipelineConfig
    plan: FoldPlan | None

    @property
    def folds(self) -> tuple[int, ...]:
        """Numbers of its test periods."""
        return tuple(range(1, self.plan.folds + 1)) if self.plan else (1,)


@dataclass(frozen=True)
class DataSet:
    """A table of its own.

    Attributes
    ----------
    name : for `--only`
    title : what it says above the table
    budgets : a column each
    files : real data it reads, looked for in `data_folder`
    pieces : a folder for what has to be made first -> the sources
    ranked : whether there are events enough for anything but counts
    """

    name: str
    title: str
    budgets: tuple[Budget, ...]
    files: tuple[str, ...]
    pieces: Callable[[Path], tuple[Piece, ...]]
    ranked: bool = True

    def missing(self) -> tuple[Path, ...]:
        """Files that are not there."""
        return tuple(p for p in map(data_file, self.files) if not p.exists())


PER_DAY = tuple(Budget(f"{n} a day", "false_alarms_per_day", float(n)) for n in (1, 4))
PER_WEEK = tuple(Budget(f"{n} a week", "false_alarms_per_day", n / 7) for n in (1, 4))
PER_1000 = tuple(
    Budget(f"{n} per 1,000 cycles", "false_alarms_per_1000_cycles", float(n)) for n in (1, 4)
)


def data_file(name: str) -> Path:
    """A file of the real data; it may be absent."""
    default = REPOSITORY.parent / "shared" / "data"
    return Path(os.environ.get("RAREEVENT_SHARED_DATA", default)) / name


def _sheet_break(rows: int, minutes: int) -> DataSet:
    def pieces(folder: Path) -> tuple[Piece, ...]:
        source = data_file("sheet_break.csv.gz")
        return (
            Piece("all", _pipeline("sheet_break", source, f"label.horizon={minutes}min"), WALK),
        )

    title = (
        f"Sheet break, {rows} rows ({minutes} min) ahead; five test periods, the second half of"
        " the rows"
    )
    return DataSet(f"sheet-break-{rows}", title, PER_DAY, ("sheet_break.csv.gz",), pieces)


def _sheet_break_first_half(rows: int, minutes: int) -> DataSet:
    def pieces(folder: Path) -> tuple[Piece, ...]:
        source = _first_half(data_file("sheet_break.csv.gz"), folder)
        return (
            Piece("all", _pipeline("sheet_break", source, f"label.horizon={minutes}min"), WALK),
        )

    title = f"Sheet break, {rows} rows ({minutes} min) ahead; the first half of the rows alone"
    name = f"sheet-break-{rows}-first-half"
    return DataSet(name, title, PER_DAY, ("sheet_break.csv.gz",), pieces)


def _first_half(source: Path, folder: Path) -> Path:
    """A copy of a CSV file's first half; what is tried on it has seen none of the test periods."""
    import pandas as pd

    copy = folder / "sheet_break_first_half.csv"
    rows = pd.read_csv(source)
    rows.iloc[: len(rows) // 2].to_csv(copy, index=False)
    return copy


def _turbofan(folder: Path) -> tuple[Piece, ...]:
    config = _pipeline("turbofan", data_file("cmapss_train_FD001.txt.gz"))
    return (Piece("all", config, WALK),)


def _machine_temperature(folder: Path) -> tuple[Piece, ...]:
    config = _pipeline(
        "machine_temperature",
        data_file("machine_temperature.csv.gz"),
        f"ingest.events.source={data_file('machine_temperature_events.csv')}",
    )
    return (Piece("all", config, FoldPlan(2, 0.5, "expanding")),)


def _simulated(difficulty: str) -> DataSet:
    def pieces(folder: Path) -> tuple[Piece, ...]:
        return tuple(_fleet(difficulty, seed, folder / f"{difficulty}_{seed}") for seed in FLEETS)

    seeds = ", ".join(map(str, FLEETS))
    title = f"Simulated fleet, {difficulty}, one hour (12 rows) ahead; fleets {seeds}"
    return DataSet(f"simulator-{difficulty}", title, PER_DAY, (), pieces)


def _fleet(difficulty: str, seed: int, folder: Path) -> Piece:
    if not (folder / "events.csv").exists():
        simulate(folder, seed=seed, days=FLEET_DAYS, difficulty=difficulty)
    return demo_piece(f"seed {seed}", folder)


def demo_piece(name: str, folder: Path) -> Piece:
    """The demo's pipeline and split over a fleet that was simulated into a folder."""
    source = folder / "sensors.parquet"
    config = _pipeline("demo", source, f"ingest.events.source={folder / 'events.csv'}")
    return Piece(name, config, None)


def _pipeline(name: str, source: Path, *overrides: str) -> PipelineConfig:
    return load_pipeline(
        REPOSITORY / "pipelines" / f"{name}.yaml",
        # Intervals are drawn once, over all test periods.
        (f"ingest.source={source}", "evaluate.bootstrap=0", *overrides),
    )


SHEET_BREAK_HORIZONS = ((2, 4), (5, 10), (10, 20))
SETS = (
    *(_sheet_break(rows, minutes) for rows, minutes in SHEET_BREAK_HORIZONS),
    DataSet(
        "turbofan",
        "Turbofans FD001, 20 cycles ahead; five times ten units that no model of theirs saw",
        PER_1000,
        ("cmapss_train_FD001.txt.gz",),
        _turbofan,
    ),
    DataSet(
        "machine-temperature",
        "Machine temperature, one day ahead; two test periods with one event each, so counts only",
        PER_WEEK,
        ("machine_temperature.csv.gz", "machine_temperature_events.csv"),
        _machine_temperature,
        ranked=False,
    ),
    *(_simulated(difficulty) for difficulty in ("easy", "medium", "hard")),
)
# For development: these rows judge nothing that is reported.
FIRST_HALF_SETS = tuple(
    _sheet_break_first_half(rows, minutes) for rows, minutes in SHEET_BREAK_HORIZONS
)
