"""Which files a job takes, and in which order."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rareevent.bundle import Bundle
from rareevent.errors import DataError
from rareevent.ingestion.files import digest
from rareevent.ingestion.readers import read_names
from rareevent.scoring.carry import Reader
from rareevent.scoring.inputs import check_columns
from rareevent.scoring.late_events import LateEvents
from rareevent.scoring.state import read_late
from rareevent.scoring.store import Store
from rareevent.scoring.survey import survey_file

# A file changed within so short a time of being hashed may bear the same time stamp.
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True)
class InputFile:
    """A file to take.

    Attributes
    ----------
    path : where it lies
    name : what the manifest knows it by
    sha256 : of its content
    bytes, modified_ns : its size and time stamp before it was hashed
    hashed_ns : when that was
    grew : another content of it was taken before
    rows : as surveyed
    first : its first time, in ticks; None where no row has one
    numbered : whether the place of a row in it means something; in a page of a database it does not
    """

    path: Path
    name: str
    sha256: str
    bytes: int
    modified_ns: int
    hashed_ns: int
    grew: bool = False
    rows: int = 0
    first: int | None = None
    numbered: bool = True

    def check_unchanged(self) -> None:
        """Refuse what was read if the file no longer looks as it did when it was hashed.

        Raises
        ------
        DataError
        """
        found = self.path.stat()
        if (found.st_size, found.st_mtime_ns) != (self.bytes, self.modified_ns):
            raise DataError(
                f"{self.path}: changed while it was being read; run again once it is complete"
            )


@dataclass(frozen=True)
class Plan:
    """What there is to do.

    Attributes
    ----------
    files : to take, by their first time, then name
    known : how many files were taken before
    late : asset -> first time of rows or events that came too late and wait to be heeded
    named : digest -> a file of the input that holds it
    late_events : events of the feed that came too late, met by this job
    """

    files: tuple[InputFile, ...]
    known: int
    late: dict[str, int]
    named: Mapping[str, Path] = field(default_factory=dict)
    late_events: int = 0

    def to_json(self, bundle: Bundle) -> dict[str, Any]:
        """Plain data, JSON-able."""
        return {
            "files": [
                {
                    "file": file.name,
                    "sha256": file.sha256,
                    "rows": file.rows,
                    "first": None if file.first is None else bundle.clock.text(file.first),
                    "grew": file.grew,
                }
                for file in self.files
            ],
            "known": self.known,
            "late": {asset: bundle.clock.text(since) for asset, since in self.late.items()},
            "late_events": self.late_events,
        }

    def with_late(self, events: LateEvents) -> Plan:
        """The plan with events that came late."""
        late = dict(self.late)
        for asset, since in events.since.items():
            late[asset] = min(since, late.get(asset, since))
        return replace(self, late=dict(sorted(late.items())), late_events=events.count)


def make_plan(store: Store, reader: Reader, files: Sequence[Path]) -> Plan:
    """Look at the files and tell which ones are new, by content.

    Raises
    ------
    DataError
        When one of them cannot be read: nothing is scored then, so that no later file overtakes it.
    ModelError
        When one lacks what the model reads.
    """
    fresh: dict[str, InputFile] = {}
    named: dict[str, Path] = {}
    known = 0
    for path in dict.fromkeys(path.absolute() for path in files):
        file = identify(store, path)
        named.setdefault(file.sha256, path)
        if file.sha256 in fresh or _was_taken(store, file):
            known += 1
        else:
            fresh[file.sha256] = _surveyed(store, reader, file)
    ordered = sorted(fresh.values(), key=lambda f: (f.first is not None, f.first, f.name))
    return Plan(tuple(ordered), known, read_late(store), named)


def check_names(files: Sequence[Path]) -> None:
    """Refuse files that neither the manifest nor `rejected` could name.

    Raises
    ------
    DataError
    """
    for path in files:
        try:
            str(path).encode()
        except UnicodeEncodeError:
            raise DataError(f"{str(path)!a}: its name is no UTF-8 text; rename it") from None


def identify(store: Store, path: Path) -> InputFile:
    """A file and its digest; one that looks as it did when it was taken is not read again.

    Raises
    ------
    DataError
        When it cannot be read.
    """
    hashed = time.time_ns()
    try:
        found = path.stat()
        row = store.connection.execute(
            "SELECT sha256 FROM inputs WHERE path = ? AND bytes = ? AND modified_ns = ?"
            " AND modified_ns < hashed_ns - ? ORDER BY id DESC",
            (str(path), found.st_size, found.st_mtime_ns, _SETTLED_NS),
        ).fetchone()
        sha256 = row[0] if row is not None else digest([path])
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    return InputFile(path, str(path), sha256, found.st_size, found.st_mtime_ns, hashed)


def _was_taken(store: Store, file: InputFile) -> bool:
    return _any(store, "sha256", file.sha256)


def _any(store: Store, column: str, value: str) -> bool:
    query = f"SELECT 1 FROM inputs WHERE {column} = ? LIMIT 1"
    return store.connection.execute(query, (value,)).fetchone() is not None


def _surveyed(store: Store, reader: Reader, file: InputFile) -> InputFile:
    names = read_names(file.path, reader.stage)
    check_columns(reader.bundle, names, file.name)
    survey = survey_file(file.path, reader.roles, reader.stage, reader.bundle.clock)
    if survey.problem:
        raise DataError(survey.problem)
    first = survey.span[0] if survey.span else None
    rows = len(survey) + len(survey.broken)
    return replace(file, grew=_any(store, "path", file.name), rows=rows, first=first)
