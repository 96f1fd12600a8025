"""Fixtures that every folder of tests may use."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

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
