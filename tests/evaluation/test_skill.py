"""Skill against circular shifts: calibrated where there is none, found where there is some."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from rareevent.evaluation.skill import FitScores, _cells, _under_shifts, find_skill
from rareevent.evaluation.verdict import give_verdict, with_skill
from rareevent.ingestion.frame import Clock
from tests.evaluation.worlds import long_run

CYCLES = Clock("age", 1)
MINUTES = Clock("datetime", 60)


def one_asset(positive, **score):
    rows = len(positive)
    time = np.arange(rows, dtype=np.int64)
    scores = {name: np.asarray(values, float) for name, values in score.items()}
    return FitScores(np.zeros(rows, np.int32), time, np.asarray(positive, bool), scores)


def wander(rng, rows, memory=0.95):
    noise = rng.normal(size=rows)
    return lfilter([np.sqrt(1 - memory**2)], [1, -memory], noise, zi=[memory * rng.normal()])[0]


def positive_rows(rng, rows, events, horizon=10):
    positive = np.zeros(rows, bool)
    for event in rng.choice(np.arange(horizon, rows), events, replace=False):
        positive[event - horizon : event] = True
    return positive


@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_sums_are_those_of_rolling_the_events_around_the_circle(rows, seed):
    from scipy.fft import next_fast_len

    rng = np.random.default_rng(seed)
    positive, score = rng.random(rows) < 0.4, rng.permutation(rows)
    sums, landed = _under_shifts(
        one_asset(positive, a=score), CYCLES, 6, np.random.default_rng(seed)
    )
    size = next_fast_len(rows, real=True)
    lags = [0, *np.random.default_rng(seed).integers(0, size, 6)]

    from rareevent.evaluation.skill import normal_scores

    circle = np.zeros(size)
    circle[:rows] = normal_scores(score)
    there, events = np.arange(size) < rows, np.zeros(size, bool)
    events[:rows] = positive
    rolled = [np.roll(events, lag) for lag in lags]
    assert np.allclose(sums["a"], [circle[e].sum() for e in rolled])
    assert landed.tolist() == [(e & there).sum() for e in rolled]


def test_assets_on_one_clock_get_stretches_of_equal_length_so_that_all_move_by_one_time():
    asset = np.array([3, 3, 3, 5, 5], np.int32)
    time = np.array([0, 60, 180, 60, 120], np.int64)
    fit = FitScores(asset, time, np.zeros(5, bool), {})

    assert _cells(fit, MINUTES)[0].tolist() == [0, 1, 3, 5, 6]
    assert _cells(fit, MINUTES)[1] == 8
    assert _cells(fit, CYCLES)[0].tolist() == [0, 1, 2, 3, 4]


def test_an_event_shared_by_the_fleet_counts_once():
    """A score that follows the clock of the fleet, and one burst of events on all assets."""
    rng = np.random.default_rng(3)
    rows, assets, tries = 400, 30, 120
    asset = np.repeat(np.arange(assets), rows).astype(np.int32)
    time = np.tile(np.arange(rows), assets).astype(np.int64)
    here = time >= rng.integers(0, 200, assets)[asset]
    found = 0
    for _ in range(tries):
        common, burst = wander(rng, rows, 0.99), np.zeros(rows, bool)
        at = int(rng.integers(210, rows))
        burst[at - 10 : at] = True
        score = np.tile(common, assets) + 0.1 * rng.normal(size=rows * assets)
        fit = FitScores(asset, time, np.tile(burst, assets), {"a": score}).take(here)
        found += find_skill([fit], Clock("datetime", 1), seed=0, shifts=199).p_value <= 0.05
    # Without a common clock it would be found in four of ten.
    assert found <= 0.15 * tries


def test_a_score_that_knows_has_skill_and_one_that_is_constant_has_none():
    positive = positive_rows(np.random.default_rng(0), 2000, 12)
    fit = one_asset(positive, knows=positive + np.linspace(0, 0.1, 2000), flat=np.ones(2000))

    skill = find_skill([fit], CYCLES, seed=0)

    assert skill.has_skill
    assert skill.best_model == "knows"
    assert skill.p_value < 0.003
    assert skill.by_model["flat"] == 0
    flat = FitScores(fit.asset, fit.time, positive, {"flat": fit.score["flat"]})
    assert find_skill([flat], CYCLES, seed=0).p_value == 1


def test_without_a_positive_row_nothing_is_believed():
    skill = find_skill([one_asset(np.zeros(50), a=np.arange(50))], CYCLES, seed=0)

    assert (skill.p_value, skill.statistic, skill.best_model) == (None, None, None)
    assert not skill.has_skill
    json.dumps(skill.to_json(), allow_nan=False)
    assert "no event lies" in with_skill(give_verdict({}), skill).sentence


def test_calibration_of_each_fit_changes_nothing():
    rng = np.random.default_rng(1)
    fits, changed = [], []
    for map_ in (np.exp, np.tanh):
        positive, score = positive_rows(rng, 500, 6), wander(rng, 500)
        fits.append(one_asset(positive, a=score))
        changed.append(one_asset(positive, a=map_(score / 9)))

    assert find_skill(fits, CYCLES, seed=4) == find_skill(changed, CYCLES, seed=4)


def test_few_places_to_shift_to_cannot_show_skill_however_good_the_score():
    """Of forty places one is right: chance finds it once in forty."""
    positive = np.arange(40) == 20

    assert find_skill([one_asset(positive, a=positive)], CYCLES, seed=0).p_value > 0.01


def test_the_best_of_many_is_judged_as_the_best_of_many():
    rng = np.random.default_rng(7)
    rows, tries = 600, 150
    alone = together = 0
    for _ in range(tries):
        positive = positive_rows(rng, rows, 8)
        many = {f"m{i}": wander(rng, rows, 0.8) for i in range(8)}
        skill = find_skill([one_asset(positive, **many)], CYCLES, seed=0, shifts=199)
        together += skill.p_value <= 0.1
        best = one_asset(positive, a=many[skill.best_model])
        alone += find_skill([best], CYCLES, seed=0, shifts=199).p_value <= 0.1
    assert together / tries <= 0.16
    assert alone / tries >= 0.4


@pytest.mark.parametrize("memory", [0.5, 0.97])
def test_scores_with_memory_beside_clustered_events_show_skill_as_rarely_as_promised(memory):
    rng = np.random.default_rng(11)
    tries, found = 300, []
    for _ in range(tries):
        fits = []
        for _fold in range(3):
            rate = np.exp(1.5 * wander(rng, 700, 0.98))
            positive = np.zeros(700, bool)
            for event in rng.choice(700, 8, p=rate / rate.sum()):
                positive[max(event - 10, 0) : event] = True
            fits.append(one_asset(positive, a=wander(rng, 700, memory), b=wander(rng, 700, memory)))
        found.append(find_skill(fits, CYCLES, seed=0, shifts=199).p_value)
    share = {alpha: np.mean(np.array(found) <= alpha) for alpha in (0.01, 0.05, 0.2)}
    print(memory, share)
    assert share[0.01] <= 0.025
    assert share[0.05] <= 0.08
    assert 0.12 <= share[0.2] <= 0.28


def test_a_run_with_precursors_is_told_from_chance_by_few_events():
    scored, _, _, clock = long_run(np.random.default_rng(0), 3000, 25, lift=3.0)

    skill = find_skill([FitScores.of({"a": scored})], clock, seed=0)

    assert skill.has_skill
    assert skill == find_skill([FitScores.of({"a": scored})], clock, seed=0)
    verdict = give_verdict({})
    assert with_skill(verdict, skill) is verdict


def test_no_skill_is_said_in_words_with_its_share_of_shifts():
    rng = np.random.default_rng(2)
    skill = find_skill([one_asset(positive_rows(rng, 900, 9), a=wander(rng, 900))], CYCLES, seed=0)

    verdict = with_skill(give_verdict({}), skill)

    assert verdict.outcome == "no_skill"
    assert verdict.sentence.startswith(
        "There is no evidence that these events can be predicted from these sensors at this"
        " horizon: at "
    )
    assert "9,999 shifts" in verdict.sentence
