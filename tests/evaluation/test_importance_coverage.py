"""How often the intervals of importance hold the truth, where events of one asset or day are alike.

Each event announces itself by two sensors; how strongly they do is shared by the events of an
asset, or wanders over hours. A third sensor is noise. The truth is what is lost in worlds many
times larger.
"""

from itertools import pairwise

import numpy as np
import pytest
from scipy.signal import lfilter

from rareevent.evaluation.blocks import event_blocks
from rareevent.evaluation.importance import Fold, find_importance
from rareevent.evaluation.stretches import find_stretches
from rareevent.windowing.curve_shift import curve_shift
from rareevent.windowing.temporalize import temporalize
from tests.bundles import MINUTE
from tests.frames import make_frame

REPEATS, STEP, HORIZON, LOOKBACK = 120, 10 * MINUTE, 3, 2
ROWS_A_DAY = 144
LIFT, WEIGHTS = np.array([2.0, 0.8]), np.array([1.5, 1.0, 0.2])
NAMES = ("strong", "weak", "noise")


def strength_of_the_asset(rng, rows):
    return np.ones((rows, 2)) * rng.exponential(size=2)


def strength_that_wanders(rng, rows):
    """A lognormal of mean 1 that forgets within four hours."""
    memory = np.exp(-1 / 24)
    noise = rng.normal(size=(rows, 2)) * np.sqrt(1 - memory**2)
    return np.exp(0.7 * lfilter([1], [1, -memory], noise, axis=0) - 0.245)


def importance(rng, strength, assets, days, events_a_day, block):
    """What `find_importance` finds in one world; `block` is called as `event_blocks` is."""
    rows, names = days * ROWS_A_DAY, [f"a{number:05d}" for number in range(assets)]
    ranges, events, readings = [], [], []
    for number, name in enumerate(names):
        count = rng.poisson(events_a_day * days)
        at = np.sort(rng.choice(np.arange(20, rows - 5, 12), count, replace=False))
        lift, told = np.zeros((rows, 3)), strength(rng, rows) * LIFT
        for event in at:
            lift[event - HORIZON : event, :2] += told[event]
        edges = pairwise([-1, *at.tolist(), rows])
        ranges += [(number * rows + a + 1, number * rows + b) for a, b in edges if b > a + 1]
        events += [(name, int(event) * STEP) for event in at]
        readings.append(lift + rng.normal(size=lift.shape))
    frame = make_frame(
        {name: range(0, rows * STEP, STEP) for name in names},
        segments=ranges,
        events=events,
        sensors={"s": np.zeros(rows * assets)},
        kind="datetime",
        interval=STEP,
    )
    labels = curve_shift(frame, HORIZON * STEP)
    matrix = np.concatenate(readings).astype(np.float32)
    windows, _ = temporalize(matrix, frame.segments, LOOKBACK)
    windows = windows.take(labels.target[windows.ends] >= 0)
    asked = {"most_events": 10**6, "most_windows": HORIZON, "matches": 5}
    stretches = find_stretches(frame, labels, windows, **asked)

    def score(mixed):
        return 1 / (1 + np.exp(3 - mixed.gather()[:, -1] @ WEIGHTS))

    size = {"assets": assets, "lookback": LOOKBACK, "horizon": HORIZON * STEP}
    return find_importance(
        [Fold(windows, stretches, np.arange(3), score)],
        NAMES,
        0.5,
        lambda asset, time: block(asset, time, frame.clock, **size),
    )


def each_alone(asset, time, clock, **size):
    return np.arange(len(time))


def drops_of(found):
    return np.array(
        [[drop.value for drop in drops] for drops in (found.pr_auc, found.event_recall)]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strength", "assets", "days", "events_a_day", "larger"),
    [
        (strength_of_the_asset, 40, 6, 0.4, (300, 6)),
        (strength_that_wanders, 1, 30, 3.0, (1, 300)),
        (strength_that_wanders, 2, 15, 2.0, (1, 300)),
    ],
)
def test_intervals_hold_what_is_lost_of_all_sensors_at_once(
    strength, assets, days, events_a_day, larger, capsys
):
    truth = np.mean(
        [
            drops_of(
                importance(
                    np.random.default_rng(10**6 + n), strength, *larger, events_a_day, each_alone
                )
            )
            for n in range(6)
        ],
        axis=0,
    )
    held = {each_alone: [], event_blocks: []}
    for seed in range(REPEATS):
        for block, hits in held.items():
            rng = np.random.default_rng(seed)
            found = importance(rng, strength, assets, days, events_a_day, block)
            hits.append(
                [
                    all(d.low <= true <= d.high for d, true in zip(drops, trues, strict=True))
                    for drops, trues in zip((found.pr_auc, found.event_recall), truth, strict=True)
                ]
            )
    shares = {block: np.mean(hits, axis=0) for block, hits in held.items()}
    with capsys.disabled():
        words = f"{strength.__name__}, {assets} assets, {days} days"
        for block, (pr_auc, recall) in shares.items():
            print(f"\n{words}, {block.__name__}: PR-AUC {pr_auc:.1%}, events {recall:.1%}", end="")
    assert (shares[event_blocks] >= 0.85).all()
    if strength is strength_of_the_asset:
        assert shares[each_alone][0] < 0.85
