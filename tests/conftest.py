"""Fixtures that every folder of tests may use."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says more about what else the machine does.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """A file of the real data; the test skips where it is absent."""

    def find(name: str) -> Path:
        default = REPOSITORY.parent / "shared" / "data"
        path = Path(os.environ.get("RAREEVENT_SHARED_DATA", default)) / name
        if not path.exists():
            pytest.skip(f"real data are absent: {path}")
        return path

    return find


@pytest.fixture
def workplace(tmp_path, monkeypatch) -> Path:
    """An empty working directory, with its own tracking home."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory) -> Path:
    """A folder with a tracking home in which nothing is yet; MLflow takes seconds to make one."""
    from rareevent.tracking.home import connect, find_home

    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        connect(find_home(folder))
    return folder


@pytest.fixture
def tracked(workplace, empty_home) -> Path:
    """A working directory with an empty tracking home, its tables copied instead of made."""
    shutil.copytree(empty_home / "mlruns", workplace / "mlruns")
    return workplace
