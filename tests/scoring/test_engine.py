"""Scoring a frame: every row is scored or counted, and it does not matter what stands beside it."""

from dataclasses import replace

import numpy as np
import pytest

from rareevent.alarms.policy import AlarmPolicy, raise_alarms
from rareevent.config import WindowStage
from rareevent.ingestion import frame_from_table
from rareevent.ingestion.frame import Fate
from rareevent.scoring.engine import mean_logit, score_frame
from rareevent.windowing.temporalize import temporalize
from tests.bundles import random_network, raw_rows, tiny_bundle
from tests.frames import make_frame


def frame_of(bundle, table):
    return frame_from_table(table, bundle.config.ingest, bundle.clock, bundle.needs)[0]


def test_every_row_is_scored_or_counted_under_one_reason():
    bundle = tiny_bundle()
    window = WindowStage(lookback=4, pad="none")
    config = bundle.config.model_copy(update={"window": window})
    bundle = replace(bundle, config=config)
    frame = frame_of(bundle, raw_rows(rows=20))
    segments = frame.segments
    fate = segments.fate.copy()
    fate[[0, 1, 2]] = Fate.EVENT, Fate.EVENT_RUN, Fate.RECOVERY
    fate[39] = Fate.EXCLUDED
    of_row = np.where(fate == Fate.IN_SEGMENT, segments.of_row, -1)
    start = segments.start.copy()
    start[0] = 3
    frame = replace(frame, segments=replace(segments, fate=fate, of_row=of_row, start=start))
    scores = score_frame(bundle, frame)
    # Four segments of 7, 10, 10 and 9 rows, each without its first three.
    assert scores.skipped == {
        "event": 1,
        "event_run": 1,
        "recovery": 1,
        "excluded": 1,
        "short_history": 12,
    }
    assert len(scores) == 24
    assert len(scores) + sum(scores.skipped.values()) == len(frame)
    assert scores.row[:4].tolist() == [6, 7, 8, 9]


def test_the_score_is_the_calibrated_mean_of_the_members_first_heads():
    bundle = tiny_bundle(members=3)
    frame = frame_of(bundle, raw_rows())
    scores = score_frame(bundle, frame)
    alone = [score_frame(replace(bundle, networks=(n,)), frame).logit for n in bundle.networks]
    np.testing.assert_allclose(scores.logit, np.mean(alone, axis=0), atol=1e-6)
    expected = 1 / (1 + np.exp(-(1.1 * (scores.logit - 0.3) - 0.5)))
    np.testing.assert_allclose(scores.probability, expected, rtol=1e-12)
    expected = raise_alarms(bundle.policy, scores.time, scores.segment, scores.probability)
    np.testing.assert_array_equal(scores.alarm, expected)
    assert 0 < scores.alarm.sum() < len(scores)


def test_what_is_not_a_number_is_counted_and_raises_nothing():
    bundle = tiny_bundle(members=1)
    network = random_network(bundle.networks[0].channels, seed=9)
    huge = np.sign(network.skip) * np.float32(3e38)
    bundle = replace(bundle, networks=(replace(network, skip=huge),), policy=AlarmPolicy(-1.0))
    with np.errstate(over="ignore", invalid="ignore"):
        scores = score_frame(bundle, frame_of(bundle, raw_rows()))
    assert scores.skipped["not_finite"] + len(scores) == 120
    assert scores.skipped["not_finite"] > 0
    assert np.isfinite(scores.probability).all()


def test_one_asset_alone_scores_as_it_does_among_others():
    bundle = tiny_bundle()
    table = raw_rows(assets=("m1", "m2", "m10"))
    together = score_frame(bundle, frame_of(bundle, table))
    for code, asset in enumerate(frame_of(bundle, table).assets):
        alone = score_frame(bundle, frame_of(bundle, table[table["machine"] == asset]))
        mine = together.asset == code
        np.testing.assert_array_equal(together.time[mine], alone.time)
        np.testing.assert_allclose(together.probability[mine], alone.probability, atol=1e-5)
        np.testing.assert_array_equal(together.alarm[mine], alone.alarm)


def test_rows_cut_off_after_a_time_change_nothing_before_it():
    bundle = tiny_bundle()
    table = raw_rows(rows=50, assets=("m1",))
    whole = score_frame(bundle, frame_of(bundle, table))
    for kept in (1, 7, 33):
        part = score_frame(bundle, frame_of(bundle, table[:kept]))
        np.testing.assert_allclose(part.probability, whole.probability[:kept], atol=1e-5)
        np.testing.assert_array_equal(part.alarm, whole.alarm[:kept])


def test_no_network_sees_across_a_gap():
    bundle = tiny_bundle()
    table = raw_rows(rows=40, assets=("m1",))
    changed = table.copy()
    changed.loc[:19, ["s1", "s2"]] = 0.0
    before = score_frame(bundle, frame_of(bundle, table))
    after = score_frame(bundle, frame_of(bundle, changed))
    np.testing.assert_array_equal(before.probability[20:], after.probability[20:])
    assert (before.probability[:20] != after.probability[:20]).any()


def test_mean_logit_of_no_window_is_empty():
    bundle = tiny_bundle()
    frame = make_frame({"a": [0]})
    rows = np.zeros((1, bundle.networks[0].channels), np.float32)
    windows, _ = temporalize(rows, frame.segments, 4, "none")
    assert mean_logit(bundle, windows).tolist() == []


@pytest.mark.parametrize("lookback", [1, 4, 30])
def test_any_lookback_scores_every_row_of_a_segment(lookback):
    bundle = tiny_bundle()
    window = WindowStage(lookback=lookback)
    bundle = replace(bundle, config=bundle.config.model_copy(update={"window": window}))
    scores = score_frame(bundle, frame_of(bundle, raw_rows(rows=10)))
    assert (len(scores), dict(scores.skipped)) == (20, {})
