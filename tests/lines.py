"""A small production line whose events announce themselves, for tests of whole jobs."""

from pathlib import Path

import numpy as np

from rareevent.config import PipelineConfig, validate_pipeline


def write_line(
    folder: Path, *, rows: int = 3000, events: int = 60, seed: int = 0, minutes: int = 1
) -> Path:
    """Rows a minute (or so many) apart, in `line.csv`; a sensor rises before each event."""
    import pyarrow as pa
    import pyarrow.csv

    draw = np.random.default_rng(seed)
    at = np.sort(draw.choice(np.arange(20, rows - 20, 8), events, replace=False))
    label = np.zeros(rows, np.int64)
    label[at] = 1
    warm = draw.normal(size=rows)
    for event in at:
        warm[event - 5 : event] += np.linspace(1, 4, 5)
    time = np.datetime64("2024-03-01", "s") + np.arange(rows) * np.timedelta64(60 * minutes, "s")
    columns = {
        "time": time.astype(str),
        "y": label,
        "warm": warm.round(4),
        "noise": draw.normal(size=rows).round(4),
        "grade": np.array(["A", "B"])[(np.arange(rows) // 200) % 2],
    }
    path = folder / "line.csv"
    pa.csv.write_csv(pa.table(columns), path)
    return path


def line_pipeline(source: Path, **stages) -> PipelineConfig:
    """A pipeline over the line that trains in about a second."""
    return validate_pipeline({**line_settings(source), **stages})


def line_settings(source: Path) -> dict:
    """The pipeline as plain data."""
    return {
        "name": "line",
        "ingest": {"source": str(source), "time": "time", "label": "y"},
        "split": {"folds": 1, "validation": 0.25, "test": 0.25},
        "label": {"horizon": "5min"},
        "channels": {"use": ["value", "volatility"]},
        "window": {"lookback": 6},
        "model": {"units": [6, 4], "members": 1, "blend": "off"},
        "train": {"batch_size": 64},
        "evaluate": {"baselines": ["logistic"], "bootstrap": 50},
        "register": {"model": "line"},
    }
