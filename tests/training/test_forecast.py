"""Teaching a forecaster: on normal rows only, the same again by its seed, better for what came."""

from dataclasses import replace

import numpy as np
import pytest

from rareevent.config import ChannelsStage, SurpriseStage
from rareevent.errors import DataError, TrainingError
from rareevent.forecast.encoder import own_channels
from rareevent.forecast.forecaster import negative_log_likelihood
from rareevent.training.forecast import fit_forecaster, fit_surprise, forecast_rows
from rareevent.windowing.fit_encode import fit_encoder
from tests.frames import make_frame

SETTINGS = SurpriseStage(units=(6, 4), lookback=6, window=3, steps=40)
STAGE = ChannelsStage(use=("value",), surprise=SETTINGS)
ROWS = 600


def echo(rows=ROWS, seed=0):
    """Noise p, and q, which repeats p's change of four rows before."""
    draw = np.random.default_rng(seed)
    step = draw.normal(size=rows)
    echoed = np.concatenate([np.zeros(4), step[:-4]])
    q = 0.5 * np.cumsum(echoed + 0.1 * draw.normal(size=rows))
    sensors = {"p": np.cumsum(step), "q": q - np.convolve(q, np.ones(50) / 50)[:rows]}
    return make_frame({"a": range(rows)}, sensors=sensors)


def first(rows):
    return np.arange(ROWS) < rows


def weights(encoder):
    return encoder.to_parts()[1]


def fit(frame, training=400, normal=None, stage=STAGE, seed=3):
    rows = first(training)
    base = fit_encoder(frame, rows, stage)
    return fit_surprise(frame, base, rows, rows if normal is None else normal, stage, seed=seed)


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_rows_that_do_not_teach_change_no_weight():
    frame = echo()
    late = {name: np.where(first(400), v, 1e3 - v) for name, v in frame.sensors.items()}

    assert_same(weights(fit(frame)), weights(fit(replace(frame, sensors=late))))


def test_the_forecaster_learns_from_normal_rows_only():
    frame = echo()
    odd = (np.arange(ROWS) >= 200) & (np.arange(ROWS) < 230)
    # Rows after the odd ones would read them as history.
    normal = first(400) & ~odd & ~((np.arange(ROWS) >= 230) & (np.arange(ROWS) < 260))
    rows = first(400)
    base = fit_encoder(frame, rows, STAGE)
    changes = fit_encoder(frame, rows, ChannelsStage(use=("change",)))
    wild = {name: np.where(odd, 1e3 - v, v) for name, v in frame.sensors.items()}
    other = replace(frame, sensors=wild)

    one, two = (
        fit_forecaster(
            forecast_rows(f, base, changes, SETTINGS.lookback).of(normal),
            own_channels(base),
            SETTINGS,
            seed=1,
        )
        for f in (frame, other)
    )

    assert_same(one.to_arrays(), two.to_arrays())


def test_the_seed_decides():
    frame = echo()
    one, again, other = fit(frame), fit(frame), fit(frame, seed=4)

    assert_same(weights(one), weights(again))
    name = "surprise/forecaster/own"
    assert not np.array_equal(weights(one)[name], weights(other)[name])


def test_the_recurrence_sees_what_one_row_does_not():
    frame = echo(3000)
    learn = np.arange(3000) < 2000
    base = fit_encoder(frame, learn, STAGE)
    changes = fit_encoder(frame, learn, ChannelsStage(use=("change",)))

    def held_out(lookback):
        stage = SurpriseStage(units=(12, 8), lookback=lookback, steps=250)
        rows = forecast_rows(frame, base, changes, lookback)
        forecaster = fit_forecaster(rows.of(learn), own_channels(base), stage, seed=0)
        held = rows.of(~learn)
        lost = negative_log_likelihood(held.target, *forecaster.predict(held.windows))
        return lost.mean(axis=0)

    with_recurrence, one_row = held_out(8), held_out(1)

    assert with_recurrence[1] < one_row[1] - 0.5
    assert abs(with_recurrence[0] - one_row[0]) < 0.2


def test_a_row_is_forecast_from_the_rows_before_it():
    frame = make_frame(
        {"a": range(6)}, segments=[(0, 3), (4, 6)], sensors={"p": [1, 2, 4, 8, 5, 3]}
    )
    base = fit_encoder(frame, np.ones(6, bool), ChannelsStage(use=("value",), scaling="standard"))
    changes = fit_encoder(frame, np.ones(6, bool), ChannelsStage(use=("change",)))

    found = forecast_rows(frame, base, changes, lookback=2)

    # Rows 1, 2 and 5 have a row before them; rows 0 and 3 begin, and row 3 has no segment.
    inputs = np.concatenate([changes.encode(frame), base.encode(frame)], axis=1)
    assert found.row.tolist() == [1, 2, 5]
    assert found.of(np.arange(6) > 1).row.tolist() == [2, 5]
    np.testing.assert_array_equal(found.windows.gather(), inputs[[[0, 0], [0, 1], [4, 4]]])
    np.testing.assert_array_equal(found.target, inputs[[1, 2, 5], :1])
    assert found.known.all()


def test_surprise_is_found_where_a_sensor_leaves_its_ways():
    frame = echo()
    values = frame.sensors["p"].copy()
    values[500:] += 40
    encoder = fit(replace(frame, sensors={**frame.sensors, "p": values}))

    rows = encoder.encode(replace(frame, sensors={**frame.sensors, "p": values}))
    column = rows[:, encoder.channels.index("p.surprise")]

    assert column[500] > 2.5
    assert column[500] == column[450:560].max()


def test_what_cannot_be_forecast_is_refused():
    with pytest.raises(DataError, match="no training row is known to be further"):
        fit(echo(), normal=np.zeros(ROWS, bool))
    text = make_frame({"a": range(8)}, sensors={"p": [np.nan] * 8}, texts={"grade": ["A", "B"] * 4})
    base = fit_encoder(text, np.ones(8, bool), STAGE)
    with pytest.raises(DataError, match="no column is numeric"):
        fit_surprise(text, base, np.ones(8, bool), np.ones(8, bool), STAGE, seed=0)


def test_a_loss_that_is_no_number_is_refused():
    frame = echo()
    base = fit_encoder(frame, first(400), STAGE)
    changes = fit_encoder(frame, first(400), ChannelsStage(use=("change",)))
    rows = forecast_rows(frame, base, changes, 6).of(first(400))
    broken = replace(rows, target=rows.target * np.float32(np.nan))

    with pytest.raises(TrainingError, match="forecaster's loss became nan"):
        fit_forecaster(broken, 2, SETTINGS, seed=0)
