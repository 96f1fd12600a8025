"""Training from end to end, on a real tracking store."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from rareevent.bundle import load_bundle
from rareevent.config import ChannelsStage, ScoreStage, load_pipeline
from rareevent.errors import DataError, LeakError, TrainingError
from rareevent.ingestion import with_event_delay, without_feed
from rareevent.jobs import learn as learning
from rareevent.jobs.evaluate import evaluate_model
from rareevent.jobs.judge import judge_test
from rareevent.jobs.learn import LSTM, learn
from rareevent.jobs.parts import window_part
from rareevent.jobs.predictions import read_predictions
from rareevent.jobs.prepare import dropped_rows, fill_auto, prepare
from rareevent.jobs.progress import Quiet
from rareevent.jobs.promote import promote
from rareevent.jobs.report import report
from rareevent.jobs.runs import compare_runs, list_runs
from rareevent.jobs.score import score
from rareevent.jobs.train import make_bundle, train
from rareevent.scoring.drift_counts import drift_reference_of
from rareevent.scoring.engine import score_frame
from rareevent.tracking.artifacts import run_artifacts
from rareevent.tracking.home import connect
from rareevent.tracking.resolve import resolve_model
from tests.lines import line_pipeline, write_line


@pytest.fixture
def line(tracked):
    return line_pipeline(write_line(tracked))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, empty_home):
    """One trained run that several tests look at."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copytree(empty_home / "mlruns", folder / "mlruns")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        config = line_pipeline(write_line(folder))
        yield config, train(config), folder


def test_result_has_what_the_command_promises(trained):
    _, result, _ = trained
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))

    assert document["registered_version"] == 1
    assert document["model_uri"] == "models:/line/1"
    assert {"train", "validation", "test"} <= set(document["split"])
    for name in (
        "roc_auc",
        "pr_auc",
        "prevalence",
        "event_recall",
        "events",
        "lead_time_median_min",
    ):
        assert document["metrics"][f"test/{name}"] is not None
    assert set(document["baselines"]) == {"logistic", "random"}


def test_model_finds_events_that_announce_themselves(trained):
    _, result, _ = trained

    assert result.metrics["test/roc_auc"] > 0.85
    assert result.metrics["test/event_recall"] > 0.5


def test_the_bundle_holds_what_scoring_jobs_tell_drift_by(trained):
    _, _, folder = trained
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        bundle = load_bundle(resolve_model("models:/line/1").folder)

    drift = bundle.profile["drift"]
    assert set(drift["columns"]) == set(bundle.needs)
    assert drift["alarms"]["rows"] > 0 < drift["rows"]
    assert drift_reference_of(bundle).window == drift["window"]


@pytest.mark.parametrize("pad", ["first", "none"])
def test_every_row_teaches_or_judges_or_is_counted_under_one_reason(line, pad):
    window = line.window.model_copy(update={"pad": pad})
    label = line.label.model_copy(update={"lead": "2min"})
    prepared = fill_auto(prepare(line.model_copy(update={"window": window, "label": label})))
    last = window_part(prepared, prepared.split.test)

    dropped = dropped_rows(prepared, last.windowed)

    judged = last.judged_on & prepared.labelled & last.windowed
    assert sum(dropped.values()) + len(last.teach) + judged.sum() == 3000
    assert dropped["too_late"] > 0
    assert bool(dropped["short_history"]) == (pad == "none")


def test_run_is_finished_and_keeps_its_artifacts(trained):
    _, result, folder = trained
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        client = connect()
        run = client.get_run(result.run_id)
        kept = {item.path for item in client.list_artifacts(result.run_id)}
        plots = {item.path for item in client.list_artifacts(result.run_id, "plots")}

    assert run.info.status == "FINISHED"
    assert run.data.tags["leak_audit"] == "passed"
    assert run.data.metrics["test/roc_auc"] == pytest.approx(result.metrics["test/roc_auc"])
    assert {"pipeline.yaml", "report.html", "report.json", "importance.json"} <= kept
    assert "predictions" in kept
    assert {"plots/pr_curve.png", "plots/threshold.png", "plots/training.png"} <= plots
    assert len(client.get_metric_history(result.run_id, "epoch/train_loss")) >= 3


def test_registered_pyfunc_takes_raw_rows(trained):
    config, _result, folder = trained
    import mlflow
    import pandas as pd

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        connect()
        model = mlflow.pyfunc.load_model("models:/line@champion")
    rows = pd.read_csv(config.ingest.source).drop(columns="y").head(50)

    scored = model.predict(rows)

    assert list(scored.columns) == ["asset", "time", "probability", "alarm"]
    assert len(scored) == 50
    assert scored["probability"].between(0, 1).all()
    held = model.get_raw_model().bundle
    assert model.metadata.metadata == {
        "history_rows": held.history_rows,
        "request_rows": held.request_rows,
    }
    assert held.history_rows == config.window.lookback - 1 + held.encoder.memory
    # The example that goes with the model is of the first rows.
    pd.testing.assert_frame_equal(model.predict(model.input_example), scored.head(5))


def test_training_on_the_stored_pipeline_repeats_the_run(trained, tracked):
    _, result, folder = trained
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with run_artifacts(result.run_id, "pipeline.yaml") as path:
            again = load_pipeline(path)

    repeated = train(again)

    assert repeated.metrics == result.metrics
    assert repeated.alarm == result.alarm


def test_scorer_gives_what_the_evaluation_used(trained, tmp_path):
    import pyarrow.parquet as pq

    config, result, folder = trained
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with run_artifacts(result.run_id, "predictions") as kept:
            stored = read_predictions(kept)
        summary = score(
            "models:/line@champion", config.ingest.source, tmp_path / "out", _feed(config, tmp_path)
        )
    rows = pq.read_table(tmp_path / "out" / "scores")
    time = rows["time"].cast("int64").to_numpy()
    later = np.isin(time, stored.scored.time)

    assert summary.rows_scored == 3000 - result.dropped["event"]
    assert later.sum() == len(stored.scored)
    assert np.array_equal(rows["probability"].to_numpy()[later], stored.scored.probability)
    assert np.array_equal(rows["alarm"].to_numpy()[later], stored.scored.alarm)


def _feed(config, folder):
    import pandas as pd

    rows = pd.read_csv(config.ingest.source)
    path = folder / "feed.csv"
    rows.loc[rows["y"] == 1, ["time"]].to_csv(path, index=False)
    return str(path)


def test_evaluating_on_the_same_data_judges_only_the_test_part(trained):
    _, result, folder = trained
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        again = evaluate_model("models:/line/1")

    figures = again.evaluation.metrics
    assert again.since == result.split["test"]["from"]
    assert figures["roc_auc"] == pytest.approx(result.metrics["test/roc_auc"])
    assert figures["caught"] == result.metrics["test/caught"]


def test_report_is_written_from_the_stored_run(trained, tmp_path):
    _, result, folder = trained
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        page = report(result.run_id, tmp_path / "report.html").read_text()

    assert result.verdict_sentence in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_second_version_waits_for_promotion_and_runs_compare(line):
    first = train(line)
    second = train(line.model_copy(update={"train": line.train.model_copy(update={"seed": 8})}))

    assert (first.champion, second.champion) == (True, False)
    assert resolve_model("models:/line@champion").version == 1
    # Half a day of test rows gives no interval, so the gate cannot hold.
    assert promote("models:/line/2").outcome == "refused"
    assert resolve_model("models:/line@champion").version == 1
    assert [r.run_id for r in list_runs("line")] == [second.run_id, first.run_id]

    compared = compare_runs(first.run_id, second.run_id)

    assert compared.comparison.events == first.metrics["test/events"]
    assert "run " in compared.verdict.sentence


def test_poisoning_the_test_part_changes_nothing_that_was_chosen(line):
    """Readings, events and all: the last quarter of the file becomes another world."""
    import pandas as pd

    clean_data = fill_auto(prepare(with_auto_channels(line)))
    clean = learn(clean_data, Quiet())
    rows = pd.read_csv(line.ingest.source)
    last = rows.index >= 2250
    rows.loc[last, "warm"] = 1e6 - rows.loc[last, "warm"] * 1e3
    rows.loc[last, "noise"] = 7.0
    rows.loc[last, "y"] = (rows.index[last] % 31 == 0).astype(int)
    rows.to_csv(line.ingest.source, index=False)

    dirty_data = fill_auto(prepare(with_auto_channels(line)))
    dirty = learn(dirty_data, Quiet())

    assert dirty_data.config == clean_data.config
    assert not np.array_equal(clean_data.labels.target, dirty_data.labels.target)
    for name in clean.chosen:
        assert clean.chosen[name].policy == dirty.chosen[name].policy
        a, b = clean.chosen[name].calibration, dirty.chosen[name].calibration
        assert (a.shift, a.slope, a.intercept) == (b.shift, b.slope, b.intercept)
    ours, theirs = clean.final.members[0].network, dirty.final.members[0].network
    for key, array in ours.to_arrays().items():
        assert np.array_equal(array, theirs.to_arrays()[key])


def with_auto_channels(config):
    return config.model_copy(update={"channels": ChannelsStage()})


@pytest.mark.parametrize(
    "score", [{}, {"event_delay": "3min"}, {"with_events": False}], ids=["feed", "late", "blind"]
)
def test_model_is_judged_by_the_output_of_the_scorer_that_will_run(line, score):
    config = line.model_copy(update={"score": ScoreStage(**score)})
    prepared = fill_auto(prepare(config))
    learned = learn(prepared, Quiet())
    bundle = make_bundle(prepared, learned, None)

    judged = judge_test(prepared, learned, bundle).scored

    frame = prepared.frame
    if score.get("event_delay"):
        frame = with_event_delay(frame, 180_000_000)
    elif score:
        frame = without_feed(frame)
    out = score_frame(bundle, frame)
    late = out.time >= prepared.split.edges[-2]
    for scored in judged.values():
        assert np.array_equal(scored.time, out.time[late])
        assert np.array_equal(scored.segment, out.segment[late])
    assert np.array_equal(judged[LSTM].probability, out.probability[late])
    assert np.array_equal(judged[LSTM].alarm, out.alarm[late])
    event_rows = np.isin(judged[LSTM].time, prepared.frame.events.time).sum()
    assert bool(event_rows) == bool(score)


def runs_by_status():
    return [(r.status, r.tags.get("error", "")) for r in list_runs()]


def test_bad_data_leaves_no_run(workplace):
    source = write_line(workplace)
    source.write_text("time,y,warm\n2024-01-01 00:00:00,0,1\n")

    with pytest.raises(DataError):
        train(line_pipeline(source))

    assert not (workplace / "mlruns").exists()


def test_leak_fails_the_run_and_says_what_leaked(line, monkeypatch):
    honest = learning.window_part

    def learn_scaling_from_everything(prepared, part, learn_for=None):
        return replace(honest(prepared, part, learn_for), learned_from=prepared.in_segment)

    monkeypatch.setattr(learning, "window_part", learn_scaling_from_everything)

    with pytest.raises(LeakError, match="rows at or after the judged part were learned from"):
        train(line)

    ((status, error),) = runs_by_status()
    assert status == "FAILED"
    assert "leak audit failed" in error


def test_divergence_ends_the_run_as_failed(line):
    wild = line.train.model_copy(update={"learning_rate": 1e30, "clipnorm": 1e30})

    with pytest.raises(TrainingError, match="learning_rate"):
        train(line.model_copy(update={"train": wild}))

    assert [s for s, _ in runs_by_status()] == ["FAILED"]


def test_random_split_warns_tags_and_crowns_nobody(line):
    leaky = line.split.model_copy(update={"strategy": "random_leaky"})

    result = train(line.model_copy(update={"split": leaky}))

    (record,) = list_runs()
    assert record.tags["leaky"] == "true"
    assert not result.champion
    assert not result.audit["passed"]
    assert any("random" in note for note in result.notes)


def test_sensor_that_is_the_label_warns_and_fails_under_strict(tracked):
    import pandas as pd

    path = write_line(tracked)
    rows = pd.read_csv(path)
    rows["leak"] = rows["y"][::-1].rolling(6, min_periods=1).max()[::-1]
    rows.to_csv(path, index=False)

    assert any("leak; is it the label?" in note for note in train(line_pipeline(path)).notes)
    with pytest.raises(LeakError, match="leak; is it the label"):
        train(line_pipeline(path, audit="strict"))


@pytest.mark.parametrize("events", [0, 1])
def test_too_few_events_are_refused_in_words(workplace, events):
    import pandas as pd

    path = write_line(workplace)
    rows = pd.read_csv(path)
    rows["y"] = 0
    rows.loc[1000 : 1000 + events - 1, "y"] = 1
    rows.to_csv(path, index=False)

    with pytest.raises((DataError, TrainingError), match="event"):
        train(line_pipeline(path))
