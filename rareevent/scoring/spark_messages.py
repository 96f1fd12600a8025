"""What the stages of a Spark job hand to each other: rows of readings, and messages.

A message is a row with a kind, an asset, its place among the asset's messages, and a body of plain
arrays and JSON, which `numpy.load` reads without running code.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rareevent.errors import RareEventError
from rareevent.ingestion.cells import Cells, number_text
from rareevent.ingestion.frame import Int64
from rareevent.ingestion.roles import Roles
from rareevent.scoring.carry import AssetState
from rareevent.scoring.rows import CleanRows, name_cells
from rareevent.scoring.state import Seen, seen_of, seen_values, state_of, state_values

if TYPE_CHECKING:
    import pyarrow as pa

# A slice of an asset's rows; its scores; an asset's end; what became of rows; a file of the output.
SLICE, SCORED, ASSET, NOTE, PART, ERROR = "slice", "scored", "asset", "note", "part", "error"
MESSAGE_SCHEMA = "kind string, asset string, rank int, place long, body binary"


@dataclass(frozen=True)
class Message:
    """Something that one stage tells the next.

    Attributes
    ----------
    kind : SLICE, SCORED, ASSET, NOTE, PART or ERROR
    asset : name; "" where it is about none
    rank : which of the job's files it is about, from 0; -1 for none
    place : among the messages about its asset
    facts : JSON-able
    arrays : name -> array of numbers
    """

    kind: str
    asset: str
    rank: int
    place: int
    facts: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]


def pack(facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Facts and arrays as bytes; no object is pickled."""
    body = io.BytesIO()
    text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    np.savez(body, allow_pickle=False, _facts=text, **arrays)
    return body.getvalue()


def unpack(body: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `pack` made bytes of."""
    with np.load(io.BytesIO(body), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return json.loads(arrays.pop("_facts").tobytes()), arrays


def message_batch(messages: Sequence[Message]) -> pa.RecordBatch:
    """Messages as Spark takes them."""
    import pyarrow as pa

    return pa.record_batch(
        {
            "kind": pa.array([m.kind for m in messages], pa.string()),
            "asset": pa.array([m.asset for m in messages], pa.string()),
            "rank": pa.array([m.rank for m in messages], pa.int32()),
            "place": pa.array([m.place for m in messages], pa.int64()),
            "body": pa.array([pack(m.facts, m.arrays) for m in messages], pa.binary()),
        }
    )


def read_messages(batches: Iterable[pa.RecordBatch]) -> Iterator[Message]:
    """Messages, one after the other."""
    for batch in batches:
        columns = [batch.column(name) for name in ("kind", "asset", "rank", "place", "body")]
        for row in range(len(batch)):
            kind, asset, rank, place, body = (column[row].as_py() for column in columns)
            yield Message(kind, asset, rank, place, *unpack(body))


def error_message(error: RareEventError) -> Message:
    """What went wrong in a task, for the driver to raise."""
    return Message(ERROR, "", -1, 0, {"type": type(error).__name__, "text": str(error)}, {})


def rows_schema(roles: Roles) -> str:
    """Columns of readings: their asset, file and place in it, time, and one for each column."""
    sensors = "".join(f", s{i} double" for i in range(len(roles.sensors)))
    texts = "".join(f", t{i} string" for i in range(len(roles.texts)))
    return f"asset string, rank int, number long, tick long, note binary{sensors}{texts}"


def rows_batch(rows: CleanRows, rank: int, number: Int64, roles: Roles) -> pa.RecordBatch:
    """Readings as Spark takes them."""
    import pyarrow as pa

    names = pa.array(rows.assets, pa.string())
    columns = {
        "asset": names.take(pa.array(rows.asset.astype(np.int64))),
        "rank": pa.array(np.full(len(rows), rank, np.int32)),
        "number": pa.array(np.asarray(number, np.int64)),
        "tick": pa.array(rows.tick),
        "note": pa.nulls(len(rows), pa.binary()),
    }
    columns |= {f"s{i}": pa.array(rows.cells[n].values) for i, n in enumerate(roles.sensors)}
    columns |= {f"t{i}": _texts(rows.cells[n]) for i, n in enumerate(roles.texts)}
    return pa.record_batch(columns)


def note_batch(message: Message, roles: Roles) -> pa.RecordBatch:
    """A message among readings: a row without an asset."""
    import pyarrow as pa

    body = pack({"kind": message.kind, "facts": dict(message.facts)}, message.arrays)
    columns = {
        "asset": pa.nulls(1, pa.string()),
        "rank": pa.array([message.rank], pa.int32()),
        "number": pa.array([0], pa.int64()),
        "tick": pa.array([0], pa.int64()),
        "note": pa.array([body], pa.binary()),
    }
    columns |= {f"s{i}": pa.nulls(1, pa.float64()) for i in range(len(roles.sensors))}
    columns |= {f"t{i}": pa.nulls(1, pa.string()) for i in range(len(roles.texts))}
    return pa.record_batch(columns)


def read_note(body: bytes, rank: int) -> Message:
    """The message that `note_batch` put among readings."""
    facts, arrays = unpack(body)
    return Message(facts["kind"], "", rank, 0, facts["facts"], arrays)


def _texts(cells: Cells) -> pa.Array:
    """The name in each cell: its word, or its number as text; null where missing."""
    import pyarrow as pa

    number = ~np.isnan(cells.values)
    distinct, place = np.unique(cells.values[number], return_inverse=True)
    words = [*cells.words, *(number_text(value) for value in distinct)]
    codes = np.full(len(cells.values), -1, np.int64)
    if cells.codes is not None:
        codes[:] = cells.codes
    codes[number] = len(cells.words) + place
    return pa.array(words, pa.string()).take(pa.array(codes, mask=codes < 0))


def rows_of(batch: pa.RecordBatch, asset: str, roles: Roles) -> CleanRows:
    """Readings of one asset, from rows that Spark gave."""
    cells = {}
    for place, name in enumerate(roles.sensors):
        values = batch.column(f"s{place}").to_numpy(zero_copy_only=False)
        cells[name] = Cells(values.astype(np.float64), None, ())
    for place, name in enumerate(roles.texts):
        cells[name] = name_cells(batch.column(f"t{place}").to_pylist())
    tick = batch.column("tick").to_numpy(zero_copy_only=False).astype(np.int64)
    return CleanRows(tick, np.zeros(len(tick), np.int32), (asset,), cells)


def slice_body(
    rows: CleanRows, state: AssetState | None, begin: int | None, roles: Roles
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """One asset's rows with its state before them, and when its open segment began."""
    facts: dict[str, Any] = {"begin": begin, "words": {}}
    arrays: dict[str, np.ndarray] = {"tick": rows.tick}
    for place, name in enumerate(roles.sensors):
        arrays[f"s{place}"] = rows.cells[name].values
    for place, name in enumerate(roles.texts):
        cells = rows.cells[name]
        facts["words"][f"t{place}"] = list(cells.words)
        arrays[f"t{place}"] = (
            np.full(len(rows), -1, np.int32) if cells.codes is None else cells.codes
        )
    more, values = state_body(state)
    return facts | more, arrays | values


def read_slice(message: Message, roles: Roles) -> tuple[CleanRows, AssetState | None]:
    """The rows and the state that `slice_body` packed."""
    arrays, words = message.arrays, message.facts["words"]
    cells = {name: Cells(arrays[f"s{i}"], None, ()) for i, name in enumerate(roles.sensors)}
    for i, name in enumerate(roles.texts):
        codes = arrays[f"t{i}"]
        cells[name] = Cells(np.full(len(codes), np.nan), codes, tuple(words[f"t{i}"]))
    tick = arrays["tick"]
    rows = CleanRows(tick, np.zeros(len(tick), np.int32), (message.asset,), cells)
    return rows, read_state(message)


def state_body(state: AssetState | None) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A state as facts and arrays; none where an asset starts fresh."""
    if state is None:
        return {"state": None}, {}
    last, times, sensors, texts, alarm = state_values(state)
    arrays = {"times": np.frombuffer(times, np.uint8), "sensors": np.frombuffer(sensors, np.uint8)}
    return {"state": [last, texts, alarm]}, arrays


def read_state(message: Message) -> AssetState | None:
    """The state that `state_body` packed."""
    if message.facts["state"] is None:
        return None
    last, texts, alarm = message.facts["state"]
    times, sensors = (message.arrays[name].tobytes() for name in ("times", "sensors"))
    return state_of((last, times, sensors, texts, alarm))


def seen_arrays(seen: Sequence[Seen]) -> dict[str, np.ndarray]:
    """Rows taken of an asset, as arrays."""
    arrays = {}
    for place, entry in enumerate(one for one in seen if len(one.tick)):
        _, _, times, prints = seen_values(entry)
        arrays[f"seen_times{place}"] = np.frombuffer(times, np.uint8)
        arrays[f"seen_prints{place}"] = np.frombuffer(prints, np.uint8)
    return arrays


def read_seen_arrays(message: Message) -> list[Seen]:
    """The rows that `seen_arrays` packed."""
    found, place = [], 0
    while f"seen_times{place}" in message.arrays:
        times, prints = (message.arrays[f"seen_{name}{place}"] for name in ("times", "prints"))
        found.append(seen_of(message.asset, [(times.tobytes(), prints.tobytes())]))
        place += 1
    return found
