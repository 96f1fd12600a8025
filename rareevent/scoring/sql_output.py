"""Scores in a database: tables beside each other, changed together or not at all.

`NAME` holds scores, `NAME_alarms` alarms, `NAME_rejected` rows without a score. `NAME_states`,
`NAME_seen` and `NAME_inputs` are what the job must know to go on. They stand in the same database
so that one transaction changes them with the scores, and a backup of one is a backup of the other.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rareevent.bundle import Bundle
from rareevent.errors import ConfigError, LockedError, OutputError
from rareevent.ingestion.sql import SqlSource, connect, one_line
from rareevent.scoring.carry import AssetState
from rareevent.scoring.state import Seen, seen_of, seen_values, state_of, state_values

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table

KEY = "--output"
DIALECTS = ("postgresql", "sqlite")
_BATCH_ROWS = 5_000
_ASKED = 500
# A server takes a moment to notice that a job was killed.
_LOCK_SECONDS = 3.0
_STATE = ("last", "times", "sensors", "texts", "alarm")


@dataclass(frozen=True)
class ScoreTables:
    """The tables of an output, and the model version whose rows are meant.

    Attributes
    ----------
    engine : of the database
    target : as the user named it
    model : the key that stands in every row
    scores, alarms, rejected, states, seen, inputs : tables
    """

    engine: Engine
    target: SqlSource
    model: str
    scores: Table
    alarms: Table
    rejected: Table
    states: Table
    seen: Table
    inputs: Table

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All that happens inside is kept together, or not at all.

        Raises
        ------
        OutputError
            When the database refuses.
        """
        with database_errors(self.target), self.engine.begin() as link:
            yield link

    def read_states(self, assets: Sequence[str]) -> dict[str, AssetState]:
        """The states of those assets that have one."""
        from sqlalchemy import select

        table, found = self.states, {}
        columns = [table.c.asset, *(table.c[name] for name in _STATE)]
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

    def write_states(self, link: Connection, states: dict[str, AssetState]) -> None:
        """Replace the states of some assets."""
        rows = (
            dict(zip(("model", "asset", *_STATE), (self.model, a, *state_values(s)), strict=True))
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
            for table in (*self.output, self.states, self.seen, self.inputs):
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


@contextmanager
def open_tables(target: SqlSource, bundle: Bundle, model: str) -> Iterator[ScoreTables]:
    """The tables, made where they are absent, and held by this job alone.

    Raises
    ------
    ConfigError
        When the database is of a kind that is not known here.
    LockedError
        When another job holds them.
    OutputError
        When they cannot be made, or have other columns.
    """
    engine = connect(target.url, KEY)
    if engine.dialect.name not in DIALECTS:
        raise ConfigError(
            f"{KEY}: {target.shown}: scores are written to {' and '.join(DIALECTS)} only; received"
            f" {engine.dialect.name}"
        )
    tables = _define(engine, target, bundle, model)
    held = _server_lock if engine.dialect.name == "postgresql" else _file_lock
    with held(engine, target):
        with tables.transaction() as link:
            tables.scores.metadata.create_all(link)
            _check_columns(link, tables)
        yield tables


def upsert(link: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows, or replace those with the same key, some thousand at a time."""
    from sqlalchemy.dialects import postgresql, sqlite

    insert = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}[link.dialect.name](table)
    key = [column.name for column in table.primary_key]
    others = {c.name: insert.excluded[c.name] for c in table.columns if c.name not in key}
    statement = insert.on_conflict_do_update(index_elements=key, set_=others)
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH_ROWS:
            link.execute(statement, batch)
            batch = []
    if batch:
        link.execute(statement, batch)


def _define(engine: Engine, target: SqlSource, bundle: Bundle, model: str) -> ScoreTables:
    from sqlalchemy import BigInteger, Boolean, DateTime, Double, LargeBinary, MetaData, Table, Text
    from sqlalchemy import Column as Plain

    schema, _, name = target.what.rpartition(".")
    metadata, types = MetaData(schema=schema or None), bundle.config.model.type_names
    moment = DateTime() if bundle.clock.kind == "datetime" else BigInteger()

    def table(suffix: str, key: dict[str, Any], others: dict[str, Any]) -> Table:
        keys = [Plain(n, kind, primary_key=True, autoincrement=False) for n, kind in key.items()]
        return Table(f"{name}{suffix}", metadata, *keys, *(Plain(n, k) for n, k in others.items()))

    row = {"asset": Text(), "time": moment, "model": Text()}
    told = {f"probability_{kind}": Double() for kind in types}
    likeliest = {"type": Text()} if types else {}
    of_asset = {"model": Text(), "asset": Text()}
    rejected = {"model": Text(), "file": Text(), "row": BigInteger(), "asset": Text()}
    rejected |= {"time": moment, "reason": Text(), "detail": Text()}
    counts = dict.fromkeys(("rows", "scored", "rejected", "alarms"), BigInteger())
    words = dict.fromkeys(("not_scored", "first", "last", "bundle", "taken"), Text())
    state = dict(
        zip(_STATE, (BigInteger(), LargeBinary(), LargeBinary(), Text(), Text()), strict=1)
    )
    return ScoreTables(
        engine,
        target,
        model,
        table("", row, {"probability": Double(), **told, "alarm": Boolean()}),
        table("_alarms", row, {"probability": Double(), "threshold": Double(), **likeliest}),
        table("_rejected", {"id": Text()}, rejected),
        table("_states", of_asset, state),
        table(
            "_seen",
            {**of_asset, "first": BigInteger()},
            {"last": BigInteger(), "times": LargeBinary(), "prints": LargeBinary()},
        ),
        table("_inputs", {"model": Text(), "sha256": Text()}, {"path": Text(), **counts, **words}),
    )


def _check_columns(link: Connection, tables: ScoreTables) -> None:
    from sqlalchemy import inspect

    look = inspect(link)
    for table in tables.scores.metadata.tables.values():
        found = {column["name"] for column in look.get_columns(table.name, table.schema)}
        absent = [column.name for column in table.columns if column.name not in found]
        if absent:
            raise OutputError(
                f"{tables.target.shown}: the table {table.name!r} lacks the columns"
                f" {', '.join(absent)}; name another table, and it will be made"
            )


@contextmanager
def _server_lock(engine: Engine, target: SqlSource) -> Iterator[None]:
    """A lock that the server lets go of when the connection ends, however it ends."""
    from sqlalchemy import func, select

    number = int.from_bytes(hashlib.sha256(target.what.encode()).digest()[:8], "big", signed=True)
    with database_errors(target):
        link = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    with link:
        until = time.monotonic() + _LOCK_SECONDS
        while True:
            with database_errors(target):
                mine = link.execute(select(func.pg_try_advisory_lock(number))).scalar()
            if mine:
                break
            if time.monotonic() > until:
                raise _locked(target)
            time.sleep(0.1)
        yield


@contextmanager
def _file_lock(engine: Engine, target: SqlSource) -> Iterator[None]:
    from filelock import FileLock, Timeout

    database = Path(engine.url.database or "scores")
    lock = FileLock(database.with_name(f".{database.name}.rareevent.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise _locked(target) from None
    except OSError as error:
        raise OutputError(f"{target.shown}: cannot be written: {error}") from None
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _locked(target: SqlSource) -> LockedError:
    return LockedError(
        f"{target.shown}: another job is writing there; wait for it or name another table"
    )
