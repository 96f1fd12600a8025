"""CSV and Parquet files as record batches: never a whole file in memory at once.

A CSV file comes as text, cell by cell as it stands in the file, so that one path decides what is a
number, a category or dirt; a Parquet file comes with the types it has.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from rareevent.config import Ingest
from rareevent.errors import ConfigError, DataError
from rareevent.ingestion.files import file_kind

if TYPE_CHECKING:
    from typing_extensions import Buffer

# Large enough that converting a block costs far more than handing it over, small enough that the
# text of a few blocks does not matter beside the numbers it becomes.
_BLOCK_BYTES = 4 << 20
_BATCH_ROWS = 1 << 17
_PARQUET_BUFFER = 1 << 18
# A header must fit: 50,000 names of 20 bytes.
_HEADER_BYTES = 1 << 20

Report = Callable[[str], None]


def read_names(path: Path, stage: Ingest) -> tuple[str, ...]:
    """The column names of a file, stripped; a nameless column i is called "Unnamed: i".

    Raises
    ------
    DataError
        When the file cannot be read, or two of its columns have the same name.
    """
    names = tuple(name.strip() or f"Unnamed: {i}" for i, name in enumerate(_raw_names(path, stage)))
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        hint = "" if stage.columns else "; if the file has no header, set ingest.header: false"
        raise DataError(f"{path}: more than one column is named {twice[0]!r}{hint}")
    return names


def read_batches(
    path: Path,
    stage: Ingest,
    wanted: Sequence[str],
    report: Report,
    on_broken: Report | None = None,
) -> Iterator[pa.RecordBatch]:
    """The wanted columns of a file, in that order, batch by batch.

    Parameters
    ----------
    path : a CSV, CSV.gz or Parquet file
    stage : how CSV files are written (separator, header, missing markers)
    wanted : names as `read_names` gives them
    report : called with a line on what is wrong with the file's rows
    on_broken : called instead with the text of each row that does not have the header's fields

    Raises
    ------
    DataError
        When the file cannot be read to its end.
    """
    names = read_names(path, stage)
    raw = _raw_names(path, stage)
    picked = [raw[names.index(name)] for name in wanted]
    read = _parquet_batches if file_kind(path) == "parquet" else _csv_batches
    try:
        for batch in read(path, stage, picked, report, on_broken):
            yield pa.RecordBatch.from_arrays(batch.columns, names=list(wanted))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None


def _raw_names(path: Path, stage: Ingest) -> list[str]:
    try:
        if file_kind(path) == "parquet":
            schema = pq.read_schema(path)
        else:
            header = pacsv.ConvertOptions()
            schema = _open_csv(path, stage, _HEADER_BYTES, header, lambda row: "skip").schema
        return list(schema.names)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> DataError:
    text = " ".join(str(error).split())[:200]
    if "Empty CSV" in text:
        return DataError(f"{path}: has no row; expected a header and one row per asset and time")
    hint = "; save it as UTF-8" if "utf" in text.lower() else ""
    if "straddl" in text:
        hint = "; a row is longer than 4 MiB: is a quote not closed?"
    return DataError(f"{path}: cannot be read: {text}{hint}")


def _parquet_batches(
    path: Path, stage: Ingest, names: list[str], report: Report, on_broken: Report | None
) -> Iterator[pa.RecordBatch]:
    # Without these two, whole row groups of compressed columns wait in memory.
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=_PARQUET_BUFFER) as file:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=names):
            yield batch.select(names)


def _csv_batches(
    path: Path, stage: Ingest, names: list[str], report: Report, on_broken: Report | None
) -> Iterator[pa.RecordBatch]:
    broken: list[str] = []
    advice: set[str] = set()

    def note(row: pacsv.InvalidRow) -> str:
        if on_broken is not None:
            on_broken(row.text)
            return "skip"
        broken.append(f"{row.actual_columns} of {row.expected_columns} in {row.text[:60]!r}")
        if row.text.count('"') % 2:
            advice.add("; a quote in it is not closed")
        return "skip"

    convert = pacsv.ConvertOptions(
        column_types={name: pa.string() for name in names},
        include_columns=names,
        strings_can_be_null=True,
        null_values=list(stage.missing_values),
    )
    yield from _open_csv(path, stage, _BLOCK_BYTES, convert, note)
    if broken:
        report(
            f"{path}: {len(broken)} rows do not have as many fields as the header, first:"
            f" {broken[0]}; mend the file, or check ingest.separator{''.join(advice)}"
        )


def _open_csv(
    path: Path,
    stage: Ingest,
    block_bytes: int,
    convert: pacsv.ConvertOptions,
    on_broken: Callable[[pacsv.InvalidRow], str],
) -> pacsv.CSVStreamingReader:
    blanks = stage.separator == "whitespace"
    if not blanks and not _can_separate(stage.separator):
        raise ConfigError(
            "ingest.separator: must be one ASCII character, but no quote or line break, or"
            f" 'whitespace' for runs of blanks; received {stage.separator!r}"
        )
    stream = pa.input_stream(path, compression="gzip" if file_kind(path) == "gzip" else None)
    if blanks:
        stream = pa.PythonFile(io.BufferedReader(_Squeezed(stream), _BLOCK_BYTES), mode="r")
    return pacsv.open_csv(
        stream,
        read_options=pacsv.ReadOptions(
            block_size=block_bytes,
            column_names=list(stage.columns) if stage.columns else None,
            skip_rows=1 if stage.columns and stage.header else 0,
        ),
        parse_options=pacsv.ParseOptions(
            delimiter=" " if blanks else stage.separator,
            invalid_row_handler=on_broken,
            # Costs nothing measurable, and a remark may hold a line break.
            newlines_in_values=True,
        ),
        convert_options=convert,
    )


def _can_separate(separator: str) -> bool:
    return len(separator) == 1 and separator.isascii() and separator not in '"\r\n\0'


class _Squeezed(io.RawIOBase):
    """A blank-separated text with one blank between fields and none around a line."""

    def __init__(self, stream: pa.NativeFile) -> None:
        super().__init__()
        self._stream = stream
        self._ready = memoryview(b"")
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        while not len(self._ready):
            block = self._stream.read(_BLOCK_BYTES)
            text = self._rest + block
            # Only whole lines: the blanks at a block's end may go on in the next one.
            end = text.rfind(b"\n") + 1 if block else len(text)
            self._ready, self._rest = memoryview(_squeeze(text[:end])), text[end:]
            if not block:
                break
        into = memoryview(buffer).cast("B")
        taken = min(len(into), len(self._ready))
        into[:taken] = self._ready[:taken]
        self._ready = self._ready[taken:]
        return taken


def _squeeze(lines: bytes) -> bytes:
    return b"".join(b" ".join(line.split()) + b"\n" for line in lines.splitlines())
