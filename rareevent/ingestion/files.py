"""Which files an input names, and the digest of their bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from glob import glob, has_magic
from pathlib import Path

from rareevent.errors import DataError

_SUFFIXES = {".csv", ".txt", ".tsv", ".dat", ".parquet", ".pq"}
_PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_CHUNK = 1 << 20


def find_files(source: str | Path | Sequence[Path], key: str = "ingest.source") -> tuple[Path, ...]:
    """The files that a path, a directory, a glob or a list of paths names, sorted.

    In a directory, files below it that end as data files do (.csv, .txt, .tsv, .dat, each also
    .gz; .parquet, .pq) are taken; names that begin with a dot or an underscore are left out.

    Parameters
    ----------
    source : path, directory, glob such as "data/*.parquet", or several paths
    key : the configuration key to name in errors

    Raises
    ------
    DataError
        When nothing is there to read.
    """
    if isinstance(source, str | Path):
        return _matching(str(source), key)
    files = tuple(sorted(Path(path) for path in source))
    absent = [path for path in files if not path.is_file()]
    if absent or not files:
        received = absent[0] if absent else "an empty list"
        raise DataError(f"{key}: no such file: {received}")
    return files


def _matching(source: str, key: str) -> tuple[Path, ...]:
    path = Path(source).expanduser()
    # Other than Path.is_file, these raise nothing, whatever the name.
    if os.path.isfile(path):
        return (path,)
    if os.path.isdir(path):
        files = _below(path)
        if not files:
            raise DataError(
                f"{key}: the directory {source} holds no data file"
                f" ({', '.join(sorted(_SUFFIXES))}, or one of them as .gz)"
            )
        return tuple(sorted(files))
    if not has_magic(source):
        raise DataError(f"{key}: no such file or directory: {source}")
    found = [Path(name) for name in glob(str(path), recursive=True)]
    matching = {f for f in found if f.is_file()}
    matching.update(below for f in found if f.is_dir() for below in _below(f))
    if not matching:
        raise DataError(f"{key}: no file matches {source}")
    return tuple(sorted(matching))


def _below(directory: Path) -> list[Path]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return [path for path in files if _is_data(path, directory)]


def _is_data(path: Path, directory: Path) -> bool:
    parts = path.relative_to(directory).parts
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    return suffix.lower() in _SUFFIXES and not any(part[0] in "._" for part in parts)


def file_kind(path: Path) -> str:
    """What a file holds, told by its first bytes: "parquet", "gzip" or "text".

    Raises
    ------
    DataError
        When the file is empty, cannot be read, or is an archive or spreadsheet.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(4)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if not head:
        raise DataError(f"{path}: is empty; expected a table with one row per asset and time")
    if head == _ZIP:
        raise DataError(f"{path}: is a ZIP archive or spreadsheet; export it as CSV or Parquet")
    if head == _PARQUET:
        return "parquet"
    return "gzip" if head[:2] == _GZIP else "text"


def digest(files: Sequence[Path]) -> str:
    """SHA-256 of the files' bytes, one after the other, as `cat FILES | sha256sum` prints it."""
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                total.update(chunk)
    return total.hexdigest()
