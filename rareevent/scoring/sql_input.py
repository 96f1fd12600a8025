"""The rows of a database that were not scored before, spooled to Parquet files page by page.

The database compares each row's time with the last one scored of its asset, so later jobs read
only what is new, and an hour more, or sixty rows, for rows that came late. Where that comparison
can only be rough (times as text, local times), a day more is read. What comes again is told from
what is new by the job.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rareevent.config import Ingest
from rareevent.errors import DataError
from rareevent.ingestion.frame import Clock
from rareevent.ingestion.roles import Roles
from rareevent.ingestion.sql import SqlSource, connect, one_line, page_column, query_rows

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import ColumnClause, Connection, FromClause, Select

KEY = "--input"
_FETCHED = 50_000
# Databases take some ten thousand parameters; a mark needs two. Assets beyond are read again.
_MOST_MARKS = 15_000
_TICKS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
_ISO_DATE = re.compile(r"^\s*\d{4}-\d{2}-\d{2}")
_EPOCH = datetime(1970, 1, 1)
_EARLIEST = -62_000_000_000_000_000
# A day, farther apart than any two clocks of the world; and how late rows are looked for.
_SLACK, _LATE, _LATE_ROWS = 86_400_000_000, 3_600_000_000, 60


@dataclass(frozen=True)
class NewRows:
    """What to read of a source.

    Attributes
    ----------
    source : table or query
    roles : the columns to read
    stage : how times are written
    clock : how the model counts them
    marks : asset -> last time taken, in ticks; assets without one are read from their first row
    """

    source: SqlSource
    roles: Roles
    stage: Ingest
    clock: Clock
    marks: Mapping[str, int]


def table_names(source: SqlSource) -> tuple[str, ...]:
    """The columns of a source.

    Raises
    ------
    ConfigError, DataError
        When there is no such source.
    """
    from sqlalchemy import literal_column, select
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with connect(source.url, KEY).connect() as link:
            rows = _rows(source, ())
            return tuple(
                link.execute(select(literal_column("*")).select_from(rows).limit(0)).keys()
            )
    except SQLAlchemyError as error:
        raise _unreadable(source, error) from None


def spool(wanted: NewRows, folder: Path, rows: int) -> list[Path]:
    """Write the new rows to Parquet files in the order of their times.

    Rows of one time stand in one file, so that no file comes between an asset's rows of a time.

    Parameters
    ----------
    wanted : NewRows
    folder : where the files go
    rows : of a file, about

    Raises
    ------
    DataError
        When the source cannot be read, or its times do not sort.
    """
    import pyarrow.parquet as pq
    from sqlalchemy.exc import SQLAlchemyError

    files: list[Path] = []
    try:
        # Without this option the driver fetches all rows before it hands over the first.
        options = {"stream_results": True}
        with connect(wanted.source.url, KEY).connect().execution_options(**options) as link:
            statement = _statement(link, wanted)
            for page in _pages(link, statement, wanted.roles, rows):
                files.append(folder / f"page_{len(files):06d}.parquet")
                pq.write_table(page, files[-1])
    except SQLAlchemyError as error:
        raise _unreadable(wanted.source, error) from None
    return files


def count_new(wanted: NewRows) -> tuple[int, str | None]:
    """How many rows `spool` would write, and the first of their times, as the database shows it."""
    from sqlalchemy import func, select
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with connect(wanted.source.url, KEY).connect() as link:
            rows = _statement(link, wanted).order_by(None).subquery("wanted")
            first = func.min(rows.c[wanted.roles.time])
            count, first = link.execute(select(func.count(), first).select_from(rows)).one()
    except SQLAlchemyError as error:
        raise _unreadable(wanted.source, error) from None
    return count, None if first is None else str(first)


def _unreadable(source: SqlSource, error: Exception) -> DataError:
    return DataError(f"{source.shown}: cannot be read: {one_line(error)}")


def _rows(source: SqlSource, names: Sequence[str]) -> FromClause:
    from sqlalchemy import column, table

    columns: list[ColumnClause[Any]] = [column(name) for name in names]
    if source.is_query:
        return query_rows(source.what).columns(*columns).subquery("rows")
    schema, _, name = source.what.rpartition(".")
    return table(name, *columns, schema=schema or None)


def _statement(link: Connection, wanted: NewRows) -> Select[Any]:
    from sqlalchemy import select

    names = list(dict.fromkeys(wanted.roles.read))
    rows = _rows(wanted.source, names)
    time = rows.c[wanted.roles.time]
    sample = link.execute(select(time).where(time.is_not(None)).limit(1)).scalar()
    _refuse_unsorted(wanted, sample)
    order = [time] if wanted.roles.asset is None else [time, rows.c[wanted.roles.asset]]
    statement = select(*(rows.c[name] for name in names))
    marks = _raw_marks(wanted, sample)
    if marks is not None:
        statement = _after_marks(statement, rows, wanted.roles, marks)
    return statement.order_by(*order)


def _refuse_unsorted(wanted: NewRows, sample: object) -> None:
    """Text sorts as time does only where it begins with the year."""
    if isinstance(sample, str) and not (
        wanted.clock.kind == "datetime" and _ISO_DATE.match(sample)
    ):
        raise DataError(
            f"{wanted.source.shown}: column {wanted.roles.time!r} holds times as text that does not"
            f" sort as time does, such as {sample!r}; name a query that turns it into a timestamp"
            " or a number"
        )


def _raw_marks(wanted: NewRows, sample: object) -> dict[str, Any] | None:
    """From when on each asset's rows are read, as the column holds times; None for all rows."""
    newest = sorted(wanted.marks.items(), key=lambda mark: -mark[1])[:_MOST_MARKS]
    unit = _TICKS.get(wanted.stage.time_format or "", 1)
    if not newest or sample is None:
        return None
    back = _look_back(wanted.clock)
    if wanted.clock.kind == "age" or wanted.stage.time_format in _TICKS:
        exact = isinstance(sample, int | float | Decimal)
        # Rounded down, a mark lets a row through that is known; rounded up it would hide one.
        return {a: (tick - back) // unit for a, tick in newest} if exact else None
    if not isinstance(sample, str | date):
        return None
    zoned = isinstance(sample, datetime) and sample.tzinfo is not None
    rough = not zoned and (not isinstance(sample, datetime) or wanted.stage.timezone is not None)
    back = max(back, _SLACK) if rough else back
    times = {
        asset: _EPOCH + timedelta(microseconds=max(t - back, _EARLIEST)) for asset, t in newest
    }
    if isinstance(sample, str):
        return {asset: time.strftime("%Y-%m-%d") for asset, time in times.items()}
    if isinstance(sample, datetime):
        return {a: time.replace(tzinfo=UTC) if zoned else time for a, time in times.items()}
    return {asset: time.date() for asset, time in times.items()}


def _look_back(clock: Clock) -> int:
    """How far before an asset's last row to look for rows that came late, in ticks."""
    rows = _LATE_ROWS * clock.interval
    return max(rows, _LATE) if clock.kind == "datetime" else rows


def _after_marks(
    statement: Select[Any], rows: FromClause, roles: Roles, marks: Mapping[str, Any]
) -> Select[Any]:
    from sqlalchemy import Text, cast, column, literal, or_, values

    time = rows.c[roles.time]

    def after(mark: Any) -> Any:
        return or_(time.is_(None), time >= mark)

    if roles.asset is None:
        return statement.where(after(next(iter(marks.values()))))
    kind = literal(next(iter(marks.values()))).type
    table = values(column("asset", Text), column("mark", kind), name="marks")
    known = table.data(list(marks.items())).cte("marks")
    joined = rows.outerjoin(known, cast(rows.c[roles.asset], Text) == known.c.asset)
    return statement.select_from(joined).where(or_(known.c.asset.is_(None), after(known.c.mark)))


def _pages(link: Connection, statement: Select[Any], roles: Roles, rows: int) -> Iterator[pa.Table]:
    import pyarrow as pa

    result = link.execute(statement)
    names, held = list(result.keys()), []
    for fetched in result.partitions(min(rows, _FETCHED)):
        columns = zip(*fetched, strict=True)
        page = {name: page_column(column) for name, column in zip(names, columns, strict=True)}
        held.append(pa.table(page))
        if sum(map(len, held)) >= rows:
            whole = _joined(held)
            cut = _where_last_begins(whole[roles.time])
            if cut:
                yield whole.slice(0, cut)
            held = [whole.slice(cut)]
    if held:
        yield _joined(held)


def _where_last_begins(time: pa.ChunkedArray) -> int:
    """The first of the rows at the end that share one time."""
    last = time[len(time) - 1]
    begin = len(time) - 1
    while begin and time[begin - 1] == last:
        begin -= 1
    return begin


def _joined(tables: Iterable[pa.Table]) -> pa.Table:
    """One table; a column that is text in one of them is text in all."""
    import pyarrow as pa

    tables = list(tables)
    try:
        return pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        names = tables[0].column_names
        mixed = [
            n for n in names if any(pa.types.is_string(t.schema.field(n).type) for t in tables)
        ]
        for name in mixed:
            place = names.index(name)
            tables = [t.set_column(place, name, t[name].cast(pa.string())) for t in tables]
        return pa.concat_tables(tables, promote_options="permissive").combine_chunks()
