"""A machine that only scores: a small install without TensorFlow, whose answers are the same."""

import json
import os
import subprocess
import sys

import pytest

from rareevent.bundle import save_bundle
from tests.bundles import raw_rows, tiny_bundle
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow
MOST_MEGABYTES = 600
FULL = [sys.executable, "-c", "from rareevent.cli import main; main()"]
PIPELINE = """
name: light
ingest: {source: fleet/sensors.parquet, time: time, asset: asset, events: fleet/events.csv}
label: {horizon: 60min}
model: {members: 1, units: [4, 4]}
train: {epochs: 1}
register: {model: light}
"""


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """The environment that `make setup-score` builds."""
    place = tmp_path_factory.mktemp("light") / "venv"
    # The interpreter's own, so that make's python3 need not be the one the tests run under.
    command = ["make", "setup-score", f"SCORE_VENV={place}", f"PYTHON={sys.executable}"]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    return place


def run(command, folder, *arguments):
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlruns/mlflow.db"}
    return subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )


def scored(command, folder, model, rows, output):
    done = run(
        command, folder, "score", "--model", model, "--input", rows, "--output", output, "--json"
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    return {key: summary[key] for key in ("rows_scored", "alarms", "assets", "first", "last")}


def test_a_light_install_is_small_and_has_no_tensorflow(light):
    bytes_held = sum(f.lstat().st_size for f in light.rglob("*") if not f.is_dir())
    listed = subprocess.run(
        [light / "bin/python", "-m", "pip", "list", "--format", "json"],
        capture_output=True,
        check=True,
    )
    names = {package["name"].lower() for package in json.loads(listed.stdout)}
    print(f"{bytes_held / 2**20:.0f} MB, {len(names)} packages")
    assert bytes_held / 2**20 <= MOST_MEGABYTES
    assert "rareevent" in names
    assert not names & {"tensorflow", "keras", "scikit-learn", "scipy", "mlflow", "matplotlib"}


def test_a_light_install_scores_a_bare_bundle_as_a_full_one_does(light, tmp_path):
    save_bundle(tiny_bundle(), tmp_path / "bundle")
    raw_rows().to_csv(tmp_path / "rows.csv", index=False)
    here = scored(FULL, tmp_path, "bundle", "rows.csv", "full")
    there = scored([light / "bin/rareevent"], tmp_path, "bundle", "rows.csv", "light")
    assert here == there
    assert there["alarms"] > 0


def test_a_light_install_scores_a_registered_model_and_says_what_it_cannot_do(light, tmp_path):
    simulate = ("simulate", "--output", "fleet", "--seed", 5, "--assets", 3, "--days", 20)
    assert run(FULL, tmp_path, *simulate).returncode == 0
    (tmp_path / "light.yaml").write_text(PIPELINE)
    trained = run(FULL, tmp_path, "train", "light.yaml")
    assert trained.returncode == 0, trained.stderr
    model, rows = "models:/light/1", "fleet/sensors.parquet"
    here = scored(FULL, tmp_path, model, rows, "full")
    there = scored([light / "bin/rareevent"], tmp_path, model, rows, "light")
    assert here == there
    refused = run([light / "bin/rareevent"], tmp_path, "train", "light.yaml")
    assert refused.returncode == 1
    assert "light install" in refused.stderr
    assert "Traceback" not in refused.stderr
