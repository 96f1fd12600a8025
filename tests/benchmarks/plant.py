"""A made-up plant for the benchmarks: its rows, and bundles that score them.

Weights are drawn, not learned: what a weight is does not change how long a product takes. The
trees are grown, for how often they ask the same question does.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from rareevent.alarms.calibration import Calibration
from rareevent.alarms.policy import AlarmPolicy
from rareevent.blend.blend import MEMBERS, Blend
from rareevent.bundle import Bundle, new_provenance, save_bundle, training_profile
from rareevent.bundle.reference import drift_reference
from rareevent.config import PipelineConfig, validate_pipeline
from rareevent.lstm.network import Network
from rareevent.windowing.fit_encode import fit_encoder
from rareevent.windowing.temporalize import Windows, temporalize
from tests.frames import make_frame
from tests.lstm.networks import draw_network

SENSORS, ASSETS, MINUTE = 20, 4, 60_000_000
NAMES = tuple(f"s{k}" for k in range(SENSORS))
NAME = "plant"
START = int(np.datetime64("2024-01-01", "us").astype(np.int64))
HORIZON = 60  # rows
_TRAINING_ROWS = 20_000


def readings(rows: int, seed: int) -> np.ndarray:
    """Sensors that hover around their levels, and now and then are restless; [SENSORS, rows]."""
    rng = np.random.default_rng(seed)
    restless = np.repeat(rng.random((SENSORS, rows // 100 + 1)) < 0.05, 100, axis=1)[:, :rows]
    noise = rng.standard_normal((SENSORS, rows)) * np.where(restless, 3.0, 1.0)
    return 50.0 + 10 * np.arange(SENSORS)[:, None] + noise


def write_rows(path: Path, rows: int, *, assets: int = ASSETS, at_once: int = 1 << 18) -> None:
    """Rows minute by minute in Parquet, asset after asset, without gaps."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    names = [("time", pa.timestamp("us")), ("asset", pa.string())]
    schema = pa.schema([*names, *((name, pa.float64()) for name in NAMES)])
    with ParquetWriter(path, schema) as writer:
        for asset in range(assets):
            for low in range(0, rows // assets, at_once):
                count = min(at_once, rows // assets - low)
                time = pa.array(START + MINUTE * np.arange(low, low + count)).cast(names[0][1])
                columns = [pa.array(v) for v in readings(count, seed=asset * 1000 + low)]
                labels = pa.array([f"line {asset}"] * count, pa.string())
                writer.write_table(pa.table([time, labels, *columns], schema=schema))


def pipeline(lookback: int, members: int) -> PipelineConfig:
    """The shipped defaults over the plant's columns, with levels and volatility."""
    return validate_pipeline(
        {
            "name": "plant",
            "ingest": {"source": "plant.parquet", "time": "time", "asset": "asset", "label": "y"},
            "label": {"horizon": f"{HORIZON}min"},
            "channels": {"use": ["value", "volatility"]},
            "window": {"lookback": lookback},
            "model": {"members": members},
        }
    )


def make_bundle(*, lookback: int = 10, members: int = 1, blended: bool = False) -> Bundle:
    """A bundle that scores the plant's rows; as shipped with three members and `blended`."""
    config = pipeline(lookback, members)
    rows = range(START, START + _TRAINING_ROWS * MINUTE, MINUTE)
    sensors = dict(zip(NAMES, readings(_TRAINING_ROWS, seed=99), strict=True))
    frame = make_frame({"line 0": rows}, sensors=sensors, kind="datetime", interval=MINUTE)
    learned = np.ones(len(frame), bool)
    encoder = fit_encoder(frame, learned, config.channels)
    channels, shape = len(encoder.channels), config.model
    drawn = draw_network(channels, shape.units, heads=3, projection=shape.projection, skip=True)
    windows, _ = temporalize(encoder.encode(frame), frame.segments, lookback)
    profile = training_profile(frame, learned)
    profile["drift"] = drift_reference(frame, learned, encoder.needs, config.monitor.window)
    return Bundle(
        config=config,
        clock=frame.clock,
        needs=encoder.needs,
        encoder=encoder,
        networks=tuple(_moved(drawn, seed) for seed in range(members)),
        calibration=Calibration("platt", shift=0.3, slope=1.1, intercept=-6.0),
        policy=AlarmPolicy(threshold=0.9, k=1, n=1, silence=HORIZON * MINUTE),
        profile=profile,
        provenance=new_provenance(data_sha256="ab" * 32),
        blend=make_blend(windows) if blended else None,
    )


def make_blend(windows: Windows) -> Blend:
    """Simple models fitted as in training, on windows whose last row tells a little."""
    from rareevent.evaluation.baselines import fit_baseline

    rng = np.random.default_rng(3)
    told = windows.rows[windows.ends, : min(5, windows.rows.shape[1])].sum(axis=1)
    target = (told + 2 * rng.standard_normal(len(windows)) > 5).astype(np.int8)
    linear, trees = (fit_baseline(n, windows, target, seed=0) for n in ("logistic", "boosting"))
    return Blend(dict.fromkeys(MEMBERS, 1 / 3), 0.0, linear, trees)


def _moved(network: Network, seed: int) -> Network:
    """Members of an ensemble differ."""
    scale = np.float32(1 + 0.1 * seed)
    return replace(network, head_kernel=network.head_kernel * scale)


def register_bundle(folder: Path, bundle: Bundle, example: str) -> None:
    """The bundle in `bundle/`, as version 1 of a model in the folder's registry, and its champion.

    Parameters
    ----------
    example : a file of rows in the folder
    """
    import pandas as pd

    from rareevent.tracking.home import find_home
    from rareevent.tracking.models import log_bundle, set_alias
    from rareevent.tracking.runs import training_run

    os.environ.pop("MLFLOW_TRACKING_URI", None)
    save_bundle(bundle, folder / "bundle")
    rows = pd.read_parquet(folder / example).head(3)
    with training_run(NAME, "benchmark", home=find_home(folder)) as run:
        log_bundle(run, folder / "bundle", rows, bundle.clock, register_as=NAME)
        set_alias(run.client, NAME, 1)
