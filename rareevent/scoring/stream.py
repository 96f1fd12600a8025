"""Scoring rows one at a time, as they come, with the state that a batch would have had."""

from __future__ import annotations

import contextlib
import json
import math
import numbers
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from rareevent.alarms.policy import AlarmCarry
from rareevent.bundle import Bundle
from rareevent.errors import DataError, ModelError, OutputError
from rareevent.ingestion.cells import CellReader, Cells, NameReader
from rareevent.ingestion.table import ONLY_ASSET
from rareevent.scoring.carry import AssetState, score_on
from rareevent.scoring.engine import why_unscored
from rareevent.scoring.inputs import check_columns, open_reader
from rareevent.scoring.moments import read_moments
from rareevent.scoring.rejected import Unfit, clean_cells
from rareevent.scoring.rows import CleanRows

_WHERE = "the row"
_FORMAT = 1
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class RowScore:
    """What one row came to.

    Attributes
    ----------
    asset : name
    time : UTC without a zone, or an integer age
    probability : of an event within the horizon; None where the row has no score
    alarm : whether an alarm is raised on this row
    reason : why there is no score, such as "short_history"; None where there is one
    """

    asset: str
    time: datetime | int
    probability: float | None
    alarm: bool
    reason: str | None = None


class StreamScorer:
    """Scores rows one at a time; what an asset's next row must know of earlier ones is kept.

    A row gets the probability and the alarm that it would have got had all its asset's rows so far
    been scored at once, without a feed of events. Not for several threads at a time.

    Parameters
    ----------
    bundle : the model
    states : asset -> its state, as an earlier scorer left it; an asset without one starts fresh

    Examples
    --------
    >>> from tests.bundles import raw_rows, tiny_bundle
    >>> scorer = StreamScorer(tiny_bundle())
    >>> score = scorer.score(raw_rows().iloc[0].to_dict())
    >>> score.asset, score.time.isoformat(), round(score.probability, 3), score.alarm
    ('m1', '2024-03-01T00:00:00', 0.758, False)
    """

    def __init__(self, bundle: Bundle, states: Mapping[str, AssetState] | None = None) -> None:
        self.bundle = bundle
        self.states: dict[str, AssetState] = dict(states or {})
        stage = bundle.config.ingest
        names = [name for name in (stage.time, stage.asset) if name is not None]
        self._reader = open_reader(bundle, [*names, *bundle.needs], None)

    def score(self, row: Mapping[str, Any]) -> RowScore:
        """Score the next row of an asset.

        Parameters
        ----------
        row : column -> value: the time, the asset where the model was trained with one, and every
            column that the model reads, None where missing; other columns are not looked at

        Raises
        ------
        ModelError
            When the row lacks a column that the model reads.
        DataError
            When a value cannot be read, or the row is not later than the last one of its asset.
            The state stays as it was, so that the next row can be scored.
        """
        rows = self._read(row)
        name, tick = rows.assets[0], int(rows.tick[0])
        state = self.states.get(name)
        if state is not None and tick <= state.last:
            text = self.bundle.clock.text
            raise DataError(
                f"{_WHERE} of asset {name!r} at {text(tick)} is not later than its last one, at"
                f" {text(state.last)}; a stream takes each asset's rows once, in the order of time"
            )
        known = {} if state is None else {name: state}
        done = score_on(self._reader, known, rows, _WHERE)
        self.states.update(done.states)
        when = _time(tick, self.bundle.clock.kind)
        if len(done.scores):
            found = done.scores
            return RowScore(name, when, float(found.probability[0]), bool(found.alarm[0]))
        why = why_unscored(self.bundle, done.frame, np.flatnonzero(done.new))
        return RowScore(name, when, None, False, why[0])

    def save(self, path: str | Path) -> None:
        """Write the state to a file, whole or not at all; `load_stream` goes on from it.

        Raises
        ------
        OutputError
            When the file cannot be written.
        """
        path = Path(path)
        aside = path.with_name(f".{path.name}.{os.getpid()}.part")
        states = {name: _plain(state) for name, state in self.states.items()}
        plain = {"format": _FORMAT, "model": self.bundle.digest, "states": states}
        try:
            aside.write_text(json.dumps(plain, allow_nan=False), encoding="utf-8")
            aside.replace(path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from None

    def _read(self, row: Mapping[str, Any]) -> CleanRows:
        """The row as the engine takes it, every cell of it a number, a word or missing."""
        reader = self._reader
        roles, stage = reader.roles, reader.stage
        check_columns(self.bundle, [str(name) for name in row], _WHERE)
        asset = ONLY_ASSET if roles.asset is None else self._name(roles.asset, row[roles.asset])
        where = f"{_WHERE} of asset {asset!r}" if roles.asset else _WHERE
        cells = {name: self._cell(name, row[name]) for name in roles.sensors}
        cells |= {name: self._cells(name, row[name]) for name in roles.texts}
        unfit = Unfit(1)
        cells, _ = clean_cells(cells, roles.sensors, stage, unfit)
        if unfit.why:
            reason, detail = unfit.why[0]
            raise DataError(f"{where}: {reason.replace('_', ' ')}: {detail}")
        code = np.zeros(1, np.int32)
        time = read_moments(_column(row[roles.time]), code, stage, self.bundle.clock, where)
        if time.problem or not time.read[0]:
            why = time.doubts.get(0, "cannot be read")
            raise DataError(time.problem or f"{where}: its time {row[roles.time]!r} {why}")
        return CleanRows(time.ticks, code, (asset,), cells)

    def _name(self, column: str, value: Any) -> str:
        reader = NameReader(column, self._reader.stage.missing_values)
        reader.append(_column(value).chunk(0))
        codes, names = reader.names()
        if codes[0] < 0:
            raise DataError(f"{_WHERE} has no asset ({column!r} is {value!r})")
        return names[0]

    def _cell(self, name: str, value: Any) -> Cells:
        """A sensor's reading; numbers, by far the most, take the short way."""
        if value is None or isinstance(value, numbers.Real):
            with contextlib.suppress(OverflowError):  # too large to be a number: read as a text
                number = math.nan if value is None else float(value)
                return Cells(np.array([number]), None, ())
        return self._cells(name, value)

    def _cells(self, name: str, value: Any) -> Cells:
        stage = self._reader.stage
        reader = CellReader(name, stage.missing_values, stage.decimal)
        reader.append(_column(value).chunk(0))
        return reader.cells()


def load_stream(bundle: Bundle, path: str | Path) -> StreamScorer:
    """A scorer that goes on where another one was saved.

    Raises
    ------
    ModelError
        When the state is another model's, or the file holds none.
    DataError
        When the file cannot be read.
    """
    try:
        plain = json.loads(Path(path).read_text(encoding="utf-8"))
        if plain["format"] != _FORMAT:
            raise ModelError(f"{path}: a state of format {plain['format']!r}, not {_FORMAT}")
        owner, states = plain["model"], {n: _state(s) for n, s in plain["states"].items()}
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: holds no state of a stream: {error!r}") from None
    if owner != bundle.digest:
        raise ModelError(
            f"{path}: the state of another model ({owner[:12]}, not {bundle.digest[:12]}); start"
            " afresh, or load the model it was saved with"
        )
    return StreamScorer(bundle, states)


def _column(value: Any) -> Any:
    """A value as an Arrow column of one row."""
    import pyarrow as pa

    try:
        array = pa.array([value])
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        array = pa.array([str(value)])
    return pa.chunked_array([array])


def _time(tick: int, kind: str) -> datetime | int:
    return _EPOCH + timedelta(microseconds=tick) if kind == "datetime" else tick


def _plain(state: AssetState) -> dict[str, Any]:
    """An asset's state as plain data; what is not finite becomes None or text."""
    return {
        "last": state.last,
        "time": state.time.tolist(),
        "sensors": [[_number(value) for value in row] for row in state.sensors.tolist()],
        "texts": [list(column) for column in state.texts],
        "alarm": state.alarm.to_json(),
    }


def _number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def _state(plain: Mapping[str, Any]) -> AssetState:
    rows = plain["sensors"]
    values = [[math.nan if v is None else float(v) for v in row] for row in rows]
    time = np.array(plain["time"], np.int64)
    return AssetState(
        int(plain["last"]),
        time,
        np.array(values, np.float64).reshape(len(rows), len(time)),
        tuple(tuple(column) for column in plain["texts"]),
        AlarmCarry.from_json(plain["alarm"]),
    )
