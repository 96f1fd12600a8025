"""The tables of an output: scores, and what the job must know to go on, changed together.

`NAME` holds scores, `NAME_alarms` alarms, `NAME_rejected` rows without a score. `NAME_states`,
`NAME_seen`, `NAME_inputs`, `NAME_monitored` and `NAME_events` are what the job must know to go on.
They stand in the same database so that one transaction changes them with the scores, and a backup
of one is a backup of the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rareevent.errors import OutputError
from rareevent.ingestion.frame import Int64
from rareevent.ingestion.sql import SqlSource, one_line
from rareevent.scoring.carry import AssetState
from rareevent.scoring.late_events import Taken
from rareevent.scoring.monitor import oldest_kept, pack_counts, unpack_counts
from rareevent.scoring.sql_rows import upsert
from rareevent.scoring.state import Seen, seen_of, seen_values, state_of, state_values

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

_ASKED = 500
STATE_COLUMNS = ("last", "times", "sensors", "texts", "alarm")


@dataclass(frozen=True)
class ScoreTables:
    """The tables of an output, and the model version whose rows are meant.

    Attributes
    ----------
    link : the one connection of a job, which holds its lock too: who loses one loses both
    target : as the user named it
    model : the key that stands in every row
    scores, alarms, rejected, states, seen, inputs, monitored, events : tables
    """

    link: Connection
    target: SqlSource
    model: str
    scores: Table
    alarms: Table
    rejected: Table
    states: Table
    seen: Table
    inputs: Table
    monitored: Table
    events: Table

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All that happens inside is kept together, or not at all.

        Raises
        ------
        OutputError
            When the database refuses.
        """
        with database_errors(self.target), self.link.begin():
            yield self.link

    def read_states(self, assets: Sequence[str]) -> dict[str, AssetState]:
        """The states of those assets that have one."""
        from sqlalchemy import select

        found: dict[str, AssetState] = {}
        table = self.states
        columns = [table.c.asset, *(table.c[name] for name in STATE_COLUMNS)]
        for low in range(0, len(assets), _ASKED):
            asked = table.c.asset.in_(assets[low : low + _ASKED])
            query = select(*columns).where(table.c.model == self.model, asked)
            with self.transaction() as link:
                found.update((row[0], state_of(row[1:])) for row in link.execute(query))
        return found

    def read_seen(self, asset: str, first: int, last: int) -> Seen:
        """Rows of an asset that were taken, between two times or a little beyond."""
        from sqlalchemy import select

        c = self.seen.c
        query = select(c.times, c.prints).where(
            c.model == self.model, c.asset == asset, c.last >= first, c.first <= last
        )
        with self.transaction() as link:
            return seen_of(asset, [tuple(row) for row in link.execute(query)])

    def read_marks(self) -> dict[str, int]:
        """Asset -> last time taken, in ticks."""
        from sqlalchemy import select

        query = select(self.states.c.asset, self.states.c.last).where(
            self.states.c.model == self.model
        )
        with self.transaction() as link:
            return dict(link.execute(query).all())

    def read_inputs(self) -> dict[str, str]:
        """Digest -> name of the files and pages that were taken."""
        from sqlalchemy import select

        c = self.inputs.c
        query = select(c.sha256, c.path).where(c.model == self.model)
        with self.transaction() as link:
            return dict(link.execute(query).all())

    def read_taken(self) -> dict[str, Taken]:
        """What is known of every asset's rows, as far as events matter to them."""
        from sqlalchemy import func, select

        heeded: dict[str, set[int]] = {}
        e, first = self.events.c, self.seen.c
        firsts = select(first.asset, func.min(first.first)).where(first.model == self.model)
        with self.transaction() as link:
            for asset, tick in link.execute(select(e.asset, e.tick).where(e.model == self.model)):
                heeded.setdefault(asset, set()).add(tick)
            begins = dict(link.execute(firsts.group_by(first.asset)).all())
        lasts = self.read_marks()
        return {
            asset: Taken(begin, lasts[asset], frozenset(heeded.get(asset, ())))
            for asset, begin in begins.items()
        }

    def write_heeded(self, link: Connection, events: Mapping[str, Int64]) -> None:
        """Note events as known."""
        names = ("model", "asset", "tick")
        rows = (
            dict(zip(names, (self.model, asset, tick), strict=True))
            for asset, ticks in events.items()
            for tick in ticks.tolist()
        )
        upsert(link, self.events, rows)

    def read_counts(self) -> dict[int, Int64]:
        """All rows counted for drift, slot -> int64 [places]."""
        from sqlalchemy import select

        c = self.monitored.c
        query = select(c.slot, c.counts).where(c.model == self.model).order_by(c.slot)
        with self.transaction() as link:
            return {slot: unpack_counts(counts) for slot, counts in link.execute(query)}

    def owners(self) -> set[str]:
        """The bundles that wrote rows under the model version's name."""
        from sqlalchemy import select

        c = self.inputs.c
        query = select(c.bundle).where(c.model == self.model).distinct()
        with self.transaction() as link:
            return set(link.execute(query).scalars())

    def write_counts(self, link: Connection, slots: Mapping[int, Int64]) -> None:
        """Add rows counted for drift to those that are kept, and drop old ones."""
        from sqlalchemy import func, select

        c, rows = self.monitored.c, []
        mine = c.model == self.model
        for slot, counts in slots.items():
            held = link.execute(select(c.counts).where(mine, c.slot == slot)).scalar()
            total = counts if held is None else counts + unpack_counts(held)
            rows.append({"model": self.model, "slot": slot, "counts": pack_counts(total)})
        upsert(link, self.monitored, rows)
        newest = link.execute(select(func.max(c.slot)).where(mine)).scalar()
        if slots and newest is not None:
            link.execute(self.monitored.delete().where(mine, c.slot <= oldest_kept(newest)))

    def next_slot(self, link: Connection) -> int:
        """A number above those of all slots, for rows that no time orders."""
        from sqlalchemy import func, select

        c = self.monitored.c
        newest = link.execute(select(func.max(c.slot)).where(c.model == self.model)).scalar()
        return 1 if newest is None else newest + 1

    def write_states(self, link: Connection, states: dict[str, AssetState]) -> None:
        """Replace the states of some assets."""
        rows = (
            dict(
                zip(
                    ("model", "asset", *STATE_COLUMNS),
                    (self.model, a, *state_values(s)),
                    strict=True,
                )
            )
            for a, s in states.items()
        )
        upsert(link, self.states, rows)

    def write_seen(self, link: Connection, seen: Iterable[Seen]) -> None:
        """Add rows that were taken."""
        names = ("model", "asset", "first", "last", "times", "prints")
        kept = (s for s in seen if len(s.tick))
        rows = (dict(zip(names, (self.model, s.asset, *seen_values(s)), strict=True)) for s in kept)
        upsert(link, self.seen, rows)

    def start_over(self) -> None:
        """Forget all that this model version scored."""
        with self.transaction() as link:
            for table in (
                *self.output,
                self.states,
                self.seen,
                self.inputs,
                self.monitored,
                self.events,
            ):
                link.execute(table.delete().where(table.c.model == self.model))

    @property
    def output(self) -> tuple[Table, Table, Table]:
        """The tables that a reader wants."""
        return self.scores, self.alarms, self.rejected


@contextmanager
def database_errors(target: SqlSource) -> Iterator[None]:
    """Tell in words what a database refuses.

    Raises
    ------
    OutputError
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        raise OutputError(f"{target.shown}: cannot be used: {one_line(error)}") from None
