"""Past windows in a bundle: a bounded sample, what came of it, and the search among it."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from rareevent.bundle import load_bundle, past, save_bundle
from rareevent.bundle.past import PastWindows, describe_windows, is_before_event, past_windows
from rareevent.errors import ModelError
from rareevent.scoring.similar import NO_REFERENCE, NONE_BEFORE, find_similar
from rareevent.windowing.curve_shift import curve_shift
from rareevent.windowing.temporalize import Windows, temporalize
from tests.bundles import MINUTE, tiny_bundle, tiny_config
from tests.frames import make_frame
from tests.test_bundle import edit

LOOKBACK, HORIZON = 4, 5 * MINUTE


def scene(rows=60, events=(20, 50)):
    """Two assets, each with events at some rows."""
    times = range(0, rows * MINUTE, MINUTE)
    edges = [-1, *events, rows]
    ranges = [
        (at * rows + a + 1, at * rows + b) for at in range(2) for a, b in itertools.pairwise(edges)
    ]
    frame = make_frame(
        {"m1": times, "m2": times},
        segments=ranges,
        events=[(name, row * MINUTE) for name in ("m1", "m2") for row in events],
        sensors={"s": np.arange(2.0 * rows)},
        kind="datetime",
        interval=MINUTE,
    )
    labels = curve_shift(frame, HORIZON)
    channels = np.random.default_rng(0).normal(size=(2 * rows, 5)).astype(np.float32)
    windows, _ = temporalize(channels, frame.segments, LOOKBACK)
    return frame, labels, windows.take(labels.target[windows.ends] >= 0)


def test_a_small_set_is_kept_whole_with_what_came_of_it():
    frame, labels, teach = scene()

    found = past_windows(frame, labels, teach)

    assert len(found) == len(teach)
    np.testing.assert_array_equal(found.time, frame.time[teach.ends])
    assert [found.assets[code] for code in found.asset[[0, -1]]] == ["m1", "m2"]
    before = is_before_event(found, labels.lead, labels.horizon)
    np.testing.assert_array_equal(before, labels.target[teach.ends] == 1)
    assert found.time_to_event[before].min() == MINUTE
    # Behind the last event nothing is known of a next one.
    assert (found.time_to_event[found.time > 50 * MINUTE] == past.UNKNOWN).all()
    np.testing.assert_allclose(found.described, describe_windows(teach), atol=2e-3)
    last, mean = teach.gather()[:, -1], teach.gather().mean(axis=1)
    np.testing.assert_allclose(describe_windows(teach), np.hstack([last, mean]), atol=1e-6)


@pytest.mark.parametrize("most", [4, 10, 30])
def test_a_large_set_is_bounded_and_every_event_has_its_nearest_window(monkeypatch, most):
    monkeypatch.setattr(past, "MOST_WINDOWS", most)
    frame, labels, teach = scene()

    found = past_windows(frame, labels, teach)

    assert len(found) == most
    before = is_before_event(found, labels.lead, labels.horizon)
    assert before.sum() == min(most // 2, 20)
    events = {
        (a, t + w)
        for a, t, w in zip(
            found.asset[before], found.time[before], found.time_to_event[before], strict=True
        )
    }
    assert len(events) == min(4, most // 2)
    nearest = found.time_to_event[before] == MINUTE
    assert nearest.sum() == min(4, most // 2)
    assert {0, 1} == set(found.asset[~before])
    assert found.described.dtype == np.float16


def test_bytes_are_bounded_too(monkeypatch):
    monkeypatch.setattr(past, "MOST_BYTES", 200)
    assert past_windows(*scene()).described.nbytes <= 200


def drawn(bundle, time, time_to_event, asset=None):
    """Past windows whose every number is their place times 0.1."""
    count = len(time)
    width = 2 * len(bundle.encoder.channels)
    described = np.repeat(np.arange(count)[:, None] * 0.1, width, axis=1).astype(np.float16)
    codes = np.zeros(count, np.int32) if asset is None else np.array(asset, np.int32)
    return PastWindows(
        described, codes, np.array(time) * MINUTE, np.array(time_to_event), ("m1", "m2")
    )


def ask(bundle, at=10_000, asset="m1", credit=None):
    channels = len(bundle.encoder.channels)
    window = Windows(np.zeros((4, channels), np.float32), np.zeros(1, int), np.array([3]), 4)
    credit = np.ones(channels) if credit is None else credit
    return find_similar(bundle, window, np.arange(channels), credit, asset, at * MINUTE)


def test_the_nearest_are_found_and_told_what_came_of_them():
    bundle = tiny_bundle()
    waits = [-1, 2 * MINUTE, 90 * MINUTE, -1]
    bundle = replace(bundle, past=drawn(bundle, [100, 200, 300, 400], waits))

    found = ask(bundle)

    assert [one.tick // MINUTE for one in found.windows] == [100, 200, 300]
    assert [one.distance for one in found.windows] == pytest.approx([0, 0.1, 0.2], abs=1e-3)
    assert [one.is_before_event for one in found.windows] == [False, True, False]
    assert [one.ahead for one in found.windows] == [None, 2 * MINUTE, 90 * MINUTE]
    assert (found.compared, found.typical) == (4, pytest.approx(0.15, abs=1e-3))


def test_only_what_counted_for_the_score_is_compared():
    bundle = tiny_bundle()
    held = drawn(bundle, [100, 200], [-1, -1])
    held.described[:] = 0
    channels = len(bundle.encoder.channels)
    held.described[0, 0], held.described[1, 1] = 2.0, 1.0
    credit = np.zeros(channels)
    credit[1] = -0.5
    bundle = replace(bundle, past=held)

    by_credit, plain = ask(bundle, credit=credit), ask(bundle, credit=np.zeros(channels))

    # Of channel 1 alone: the last value is apart by 1, the mean by 0.
    assert [one.distance for one in by_credit.windows] == pytest.approx([0, 0.5**0.5])
    assert [one.tick // MINUTE for one in by_credit.windows] == [100, 200]
    assert [one.tick // MINUTE for one in plain.windows] == [200, 100]


def test_neighbours_are_one_story_and_other_assets_are_not():
    bundle = tiny_bundle()
    # Windows of four rows, a horizon of five minutes: at nine minutes two are apart.
    held = drawn(bundle, [100, 101, 108, 109, 100], [-1] * 5, asset=[0, 0, 0, 0, 1])

    found = ask(replace(bundle, past=held))

    assert [(one.asset, one.tick // MINUTE) for one in found.windows] == [
        ("m1", 100), ("m1", 109), ("m2", 100)
    ]  # fmt: skip


def test_windows_whose_outcome_was_not_known_by_then_are_left_out():
    bundle = tiny_bundle()
    bundle = replace(bundle, past=drawn(bundle, [100, 200, 300], [-1, -1, -1]))

    assert [one.tick // MINUTE for one in ask(bundle, at=205).windows] == [100, 200]
    assert [one.tick // MINUTE for one in ask(bundle, at=204).windows] == [100]
    assert ask(bundle, at=50).why_none == NONE_BEFORE


def test_where_time_is_an_age_other_assets_are_compared():
    bundle = tiny_bundle(tiny_config(label={"horizon": 5}))
    held = drawn(bundle, [100, 900, 100], [-1, -1, -1], asset=[0, 0, 1])
    bundle = replace(bundle, past=held, clock=replace(bundle.clock, kind="age"))

    assert [one.asset for one in ask(bundle, at=150, asset="m1").windows] == ["m2"]


def test_it_comes_out_of_a_bundle_as_it_went_in(tmp_path):
    bundle = tiny_bundle()
    held = drawn(bundle, [100, 200], [-1, MINUTE], asset=[0, 1])
    save_bundle(replace(bundle, past=held), tmp_path / "b")

    again = load_bundle(tmp_path / "b").past

    for name in ("described", "asset", "time", "time_to_event"):
        np.testing.assert_array_equal(getattr(again, name), getattr(held, name))
    assert again.assets == held.assets


def test_a_bundle_from_before_loads_and_says_that_it_has_none(tmp_path):
    save_bundle(tiny_bundle(), tmp_path / "b")
    edit(tmp_path / "b", lambda plain: plain.pop("past"))

    bundle = load_bundle(tmp_path / "b")

    assert bundle.past is None
    assert ask(bundle).why_none == NO_REFERENCE
    json.dumps(ask(bundle).windows)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"described": np.zeros((2, 3), np.float16)}, "described by 14 numbers"),
        ({"time_to_event": np.zeros(3, np.int64)}, "described by 14 numbers"),
        ({"asset": np.array([0, 2], np.int32)}, "no name"),
    ],
)
def test_past_windows_that_do_not_fit_are_refused(tmp_path, damage, said):
    bundle = tiny_bundle()
    held = replace(drawn(bundle, [100, 200], [-1, MINUTE]), **damage)
    save_bundle(replace(bundle, past=held), tmp_path / "b")

    with pytest.raises(ModelError, match=said):
        load_bundle(tmp_path / "b")


def test_an_event_after_the_time_asked_about_is_not_told():
    bundle = tiny_bundle()
    past_ones = replace(bundle, past=drawn(bundle, [100], [90 * MINUTE]))

    early, late = (ask(past_ones, at=at).windows[0] for at in (150, 190))

    assert early.ahead is None
    assert late.ahead == 90 * MINUTE


def test_an_event_is_known_once_the_delay_of_its_feed_has_passed():
    bundle = tiny_bundle(tiny_config(score={"event_delay": "7min"}))
    bundle = replace(bundle, past=drawn(bundle, [100, 200], [90 * MINUTE, 2 * MINUTE]))

    # The second one's outcome is known when its horizon of five minutes and seven more have gone.
    assert [one.tick // MINUTE for one in ask(bundle, at=211).windows] == [100]
    assert [one.tick // MINUTE for one in ask(bundle, at=212).windows] == [100, 200]
    assert [ask(bundle, at=at).windows[0].ahead for at in (196, 197)] == [None, 90 * MINUTE]
