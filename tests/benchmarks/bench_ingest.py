"""How long ingestion takes, and how much memory at its peak.

    python -m tests.benchmarks ingest [--full]

Inputs are written to a temporary folder; every case runs in a process of its own, so that peaks do
not add up.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.lines import Line, Size
from tests.benchmarks.processes import fresh_process, peak_mb

FLEET_ASSETS, FLEET_ROWS = 20_000, 40
LONG_ROWS, LONG_SENSORS = 5_000_000, 20
SCALES = {Size.TINY: 0.001, Size.USUAL: 0.1, Size.FULL: 1.0}
# Seconds and MB that each case must stay below at full scale.
LIMITS = {
    "fleet.csv": (8.0, 800),
    "long.parquet": (10.0, 2_500),
    "long.csv": (25.0, 2_500),
    "long_full_precision.csv": (25.0, 2_500),
}


def write_fleet(path: Path, assets: int) -> None:
    """A fleet with daily rows, gaps, a text column of 60 levels, failing at each last row."""
    import pyarrow as pa
    from pyarrow import csv

    rng = np.random.default_rng(1)
    asset = np.repeat(np.arange(assets), FLEET_ROWS)
    day = np.tile(np.arange(FLEET_ROWS), assets) + np.repeat(rng.integers(0, 900, assets), 40)
    kept = rng.random(len(day)) > 0.05
    columns = {
        "date": (np.datetime64("2020-01-01") + day).astype("M8[D]")[kept],
        "serial": np.char.add("SN", asset[kept].astype(str)),
        "model": np.char.add("model ", rng.integers(0, 60, assets).astype(str))[asset[kept]],
    }
    for sensor in range(12):
        columns[f"smart_{sensor}"] = rng.integers(0, 10 ** (1 + sensor % 6), kept.sum())
    csv.write_csv(pa.table(columns), path)


def write_long(folder: Path, rows: int) -> None:
    """One asset, a row a minute, 20 sensors: Parquet, CSV of four decimals, CSV of all digits."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    rng = np.random.default_rng(2)
    minute = np.datetime64("2010-01-01", "s") + 60 * np.arange(rows)
    label = np.zeros(rows, np.int8)
    label[rng.choice(rows, rows // 25_000, replace=False)] = 1
    sensors = {f"s{i}": rng.normal(size=rows) for i in range(LONG_SENSORS)}
    parquet.write_table(pa.table({"time": minute, **sensors, "y": label}), folder / "long.parquet")
    text = pa.array(minute).cast(pa.string())
    full = pa.table({"time": text, **sensors, "y": label})
    csv.write_csv(full, folder / "long_full_precision.csv")
    short = {name: np.round(values, 4) for name, values in sensors.items()}
    csv.write_csv(pa.table({"time": text, **short, "y": label}), folder / "long.csv")


def measure(size: Size) -> list[Line]:
    """Seconds and peak of each case; limits hold at full size."""
    scale, lines = SCALES[size], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_fleet(folder / "fleet.csv", max(1, int(FLEET_ASSETS * scale)))
        write_long(folder, max(50_000, int(LONG_ROWS * scale)))
        for case, (seconds, peak) in LIMITS.items():
            with fresh_process() as worker:
                found = worker.submit(ingest_one, folder / case).result()
            words = (
                f"{found['rows']:,.0f} rows, {found['seconds']:.1f} s,"
                f" {found['cpu_seconds']:.1f} s CPU, peak {found['peak_mb']:,.0f} MB"
            )
            met = found["seconds"] <= seconds and found["peak_mb"] <= peak
            target = f"at full size ≤ {seconds:.0f} s, {peak:,} MB"
            lines.append(Line(case, words, target, met if scale == 1 else None))
    return lines


def ingest_one(path: Path) -> dict[str, float]:
    """Rows, seconds, CPU seconds and peak MB of ingesting a file, after the imports."""
    import pandas  # noqa: F401
    import pyarrow.csv
    import pyarrow.parquet  # noqa: F401

    from rareevent.config import Ingest
    from rareevent.ingestion import ingest

    if path.name == "fleet.csv":
        stage = Ingest(source=str(path), time="date", asset="serial", events="last_row")
    else:
        stage = Ingest(source=str(path), time="time", label="y")
    wall, cpu = time.perf_counter(), time.process_time()
    frame, _ = ingest(stage)
    return {
        "rows": len(frame),
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mb": peak_mb(),
    }
