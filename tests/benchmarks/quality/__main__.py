"""`make benchmark-quality`: learn, judge and print; what a killed run has measured is kept."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from rareevent.jobs.workers import in_processes
from tests.benchmarks.quality.measure import Task, is_done, measure, read, tasks_of
from tests.benchmarks.quality.recipes import RECIPES
from tests.benchmarks.quality.sets import FIRST_HALF_SETS, REPOSITORY, SETS, DataSet, Piece
from tests.benchmarks.quality.tables import table

PACKAGES = ("rareevent", "numpy", "scikit-learn", "tensorflow", "keras")
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
OUTPUT = REPOSITORY / "data" / "benchmark-quality"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print versions and a table per data set to stdout; progress goes to stderr."""
    options = _parse(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    parts = [_versions()]
    print(parts[0], flush=True)
    for data in _chosen(options.only):
        parts.append(_table(data, options.output, options.workers))
        print(f"\n{parts[-1]}", flush=True)
    if options.page:
        put_into(options.page, "\n\n".join(parts))


def _table(data: DataSet, output: Path, workers: int) -> str:
    if absent := data.missing():
        return f"### {data.title}\n\nSkipped: {absent[0]} is absent."
    pieces = data.pieces(output)
    tasks = tasks_of(data, pieces, RECIPES, output)
    _run_missing(data, tasks, workers)
    return table(data, _sources(pieces, tasks))


def put_into(page: Path, tables: str) -> None:
    """The tables between the page's two markers; all else on it stays."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}", encoding="utf-8")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.quality", description=__doc__)
    names = [data.name for data in (*SETS, *FIRST_HALF_SETS)]
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, default=[])
    parser.add_argument("--output", type=Path, default=OUTPUT, help="keeps what was measured")
    parser.add_argument("--page", type=Path, help="put the tables into docs/benchmarks.md too")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    return parser.parse_args(arguments)


def _chosen(only: Sequence[str]) -> list[DataSet]:
    if not only:
        return list(SETS)
    return [data for data in (*SETS, *FIRST_HALF_SETS) if data.name in only]


def _versions() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"Python {platform.python_version()} on {platform.machine()}, {packages}; train.seed 7"


def _run_missing(data: DataSet, tasks: Sequence[Task], workers: int) -> None:
    """Measure what is not kept yet, each test period in one of several processes."""
    missing = [task for task in tasks if not is_done(task)]
    print(f"{data.name}: {len(missing)} of {len(tasks)} to measure", file=sys.stderr)
    started = time.perf_counter()
    for task, _ in in_processes(measure, missing, min(workers, len(missing)), _named):
        seconds = time.perf_counter() - started
        print(f"{_named(task)}, {seconds:.0f} s", file=sys.stderr)


def _named(task: Task) -> str:
    return f"{task.file.parent.name}: {task.file.stem}"


def _sources(pieces: Sequence[Piece], tasks: Sequence[Task]):
    """Per piece: recipe -> its test periods, in order."""
    return [
        {
            recipe.name: [
                read(t) for t in tasks if t.piece.name == piece.name and t.recipe is recipe
            ]
            for recipe in RECIPES
        }
        for piece in pieces
    ]


if __name__ == "__main__":
    main()
