"""Pipeline files: defaults, overrides, durations, and errors that name the key."""

import re

import pytest

from rareevent.config import (
    SurpriseStage,
    dump_pipeline,
    load_pipeline,
    override_pipeline,
    parse_duration_us,
    validate_pipeline,
)
from rareevent.errors import ConfigError

SMALLEST = {"ingest": {"source": "a.csv", "time": "t", "label": "y"}}


def write(tmp_path, text):
    path = tmp_path / "line.yaml"
    path.write_text(text)
    return path


def refusal(data):
    with pytest.raises(ConfigError) as caught:
        validate_pipeline(data, where="p.yaml")
    return str(caught.value)


def test_everything_but_source_time_and_events_has_a_default():
    config = validate_pipeline(SMALLEST)

    assert config.train.class_weight == "balanced"
    assert config.model.recurrent_activation == "sigmoid"
    assert config.alarm.false_alarms_per_event == 3


def test_resolved_file_gives_the_same_pipeline(tmp_path):
    config = validate_pipeline(
        {
            **SMALLEST,
            "label": {"horizon": "4min"},
            "alarm": {"false_alarms_per_day": 2},
            "register": {"model": "m"},
        }
    )

    assert load_pipeline(write(tmp_path, dump_pipeline(config))) == config


def test_pipeline_takes_the_files_name_when_it_gives_none(tmp_path):
    path = write(tmp_path, "ingest: {source: a.csv, time: t, label: y}")

    assert load_pipeline(path).name == "line"


def test_override_reaches_a_nested_key_and_is_parsed_as_yaml(tmp_path):
    path = write(tmp_path, "ingest: {source: a.csv, time: t, label: y}")

    config = load_pipeline(path, ("train.seed=5", "model.units=[4, 3]", "label.horizon=6h"))

    assert (config.train.seed, config.model.units, config.label.horizon) == (5, (4, 3), "6h")


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [("4min", 240e6), ("1.5 h", 5400e6), ("2 days", 172800e6), ("10ms", 1e4), ("3 us", 3)],
)
def test_durations(text, microseconds):
    assert parse_duration_us(text) == microseconds


def test_unknown_key_names_file_path_and_nearest_key():
    message = refusal({"ingest": {**SMALLEST["ingest"], "categorial": ["x"]}})

    assert message == "p.yaml: unknown key 'ingest.categorial'; did you mean 'categorical'?"


def test_every_problem_is_listed():
    message = refusal({**SMALLEST, "trian": {}, "label": {"horizon": "soon"}})

    assert "unknown key 'trian'; did you mean 'train'?" in message
    assert "'label.horizon': must be a duration such as '4min'" in message
    assert "received 'soon'" in message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"ingest": {"source": "a", "time": "t"}}, "exactly one of 'label'"),
        ({"ingest": {"time": "t", "label": "y"}}, "'ingest.source' is required"),
        ({**SMALLEST, "model": {"recurrent_activation": "tanh"}}, "received 'tanh'. The gates"),
        ({**SMALLEST, "model": {"units": [8]}}, "at least 2"),
        ({**SMALLEST, "alarm": {"k": 3, "n": 2}}, "k=3, n=2"),
        (
            {**SMALLEST, "alarm": {"false_alarms_per_day": 1, "false_alarms_per_event": 1}},
            "takes one budget",
        ),
        ({**SMALLEST, "split": {"validation": 0.6, "test": 0.5}}, "below 1"),
        ({"ingest": {**SMALLEST["ingest"], "sensors": ["y", "x"]}}, "the label column 'y'"),
        ({**SMALLEST, "channels": {"use": ["missing"]}}, "at least one of value"),
        ({**SMALLEST, "label": {"horizon": -2}}, "must not be negative"),
        ({**SMALLEST, "label": {"horizon": f"{10**20}d"}}, "not be longer than 1000 years"),
        ({**SMALLEST, "label": {"horizon": f"{10**400}d"}}, "not be longer than 1000 years"),
        ({**SMALLEST, "register": {"model": "a/b"}}, "received 'a/b'"),
        ({**SMALLEST, "register": {"model": " "}}, "received ' '"),
    ],
)
def test_refusals_say_what_was_received(data, words):
    assert words in refusal(data)


@pytest.mark.parametrize(
    ("stage", "line"),
    [
        (
            {"train": {"epochs": 0}},
            "'train.epochs': Input should be greater than or equal to 1, or 'auto'; received 0",
        ),
        (
            {"train": {"class_weight": "x"}},
            "'train.class_weight': Input should be 'balanced' or 'none', or keys; received 'x'",
        ),
        (
            {"train": {"class_weight": {1: 0}}},
            "'train.class_weight.1': Input should be greater than 0; received 0",
        ),
        ({"model": {"blend": {"lsmt": 1}}}, "unknown key 'model.blend.lsmt'; did you mean 'lstm'?"),
        (
            {"model": {"blend": {}}},
            "'model.blend': needs a weight above 0 for one of lstm, logistic and boosting",
        ),
        (
            {"model": {"types": ["a", 1]}},
            "'model.types.1': Input should be a valid string; received 1",
        ),
        (
            {"model": {"units": ["x"]}},
            "'model.units.0': Input should be a valid integer, unable to parse string as an"
            " integer; received 'x'",
        ),
        (
            {"channels": {"use": ["value", "level"]}},
            "'channels.use.1': Input should be 'value', 'change', 'volatility' or 'missing';"
            " received 'level'",
        ),
        (
            {"ingest": {"source": "a", "time": "t", "events": {"time": "w"}}},
            "'ingest.events.source' is required and missing",
        ),
    ],
)
def test_a_value_of_several_kinds_has_one_line_that_names_the_key_as_it_is_written(stage, line):
    assert refusal({**SMALLEST, **stage}) == f"p.yaml: {line}"


@pytest.mark.parametrize("key", ["train.seed", "split.seed", "evaluate.seed", "tune.seed"])
def test_a_seed_that_some_library_would_not_take_is_refused(key):
    stage, name = key.split(".")

    for seed in (-1, 2**32):
        assert f"'{key}': Input should be" in refusal({**SMALLEST, stage: {name: seed}})


@pytest.mark.parametrize(
    ("stage", "name", "value"),
    [
        ("train", "negatives_per_positive", float("inf")),
        ("train", "learning_rate", float("inf")),
        ("train", "class_weight", {1: float("inf")}),
        ("train", "clipnorm", float("inf")),
        ("channels", "clip", float("inf")),
        ("model", "skip_l2", float("nan")),
        ("model", "forget_bias", 1e30),
        ("model", "blend", {"lstm": 1e308, "logistic": 1e308}),
        ("channels", "volatility_windows", []),
        ("channels", "change_lags", []),
        ("tune", "space", {"train.learning_rate": {"low": 0.1, "high": float("inf")}}),
    ],
)
def test_what_could_only_break_later_is_refused_at_once(stage, name, value):
    assert f"'{stage}.{name}" in refusal({**SMALLEST, stage: {name: value}})


@pytest.mark.parametrize(
    ("stage", "name", "value"),
    [("model", "screen", False), ("model", "projection", True), ("window", "lookback", True)],
)
def test_a_switch_is_not_taken_for_a_number(stage, name, value):
    message = refusal({**SMALLEST, stage: {name: value}})

    assert f"'{stage}.{name}': must be a value, not a switch" in message
    assert message.endswith(f"received {value}")


def test_switches_and_words_that_yaml_reads_as_switches_stay_what_they_are():
    stages = {"model": {"skip": False, "blend": False, "types": False}, "train": {"refit": True}}
    config = validate_pipeline({**SMALLEST, **stages, "channels": {"surprise": True}})

    assert not config.model.skip
    assert (config.model.blend, config.model.types) == ("off", "off")
    assert config.channels.surprise == SurpriseStage()


def test_a_rule_about_several_keys_does_not_repeat_the_whole_stage():
    message = refusal({"ingest": {**SMALLEST["ingest"], "sensors": ["y", "x"]}})

    assert message.endswith("is listed in 'sensors'; take it out of there")


def test_surprise_is_off_on_or_has_settings_of_its_own():
    off, on, own = (
        validate_pipeline({**SMALLEST, "channels": {"surprise": given}}).channels.surprise
        for given in (False, True, {"lookback": 4})
    )

    assert off is None
    assert on == SurpriseStage()
    assert own == SurpriseStage(lookback=4)
    with pytest.raises(ConfigError, match=r"'channels\.surprise\.lookbak'.* 'lookback'"):
        validate_pipeline({**SMALLEST, "channels": {"surprise": {"lookbak": 4}}})


def test_event_log_may_be_given_as_a_path():
    config = validate_pipeline(
        {"ingest": {"source": "a", "time": "t", "asset": "unit", "events": "log.csv"}}
    )

    assert (config.ingest.events.source, config.ingest.events.asset) == ("log.csv", "unit")


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", ""])
def test_file_that_is_no_pipeline_is_refused_by_name(tmp_path, text):
    with pytest.raises(ConfigError, match=r"line\.yaml"):
        load_pipeline(write(tmp_path, text))


def test_absent_file_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match="no such pipeline file"):
        load_pipeline(tmp_path / "none.yaml")


@pytest.mark.parametrize("override", ["train.seed", "=5", "name.x=1"])
def test_bad_override_is_quoted(tmp_path, override):
    path = write(tmp_path, "name: n\ningest: {source: a.csv, time: t, label: y}")

    with pytest.raises(ConfigError, match="--set"):
        load_pipeline(path, (override,))


def test_a_value_that_is_no_yaml_comes_with_the_quotes_that_it_takes(tmp_path):
    with pytest.raises(ConfigError, match="put it in quotes of its own") as caught:
        override_pipeline(validate_pipeline(SMALLEST), ("ingest.time_format=%d/%m/%Y",))

    (given,) = re.findall(r"--set '(.*)'$", str(caught.value))
    assert override_pipeline(validate_pipeline(SMALLEST), (given,)).ingest.time_format == "%d/%m/%Y"
