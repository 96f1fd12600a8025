"""Parameters: Keras's count, the formula, and the warning where they outnumber positives."""

import pytest

from rareevent.config import ModelStage
from rareevent.jobs.model import ModelSummary, model
from rareevent.lstm.build import build_stacked_lstm
from tests.lines import line_pipeline, write_line


@pytest.mark.parametrize(
    "stage",
    [
        ModelStage(),
        ModelStage(units=(5, 4, 3), projection=None, skip=False),
        ModelStage(units=(5, 4), bidirectional=True),
        ModelStage(units=(5, 4), head="flatten", skip_start="zero", activation="relu"),
    ],
)
def test_rows_add_up_to_keras_count_and_the_formula_holds_for_every_lstm_layer(workplace, stage):
    config = line_pipeline(workplace / "none.csv").model_copy(update={"model": stage})

    summary = model(config, channels=9)

    built = build_stacked_lstm(6, 9, stage, 3, seed=0)
    assert summary.parameters == built.count_params()
    assert summary.learned == sum(
        int(v.value.shape.num_elements()) for v in built.trainable_variables
    )
    lstm = [row for row in summary.layers if row.kind == "LSTM"]
    assert len(lstm) == len(stage.units) * (2 if stage.bidirectional else 1)
    for row in lstm:
        assert row.formula.endswith(f"= {row.parameters:,}")
    assert summary.warning is None


def test_the_data_give_channels_and_positives_before_the_test_part(workplace):
    config = line_pipeline(write_line(workplace))

    summary = model(config)

    # 48 of the 60 events lie before the test part, five positive rows each; the recurrence reads
    # some of the 9 channels (value and two volatilities of two sensors, two grades and unknown).
    assert (summary.events, summary.positives) == (48, 240)
    assert summary.channels == 9
    # A lookback of 6, whose first row's volatility reads 19 rows more; and alarms look at one row.
    assert summary.request_rows == 5 + 19 + 1
    assert 1 <= summary.channels_read < 9
    projection = summary.layers[0]
    assert (projection.name, projection.parameters) == ("projection", 9 * 8 + 8)
    assert projection.learned == summary.channels_read * 8 + 8
    skip = summary.layers[-1]
    assert (skip.name, skip.learned) == ("skip", 0)


def test_without_a_refit_the_positives_are_those_before_validation(workplace):
    config = line_pipeline(write_line(workplace))
    train = config.train.model_copy(update={"refit": False})

    whole, first = model(config), model(config.model_copy(update={"train": train}))

    assert first.positives == 5 * first.events
    assert first.events < whole.events


@pytest.mark.parametrize(("positives", "warned"), [(100, False), (99, True)])
def test_more_than_ten_learned_parameters_per_positive_window_warn(positives, warned):
    row = model_row(parameters=1000)
    summary = ModelSummary((row,), 5, 9, 3, 3, 24, 9, positives, events=20)

    assert bool(summary.warning) == warned
    if warned:
        assert "1,000 learned parameters against 99 positive training windows" in summary.warning
        assert "above 10 to 1" in summary.warning


def model_row(parameters):
    from rareevent.jobs.model import LayerRow

    return LayerRow("lstm_1", "LSTM", (5, 16), parameters, parameters)
