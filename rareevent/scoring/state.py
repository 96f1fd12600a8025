"""What the store holds of every asset: its state, the rows taken of it, and what came late."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rareevent.alarms.policy import AlarmCarry
from rareevent.ingestion.frame import Int64
from rareevent.scoring.carry import AssetState
from rareevent.scoring.fingerprints import Uint32
from rareevent.scoring.store import Store


@dataclass(frozen=True)
class Seen:
    """Rows of one asset that were taken, n of them, sorted by time.

    Attributes
    ----------
    asset : name
    tick : int64 [n]; several rows may share one
    prints : uint32 [n], fingerprint of each row's readings
    """

    asset: str
    tick: Int64
    prints: Uint32


def read_states(store: Store, assets: Sequence[str]) -> dict[str, AssetState]:
    """The states of those assets that have one."""
    found = {}
    for asset in assets:
        row = store.connection.execute(
            "SELECT last, times, sensors, texts, alarm FROM states WHERE asset = ?", (asset,)
        ).fetchone()
        if row is not None:
            found[asset] = state_of(row)
    return found


def read_seen(store: Store, asset: str, first: int, last: int) -> Seen:
    """Rows of an asset that were taken, between two times or a little beyond."""
    rows = store.connection.execute(
        "SELECT times, prints FROM seen WHERE asset = ? AND last >= ? AND first <= ?",
        (asset, first, last),
    ).fetchall()
    return seen_of(asset, rows)


def read_late(store: Store) -> dict[str, int]:
    """Assets with rows that came too late, and the first such time of each."""
    return dict(store.connection.execute("SELECT asset, since FROM late ORDER BY asset"))


def write_states(connection: sqlite3.Connection, states: Mapping[str, AssetState]) -> None:
    """Replace the states of some assets."""
    rows = ((asset, *state_values(state)) for asset, state in states.items())
    connection.executemany("INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?, ?, ?)", rows)


def write_seen(connection: sqlite3.Connection, seen: Iterable[Seen]) -> None:
    """Add rows that were taken."""
    rows = ((s.asset, *seen_values(s)) for s in seen if len(s.tick))
    connection.executemany("INSERT INTO seen VALUES (?, ?, ?, ?, ?)", rows)


def forget_seen(connection: sqlite3.Connection, asset: str, since: int) -> None:
    """Drop what was taken of an asset from a time on."""
    where = "WHERE asset = ? AND last >= ?"
    held = connection.execute(f"SELECT times, prints FROM seen {where}", (asset, since)).fetchall()
    connection.execute(f"DELETE FROM seen {where}", (asset, since))
    kept = seen_of(asset, held)
    before = kept.tick < since
    write_seen(connection, [Seen(asset, kept.tick[before], kept.prints[before])])


def write_late(connection: sqlite3.Connection, late: Mapping[str, int]) -> None:
    """Note from when on assets have rows that came too late."""
    connection.executemany(
        "INSERT INTO late VALUES (?, ?) ON CONFLICT (asset)"
        " DO UPDATE SET since = min(since, excluded.since)",
        late.items(),
    )


def lasts_of(states: Mapping[str, AssetState]) -> dict[str, int]:
    """Asset -> tick of its last row."""
    return {asset: state.last for asset, state in states.items()}


def state_values(state: AssetState) -> tuple[int, bytes, bytes, str, str]:
    """A state as a database keeps it: last, times, sensors, texts, alarm."""
    return (
        state.last,
        state.time.tobytes(),
        np.ascontiguousarray(state.sensors, np.float64).tobytes(),
        json.dumps(state.texts),
        json.dumps(state.alarm.to_json()),
    )


def state_of(row: Sequence[Any]) -> AssetState:
    """The state whose `state_values` a database kept."""
    last, times, sensors, texts, alarm = row
    time = np.frombuffer(times, np.int64)
    values = np.frombuffer(sensors, np.float64)
    shape = (len(values) // max(len(time), 1), len(time))
    names = tuple(tuple(column) for column in json.loads(texts))
    return AssetState(
        last, time, values.reshape(shape), names, AlarmCarry.from_json(json.loads(alarm))
    )


def seen_values(seen: Seen) -> tuple[int, int, bytes, bytes]:
    """Rows taken, at least one, as a database keeps them: first, last, times, prints."""
    return int(seen.tick[0]), int(seen.tick[-1]), *_pack(seen)


def seen_of(asset: str, rows: Iterable[tuple[bytes, bytes]]) -> Seen:
    """The rows whose times and prints a database kept."""
    return _joined(asset, [_unpack(*row) for row in rows])


def _pack(seen: Seen) -> tuple[bytes, bytes]:
    # Steps between rows mostly are one number, which takes next to no room.
    steps = np.diff(seen.tick, prepend=0)
    return zlib.compress(steps.tobytes(), 1), seen.prints.tobytes()


def _unpack(times: bytes, prints: bytes) -> tuple[Int64, Uint32]:
    steps = np.frombuffer(zlib.decompress(times), np.int64)
    return np.cumsum(steps), np.frombuffer(prints, np.uint32)


def _joined(asset: str, parts: Sequence[tuple[Int64, Uint32]]) -> Seen:
    if not parts:
        return Seen(asset, np.zeros(0, np.int64), np.zeros(0, np.uint32))
    tick = np.concatenate([part[0] for part in parts])
    order = np.argsort(tick, kind="stable")
    return Seen(asset, tick[order], np.concatenate([part[1] for part in parts])[order])
