"""The first two stages of a Spark job: from files to slices with the state before each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from rareevent.alarms.policy import AlarmCarry
from rareevent.errors import RareEventError
from rareevent.ingestion.frame import Bool, Int64, SensorFrame
from rareevent.scoring.carry import AssetState, carry_on, open_alarms
from rareevent.scoring.pieces import clean_pieces
from rareevent.scoring.rejected import BROKEN_ROW
from rareevent.scoring.rows import CleanRows, join_rows
from rareevent.scoring.sift import Past, no_past
from rareevent.scoring.spark_messages import (
    ASSET,
    SLICE,
    Message,
    error_message,
    message_batch,
    note_batch,
    read_note,
    rows_batch,
    rows_of,
    seen_arrays,
    slice_body,
    state_body,
)
from rareevent.scoring.spark_work import Work, batched, note_of
from rareevent.scoring.state import Seen, read_seen, read_states
from rareevent.scoring.store import Store, open_store
from rareevent.scoring.survey import survey_file
from rareevent.scoring.take import Taking

if TYPE_CHECKING:
    import pyarrow as pa


def read_files(work: Work, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Stage 1: rows with a column `rank` in, readings and notes out."""
    roles = work.reader.roles
    for batch in batches:
        for rank in batch.column("rank").to_pylist():
            try:
                yield from _read_file(work, rank)
            except RareEventError as error:
                yield note_batch(error_message(error), roles)


def _read_file(work: Work, rank: int) -> Iterator[pa.RecordBatch]:
    reader, file = work.reader, work.files[rank]
    survey = survey_file(file.path, reader.roles, reader.stage, reader.bundle.clock)
    taking = Taking(reader, no_past(), work.source(rank), survey.assets)
    taking.reject([BROKEN_ROW] * len(survey.broken), detail=list(survey.broken))
    for _, rows, number in clean_pieces(taking, reader, file.path, survey):
        if len(rows):
            yield rows_batch(rows, rank, number, reader.roles)
    file.check_unchanged()
    facts = {
        "rows": len(survey) + len(survey.broken),
        "last": survey.span[1] if survey.span else None,
        "silent": sorted(taking.silent.columns),
    }
    yield note_batch(note_of(taking, rank, **facts), reader.roles)


def cut_slices(work: Work, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Stage 2: readings sorted by asset, rank, tick and number in; slices and notes out."""
    try:
        with open_store(work.state, "read") as store:
            yield from batched(_cut(work, store, batches))
    except RareEventError as error:
        yield message_batch([error_message(error)])


def _cut(work: Work, store: Store, batches: Iterable[pa.RecordBatch]) -> Iterator[Message]:
    cutter: _Cutter | None = None
    for asset, rank, part in _runs(batches):
        if asset is None:
            ranks = part.column("rank").to_pylist()
            notes = zip(part.column("note").to_pylist(), ranks, strict=True)
            yield from (read_note(body, rank) for body, rank in notes)
            continue
        if cutter is None or cutter.asset != asset:
            if cutter is not None:
                yield from cutter.finish()
            cutter = _Cutter(work, store, asset)
        yield from cutter.add(rank, part)
    if cutter is not None:
        yield from cutter.finish()


def _runs(
    batches: Iterable[pa.RecordBatch],
) -> Iterator[tuple[str | None, int, pa.RecordBatch]]:
    """Stretches of a batch with one asset and rank."""
    for batch in batches:
        if not len(batch):
            continue
        encoded = batch.column("asset").dictionary_encode()
        code = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        rank = batch.column("rank").to_numpy(zero_copy_only=False)
        edges = np.flatnonzero((np.diff(code) != 0) | (np.diff(rank) != 0)) + 1
        starts = np.concatenate([[0], edges])
        for start, stop in zip(starts, [*edges, len(batch)], strict=True):
            name = None if code[start] < 0 else encoded.dictionary[int(code[start])].as_py()
            yield name, int(rank[start]), batch.slice(start, stop - start)


class _Cutter:
    """Goes through one asset's rows and cuts what is new of them into slices."""

    def __init__(self, work: Work, store: Store, asset: str) -> None:
        self.asset = asset
        self._work, self._store = work, store
        self._state: AssetState | None = read_states(store, [asset]).get(asset)
        self._begin: int | None = None
        self._first: tuple[int, AlarmCarry] | None = None
        self._seen: list[Seen] = []
        self._place = 0
        self._rank = -1
        self._taking: Taking | None = None
        self._held: list[tuple[CleanRows, Int64]] = []

    def add(self, rank: int, part: pa.RecordBatch) -> Iterator[Message]:
        """Take rows of a file; those of one file come sorted by time."""
        if rank != self._rank:
            yield from self._end_file()
            past = Past(self._states, self._known)
            self._rank = rank
            self._taking = Taking(self._work.reader, past, self._work.source(rank), [self.asset])
        rows = rows_of(part, self.asset, self._work.reader.roles)
        number = part.column("number").to_numpy(zero_copy_only=False)
        self._held.append((rows, number))
        if sum(len(held) for held, _ in self._held) >= self._work.slice_rows:
            yield from self._cut_held(end=False)

    def finish(self) -> Iterator[Message]:
        """The asset's last slice, and how it ends."""
        yield from self._end_file()
        if self._place:
            first = None if self._first is None else [self._first[0], self._first[1].to_json()]
            facts, arrays = state_body(self._state)
            facts |= {"open": self._begin, "first": first}
            arrays |= seen_arrays(self._seen)
            yield Message(ASSET, self.asset, -1, self._place, facts, arrays)

    def _states(self, _names: Iterable[str]) -> dict[str, AssetState]:
        return {} if self._state is None else {self.asset: self._state}

    def _known(self, asset: str, first: int, last: int) -> Seen:
        parts = [read_seen(self._store, asset, first, last), *self._seen]
        tick = np.concatenate([part.tick for part in parts])
        prints = np.concatenate([part.prints for part in parts])
        order = np.argsort(tick, kind="stable")
        return Seen(asset, tick[order], prints[order])

    def _end_file(self) -> Iterator[Message]:
        if self._held:
            yield from self._cut_held(end=True)
        if self._taking is not None:
            told = note_of(self._taking, self._rank, late=self._taking.late)
            if told.facts["not_scored"] or told.facts["late"]:
                yield told
        self._taking = None

    def _cut_held(self, end: bool) -> Iterator[Message]:
        """Cut a slice; rows of one time stay together, and wait where more may come."""
        rows = join_rows([held for held, _ in self._held])
        number = np.concatenate([numbers for _, numbers in self._held])
        ready = np.ones(len(rows), bool) if end else rows.tick < rows.tick[-1]
        self._held = [] if ready.all() else [(rows.take(~ready), number[~ready])]
        if ready.any() and self._taking is not None:
            taking, source = self._taking, self._work.source(self._rank).name
            rows, prints, states = taking.sift(rows.take(ready), number[ready])
            if len(rows):
                taking.remember(rows, prints)
            self._seen += taking.seen
            taking.seen.clear()
            if len(rows):
                yield self._slice(rows)
                self._go_on(*carry_on(self._work.reader, states, rows, source), states)

    def _slice(self, rows: CleanRows) -> Message:
        facts, arrays = slice_body(rows, self._state, self._begin, self._work.reader.roles)
        self._place += 1
        return Message(SLICE, self.asset, self._rank, self._place - 1, facts, arrays)

    def _go_on(
        self,
        frame: SensorFrame,
        new: Bool,
        after: dict[str, AssetState],
        states: Mapping[str, AssetState],
    ) -> None:
        if self._place == 1:
            for segment, alarm in open_alarms(frame, states).items():
                self._first = int(frame.time[frame.segments.start[segment]]), alarm
        segment = int(frame.segments.of_row[-1])
        if segment < 0:
            self._begin = None
        else:
            rows = np.array([frame.segments.start[segment]])
            self._begin = int(_begins(frame, new, rows, self._begin)[0])
        self._state = after[self.asset]


def _begins(frame: SensorFrame, new: Bool, start: Int64, carried: int | None) -> Int64:
    """When segments of one asset that start at some rows began, int64 [k].

    One that starts with the first kept row may have begun earlier, at `carried`.
    """
    begin = frame.time[start]
    if carried is not None:
        begin = np.where((start == 0) & ~new[start], carried, begin)
    return begin
