"""The `tune` stage: what may be varied, over what, and how refusals name the key."""

import pytest

from rareevent.config import Range, validate_pipeline
from rareevent.errors import ConfigError

SMALLEST = {"ingest": {"source": "a.csv", "time": "t", "label": "y"}}


def pipeline(space, **stages):
    return validate_pipeline({**SMALLEST, **stages, "tune": {"space": space}})


def test_a_list_holds_choices_and_low_and_high_a_range():
    space = pipeline(
        {
            "model.units": [[8, 4], [16, 8]],
            "model.screen": [None, 0.5],
            "window.lookback": {"low": 5, "high": 40, "step": 5},
            "train.learning_rate": {"low": 0.001, "high": 0.1, "log": True},
        }
    ).tune.space

    assert space["model.units"] == ([8, 4], [16, 8])
    assert space["model.screen"] == (None, 0.5)
    assert space["window.lookback"] == Range(low=5, high=40, step=5)
    assert space["window.lookback"].whole
    assert not space["train.learning_rate"].whole


def test_a_resolved_space_reads_back():
    config = pipeline({"window.lookback": {"low": 5, "high": 40}, "model.units": [[8, 4]]})

    assert validate_pipeline(config.dump()) == config


def test_without_a_space_there_is_one_that_the_pipeline_takes():
    default = validate_pipeline(SMALLEST).tune

    assert default.space == {}
    assert pipeline(default.model_copy(update={"space": default.over()}).model_dump()["space"])


@pytest.mark.parametrize(
    ("given", "highest"),
    [
        ({"low": 5, "high": 40, "step": 10}, 35),
        ({"low": 0.0, "high": 0.5, "step": 0.2}, 0.4),
        ({"low": 0.0, "high": 0.4, "step": 0.1}, 0.4),
        ({"low": 1, "high": 3}, 3),
    ],
)
def test_steps_are_counted_from_the_low_end(given, highest):
    assert Range(**given).highest == highest


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"model.unit": [[8, 4]]}, ("'model.unit'", "did you mean 'model.units'?")),
        ({"ingest.source": ["b.csv"]}, ("'ingest.source'", "channels, window, model, train")),
        ({"label.horizon": [5]}, ("'label.horizon'",)),
        ({"train.seed": [1, 2]}, ("'train.seed'", "luck")),
        ({"window.pad": ["none"]}, ("'window.pad'", "which rows are judged")),
        ({"model.units": [[8, 4], [8]]}, ("tune.space.model.units", "[8]", "at least 2")),
        ({"window.lookback": {"low": 0, "high": 4}}, ("tune.space.window.lookback", "0")),
        ({"window.lookback": {"low": 9, "high": 4}}, ("window.lookback", "9 and 4")),
        ({"window.lookback": {"lo": 1, "high": 4}}, ("window.lookback", "lo")),
        ({"window.lookback": {"low": 1, "high": 9, "step": 2, "log": True}}, ("'log'", "'step'")),
        ({"window.lookback": {"low": 1, "high": 9, "step": 0.5}}, ("'step'", "whole")),
        ({"window.lookback": 5}, ("window.lookback", "5")),
        ({"window.lookback": []}, ("window.lookback", "at least 1")),
        ({"window.lookback": {"low": 2.0, "high": 8.0}}, ("window.lookback", "fractional part")),
        ({"model.units": [[8, 4], [4, 3], [8, 4]]}, ("model.units", "twice")),
        ({"model.activation": "tanh"}, ("model.activation", "a valid list", "'tanh'")),
        ({"model.recurrent_activation": ["tanh"]}, ("recurrent_activation", "sigmoid")),
    ],
)
def test_refusals_name_the_key_and_what_was_received(space, words):
    with pytest.raises(ConfigError) as refused:
        pipeline(space)

    for word in words:
        assert word in str(refused.value)


def test_a_value_is_tried_together_with_the_rest_of_the_pipeline():
    with pytest.raises(ConfigError, match=r"tune\.space\.channels\.use.*at least one of"):
        pipeline({"channels.use": [["missing"]]})
