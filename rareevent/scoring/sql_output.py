"""A database that scores are written to: opened by one job at a time, or looked at."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rareevent.bundle import Bundle
from rareevent.errors import ConfigError, LockedError, OutputError
from rareevent.ingestion.sql import SqlSource, connect
from rareevent.scoring.alarm_evidence import EVIDENCE
from rareevent.scoring.sql_rows import add_columns
from rareevent.scoring.sql_tables import STATE_COLUMNS, ScoreTables, database_errors

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table

KEY = "--output"
DIALECTS = ("postgresql", "sqlite")
# A server takes a moment to notice that a job was killed.
_LOCK_SECONDS = 3.0


@contextmanager
def open_tables(
    target: SqlSource, bundle: Bundle, model: str, evidence: bool = False
) -> Iterator[ScoreTables]:
    """The tables, made where they are absent, and held by this job alone.

    With evidence, alarms made without it so far get its columns, empty where they were not told.

    Raises
    ------
    ConfigError
        When the database is of a kind that is not known here.
    LockedError
        When another job holds them.
    OutputError
        When they cannot be made, or have other columns.
    """
    engine = _engine(target)
    held = _server_lock if engine.dialect.name == "postgresql" else _file_lock
    with _connected(engine, target) as link, held(link, target):
        tables = _define(link, target, bundle, model, evidence)
        with tables.transaction():
            tables.scores.metadata.create_all(link)
            if evidence:
                add_columns(link, tables.alarms, EVIDENCE)
            _check_columns(link, tables)
        yield tables


@contextmanager
def look_at_tables(target: SqlSource, bundle: Bundle, model: str) -> Iterator[ScoreTables | None]:
    """The tables, to be read only; None where a job that writes there would have to make one.

    Raises
    ------
    ConfigError
        When the database is of a kind that is not known here.
    OutputError
        When it cannot be read, or the tables have other columns.
    """
    from sqlalchemy import inspect

    with _connected(_engine(target), target) as link:
        tables = _define(link, target, bundle, model)
        with tables.transaction():
            look, wanted = inspect(link), tables.scores.metadata.tables.values()
            there = all(look.has_table(table.name, table.schema) for table in wanted)
            if there:
                _check_columns(link, tables)
        yield tables if there else None


def _engine(target: SqlSource) -> Engine:
    engine = connect(target.url, KEY)
    if engine.dialect.name not in DIALECTS:
        raise ConfigError(
            f"{KEY}: {target.shown}: scores are written to {' and '.join(DIALECTS)} only; received"
            f" {engine.dialect.name}"
        )
    if engine.dialect.name == "sqlite" and engine.url.database in (None, "", ":memory:"):
        raise ConfigError(
            f"{KEY}: {target.shown}: a database in memory would be gone with the job; name a file,"
            " such as sqlite:///scores.db#scores"
        )
    return engine


@contextmanager
def _connected(engine: Engine, target: SqlSource) -> Iterator[Connection]:
    """One connection, closed at the end even where its server is gone."""
    with database_errors(target):
        link = engine.connect()
    try:
        yield link
    finally:
        with database_errors(target):
            link.close()


def _define(
    link: Connection, target: SqlSource, bundle: Bundle, model: str, evidence: bool = False
) -> ScoreTables:
    """The tables of an output as they should be, whether they are there or not.

    With evidence, alarms have columns for the sensors that raised the score most.
    """
    from sqlalchemy import BigInteger, Boolean, DateTime, Double, LargeBinary, MetaData, Table, Text
    from sqlalchemy import Column as Plain

    schema, _, name = target.what.rpartition(".")
    metadata, types = MetaData(schema=schema or None), bundle.config.model.type_names
    moment = DateTime() if bundle.clock.kind == "datetime" else BigInteger()

    def table(suffix: str, key: dict[str, Any], others: dict[str, Any]) -> Table:
        keys = [Plain(n, kind, primary_key=True, autoincrement=False) for n, kind in key.items()]
        return Table(f"{name}{suffix}", metadata, *keys, *(Plain(n, k) for n, k in others.items()))

    row = {"asset": Text(), "time": moment, "model": Text()}
    told: dict[str, Double[float]] = {f"probability_{kind}": Double() for kind in types}
    likeliest: dict[str, Any] = {"type": Text()} if types else {}
    if evidence:
        likeliest |= {n: Text() if n.startswith("sensor") else Double() for n in EVIDENCE}
    of_asset = {"model": Text(), "asset": Text()}
    rejected = {"model": Text(), "file": Text(), "row": BigInteger(), "asset": Text()}
    rejected |= {"time": moment, "reason": Text(), "detail": Text()}
    counts = dict.fromkeys(("rows", "scored", "rejected", "alarms"), BigInteger())
    words = dict.fromkeys(("not_scored", "first", "last", "bundle", "taken"), Text())
    kinds = (BigInteger(), LargeBinary(), LargeBinary(), Text(), Text())
    state = dict(zip(STATE_COLUMNS, kinds, strict=True))
    return ScoreTables(
        link,
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
        table("_monitored", {"model": Text(), "slot": BigInteger()}, {"counts": LargeBinary()}),
        table("_events", {**of_asset, "tick": BigInteger()}, {}),
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
def _server_lock(link: Connection, target: SqlSource) -> Iterator[None]:
    """A lock that the server lets go of when the connection ends, however it ends."""
    from sqlalchemy import func, select

    schema, _, name = target.what.rpartition(".")
    with database_errors(target), link.begin():
        # However a table is named, it is one table.
        place = schema or link.execute(select(func.current_schema())).scalar()
    number = hashlib.sha256(f"{place}.{name}".encode()).digest()[:8]
    locked = select(func.pg_try_advisory_lock(int.from_bytes(number, "big", signed=True)))
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        with database_errors(target), link.begin():
            mine = link.execute(locked).scalar()
        if mine:
            break
        if time.monotonic() > until:
            raise _locked(target)
        time.sleep(0.1)
    yield


@contextmanager
def _file_lock(link: Connection, target: SqlSource) -> Iterator[None]:
    from filelock import FileLock, Timeout

    database = Path(link.engine.url.database or "").resolve()
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
