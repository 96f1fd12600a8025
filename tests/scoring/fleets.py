"""Small fleets with gaps, missing readings and events, and bundles of every kind to score them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from rareevent.alarms.policy import AlarmPolicy
from rareevent.bundle import Bundle
from rareevent.windowing.fit_encode import fit_encoder
from tests.bundles import MINUTE, START, random_network, tiny_bundle, tiny_config
from tests.forecast.persistence import draw_encoder
from tests.frames import make_frame

BEGIN = int(np.datetime64(START, "us").astype(np.int64))


def fleet_bundle(
    *,
    lookback: int = 4,
    pad: str = "first",
    min_history: int = 1,
    windows: tuple[int, ...] = (4, 7),
    k: int = 2,
    n: int = 3,
    silence: int = 5,
    event_delay: int = 0,
    recovery: int = 0,
    threshold: float = 0.3,
    use: tuple[str, ...] = ("value", "change", "volatility", "missing"),
    surprise: int = 0,
) -> Bundle:
    """A bundle with every kind of channel; durations in minutes.

    With `surprise` above 0 a forecaster's channels too, trailing means over so many rows.
    """
    base = tiny_config()
    ingest = base.ingest.model_copy(update={"recovery": recovery})
    config = tiny_config(
        channels={
            "use": list(use),
            "change_lags": [1, 3],
            "volatility_windows": list(windows),
        },
        window={"lookback": lookback, "pad": pad, "min_history": min_history},
        score={"event_delay": event_delay},
    ).model_copy(update={"ingest": ingest})
    draw = np.random.default_rng(0)
    s1, s2 = draw.normal(10, 2, 300), draw.normal(-1, 0.1, 300)
    s1[::7], s2[3::11] = np.nan, np.nan
    frame = make_frame(
        {"a": range(0, 300 * MINUTE, MINUTE)},
        sensors={"s1": s1, "s2": s2},
        texts={"grade": draw.choice(["A", "B"], 300).tolist()},
        kind="datetime",
        interval=MINUTE,
    )
    everything = np.ones(300, bool)
    encoder = fit_encoder(frame, everything, config.channels)
    if surprise:
        encoder = draw_encoder(frame, everything, window=surprise, stage=config.channels)
    networks = tuple(random_network(len(encoder.channels), seed) for seed in range(2))
    policy = AlarmPolicy(threshold, k, n, silence * MINUTE)
    return replace(tiny_bundle(config), encoder=encoder, networks=networks, policy=policy)


def fleet_rows(
    seed: int, assets: tuple[str, ...] = ("m1", "m2", "m10"), minutes: int = 60
) -> pd.DataFrame:
    """Rows as a user's table holds them: gaps, and long stretches without one sensor's readings."""
    draw = np.random.default_rng(seed)
    parts = []
    for asset in assets:
        there = draw.random(minutes) > 0.02
        there[draw.integers(minutes)] = False
        at = np.flatnonzero(there)
        s1, s2 = draw.normal(10, 3, len(at)).round(3), draw.normal(-1, 0.2, len(at)).round(4)
        s1[draw.random(len(at)) < 0.3] = np.nan
        low = int(draw.integers(len(at)))
        s2[low : low + int(draw.integers(30))] = np.nan
        grade = draw.choice(["A", "B", "new"], len(at)).astype(object)
        grade[draw.random(len(at)) < 0.1] = None
        when = (BEGIN + at * MINUTE).astype("M8[us]")
        parts.append(
            pd.DataFrame({"when": when, "machine": asset, "s1": s1, "s2": s2, "grade": grade})
        )
    return pd.concat(parts, ignore_index=True)


def fleet_events(seed: int, assets: tuple[str, ...] = ("m1", "m2", "m10")) -> pd.DataFrame:
    """Events of the fleet: on a row, between two rows, and before the first."""
    draw = np.random.default_rng(seed + 1000)
    when = BEGIN + draw.integers(-4, 120, 6) * (MINUTE // 2)
    return pd.DataFrame({"when": when.astype("M8[us]"), "machine": draw.choice(assets, 6)})
