"""1,000 new rows, from process start to result on disk: from a bare bundle, and by its name.

The shipped default, three members and blend, through the command line. The registry is MLflow's
own, in SQLite. One more run of each lists what was imported: TensorFlow must not be.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.lines import Line, Size, at_most
from tests.benchmarks.plant import NAME, make_bundle, register_bundle, write_rows

ROWS = 1_000
ROUNDS = {Size.TINY: 1, Size.USUAL: 5, Size.FULL: 15}
TARGETS = {"bare bundle": 2.5, "registry": 4.5}  # seconds
_REPOSITORY = Path(__file__).parents[2]
_HEAVY = ("tensorflow", "keras", "sklearn")


def measure(size: Size) -> list[Line]:
    """Median seconds of each way, and whether it imported what it must not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "new.parquet", ROWS)
        bundle = make_bundle(members=3, blended=True)
        register_bundle(folder, bundle, "new.parquet")
        models = {"bare bundle": "bundle", "registry": f"models:/{NAME}@champion"}
        seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in models}
        for turn in range(ROUNDS[size] + 1):
            for way, model in models.items():
                took = _score(folder, model, f"{way}_{turn}")
                # The first one finds no file in the system's cache.
                seconds[way] += [took] if turn else []
        imported = {way: _imported(folder, model) for way, model in models.items()}
    lines = []
    for way, target in TARGETS.items():
        found = [module for module in _HEAVY if module in imported[way]]
        waited, computed = zip(*seconds[way], strict=True)
        words = f"quickest {min(waited):.2f} s, of which computing {min(computed):.2f} s"
        lines += [
            at_most(f"{ROWS:,} rows, {way}, median", statistics.median(waited), target, " s"),
            Line(f"{ROWS:,} rows, {way}, of {ROUNDS[size]}", words),
        ]
        words = ", ".join(found) or "none of them"
        lines.append(Line(f"{way}: imports {', '.join(_HEAVY)}", words, "none", not found))
    return lines


def _score(folder: Path, model: str, output: str) -> tuple[float, float]:
    """Seconds of a job in a process of its own, and the CPU seconds of them."""
    before, began = _cpu_of_children(), time.perf_counter()
    _command(folder, [], model, output)
    took = time.perf_counter() - began, _cpu_of_children() - before
    if not list((folder / output / "scores").rglob("*.parquet")):
        raise AssertionError(f"{model}: no scores in {output}")
    return took


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _imported(folder: Path, model: str) -> set[str]:
    """Packages that a job imports."""
    told = _command(folder, ["-X", "importtime"], model, f"imports_{model.partition(':')[0]}")
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in told.splitlines()}


def _command(folder: Path, options: list[str], model: str, output: str) -> str:
    """Run `rareevent score` in the folder; what it wrote to stderr."""
    environment = {key: value for key, value in os.environ.items() if "MLFLOW" not in key}
    environment["PYTHONPATH"] = str(_REPOSITORY)
    start = [sys.executable, *options, "-c", "from rareevent.cli import main; main()"]
    arguments = ["score", "--model", model, "--input", "new.parquet", "--output", output]
    command = [*start, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr}")
    return done.stderr
