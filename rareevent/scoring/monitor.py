"""Drift from job to job: counts kept with the manifest, and judged at the end of a job."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Mapping

import numpy as np

from rareevent.bundle import Bundle
from rareevent.ingestion.frame import Int64
from rareevent.scoring.drift_counts import SLOTS, drift_reference_of
from rareevent.scoring.drift_report import DriftReport, age_days, judge, not_judged
from rareevent.scoring.store import Store

# Older counts are dropped: a job judges its own windows, and few reach back further.
_WINDOWS_KEPT = 62


def slots_by_file(bundle: Bundle, slots: Mapping[int, Int64], number: int) -> dict[int, Int64]:
    """Counts under the slots that they are kept under: of an age, the number of the file."""
    if bundle.clock.kind == "datetime":
        return dict(slots)
    return {number: np.sum(list(slots.values()), axis=0)} if slots else {}


def write_counts(connection: sqlite3.Connection, slots: Mapping[int, Int64]) -> None:
    """Add the counts of a file to those that are kept, and drop old ones.

    Parameters
    ----------
    connection : in a transaction
    slots : slot -> int64 [places]
    """
    for slot, counts in slots.items():
        row = connection.execute("SELECT counts FROM monitored WHERE slot = ?", (slot,)).fetchone()
        total = counts if row is None else counts + unpack_counts(row[0])
        row = (slot, pack_counts(total))
        connection.execute("INSERT OR REPLACE INTO monitored VALUES (?, ?)", row)
    (newest,) = connection.execute("SELECT max(slot) FROM monitored").fetchone()
    if slots:
        connection.execute("DELETE FROM monitored WHERE slot <= ?", (oldest_kept(newest),))


def read_counts(store: Store) -> dict[int, Int64]:
    """All counts that are kept, slot -> int64 [places]."""
    rows = store.connection.execute("SELECT slot, counts FROM monitored ORDER BY slot")
    return {slot: unpack_counts(counts) for slot, counts in rows}


def judge_job(
    bundle: Bundle, kept: Mapping[int, Int64], touched: Iterable[int], newest: int | None
) -> DriftReport:
    """Judge the newest window that a job's rows fall into.

    Parameters
    ----------
    bundle : with the profile to compare with
    kept : slot -> int64 [places], the job's own counts among them
    touched : slots with rows of the job
    newest : tick of the newest scored row; None where none was scored
    """
    if not bundle.config.monitor.enabled:
        return not_judged("monitor.enabled is false")
    reference = drift_reference_of(bundle)
    if reference is None:
        return not_judged("the model has no profile to compare with; train it anew to have one")
    slots = sorted(kept if bundle.clock.kind == "age" else touched)
    if newest is None or not slots or not kept:
        return not_judged("no new row was scored")
    first, last = max(slots[0], min(kept)), slots[-1]
    if first > last:
        return not_judged("the rows are far older than those of earlier jobs")
    days = age_days(bundle, newest)
    return judge(reference, bundle.config.monitor, kept, (first, last), days)


def oldest_kept(newest: int) -> int:
    """The slot up to which counts are dropped, given the newest one."""
    return newest - _WINDOWS_KEPT * SLOTS


def pack_counts(counts: Int64) -> bytes:
    """Counts as a database keeps them."""
    return zlib.compress(np.ascontiguousarray(counts, np.int64).tobytes(), 1)


def unpack_counts(packed: bytes) -> Int64:
    """What `pack_counts` packed."""
    return np.frombuffer(zlib.decompress(packed), np.int64)
