"""Scoring rows one at a time, as they come, with the state that a batch would have had."""

from __future__ import annotations

import contextlib
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from rareevent.bundle import Bundle
from rareevent.errors import DataError
from rareevent.ingestion.cells import CellReader, Cells, NameReader
from rareevent.ingestion.clocks import gap_ticks
from rareevent.ingestion.table import ONLY_ASSET, arrow_column
from rareevent.ingestion.timezones import both_passes
from rareevent.scoring.carry import AssetState, score_on
from rareevent.scoring.engine import why_unscored
from rareevent.scoring.inputs import check_columns, open_reader
from rareevent.scoring.moments import TWICE, read_moments
from rareevent.scoring.rejected import Unfit, clean_cells
from rareevent.scoring.rows import CleanRows
from rareevent.scoring.stream_file import read_stream, write_stream

_WHERE = "the row"
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

    Attributes
    ----------
    bundle, states : as given; `states` grows
    reader : how rows are read

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
        self.reader = open_reader(bundle, [*names, *bundle.needs], None)

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
        done = score_on(self.reader, known, rows, _WHERE)
        self.states.update(done.states)
        when = _time(tick, self.bundle.clock.kind)
        if len(done.scores):
            found = done.scores
            return RowScore(name, when, float(found.probability[0]), bool(found.alarm[0]))
        why = why_unscored(self.bundle, done.frame, np.flatnonzero(done.new))
        return RowScore(name, when, None, False, why[0])

    def save(self, path: str | Path) -> None:
        """Write the state to a file, whole or not at all; `load_stream` goes on from it.

        It is on the disk when this returns, and so survives a power cut.

        Raises
        ------
        OutputError
            When the file cannot be written.
        """
        write_stream(Path(path), self.bundle.digest, self.states)

    def _read(self, row: Mapping[str, Any]) -> CleanRows:
        """The row as the engine takes it, every cell of it a number, a word or missing."""
        reader = self.reader
        roles, stage = reader.roles, reader.stage
        if not isinstance(row, Mapping):
            raise DataError(
                f"{_WHERE} must be a mapping from columns to values, such as a dict; received"
                f" {type(row).__name__}"
            )
        if not all(isinstance(name, str) for name in row):
            row = {str(name): value for name, value in row.items()}
        check_columns(self.bundle, tuple(row), _WHERE)
        asset = ONLY_ASSET if roles.asset is None else self._name(roles.asset, row[roles.asset])
        where = f"{_WHERE} of asset {asset!r}" if roles.asset else _WHERE
        cells = {name: self._cell(name, row[name]) for name in roles.sensors}
        cells |= {name: self._cells(name, row[name]) for name in roles.texts}
        unfit = Unfit(1)
        cells, _ = clean_cells(cells, roles.sensors, stage, unfit)
        if unfit.why:
            reason, detail = unfit.why[0]
            raise DataError(f"{where}: {reason.replace('_', ' ')}: {detail}")
        tick = self._tick(asset, row[roles.time], where)
        return CleanRows(np.array([tick]), np.zeros(1, np.int32), (asset,), cells)

    def _tick(self, asset: str, value: Any, where: str) -> int:
        """The row's time; where it occurs twice, the asset's last row tells which is meant."""
        stage, clock = self.reader.stage, self.bundle.clock
        column, code = _column(stage.time, value), np.zeros(1, np.int32)
        time = read_moments(column, code, stage, clock, where)
        if time.read[0]:
            return int(time.ticks[0])
        why = time.doubts.get(0, "cannot be read")
        if stage.timezone is not None and why == TWICE and asset in self.states:
            local = stage.model_copy(update={"timezone": None})
            wall = read_moments(column, code, local, clock, where).ticks
            first, second = (int(ticks[0]) for ticks in both_passes(wall, stage.timezone))
            last, gap = self.states[asset].last, gap_ticks(stage, clock)
            if last >= first:
                return second
            if first - last <= gap < second - last:
                return first
        raise DataError(time.problem or f"{where}: its time {value!r} {why}")

    def _name(self, column: str, value: Any) -> str:
        reader = NameReader(column, self.reader.stage.missing_values)
        reader.append(_column(column, value).chunk(0))
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
        stage = self.reader.stage
        reader = CellReader(name, stage.missing_values, stage.decimal)
        reader.append(_column(name, value).chunk(0))
        return reader.cells()


def load_stream(bundle: Bundle, path: str | Path) -> StreamScorer:
    """A scorer that goes on where another one was saved.

    Raises
    ------
    ModelError
        When the state is another model's, or the file holds none: it was cut short or changed, or
        a newer rareevent wrote it.
    DataError
        When the file cannot be read.
    """
    scorer = StreamScorer(bundle)
    scorer.states.update(read_stream(Path(path), scorer.reader))
    return scorer


def _column(name: str, value: Any) -> Any:
    """A value as an Arrow column of one row."""
    import pyarrow as pa

    return pa.chunked_array([arrow_column(name, [value])])


def _time(tick: int, kind: str) -> datetime | int:
    return _EPOCH + timedelta(microseconds=tick) if kind == "datetime" else tick
