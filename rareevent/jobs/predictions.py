"""Predictions in a file, so that anyone can recompute every figure, and compare two runs.

`predictions.parquet` holds one row per scored row: fold, asset, time, label (1, 0, null where the
row has none), event_id (of the row's next event, null where none is known), probability, alarm,
then one column of scores per other model. `events.parquet` holds one row per event of each fold:
fold, event_id, asset, time, outcome (caught, missed, unforeseeable, boundary). `alarms.parquet`
holds one row per alarm of every model: fold, model, asset, time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rareevent.errors import DataError
from rareevent.evaluation.evaluate import Evaluation
from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import Bool, Clock, Events
from rareevent.windowing.curve_shift import NEVER, Status

if TYPE_CHECKING:
    import pyarrow as pa

PREDICTIONS, EVENTS, ALARMS = "predictions.parquet", "events.parquet", "alarms.parquet"
_SETTINGS = b"rareevent"


@dataclass(frozen=True)
class StoredPredictions:
    """The test rows of one run, read back.

    Attributes
    ----------
    scored : Scored
    events, counted : events of the run, and which of them its test part counts
    clock, lookback, horizon : as the run had them
    """

    scored: Scored
    events: Events
    counted: Bool
    clock: Clock
    lookback: int
    horizon: int


def prediction_table(
    scored: Scored,
    baselines: Mapping[str, Scored],
    assets: tuple[str, ...],
    clock: Clock,
    *,
    fold: int,
    lookback: int,
    horizon: int,
) -> pa.Table:
    """Scored rows as an Arrow table; its metadata say how time and windows are counted."""
    import pyarrow as pa

    none = scored.event < 0
    columns = {
        "fold": pa.array(np.full(len(scored), fold, np.int32)),
        "asset": _names(scored.asset, assets),
        "time": _times(scored.time, clock),
        "label": pa.array(scored.target, mask=scored.target < 0),
        "event_id": pa.array(scored.event, mask=none),
        "probability": pa.array(scored.probability),
        "alarm": pa.array(scored.alarm),
    }
    columns |= {name: pa.array(other.probability) for name, other in baselines.items()}
    settings = {"lookback": lookback, "horizon": horizon, "clock": vars(clock)}
    return pa.table(columns).replace_schema_metadata({_SETTINGS: json.dumps(settings).encode()})


def alarm_table(
    scored: Mapping[str, Scored], assets: tuple[str, ...], clock: Clock, *, fold: int
) -> pa.Table:
    """The alarms that the model and every baseline raised, as an Arrow table."""
    import pyarrow as pa

    parts = []
    for name, rows in scored.items():
        raised = rows.take(rows.alarm)
        parts.append(
            pa.table(
                {
                    "fold": pa.array(np.full(len(raised), fold, np.int32)),
                    "model": pa.array([name] * len(raised), pa.string()),
                    "asset": _names(raised.asset, assets),
                    "time": _times(raised.time, clock),
                }
            )
        )
    return pa.concat_tables(parts)


def event_table(
    evaluation: Evaluation, events: Events, assets: tuple[str, ...], clock: Clock, *, fold: int
) -> pa.Table:
    """The events that an evaluation counted or listed, as an Arrow table."""
    import pyarrow as pa

    place = {(a, t): i for i, (a, t) in enumerate(zip(events.asset, events.time, strict=True))}
    code = {name: number for number, name in enumerate(assets)}
    listed = evaluation.events
    ids = [place[code[e["asset"]], e["tick"]] for e in listed]
    ticks = np.array([e["tick"] for e in listed], np.int64)
    return pa.table(
        {
            "fold": pa.array(np.full(len(listed), fold, np.int32)),
            "event_id": pa.array(np.array(ids, np.int32)),
            "asset": pa.array([e["asset"] for e in listed], pa.string()),
            "time": _times(ticks, clock),
            "outcome": pa.array([e["outcome"] for e in listed], pa.string()),
        }
    )


def read_predictions(folder: Path) -> StoredPredictions:
    """The two files of one run, as evaluation takes them.

    Raises
    ------
    DataError
        When a file is missing or was not written by `prediction_table`.
    """
    import pyarrow.parquet as pq

    try:
        rows, events = pq.read_table(folder / PREDICTIONS), pq.read_table(folder / EVENTS)
        settings = json.loads(rows.schema.metadata[_SETTINGS])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder}: holds no predictions of a run ({error})") from None
    clock = Clock(**settings["clock"])
    names, asset = np.unique(rows["asset"].to_numpy(), return_inverse=True)
    known = _events(events, rows, [str(n) for n in names])
    scored = _scored(rows, asset.astype(np.int32), known.time)
    counted = np.zeros(len(known), bool)
    outcome = events["outcome"].to_numpy()
    counted[events["event_id"].to_numpy()[outcome != "boundary"]] = True
    return StoredPredictions(
        scored, known, counted, clock, settings["lookback"], settings["horizon"]
    )


def _events(events: pa.Table, rows: pa.Table, names: list[str]) -> Events:
    """Events at the places their ids say; ids that no table explains are never counted."""
    ids = events["event_id"].to_numpy()
    next_ids = rows["event_id"].to_numpy()
    highest = max([-1, *ids.tolist(), *next_ids[np.isfinite(next_ids)].astype(int).tolist()])
    asset = np.full(highest + 1, -1, np.int32)
    time = np.full(highest + 1, NEVER, np.int64)
    code = {name: number for number, name in enumerate(names)}
    asset[ids] = [code.get(a, -1) for a in events["asset"].to_pylist()]
    time[ids] = _ticks(events)
    return Events(asset, time, np.zeros(highest + 1, np.int32))


def _scored(rows: pa.Table, asset: np.ndarray, event_time: np.ndarray) -> Scored:
    time = _ticks(rows)
    event = np.nan_to_num(rows["event_id"].to_numpy(), nan=-1).astype(np.int32)
    target = np.nan_to_num(rows["label"].to_numpy(), nan=-1).astype(np.int8)
    wait = np.full(len(time), NEVER, np.int64)
    explained = (event >= 0) & (event_time[event] < NEVER if len(event_time) else False)
    wait[explained] = event_time[event[explained]] - time[explained]
    status = np.where(target >= 0, Status.LABELLED, Status.CENSORED).astype(np.int8)
    # Without a label but with a known event ahead, a row is one that comes too late for it.
    status[(target < 0) & explained] = Status.TOO_LATE
    return Scored(
        asset=asset,
        time=time,
        segment=np.zeros(len(time), np.int64),
        probability=rows["probability"].to_numpy(),
        alarm=rows["alarm"].to_numpy(),
        target=target,
        status=status,
        event=event,
        time_to_event=wait,
    )


def _names(codes: np.ndarray, assets: tuple[str, ...]) -> pa.Array:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(assets)).cast(pa.string())


def _times(ticks: np.ndarray, clock: Clock) -> pa.Array:
    import pyarrow as pa

    return pa.array(ticks, pa.timestamp("us") if clock.kind == "datetime" else pa.int64())


def _ticks(table: pa.Table) -> np.ndarray:
    import pyarrow as pa

    ticks: np.ndarray = table["time"].cast(pa.int64()).to_numpy()
    return ticks
