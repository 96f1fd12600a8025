"""The state store: one SQLite database that holds the manifest and every asset's state.

A job changes it in one transaction per input file, so a file is taken with all that follows from
it, or not at all.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rareevent.bundle import Bundle
from rareevent.bundle.contents import to_parts
from rareevent.errors import ModelError, OutputError

FORMAT_VERSION = 2


_SCHEMA = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE inputs (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL, hashed_ns INTEGER NOT NULL, rows INTEGER NOT NULL,
    scored INTEGER NOT NULL, rejected INTEGER NOT NULL, alarms INTEGER NOT NULL,
    not_scored TEXT NOT NULL, first TEXT, last TEXT, last_tick INTEGER, model TEXT NOT NULL,
    bundle TEXT NOT NULL, taken TEXT NOT NULL);
CREATE INDEX inputs_by_digest ON inputs (sha256);
CREATE TABLE outputs (
    path TEXT PRIMARY KEY, kind TEXT NOT NULL, input INTEGER NOT NULL, rows INTEGER NOT NULL,
    last_tick INTEGER, step TEXT NOT NULL);
CREATE INDEX outputs_by_step ON outputs (step);
CREATE TABLE states (
    asset TEXT PRIMARY KEY, last INTEGER NOT NULL, times BLOB NOT NULL, sensors BLOB NOT NULL,
    texts TEXT NOT NULL, alarm TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE seen (
    asset TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    times BLOB NOT NULL, prints BLOB NOT NULL);
CREATE INDEX seen_by_asset ON seen (asset, last);
CREATE TABLE waiting (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE late (asset TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE monitored (slot INTEGER PRIMARY KEY, counts BLOB NOT NULL);
"""
_EVENTS = """
CREATE {place} TABLE events (
    asset TEXT NOT NULL, tick INTEGER NOT NULL, PRIMARY KEY (asset, tick)) WITHOUT ROWID;
"""


class Store:
    """The database, open."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that happens inside is kept together, or not at all.

        Raises
        ------
        OutputError
            When the database cannot be written.
        """
        with store_errors(self.path):
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                yield self.connection
                self.connection.execute("COMMIT")
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")

    def about(self, key: str) -> str | None:
        """A fact about the store itself."""
        row = self.connection.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def close(self) -> None:
        """Close the database; what was not committed is gone."""
        self.connection.close()


@contextmanager
def open_store(path: Path, mode: str) -> Iterator[Store]:
    """Open the store.

    Parameters
    ----------
    path : of the database
    mode : "write" makes it where it is absent; "read" then is an empty one, and nothing is written

    Raises
    ------
    OutputError
        When it cannot be opened or read, or is of a format that is not known here.
    """
    with store_errors(path):
        store = Store(_connect(path, mode), path)
    try:
        yield store
    except sqlite3.Error as error:
        # Damage may show only where a page is read.
        raise _unusable(path, error) from error
    finally:
        store.close()


@contextmanager
def empty_store() -> Iterator[Store]:
    """A store in memory in which nothing stands."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        _check_format(connection, Path(":memory:"), "write")
        yield Store(connection, Path(":memory:"))
    finally:
        connection.close()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    if mode == "read":
        # What a job killed in mid-commit left must be rolled back before anything can be read.
        way = "rw" if path.with_name(f"{path.name}-journal").exists() else "ro"
        source = f"{path.absolute().as_uri()}?mode={way}" if path.exists() else ":memory:"
        connection = sqlite3.connect(source, uri=True, isolation_level=None)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None)
        # A commit that was reported survives a power cut.
        connection.execute("PRAGMA synchronous = FULL")
    try:
        _check_format(connection, path, mode)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_format(connection: sqlite3.Connection, path: Path, mode: str) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        schema = _SCHEMA + _EVENTS.format(place="")
        connection.executescript(f"BEGIN; {schema} PRAGMA user_version = {FORMAT_VERSION}; COMMIT")
    elif version == 1 and mode == "write":
        # Format 2 also knows the events that were heeded.
        events = _EVENTS.format(place="")
        connection.executescript(f"BEGIN; {events} PRAGMA user_version = {FORMAT_VERSION}; COMMIT")
    elif version == 1:
        connection.executescript(_EVENTS.format(place="TEMP"))
    elif version != FORMAT_VERSION:
        raise OutputError(
            f"{path}: is no state of a scoring job, or of format {version}; this rareevent knows"
            f" format {FORMAT_VERSION}: name another output"
        )


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Tell in words what SQLite or the system refuses.

    Raises
    ------
    OutputError
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> OutputError:
    return OutputError(f"{path}: the state cannot be used: {error}")


def identity(bundle: Bundle) -> str:
    """A bundle's digest; for one that was never saved, the digest of all that it holds."""
    if bundle.digest:
        return bundle.digest
    plain, arrays = to_parts(bundle)
    total = hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode())
    for name in sorted(arrays):
        total.update(name.encode() + arrays[name].tobytes())
    return total.hexdigest()


def is_anothers(store: Store, bundle: Bundle) -> bool:
    """Whether another bundle left the state."""
    return store.about("bundle") not in (None, identity(bundle))


def check_owner(store: Store, bundle: Bundle) -> None:
    """Refuse the state that another bundle left: it holds other columns, or means another model.

    Raises
    ------
    ModelError
        Names both bundles.
    """
    owner, mine = store.about("bundle"), identity(bundle)
    if owner is not None and is_anothers(store, bundle):
        raise ModelError(
            f"{store.path}: belongs to the bundle {owner[:12]} ({store.about('model')}), but this"
            f" model is {mine[:12]}; name another output, or score everything anew with"
            " --reprocess"
        )


def write_about(connection: sqlite3.Connection, facts: Mapping[str, str]) -> None:
    """Set facts about the store itself."""
    connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", facts.items())
