"""Scored and rejected rows as the rows of database tables."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from rareevent.bundle import Bundle
from rareevent.scoring.tables import ScoredRows

if TYPE_CHECKING:
    import pyarrow as pa

_CHUNK = 1 << 16


def score_rows(bundle: Bundle, model: str, rows: ScoredRows) -> Iterator[dict[str, Any]]:
    """asset, time, model, probability, probability_TYPE for each type of events, alarm."""
    types = bundle.config.model.type_names
    names = ["asset", "time", "model", "probability", "alarm"]
    names += [f"probability_{kind}" for kind in types]
    for part in _parts(np.arange(len(rows))):
        columns = (*_keys(bundle, model, rows, part), rows.probability[part].tolist())
        told = rows.type_probability[part].T.tolist()
        for row in zip(*columns, rows.alarm[part].tolist(), *told, strict=True):
            yield dict(zip(names, row, strict=True))


def alarm_rows(bundle: Bundle, model: str, rows: ScoredRows) -> Iterator[dict[str, Any]]:
    """asset, time, model, probability, threshold, the likeliest type where there are types.

    With evidence, sensor_1, credit_1, … of the sensors that raised the score most.
    """
    types = bundle.config.model.type_names
    for part in _parts(np.flatnonzero(rows.alarm)):
        told = rows.evidence(part)
        columns = (*_keys(bundle, model, rows, part), rows.probability[part].tolist())
        columns = (*columns, *told.values())
        names = ("asset", "time", "model", "probability", *told)
        likeliest = rows.type_probability[part].argmax(axis=1).tolist() if types else part
        for row, kind in zip(zip(*columns, strict=True), likeliest, strict=True):
            entry = dict(zip(names, row, strict=True)) | {"threshold": bundle.policy.threshold}
            yield entry | ({"type": types[kind]} if types else {})


def rejected_rows(model: str, batches: list[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    """id, model, file, row, asset, time, reason, detail.

    The id is a digest of all else, so that a row which is rejected again stands there once.

    Parameters
    ----------
    model : version
    batches : rejected rows
    """
    again: Counter[str] = Counter()
    for batch in batches:
        for row in batch.to_pylist():
            entry = row | {"model": model}
            text = json.dumps(entry, default=str, sort_keys=True)
            again[text] += 1
            digest = hashlib.sha256(f"{text} {again[text]}".encode()).hexdigest()
            yield entry | {"id": digest[:32]}


def _keys(bundle: Bundle, model: str, rows: ScoredRows, part: np.ndarray) -> tuple[list[Any], ...]:
    ticks = rows.tick[part]
    times = ticks.astype("M8[us]") if bundle.clock.kind == "datetime" else ticks
    assets = [rows.assets[code] for code in rows.asset[part].tolist()]
    return assets, times.tolist(), [model] * len(part)


def _parts(which: np.ndarray) -> Iterator[np.ndarray]:
    return (which[low : low + _CHUNK] for low in range(0, len(which), _CHUNK))
