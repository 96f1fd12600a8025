"""The history of champions, in a real registry; and what a kill leaves of it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from rareevent.errors import ModelError, PromotionError, TrackingError
from rareevent.jobs.rollback import champions, rollback
from rareevent.tracking.champions import read_champions, set_champion, settle
from rareevent.tracking.home import connect
from rareevent.tracking.models import CHAMPION, aliases


@pytest.fixture
def plant(client, tmp_path):
    """A registered model with four versions and no champion."""
    client.create_registered_model("plant")
    for _ in range(4):
        client.create_model_version("plant", str(tmp_path), None)
    return client


def told(client):
    return [(reign.version, reign.how) for reign in read_champions(client, "plant")]


def champion(client):
    return aliases(client, "plant").get(CHAMPION)


def test_every_change_is_kept_with_time_user_reason_and_figures(plant):
    set_champion(plant, "plant", 1, "first", reason="it has skill", figures={"events": 20})
    set_champion(plant, "plant", 2, "forced", reason="the line was rebuilt")

    first, second = read_champions(plant, "plant")

    assert champion(plant) == 2
    assert (first.version, first.how, first.reason) == (1, "first", "it has skill")
    assert first.figures == {"events": 20}
    assert first.since < second.since
    assert first.who != ""
    keys = plant.get_registered_model("plant").tags
    assert len(keys) == 2
    assert all(key.startswith("champion/20") for key in keys)


def test_rollback_goes_further_back_each_time_and_a_promotion_starts_anew_from_there(plant):
    for version in (1, 2, 3):
        set_champion(plant, "plant", version, "gate")

    assert (rollback("plant").version, rollback("models:/plant@champion").version) == (2, 1)
    with pytest.raises(PromotionError, match=r"version 1 is champion and the history has none"):
        rollback("plant")
    set_champion(plant, "plant", 4, "gate")
    assert rollback("plant", reason="4 was worse").version == 1

    assert champion(plant) == 1
    hows = ["gate", "gate", "gate", "rollback", "rollback", "gate", "rollback"]
    assert told(plant) == list(zip([1, 2, 3, 2, 1, 4, 1], hows, strict=True))
    assert read_champions(plant, "plant")[-1].reason == "4 was worse"


def test_rollback_passes_over_a_deleted_version(plant):
    for version in (1, 2, 3):
        set_champion(plant, "plant", version, "gate")
    plant.delete_model_version("plant", "2")

    assert rollback("plant").version == 1


def test_a_deleted_champion_is_followed_by_the_one_before(plant):
    for version in (1, 2):
        set_champion(plant, "plant", version, "gate")
    plant.delete_model_version("plant", "2")

    assert champions("plant").champion is None
    assert rollback("plant").version == 1


def test_an_alias_moved_by_other_means_is_told_and_kept_at_the_next_change(plant):
    set_champion(plant, "plant", 1, "first")
    plant.set_registered_model_alias("plant", CHAMPION, "3")

    assert told(plant) == [(1, "first"), (3, "outside")]
    assert len(plant.get_registered_model("plant").tags) == 1
    set_champion(plant, "plant", 4, "gate")
    assert told(plant) == [(1, "first"), (3, "outside"), (4, "gate")]
    assert rollback("plant").version == 3


def test_unknown_models_and_versions_are_named(plant):
    with pytest.raises(ModelError, match="no model 'plan' is registered; there is: plant"):
        rollback("plan")
    with pytest.raises(ModelError, match="no version 9; it has 1, 2, 3, 4"):
        set_champion(plant, "plant", 9, "gate")
    assert read_champions(plant, "plant") == []
    with pytest.raises(PromotionError, match="no version is champion"):
        rollback("plant")


KILLED = """
import os, signal
from rareevent.tracking import champions
from rareevent.tracking.home import connect
move = champions.set_alias
def die(*arguments):
    if {moved}:
        move(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
champions.set_alias = die
{call}
"""


def killed(call, *, moved):
    """A process that is killed around the moment when the alias moves."""
    code = KILLED.format(call=call, moved=moved)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr


def test_a_kill_before_the_alias_moves_leaves_the_old_champion_and_no_trace(plant):
    set_champion(plant, "plant", 1, "first")
    killed("champions.set_champion(connect(), 'plant', 2, 'gate')", moved=False)

    assert (champion(plant), told(plant)) == (1, [(1, "first")])
    assert len(plant.get_registered_model("plant").tags) == 2
    set_champion(plant, "plant", 2, "gate")
    assert (champion(plant), told(plant)) == (2, [(1, "first"), (2, "gate")])
    assert len(plant.get_registered_model("plant").tags) == 2


def test_a_kill_after_the_alias_moved_leaves_the_new_champion_and_why(plant):
    set_champion(plant, "plant", 1, "first")
    killed("champions.set_champion(connect(), 'plant', 2, 'gate', reason='why')", moved=True)

    assert (champion(plant), told(plant)) == (2, [(1, "first"), (2, "gate")])
    assert read_champions(plant, "plant")[-1].reason == "why"
    settle(plant, "plant")
    stored = [json.loads(t) for t in plant.get_registered_model("plant").tags.values()]
    assert all(change["settled"] for change in stored)


@pytest.mark.slow
@pytest.mark.parametrize("moved", [False, True])
def test_a_killed_rollback_called_again_goes_back_once(plant, moved):
    for version in (1, 2, 3):
        set_champion(plant, "plant", version, "gate")
    killed("from rareevent.jobs.rollback import rollback; rollback('plant')", moved=moved)

    again = rollback("plant")

    assert (again.version, again.previous, again.finished) == (2, 3, moved)
    assert champion(plant) == 2
    assert rollback("plant").version == 1


@pytest.fixture
def server(empty_home, tmp_path, monkeypatch):
    """A real MLflow server over a database of its own."""
    shutil.copytree(empty_home / "mlruns", tmp_path / "mlruns")
    monkeypatch.chdir(tmp_path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/mlruns/mlflow.db", "--workers", "1"]
    with (tmp_path / "server.log").open("w") as told:
        process = subprocess.Popen(command, stdout=told, stderr=told, start_new_session=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    try:
        for _ in range(240):
            try:
                yield connect()
                break
            except TrackingError:
                time.sleep(0.5)
        else:
            pytest.fail((tmp_path / "server.log").read_text())
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.mark.slow
def test_history_and_rollback_work_through_a_server(server):
    server.create_registered_model("plant")
    for _ in range(3):
        server.create_model_version("plant", "s3://plant/model", None)
    for version in (1, 2, 3):
        set_champion(server, "plant", version, "gate", reason="é" * 1000, figures={"n": version})

    assert [rollback("plant").version for _ in range(2)] == [2, 1]

    assert champion(server) == 1
    assert [v for v, _ in told(server)] == [1, 2, 3, 2, 1]
    assert read_champions(server, "plant")[2].figures == {"n": 3}
