"""Types of events: which of them can be told apart, and the type that each positive row awaits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rareevent.ingestion.frame import Bool, Events, Int8
from rareevent.windowing.curve_shift import Labels

# All types that are not told apart by name.
OTHER = "other"
# A softmax learns nothing about a type from fewer events than these.
FEWEST_EVENTS = 5


@dataclass(frozen=True)
class TypeChoice:
    """Types that a model tells apart, in order, and why; fewer than two tell nothing apart."""

    names: tuple[str, ...]
    reason: str


def choose_types(events: Events, taught: Bool) -> TypeChoice:
    """Types with enough events to learn from, the most frequent first; the rest pooled as other.

    Parameters
    ----------
    events : Events, k of them
    taught : bool [k], events that the first training rows teach

    Examples
    --------
    >>> kind = np.repeat(np.arange(3, dtype=np.int32), [6, 9, 2])
    >>> events = Events(kind * 0, np.arange(17), kind, ("seal", "bearing", "belt"))
    >>> choice = choose_types(events, np.ones(17, bool))
    >>> choice.names
    ('bearing', 'seal', 'other')
    >>> choice.reason
    'event types bearing (9), seal (6) are told apart; belt (2) pooled as other'
    """
    counts = np.bincount(events.kind[taught], minlength=len(events.kinds))
    pairs = [(name, int(count)) for name, count in zip(events.kinds, counts, strict=True)]
    pairs.sort(key=lambda pair: -pair[1])
    frequent = [(n, c) for n, c in pairs if c >= FEWEST_EVENTS and n != OTHER]
    rare = [(n, c) for n, c in pairs if c > 0 and (n, c) not in frequent]
    if len(frequent) < 2:
        return TypeChoice(
            (),
            f"event types are not told apart: {len(frequent)} of {len(pairs)} have"
            f" {FEWEST_EVENTS} events in the first training rows, and it takes two",
        )
    reason = f"event types {_listed(frequent)} are told apart"
    names = [name for name, _ in frequent]
    if rare:
        reason += f"; {_listed(rare)} pooled as {OTHER}"
        names.append(OTHER)
    return TypeChoice(tuple(names), reason)


def type_of_events(events: Events, names: tuple[str, ...]) -> Int8:
    """Place of each event's type among `names`, int8 [k].

    A type that is not named counts as `OTHER` where that is named; else it is -1.
    """
    other = names.index(OTHER) if OTHER in names else -1
    place = [names.index(kind) if kind in names else other for kind in events.kinds]
    return np.array(place, np.int8)[events.kind]


def type_targets(events: Events, labels: Labels, names: tuple[str, ...]) -> Int8:
    """Which type the next event of a positive row has.

    Parameters
    ----------
    events : Events
    labels : of n rows
    names : K types to tell apart

    Returns
    -------
    int8 [n, K]: on rows that are positive, 1 for the type of their event and 0 for the others;
    -1 on all other rows, and on rows whose event has none of these types

    Examples
    --------
    Two types; row 0 is positive for an event of the second, row 1 is negative: its target is
    [[0, 1], [-1, -1]].
    """
    targets = np.full((len(labels.target), len(names)), -1, np.int8)
    positive = np.flatnonzero(labels.target == 1)
    if not names or not len(positive):
        return targets
    kind = type_of_events(events, names)[labels.event[positive]]
    positive, kind = positive[kind >= 0], kind[kind >= 0]
    targets[positive] = 0
    targets[positive, kind] = 1
    return targets


def _listed(pairs: list[tuple[str, int]]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in pairs)
