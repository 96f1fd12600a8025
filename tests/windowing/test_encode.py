"""The row matrix: learned on training rows, causal, independent of how the input was cut."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rareevent.config import ChannelsStage
from rareevent.errors import DataError
from rareevent.windowing import encode
from rareevent.windowing.drift import choose_channels
from rareevent.windowing.encode import RowEncoder
from rareevent.windowing.fit_encode import fit_encoder
from tests.frames import make_frame

EVERYTHING = ChannelsStage(
    use=("value", "change", "volatility", "missing"), volatility_windows=(3, 7), change_lags=(1, 2)
)


def noise(rows, seed=0):
    return np.random.default_rng(seed).normal(size=rows)


def example(rows=60, segments=((0, 25), (26, 60)), **sensors):
    columns = sensors or {"p": noise(rows), "q": noise(rows, 1) * 50 + 1000}
    return make_frame(
        {"a": range(rows)},
        segments=list(segments),
        sensors=columns,
        texts={"grade": ["A", "B", "B", "C"] * (rows // 4)},
    )


def first(rows, n):
    return np.arange(n) < rows


def test_channel_names_follow_their_columns():
    frame = example()
    encoder = fit_encoder(frame, first(40, 60), EVERYTHING)

    assert encoder.channels == (
        "p.value",
        "q.value",
        "p.change1",
        "q.change1",
        "p.change2",
        "q.change2",
        "p.volatility3",
        "q.volatility3",
        "p.volatility7",
        "q.volatility7",
        "grade=A",
        "grade=B",
        "grade=C",
        "grade=(unknown)",
    )
    assert encoder.encode(frame).shape == (60, 14)
    assert encoder.encode(frame).dtype == np.float32
    assert encoder.memory == 6


def test_level_never_seen_in_training_goes_to_the_unknown_slot():
    frame = example()
    training = np.isin(np.array(frame.texts["grade"].codes), [0, 1])
    encoder = fit_encoder(frame, training, EVERYTHING)

    rows = encoder.encode(frame)

    assert encoder.texts == {"grade": ("A", "B")}
    assert rows[3, -3:].tolist() == [0, 0, 1]
    assert rows[0, -3:].tolist() == [1, 0, 0]


def test_missing_flag_only_where_training_had_gaps():
    values = noise(60)
    holes = values.copy()
    holes[[5, 30]] = np.nan
    frame = example(p=values, q=holes)

    encoder = fit_encoder(frame, first(40, 60), EVERYTHING)

    column = encoder.channels.index("q.missing")
    assert "p.missing" not in encoder.channels
    assert np.flatnonzero(encoder.encode(frame)[:, column]).tolist() == [5, 30]


def test_statistics_come_from_training_rows_only():
    frame = example()
    changed = {n: np.where(first(40, 60), v, v * 1e3 + 7) for n, v in frame.sensors.items()}

    one = fit_encoder(frame, first(40, 60), EVERYTHING)
    other = fit_encoder(replace(frame, sensors=changed), first(40, 60), EVERYTHING)

    assert np.array_equal(one.encode(frame), other.encode(frame))


def test_quantile_scaling_makes_training_rows_normal_whatever_their_shape():
    heavy = np.exp(3 * noise(6000))
    frame = make_frame({"a": range(6000)}, sensors={"p": heavy})

    encoder = fit_encoder(frame, np.ones(6000, bool), ChannelsStage(use=("value",)))
    column = encoder.encode(frame)[:, 0]

    assert abs(column.mean()) < 0.02
    assert abs(column.std() - 1) < 0.02
    assert abs(column).max() <= 5


def test_constant_sensor_and_one_that_is_missing_in_training_do_not_break_anything():
    lost = np.full(60, np.nan)
    lost[50:] = 1.0
    frame = example(p=np.full(60, 3.0), q=lost)

    encoder = fit_encoder(frame, first(40, 60), EVERYTHING)

    assert encoder.sensors == ("p",)
    assert np.isfinite(encoder.encode(frame)).all()


def test_nothing_to_learn_from_is_refused():
    frame = example()
    with pytest.raises(DataError, match="no training row"):
        fit_encoder(frame, np.zeros(60, bool), EVERYTHING)
    empty = make_frame({"a": range(4)}, sensors={"p": [np.nan] * 4})
    with pytest.raises(DataError, match="no sensor has a reading"):
        fit_encoder(empty, np.ones(4, bool), EVERYTHING)


def test_absent_column_is_named():
    encoder = fit_encoder(example(), first(40, 60), EVERYTHING)

    with pytest.raises(DataError, match="lacks the columns q that"):
        encoder.encode(example(p=noise(60)))


@pytest.mark.parametrize("scaling", ["quantile", "standard"])
def test_encoder_survives_its_plain_form(scaling):
    frame = example()
    stage = EVERYTHING.model_copy(update={"scaling": scaling})
    encoder = fit_encoder(frame, first(40, 60), stage)

    copy = RowEncoder.from_parts(*encoder.to_parts())

    assert copy.channels == encoder.channels
    assert np.array_equal(copy.encode(frame), encoder.encode(frame))


def test_auto_takes_volatility_alone_when_levels_wander():
    rows = 4000
    walk = np.cumsum(noise(rows))
    steady = noise(rows)

    wandering = make_frame({"a": range(rows)}, sensors={"p": walk}, kind="datetime")
    holding = make_frame({"a": range(rows)}, sensors={"p": steady}, kind="datetime")

    drifting = fit_encoder(wandering, np.ones(rows, bool), ChannelsStage())
    calm = fit_encoder(holding, np.ones(rows, bool), ChannelsStage())

    assert drifting.use == ("volatility",)
    assert choose_channels(wandering, np.ones(rows, bool)).reason.startswith("levels drift: KS 0.")
    assert calm.use == ("value", "change", "volatility")


def test_blocks_do_not_show(monkeypatch):
    frame = example(rows=400, segments=((0, 130), (131, 400)))
    encoder = fit_encoder(frame, first(300, 400), EVERYTHING)
    whole = encoder.encode(frame)

    monkeypatch.setattr(encode, "_FEWEST_ROWS", 17)
    monkeypatch.setattr(encode, "_MOST_ROWS", 17)

    assert np.array_equal(encoder.encode(frame), whole)


@settings(max_examples=40)
@given(row=st.integers(0, 59), amount=st.floats(-1e6, 1e6), hole=st.booleans())
def test_changing_a_reading_changes_nothing_before_it(row, amount, hole):
    frame = example()
    encoder = fit_encoder(frame, first(40, 60), EVERYTHING)
    values = frame.sensors["p"].copy()
    values[row] = np.nan if hole else amount
    poisoned = replace(frame, sensors={**frame.sensors, "p": values})

    before, after = encoder.encode(frame), encoder.encode(poisoned)

    assert np.array_equal(before[:row], after[:row])
    if row < 25:
        assert np.array_equal(before[25:], after[25:])
