import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rareevent.errors import TrackingError
from rareevent.tracking.home import Home, connect, experiment_id, find_home


def test_without_a_wish_the_home_is_a_database_in_mlruns_and_nothing_is_created(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    home = find_home()
    assert home.uri == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    assert home.artifacts == tmp_path / "mlruns" / "artifacts"
    assert list(tmp_path.iterdir()) == []


def test_the_environment_names_another_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///there/runs.db")
    assert find_home() == Home(
        f"sqlite:///{tmp_path}/there/runs.db", tmp_path / "there" / "artifacts"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example")
    assert find_home() == Home("https://mlflow.example", None)


def test_connecting_leaves_the_environment_as_it_was(client):
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_an_experiment_is_made_once_with_its_artifacts_beside_the_database(home, client):
    first = experiment_id(client, home, "sheet-break")
    assert experiment_id(client, home, "sheet-break") == first
    assert client.get_experiment(first).artifact_location == home.artifacts.as_uri()


def test_a_deleted_experiment_is_named_and_how_to_restore_it(home, client):
    key = experiment_id(client, home, "gone")
    client.delete_experiment(key)
    with pytest.raises(TrackingError, match=r"'gone'.*was deleted.*mlflow experiments restore"):
        experiment_id(client, home, "gone")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("file:///tmp/old-mlruns", "maintenance mode"),
        ("http://127.0.0.1:9", "cannot reach the MLflow server"),
        ("nonsense://x", "nonsense"),
        ("sqlite:////proc/nowhere/mlflow.db", "No such file or directory"),
        ("http://", "names no host"),
        ("http://127.0.0.1:99999", "Port out of range"),
        ("http://[::1", "Invalid IPv6"),
        ("postgresql+psycopg://x@127.0.0.1:1/runs", "cannot reach the database server"),
    ],
)
def test_a_home_that_cannot_be_opened_is_one_clear_line(uri, said):
    with pytest.raises(TrackingError, match=said) as caught:
        connect(Home(uri, None))
    assert "\n" not in str(caught.value)
    assert uri in str(caught.value)


def test_a_password_in_an_address_is_not_shown():
    with pytest.raises(TrackingError, match=r"x:\*\*\*@") as caught:
        connect(Home("postgresql+psycopg://x:secret@127.0.0.1:1/runs", None))
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    Path(tmp_path / "mlflow.db").write_text("not a database, but longer than a header is " * 9)
    with pytest.raises(TrackingError, match="not a database"):
        connect(find_home_at(tmp_path / "mlflow.db"))


def find_home_at(database):
    return Home(f"sqlite:///{database}", database.parent / "artifacts")


def test_a_first_use_in_a_folder_with_blanks_says_nothing_on_stderr(tmp_path):
    folder = tmp_path / "my plant ü"
    folder.mkdir()
    code = (
        "from rareevent.tracking.runs import training_run\n"
        "with training_run('e', 'r') as run:\n"
        "    run.metrics({'a': 1.0}, 'test')\n"
        "    run.save('notes/a.txt', 'hello')\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (folder / "mlruns" / "mlflow.db").is_file()
    assert [p.read_text() for p in folder.rglob("a.txt")] == ["hello"]


def test_a_database_that_fails_is_told_in_one_line_without_a_traceback(tmp_path):
    code = (
        "import sqlite3\n"
        "from rareevent.errors import TrackingError\n"
        "from rareevent.tracking.runs import training_run\n"
        "try:\n"
        "    with training_run('e', 'r') as run:\n"
        "        sqlite3.connect('mlruns/mlflow.db').execute('drop table metrics').close()\n"
        "        run.metrics({'a': 1.0})\n"
        "except TrackingError as error:\n"
        "    print(error)\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stderr == ""
    assert "cannot log metrics" in done.stdout


def test_an_experiment_that_several_open_at_the_same_instant_is_one(client, home):
    together = threading.Barrier(6)

    def open_one(name):
        together.wait()
        return experiment_id(client, home, name)

    with ThreadPoolExecutor(6) as pool:
        for name in ("a", "b", "c", "d"):
            assert len(set(pool.map(open_one, [name] * 6))) == 1
