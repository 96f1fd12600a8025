"""Which rows are new: beside what was taken before, and beside each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rareevent.ingestion.frame import Bool, Int64
from rareevent.scoring.carry import AssetState
from rareevent.scoring.fingerprints import Uint32
from rareevent.scoring.rows import CleanRows
from rareevent.scoring.state import Seen


@dataclass(frozen=True)
class Past:
    """What is known of rows taken before.

    Attributes
    ----------
    states : from asset names to the states of those that have one
    seen : from an asset and two times to its rows taken between them
    """

    states: Callable[[Sequence[str]], Mapping[str, AssetState]]
    seen: Callable[[str, int, int], Seen]


def no_past() -> Past:
    """Nothing was taken before: every asset starts fresh."""
    none = np.zeros(0, np.int64), np.zeros(0, np.uint32)
    return Past(lambda assets: {}, lambda asset, first, last: Seen(asset, *none))


def known_rows(past: Past, rows: CleanRows, prints: Uint32) -> tuple[Bool, Bool]:
    """Rows taken before with these very readings, and rows taken before at all; bool [n] each.

    Parameters
    ----------
    past : Past
    rows : CleanRows, n of them
    prints : uint32 [n], their fingerprints
    """
    known, at_all = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    order = np.argsort(rows.asset, kind="stable")
    edges = np.searchsorted(rows.asset[order], np.arange(len(rows.assets) + 1))
    for code, name in enumerate(rows.assets):
        mine = order[edges[code] : edges[code + 1]]
        tick = rows.tick[mine]
        seen = past.seen(name, int(tick.min()), int(tick.max()))
        at_all[mine] = np.isin(tick, seen.tick)
        taken = _with_print(seen.tick, seen.prints)
        known[mine] = np.isin(_with_print(tick, prints[mine]), taken)
    return known, at_all


def conflicting_rows(rows: CleanRows, prints: Uint32) -> Bool:
    """Rows of one asset and time that contradict each other, bool [n].

    Parameters
    ----------
    rows : CleanRows, n of them
    prints : uint32 [n], their fingerprints
    """
    order = np.lexsort((prints, rows.tick, rows.asset))
    asset, tick, mark = rows.asset[order], rows.tick[order], prints[order]
    same = (np.diff(asset) == 0) & (np.diff(tick) == 0)
    group = np.concatenate([[0], np.cumsum(~same)])[: len(order)]
    differs = np.bincount(group[1:][same & (np.diff(mark) != 0)], minlength=len(order)) > 0
    conflict = np.zeros(len(rows), bool)
    conflict[order] = differs[group]
    return conflict


def _with_print(tick: Int64, prints: Uint32) -> np.ndarray:
    """Time and fingerprint as one number; two different pairs share one in 2^64 cases."""
    spread = tick.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return spread ^ (prints.astype(np.uint64) << np.uint64(32)) ^ prints
