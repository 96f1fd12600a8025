"""Where the files that were taken lie now: under their name, or under another one of the input."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rareevent.errors import DataError
from rareevent.scoring.plan import identify
from rareevent.scoring.store import Store


def places_of_taken(store: Store, earliest: int, named: Mapping[str, Path]) -> list[Path]:
    """The files that hold what was taken with rows from a time on, in the order of taking.

    What a file held before it grew or was replaced is asked for only where it is still at hand.

    Parameters
    ----------
    store : Store
    earliest : tick
    named : digest -> a file of the input that holds it

    Raises
    ------
    DataError
        When a file is gone, or was changed and not taken since.
    """
    entries = store.connection.execute(
        "SELECT path, sha256, id IN (SELECT max(id) FROM inputs GROUP BY path) FROM inputs"
        " WHERE last_tick >= ? ORDER BY id",
        (earliest,),
    ).fetchall()
    now = {path: _digest_now(store, Path(path)) for path, _, _ in entries}
    taken = {sha256 for (sha256,) in store.connection.execute("SELECT sha256 FROM inputs")}
    found: list[Path] = []
    for path, sha256, newest in entries:
        if now[path] == sha256:
            found.append(Path(path))
        elif sha256 in named:
            found.append(named[sha256])
        elif newest and now[path] not in taken:
            raise DataError(
                f"--reprocess: {path} is gone or was changed since it was scored; put it back, or"
                " name it in --input, under any name, or to have its new content taken"
            )
    return list(dict.fromkeys(found))


def _digest_now(store: Store, path: Path) -> str | None:
    return identify(store, path).sha256 if path.is_file() else None
