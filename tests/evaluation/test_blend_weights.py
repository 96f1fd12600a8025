"""Weights of a blend: nearly equal where events are few, decided by the data where many."""

import numpy as np
import pytest

from rareevent.evaluation.blend_weights import fit_weights


def members(events, seed=0, rows_per_event=5, useless=0.0):
    """Two members that tell as much as each other, and one that tells `useless` of it."""
    rng = np.random.default_rng(seed)
    rows = 60 * events * rows_per_event
    target = np.zeros(rows, np.int8)
    starts = rng.choice(rows // rows_per_event, events, replace=False) * rows_per_event
    target[(starts[:, None] + np.arange(rows_per_event)).ravel()] = 1
    # What a member says holds for a whole event: its rows are no evidence of their own.
    said = {
        name: np.repeat(rng.normal(size=rows // rows_per_event), rows_per_event)
        + share * 1.5 * target
        for name, share in (("lstm", 1.0), ("logistic", useless), ("boosting", 1.0))
    }
    return said, target


def test_weights_are_at_least_zero_and_add_up_to_one():
    weights = fit_weights(*members(20), events=20)
    assert list(weights) == ["lstm", "logistic", "boosting"]
    assert min(weights.values()) > 0
    assert sum(weights.values()) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(5))
def test_with_few_events_weights_stay_near_equal(seed):
    weights = fit_weights(*members(4, seed), events=4)
    assert all(0.1 < weight < 0.6 for weight in weights.values())


@pytest.mark.parametrize("seed", range(3))
def test_with_many_events_a_useless_member_loses_its_weight(seed):
    few = fit_weights(*members(10, seed), events=10)["logistic"]
    many = fit_weights(*members(400, seed), events=400)
    assert many["logistic"] < 0.05 < few
    assert many["lstm"] == pytest.approx(0.5, abs=0.12)


def test_rows_of_one_event_count_as_one():
    """The same scores with every row five times over say nothing new."""
    said, target = members(30)
    once = fit_weights(said, target, events=30)
    often = fit_weights({n: np.repeat(z, 5) for n, z in said.items()}, np.repeat(target, 5), 30)
    assert often == pytest.approx(once, abs=1e-3)


def test_the_prior_is_worth_so_many_events():
    said, target = members(40)
    strong = fit_weights(said, target, events=40, prior=1e6)
    weak = fit_weights(said, target, events=40, prior=0.5)
    assert strong == pytest.approx(dict.fromkeys(said, 1 / 3), abs=1e-3)
    assert weak["logistic"] < 0.1


def test_weights_are_where_the_stated_sum_is_largest():
    said, target = members(25)
    found = fit_weights(said, target, events=25)
    scores = np.stack(list(said.values()), axis=1)
    rows_per_event = (target == 1).sum() / 25

    def stated(weights):
        from scipy.optimize import minimize

        mean = scores @ weights

        def loss(at):
            logit = at[0] * mean + at[1]
            return np.sum(np.logaddexp(0, logit) - (target == 1) * logit) / rows_per_event

        return -minimize(loss, [1.0, -4.0]).fun + 5.0 * np.mean(np.log(weights))

    at = np.array(list(found.values()))
    best = stated(at)
    for step in ([0.03, -0.03, 0], [-0.03, 0, 0.03], [0, 0.03, -0.03], [0.03, 0, -0.03]):
        assert stated(at + step) < best + 1e-6


@pytest.mark.parametrize("label", [0, 1, -1])
def test_without_both_classes_weights_are_equal(label):
    said, target = members(5)
    weights = fit_weights(said, np.full_like(target, label), events=0)
    assert weights == dict.fromkeys(said, 1 / 3)


def test_rows_without_a_label_have_no_say():
    said, target = members(12)
    part = target.copy()
    part[::2] = -1
    kept = {name: z[1::2] for name, z in said.items()}
    assert fit_weights(said, part, 12) == pytest.approx(fit_weights(kept, target[1::2], 12))


def test_leaving_out_surplus_negatives_changes_little(monkeypatch):
    from rareevent.evaluation import blend_weights as module

    said, target = members(60)
    whole = fit_weights(said, target, events=60)
    monkeypatch.setattr(module, "_MOST_NEGATIVES", 4_000)
    assert fit_weights(said, target, events=60) == pytest.approx(whole, abs=0.05)
