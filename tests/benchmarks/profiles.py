"""`make profile`: where training and scoring spend their time, on a simulated fleet.

    python -m tests.benchmarks.profiles [FOLDER] [--assets N] [--days N]

Writes `train` and `score` as .html, to be opened in a browser, and as .txt. Everything runs on one
core: then work that is shared out over threads is done by the thread that is watched, or that one
waits for it where it was handed on, and shares of time mean the same on every machine. Imports and
the making of MLflow's database are over before the clock starts.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pyinstrument import Profiler

from rareevent.jobs.demo import demo_pipeline
from rareevent.jobs.score import score
from rareevent.jobs.train import train
from rareevent.lstm.backend import import_keras
from rareevent.simulate import simulate
from rareevent.tracking.home import Home, connect

_EVERY_SEC = 0.001
# Lines of the text: the rest is in the page.
_LEAST_SHARE = 0.02
_Result = TypeVar("_Result")


def main() -> None:
    """Profile a training run and a scoring job, and say where the profiles are."""
    given = _arguments()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        home = Home(f"sqlite:///{place / 'mlflow.db'}", place / "artifacts")
        fleet = simulate(place, seed=1, assets=given.assets, days=given.days)
        config = demo_pipeline(place)
        import_keras()
        connect(home)
        trained = profiled("train", given.folder, lambda: train(config, home=home))
        again = place / "scores"
        profiled(
            "score",
            given.folder,
            lambda: score(trained.model_uri, fleet.sensors_file, again, home=home),
        )
    print(f"{fleet.rows:,} rows, {fleet.events} events; profiles in {given.folder}/")


def profiled(name: str, folder: Path, work: Callable[[], _Result]) -> _Result:
    """What some work returns, its profile written as NAME.html and NAME.txt."""
    with Profiler(interval=_EVERY_SEC) as profiler:
        result = work()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.html").write_text(profiler.output_html(), encoding="utf-8")
    options = {"filter_threshold": _LEAST_SHARE}
    text = profiler.output_text(processor_options=options, unicode=True)
    (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return result


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make profile", description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("profiles"))
    parser.add_argument("--assets", type=int, default=6)
    parser.add_argument("--days", type=int, default=40)
    return parser.parse_args()


if __name__ == "__main__":
    main()
