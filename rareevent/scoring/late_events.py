"""Events that the feed tells of only after rows behind them were scored.

An event cuts its asset's rows from the moment it is known. Which events were known in time is kept
with the states; what the feed has beyond these, behind an asset's last row, came late.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from rareevent.ingestion.event_log import Log
from rareevent.ingestion.frame import Int64
from rareevent.ingestion.table import ONLY_ASSET
from rareevent.scoring.carry import Reader
from rareevent.scoring.store import Store


@dataclass(frozen=True)
class Taken:
    """The rows of an asset that were taken, as far as events matter to them.

    Attributes
    ----------
    first, last : ticks of the first and the last one
    heeded : ticks of the events that were heeded with them
    """

    first: int
    last: int
    heeded: frozenset[int]


@dataclass(frozen=True)
class LateEvents:
    """Events that came late.

    Attributes
    ----------
    since : asset -> tick from which on its rows would be other ones
    count : how many they are
    events : asset -> int64 [k], those of the feed that are now known, late or not
    """

    since: Mapping[str, int] = field(default_factory=dict)
    count: int = 0
    events: Mapping[str, Int64] = field(default_factory=dict)


def find_late(reader: Reader, taken: Mapping[str, Taken]) -> LateEvents:
    """What the feed tells of rows that were taken without it.

    Parameters
    ----------
    reader : with the feed; nothing is late without one
    taken : asset -> its rows so far
    """
    bundle = reader.bundle
    recovery = bundle.clock.ticks(bundle.config.ingest.recovery)
    reach = max(bundle.event_delay, recovery)
    since, count, found = {}, 0, {}
    for asset, ticks in known_by(reader, {a: rows.last for a, rows in taken.items()}).items():
        rows = taken[asset]
        new = np.array([tick for tick in ticks.tolist() if tick not in rows.heeded], np.int64)
        # What was over before the first row changes none.
        late = new[new + reach >= rows.first]
        found[asset] = new
        if len(late):
            since[asset] = int(late.min()) + bundle.event_delay
            count += len(late)
    return LateEvents(since, count, found)


def known_by(reader: Reader, lasts: Mapping[str, int]) -> dict[str, Int64]:
    """Events of the feed that are known by some assets' last rows.

    Parameters
    ----------
    reader : with the feed
    lasts : asset -> tick of its last row

    Returns
    -------
    dict, asset -> int64 [k], ascending; assets without one are left out
    """
    log, delay = reader.log, reader.bundle.event_delay
    if log is None:
        return {}
    names = np.array(log.asset if log.asset is not None else [ONLY_ASSET] * len(log.time), object)
    found = {}
    for asset in dict.fromkeys(names.tolist()):
        if asset in lasts:
            ticks = log.time[names == asset]
            ticks = np.unique(ticks[ticks + delay <= lasts[asset]])
            if len(ticks):
                found[asset] = ticks
    return found


def read_taken(store: Store) -> dict[str, Taken]:
    """What is known of every asset's rows."""
    heeded = read_heeded(store)
    rows = store.connection.execute(
        "SELECT asset, min(seen.first), states.last FROM states JOIN seen USING (asset)"
        " GROUP BY asset"
    )
    return {a: Taken(first, last, frozenset(heeded.get(a, ()))) for a, first, last in rows}


def read_heeded(store: Store) -> dict[str, list[int]]:
    """Asset -> ticks of the events that were heeded."""
    found: dict[str, list[int]] = {}
    for asset, tick in store.connection.execute("SELECT asset, tick FROM events"):
        found.setdefault(asset, []).append(tick)
    return found


def write_heeded(connection: sqlite3.Connection, events: Mapping[str, Int64]) -> None:
    """Note events as known."""
    rows = ((asset, tick) for asset, ticks in events.items() for tick in ticks.tolist())
    connection.executemany("INSERT OR IGNORE INTO events VALUES (?, ?)", rows)


def with_heeded(reader: Reader, store: Store, assets: Iterable[str]) -> Reader:
    """The reader with a feed that also has what earlier jobs' feeds told of some assets.

    So that a feed of the newest events alone does not undo what older ones did.
    """
    wanted, heeded = set(assets), read_heeded(store)
    more = [(a, tick) for a, ticks in heeded.items() if a in wanted for tick in ticks]
    if not more:
        return reader
    log = reader.log
    if log is None:
        none = np.zeros(0, np.int64)
        log = Log(
            () if reader.roles.asset is not None else None, none, none.astype(np.int32), ("",)
        )
    # An event that stands there twice is one.
    names = None if log.asset is None else (*log.asset, *(asset for asset, _ in more))
    time = np.concatenate([log.time, np.array([tick for _, tick in more], np.int64)])
    kind = np.concatenate([log.kind, np.zeros(len(more), np.int32)])
    return replace(reader, log=Log(names, time, kind, log.kinds))
