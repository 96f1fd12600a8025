"""Surprise as channels: unscaled, causal, each row from rows of its own segment."""

from __future__ import annotations

import numpy as np

from rareevent.forecast.forecaster import Forecaster, deficit
from rareevent.ingestion.frame import Bool, Float32, Int64, SensorFrame
from rareevent.windowing.temporalize import Windows

# Forecasts held at once; each is twice as wide as there are sensors.
_BLOCK = 8_192


def row_starts(frame: SensorFrame) -> Int64:
    """First row of each row's segment, int64 [n]; a row without a segment is its own start."""
    start = frame.segments.row_start()
    return np.where(start < 0, np.arange(len(frame)), start)


def has_change(frame: SensorFrame, sensors: tuple[str, ...], start: Int64) -> Bool:
    """Where a sensor's change is one between two readings of the same segment, bool [n, p].

    Not at a segment's first reading, and not where a reading is missing: there is nothing to be
    surprised by.
    """
    known = np.empty((len(frame), len(sensors)), bool)
    for column, name in enumerate(sensors):
        present = np.isfinite(frame.sensors[name])
        last = np.maximum.accumulate(np.where(present, np.arange(len(frame)), -1))
        before = np.concatenate([[-1], last[:-1]]) if len(frame) else last
        known[:, column] = present & (before >= start)
    return known


def surprise(
    forecaster: Forecaster, rows: Float32, target: Float32, known: Bool, start: Int64, window: int
) -> Float32:
    """Unscaled surprise, float32 [n, 2 p + 2].

    Of every sensor, the signed root of twice its deficit (close to the residual where that is
    small); of every sensor, the mean deficit of the last `window` rows; then the mean deficit
    over sensors, and its mean over the last `window` rows.

    Parameters
    ----------
    rows : float32 [n, c], what the forecaster reads
    target : float32 [n, p], the scaled changes that it forecasts
    known : bool [n, p], where there is a change; elsewhere the surprise is 0
    start : int64 [n], first row of each row's segment
    window : rows
    """
    n, sensors = target.shape
    signed = np.zeros((n, sensors), np.float32)
    again = np.flatnonzero(known.any(axis=1))
    for low in range(0, len(again), _BLOCK):
        here = again[low : low + _BLOCK]
        windows = Windows(rows, start[here], here - 1, forecaster.lookback)
        location, log_scale = forecaster.predict(windows)
        residual = (target[here] - location) * np.exp(-log_scale)
        residual = np.where(known[here], residual, np.float32(0))
        signed[here] = np.copysign(np.sqrt(2 * deficit(residual)), residual)
    lost: Float32 = np.divide(np.square(signed), 2)
    lost = np.concatenate([lost, lost.mean(axis=1, keepdims=True)], axis=1)
    trailing = trailing_mean(lost, np.arange(n) - start, window)
    return np.concatenate([signed, trailing[:, :-1], lost[:, -1:], trailing[:, -1:]], axis=1)


def trailing_mean(values: Float32, position: Int64, window: int) -> Float32:
    """Mean of the last `window` rows of each row's segment; its first row, always 0, not counted.

    Parameters
    ----------
    values : float32 [n, q], 0 at a segment's first row
    position : int64 [n], rows since the segment's start

    Examples
    --------
    >>> column = np.array([[0], [4], [2], [0], [6]], np.float32)
    >>> trailing_mean(column, np.array([0, 1, 2, 0, 1]), window=2)[:, 0].tolist()
    [0.0, 4.0, 3.0, 0.0, 6.0]
    """
    total = values.copy()
    for back in range(1, min(window, int(position.max(initial=0)) + 1)):
        reaches = (position[back:] >= back)[:, None]
        total[back:] += np.where(reaches, values[:-back], np.float32(0))
    return np.divide(total, np.clip(position, 1, window)[:, None].astype(np.float32))
