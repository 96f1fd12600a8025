import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from rareevent.errors import TrainingError
from rareevent.tracking.git import git_commit
from rareevent.tracking.orphans import is_gone, owner
from rareevent.tracking.runs import training_run
from rareevent.tracking.tracked import flatten


def test_a_run_that_went_well_is_finished_and_holds_what_was_logged(client):
    with training_run("e", "first", tags={"leaky": "no"}) as run:
        run.params({"train": {"seed": 7, "class_weight": "balanced"}, "model": {"units": [16, 8]}})
        run.metrics({"loss": 0.5}, "epoch", step=1)
        run.metrics({"loss": 0.25}, "epoch", step=2)
        run.metrics({"pr_auc": 0.1, "lead_time_median_min": None, "odd": float("nan")}, "test")
        run.tags({"verdict": "better", "nothing": None})
        run.describe("Catches 3 of 10.")
        run.save("plots/pr.png", b"\x89PNG")
        run.save("pipeline.yaml", "name: x\n")
    stored = client.get_run(run.run_id)
    assert stored.info.status == "FINISHED"
    assert stored.info.run_name == "first"
    assert stored.data.params == {
        "train.seed": "7",
        "train.class_weight": "balanced",
        "model.units": "[16, 8]",
    }
    assert stored.data.metrics == {"epoch/loss": 0.25, "test/pr_auc": 0.1}
    history = [(m.step, m.value) for m in client.get_metric_history(run.run_id, "epoch/loss")]
    assert history == [(1, 0.5), (2, 0.25)]
    assert stored.data.tags["verdict"] == "better"
    assert stored.data.tags["leaky"] == "no"
    assert stored.data.tags["mlflow.note.content"] == "Catches 3 of 10."
    assert "nothing" not in stored.data.tags
    assert sorted(f.path for f in client.list_artifacts(run.run_id)) == ["pipeline.yaml", "plots"]
    assert [f.path for f in client.list_artifacts(run.run_id, "plots")] == ["plots/pr.png"]


def test_an_error_leaves_the_run_failed_with_its_message(client):
    with (
        pytest.raises(TrainingError, match="loss is NaN"),
        training_run("e", "bad", tags={"seed": "1"}) as run,
    ):
        raise TrainingError("loss is NaN at epoch 2;\nlower the rate")
    stored = client.get_run(run.run_id)
    assert stored.info.status == "FAILED"
    assert stored.info.end_time is not None
    assert stored.data.tags["error"] == "TrainingError: loss is NaN at epoch 2; lower the rate"
    assert stored.data.tags["seed"] == "1"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_being_stopped_leaves_the_run_killed(client, stop):
    with pytest.raises(stop), training_run("e", "stopped") as run:
        raise stop
    assert client.get_run(run.run_id).info.status == "KILLED"


def test_trouble_while_ending_a_run_does_not_hide_the_error(home, tmp_path):
    def lose_the_database():
        with training_run("e", "bad"):
            (tmp_path / "mlruns" / "mlflow.db").write_bytes(b"gone" * 1000)
            raise TrainingError("loss is NaN")

    with pytest.raises(TrainingError, match="loss is NaN") as caught:
        lose_the_database()
    assert "the run could not be ended" in caught.value.__notes__[0]


def test_a_child_run_names_its_parent(client):
    with (
        training_run("e", "backtest") as parent,
        training_run("e", "fold 1", parent=parent.run_id) as child,
    ):
        pass
    assert client.get_run(child.run_id).data.tags["mlflow.parentRunId"] == parent.run_id
    assert client.get_run(parent.run_id).info.status == "FINISHED"


def test_many_and_long_parameters_are_cut_to_what_mlflow_takes(client):
    with training_run("e", "r") as run:
        run.params({"sensors": ["x" * 50] * 1000, "many": {f"k{i}": i for i in range(250)}})
        run.tags({"verdict": "v" * 9000})
    stored = client.get_run(run.run_id)
    assert len(stored.data.params) == 251
    assert len(stored.data.params["sensors"]) == 6000
    assert stored.data.params["sensors"].endswith("…")
    assert stored.data.tags["verdict"].endswith("…")


def test_the_dataset_is_known_by_name_place_and_digest(client):
    with training_run("e", "r") as run:
        columns = {"time": "datetime", "s1": "double"}
        run.dataset("break.csv", "data/raw/break.csv", "ab" * 32, "training", {"rows": 12}, columns)
    stored = client.get_run(run.run_id)
    (given,) = stored.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("break.csv", "ab" * 6)
    assert stored.data.tags["data_sha256"] == "ab" * 32
    assert [(c["name"], c["type"]) for c in json.loads(given.dataset.schema)["mlflow_colspec"]] == [
        ("time", "datetime"),
        ("s1", "double"),
    ]
    assert json.loads(given.dataset.source) == {"uri": "data/raw/break.csv"}
    assert json.loads(given.dataset.profile) == {"rows": 12}
    assert [(t.key, t.value) for t in given.tags] == [("mlflow.data.context", "training")]


SLEEPER = """
    import sys, time
    from rareevent.tracking.runs import training_run
    with training_run("e", "sleeper") as run:
        print(run.run_id, flush=True)
        time.sleep(60)
"""


@pytest.fixture
def sleeper(home):
    """A process in the middle of a run, and the run's id."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SLEEPER)], stdout=subprocess.PIPE, text=True
    )
    run_id = process.stdout.readline().strip()
    yield process, run_id
    process.kill()
    process.wait()
    process.stdout.close()


def test_sigterm_ends_the_run_as_killed(client, sleeper):
    process, run_id = sleeper
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 128 + signal.SIGTERM
    assert client.get_run(run_id).info.status == "KILLED"


def test_the_next_run_closes_one_whose_process_was_killed_and_no_other(client, sleeper):
    process, run_id = sleeper
    with training_run("e", "meanwhile") as meanwhile:
        assert client.get_run(run_id).info.status == "RUNNING"
        process.kill()
        process.wait()
        with training_run("e", "next"):
            assert client.get_run(run_id).info.status == "KILLED"
            assert "killed" in client.get_run(run_id).data.tags["error"]
            assert client.get_run(meanwhile.run_id).info.status == "RUNNING"


@pytest.mark.skipif(not owner(), reason="no /proc here to recognise processes by")
def test_a_process_is_told_from_another_with_its_number():
    mine = owner()
    assert not is_gone(mine)
    machine, _, process = mine.rpartition("/")[0].rpartition("/")
    assert is_gone(f"{machine}/{process}/1"), "the same number, started at another time"
    assert not is_gone(f"elsewhere/{process}/1"), "another machine cannot be judged from here"
    assert not is_gone("")


def test_a_run_in_a_thread_leaves_signals_alone(client):
    ended = []

    def work():
        with training_run("e", "threaded") as run:
            ended.append(run.run_id)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert client.get_run(ended[0]).info.status == "FINISHED"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_runs_of_parallel_processes_all_end(client, home):
    code = (
        "from rareevent.tracking.runs import training_run\n"
        "with training_run('e', 'p') as run:\n"
        "    for i in range(5): run.metrics({'loss': 1 / (i + 1)}, 'epoch', i)\n"
    )
    workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [w.wait() for w in workers] == [0, 0]
    experiment = client.get_experiment_by_name("e").experiment_id
    assert [r.info.status for r in client.search_runs([experiment])] == ["FINISHED"] * 2


def test_git_commit_names_the_commit_and_whether_files_differ(tmp_path):
    def git(*arguments):
        identity = {f"GIT_{r}_{k}": "x" for r in ("AUTHOR", "COMMITTER") for k in ("NAME", "EMAIL")}
        subprocess.run(
            ["git", "-C", str(tmp_path), *arguments],
            check=True,
            capture_output=True,
            env=os.environ | identity,
        )

    assert git_commit(tmp_path) is None
    git("init", "-q")
    assert git_commit(tmp_path) is None, "a repository without a commit"
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-q", "-m", "first")
    commit = git_commit(tmp_path)
    assert len(commit) == 40
    (tmp_path / "a").write_text("2")
    assert git_commit(tmp_path) == f"{commit}-dirty"


def test_flatten_names_settings_by_their_path():
    nested = {"a": {"b": {"c": 1}, "d": []}, "e": {}}
    assert flatten(nested) == [("a.b.c", 1), ("a.d", []), ("e", {})]


def test_logging_an_epoch_is_quick(client):
    with training_run("e", "r") as run:
        started = time.perf_counter()
        for epoch in range(20):
            run.metrics({"loss": 0.1, "pr_auc": 0.2}, "epoch", epoch)
        assert time.perf_counter() - started < 4
