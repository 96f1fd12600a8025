"""What the training rows looked like, so that later rows can be compared with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rareevent.ingestion.frame import Bool, Float64, SensorFrame, TextColumn

QUANTILES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
# Quantiles of this many rows are exact to well under a tenth of a percent of the rows.
_SAMPLE = 200_000
_SEED = 0


def training_profile(
    frame: SensorFrame, rows: Bool, needs: Sequence[str] | None = None
) -> dict[str, Any]:
    """Quantiles, range and missing rate of each sensor, shares of each text level.

    Parameters
    ----------
    frame : SensorFrame of n rows
    rows : bool [n], the training rows
    needs : columns to describe; None for all

    Returns
    -------
    dict, JSON-able
        `rows`; `quantiles`, the probabilities; `sensors`: name -> `missing` (share of rows),
        `min`, `max`, `quantiles` (null where a sensor has no reading); `texts`: name ->
        `missing`, `levels` (level -> share of rows)
    """
    chosen = np.flatnonzero(rows)
    wanted = set(needs) if needs is not None else {*frame.sensors, *frame.texts}
    sensors = {n: _of_sensor(v[chosen]) for n, v in frame.sensors.items() if n in wanted}
    texts = {n: _of_text(c, c.codes[chosen]) for n, c in frame.texts.items() if n in wanted}
    return {
        "rows": len(chosen),
        "quantiles": list(QUANTILES),
        "sensors": sensors,
        "texts": texts,
    }


def _of_sensor(values: Float64) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    missing = 1.0 - len(known) / len(values) if len(values) else 0.0
    if not len(known):
        return {"missing": missing, "min": None, "max": None, "quantiles": None}
    low, high = float(known.min()), float(known.max())
    if len(known) > _SAMPLE:
        known = np.random.default_rng(_SEED).choice(known, _SAMPLE, replace=False)
    quantiles = np.quantile(known, QUANTILES).tolist()
    quantiles[0], quantiles[-1] = low, high
    return {"missing": missing, "min": low, "max": high, "quantiles": quantiles}


def _of_text(column: TextColumn, codes: np.ndarray) -> dict[str, Any]:
    rows = max(len(codes), 1)
    counts = np.bincount(codes[codes >= 0], minlength=len(column.levels))
    shares = {x: int(c) / rows for x, c in zip(column.levels, counts, strict=True) if c}
    return {"missing": float((codes < 0).sum() / rows), "levels": shares}
