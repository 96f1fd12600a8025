"""Past windows that resemble one, in what raised or lowered its score, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rareevent.bundle import Bundle
from rareevent.bundle.past import PastWindows, describe_windows, is_before_event
from rareevent.ingestion.frame import Bool, Clock, Float64, Int64
from rareevent.windowing.temporalize import Windows

MOST = 3
NO_REFERENCE = (
    "the bundle holds no past windows: it was written before they were kept; train again to have"
    " them"
)
NONE_BEFORE = "no past window's outcome was known by then"


@dataclass(frozen=True)
class SimilarWindow:
    """A past window.

    Attributes
    ----------
    asset : name
    tick : of its last row
    distance : see `find_similar`
    is_before_event : whether an event came within the horizon
    ahead : ticks from its last row to its asset's next event; None where none is known
    """

    asset: str
    tick: int
    distance: float
    is_before_event: bool
    ahead: int | None


@dataclass(frozen=True)
class Similar:
    """The past windows that resemble one most.

    Attributes
    ----------
    windows : the most similar first; no two of one asset that could be one story
    compared : how many windows were compared
    typical : the median distance of all these; None where there was none
    why_none : why there is none, in words; empty where there are some
    """

    windows: tuple[SimilarWindow, ...]
    compared: int
    typical: float | None
    why_none: str


def find_similar(
    bundle: Bundle, window: Windows, owner: Int64, credit: Float64, asset: str, tick: int
) -> Similar:
    """The past windows that resemble one most.

    The distance is the root of the mean squared difference of channels' last values and means, in
    the units of the scaling (by default normal scores). Each sensor weighs as much as its credit,
    of whatever sign, has a share in all credits, and its channels share that weight: windows are
    alike where it mattered to this score. Only windows are compared whose outcome was known by
    then, and that share no row with this one; where time is an age, those of other assets.

    Parameters
    ----------
    window : Windows, the one that is asked about
    owner : int64 [c], the owner of each channel
    credit : float64 [k], of each owner
    asset, tick : of the window's last row
    """
    past = bundle.past
    if past is None:
        return Similar((), 0, None, NO_REFERENCE)
    known = np.flatnonzero(_known_by(bundle, past, asset, tick))
    if not len(known):
        return Similar((), 0, None, NONE_BEFORE)
    weight = _weights(owner, credit)
    apart = past.described[known].astype(np.float64) - describe_windows(window)
    parts = apart.shape[1] // len(weight)
    distance = np.sqrt(apart**2 @ np.tile(weight / parts, parts))
    near = known[np.argsort(distance, kind="stable")]
    chosen = _told_apart(past, near, _story(bundle))
    is_before = is_before_event(past, bundle.clock.ticks(bundle.config.label.lead), bundle.horizon)
    by_place = dict(zip(known.tolist(), distance.tolist(), strict=True))
    windows = tuple(
        SimilarWindow(
            asset=past.assets[past.asset[one]],
            tick=int(past.time[one]),
            distance=by_place[one],
            is_before_event=bool(is_before[one]),
            ahead=_known_wait(bundle, past, int(one), tick),
        )
        for one in chosen
    )
    return Similar(windows, len(known), float(np.median(distance)), "")


def _known_wait(bundle: Bundle, past: PastWindows, one: int, tick: int) -> int | None:
    """Ticks from a past window to its next event; None where none is known by the time asked about.

    An event counts as known once `event_delay` has passed, as it does when scoring.

    Where time is an age, the windows are other assets' and all that came of them is known.
    """
    wait = int(past.time_to_event[one])
    if wait < 0 or (
        bundle.clock.kind == "datetime" and past.time[one] + wait + bundle.event_delay > tick
    ):
        return None
    return wait


def _weights(owner: Int64, credit: Float64) -> Float64:
    """What each channel weighs, float64 [c], adding up to 1; all alike where nothing counted."""
    share = np.abs(credit)
    if share.sum() <= 0:
        share = np.bincount(owner, minlength=len(credit)).astype(np.float64)
    each: Float64 = (share / np.bincount(owner, minlength=len(credit)))[owner]
    whole: Float64 = each / each.sum()
    return whole


def _known_by(bundle: Bundle, past: PastWindows, asset: str, tick: int) -> Bool:
    """Windows whose outcome was known by then, and that share no row with the one in question."""
    mine = np.array([name == asset for name in past.assets], bool)[past.asset]
    if bundle.clock.kind == "age":
        return ~mine
    before = past.time + bundle.horizon + bundle.event_delay <= tick
    return before & (~mine | (past.time + _width(bundle) <= tick))


def _told_apart(past: PastWindows, near: Int64, story: int) -> list[int]:
    """The first few that are no neighbours of an earlier one."""
    chosen: list[int] = []
    for one in near.tolist():
        if all(_apart(past, one, other, story) for other in chosen):
            chosen.append(one)
        if len(chosen) == MOST:
            break
    return chosen


def _apart(past: PastWindows, one: int, other: int, story: int) -> bool:
    same = past.asset[one] == past.asset[other]
    return not same or abs(int(past.time[one] - past.time[other])) >= story


def _width(bundle: Bundle) -> int:
    clock: Clock = bundle.clock
    return bundle.config.window.lookback * clock.interval


def _story(bundle: Bundle) -> int:
    """Ticks within which two windows share rows or an event."""
    return _width(bundle) + bundle.horizon
