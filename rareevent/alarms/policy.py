"""The alarm policy: which rows raise an alarm, in a batch, in chunks or row by row."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rareevent.errors import ConfigError, ModelError
from rareevent.ingestion.frame import Bool, Float64, Int64

POLICY_VERSION = 1
# How many due rows become Python integers at once; bounds memory, not results.
_CHAIN_BLOCK = 1 << 18


@dataclass(frozen=True)
class AlarmPolicy:
    """When to wake someone.

    An alarm is raised at a row when `k` of the last `n` scored rows of its segment, itself
    included, reach the threshold and none was raised within `silence` before in that segment.

    Attributes
    ----------
    threshold : float, a probability; a row reaches it when its own is at least as large
    k, n : int, rows, 1 <= k <= n
    silence : int, ticks; an alarm at t is suppressed when one was raised at t' with
        t - t' <= silence
    version : int, of the meaning of these fields

    Raises
    ------
    ConfigError
        When a field is out of its range.
    """

    threshold: float
    k: int = 1
    n: int = 1
    silence: int = 0
    version: int = POLICY_VERSION

    def __post_init__(self) -> None:
        if not math.isfinite(self.threshold):
            raise ConfigError(f"alarm.threshold: must be a number; received {self.threshold!r}")
        if not 1 <= self.k <= self.n:
            raise ConfigError(f"alarm: needs 1 <= k <= n; received k={self.k}, n={self.n}")
        if self.silence < 0:
            raise ConfigError(f"alarm.silence: must not be negative; received {self.silence}")

    def to_json(self) -> dict[str, Any]:
        """The policy as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AlarmPolicy:
        """The policy that `to_json` wrote.

        Raises
        ------
        ModelError
            When it is of a version this package does not know, or lacks a field.
        """
        if data.get("version") != POLICY_VERSION:
            raise ModelError(
                f"alarm policy: version {data.get('version')!r} is unknown here (this rareevent"
                f" reads version {POLICY_VERSION}); score with the release that wrote the bundle"
            )
        try:
            return cls(
                float(data["threshold"]), int(data["k"]), int(data["n"]), int(data["silence"])
            )
        except KeyError as error:
            raise ModelError(f"alarm policy: the field {error} is missing") from None


@dataclass(frozen=True)
class AlarmCarry:
    """What a segment's next rows must know of its earlier ones.

    Attributes
    ----------
    reached : whether the last rows (at most n - 1, oldest first) reached the threshold
    last_alarm : int, ticks of the segment's last alarm; None where it had none
    """

    reached: tuple[bool, ...] = ()
    last_alarm: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The state as plain data."""
        return {"reached": [int(flag) for flag in self.reached], "last_alarm": self.last_alarm}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AlarmCarry:
        """The state that `to_json` wrote."""
        last = data["last_alarm"]
        return cls(tuple(bool(f) for f in data["reached"]), None if last is None else int(last))


def raise_alarms(
    policy: AlarmPolicy,
    time: Int64,
    segment: Int64,
    probability: Float64,
    carry: Mapping[int, AlarmCarry] | None = None,
) -> Bool:
    """The rows at which an alarm is raised.

    Parameters
    ----------
    policy : AlarmPolicy
    time : int64 [n], ticks, strictly ascending within a segment
    segment : int64 [n]; the rows of a segment stand together
    probability : float64 [n]
    carry : segment -> state left by its earlier rows; a segment without one starts fresh

    Returns
    -------
    bool [n]

    Examples
    --------
    Two of the last three rows must reach 0.5; after an alarm two ticks of silence:

    >>> policy = AlarmPolicy(threshold=0.5, k=2, n=3, silence=2)
    >>> score = np.array([0.9, 0.1, 0.9, 0.9, 0.9, 0.9])
    >>> raise_alarms(policy, np.arange(6), np.zeros(6, int), score).astype(int).tolist()
    [0, 0, 1, 0, 0, 1]
    """
    carry = carry or {}
    starts = _run_starts(segment)
    due = _due(policy, segment, probability, starts, carry)
    if policy.silence == 0:
        # Times ascend strictly, so no two rows of a segment are within a silence of nothing.
        return due
    due = due & ~_silenced_by_carry(policy, time, segment, carry)
    return _keep_silence(due, time, segment, policy.silence)


def carry_after(
    policy: AlarmPolicy,
    time: Int64,
    segment: Int64,
    probability: Float64,
    raised: Bool,
    carry: Mapping[int, AlarmCarry] | None = None,
) -> dict[int, AlarmCarry]:
    """The state after these rows, for every segment that has a row among them.

    Parameters
    ----------
    policy, time, segment, probability, carry : as given to `raise_alarms`
    raised : bool [n], what `raise_alarms` returned for them
    """
    carry = carry or {}
    after = {}
    for start, stop in _runs(segment):
        before = carry.get(int(segment[start]), AlarmCarry())
        recent = probability[max(start, stop - policy.n + 1) : stop] >= policy.threshold
        kept = max(policy.n - 1 - len(recent), 0)
        reached = before.reached[-kept:] if kept else ()
        alarms = np.flatnonzero(raised[start:stop])
        last = int(time[start + alarms[-1]]) if len(alarms) else before.last_alarm
        after[int(segment[start])] = AlarmCarry((*reached, *recent.tolist()), last)
    return after


def _run_starts(segment: Int64) -> Int64:
    """First row of each stretch of equal segment numbers, int64 [runs]."""
    if not len(segment):
        return np.zeros(0, np.int64)
    return np.concatenate(([0], np.flatnonzero(np.diff(segment)) + 1))


def _runs(segment: Int64) -> list[tuple[int, int]]:
    """Row range of each stretch of equal segment numbers."""
    edges = [*_run_starts(segment).tolist(), len(segment)]
    return list(itertools.pairwise(edges))


def _due(
    policy: AlarmPolicy,
    segment: Int64,
    probability: Float64,
    starts: Int64,
    carry: Mapping[int, AlarmCarry],
) -> Bool:
    """Rows with k of the last n at the threshold, silence aside, bool [n]."""
    reached = probability >= policy.threshold
    if policy.n == 1:
        return reached
    if not carry:
        return _count_of_last(policy.n, reached, starts) >= policy.k
    flags, begins, place = _put_past_before(reached, segment, starts, carry)
    return _count_of_last(policy.n, flags, begins)[place] >= policy.k


def _count_of_last(n: int, flags: Bool, starts: Int64) -> NDArray[np.int32]:
    """True flags among each row and the n - 1 before it in its segment, int32 [rows]."""
    total = np.concatenate(([0], np.cumsum(flags, dtype=np.int32)))
    count = total[1:].copy()
    count[n:] -= total[1 : max(len(flags) - n, 0) + 1]
    stops = np.append(starts[1:], len(flags))
    # The first n - 1 rows of a segment have fewer behind them.
    for place in range(n - 1):
        rows = starts + place
        inside = rows < stops
        count[rows[inside]] = total[rows[inside] + 1] - total[starts[inside]]
    return count


def _put_past_before(
    reached: Bool, segment: Int64, starts: Int64, carry: Mapping[int, AlarmCarry]
) -> tuple[Bool, Int64, Int64]:
    """Flags with those carried over in front of their segment's rows.

    Returns
    -------
    flags : bool [n + carried]
    begins : int64 [segments], where each segment starts among them
    place : int64 [n], where each row is
    """
    past = [carry[s].reached if s in carry else () for s in segment[starts].tolist()]
    lengths = np.array([len(flags) for flags in past], np.int64)
    inserted = np.cumsum(lengths)
    rows = np.diff(np.append(starts, len(reached)))
    place = np.arange(len(reached)) + np.repeat(inserted, rows)
    begins = starts + inserted - lengths
    flags = np.zeros(len(reached) + int(lengths.sum()), bool)
    flags[place] = reached
    for begin, before in zip(begins.tolist(), past, strict=True):
        flags[begin : begin + len(before)] = before
    return flags, begins, place


def _silenced_by_carry(
    policy: AlarmPolicy,
    time: Int64,
    segment: Int64,
    carry: Mapping[int, AlarmCarry],
) -> Bool:
    """Rows within the silence of an alarm raised before these rows, bool [n]."""
    silenced = np.zeros(len(time), bool)
    if not carry:
        return silenced
    for start, stop in _runs(segment):
        before = carry.get(int(segment[start]))
        if before is not None and before.last_alarm is not None:
            silenced[start:stop] = time[start:stop] - before.last_alarm <= policy.silence
    return silenced


def _keep_silence(due: Bool, time: Int64, segment: Int64, silence: int) -> Bool:
    """Of the due rows those that no alarm within `silence` before suppresses, bool [n].

    A due row further than `silence` from the due row before it is raised whatever happened
    earlier. So due rows fall into clusters that do not touch each other; in a cluster shorter
    than the silence only the head is raised, and only in longer ones is the chain followed.
    """
    rows = np.flatnonzero(due)
    raised = np.zeros(len(due), bool)
    if not len(rows):
        return raised
    at = time[rows]
    new = np.diff(segment[rows], prepend=segment[rows[0]] - 1) != 0
    new[1:] |= np.diff(at) > silence
    heads = np.flatnonzero(new)
    raised[rows[heads]] = True
    lasts = np.append(heads[1:], len(rows)) - 1
    long = at[lasts] - at[heads] > silence
    in_long = np.repeat(long, lasts - heads + 1)
    raised[_follow_chain(rows[in_long], at[in_long], new[in_long], silence)] = True
    return raised


def _follow_chain(rows: Int64, at: Int64, head: Bool, silence: int) -> list[int]:
    """Rows raised when each alarm silences those after it; a head starts a new chain."""
    kept: list[int] = []
    silent_until = 0
    for low in range(0, len(rows), _CHAIN_BLOCK):
        part = slice(low, low + _CHAIN_BLOCK)
        triples = zip(rows[part].tolist(), at[part].tolist(), head[part].tolist(), strict=True)
        for row, tick, fresh in triples:
            if fresh or tick > silent_until:
                kept.append(row)
                silent_until = tick + silence
    return kept
