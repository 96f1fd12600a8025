"""The windows that training sees."""

import math

import numpy as np
import pytest

from rareevent.config import TrainStage
from rareevent.errors import TrainingError
from rareevent.training.sampling import cap_negatives, sample_windows

# 4 positives, 40 negatives, 2 without a label.
TARGET = np.array([1, -1, *[0] * 20, 1, 1, *[0] * 20, -1, 1], np.int8)


def counts(index):
    return {label: int(np.sum(TARGET[index] == label)) for label in (1, 0, -1)}


def test_the_cap_drops_surplus_negatives_and_nothing_else():
    index = cap_negatives(TARGET, per_positive=3, seed=0)

    assert counts(index) == {1: 4, 0: 12, -1: 2}
    assert np.all(np.diff(index) > 0)


def test_the_cap_leaves_few_negatives_alone():
    assert cap_negatives(TARGET, per_positive=10, seed=0).tolist() == list(range(len(TARGET)))
    assert cap_negatives(TARGET, per_positive=None, seed=0).tolist() == list(range(len(TARGET)))


def test_the_seed_decides_which_negatives_stay():
    first, again, other = (cap_negatives(TARGET, 3, seed).tolist() for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_every_negative_is_as_likely_to_stay():
    stayed = np.zeros(len(TARGET))
    for seed in range(400):
        stayed[cap_negatives(TARGET, 5, seed)] += 1

    share = stayed[TARGET == 0] / 400
    assert share.min() > 0.35
    assert share.max() < 0.65


@pytest.mark.parametrize(
    ("settings", "expected", "shift"),
    [
        ({"negatives_per_positive": None}, {1: 4, 0: 40, -1: 2}, 0.0),
        ({"negatives_per_positive": 3}, {1: 4, 0: 12, -1: 2}, math.log(40 / 12)),
        ({"sampler": "random_under"}, {1: 4, 0: 4, -1: 2}, math.log(10)),
        ({"sampler": "random_over"}, {1: 40, 0: 40, -1: 2}, math.log(10)),
        (
            {"sampler": "random_over", "negatives_per_positive": 2},
            {1: 8, 0: 8, -1: 2},
            math.log(10),
        ),
    ],
)
def test_cap_and_sampler_give_these_classes_and_say_how_the_odds_moved(settings, expected, shift):
    sample = sample_windows(TARGET, TrainStage(**settings), seed=0)

    assert counts(sample.index) == expected
    assert sample.prior_shift == pytest.approx(shift)


@pytest.mark.parametrize("sampler", ["random_under", "random_over"])
def test_the_seed_decides_what_a_sampler_takes(sampler):
    train = TrainStage(sampler=sampler)
    first, again, other = (sample_windows(TARGET, train, s).index.tolist() for s in (1, 1, 2))

    assert first == again
    assert first != other


def test_without_a_positive_window_training_is_refused_and_says_what_to_change():
    with pytest.raises(TrainingError, match=r"no positive window among the 3 .* label\.horizon"):
        sample_windows(np.array([0, 0, 0, -1], np.int8), TrainStage(), seed=0)


def test_without_a_negative_window_training_is_refused_and_says_what_to_change():
    with pytest.raises(TrainingError, match=r"no negative window beside the 2 .* shorten"):
        sample_windows(np.array([1, 1, -1], np.int8), TrainStage(), seed=0)
