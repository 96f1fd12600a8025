"""Peak memory of a scoring job at short and long lookbacks, each in a process of its own.

Counted is what the job adds to a process that has its libraries and its bundle loaded. Keeping all
windows, as Keras' predict needs them, would take what the last line says (computed, not measured).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from rareevent.bundle import save_bundle
from tests.benchmarks.lines import Line, Size, at_most
from tests.benchmarks.plant import make_bundle, write_rows
from tests.benchmarks.processes import fresh_process, peak_mb

ROWS = {Size.TINY: 2_000, Size.USUAL: 200_000, Size.FULL: 1_000_000}
LOOKBACKS = (5, 20, 100)


def measure(size: Size) -> list[Line]:
    """A line for each lookback, and one for how flat they are."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "in.parquet", ROWS[size])
        write_rows(folder / "few.parquet", 400)
        peaks, channels = {}, 0
        for lookback in LOOKBACKS:
            bundle = make_bundle(lookback=lookback)
            channels = len(bundle.encoder.channels)
            save_bundle(bundle, folder / f"bundle_{lookback}")
            with fresh_process() as worker:
                peaks[lookback] = worker.submit(_added_mb, folder, lookback).result()
    flat = peaks[LOOKBACKS[-1]] / peaks[LOOKBACKS[0]]
    lines = [at_most(f"peak at lookback {LOOKBACKS[-1]} over {LOOKBACKS[0]}", flat, 1.15)]
    for lookback, peak in peaks.items():
        windows = ROWS[size] * lookback * channels * 4 / 2**20
        words = f"{peak:,.0f} MB ({windows:,.0f} MB of windows, were they kept)"
        lines.append(Line(f"{ROWS[size]:,} rows, lookback {lookback}", words))
    return lines


def _added_mb(folder: Path, lookback: int) -> float:
    """Peak while a job runs, less the one before it; a small job first wakes the libraries."""
    from rareevent.bundle import load_bundle
    from rareevent.scoring.job import score_files

    bundle = load_bundle(folder / f"bundle_{lookback}")
    score_files(bundle, folder / "few.parquet", folder / f"few_{lookback}")
    before = peak_mb()
    score_files(bundle, folder / "in.parquet", folder / f"out_{lookback}")
    return peak_mb() - before
