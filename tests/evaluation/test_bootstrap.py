import time
from dataclasses import replace

import numpy as np
import pytest

from rareevent.evaluation.blocks import draw_weights, make_blocks
from rareevent.evaluation.bootstrap import Ratio, figures, point, ratios, tally
from rareevent.evaluation.catches import judge
from rareevent.evaluation.intervals import (
    clopper_pearson,
    difference_interval,
    intervals,
    ratio_interval,
    share_interval,
)
from rareevent.evaluation.metrics import alarm_metrics, row_metrics
from tests.evaluation.worlds import DAY, MINUTE, long_run, make_world


def blocks_of(world, *, lookback=1, horizon=1, counted=None):
    counted = world.everything_counts if counted is None else counted
    return make_blocks(
        world.scored(),
        world.frame.events,
        counted,
        world.frame.clock,
        lookback=lookback,
        horizon=horizon,
    )


def test_thirty_assets_are_blocks_and_their_events_go_with_them():
    times = {f"a{i:02d}": range(4) for i in range(30)}
    world = make_world(times, [("a03", 2), ("a29", 3)], horizon=1)
    blocks = blocks_of(world)
    assert (blocks.kind, blocks.count, blocks.length) == ("assets", 30, None)
    assert blocks.of_row[:5].tolist() == [0, 0, 0, 0, 1]
    assert blocks.of_event.tolist() == [3, 29]


def test_fewer_assets_are_cut_by_time_into_days_that_span_all_assets():
    hours = [h * 60 * MINUTE for h in range(72)]
    world = make_world(
        {"a": hours, "b": hours},
        [("b", 30 * 60 * MINUTE)],
        horizon=60 * MINUTE,
        kind="datetime",
        interval=60 * MINUTE,
    )
    blocks = blocks_of(world, lookback=2, horizon=60 * MINUTE)
    # 71 hours hold two stretches of at least a day, of 35.5 hours each.
    assert (blocks.kind, blocks.count, blocks.length) == ("time", 2, DAY)
    assert blocks.of_row[:72].tolist() == [0] * 36 + [1] * 36
    assert blocks.of_row[72:].tolist() == [0] * 35 + [1] * 36
    assert blocks.of_event.tolist() == [0]


def test_a_time_block_is_at_least_twice_lookback_and_horizon():
    hours = [h * 60 * MINUTE for h in range(481)]
    world = make_world({"a": hours}, [], horizon=1, kind="datetime", interval=60 * MINUTE)
    blocks = blocks_of(world, lookback=20, horizon=30 * 60 * MINUTE)
    assert blocks.length == 100 * 60 * MINUTE
    assert blocks.count == 4
    assert np.bincount(blocks.of_row).tolist() == [121, 120, 120, 120]


def test_ages_of_different_assets_do_not_share_blocks():
    world = make_world({"a": range(9), "b": range(9)}, [("b", 8)], horizon=1)
    blocks = blocks_of(world, lookback=1, horizon=1)
    assert blocks.length == 4
    assert blocks.of_row.tolist() == [0] * 5 + [1] * 4 + [2] * 5 + [3] * 3
    assert blocks.of_event.tolist() == [3]


def test_an_uncounted_event_has_no_block():
    world = make_world({"a": range(9)}, [("a", 2), ("a", 8)], horizon=1)
    assert blocks_of(world, counted=np.array([True, False])).of_event.tolist() == [0, -1]


def run_tally(seed=0, rows=20_000, events=250, alarms=None):
    scored, log, counted, clock = long_run(np.random.default_rng(seed), rows, events)
    threshold = np.quantile(scored.probability, 0.97)
    scored = replace(scored, alarm=scored.probability >= threshold)
    blocks = make_blocks(scored, log, counted, clock, lookback=10, horizon=5 * clock.interval)
    judged = judge(scored, counted)
    by_rows = row_metrics(scored)
    by_alarm = alarm_metrics(scored, judged, counted, clock, threshold)
    return tally(scored, judged, counted, blocks, clock), blocks, {**by_rows, **by_alarm}


def test_unweighted_figures_equal_the_metrics():
    counts, _, metrics = run_tally()
    found = point(counts)
    assert set(found) == {
        *("brier", "event_recall", "alarm_precision", "false_alarms_per_event"),
        *("false_alarms_per_day", "false_alarms_per_asset_day", "roc_auc", "pr_auc"),
    }
    assert found == pytest.approx({name: metrics[name] for name in found})


def test_a_weight_of_two_counts_a_block_twice():
    counts, blocks, _ = run_tally(rows=3_000, events=40)
    weights = np.zeros((1, blocks.count))
    weights[0, 1] = 2
    once = np.zeros((1, blocks.count))
    once[0, 1] = 1
    for name, value in figures(counts, weights).items():
        assert value == pytest.approx(figures(counts, once)[name])
    weights[0, 0] = 1
    both = figures(counts, weights)
    hits = counts.caught[0] + 2 * counts.caught[1]
    assert both["event_recall"][0] == pytest.approx(
        hits / (counts.events[0] + 2 * counts.events[1])
    )


def test_resamples_repeat_with_their_seed_and_take_as_many_blocks_as_there_are():
    _, blocks, _ = run_tally(rows=9_000, events=40)
    weights = draw_weights(blocks, 50, seed=3)
    assert weights.sum(axis=1).tolist() == [blocks.count] * 50
    assert np.array_equal(weights, draw_weights(blocks, 50, seed=3))
    assert not np.array_equal(weights, draw_weights(blocks, 50, seed=4))


def test_intervals_hold_the_point_and_narrow_with_more_data():
    counts, blocks, metrics = run_tally(rows=20_000, events=250)
    found = intervals(counts, blocks, draws=500, confidence=0.95, seed=0)
    for name, interval in found.items():
        assert interval[0] <= metrics[name] <= interval[1]
    more, more_blocks, _ = run_tally(rows=160_000, events=2_000)
    narrow = intervals(more, more_blocks, draws=500, confidence=0.95, seed=0)
    width = {n: np.diff(found[n])[0] / np.diff(narrow[n])[0] for n in ("roc_auc", "event_recall")}
    assert all(1.8 < ratio < 5.0 for ratio in width.values())


def test_under_ten_blocks_there_is_no_interval():
    counts, blocks, _ = run_tally(rows=6_400, events=60)
    assert blocks.count == 8
    found = intervals(counts, blocks, draws=500, confidence=0.95, seed=0)
    assert set(found.values()) == {None}


def test_without_draws_there_is_no_interval():
    counts, blocks, _ = run_tally()
    assert set(intervals(counts, blocks, draws=0, confidence=0.95, seed=0).values()) == {None}


def test_no_interval_where_draws_are_often_undefined():
    often = np.r_[np.linspace(0.4, 0.6, 94), np.full(6, np.nan)]
    assert difference_interval(0.5, often, 20, 0.95) is None
    assert difference_interval(0.5, often[:98], 20, 0.95) is not None
    assert difference_interval(np.nan, often[:98], 20, 0.95) is None
    assert difference_interval(0.0, np.zeros(100), 20, 0.95) == (0.0, 0.0)


def test_a_difference_reaches_students_t_standard_errors_to_both_sides():
    drawn = np.array([-1.0, 1.0] * 500)
    # With 10 blocks: t(.975, 9) = 2.262, times sqrt(10/9) is 2.385.
    assert difference_interval(3.0, drawn, 10, 0.95) == pytest.approx((0.615, 5.385), abs=1e-3)
    # With very many blocks the normal deviate is left.
    assert difference_interval(3.0, drawn, 100_000, 0.95) == pytest.approx((1.04, 4.96), abs=1e-3)


def test_a_share_reaches_as_far_on_the_scale_of_log_odds():
    logit = np.log(4.0) + np.array([-1.0, 1.0] * 500)
    drawn = 1 / (1 + np.exp(-logit))
    low, high = share_interval(0.8, drawn, 50.0, 10, 0.95)
    assert np.log(low / (1 - low)) == pytest.approx(np.log(4) - 2.3845, abs=1e-3)
    assert np.log(high / (1 - high)) == pytest.approx(np.log(4) + 2.3845, abs=1e-3)


def test_a_perfect_area_has_no_interval_and_a_few_perfect_draws_are_no_certainty():
    assert share_interval(1.0, np.ones(100), 5.0, 20, 0.95) is None
    assert share_interval(0.0, np.zeros(100), 5.0, 20, 0.95) is None
    low, high = share_interval(0.9, np.r_[np.full(60, 0.85), np.ones(40)], 9.0, 20, 0.95)
    assert 0.5 < low < 0.9 < high < 1.0


EVERY_BLOCK = np.ones(12)
ONE_BLOCK = np.r_[1.0, np.zeros(11)]


def drawn_weights(blocks=12, draws=400):
    rng = np.random.default_rng(0)
    return rng.multinomial(blocks, np.full(blocks, 1 / blocks), draws)


def test_no_false_alarm_is_not_taken_for_certainty():
    none = Ratio(0 * EVERY_BLOCK, 5 * EVERY_BLOCK, 1.0)
    low, high = ratio_interval(none, drawn_weights(), 0.95)
    assert low == 0.0
    # 60 events, no false alarm: 1 - .025 ** (1 / 60) = .0596 of all, odds .0634.
    assert high == pytest.approx(0.0634, abs=1e-4)


def test_all_events_caught_or_none_get_the_exact_interval():
    every = Ratio(5 * EVERY_BLOCK, 0 * EVERY_BLOCK)
    none = Ratio(0 * EVERY_BLOCK, 5 * EVERY_BLOCK)
    assert ratio_interval(every, drawn_weights(), 0.95) == clopper_pearson(60, 60, 0.95)
    assert ratio_interval(none, drawn_weights(), 0.95) == clopper_pearson(0, 60, 0.95)


def test_a_single_false_alarm_gives_a_wide_interval_above_zero_that_holds_it():
    low, high = ratio_interval(Ratio(ONE_BLOCK, 5 * EVERY_BLOCK, 1.0), drawn_weights(), 0.95)
    assert 0 < low < 1 / 60 < high < 0.5


def test_a_rate_is_scaled_at_both_ends():
    above, below = np.arange(12.0), 100 * EVERY_BLOCK
    once = ratio_interval(Ratio(above, below, 1.0), drawn_weights(), 0.95)
    daily = ratio_interval(Ratio(above, below, 720.0), drawn_weights(), 0.95)
    assert daily == pytest.approx([720 * limit for limit in once])


def test_figures_without_events_alarms_or_positive_rows_have_no_interval():
    counts, blocks, _ = run_tally()
    nothing = np.zeros(blocks.count)
    silent = replace(counts, caught=nothing, false_alarms=nothing)
    found = intervals(silent, blocks, draws=200, confidence=0.95, seed=0)
    assert found["alarm_precision"] is None
    assert found["event_recall"][0] == 0.0 < found["event_recall"][1] < 0.1
    assert found["false_alarms_per_day"][0] == 0.0 < found["false_alarms_per_day"][1] < 1.0
    lonely = replace(silent, events=np.where(np.arange(blocks.count) == 3, 1.0, 0.0))
    found = intervals(lonely, blocks, draws=200, confidence=0.95, seed=0)
    assert found["event_recall"] is None  # a third of the draws have no event
    assert found["false_alarms_per_event"] is None


def test_every_ratio_is_the_figure_of_its_sums():
    counts, _, _ = run_tally()
    at = point(counts)
    for name, ratio in ratios(counts).items():
        assert ratio.of(ratio.above.sum(), ratio.below.sum()) == pytest.approx(at[name])


@pytest.mark.parametrize(
    ("caught", "events", "low", "high"),
    [(0, 0, None, None), (0, 10, 0.0, 0.30850), (10, 10, 0.69150, 1.0), (3, 10, 0.06674, 0.65245)],
)
def test_clopper_pearson_gives_the_published_limits(caught, events, low, high):
    found = clopper_pearson(caught, events, 0.95)
    assert found == (None if low is None else pytest.approx((low, high), abs=1e-4))


def test_a_thousand_resamples_of_twenty_thousand_rows_take_a_moment():
    counts, blocks, _ = run_tally()
    began = time.process_time()
    intervals(counts, blocks, draws=1_000, confidence=0.95, seed=0)
    assert time.process_time() - began < 3


def test_a_thousand_resamples_of_two_thousand_assets_take_seconds():
    rng = np.random.default_rng(0)
    times = {f"{i:05d}": range(8) for i in range(2_000)}
    events = [(f"{i:05d}", 7) for i in range(0, 2_000, 5)]
    world = make_world(times, events, horizon=2)
    scored = world.scored(probability=rng.random(16_000), alarms=rng.integers(0, 16_000, 900))
    blocks = make_blocks(
        scored,
        world.frame.events,
        world.everything_counts,
        world.frame.clock,
        lookback=5,
        horizon=2,
    )
    counts = tally(
        scored,
        judge(scored, world.everything_counts),
        world.everything_counts,
        blocks,
        world.frame.clock,
    )
    began = time.process_time()
    found = intervals(counts, blocks, draws=1_000, confidence=0.95, seed=0)
    assert time.process_time() - began < 15
    assert found["roc_auc"][0] < 0.5 < found["roc_auc"][1]
