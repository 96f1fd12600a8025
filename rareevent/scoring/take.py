"""Taking rows: piece by piece to scores, rejections and states.

Nothing is written here; a `Taking` holds what the job then commits at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rareevent.ingestion.frame import Bool, Float32, Int64
from rareevent.scoring.alarm_evidence import TopCredits, join_credits, top_credits
from rareevent.scoring.carry import AssetState, Continued, Reader, score_on
from rareevent.scoring.drift_counts import RowCounts, drift_reference_of
from rareevent.scoring.engine import why_unscored
from rareevent.scoring.fingerprints import Uint32, fingerprints
from rareevent.scoring.rejected import CONFLICTING, DUPLICATE, LATE, rejected_batch
from rareevent.scoring.rows import CleanRows
from rareevent.scoring.sift import Past, conflicting_rows, known_rows
from rareevent.scoring.silent import Silent
from rareevent.scoring.state import Seen
from rareevent.scoring.tables import ScoredRows, join_scored
from rareevent.scoring.tally import Tally

if TYPE_CHECKING:
    import pyarrow as pa

MERGED = "merged_duplicate"
ALREADY = "already_scored"
WARM_UP = "before_since"


@dataclass(frozen=True)
class Source:
    """Where the rows of a taking come from.

    Attributes
    ----------
    name : for errors and in rejections
    grew : an earlier content of it was taken: rows that come again are what it grew from
    since : rows before this time warm up the states and are not written; None for all
    numbered : whether the place of a row means something where it comes from
    """

    name: str
    grew: bool = False
    since: int | None = None
    numbered: bool = True


class Taking:
    """What taking rows leaves behind; grows in place, piece by piece.

    Attributes
    ----------
    states : asset -> its state after the rows
    seen : rows taken
    late : asset -> first time of its rows that came too late
    rejections : rejected rows
    not_scored : reason -> rows
    repairs : what was mended, by the name of the rule
    events : (asset, time) of the events that concern the rows
    counts : the scored rows, counted for drift
    silent : columns without a reading so far
    rows : read so far
    last : last time among them, in ticks; None before one was met
    """

    def __init__(
        self,
        reader: Reader,
        past: Past,
        source: Source,
        assets: Sequence[str],
        watch: Callable[[Continued], None] = lambda done: None,
    ) -> None:
        self.states: dict[str, AssetState] = {}
        self.seen: list[Seen] = []
        self.late: dict[str, int] = {}
        self.rejections: list[pa.RecordBatch] = []
        self.not_scored: Counter[str] = Counter()
        self.repairs: Counter[str] = Counter()
        self.events: set[tuple[str, int]] = set()
        self.counts = RowCounts(drift_reference_of(reader.bundle))
        self.silent = Silent((*reader.roles.sensors, *reader.roles.texts))
        self.rows = 0
        self.last: int | None = None
        self._reader, self._past, self._source, self._watch = reader, past, source, watch
        self._names = tuple(assets)
        self._code = {name: code for code, name in enumerate(assets)}
        self._scored: list[ScoredRows] = []
        self._alarmed: list[Float32] = []
        self._credited: list[TopCredits] = []

    def scored(self) -> ScoredRows:
        """All rows scored so far."""
        if len(self._scored) != 1:
            types = len(self._reader.bundle.config.model.type_names)
            # Kept joined, so that asking again copies nothing.
            self._scored = [join_scored(self._names, self._scored, types)]
        return replace(self._scored[0], top=self._top())

    def _top(self) -> TopCredits | None:
        """The evidence for every alarm so far; None where none is asked for."""
        if not self._reader.evidence:
            return None
        given = self._reader.attribution
        new = [top_credits(given, windows) for windows in self._alarmed]
        empty = top_credits(given, np.zeros((0, 0, 0), np.float32))
        self._credited, self._alarmed = [join_credits([empty, *self._credited, *new])], []
        return self._credited[0]

    def tally(self) -> Tally:
        """What the rows came to, in figures."""
        rows = self.scored()
        ends = (int(rows.tick.min()), int(rows.tick.max())) if len(rows) else None
        return Tally(
            self.rows,
            len(rows),
            self.rejected,
            int(rows.alarm.sum()),
            self.not_scored,
            self.repairs,
            frozenset(self.states),
            frozenset(self.events),
            ends,
            self.last,
            self.counts.slots,
            self.silent.columns if self.rows else frozenset(),
        )

    @property
    def rejected(self) -> int:
        """Rows rejected so far."""
        return sum(len(batch) for batch in self.rejections)

    def reject(
        self,
        reason: Sequence[str],
        *,
        row: Int64 | None = None,
        asset: Sequence[str | None] | None = None,
        tick: Int64 | None = None,
        timed: Bool | None = None,
        detail: Sequence[str | None] | None = None,
    ) -> None:
        """Note rows that have no score; see `rejected_batch` for what may be known of them."""
        row = row if self._source.numbered else None
        if len(reason):
            self.rejections.append(
                rejected_batch(
                    self._reader.bundle.clock,
                    self._source.name,
                    reason,
                    row=row,
                    asset=asset,
                    tick=tick,
                    timed=timed,
                    detail=detail,
                )
            )
            self.not_scored.update(reason)

    def add(self, rows: CleanRows, number: Int64) -> None:
        """Score rows, or say of each why not.

        Parameters
        ----------
        rows : CleanRows, n of them
        number : int64 [n], place of each in its file, from 0
        """
        if len(rows):
            rows, prints, states = self.sift(rows, number)
            if len(rows):
                self._add_new(rows, prints, states)

    def sift(
        self, rows: CleanRows, number: Int64
    ) -> tuple[CleanRows, Uint32, Mapping[str, AssetState]]:
        """Of some rows, at least one, those that are new; the others are rejected or counted.

        Returns
        -------
        rows : CleanRows, k of them
        prints : uint32 [k], their fingerprints
        states : asset -> its state before them
        """
        unmet = [name for name in rows.assets if name not in self.states]
        states = {**self._past.states(unmet)}
        states.update((name, self.states[name]) for name in rows.assets if name in self.states)
        prints = fingerprints(rows, self._reader.roles)
        never = np.iinfo(np.int64).min
        last = np.array([states[a].last if a in states else never for a in rows.assets])
        old = rows.tick <= last[rows.asset]
        if old.any():
            self._add_old(rows.take(old), number[old], prints[old])
            rows, number, prints = rows.take(~old), number[~old], prints[~old]
        if self._reader.stage.duplicates == "refuse":
            rows, number, prints = self._without_conflicts(rows, number, prints)
        return rows, prints, states

    def _add_old(self, rows: CleanRows, number: Int64, prints: Uint32) -> None:
        """Rows at or before the last one of their asset: known already, or late."""
        known, at_all = known_rows(self._past, rows, prints)
        again = int(known.sum())
        if self._source.grew:
            self.not_scored[ALREADY] += again
        else:
            self._reject_rows(rows, number, known, DUPLICATE, ["was scored before"] * again)
        late = ~known
        words = np.where(at_all[late], "differs from what was scored", "was not there").tolist()
        self._reject_rows(rows, number, late, LATE, words)
        for code, name in enumerate(rows.assets):
            ticks = rows.tick[late & (rows.asset == code)]
            if len(ticks):
                self.late[name] = min(int(ticks.min()), self.late.get(name, int(ticks.min())))

    def _without_conflicts(
        self, rows: CleanRows, number: Int64, prints: Uint32
    ) -> tuple[CleanRows, Int64, Uint32]:
        """Rows but for those of one asset and time that contradict each other."""
        conflict = conflicting_rows(rows, prints)
        if not conflict.any():
            return rows, number, prints
        words = ["other readings for one asset and time"] * int(conflict.sum())
        self._reject_rows(rows, number, conflict, CONFLICTING, words)
        # So that they are not taken for late ones when their file has grown.
        self.remember(rows.take(conflict), prints[conflict])
        return rows.take(~conflict), number[~conflict], prints[~conflict]

    def _reject_rows(
        self, rows: CleanRows, number: Int64, which: Bool, reason: str, words: Sequence[str]
    ) -> None:
        names = [rows.assets[code] for code in rows.asset[which]]
        self.reject(
            [reason] * len(names),
            row=number[which],
            asset=names,
            tick=rows.tick[which],
            detail=words,
        )

    def _add_new(self, rows: CleanRows, prints: Uint32, states: Mapping[str, AssetState]) -> None:
        done = score_on(self._reader, states, rows, self._source.name)
        self.states.update(done.states)
        self.repairs.update(done.repairs)
        self.not_scored.update({MERGED: len(rows) - int(done.new.sum())})
        self.remember(rows, prints)
        self._keep_scores(done)
        self._reject_unscored(done)
        self._watch(done)
        events = done.frame.events
        named = (done.frame.assets[code] for code in events.asset)
        self.events.update(zip(named, events.time.tolist(), strict=True))

    def remember(self, rows: CleanRows, prints: Uint32) -> None:
        """Note rows as taken, with their fingerprints."""
        order = np.lexsort((rows.tick, rows.asset))
        edges = np.searchsorted(rows.asset[order], np.arange(len(rows.assets) + 1))
        for code, name in enumerate(rows.assets):
            mine = order[edges[code] : edges[code + 1]]
            self.seen.append(Seen(name, rows.tick[mine], prints[mine]))

    def _keep_scores(self, done: Continued) -> None:
        scores, since = done.scores, self._source.since
        codes = np.array([self._code[name] for name in done.frame.assets], np.int32)
        types = np.zeros((len(scores), 0))
        if scores.type_probability is not None:
            types = scores.probability[:, None] * scores.type_probability
        rows = ScoredRows(
            self._names,
            codes[scores.asset],
            scores.time,
            scores.probability,
            scores.alarm,
            types,
        )
        wanted: Bool | slice = slice(None)
        if since is not None:
            later = scores.time >= since
            self.not_scored[WARM_UP] += int((~later).sum())
            rows, wanted = rows.take(later), later
        self._scored.append(rows)
        self.counts.add(done.frame, scores.row[wanted], scores.alarm[wanted])
        if done.windows is not None:
            self._alarmed.append(done.gather(scores.row[wanted][scores.alarm[wanted]]))

    def _reject_unscored(self, done: Continued) -> None:
        frame, unscored = done.frame, done.new.copy()
        unscored[done.scores.row] = False
        if self._source.since is not None:
            warm_up = unscored & (frame.time < self._source.since)
            self.not_scored[WARM_UP] += int(warm_up.sum())
            unscored &= ~warm_up
        rows = np.flatnonzero(unscored)
        names = [frame.assets[code] for code in frame.asset[rows]]
        reasons = why_unscored(self._reader.bundle, frame, rows)
        self.reject(reasons, asset=names, tick=frame.time[rows])
