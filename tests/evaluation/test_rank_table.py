import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from rareevent.evaluation import rank_table as module
from rareevent.evaluation.rank_table import rank_table, weighted_areas


@given(st.data())
def test_areas_under_block_weights_equal_those_of_the_repeated_rows(data):
    size, blocks = data.draw(st.integers(2, 30)), data.draw(st.integers(1, 5))
    draw = lambda values: np.array(data.draw(st.lists(values, min_size=size, max_size=size)))  # noqa: E731
    score = draw(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.9]))
    target = draw(st.sampled_from([-1, 0, 0, 1])).astype(np.int8)
    block = draw(st.integers(0, blocks - 1))
    weights = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=blocks, max_size=blocks)), float
    )
    roc, pr = weighted_areas(rank_table(score, target, block, blocks), weights[None])
    repeat = np.repeat(np.arange(size), (weights[block] * (target >= 0)).astype(int))
    if len(np.unique(target[repeat])) == 2:
        assert roc[0] == pytest.approx(roc_auc_score(target[repeat], score[repeat]))
        assert pr[0] == pytest.approx(average_precision_score(target[repeat], score[repeat]))
    else:
        assert np.isnan(roc[0])
        assert np.isnan(pr[0])


def test_with_very_many_positive_scores_neighbours_share_a_level_and_little_is_lost(monkeypatch):
    rng = np.random.default_rng(0)
    target = (rng.random(20_000) < 0.2).astype(np.int8)
    score = rng.normal(size=20_000) + target
    block = np.zeros(20_000, np.int64)
    fine = weighted_areas(rank_table(score, target, block, 1), np.ones((1, 1)))
    monkeypatch.setattr(module, "_MOST_LEVELS", 1_000)
    coarse = weighted_areas(rank_table(score, target, block, 1), np.ones((1, 1)))
    assert fine[0][0] == pytest.approx(roc_auc_score(target, score))
    assert coarse[0][0] == pytest.approx(fine[0][0], abs=5e-4)
    assert coarse[1][0] == pytest.approx(fine[1][0], abs=2e-3)
