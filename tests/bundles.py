"""A tiny bundle whose weights were drawn, not learned, and raw rows that it can score."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from rareevent.alarms.calibration import Calibration
from rareevent.alarms.policy import AlarmPolicy
from rareevent.bundle import Bundle, new_provenance, training_profile
from rareevent.config import PipelineConfig, validate_pipeline
from rareevent.lstm.cell import LSTMLayer, Network
from rareevent.windowing.encode import RowEncoder
from rareevent.windowing.fit_encode import fit_encoder
from tests.frames import make_frame

MINUTE = 60_000_000
START = datetime(2024, 3, 1)


def tiny_config(**changes) -> PipelineConfig:
    """Two sensors, a grade and an asset column, every minute."""
    settings = {
        "name": "tiny",
        "ingest": {
            "source": "plant.csv",
            "time": "when",
            "asset": "machine",
            "label": "y",
            "categorical": ["grade"],
            "interval": "1min",
        },
        "label": {"horizon": "5min"},
        "channels": {"use": ["value", "volatility"], "volatility_windows": [3]},
        "window": {"lookback": 4},
        "model": {"units": [4, 3], "projection": 3},
        "alarm": {"k": 2, "n": 3},
    }
    return validate_pipeline({**settings, **changes})


def random_network(channels: int, seed: int, heads: int = 3) -> Network:
    """Projection to 3, layers of 4 and 3 units, a skip; weights from a normal distribution."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return rng.normal(0, 0.7, shape).astype(np.float32)

    layers = tuple(
        LSTMLayer(draw(inputs, 4 * units), draw(units, 4 * units), draw(4 * units))
        for inputs, units in ((3, 4), (4, 3))
    )
    head = (draw(3, heads), draw(heads))
    return Network((draw(channels, 3), draw(3)), layers, draw(channels, heads), *head)


def tiny_encoder(config: PipelineConfig) -> tuple[RowEncoder, dict]:
    """An encoder fitted on 200 rows, and their profile."""
    rng = np.random.default_rng(0)
    frame = make_frame(
        {"a": range(0, 200 * MINUTE, MINUTE)},
        sensors={"s1": rng.normal(10, 2, 200), "s2": rng.normal(-1, 0.1, 200)},
        texts={"grade": rng.choice(["A", "B"], 200).tolist()},
        kind="datetime",
        interval=MINUTE,
    )
    rows = np.ones(200, bool)
    return fit_encoder(frame, rows, config.channels), training_profile(frame, rows)


def tiny_bundle(config: PipelineConfig | None = None, members: int = 2, **changes) -> Bundle:
    """A bundle that scores `raw_rows`; its threshold makes some rows raise alarms."""
    config = config or tiny_config()
    encoder, profile = tiny_encoder(config)
    bundle = Bundle(
        config=config,
        clock=make_frame({"a": [0]}, kind="datetime", interval=MINUTE).clock,
        needs=encoder.needs,
        encoder=encoder,
        networks=tuple(random_network(len(encoder.channels), s) for s in range(members)),
        calibration=Calibration("platt", shift=0.3, slope=1.1, intercept=-0.5),
        policy=AlarmPolicy(threshold=0.25, k=2, n=3, silence=5 * MINUTE),
        profile=profile,
        provenance=new_provenance(data_sha256="ab" * 32, run_id="r" * 32),
    )
    return replace(bundle, **changes)


def raw_rows(rows: int = 60, assets: tuple[str, ...] = ("m1", "m2"), seed: int = 1) -> pd.DataFrame:
    """Rows as a user's table holds them, minute by minute, one gap of an hour in each asset."""
    rng = np.random.default_rng(seed)
    parts = []
    for asset in assets:
        minutes = np.arange(rows) + 60 * (np.arange(rows) >= rows // 2)
        parts.append(
            pd.DataFrame(
                {
                    "when": [START + timedelta(minutes=int(m)) for m in minutes],
                    "machine": asset,
                    "s1": rng.normal(10, 3, rows).round(3),
                    "s2": rng.normal(-1, 0.2, rows).round(4),
                    "grade": rng.choice(["A", "B", "new"], rows),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
