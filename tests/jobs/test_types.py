"""Events of two types, from their log to the scores: told apart, or left alone."""

from dataclasses import replace

import numpy as np
import pytest

from rareevent.bundle import load_bundle, save_bundle
from rareevent.bundle.contents import from_parts, to_parts
from rareevent.config import dump_pipeline, load_pipeline, validate_pipeline
from rareevent.errors import ConfigError, ModelError
from rareevent.jobs.judge import judge_test
from rareevent.jobs.learn import learn
from rareevent.jobs.outcome import final_metrics
from rareevent.jobs.prepare import fill_auto, prepare
from rareevent.jobs.progress import Quiet
from rareevent.jobs.register import make_bundle
from rareevent.jobs.skill import skill_of
from rareevent.scoring.engine import score_frame
from tests.lines import line_settings


def write_typed_line(folder, rows=2400, events=60):
    """A sensor rises before hot events and another before shaking ones; two are of a third type."""
    import pyarrow as pa
    import pyarrow.csv

    draw = np.random.default_rng(3)
    at = np.sort(draw.choice(np.arange(20, rows - 20, 16), events, replace=False))
    kind = np.array(["hot", "shaking"])[draw.integers(0, 2, events)]
    kind[[4, 9]] = "leak"
    sensors = draw.normal(size=(2, rows))
    for event, name in zip(at, kind, strict=True):
        sensors[int(name == "shaking"), event - 5 : event] += np.linspace(1, 4, 5)
    time = np.datetime64("2024-03-01", "s") + np.arange(rows) * np.timedelta64(60, "s")
    quiet = np.setdiff1d(np.arange(rows), at)
    table = {"time": time.astype(str), "warm": sensors[0].round(4), "shake": sensors[1].round(4)}
    pa.csv.write_csv(pa.table({n: v[quiet] for n, v in table.items()}), folder / "line.csv")
    log = pa.table({"when": time[at].astype(str), "what": kind})
    pa.csv.write_csv(log, folder / "events.csv")
    return typed_settings(folder)


def typed_settings(folder, **model):
    settings = line_settings(folder / "line.csv")
    events = {"source": str(folder / "events.csv"), "time": "when", "type": "what"}
    ingest = {"source": str(folder / "line.csv"), "time": "time", "events": events}
    model = {**settings["model"], **model}
    return {**settings, "ingest": {**ingest, "max_gap": "3min"}, "model": model}


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """What was prepared, learned and bundled on the typed line."""
    folder = tmp_path_factory.mktemp("typed")
    prepared = fill_auto(prepare(validate_pipeline(write_typed_line(folder))))
    learned = learn(prepared, Quiet())
    return folder, prepared, learned, make_bundle(prepared, learned, None)


def test_auto_names_the_types_says_why_and_the_resolved_file_repeats_them(typed, tmp_path):
    _, prepared, _, _ = typed

    assert set(prepared.config.model.types) == {"hot", "shaking", "other"}
    assert "are told apart; leak (2) pooled as other" in prepared.reasons["model.types"]
    (tmp_path / "resolved.yaml").write_text(dump_pipeline(prepared.config, prepared.reasons))
    again = prepare(load_pipeline(tmp_path / "resolved.yaml"))
    np.testing.assert_array_equal(again.type_targets, prepared.type_targets)
    assert again.config.model == prepared.config.model


def test_types_are_told_apart_on_the_test_part_better_than_by_the_most_frequent(typed):
    _, prepared, learned, bundle = typed

    judged = judge_test(prepared, learned, bundle)

    assert judged.types["type_events"] >= 8
    assert judged.types["type_accuracy"] > 0.8 > judged.types["type_most_frequent_share"]
    metrics = final_metrics(prepared, learned, judged, skill_of(prepared, learned, judged))
    assert metrics["test/type_accuracy"] == judged.types["type_accuracy"]


def test_scores_have_a_probability_of_each_type_and_the_bundle_keeps_them(typed, tmp_path):
    _, prepared, _, bundle = typed
    save_bundle(bundle, tmp_path / "bundle")

    scores = score_frame(load_bundle(tmp_path / "bundle"), prepared.frame)

    assert scores.types == prepared.config.model.types
    assert scores.type_probability.shape == (len(scores), 3)
    np.testing.assert_allclose(scores.type_probability.sum(axis=1), 1, atol=1e-6)
    before = score_frame(bundle, prepared.frame)
    np.testing.assert_array_equal(scores.type_probability, before.type_probability)


def test_off_and_a_log_without_types_leave_no_type_anywhere(typed):
    folder, *_ = typed
    off = fill_auto(prepare(validate_pipeline(typed_settings(folder, types="off"))))
    settings = typed_settings(folder)
    del settings["ingest"]["events"]["type"]
    untyped = fill_auto(prepare(validate_pipeline(settings)))

    for prepared in (off, untyped):
        assert prepared.type_targets.shape[1] == 0
        assert prepared.config.model.type_names == ()
        assert "model.types" not in prepared.reasons
        np.testing.assert_array_equal(prepared.learned_targets, prepared.targets)


def test_types_that_training_does_not_hold_often_enough_stay_off_with_the_reason(typed):
    folder, *_ = typed
    short = {"folds": 1, "validation": 0.8, "test": 0.1}
    settings = {**typed_settings(folder), "split": short}

    prepared = fill_auto(prepare(validate_pipeline(settings)))

    assert prepared.config.model.types == "off"
    assert "are not told apart" in prepared.reasons["model.types"]


def test_named_types_that_no_event_has_are_refused_before_anything_is_learned(typed):
    folder, *_ = typed
    untyped = typed_settings(folder, types=["hot", "shaking"])
    del untyped["ingest"]["events"]["type"]

    with pytest.raises(ConfigError, match=r"no event is of type 'Shaking'"):
        fill_auto(prepare(validate_pipeline(typed_settings(folder, types=["hot", "Shaking"]))))
    with pytest.raises(ConfigError, match=r"no event has a type"):
        fill_auto(prepare(validate_pipeline(untyped)))


def test_a_named_type_that_the_first_training_rows_do_not_hold_is_told(typed):
    folder, *_ = typed
    # The two leaks are the fifth and the tenth of sixty events.
    early = {"folds": 1, "validation": 0.85, "test": 0.1}
    rows = typed_settings(folder, types=["leak", "shaking", "hot"])

    assert "model.types" not in fill_auto(prepare(validate_pipeline(rows))).reasons
    prepared = fill_auto(prepare(validate_pipeline({**rows, "split": early})))
    assert "no event of type leak in the first training" in prepared.reasons["model.types"]


def test_a_bundle_whose_networks_lack_the_types_is_refused(typed, tmp_path):
    _, _, _, bundle = typed
    many = tuple("abcdefgh")
    model = bundle.config.model.model_copy(update={"types": many})
    config = bundle.config.model_copy(update={"model": model})

    with pytest.raises(ModelError, match="fewer heads than its pipeline names types"):
        from_parts(*to_parts(replace(bundle, config=config)))


@pytest.mark.parametrize("given", [["one"], ["a", "a"], []])
def test_fewer_than_two_different_names_are_refused(given):
    settings = {"ingest": {"source": "a", "time": "t", "label": "y"}, "model": {"types": given}}

    with pytest.raises(ConfigError, match="at least two event types, each once"):
        validate_pipeline(settings)


def test_an_unquoted_off_is_off():
    settings = {"ingest": {"source": "a", "time": "t", "label": "y"}, "model": {"types": False}}

    assert validate_pipeline(settings).model.types == "off"
