"""What a fleet of 10,000 assets at one-minute rows takes on Spark, from what a few take here.

    python -m tests.benchmarks.fleet_plan [--assets N] [--days D]

Every stage of the job runs in this process on a day of a few assets (20 sensors, the model as
shipped: three members and the blend). What counts is processor time, which other work on the
machine disturbs far less than the clock. The rest is arithmetic, printed line by line.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from rareevent.scoring.folder import output_folder
from rareevent.scoring.inputs import open_reader
from rareevent.scoring.plan import InputFile
from rareevent.scoring.spark_scores import finish_assets, score_slices
from rareevent.scoring.spark_slices import cut_slices, read_files
from rareevent.scoring.spark_work import Work
from tests.benchmarks.plant import NAMES, SENSORS, make_bundle, write_rows
from tests.benchmarks.processes import peak_mb

MINUTES = 1440
FLEET = 10_000
SLICE_ROWS = 1 << 14
# What is planned for: everything else on the machines, shuffles, and the slowest task.
USE = 0.6
WINDOWS_H = (1 / 6, 1.0)
BACKFILL_DAYS = 365


def main() -> None:
    """Measure, and print the plan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assets", type=int, default=40, help="measured here")
    parser.add_argument("--days", type=int, default=1, help="measured here")
    parser.add_argument("--spark", action="store_true", help="run it on Spark too (a minute more)")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        seconds, sizes = measure(Path(folder), given.assets, given.days)
        whole = on_spark(Path(folder)) if given.spark else None
    print("\n".join(plan(seconds, sizes, given.assets * given.days * MINUTES, whole)))


def measure(folder: Path, assets: int, days: int) -> tuple[dict[str, float], dict[str, float]]:
    """Processor seconds of each stage, and bytes of what stands between them."""
    write_rows(folder / "day.parquet", assets * days * MINUTES, assets=assets)
    work = make_work(folder)
    with output_folder(work.folder):
        seconds: dict[str, float] = {}
        ranks = [pa.record_batch({"rank": pa.array([0], pa.int32())})]
        before = peak_mb()
        read = _timed(seconds, "read", lambda: list(read_files(work, ranks)))
        table = pa.Table.from_batches(read)
        keys = ("asset", "rank", "tick", "number")
        ordered = table.sort_by([(key, "ascending") for key in keys]).to_batches(10_000)
        cut = _timed(seconds, "cut", lambda: list(cut_slices(work, ordered)))
        scored = _timed(seconds, "score", lambda: list(score_slices(work, cut)))
        messages = pa.Table.from_batches(scored).sort_by(
            [("asset", "ascending"), ("place", "ascending")]
        )
        batches = messages.to_batches(1)
        told = _timed(seconds, "alarms and files", lambda: list(finish_assets(work, batches)))
        written = sum(p.stat().st_size for p in (work.folder / ".staging").glob("*"))
        sizes = {
            "input": float((folder / "day.parquet").stat().st_size),
            "first shuffle": float(table.nbytes),
            "second shuffle": float(sum(batch.nbytes for batch in cut)),
            "to the driver": float(sum(batch.nbytes for batch in told)),
            "output": float(written),
            "peak_mb": peak_mb() - before,
        }
        for left in (work.folder / ".staging").glob("*"):
            left.unlink()
    return seconds, sizes


def on_spark(folder: Path) -> float:
    """Processor seconds of the whole job in a Spark that runs already: Python, JVM and workers."""
    import psutil

    from rareevent.scoring.job import ScoreOptions
    from rareevent.scoring.spark_job import score_on_spark
    from rareevent.scoring.spark_session import spark_session

    bundle, options = make_bundle(members=3, blended=True), ScoreOptions(model="models:/plant/1")

    def used() -> float:
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        times = [process.cpu_times() for process in processes]
        return sum(t.user + t.system + t.children_user + t.children_system for t in times)

    with spark_session("local[2]"):
        # The first one also pays for what the JVM compiles, once per session.
        score_on_spark(bundle, folder / "day.parquet", folder / "warm", options=options)
        before = used()
        score_on_spark(bundle, folder / "day.parquet", folder / "told", options=options)
        return used() - before


def make_work(folder: Path) -> Work:
    """The job over the folder's file with the model as shipped."""
    bundle = make_bundle(members=3, blended=True)
    reader = open_reader(bundle, ("time", "asset", *NAMES), None)
    path = folder / "day.parquet"
    found = path.stat()
    file = InputFile(path, str(path), "0" * 64, found.st_size, found.st_mtime_ns, 0)
    out = folder / "out"
    return Work(
        reader,
        (file,),
        out,
        out / "manifest.db",
        "models:/plant/1",
        "parquet",
        None,
        "part-x",
        SLICE_ROWS,
    )


def _timed(seconds: dict[str, float], stage: str, run):
    began = time.process_time()
    found = run()
    seconds[stage] = time.process_time() - began
    return found


def plan(
    seconds: dict[str, float], sizes: dict[str, float], rows: int, whole: float | None
) -> list[str]:
    """The plan in lines; `whole` is what the job took on Spark, where that was measured."""
    stages, fleet = sum(seconds.values()), FLEET * MINUTES
    total = stages if whole is None else max(whole, stages)
    scale = fleet / rows
    core_h = total * scale / 3600
    lines = [
        f"measured: {rows:,} rows of {SENSORS} sensors, three members and the blend,"
        f" load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores",
        "",
        "| stage | processor s | rows/s per core |",
        "| --- | --- | --- |",
        *(f"| {n} | {s:.2f} | {rows / s:,.0f} |" for n, s in seconds.items()),
        f"| all | {stages:.2f} | {rows / stages:,.0f} |",
        *([] if whole is None else [f"| on Spark | {whole:.2f} | {rows / whole:,.0f} |"]),
        "",
        f"a day of {FLEET:,} assets at one-minute rows: {fleet:,} rows, {core_h:.2f} core hours",
    ]
    for hours in WINDOWS_H:
        cores = math.ceil(core_h / hours / USE)
        lines.append(f"  within {hours * 60:.0f} minutes, cores used to {USE:.0%}: {cores}")
    year = core_h * BACKFILL_DAYS
    lines.append(f"a year of it: {fleet * BACKFILL_DAYS:,} rows, {year:,.0f} core hours")
    lines += ["", "| what moves, a day of the fleet | GB |", "| --- | --- |"]
    moved = {name: size for name, size in sizes.items() if name != "peak_mb"}
    lines += [f"| {name} | {size * scale / 1e9:.2f} |" for name, size in moved.items()]
    lines += ["", f"memory of one task here, on top of the imports: {sizes['peak_mb']:.0f} MB"]
    return lines


if __name__ == "__main__":
    main()
