"""What a training run tells of the inside of its LSTM: never from the test part."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rareevent.jobs import importance
from rareevent.jobs import inside as module
from rareevent.jobs.importance import importance_content
from rareevent.jobs.inside import (
    epoch_health,
    health_findings,
    health_notes,
    health_tags,
    inside_content,
    inside_metrics,
)
from rareevent.jobs.learn import learn
from rareevent.jobs.prepare import fill_auto, prepare
from rareevent.jobs.progress import Quiet
from rareevent.jobs.train import train
from rareevent.tracking.home import connect
from tests.lines import line_pipeline, write_line


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A line that was learned, and how it was prepared."""
    prepared = fill_auto(prepare(line_pipeline(write_line(tmp_path_factory.mktemp("line")))))
    return prepared, learn(prepared, Quiet())


def with_trouble(learned):
    """The same, its last fold's fit thrown about for six steps."""
    (member,) = learned.folds[-1].members
    wild = replace(member.health[0], step_norms=np.full(6, 1e3, np.float32))
    ill = replace(member, health=(wild, *member.health[1:]))
    return replace(learned, folds=(replace(learned.folds[-1], members=(ill,)),))


def test_the_content_is_plain_data_with_every_part(taught):
    content = json.loads(json.dumps(inside_content(*taught), allow_nan=False))

    assert content["parameters"]["positives"] == 240
    assert content["health"]["fits"] == 2
    assert content["health"]["findings"] == []
    assert len(content["health"]["members"][0][-1]["input_gradient"]) == 6
    assert [len(layer["units"]) for layer in content["gates"]["layers"]] == [6, 4]
    assert content["gates"]["moves"]["events"] >= 10
    assert any(one["moved"] for one in content["gates"]["moves"]["units"])


def test_the_sensor_that_announces_events_is_what_the_model_relies_on(taught):
    found = json.loads(json.dumps(importance_content(*taught), allow_nan=False))

    by_name = {one["name"]: one["pr_auc"] for one in found["sensors"]}
    assert found["sensors"][0]["name"] == "warm"
    assert by_name["warm"]["value"] > 0.3
    assert set(by_name) == {"warm", "noise", "grade"}
    for other in ("noise", "grade"):
        assert abs(by_name[other]["value"]) < 0.1
    # Validation is less than ten days long, and a block of time a day.
    assert {one["low"] for one in by_name.values()} == {None}
    assert found["events"] >= 10


def test_importance_is_asked_of_validation_rows_and_never_of_the_test_part(taught, monkeypatch):
    prepared, learned = taught
    looked = []
    real = importance.find_stretches

    def watch(frame, labels, windows, **asked):
        looked.append(windows)
        return real(frame, labels, windows, **asked)

    monkeypatch.setattr(importance, "find_stretches", watch)
    importance_content(prepared, learned)

    parts = prepared.split.part[np.concatenate([windows.ends for windows in looked])]
    assert set(parts) == set(range(1, prepared.split.test))


def test_gates_are_looked_at_on_the_validation_fold_and_never_on_the_test_part(taught, monkeypatch):
    prepared, learned = taught
    looked = []
    real = module.read_gates
    monkeypatch.setattr(
        module, "read_gates", lambda n, windows, m: looked.append(windows) or real(n, windows, m)
    )

    inside_content(prepared, learned)

    (windows,) = looked
    assert set(np.unique(prepared.split.part[windows.ends])) == {1}


def test_metrics_of_epochs_and_of_the_run_have_their_names(taught):
    prepared, learned = taught
    first = epoch_health(learned, 0)

    assert {"epoch/gradient_norm/lstm_1", "epoch/weight_norm/head"} <= set(first)
    assert first["epoch/gradient_reach"] == 6
    assert "epoch/update_ratio/lstm_2" in first
    assert epoch_health(learned, 999) == {}
    final = inside_metrics(prepared, learned)
    assert final["inside/gradient_reach"] == 6
    assert final["inside/parameters_per_positive"] == final["inside/learned_parameters"] / 240
    assert final["inside/findings"] == 0


def test_a_finding_in_any_fit_is_a_tag_and_a_note(taught):
    _, learned = taught
    ill = with_trouble(learned)

    assert health_tags(learned) == {"gradient_health": "no finding"}
    assert health_tags(ill) == {"gradient_health": "gradient_exploding"}
    (note,) = health_notes(ill)
    assert note.startswith("Gradient health: gradient_exploding: ")
    assert "clip (train.clipnorm 1" in note
    assert [f.rule for f in health_findings(ill)] == ["gradient_exploding"]


@pytest.mark.slow
def test_a_run_keeps_them_in_mlflow(tracked):
    result = train(line_pipeline(write_line(tracked)))
    client = connect()
    run = client.get_run(result.run_id)

    assert run.data.tags["gradient_health"] == "no finding"
    assert run.data.metrics["inside/findings"] == 0
    history = client.get_metric_history(result.run_id, "epoch/gradient_norm/lstm_1")
    assert [point.step for point in history] == list(range(1, len(history) + 1))
    assert len(history) >= 3
