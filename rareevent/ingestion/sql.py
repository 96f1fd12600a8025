"""Tables and queries of a database as Parquet files: read page by page, never all in memory.

A source is a SQLAlchemy URL, a "#", and a table or a query:

    postgresql+psycopg://user@host/plant#readings
    sqlite:///plant.db#select time, asset, flow from readings where flow is not null

A password stands in the environment, not in a pipeline file: `${NAME}` in a URL is filled in when
the database is opened, and a URL with a password in clear is refused.

The pages are kept in a temporary folder while they are ingested, so that a database takes the
same way as a file: the same checks, the same digest of bytes, the same errors.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rareevent.errors import ConfigError, DataError
from rareevent.ingestion.files import find_files

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Engine, Select, TextClause

_PAGE_ROWS = 50_000
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9_]*(\+[A-Za-z0-9_]+)?://")
# The user's part of a URL, up to its last "@"; and settings behind the "?" that drivers know.
_PASSWORDS = (
    re.compile(r"(://[^:/@]*:)(.*)(?=@)"),
    re.compile(r"([?&][^=&]*(?:password|passwd|pwd|secret|token)[^=&]*=)([^&]*)", re.IGNORECASE),
)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_QUERY = re.compile(r"^\s*(select|with|values|table)\b", re.IGNORECASE)


@dataclass(frozen=True)
class SqlSource:
    """A table or a query of a database.

    Attributes
    ----------
    url : SQLAlchemy URL
    what : table, "schema.table", or a query that starts with select, with, values or table
    """

    url: str
    what: str

    @property
    def is_query(self) -> bool:
        """Whether it is a query, not a table."""
        return _QUERY.match(self.what) is not None

    @property
    def shown(self) -> str:
        """For messages: without the password."""
        return f"{shown_url(self.url)}#{self.what}"


def is_sql(source: object) -> bool:
    """Whether a source or an output is a SQLAlchemy URL rather than a path.

    Examples
    --------
    >>> is_sql("sqlite:///plant.db#readings"), is_sql("data/plant.csv")
    (True, False)
    """
    return isinstance(source, str) and _URL.match(source) is not None


def parse_sql(source: str, key: str) -> SqlSource:
    """The URL and the table or query of a source.

    Raises
    ------
    ConfigError
        When it names no table.

    Examples
    --------
    >>> parse_sql("sqlite:///plant.db#readings", "ingest.source")
    SqlSource(url='sqlite:///plant.db', what='readings')
    """
    url, _, what = source.partition("#")
    if not what.strip():
        raise ConfigError(
            f"{key}: a database URL needs a table or a query after '#', such as"
            f" {shown_url(url)}#readings"
        )
    return SqlSource(url, what.strip())


def absolute_source(source: str) -> str:
    """A path, or an SQLite database in a URL, as seen from any folder; other URLs as they are.

    Examples
    --------
    >>> absolute_source("postgresql+psycopg://host/plant#readings")
    'postgresql+psycopg://host/plant#readings'
    """
    if not is_sql(source):
        return str(Path(source).absolute())
    scheme, slashes, rest = source.partition(":///")
    if not scheme.startswith("sqlite") or not slashes:
        return source
    database, mark, what = rest.partition("#")
    return f"{scheme}:///{Path(database).absolute()}{mark}{what}"


def shown_url(url: str) -> str:
    """A URL for messages: without the password."""
    for password in _PASSWORDS:
        url = password.sub(r"\1***", url)
    return url


def query_rows(query: str) -> TextClause:
    """A query as it stands, whatever colons it has and whatever it ends with."""
    from sqlalchemy import text

    # SQLAlchemy takes ":name" for a parameter. What follows a comment must begin a new line.
    return text(re.sub(r"(?<![:\\]):(?=\w)", r"\\:", query.rstrip("; \n")) + "\n")


def connect(url: str, key: str) -> Engine:
    """An engine for a URL; nothing is opened yet.

    Raises
    ------
    ConfigError
        When the URL cannot be read, holds a password in clear, or names a variable that is not
        set or a database that SQLAlchemy does not know.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    from sqlalchemy.pool import NullPool

    found = [password.search(url) for password in _PASSWORDS]
    if any(password and not _VARIABLE.fullmatch(password[2]) for password in found):
        raise ConfigError(
            f"{key}: {shown_url(url)}: a password in clear would be kept with every run; write"
            " ${NAME} in its place and set that variable, or use the database's own ways"
            " (PGPASSWORD, .pgpass)"
        )
    absent = [name for name in _VARIABLE.findall(url) if name not in os.environ]
    if absent:
        raise ConfigError(f"{key}: {shown_url(url)}: the variable {absent[0]} is not set")
    filled = _VARIABLE.sub(lambda match: _quoted(os.environ[match[1]]), url)
    try:
        # Nobody waits here for connections, and a job that was forked shares none.
        return create_engine(filled, poolclass=NullPool)
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise ConfigError(f"{key}: {shown_url(url)}: {one_line(error)}") from None
    except ImportError as error:
        raise ConfigError(
            f"{key}: {shown_url(url)}: the driver of this database is not installed: {error}"
        ) from None


def _quoted(text: str) -> str:
    """A text as a URL takes it."""
    from urllib.parse import quote

    return quote(text, safe="")


def one_line(error: Exception) -> str:
    """What a database complains about, without SQLAlchemy's link and the statement."""
    text = str(getattr(error, "orig", None) or error)
    return " ".join(text.split("(Background on")[0].split())[:200]


@contextmanager
def source_files(
    source: str | Path | Sequence[Path], key: str, order_by: Sequence[str] = ()
) -> Iterator[tuple[Path, ...]]:
    """The files of a source, for as long as they are needed; a database is copied into some.

    Parameters
    ----------
    source : path, directory, glob or list of paths as for `find_files`, or a database source
    key : the configuration key to name in errors
    order_by : columns to sort a database source by, so that the same rows give the same bytes

    Raises
    ------
    ConfigError, DataError
        When it cannot be read.
    """
    if not is_sql(source):
        yield find_files(source, key)
        return
    with tempfile.TemporaryDirectory(prefix="rareevent-") as folder:
        yield _copy(parse_sql(str(source), key), Path(folder), key, order_by)


def _copy(source: SqlSource, folder: Path, key: str, order_by: Sequence[str]) -> tuple[Path, ...]:
    import pyarrow.parquet as pq
    from sqlalchemy.exc import SQLAlchemyError

    files = []
    try:
        for number, page in enumerate(_pages(source, key, order_by)):
            files.append(folder / f"page_{number:06d}.parquet")
            pq.write_table(page, files[-1])
    except SQLAlchemyError as error:
        raise DataError(f"{source.shown}: cannot be read: {one_line(error)}") from None
    if not files:
        raise DataError(f"{source.shown}: holds no row")
    return tuple(files)


def _pages(source: SqlSource, key: str, order_by: Sequence[str]) -> Iterator[pa.Table]:
    """The rows, some ten thousand at a time; a column without a value has no type yet."""
    import pyarrow as pa

    engine = connect(source.url, key)
    # Without this option the driver fetches all rows before it hands over the first.
    with engine.connect().execution_options(stream_results=True) as link:
        result = link.execute(_statement(source, engine, order_by))
        names = list(result.keys())
        for rows in result.partitions(_PAGE_ROWS):
            columns = zip(*rows, strict=True)
            yield pa.table({n: page_column(c) for n, c in zip(names, columns, strict=True)})


def _statement(source: SqlSource, engine: Engine, order_by: Sequence[str]) -> Select[Any]:
    from sqlalchemy import column, inspect, literal_column, select, table

    if source.is_query:
        rows: Any = query_rows(source.what).columns().subquery("rows")
        return select(literal_column("*")).select_from(rows).order_by(*map(column, order_by))
    schema, _, name = source.what.rpartition(".")
    look = inspect(engine)
    if not look.has_table(name, schema or None) and name not in look.get_view_names(schema or None):
        found = ", ".join(look.get_table_names(schema or None)[:12])
        raise DataError(f"{source.shown}: there is no such table; the database has: {found}")
    rows = table(name, schema=schema or None)
    return select(literal_column("*")).select_from(rows).order_by(*map(column, order_by))


def page_column(values: Sequence[Any]) -> pa.Array:
    """A page of one column; exact decimals become floats, as sensors are."""
    from decimal import Decimal

    import pyarrow as pa

    if any(isinstance(value, Decimal) for value in values):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    try:
        column = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        column = None
    # Databases without strict types mix them; as text, ingestion tells what is a number. Text is
    # also what ingestion takes of types of Arrow's own extensions, such as UUIDs.
    if column is None or isinstance(column.type, pa.BaseExtensionType):
        return pa.array([None if v is None else str(v) for v in values], pa.string())
    return column
