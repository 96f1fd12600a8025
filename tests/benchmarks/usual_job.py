"""The scoring job as one would write it by hand: pandas, materialised windows, Keras predict.

It knows what the bundle learned, and comes to the same probabilities and alarms. It keeps no state,
no manifest and no rejected rows, and would not survive a kill: all of that is left out in its
favour.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from rareevent.bundle import Bundle


def score_by_hand(bundle: Bundle, model, source: Path, output: Path, batch: int) -> None:
    """Score a Parquet file of the plant into another one.

    Parameters
    ----------
    bundle : what was learned; its one network is `model`
    model : keras.Model
    batch : of Keras' predict
    """
    table = pd.read_parquet(source)
    parts = []
    for asset, rows in table.groupby("asset", sort=True):
        rows = rows.sort_values("time")
        windows = materialise(channels_by_hand(bundle, rows), bundle.config.window.lookback)
        logit = model.predict(windows, batch_size=batch, verbose=0)[:, 0]
        probability = bundle.calibration.apply(logit.astype(np.float64))
        raised = alarms_by_hand(bundle, rows["time"].to_numpy(), probability)
        columns = {"asset": asset, "time": rows["time"], "probability": probability}
        parts.append(pd.DataFrame({**columns, "alarm": raised}))
    pd.concat(parts).to_parquet(output, index=False)


def channels_by_hand(bundle: Bundle, rows: pd.DataFrame) -> np.ndarray:
    """Values and volatilities of one asset, scaled, float32 [n, c]."""
    encoder = bundle.encoder
    sensors = list(encoder.sensors)
    known = rows[sensors].ffill().fillna(dict(zip(sensors, encoder.median, strict=True)))
    parts = [known.to_numpy()]
    for window in encoder.volatility_windows:
        spread = known.rolling(window, min_periods=1).std(ddof=0).to_numpy()
        parts.append(np.log(spread + encoder.floor))
    raw, scaler = np.concatenate(parts, axis=1), encoder.scaler
    maps = zip(raw.T, scaler.knots, scaler.scores, strict=True)
    return np.stack([np.interp(*each) for each in maps], axis=1).astype(np.float32)


def materialise(rows: np.ndarray, lookback: int) -> np.ndarray:
    """A window for every row, float32 [n, lookback, c]; the first row is repeated at the start."""
    padded = np.concatenate([np.repeat(rows[:1], lookback - 1, axis=0), rows])
    view = np.lib.stride_tricks.sliding_window_view(padded, lookback, axis=0)
    return np.ascontiguousarray(view.swapaxes(1, 2))


def alarms_by_hand(bundle: Bundle, time: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Rows that reach the threshold, none within the silence after another."""
    policy = bundle.policy
    silence = np.timedelta64(policy.silence, "us")
    raised, last = np.zeros(len(time), bool), None
    for row in np.flatnonzero(probability >= policy.threshold):
        if last is None or time[row] - last >= silence:
            raised[row], last = True, time[row]
    return raised
