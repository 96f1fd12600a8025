"""Whole runs on real data and of the demo, as a user calls them, within their time and memory."""

import json
import subprocess
import sys
import time

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow
RAREEVENT = [sys.executable, "-c", "from rareevent.cli import main; main()"]
# Half a minute of imports on a cold disk says nothing about training. The peak of memory is written
# by the process itself: what its parent could ask for includes the parent's own.
WARM_AND_WEIGHED = """
import atexit, sys
sys.path.append({repository!r})
import mlflow, sklearn.ensemble, matplotlib.pyplot
from pathlib import Path
from rareevent.cli import main
from rareevent.lstm.backend import import_keras
from tests.benchmarks.processes import peak_mb
import_keras()
atexit.register(lambda: Path("peak_mb").write_text(str(peak_mb())))
main()
"""
WEIGHED = [sys.executable, "-c", WARM_AND_WEIGHED.format(repository=str(REPOSITORY))]


def run(*arguments, folder, command=RAREEVENT):
    """The JSON answer, and the seconds it took from process start to end."""
    started = time.perf_counter()
    done = subprocess.run(
        [*command, *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), time.perf_counter() - started


def test_sheet_break_trains_in_time_and_memory_and_repeats_itself(shared_data, workplace):
    pipeline = REPOSITORY / "pipelines" / "sheet_break.yaml"
    source = f"ingest.source={shared_data('sheet_break.csv.gz')}"

    first, _ = run("train", pipeline, "--set", source, folder=workplace, command=WEIGHED)
    second, _ = run("train", pipeline, "--set", source, folder=workplace, command=WEIGHED)
    megabytes = float((workplace / "peak_mb").read_text())

    figures = {k: first["metrics"][f"test/{k}"] for k in ("roc_auc", "pr_auc", "event_recall")}
    print(first["seconds"], megabytes, figures, first["verdict_sentence"])
    assert first["metrics"] == second["metrics"]
    assert first["baselines"] == second["baselines"]
    assert (first["registered_version"], second["registered_version"]) == (1, 2)
    assert first["seconds"] < 50
    assert megabytes < 2048
    assert first["split"]["test"]["events"] == 34
    assert first["metrics"]["test/roc_auc"] > 0.65


def test_turbofans_train_and_score_by_age(shared_data, workplace):
    pipeline = REPOSITORY / "pipelines" / "turbofan.yaml"
    source = shared_data("cmapss_train_FD001.txt.gz")

    trained, _ = run("train", pipeline, "--set", f"ingest.source={source}", folder=workplace)
    scored, _ = run(
        "score", "--model", "models:/turbofan@champion", "--input", source, "--output", "scores",
        folder=workplace,
    )  # fmt: skip

    assert trained["metrics"]["test/event_recall"] > 0.8
    assert trained["metrics"].get("test/false_alarms_per_day") is None
    assert trained["metrics"]["test/false_alarms_per_1000_cycles"] < 10
    assert scored["rows_scored"] == 20_631


def test_machine_temperature_trains_and_scores(shared_data, workplace):
    pipeline = REPOSITORY / "pipelines" / "machine_temperature.yaml"
    source = shared_data("machine_temperature.csv.gz")
    events = shared_data("machine_temperature_events.csv")

    trained, _ = run(
        "train", pipeline, "--set", f"ingest.source={source}",
        "--set", f"ingest.events.source={events}",
        folder=workplace,
    )  # fmt: skip
    scored, _ = run(
        "score", "--model", trained["model_uri"], "--input", source, "--output", "scores",
        "--events", events,
        folder=workplace,
    )  # fmt: skip

    assert trained["metrics"]["test/events"] == 1
    assert scored["events_known"] == 4
    assert scored["rows_scored"] > 22_000


def test_demo_within_two_minutes(workplace):
    document, seconds = run("demo", folder=workplace)

    print(seconds, document["train"]["verdict_sentence"])
    assert seconds < 120
    assert document["unseen"]["evaluation"]["metrics"]["events"] > 20
    assert document["score"]["rows_scored"] > 10_000


def test_pipeline_file_of_the_demo_is_the_demos(workplace):
    from pathlib import Path

    from rareevent.config import load_pipeline
    from rareevent.jobs.demo import demo_pipeline

    stored = load_pipeline(REPOSITORY / "pipelines" / "demo.yaml")

    assert stored == demo_pipeline(Path("data/demo"))
