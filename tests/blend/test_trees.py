"""Trees: exact, whatever the rows hold and however they are cut; malformed ones are refused."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from rareevent.blend.trees import Trees
from rareevent.errors import ModelError, TrainingError
from rareevent.evaluation.baselines import trees_of
from tests.blend.forests import random_forest, stump_and_tree, walk


def test_each_row_adds_the_leaves_it_reaches():
    nan = np.nan
    rows = np.array([[1, 0], [1, 1], [2, 2], [2, 3], [nan, nan], [0, nan]], np.float32)
    expected = [100 - 1 + 0.5, 100 - 1 + 0.25, 110.25, 120.25, 120.5, 99.5]
    assert stump_and_tree().logits(rows).tolist() == expected


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    trees=st.integers(1, 9),
    leaves=st.sampled_from([1, 2, 3, 15, 16, 17, 40]),
    rows=st.integers(1, 150),
)
def test_bits_give_what_walking_each_row_down_each_tree_gives(seed, trees, leaves, rows):
    rng = np.random.default_rng(seed)
    forest = random_forest(rng, trees, leaves, features=4)
    # Values on the thresholds, far off, infinite and missing ones.
    values = rng.choice([-np.inf, -1.5, -0.5, 0, 0.5, 0.7, 1.5, np.inf, np.nan], (rows, 4))
    values = values.astype(np.float32)
    expected = [walk(forest, row) for row in values]
    np.testing.assert_allclose(forest.logits(values, block=64), expected, atol=1e-12)


def test_a_threshold_between_two_float32_parts_them_as_it_does_in_float64():
    below = np.float32(0.1)
    above = np.nextafter(below, np.float32(1))
    between = (float(below) + float(above)) / 2
    forest = replace(stump_and_tree(), threshold=np.array([between, 0, 2, 0, 0, 0, 0, 0]))
    got = forest.logits(np.array([[below, 1], [above, 1]], np.float32))
    assert got.tolist() == [99.25, 110.25]


def test_infinite_thresholds_part_what_is_missing_from_what_is_not():
    forest = replace(stump_and_tree(), threshold=np.array([np.inf, 0, 2, 0, 0, 0, 0, 0]))
    got = Trees.from_arrays(forest.to_arrays()).logits(
        np.array([[np.inf, 1], [np.nan, 1]], np.float32)
    )
    assert got.tolist() == [99.25, 110.25]


def boosted(rows, target, **settings):
    made = HistGradientBoostingClassifier(
        **{"max_iter": 30, "max_leaf_nodes": 15, "early_stopping": False, **settings}
    )
    with threadpool_limits(1):
        return made.fit(rows, target)


@pytest.mark.parametrize("bins", [8, 32, 255])
def test_trees_are_scikit_learns_with_ties_and_missing_values(bins):
    rng = np.random.default_rng(bins)
    rows = rng.normal(size=(1_500, 6)).astype(np.float32).round(1)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    target = np.nansum(rows[:, :3], axis=1) + rng.normal(size=1_500) > 1
    model = boosted(rows, target, max_bins=bins, random_state=0)
    unseen = rng.normal(size=(700, 6)).astype(np.float32).round(1)
    unseen[rng.random(unseen.shape) < 0.2] = np.nan
    trees = trees_of(model, rows[:50])
    np.testing.assert_allclose(trees.logits(unseen), model.decision_function(unseen), atol=1e-12)


def test_trees_that_are_not_those_of_scikit_learn_are_refused():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 3)).astype(np.float32)
    model = boosted(rows, rows[:, 0] > 0, max_iter=3)
    model._predictors[1][0].nodes["value"] += 1.0
    taken = trees_of(model, rows)
    assert taken.roots.shape == (3,)
    model._baseline_prediction = model._baseline_prediction + np.array([[np.nan]])
    with pytest.raises(TrainingError, match="taken out of scikit-learn"):
        trees_of(model, rows)


@pytest.mark.parametrize("cut", [1, 63, 64, 65, 300])
def test_cutting_the_rows_changes_nothing(cut):
    rng = np.random.default_rng(3)
    forest = random_forest(rng, trees=20, leaves=15, features=5)
    rows = rng.normal(size=(500, 5)).astype(np.float32)
    whole = forest.logits(rows)
    parts = [forest.logits(rows[at : at + cut]) for at in range(0, 500, cut)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_no_rows_give_no_logits():
    assert stump_and_tree().logits(np.zeros((0, 2), np.float32)).shape == (0,)


def test_what_is_stored_is_what_is_read_back():
    rng = np.random.default_rng(5)
    forest = random_forest(rng, trees=7, leaves=15, features=3)
    rows = rng.normal(size=(90, 3)).astype(np.float32)
    again = Trees.from_arrays(forest.to_arrays())
    np.testing.assert_array_equal(again.logits(rows), forest.logits(rows))


def put(name, place, value):
    def change(arrays):
        arrays[name] = arrays[name].copy()
        arrays[name][place] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a.pop("left"), "lacks"),
        (lambda a: a.update(extra=np.zeros(1)), "unknown"),
        (lambda a: a.update(left=a["left"][:-1]), "'left' must hold whole numbers"),
        (lambda a: a.update(left=a["left"].astype(float)), "'left' must hold whole numbers"),
        (lambda a: a.update(feature=np.int32(1)), "'feature' must hold"),
        (lambda a: a.update(roots=np.zeros((1, 1), int)), "'roots' must hold"),
        (lambda a: a.update(roots=np.zeros(0, int)), "'roots' must ascend"),
        (put("roots", 0, 1), "'roots' must ascend"),
        (put("roots", 1, 8), "'roots' must ascend"),
        (put("roots", 1, -3), "'roots' must ascend"),
        (put("feature", 0, 2), "'feature' must lie"),
        (put("feature", 0, -2), "'feature' must lie"),
        (put("feature", 0, -1), "leaves must have no children"),
        (put("feature", 1, 0), "children must come after"),
        (put("left", 1, 3), "leaves must have no children"),
        (put("left", 0, 0), "children must come after"),
        (put("right", 2, 1), "children must come after"),
        (put("right", 2, 99), "children must come after"),
        (put("right", 2, 7), "children must come after"),
        (put("right", 2, 3), "child of exactly one"),
        (put("value", 3, np.nan), "must be finite"),
        (lambda a: a.update(start=np.array(np.inf)), "must be finite"),
        (put("threshold", 0, np.nan), "must be numbers"),
    ],
)
def test_malformed_trees_are_refused_before_anything_walks_them(change, said):
    arrays = stump_and_tree().to_arrays()
    change(arrays)
    with pytest.raises(ModelError, match=said):
        Trees.from_arrays(arrays)


def test_too_many_leaves_for_a_byte_are_refused():
    chain = 300
    inner = np.arange(2 * chain + 1) % 2 == 0
    inner[-1] = False
    at = np.arange(2 * chain + 1)
    arrays = Trees(
        features=1,
        roots=np.array([0]),
        feature=np.where(inner, 0, -1).astype(np.int32),
        threshold=np.zeros(len(at)),
        missing_left=np.zeros(len(at), bool),
        left=np.where(inner, at + 1, -1),
        right=np.where(inner, at + 2, -1),
        value=np.zeros(len(at)),
        start=0.0,
    ).to_arrays()
    with pytest.raises(ModelError, match="301 leaves"):
        Trees.from_arrays(arrays)


def test_rows_of_another_width_are_refused():
    with pytest.raises(ModelError, match="read 2 features"):
        stump_and_tree().logits(np.zeros((4, 3), np.float32))


@pytest.mark.slow
def test_trees_are_faster_than_scikit_learns_on_one_thread():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(5_000, 20)).astype(np.float32)
    target = rows[:, :5].sum(axis=1) + rng.normal(size=5_000) > 3.5
    model = boosted(rows, target, max_iter=200, max_bins=32, max_features=0.2, random_state=0)
    trees, many = trees_of(model, rows[:200]), rng.normal(size=(50_000, 20)).astype(np.float32)
    seconds = {trees.logits: [], model.decision_function: []}
    with threadpool_limits(1):
        for _ in range(4):
            for score, taken in seconds.items():
                began = time.process_time()
                score(many)
                taken.append(time.process_time() - began)
    ours, theirs = (len(many) / min(taken) for taken in seconds.values())
    print(f"rows/s on one thread: {ours:,.0f}, scikit-learn {theirs:,.0f}")
    assert ours > 1.5 * theirs
