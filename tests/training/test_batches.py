"""Batches: every window once, or the same share of positives in each."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rareevent.training.batches import balanced_batches, epoch_batches, times_seen

# 4 positives, 40 negatives, 6 without a label.
TARGET = np.array([1, *[-1] * 3, *[0] * 20, 1, 1, *[0] * 20, *[-1] * 3, 1], np.int8)


def test_shuffled_batches_hold_every_window_once():
    batches = epoch_batches(np.random.default_rng(0), TARGET, 12)

    assert [len(batch) for batch in batches] == [10] * 5
    assert sorted(np.concatenate(batches).tolist()) == list(range(50))


def test_balanced_batches_hold_the_share_of_positives_they_are_told():
    batches = balanced_batches(np.random.default_rng(0), TARGET, 10, 0.25)

    assert [len(batch) for batch in batches] == [10] * 5
    for batch in batches:
        labelled = TARGET[batch][TARGET[batch] >= 0]
        assert abs(np.sum(labelled == 1) - 0.25 * len(labelled)) <= 1
    assert np.sum(TARGET[np.concatenate(batches)] == 1) == 11


def test_balanced_batches_show_positives_equally_often_and_no_negative_twice():
    batches = balanced_batches(np.random.default_rng(0), TARGET, 10, 0.5)
    shown = np.bincount(np.concatenate(batches), minlength=50)

    assert sorted(shown[TARGET == 1].tolist()) == [5, 5, 6, 6]
    assert shown[TARGET == 0].max() == 1
    assert shown[TARGET == 0].sum() == 22
    assert shown[TARGET == -1].tolist() == [1] * 6


@given(
    st.lists(st.sampled_from([-1, 0, 0, 0, 1]), max_size=60),
    st.integers(1, 20),
    st.floats(0.05, 0.95),
)
def test_balanced_batches_are_as_many_and_as_large_and_seen_as_often_as_said(target, size, share):
    target = np.array([1, 0, *target], np.int8)
    batches = balanced_batches(np.random.default_rng(0), target, size, share)
    plain = epoch_batches(np.random.default_rng(0), target, size)
    shown = np.bincount(np.concatenate(batches), minlength=len(target))

    assert len(batches) == len(plain)
    assert sum(map(len, batches)) == len(target)
    assert all(len(batch) for batch in batches)
    assert np.all(shown[target < 0] == 1)
    for label in (0, 1):
        assert np.ptp(shown[target == label]) <= 1
    seen = times_seen(target, "balanced", share)
    # Whole windows make up the share over the epoch, but one of each class is in every batch.
    assert abs(seen[target == 1].sum() - shown[target == 1].sum()) <= len(batches)


@pytest.mark.parametrize("batches", ["shuffled", "balanced"])
def test_an_epoch_shows_as_many_windows_however_it_is_dealt(batches):
    seen = times_seen(TARGET, batches, 0.3)

    assert seen.sum() == pytest.approx(50)
    assert seen[TARGET == -1].tolist() == [1.0] * 6
