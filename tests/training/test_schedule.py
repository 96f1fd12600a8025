"""How long training lasts, and how fast it goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rareevent.training.schedule import epochs_for, learning_rate_for, negatives_for, steps_for


@given(windows=st.integers(1, 40 * 256), events=st.integers(0, 50))
def test_with_few_events_and_windows_the_steps_stay_between_100_and_150(windows, events):
    steps = epochs_for(windows, 256, events) * -(-windows // 256)

    assert 100 <= steps <= 150


@given(windows=st.integers(170 * 256, 10**7), events=st.integers(0, 10**5))
def test_many_windows_are_still_seen_three_times(windows, events):
    assert epochs_for(windows, 256, events) == 3


@pytest.mark.parametrize(("events", "epochs"), [(40, 12), (80, 20), (200, 50), (5_000, 50)])
def test_more_events_allow_more_steps_up_to_500(events, epochs):
    assert epochs_for(2_560, 256, events) == epochs


@pytest.mark.parametrize(
    ("events", "rate"), [(0, 1e-3), (75, 1e-3), (100, 4e-3), (150, 1e-2), (10_000, 1e-2)]
)
def test_more_events_allow_larger_steps(events, rate):
    assert learning_rate_for(events) == pytest.approx(rate)


@given(positives=st.integers(1, 10**7), per_positive=st.floats(0.5, 100))
def test_negatives_stay_within_what_was_asked_and_are_bounded(positives, per_positive):
    negatives = negatives_for(positives, per_positive)

    assert negatives <= per_positive * positives + 1
    assert negatives <= max(250_000, 2 * positives)


def test_twenty_thousand_events_take_steps_in_the_thousands():
    positives = 20_000 * 10
    windows = positives + negatives_for(positives, 50)

    assert windows == 600_000
    assert epochs_for(windows, 256, events=20_000) * -(-windows // 256) < 10_000


@given(fewer=st.integers(0, 20_000), more=st.integers(0, 20_000))
def test_steps_and_rate_never_fall_with_events(fewer, more):
    fewer, more = sorted((fewer, more))

    assert steps_for(fewer) <= steps_for(more)
    assert learning_rate_for(fewer) <= learning_rate_for(more)
