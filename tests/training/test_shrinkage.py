"""How strongly logistic regression is shrunk, from a few channels to a thousand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from rareevent.evaluation.baselines import fit_baseline
from rareevent.training.shrinkage import fit_logistic, logistic_c
from rareevent.training.start import find_start
from rareevent.windowing.temporalize import Windows


def planted(events, channels, per_event=5, quiet=40, seed=0):
    """Segments of slow noise that end in an event; channel 0 rises with its last rows."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((events * quiet, channels)).astype(np.float32)
    # Rows beside each other resemble each other, as readings do.
    for row in range(1, len(rows)):
        rows[row] = 0.9 * rows[row - 1] + 0.44 * rows[row]
    ends = np.arange(len(rows))
    starts = ends // quiet * quiet
    target = (ends - starts >= quiet - per_event).astype(np.int8)
    rows[target == 1, 0] += 1
    return Windows(rows, starts, ends, lookback=3), target


@pytest.mark.parametrize(
    ("channels", "per_event", "c"), [(1, 1, 2.0), (4, 5, 2 / 20), (1_000, 5, 2 / 5_000)]
)
def test_c_falls_with_channels_and_with_windows_per_event(channels, per_event, c):
    ends = np.arange(60)
    windows = Windows(np.zeros((60, channels), np.float32), ends // 20 * 20, ends, lookback=2)
    target = (ends % 20 >= 20 - per_event).astype(np.int8)

    assert logistic_c(windows, target) == pytest.approx(c)


def test_without_a_positive_window_it_is_still_a_number():
    windows, target = planted(events=3, channels=2)

    assert logistic_c(windows, 0 * target) == 1.0


def test_many_windows_before_few_events_are_not_taken_for_many_events():
    gain = []
    for seed in (0, 10):
        windows, target = planted(events=40, channels=120, per_event=20, seed=seed)
        later, truth = planted(events=60, channels=120, per_event=20, seed=seed + 1)
        weight = np.where(target == 1, 1.0, target.mean() / (1 - target.mean()))
        kernels = [
            fit_logistic(windows.rows, target == 1, weight, c)[0]
            # Were each of them an event of its own.
            for c in (logistic_c(windows, target), 20 * logistic_c(windows, target))
        ]
        ours, theirs = (roc_auc_score(truth, later.rows @ kernel) for kernel in kernels)
        gain.append(ours - theirs)

    assert min(gain) > 0


@pytest.mark.parametrize("channels", [3, 600])
def test_both_solvers_find_the_minimum(channels):
    windows, target = planted(events=12, channels=channels)
    positive, weight = target == 1, np.ones(len(target))
    c = logistic_c(windows, target)

    kernel, bias = fit_logistic(windows.rows, positive, weight, c)

    error = 1 / (1 + np.exp(-(windows.rows @ kernel + bias))) - positive
    gradient = kernel / c + windows.rows.T @ error
    assert np.abs(gradient).max() < 0.01 * np.abs(windows.rows.T @ (0.5 - positive)).max()
    assert abs(error.sum()) < 0.05 * positive.sum()


def test_the_skip_and_the_baseline_are_shrunk_alike():
    from rareevent.config import ModelStage

    windows, target = planted(events=15, channels=30)

    start = find_start(windows, target[:, None], ModelStage())
    baseline = fit_baseline("logistic", windows, target, seed=0)

    scores = np.corrcoef(windows.rows @ start.skip[:, 0], baseline.logits(windows))
    np.testing.assert_allclose(scores, 1, atol=1e-4)
