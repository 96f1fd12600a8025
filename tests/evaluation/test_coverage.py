"""Do 95 % intervals hold the truth in 95 % of repeats? On runs like the sheet-break set."""

import numpy as np
import pytest

from rareevent.alarms.policy import AlarmPolicy
from rareevent.evaluation.blocks import draw_weights, make_blocks
from rareevent.evaluation.bootstrap import figures, percentile_interval, point, tally
from rareevent.evaluation.catches import judge
from tests.evaluation.worlds import long_run, with_alarms

REPEATS = 400
# Ratios of two counts that both vary are skewed, and with twelve blocks a little less is held.
LOWEST = {
    "roc_auc": 0.90,
    "pr_auc": 0.90,
    "event_recall": 0.90,
    "alarm_precision": 0.88,
    "false_alarms_per_event": 0.88,
}


def one_run(seed, rows, events, memory):
    """Like the sheet-break set: two-minute rows, an event in about 150, horizon 5 rows."""
    rng = np.random.default_rng(seed)
    scored, log, counted, clock = long_run(rng, rows, rng.poisson(events), memory=memory)
    scored = with_alarms(scored, AlarmPolicy(0.1, silence=5 * clock.interval))
    blocks = make_blocks(scored, log, counted, clock, lookback=10, horizon=5 * clock.interval)
    return tally(scored, judge(scored, counted), counted, blocks, clock), blocks


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "events"), [(9_200, 62), (18_400, 124)])
@pytest.mark.parametrize("memory", [0.9, 0.98])
def test_95_percent_intervals_hold_the_truth_about_as_often_as_they_say(rows, events, memory):
    long_runs = [point(one_run(10_000 + i, 40 * rows, 40 * events, memory)[0]) for i in range(10)]
    truth = {name: np.mean([run[name] for run in long_runs]) for name in LOWEST}
    held = dict.fromkeys(LOWEST, 0)
    for seed in range(REPEATS):
        counts, blocks = one_run(seed, rows, events, memory)
        drawn = figures(counts, draw_weights(blocks, 500, seed))
        for name in LOWEST:
            low, high = percentile_interval(drawn[name], blocks.count, 0.95)
            held[name] += bool(low <= truth[name] <= high)
    share = {name: count / REPEATS for name, count in held.items()}
    print(f"{blocks.count} blocks, {events} events, memory {memory}, coverage: {share}")
    for name, value in share.items():
        assert LOWEST[name] <= value <= 0.98, f"{name}: {value}"
