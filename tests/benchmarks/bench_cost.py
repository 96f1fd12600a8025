"""How the job's duration grows with its rows: the exponent of a line through logarithms."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np

from rareevent.bundle import Bundle
from rareevent.scoring.job import score_files
from tests.benchmarks.lines import Line, Size, Took, at_most, best_rounds
from tests.benchmarks.plant import make_bundle, write_rows

ROWS = {
    Size.TINY: (400, 1_600),
    Size.USUAL: (10_000, 31_600, 100_000, 316_000, 1_000_000),
    Size.FULL: (10_000, 100_000, 1_000_000, 10_000_000),
}
# Short jobs are soon repeated, and a busy moment weighs more in them.
ROWS_IN_ALL = 300_000


def measure(size: Size) -> list[Line]:
    """The exponent over all sizes, the one of the last step, and the seconds."""
    sizes, took = ROWS[size], []
    bundle = make_bundle()
    with tempfile.TemporaryDirectory() as name:
        for rows in sizes:
            source = Path(name) / f"{rows}.parquet"
            write_rows(source, rows)
            took.append(_took(bundle, source, rows))
            source.unlink()
    wall, cpu = [t.wall for t in took], [t.cpu for t in took]
    last = sizes[-2:], cpu[-2:]
    words = ", ".join(
        f"{n:,}: {w:.2f} s ({c:.2f} s)" for n, w, c in zip(sizes, wall, cpu, strict=True)
    )
    return [
        at_most(f"exponent, {sizes[0]:,} to {sizes[-1]:,} rows", _exponent(sizes, wall), 1.05),
        Line("exponent of CPU seconds", f"{_exponent(sizes, cpu):.2f}"),
        Line("exponent of CPU seconds, last step", f"{_exponent(*last):.2f}"),
        Line("rows: seconds (CPU)", words),
    ]


def _exponent(rows: Sequence[int], seconds: Sequence[float]) -> float:
    return float(np.polyfit(np.log(rows), np.log(seconds), 1)[0])


def _took(bundle: Bundle, source: Path, rows: int) -> Took:
    turn = count()

    def job() -> None:
        score_files(bundle, source, source.parent / f"out_{rows}_{next(turn)}")

    rounds = max(1, min(5, ROWS_IN_ALL // rows))
    # What the first job of a process pays once is nothing beside a long one.
    return best_rounds({"job": job}, rounds, warm_up=int(rows <= ROWS_IN_ALL))["job"]
