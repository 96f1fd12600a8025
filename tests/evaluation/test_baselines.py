import time

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from rareevent.blend import blend as blending
from rareevent.errors import TrainingError
from rareevent.evaluation import baselines as module
from rareevent.evaluation.baselines import fit_baseline
from rareevent.windowing.temporalize import Windows


def plant(rows=4_000, channels=6, lookback=5, signal="level", prevalence=0.05, seed=0):
    """Windows over noise whose positives show in channel 0: in its level or in its slope."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows * lookback, channels)).astype(np.float32)
    ends = np.arange(rows, dtype=np.int64) * lookback + lookback - 1
    target = (rng.random(rows) < prevalence).astype(np.int8)
    hit = ends[target == 1]
    if signal == "level":
        values[hit, 0] += 2.0
    else:
        for back in range(lookback):
            values[hit - back, 0] += 2.0 * (lookback - 1 - 2 * back) / 2
        values[hit, 0] = rng.normal(size=len(hit))
    return Windows(values, ends - lookback + 1, ends, lookback), target


@pytest.mark.parametrize("name", ["logistic", "boosting"])
def test_a_baseline_finds_a_level(name):
    windows, target = plant()
    model = fit_baseline(name, windows.take(slice(0, 3_000)), target[:3_000], seed=0)
    fresh = slice(3_000, None)
    assert roc_auc_score(target[fresh], model.logits(windows.take(fresh))) > 0.85


def test_only_boosting_sees_what_the_last_row_does_not_show():
    windows, target = plant(signal="slope")
    area = {}
    for name in ("logistic", "boosting"):
        model = fit_baseline(name, windows.take(slice(0, 3_000)), target[:3_000], seed=0)
        area[name] = roc_auc_score(target[3_000:], model.logits(windows.take(slice(3_000, None))))
    assert area["boosting"] > 0.9
    assert area["logistic"] < 0.65


@pytest.mark.parametrize("name", ["logistic", "boosting"])
@pytest.mark.parametrize("class_weight", ["balanced", "none", {0: 1.0, 1: 30.0}])
def test_class_weights_are_taken_off_the_logit_again(name, class_weight):
    windows, target = plant(rows=6_000)
    model = fit_baseline(name, windows, target, class_weight=class_weight, seed=0)
    probability = 1 / (1 + np.exp(-model.logits(windows)))
    # Shrinkage keeps the weighted mean off the truth a little.
    assert probability.mean() == pytest.approx(target.mean(), rel=0.5)


def test_drawn_negatives_are_taken_off_the_logit_again(monkeypatch):
    windows, target = plant(rows=8_000, prevalence=0.02)
    monkeypatch.setattr(module, "_NEGATIVES_PER_POSITIVE", 3)
    model = fit_baseline("logistic", windows, target, class_weight="none", seed=0)
    kept = 3 * target.sum() / (target == 0).sum()
    assert model.shift == pytest.approx(np.log(1 / kept))
    probability = 1 / (1 + np.exp(-model.logits(windows)))
    assert probability.mean() == pytest.approx(target.mean(), rel=0.3)


def test_windows_without_a_label_teach_nothing():
    windows, target = plant(rows=600)
    part = target.copy()
    part[300:] = -1
    some = fit_baseline("logistic", windows, part, seed=0)
    cut = fit_baseline("logistic", windows.take(slice(0, 300)), target[:300], seed=0)
    assert some.logits(windows) == pytest.approx(cut.logits(windows), abs=1e-6)


@pytest.mark.parametrize("name", ["logistic", "boosting"])
def test_the_same_seed_gives_the_same_scores_however_many_at_once(name, monkeypatch):
    windows, target = plant(rows=900)
    whole = fit_baseline(name, windows, target, seed=4).logits(windows)
    monkeypatch.setattr(blending, "_ELEMENTS", 4 * 6 * 100)
    again = fit_baseline(name, windows, target, seed=4).logits(windows)
    assert again == pytest.approx(whole, abs=1e-6)


def test_rows_are_capped_with_both_classes_left(monkeypatch):
    monkeypatch.setitem(module._MOST_ROWS, "logistic", 100)
    chosen, kept = module._sample(
        np.array([1] * 400 + [0] * 600, np.int8), 100, np.random.default_rng(0)
    )
    assert len(chosen) == 100
    assert kept == {True: 50 / 400, False: 50 / 600}
    assert np.all(np.diff(chosen) > 0)


@pytest.mark.parametrize(("value", "word"), [(0, "positive"), (1, "negative")])
def test_a_class_without_windows_is_refused_by_name(value, word):
    windows, target = plant(rows=50)
    with pytest.raises(TrainingError, match=f"no {word} window"):
        fit_baseline("logistic", windows, np.full_like(target, value), seed=0)


def test_no_windows_get_no_logits():
    windows, target = plant(rows=200)
    model = fit_baseline("logistic", windows, target, seed=0)
    assert model.logits(windows.take(slice(0, 0))).shape == (0,)


@pytest.mark.slow
def test_both_baselines_take_under_20_s_for_ten_thousand_windows_of_130_channels():
    windows, target = plant(rows=10_000, channels=130, lookback=20, prevalence=0.013)
    began = time.process_time()
    for name in ("logistic", "boosting"):
        fit_baseline(name, windows, target, seed=0).logits(windows)
    seconds = time.process_time() - began
    print(f"both baselines: {seconds:.1f} s of CPU time")
    assert seconds < 20
