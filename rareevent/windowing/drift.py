"""How far sensor levels drift over the training rows, and which channels that leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rareevent.ingestion.frame import Bool, Float64, SensorFrame

_BLOCKS = 5
_ROWS_PER_BLOCK = 4_000
# Between five blocks of one stationary process the distance stays well below this; above it a
# level seen in training says little about the next weeks.
DRIFT_LIMIT = 0.25


@dataclass(frozen=True)
class ChannelChoice:
    """Which channels are used, and why, in words that stand in the resolved pipeline."""

    use: tuple[str, ...]
    reason: str


def choose_channels(frame: SensorFrame, training_rows: Bool) -> ChannelChoice:
    """Use levels where they hold still over training, volatility alone where they drift.

    The training rows are cut into five blocks (by the clock; by asset where time is an age that
    starts anew for each). Each block's level distribution is compared with that of all blocks
    before it by the Kolmogorov-Smirnov distance; the median over sensors of the mean over blocks
    decides.
    """
    drift = level_drift(frame, training_rows)
    if drift is None:
        everything = ("value", "change", "volatility")
        return ChannelChoice(everything, "too few training rows to measure how levels drift")
    if drift > DRIFT_LIMIT:
        return ChannelChoice(("volatility",), f"levels drift: KS {drift:.2f}, volatility only")
    return ChannelChoice(
        ("value", "change", "volatility"),
        f"levels hold: KS {drift:.2f}, value, change and volatility",
    )


def level_drift(frame: SensorFrame, training_rows: Bool) -> float | None:
    """Median over sensors of the mean KS distance of a block's levels to those before it.

    Returns None where there are fewer than 20 training rows per block or no numeric sensor.
    """
    rows = np.flatnonzero(training_rows)
    if len(rows) < 20 * _BLOCKS or not frame.sensors:
        return None
    order = np.argsort(frame.time[rows], kind="stable") if frame.clock.kind == "datetime" else None
    ordered = rows if order is None else rows[order]
    blocks = [_thin(block) for block in np.array_split(ordered, _BLOCKS)]
    distances = [_sensor_drift(values, blocks) for values in frame.sensors.values()]
    known = [d for d in distances if d is not None]
    return float(np.median(known)) if known else None


def _thin(rows: np.ndarray) -> np.ndarray:
    return rows[:: max(1, len(rows) // _ROWS_PER_BLOCK)]


def _sensor_drift(values: Float64, blocks: list[np.ndarray]) -> float | None:
    levels = [column[np.isfinite(column)] for column in (values[block] for block in blocks)]
    pairs = [(np.concatenate(levels[:k]), levels[k]) for k in range(1, len(levels))]
    distances = [ks_distance(before, now) for before, now in pairs if len(before) and len(now)]
    return float(np.mean(distances)) if distances else None


def ks_distance(a: Float64, b: Float64) -> float:
    """Largest distance between two empirical distribution functions, in [0, 1].

    Examples
    --------
    >>> ks_distance(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    1.0
    """
    a, b = np.sort(a), np.sort(b)
    both = np.concatenate([a, b])
    below_a = np.searchsorted(a, both, side="right") / len(a)
    below_b = np.searchsorted(b, both, side="right") / len(b)
    return float(np.abs(below_a - below_b).max())
