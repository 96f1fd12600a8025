"""Scoring in pieces does what scoring at once does, wherever the pieces are cut."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from rareevent.alarms.policy import AlarmCarry, AlarmPolicy
from rareevent.ingestion.cells import Cells
from rareevent.ingestion.event_log import Log
from rareevent.ingestion.roles import roles_for_scoring
from rareevent.scoring.carry import AssetState, Reader, score_on
from rareevent.scoring.rows import CleanRows
from tests.bundles import MINUTE
from tests.scoring.fleets import BEGIN, fleet_bundle, fleet_events, fleet_rows

COLUMNS = ("when", "machine", "s1", "s2", "grade")


def reader_of(bundle, events=None):
    stage = bundle.config.ingest
    log = None
    if events is not None:
        time = events["when"].to_numpy().astype("M8[us]").view(np.int64)
        kinds = np.zeros(len(time), np.int32)
        log = Log(tuple(events["machine"]), time, kinds, ("event",))
    return Reader(bundle, stage, roles_for_scoring(COLUMNS, stage, bundle.needs, "x"), log)


def clean(table) -> CleanRows:
    names = tuple(dict.fromkeys(table["machine"]))
    words = tuple(x for x in dict.fromkeys(table["grade"]) if isinstance(x, str))
    codes = [words.index(x) if isinstance(x, str) else -1 for x in table["grade"]]
    cells = {name: Cells(table[name].to_numpy(float), None, ()) for name in ("s1", "s2")}
    cells["grade"] = Cells(np.full(len(table), np.nan), np.array(codes, np.int32), words)
    tick = table["when"].to_numpy().astype("M8[us]").view(np.int64)
    asset = np.array([names.index(name) for name in table["machine"]], np.int32)
    return CleanRows(tick, asset, names, cells)


def score_pieces(reader, tables):
    """(asset, tick) -> (probability, alarm) of rows scored in pieces, and how many were not."""
    states, found, unscored = {}, {}, 0
    for table in tables:
        if not len(table):
            continue
        done = score_on(reader, states, clean(table), "x")
        states |= done.states
        scores, names = done.scores, done.frame.assets
        for row in range(len(scores)):
            key = (names[scores.asset[row]], int(scores.time[row]))
            assert key not in found
            found[key] = (scores.probability[row], bool(scores.alarm[row]))
        unscored += sum(scores.skipped.values())
        assert len(scores) + sum(scores.skipped.values()) == done.new.sum() == len(table)
    return found, unscored


def cut(table, minutes):
    edges = [-1, *sorted(minutes), 10**6]
    at = (table["when"].to_numpy().astype("M8[us]").view(np.int64) - BEGIN) // MINUTE
    return [table[(at > low) & (at <= high)] for low, high in itertools.pairwise(edges)]


bundles = st.fixed_dictionaries(
    {
        "lookback": st.integers(1, 6),
        "pad": st.sampled_from(["first", "none"]),
        "min_history": st.sampled_from([1, 3, 12]),
        "windows": st.sampled_from([(2,), (4, 8), (3, 5), (16,)]),
        "use": st.sampled_from(
            [("value", "missing"), ("value", "change", "volatility", "missing")]
        ),
        "k": st.integers(1, 2),
        "n": st.integers(2, 5),
        "silence": st.sampled_from([0, 3, 30]),
        "event_delay": st.sampled_from([0, 4]),
        "recovery": st.sampled_from([0, 3]),
        "surprise": st.sampled_from([0, 0, 3]),
    }
)


@given(
    bundles,
    st.integers(0, 10**6),
    st.lists(st.integers(0, 59), min_size=1, max_size=9),
    st.booleans(),
)
@settings(max_examples=30)
@example({"lookback": 2, "surprise": 5, "windows": (3,)}, 5, list(range(60)), False)
@example(
    {"lookback": 3, "pad": "none", "windows": (4, 8), "n": 4, "event_delay": 4, "recovery": 3},
    3,
    list(range(60)),
    True,
)
def test_any_cuts_give_the_probabilities_and_alarms_of_one_piece(drawn, seed, cuts, feed):
    bundle = fleet_bundle(**drawn)
    reader = reader_of(bundle, fleet_events(seed) if feed else None)
    table = fleet_rows(seed)
    whole, skipped = score_pieces(reader, [table])
    pieces, skipped_in_pieces = score_pieces(reader, cut(table, set(cuts)))

    close = [abs(p - bundle.policy.threshold) for p, _ in whole.values()]
    assume(min(close, default=1) > 1e-5)
    assert pieces.keys() == whole.keys()
    assert skipped_in_pieces == skipped
    for key, (probability, alarm) in whole.items():
        assert abs(pieces[key][0] - probability) <= 1e-5
        assert pieces[key][1] == alarm


def test_the_examples_hold_alarms_silences_and_late_history():
    """The property above would say little if nothing ever happened in it."""
    found, _ = score_pieces(reader_of(fleet_bundle()), [fleet_rows(3)])
    reached = sum(p >= 0.3 for p, _ in found.values())
    alarms = sum(alarm for _, alarm in found.values())

    assert 3 <= alarms < reached < len(found)


def one_asset(readings, first=0):
    minutes = np.arange(first, first + len(readings))
    table = fleet_rows(0, ("m1",))[: len(readings)].copy()
    table["when"] = (BEGIN + minutes * MINUTE).astype("M8[us]")
    table["s1"], table["s2"], table["grade"] = readings, 1.0, "A"
    return table


def test_one_row_more_than_windows_read_is_kept_and_holds_the_last_known_reading():
    bundle = fleet_bundle(lookback=2, windows=(3,))
    nan = np.nan
    readings = [5.0, nan, nan, nan, nan, nan, nan, nan, nan, 7.0]
    state = score_on(reader_of(bundle), {}, clean(one_asset(readings)), "x").states["m1"]

    # A window reads 1 row back, its change 3 further; the row before them carries the filling.
    assert (state.time - BEGIN).tolist() == [m * MINUTE for m in (5, 6, 7, 8, 9)]
    np.testing.assert_array_equal(state.sensors[0], [5, nan, nan, nan, 7])
    assert state.texts == (("A",) * 5,)
    assert state.last == BEGIN + 9 * MINUTE


def test_the_first_row_of_a_segment_keeps_its_missing_reading():
    bundle = fleet_bundle(lookback=9)
    state = score_on(reader_of(bundle), {}, clean(one_asset([np.nan, 2.0])), "x").states["m1"]

    np.testing.assert_array_equal(state.sensors[0], [np.nan, 2])


def test_nothing_is_kept_of_a_segment_that_an_event_ended():
    bundle = fleet_bundle()
    events = fleet_events(0)[:1].assign(machine="m1", when=np.datetime64(BEGIN + MINUTE, "us"))
    state = score_on(reader_of(bundle, events), {}, clean(one_asset([1.0, 2.0])), "x").states["m1"]

    assert len(state.time) == 0
    assert (state.last, state.alarm) == (BEGIN + MINUTE, AlarmCarry())


@pytest.mark.parametrize(
    ("known_late_at", "silenced"), [(None, True), (7, False), (3, True)]
)  # minute of the event
def test_an_event_told_too_late_ends_the_segment_from_then_on(known_late_at, silenced):
    """Rows 0 to 9 were scored without the feed; an alarm was raised at minute 5."""
    bundle = fleet_bundle(lookback=6, windows=(4,))
    everything = replace(bundle, policy=AlarmPolicy(0.0, 1, 1, 1000 * MINUTE))
    before = score_on(reader_of(everything), {}, clean(one_asset([1.0] * 10)), "x").states["m1"]
    before = replace(before, alarm=AlarmCarry((), BEGIN + 5 * MINUTE))
    events = fleet_events(0)[:0]
    if known_late_at is not None:
        when = np.datetime64(BEGIN + known_late_at * MINUTE, "us")
        events = fleet_events(0)[:1].assign(machine="m1", when=when)
    rows = clean(one_asset([1.0], first=10))
    done = score_on(reader_of(everything, events), {"m1": before}, rows, "x")

    assert done.scores.alarm.tolist() == [not silenced]


def test_an_unknown_asset_starts_fresh_beside_a_known_one():
    reader = reader_of(fleet_bundle())
    states = score_on(reader, {}, clean(one_asset([1.0] * 10)), "x").states
    stranger = one_asset([1.0], first=10).assign(machine="m2")
    both = clean(pd.concat([one_asset([1.0], first=10), stranger]))
    done = score_on(reader, states, both, "x")
    alone = score_on(reader, {}, clean(stranger), "x")

    assert done.scores.probability[1] == pytest.approx(alone.scores.probability[0], abs=1e-6)
    assert isinstance(done.states["m2"], AssetState)
