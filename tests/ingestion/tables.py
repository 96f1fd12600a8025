"""Small tables on disk, and the settings to read them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from rareevent.config import Ingest
from rareevent.ingestion.frame import Events


def write(folder: Path, text: str, name: str = "data.csv") -> Path:
    """A file with this text; indentation and the blank lines around it are not part of it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [line.strip() for line in text.strip().splitlines()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def stage(source: object, **keys: object) -> Ingest:
    """Settings with time `t`, label `y`, unless told otherwise."""
    usual: dict[str, object] = {"source": str(source), "time": "t"}
    if "events" not in keys:
        usual["label"] = "y"
    return Ingest.model_validate({**usual, **keys})


def events(*pairs: tuple[int, int]) -> Events:
    """Events from (asset code, time) pairs."""
    ordered = sorted(pairs)
    return Events(
        np.array([a for a, _ in ordered], np.int32),
        np.array([t for _, t in ordered], np.int64),
        np.zeros(len(ordered), np.int32),
    )


def shared_data() -> Path:
    """The folder of real data sets; the test is skipped where it is absent."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("RAREEVENT_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set RAREEVENT_SHARED_DATA")
    return folder
