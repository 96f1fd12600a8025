"""Files that are there whole, or as they were before."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from rareevent.errors import OutputError


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to, which takes its place at the end of the block.

    An error leaves the file as it was, and nothing beside it.

    Raises
    ------
    OutputError
        When the system refuses to write there.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield aside
        aside.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def write_files(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Write files, by name, into a folder, which is made where it is missing; their paths.

    Raises
    ------
    OutputError
        When the system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from None
    for name, content in contents.items():
        with written_aside(folder / name) as aside:
            aside.write_bytes(content)
    return [folder / name for name in contents]
