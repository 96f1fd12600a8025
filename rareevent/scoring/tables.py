"""The columns of the output, and scored rows cut into one file per day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rareevent.bundle import Bundle
from rareevent.ingestion.frame import Bool, Clock, Float64, Int32, Int64
from rareevent.scoring.alarm_evidence import EVIDENCE, TopCredits
from rareevent.scoring.folder import ALARMS, SCORES
from rareevent.scoring.output import Format, Part, stage
from rareevent.scoring.rejected import rejected_schema

if TYPE_CHECKING:
    import pyarrow as pa

# Rows turned into Arrow columns at once.
_CHUNK = 1 << 18
_DAY_US = 86_400_000_000
# Where time is an age, so many steps of it share a folder.
_AGES = 1000


@dataclass(frozen=True)
class ScoredRows:
    """Scored rows of any number of assets, m of them.

    Attributes
    ----------
    assets : names, in the order in which the output has them
    asset : int32 [m], code into `assets`
    tick : int64 [m]
    probability : float64 [m]
    alarm : bool [m]
    type_probability : float64 [m, K], of an event of each of the K types that the model tells apart
    top : of each alarm the sensors that raised it most, in the order of the rows; None where no
        evidence is asked for
    """

    assets: tuple[str, ...]
    asset: Int32
    tick: Int64
    probability: Float64
    alarm: Bool
    type_probability: Float64
    top: TopCredits | None = None

    def __len__(self) -> int:
        return len(self.tick)

    def take(self, which: Bool) -> ScoredRows:
        """Some of the rows, by a mask bool [m]."""
        return ScoredRows(
            self.assets,
            self.asset[which],
            self.tick[which],
            self.probability[which],
            self.alarm[which],
            self.type_probability[which],
            None if self.top is None else self.top.take(which[self.alarm]),
        )

    def evidence(self, row: Int64) -> dict[str, list[Any]]:
        """Columns of evidence of some rows, int64 [k], with an alarm; none where none is told."""
        if self.top is None:
            return {}
        place = np.cumsum(self.alarm) - 1
        return self.top.take(place[row]).columns()


def join_scored(assets: tuple[str, ...], parts: Sequence[ScoredRows], types: int) -> ScoredRows:
    """All of some rows, which have the same assets and as many types of events; no evidence."""
    nothing = ScoredRows(
        assets,
        np.zeros(0, np.int32),
        np.zeros(0, np.int64),
        np.zeros(0),
        np.zeros(0, bool),
        np.zeros((0, types)),
    )
    parts = parts or [nothing]
    return ScoredRows(
        assets,
        np.concatenate([part.asset for part in parts]),
        np.concatenate([part.tick for part in parts]),
        np.concatenate([part.probability for part in parts]),
        np.concatenate([part.alarm for part in parts]),
        np.concatenate([part.type_probability for part in parts]),
    )


def scores_schema(bundle: Bundle) -> pa.Schema:
    """asset, time, probability, probability_TYPE for each type of events, alarm."""
    import pyarrow as pa

    types = [(f"probability_{name}", pa.float64()) for name in bundle.config.model.type_names]

    return pa.schema(
        [*_row_fields(bundle.clock), ("probability", pa.float64()), *types, ("alarm", pa.bool_())]
    )


def alarms_schema(bundle: Bundle, evidence: bool) -> pa.Schema:
    """asset, time, probability, threshold, the likeliest type where there are types, model.

    With evidence, sensor_1, credit_1, … of the sensors that raised the score most.
    """
    import pyarrow as pa

    kinds = {"sensor": pa.string(), "credit": pa.float64()}
    told = [(name, kinds[name.partition("_")[0]]) for name in EVIDENCE]
    types = [("type", pa.string())] if bundle.config.model.type_names else []

    return pa.schema(
        [
            *_row_fields(bundle.clock),
            ("probability", pa.float64()),
            ("threshold", pa.float64()),
            *types,
            ("model", pa.string()),
            *(told if evidence else ()),
        ]
    )


def schema_of(kind: str, bundle: Bundle, evidence: bool) -> pa.Schema:
    """The columns of one kind of output, with or without evidence for alarms."""
    if kind == SCORES:
        return scores_schema(bundle)
    return alarms_schema(bundle, evidence) if kind == ALARMS else rejected_schema(bundle.clock)


def stage_rows(
    folder: Path, bundle: Bundle, model: str, rows: ScoredRows, name: str, form: Format
) -> list[Part]:
    """Stage the scores and alarms of some rows, a file per day and kind.

    Rows are sorted by day, asset and time.

    Parameters
    ----------
    folder : output directory
    bundle : whose clock and threshold they have
    model : what it is known as
    rows : ScoredRows
    name : of the files, the same whenever the same rows are scored with the same bundle
    form : parquet or csv
    """
    clock, day = bundle.clock, _day(rows.tick, bundle.clock)
    order = np.lexsort((rows.tick, rows.asset, day))
    edges = np.flatnonzero(np.diff(day[order])) + 1
    parts = []
    for which in np.split(order, edges) if len(order) else []:
        where = f"{_folder_of(int(day[which[0]]), clock)}/{name}.{form}"
        raised = which[rows.alarm[which]]
        batches = _score_batches(bundle, rows, which)
        parts.append(_staged(folder, f"{SCORES}/{where}", rows, which, batches, form, bundle))
        if len(raised):
            batches = _alarm_batches(bundle, model, rows, raised)
            parts.append(_staged(folder, f"{ALARMS}/{where}", rows, raised, batches, form, bundle))
    return parts


def _staged(
    folder: Path,
    path: str,
    rows: ScoredRows,
    which: Int64,
    batches: Iterator[pa.RecordBatch],
    form: Format,
    bundle: Bundle,
) -> Part:
    kind = path.partition("/")[0]
    stage(folder, path, schema_of(kind, bundle, rows.top is not None), batches, form)
    return Part(kind, path, len(which), int(rows.tick[which].max()))


def _day(tick: Int64, clock: Clock) -> Int64:
    return tick // (_DAY_US if clock.kind == "datetime" else _AGES)


def _folder_of(day: int, clock: Clock) -> str:
    if clock.kind == "datetime":
        return f"date={np.datetime64(day, 'D')}"
    return f"age={day * _AGES}"


def _row_fields(clock: Clock) -> list[tuple[str, pa.DataType]]:
    """asset and time; a timestamp in microseconds, UTC without a zone, or an age."""
    import pyarrow as pa

    time = pa.timestamp("us") if clock.kind == "datetime" else pa.int64()
    return [("asset", pa.string()), ("time", time)]


def _score_batches(bundle: Bundle, rows: ScoredRows, which: Int64) -> Iterator[pa.RecordBatch]:
    for part in _pieces(which):
        columns = (rows.probability[part], *rows.type_probability[part].T, rows.alarm[part])
        yield _batch(scores_schema(bundle), rows, part, columns)


def _alarm_batches(
    bundle: Bundle, model: str, rows: ScoredRows, which: Int64
) -> Iterator[pa.RecordBatch]:
    types = bundle.config.model.type_names
    for part in _pieces(which):
        threshold = np.full(len(part), bundle.policy.threshold)
        likeliest = [np.array(types)[rows.type_probability[part].argmax(axis=1)]] if types else []
        columns = (rows.probability[part], threshold, *likeliest, [model] * len(part))
        schema = alarms_schema(bundle, rows.top is not None)
        yield _batch(schema, rows, part, (*columns, *rows.evidence(part).values()))


def _pieces(which: Int64) -> Iterator[Int64]:
    return (which[low : low + _CHUNK] for low in range(0, len(which), _CHUNK))


def _batch(
    schema: pa.Schema, rows: ScoredRows, part: Int64, columns: Sequence[np.ndarray | list[Any]]
) -> pa.RecordBatch:
    import pyarrow as pa

    names = pa.array(list(rows.assets), pa.string())
    asset = names.take(pa.array(rows.asset[part].astype(np.int64)))
    arrays = [asset, pa.array(rows.tick[part]), *(pa.array(column) for column in columns)]
    pairs = zip(arrays, schema.types, strict=True)
    return pa.record_batch([array.cast(kind) for array, kind in pairs], schema)
