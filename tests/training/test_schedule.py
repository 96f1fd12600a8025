"""How long training lasts."""

from hypothesis import given
from hypothesis import strategies as st

from rareevent.training.schedule import epochs_for


@given(windows=st.integers(1, 40 * 256))
def test_up_to_forty_steps_an_epoch_the_steps_stay_between_100_and_150(windows):
    steps = epochs_for(windows, 256) * -(-windows // 256)

    assert 100 <= steps <= 150


@given(windows=st.integers(40 * 256, 10**7))
def test_beyond_that_every_window_is_still_seen_three_times(windows):
    assert epochs_for(windows, 256) == 3
