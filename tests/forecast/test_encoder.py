"""Surprise as channels of a frame: causal, of one segment, and wherever the input was cut."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rareevent.config import ChannelsStage, SurpriseStage
from rareevent.forecast import encoder as encoders
from rareevent.forecast import surprise as surprises
from rareevent.forecast.encoder import encoder_from_parts, own_channels
from rareevent.windowing.encode import RowEncoder, channel_memory
from tests.forecast.persistence import draw_encoder
from tests.frames import make_frame, make_segments

ROWS = 150
CUTS = ((0, 60), (61, ROWS))


def example(holes=False):
    draw = np.random.default_rng(0)
    p, q = draw.normal(size=ROWS), 50 * draw.normal(size=ROWS).cumsum()
    if holes:
        q[::7] = np.nan
    return make_frame({"a": range(ROWS)}, segments=list(CUTS), sensors={"p": p, "q": q})


def part_of(frame, low, high):
    """The rows from low to high as a frame of their own, cut where the whole was cut."""
    bounds = [(max(a, low) - low, min(b, high) - low) for a, b in CUTS if a < high and b > low]
    return replace(
        frame,
        asset=frame.asset[low:high],
        time=frame.time[low:high],
        sensors={name: values[low:high] for name, values in frame.sensors.items()},
        segments=make_segments(bounds, high - low),
        asset_starts=np.array([0, high - low]),
    )


def all_rows():
    return np.ones(ROWS, bool)


def test_channels_are_the_pipelines_own_then_surprise():
    encoder = draw_encoder(example(), all_rows(), window=4)

    assert encoder.channels[: len(encoder.base.channels)] == encoder.base.channels
    assert encoder.channels[len(encoder.base.channels) :] == (
        "p.surprise",
        "q.surprise",
        "p.surprise4",
        "q.surprise4",
        "(all).surprise",
        "(all).surprise4",
    )
    assert encoder.needs == ("p", "q")
    rows = encoder.encode(example())
    assert rows.shape == (ROWS, len(encoder.channels))
    assert rows.dtype == np.float32


def test_own_channels_come_first_and_sensor_by_sensor():
    encoder = draw_encoder(example(), all_rows())
    names = (*encoder.changes.channels, *encoder.base.channels)

    own = own_channels(encoder.base)

    assert own == 4
    assert [name.split(".")[0] for name in names[: own * 2]] == ["p", "q"] * own


def test_rows_without_a_forecast_are_neutral():
    encoder = draw_encoder(example(), all_rows())

    surprise = encoder.encode(example())[:, len(encoder.base.channels) :]

    assert np.flatnonzero(~surprise.any(axis=1)).tolist() == [0, 60, 61]


@settings(max_examples=30)
@given(row=st.integers(0, ROWS - 1), amount=st.floats(-1e6, 1e6), hole=st.booleans())
def test_changing_a_reading_changes_nothing_before_it_nor_in_another_segment(row, amount, hole):
    frame = example()
    encoder = draw_encoder(frame, all_rows())
    values = frame.sensors["p"].copy()
    values[row] = np.nan if hole else amount
    poisoned = replace(frame, sensors={**frame.sensors, "p": values})

    before, after = encoder.encode(frame), encoder.encode(poisoned)

    np.testing.assert_allclose(after[:row], before[:row], atol=1e-5)
    if row <= 60:
        np.testing.assert_allclose(after[61:], before[61:], atol=1e-5)


def test_a_reading_is_remembered_for_as_long_as_memory_says_and_no_longer():
    frame = example()
    encoder = draw_encoder(frame, all_rows(), lookback=3, window=4)
    values = frame.sensors["p"].copy()
    values[80] += 3
    moved = encoder.encode(replace(frame, sensors={**frame.sensors, "p": values}))

    changed = np.flatnonzero(np.abs(moved - encoder.encode(frame)).max(axis=1) > 1e-6)

    # Volatility over 20 rows, read by a forecast of 3 rows, remembered for 4.
    assert encoder.memory == 19 + 3 + 3
    assert changed.min() == 80
    assert changed.max() == 80 + encoder.memory


@pytest.mark.parametrize("use", [("value",), ("change",), ("value", "change", "volatility")])
def test_the_receptive_field_is_known_before_anything_is_learned(use):
    surprise = SurpriseStage(lookback=6, window=3)
    stage = ChannelsStage(use=use, change_lags=(4,), surprise=surprise)
    encoder = draw_encoder(example(), all_rows(), lookback=6, window=3, stage=stage)

    assert channel_memory(stage) == encoder.memory


@settings(max_examples=25)
@given(cut=st.integers(1, ROWS - 1))
def test_it_does_not_matter_where_the_input_was_cut(cut):
    frame = example()
    encoder = draw_encoder(frame, all_rows())
    whole = encoder.encode(frame)

    low = max(0, cut - encoder.memory)
    earlier, later = (
        encoder.encode(part_of(frame, 0, cut)),
        encoder.encode(part_of(frame, low, ROWS)),
    )

    np.testing.assert_allclose(earlier, whole[:cut], atol=1e-5)
    np.testing.assert_allclose(later[cut - low :], whole[cut:], atol=1e-5)


def test_blocks_do_not_show(monkeypatch):
    encoder = draw_encoder(example(holes=True), all_rows())
    whole = encoder.encode(example(holes=True))

    monkeypatch.setattr(encoders, "_BLOCK", 13)
    monkeypatch.setattr(surprises, "_BLOCK", 17)

    np.testing.assert_allclose(encoder.encode(example(holes=True)), whole, atol=1e-5)


@pytest.mark.parametrize("with_surprise", [True, False])
def test_encoder_survives_its_plain_form(with_surprise):
    frame = example(holes=True)
    encoder = draw_encoder(frame, all_rows())
    before = encoder if with_surprise else encoder.base

    after = encoder_from_parts(*before.to_parts())

    assert isinstance(after, RowEncoder) != with_surprise
    assert (after.channels, after.memory, after.needs) == (
        before.channels,
        before.memory,
        before.needs,
    )
    np.testing.assert_array_equal(after.encode(frame), before.encode(frame))
