"""The windows that training sees."""

import math

import numpy as np
import pytest

from rareevent.config import TrainStage, validate_pipeline
from rareevent.errors import ConfigError, TrainingError
from rareevent.training.sampling import cap_negatives, sample_windows
from rareevent.windowing.temporalize import Windows

# 4 positives, 40 negatives, 2 without a label.
TARGET = np.array([1, -1, *[0] * 20, 1, 1, *[0] * 20, -1, 1], np.int8)
ROWS = np.random.default_rng(0).normal(size=(len(TARGET), 3)).astype(np.float32)
WINDOWS = Windows(ROWS, np.arange(len(ROWS)), np.arange(len(ROWS)), lookback=1)
BY_CHANNELS = (
    *("near_miss_1", "near_miss_2", "near_miss_3", "tomek_links"),
    *("edited_nearest_neighbours", "one_sided_selection", "instance_hardness"),
)


def choose(target, value, **settings):
    """The choice among windows of one row and one channel."""
    rows = np.array(value, np.float32)[:, None]
    windows = Windows(rows, np.arange(len(rows)), np.arange(len(rows)), lookback=1)
    return sample_windows(windows, np.array(target, np.int8), TrainStage(**settings), seed=0)


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
    sample = sample_windows(WINDOWS, TARGET, TrainStage(**settings), seed=0)

    assert counts(sample.index) == expected
    assert sample.prior_shift == pytest.approx(shift)


@pytest.mark.parametrize("sampler", ["random_under", "random_over"])
def test_the_seed_decides_what_a_sampler_takes(sampler):
    train = TrainStage(sampler=sampler)
    first, again, other = (
        sample_windows(WINDOWS, TARGET, train, s).index.tolist() for s in (1, 1, 2)
    )

    assert first == again
    assert first != other


def test_without_a_positive_window_training_is_refused_and_says_what_to_change():
    with pytest.raises(TrainingError, match=r"no positive window among the 3 .* label\.horizon"):
        choose([0, 0, 0, -1], [0, 1, 2, 3])


def test_without_a_negative_window_training_is_refused_and_says_what_to_change():
    with pytest.raises(TrainingError, match=r"no negative window beside the 2 .* shorten"):
        choose([1, 1, -1], [0, 1, 2])


def test_near_miss_keeps_the_negatives_nearest_to_the_positives():
    # Positives at 0 and 1; the negatives' mean distance to both rises with their value.
    found = choose([1, 0, 0, -1, 0, 1, 0], [0, 9, 3, 5, 2, 1, 7], sampler="near_miss_1")

    assert found.index.tolist() == [0, 2, 3, 4, 5]
    assert found.prior_shift == pytest.approx(math.log(1 / (2 / 4)))


def test_near_miss_2_goes_by_the_farthest_positives():
    # Three positives at 0 and one at 100. The mean distance to the nearest three is the value
    # itself; to the farthest three, 5 is nearer than -3: (95 + 5 + 5) against (103 + 3 + 3).
    target, value = [1, 1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 100, 1, 2, 3, -3, 5]

    near = choose(target, value, sampler="near_miss_1").index.tolist()
    far = choose(target, value, sampler="near_miss_2").index.tolist()

    assert near == [0, 1, 2, 3, 4, 5, 6, 7]
    assert far == [0, 1, 2, 3, 4, 5, 6, 8]


def test_tomek_links_leaves_out_negatives_that_are_nearest_to_a_positive_and_it_to_them():
    found = choose([1, 0, 0, 0, 0, -1], [0, 0.1, 5, 5.1, 5.2, 0], sampler="tomek_links")

    assert found.index.tolist() == [0, 2, 3, 4, 5]


def test_edited_neighbours_leaves_out_negatives_among_positives():
    found = choose(
        [1, 1, 1, 0, 0, 0, 0, 0],
        [0, 0.1, 0.2, 0.15, 9, 9.1, 9.2, 9.3],
        sampler="edited_nearest_neighbours",
    )

    assert found.index.tolist() == [0, 1, 2, 4, 5, 6, 7]


@pytest.mark.parametrize("sampler", BY_CHANNELS)
def test_samplers_by_channels_keep_every_positive_and_every_window_without_a_label(sampler):
    sample = sample_windows(WINDOWS, TARGET, TrainStage(sampler=sampler), seed=0)
    found = counts(sample.index)

    assert (found[1], found[-1]) == (4, 2)
    assert 0 < found[0] <= 40
    assert np.all(np.diff(sample.index) > 0)
    assert sample.prior_shift == pytest.approx(math.log(40 / found[0]))


@pytest.mark.parametrize("sampler", BY_CHANNELS)
def test_samplers_by_channels_see_the_last_row_of_a_window(sampler):
    longer = Windows(
        np.repeat(ROWS, 2, axis=0) * np.tile([[100.0], [1.0]], (len(ROWS), 1)).astype(np.float32),
        2 * np.arange(len(ROWS)),
        2 * np.arange(len(ROWS)) + 1,
        lookback=2,
    )
    train = TrainStage(sampler=sampler)
    short = sample_windows(WINDOWS, TARGET, train, seed=0).index

    assert sample_windows(longer, TARGET, train, seed=0).index.tolist() == short.tolist()


@pytest.mark.parametrize("sampler", ["near_miss_1", "near_miss_3", "edited_nearest_neighbours"])
def test_a_single_positive_is_enough_for_neighbours(sampler):
    found = choose([1, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5], sampler=sampler)

    assert 0 in found.index


def test_hardness_cannot_be_told_from_one_positive_and_says_so():
    with pytest.raises(TrainingError, match="instance_hardness needs at least 2 windows"):
        choose([1, 0, 0, 0], [0, 1, 2, 3], sampler="instance_hardness")


def test_a_sampler_that_leaves_no_negative_is_refused():
    with pytest.raises(TrainingError, match="left 3 positive and 0 negative"):
        choose([1, 1, 1, 0, 0], [0, 1, 2, 0.5, 1.5], sampler="edited_nearest_neighbours")


def test_channels_that_are_not_finite_are_refused():
    with pytest.raises(TrainingError, match="1 values of the channels are not finite"):
        choose([1, 0, 0, 0], [0, 1, np.nan, 3], sampler="tomek_links")


@pytest.mark.parametrize("sampler", ["smote", "SMOTE", "borderline_smote", "adasyn"])
def test_samplers_that_make_rows_up_are_refused_with_the_reason(sampler):
    data = {"ingest": {"source": "a", "time": "t", "label": "y"}, "train": {"sampler": sampler}}
    with pytest.raises(ConfigError, match=r"train\.sampler.*consecutive rows of one asset"):
        validate_pipeline(data)
