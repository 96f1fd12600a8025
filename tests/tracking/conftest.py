"""A real SQLite tracking home for every test; its tables are made once."""

import shutil

import pytest

from rareevent.tracking.home import connect, find_home


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    connect(find_home(folder))
    return folder


@pytest.fixture
def home(tmp_path, empty_home, monkeypatch):
    """The working directory's own home, with nothing in it yet."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(empty_home / "mlruns", tmp_path / "mlruns")
    return find_home()


@pytest.fixture
def client(home):
    return connect(home)
