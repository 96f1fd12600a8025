"""Small stand-ins for data of other kinds: the default is no worse than the best simple model."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from rareevent.config import validate_pipeline
from rareevent.jobs.contenders import BLEND, BOOSTING, LOGISTIC
from tests.benchmarks.quality.figures import judge_models
from tests.benchmarks.quality.measure import Task, measure, read
from tests.benchmarks.quality.recipes import DEFAULT
from tests.benchmarks.quality.sets import PER_DAY, Piece

pytestmark = pytest.mark.slow


def wandering(rng, shape, memory):
    """Noise of variance 1 that remembers, along axis 1."""
    return lfilter([np.sqrt(1 - memory**2)], [1, -memory], rng.standard_normal(shape), axis=1)


def world(
    folder: Path, *, assets, rows, sensors, telling, events, step, missing=0.0, fail_once=False
) -> Path:
    """A table: a hidden state moves `telling` sensors a little, and events follow it by two rows.

    With `fail_once` readings are heavy-tailed and an asset ends at its event.
    """
    rng = np.random.default_rng(assets + rows)
    state = wandering(rng, (assets, rows, 1), 0.95)
    readings = wandering(rng, (assets, rows, sensors), 0.7)
    readings[..., :telling] = 0.8 * readings[..., :telling] + 0.6 * state
    chance = np.exp(1.7 * np.roll(state[..., 0], 2, axis=1))
    hit = rng.random((assets, rows)) < chance * events / chance.sum()
    if fail_once:
        readings = np.exp(1.5 * readings)
    readings[rng.random(readings.shape) < missing] = np.nan
    table = pd.DataFrame(
        readings.reshape(-1, sensors).astype(np.float32),
        columns=[f"s{i}" for i in range(sensors)],
    )
    start = pd.Timestamp("2020-01-01")
    table["time"] = np.tile(start + pd.to_timedelta(step) * np.arange(rows), assets)
    table["asset"] = np.repeat([f"a{i:04d}" for i in range(assets)], rows)
    table["y"] = hit.ravel().astype(np.int8)
    if fail_once:
        over = (np.cumsum(hit, axis=1) - hit).ravel() > 0
        table = table[~over]
    table.to_parquet(folder / "world.parquet", index=False)
    return folder / "world.parquet"


WORLDS = {
    "a fleet with daily rows, one failure each": {
        "assets": 600, "rows": 120, "sensors": 10, "telling": 3, "events": 220, "step": "1D",
        "fail_once": True,
    },
    "a station with missing readings": {
        "assets": 1, "rows": 3_000, "sensors": 24, "telling": 5, "events": 110, "step": "1D",
        "missing": 0.15,
    },
    "a process without a precursor": {
        "assets": 1, "rows": 8_000, "sensors": 30, "telling": 0, "events": 110, "step": "1h",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", WORLDS)
def test_the_default_is_no_worse_than_the_best_simple_model(name, tmp_path):
    config = validate_pipeline(
        {
            "ingest": {
                "source": str(world(tmp_path, **WORLDS[name])),
                "time": "time",
                "asset": "asset",
                "label": "y",
            },
            "split": {"validation": 0.2, "test": 0.35},
            "label": {"horizon": 5},
            "evaluate": {"bootstrap": 0},
        }
    )
    task = Task(Piece("all", config, None), 1, DEFAULT, PER_DAY[:1], tmp_path / "r.npz", "key")
    measure(task)

    models = [("default", model) for model in (BLEND, LOGISTIC, BOOSTING)]
    judged = judge_models([{"default": [read(task)]}], models, 1)
    for metric in ("roc_auc", "pr_auc"):
        ours, *others = (judged[model][0].figures[metric] for model in models)
        best = max(others, key=lambda figure: figure.value)
        more, (_, high) = ours.minus(best)
        print(f"{name}: {metric} {ours.value:.3f}, {more:+.3f} than the best, up to {high:+.3f}")
        assert high > 0 or more > -0.01
    if WORLDS[name]["telling"]:
        assert judged["default", BLEND][0].figures["roc_auc"].value > 0.6
    else:
        assert judged["default", BLEND][0].figures["roc_auc"].value < 0.65
