"""Types of events: which of them can be told apart, and the type that each positive row awaits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rareevent.errors import ConfigError
from rareevent.ingestion.frame import Bool, Events, Int8, Int32
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
    known = taught & (events.kind >= 0)
    counts = np.bincount(events.kind[known], minlength=len(events.kinds))
    pairs = [(name, int(count)) for name, count in zip(events.kinds, counts, strict=True)]
    pairs.sort(key=lambda pair: -pair[1])
    frequent = [(n, c) for n, c in pairs if c >= FEWEST_EVENTS]
    if len(frequent) < 2:
        return TypeChoice(
            (),
            f"event types are not told apart: {len(frequent)} of {len(pairs)} have"
            f" {FEWEST_EVENTS} events in the first training rows, and it takes two",
        )
    named = [(n, c) for n, c in frequent if n != OTHER]
    pooled = [(n, c) for n, c in pairs if c > 0 and (n, c) not in named]
    reason = f"event types {_listed(named)} are told apart"
    names = [name for name, _ in named]
    if pooled:
        reason += f"; {_listed(pooled)} pooled as {OTHER}"
        names.append(OTHER)
    return TypeChoice(tuple(names), reason)


def require_types(events: Events, names: tuple[str, ...]) -> None:
    """Refuse types that no event can have.

    Raises
    ------
    ConfigError
        Names the type, and those that the events have.
    """
    if (events.kind < 0).all() or events.kinds == Events.none().kinds:
        raise ConfigError(
            f"model.types: received {', '.join(map(repr, names))}, but no event has a type; name"
            " the event log's column of types with ingest.events.type, or leave model.types auto"
        )
    strange = [name for name in names if name not in (*events.kinds, OTHER)]
    if strange:
        raise ConfigError(
            f"model.types: no event is of type {', '.join(map(repr, strange))}; the events' types"
            f" are {', '.join(map(repr, events.kinds))}, and {OTHER!r} stands for those not named"
        )


def untaught_types(events: Events, taught: Bool, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of some types that no taught event has.

    Parameters
    ----------
    taught : bool [k]
    """
    counts = np.bincount(type_of_events(events, names)[taught] + 1, minlength=len(names) + 1)
    return tuple(name for name, count in zip(names, counts[1:], strict=True) if not count)


def type_of_events(events: Events, names: tuple[str, ...]) -> Int32:
    """Place of each event's type among `names`, int32 [k].

    A type that is not named counts as `OTHER` where that is named; else it is -1, and so is that of
    an event whose type is not known.
    """
    other = names.index(OTHER) if OTHER in names else -1
    place = [names.index(kind) if kind in names else other for kind in events.kinds]
    # The last place is that of kind -1.
    return np.array([*place, -1], np.int32)[events.kind]


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
