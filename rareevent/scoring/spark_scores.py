"""The last two stages of a Spark job: probabilities of slices, alarms of assets, output files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rareevent.alarms.policy import AlarmCarry, AlarmPolicy, carry_after, raise_alarms
from rareevent.errors import RareEventError
from rareevent.ingestion.frame import Bool, Float64, Int64
from rareevent.scoring.alarm_evidence import TopCredits, join_credits, top_credits
from rareevent.scoring.carry import Continued
from rareevent.scoring.drift_counts import drift_reference_of
from rareevent.scoring.output import Part
from rareevent.scoring.rows import join_rows
from rareevent.scoring.sift import Past, no_past
from rareevent.scoring.spark_messages import (
    ASSET,
    NOTE,
    PART,
    SCORED,
    SLICE,
    Message,
    error_message,
    message_batch,
    read_messages,
    read_slice,
    read_state,
    state_body,
)
from rareevent.scoring.spark_work import Work, batched, note_of
from rareevent.scoring.tables import ScoredRows, stage_rows
from rareevent.scoring.take import Taking

if TYPE_CHECKING:
    import pyarrow as pa

# Scored rows that a task holds before it writes a file.
_ROWS_PER_PART = 1 << 21


def score_slices(work: Work, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Stage 3: slices in, their probabilities and notes out; other messages pass through."""
    try:
        yield from batched(_score(work, read_messages(batches)))
    except RareEventError as error:
        yield message_batch([error_message(error)])


def _score(work: Work, messages: Iterable[Message]) -> Iterator[Message]:
    group: dict[str, Message] = {}
    held, rank = 0, -1
    for message in messages:
        if message.kind != SLICE:
            yield message
            continue
        rows = len(message.arrays["tick"])
        full = held + rows > work.slice_rows or message.rank != rank or message.asset in group
        if group and full:
            yield from _score_group(work, rank, group)
            group, held = {}, 0
        group[message.asset], rank, held = message, message.rank, held + rows
    if group:
        yield from _score_group(work, rank, group)


def _score_group(work: Work, rank: int, group: dict[str, Message]) -> Iterator[Message]:
    """Slices of different assets, scored together."""
    read = {asset: read_slice(message, work.reader.roles) for asset, message in group.items()}
    states = {asset: state for asset, (_, state) in read.items() if state is not None}
    past = Past(lambda names: {n: states[n] for n in names if n in states}, no_past().seen)
    done: list[Continued] = []
    taking = Taking(work.reader, past, work.source(rank), tuple(group), done.append)
    rows = join_rows([rows for rows, _ in read.values()])
    taking.add(rows, np.arange(len(rows)))
    yield from _scored(work.reader.bundle.policy, group, done[0])
    # Whether an alarm is raised is told in the last stage.
    for counts in taking.counts.slots.values():
        counts[1] = 0
    yield note_of(taking, rank, assets=list(group))


def _scored(policy: AlarmPolicy, group: dict[str, Message], done: Continued) -> Iterator[Message]:
    frame, scores = done.frame, done.scores
    types = np.zeros((len(scores), 0))
    if scores.type_probability is not None:
        types = scores.probability[:, None] * scores.type_probability
    edges = np.searchsorted(scores.asset, np.arange(len(frame.assets) + 1))
    for code, asset in enumerate(frame.assets):
        part, message = slice(edges[code], edges[code + 1]), group[asset]
        start = frame.segments.start[scores.segment[part]]
        begin, carried = frame.time[start], message.facts["begin"]
        if carried is not None:
            kept = (start == frame.asset_starts[code]) & ~done.new[start]
            begin = np.where(kept, carried, begin)
        arrays: dict[str, np.ndarray] = {"tick": scores.time[part], "begin": begin}
        arrays["types"] = types[part]
        arrays["probability"] = scores.probability[part]
        if done.windows is not None:
            may = _may_alarm(policy, scores.probability[part])
            arrays["may"] = may
            arrays["windows"] = done.gather(scores.row[part][may])
        yield Message(SCORED, asset, message.rank, message.place, {}, arrays)


def _may_alarm(policy: AlarmPolicy, probability: Float64) -> Int64:
    """Rows that may turn out to raise an alarm once it is known what came before the slice."""
    reached = probability >= policy.threshold
    # What was reached before the slice is not known here.
    reached = np.concatenate([np.ones(policy.n - 1, bool), reached])
    total = np.concatenate([[0], np.cumsum(reached)])
    return np.flatnonzero(total[policy.n :] > total[: len(probability)])


def finish_assets(work: Work, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Stage 4: messages sorted by asset and place in; files written, and told with the states."""
    try:
        yield from batched(_finish(work, read_messages(batches)))
    except RareEventError as error:
        yield message_batch([error_message(error)])


def _finish(work: Work, messages: Iterable[Message]) -> Iterator[Message]:
    held: list[Message] = []
    writer = _Writer(work)
    for message in messages:
        if message.kind == SCORED:
            held.append(message)
        elif message.kind == ASSET:
            yield from writer.finish(held, message)
            held = []
        else:
            yield message
    yield from writer.write()


class _Writer:
    """Raises alarms asset by asset, and writes them with the scores."""

    def __init__(self, work: Work) -> None:
        from pyspark import TaskContext

        context = TaskContext.get()
        # Two attempts at one task never write one file; only those of the one that counts are kept.
        place = (context.partitionId(), context.attemptNumber()) if context else (0, 0)
        self._name = f"{work.name}-p{place[0]:05d}{'abcdefghij'[min(place[1], 9)]}"
        self._work, self._parts = work, 0
        self._held: list[tuple[str, Int64, Any, Bool, Any]] = []
        self._top: list[TopCredits] = []

    def finish(self, scored: list[Message], end: Message) -> Iterator[Message]:
        """Raise an asset's alarms; tell its state and what its files come to."""
        policy, carry = self._work.reader.bundle.policy, {}
        if end.facts["first"] is not None:
            begin, alarm = end.facts["first"]
            carry = {begin: AlarmCarry.from_json(alarm)}
        names = ("tick", "begin", "probability", "types")
        columns = [np.concatenate([m.arrays[name] for m in scored]) for name in names]
        tick, begin, probability, types = columns
        alarm = raise_alarms(policy, tick, begin, probability, carry)
        after = carry | carry_after(policy, tick, begin, probability, alarm, carry)
        state = read_state(end)
        if state is not None:
            state = replace(state, alarm=after.get(end.facts["open"], AlarmCarry()))
        facts, arrays = state_body(state)
        seen = {name: value for name, value in end.arrays.items() if name.startswith("seen_")}
        yield Message(ASSET, end.asset, -1, 0, facts, arrays | seen)
        shown = np.ones(len(tick), bool) if self._work.since is None else tick >= self._work.since
        rank = np.repeat([m.rank for m in scored], [len(m.arrays["tick"]) for m in scored])
        for file in np.unique(rank[shown]).tolist():
            which = shown & (rank == file)
            yield self._tally(file, tick[which], alarm[which])
        self._held.append((end.asset, tick[shown], probability[shown], alarm[shown], types[shown]))
        self._top += self._evidence(scored, np.flatnonzero(alarm & shown))
        if sum(len(entry[1]) for entry in self._held) >= _ROWS_PER_PART:
            yield from self.write()

    def _evidence(self, scored: list[Message], raised: Int64) -> list[TopCredits]:
        """For the alarms of an asset, int64 [a] among its rows; none where none is asked for."""
        if not self._work.reader.evidence:
            return []
        sizes = [len(m.arrays["tick"]) for m in scored]
        first = np.cumsum(sizes) - sizes
        may = np.concatenate([m.arrays["may"] + at for m, at in zip(scored, first, strict=True)])
        windows = np.concatenate([m.arrays["windows"] for m in scored])
        return [top_credits(self._work.reader.attribution, windows[np.searchsorted(may, raised)])]

    def write(self) -> Iterator[Message]:
        """Stage what is held, and tell its files."""
        if not any(len(entry[1]) for entry in self._held):
            return
        names = tuple(entry[0] for entry in self._held)
        code = np.repeat(np.arange(len(names), dtype=np.int32), [len(e[1]) for e in self._held])
        tick, probability, alarm, types = (
            np.concatenate(column) for column in list(zip(*self._held, strict=True))[1:]
        )
        rows = ScoredRows(names, code, tick, probability, alarm, types)
        if self._top:
            rows = replace(rows, top=join_credits(self._top))
        work, name = self._work, f"{self._name}{self._parts or ''}"
        bundle = work.reader.bundle
        for part in stage_rows(work.folder, bundle, work.model, rows, name, work.format):
            yield Message(PART, "", -1, 0, vars(part), {})
        self._held, self._top, self._parts = [], [], self._parts + 1

    def _tally(self, rank: int, tick: Int64, alarm: Bool) -> Message:
        facts = {
            "scored": len(tick),
            "alarms": int(alarm.sum()),
            "span": [int(tick.min()), int(tick.max())],
        }
        reference = drift_reference_of(self._work.reader.bundle)
        if reference is None or not alarm.any():
            return Message(NOTE, "", rank, 0, facts, {})
        slot = np.zeros(int(alarm.sum()), np.int64)
        if reference.clock.kind == "datetime":
            slot = tick[alarm] // reference.slot
        slots, count = np.unique(slot, return_counts=True)
        counts = np.zeros((len(slots), reference.places), np.int64)
        counts[:, 1] = count
        return Message(NOTE, "", rank, 0, facts, {"slots": slots, "counts": counts})


def part_of(message: Message) -> Part:
    """The file of the output that a message tells of."""
    return Part(**message.facts)
