"""Types of events: which are told apart, and what each row learns of them."""

from dataclasses import replace

import numpy as np
import pytest

from rareevent.errors import ConfigError
from rareevent.ingestion.frame import Events
from rareevent.windowing.curve_shift import curve_shift
from rareevent.windowing.event_types import (
    choose_types,
    require_types,
    type_of_events,
    type_targets,
    untaught_types,
)
from tests.frames import make_frame


def events_of(kinds, counts):
    kind = np.repeat(np.arange(len(kinds), dtype=np.int32), counts)
    return Events(np.zeros_like(kind), np.arange(len(kind)), kind, tuple(kinds))


def all_of(events):
    return np.ones(len(events), bool)


def test_types_with_five_events_are_told_apart_and_rarer_ones_pooled():
    events = events_of(["belt", "seal", "bearing", "rust"], [4, 5, 9, 0])

    choice = choose_types(events, all_of(events))

    assert choice.names == ("bearing", "seal", "other")
    assert choice.reason == (
        "event types bearing (9), seal (5) are told apart; belt (4) pooled as other"
    )


def test_nothing_is_pooled_where_no_rarer_type_taught():
    events = events_of(["seal", "bearing"], [5, 9])

    choice = choose_types(events, all_of(events))

    assert choice.names == ("bearing", "seal")
    assert "pooled" not in choice.reason


def test_only_events_that_the_first_training_rows_teach_count():
    events = events_of(["seal", "bearing"], [6, 9])
    taught = np.arange(len(events)) != 0
    fewer = np.arange(len(events)) > 1

    assert choose_types(events, taught).names == ("bearing", "seal")
    choice = choose_types(events, fewer)
    assert choice.names == ()
    assert choice.reason == (
        "event types are not told apart: 1 of 2 have 5 events in the first training rows, and it"
        " takes two"
    )


def test_a_type_that_is_called_other_is_pooled_with_the_others():
    events = events_of(["other", "seal", "bearing"], [8, 6, 7])

    assert choose_types(events, all_of(events)).names == ("bearing", "seal", "other")


def test_each_event_finds_its_place_among_the_names():
    events = events_of(["belt", "seal", "bearing"], [1, 1, 1])

    assert type_of_events(events, ("bearing", "seal")).tolist() == [-1, 1, 0]
    assert type_of_events(events, ("bearing", "other")).tolist() == [1, 1, 0]


def test_a_type_that_is_called_other_and_is_frequent_can_be_told_from_one_more():
    events = events_of(["other", "seal"], [8, 6])

    choice = choose_types(events, all_of(events))

    assert choice.names == ("seal", "other")
    assert choice.reason == "event types seal (6) are told apart; other (8) pooled as other"


def test_an_event_whose_type_is_not_known_is_of_no_type_and_counts_for_none():
    events = events_of(["seal", "bearing"], [6, 6])
    unknown = replace(events, kind=np.where(np.arange(12) % 6 < 2, -1, events.kind))

    assert choose_types(unknown, all_of(events)).names == ()
    places = type_of_events(unknown, ("seal", "other")).tolist()
    assert places == [-1, -1, 0, 0, 0, 0, -1, -1, 1, 1, 1, 1]


def test_names_beyond_the_hundred_and_twenty_seventh_find_their_place():
    names = tuple(f"t{n}" for n in range(200))
    events = events_of(names, [1] * 200)

    assert type_of_events(events, names).tolist() == list(range(200))


def test_a_type_that_no_event_has_is_refused_and_those_there_are_are_named():
    events = events_of(["seal", "bearing"], [1, 1])

    require_types(events, ("bearing", "other"))
    with pytest.raises(ConfigError, match=r"no event is of type 'Seal'; .* 'seal', 'bearing'"):
        require_types(events, ("bearing", "Seal"))


@pytest.mark.parametrize("kind", [0, -1])
def test_types_are_refused_where_no_event_has_one(kind):
    events = Events(np.int32([0]), np.int64([5]), np.int32([kind]))

    with pytest.raises(ConfigError, match=r"no event has a type; .* ingest.events.type"):
        require_types(events, ("seal", "bearing"))


def test_types_that_no_taught_event_has_are_found():
    events = events_of(["seal", "bearing", "belt"], [2, 1, 1])
    taught = np.array([True, False, False, True])

    assert untaught_types(events, taught, ("bearing", "seal")) == ("bearing",)
    assert untaught_types(events, taught, ("bearing", "other")) == ("bearing",)
    assert untaught_types(events, ~taught, ("bearing", "other")) == ()


def frame_with_two_types():
    """Rows 0..9; events of type b at 3, a at 7 and c at 9."""
    frame = make_frame({"m": range(10)}, events=[("m", 3), ("m", 7), ("m", 9)])
    events = Events(frame.events.asset, frame.events.time, np.int32([1, 0, 2]), ("a", "b", "c"))
    object.__setattr__(frame, "events", events)
    return frame


def test_positive_rows_learn_the_type_of_their_next_event_and_no_other_row_learns_any():
    frame = frame_with_two_types()
    labels = curve_shift(frame, horizon=2)

    targets = type_targets(frame.events, labels, ("a", "b"))

    assert labels.target[:9].tolist() == [0, 1, 1, 0, 0, 1, 1, 1, 1]
    none, a, b = [-1, -1], [1, 0], [0, 1]
    # Row 3 awaits the event at 7, four rows ahead; rows 7 and 8 that of type c.
    assert targets.tolist() == [none, b, b, none, none, a, a, none, none, none]


def test_the_pool_has_the_types_that_are_not_named():
    frame = frame_with_two_types()
    labels = curve_shift(frame, horizon=2)

    targets = type_targets(frame.events, labels, ("b", "other"))

    assert targets[[1, 5, 8]].tolist() == [[1, 0], [0, 1], [0, 1]]


@pytest.mark.parametrize("names", [(), ("a", "b")])
def test_without_names_or_positive_rows_there_is_nothing_to_learn(names):
    frame = make_frame({"m": range(6)})
    labels = curve_shift(frame, horizon=2)

    targets = type_targets(frame.events, labels, names)

    assert targets.shape == (6, len(names))
    assert (targets == -1).all()
