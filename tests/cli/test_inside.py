"""`rareevent model` and `rareevent gates` as a person calls them."""

import io
import json

import click
import pytest
import yaml

from rareevent.bundle import save_bundle
from rareevent.cli.app import app
from rareevent.cli.inside import moves_table, statistics_table
from rareevent.errors import ConfigError
from tests.bundles import raw_rows, tiny_bundle
from tests.lines import line_settings, write_line


@pytest.fixture
def call(workplace, capsys):
    """Runs a command in this process; returns what it printed, stdout and stderr."""

    def run(*arguments):
        app.main(list(arguments), standalone_mode=False)
        return capsys.readouterr()

    return run


@pytest.fixture
def pipeline(workplace):
    settings = line_settings(write_line(workplace))
    (workplace / "line.yaml").write_text(yaml.safe_dump(settings))
    return "line.yaml"


def test_model_prints_the_layers_and_warns_on_stderr(call, pipeline):
    out, error = call("model", pipeline, "--set", "model.units=[40, 20]")

    assert "4·40·(40 + 8 + 1) = 7,840" in out
    assert "240 positive training windows of 48 events" in out
    assert "above 10 to 1" in error


def test_model_answers_a_machine_without_data(call, pipeline):
    out, error = call("model", pipeline, "--channels", "61", "--json")
    document = json.loads(out)

    assert document["channels"] == 61
    assert document["positives"] is None
    assert document["parameters"] == sum(layer["parameters"] for layer in document["layers"])
    assert error == ""


def test_gates_that_are_no_sigmoids_are_refused_with_the_reason_in_two_sentences(call, pipeline):
    with pytest.raises(ConfigError) as refused:
        call("model", pipeline, "--set", "model.recurrent_activation=tanh")

    said = str(refused.value)
    assert "'model.recurrent_activation': must be 'sigmoid'; received 'tanh'. The gates" in said
    assert "lie in (0, 1), where 0 forgets and 1 keeps. Only this form also runs on cuDNN" in said


def test_heatmaps_of_all_windows_are_a_usage_error(call, workplace):
    save_bundle(tiny_bundle(), workplace / "bundle")

    with pytest.raises(click.UsageError, match="--output needs --at"):
        call("gates", "--model", "bundle", "--input", "rows.csv", "--output", "out")


def test_gates_says_where_it_wrote(call, workplace):
    save_bundle(tiny_bundle(), workplace / "bundle")
    raw_rows(20).to_csv("rows.csv", index=False)

    out, error = call(
        "gates", "--model", "bundle", "--input", "rows.csv", "--asset", "m1",
        "--at", "2024-03-01 00:09:00", "--output", "out",
    )  # fmt: skip

    assert "m1, 2024-03-01 00:06:00 to 2024-03-01 00:09:00: probability" in out
    assert "written to out/gates_lstm_1.png" in error


def text_of(table):
    from rich.console import Console

    out = io.StringIO()
    Console(width=140, file=out).print(table)
    return out.getvalue()


def test_a_table_marks_memories_and_idle_units():
    gates = {"input": 0.05, "forget": 0.97, "output": 0.5}
    unit = {"unit": 4, "mean": gates, "shut": gates, "open": gates, "holds": 0.8, "spread": 0.3}
    layer = {
        "name": "lstm_1",
        "windows": 10,
        "units": [{**unit, "memory": True, "never_changes": False}],
    }

    text = text_of(statistics_table(layer))

    assert "memory" in text
    assert "never changes" not in text


def test_a_table_of_moves_says_how_many_exclude_zero_or_why_there_is_no_interval():
    one = {"layer": "lstm_1", "unit": 2, "quantity": "state", "difference": 0.2}
    moves = {"comparisons": 8, "events": 12, "fewest_events": 10, "confidence": 0.95}
    sure = {**one, "low": 0.1, "high": 0.3, "moved": True}
    none = {**one, "low": None, "high": None, "moved": False}

    assert "1 of 8 differences before 12 events exclude 0" in text_of(
        moves_table({**moves, "units": [sure]})
    )
    assert "fewer than 10" in text_of(moves_table({**moves, "events": 3, "units": [none]}))
