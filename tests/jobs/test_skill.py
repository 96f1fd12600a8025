"""The verdict on skill from end to end: said, tracked, shown, and no champion set."""

import json

import numpy as np
import pandas as pd
import pytest

from rareevent.config import RegisterStage, validate_pipeline
from rareevent.evaluation.baselines import fit_baseline
from rareevent.evaluation.skill import FitScores, find_skill
from rareevent.jobs.evaluate import evaluate_model
from rareevent.jobs.parts import window_part
from rareevent.jobs.prepare import prepare
from rareevent.jobs.report import report
from rareevent.jobs.runs import list_runs
from rareevent.jobs.train import train
from rareevent.simulate import simulate
from tests.lines import line_pipeline, write_line

SENTENCE = "no evidence that these events can be predicted from these sensors at this horizon"


@pytest.fixture
def unannounced(tracked):
    """A line whose events nothing announces."""
    source = write_line(tracked)
    rows = pd.read_csv(source)
    rows["warm"] = np.random.default_rng(8).permutation(rows["warm"])
    rows.to_csv(source, index=False)
    return line_pipeline(source)


def test_without_precursors_the_verdict_is_no_skill_and_nobody_is_crowned(unannounced, tracked):
    result = train(unannounced)

    assert result.verdict == "no_skill"
    assert SENTENCE in result.verdict_sentence
    assert (result.registered_version, result.champion) == (1, False)
    assert any("made champion without skill" in note for note in result.notes)
    assert result.skill["p_value"] > 0.01
    assert set(result.skill["by_model"]) >= {"lstm", "logistic"}
    assert result.metrics["test/skill_p_value"] == result.skill["p_value"]
    json.dumps(result.to_json(), allow_nan=False)
    (record,) = list_runs()
    assert record.tags["verdict"] == "no_skill"
    page = report(result.run_id, tracked / "report.html").read_text()
    assert f"No evidence that {SENTENCE.removeprefix('no evidence that ')}." in page
    assert evaluate_model("models:/line/1").verdict in ("no_skill", "cannot_be_told_apart")

    register = RegisterStage(model="line", require_skill=False)
    again = train(unannounced.model_copy(update={"register_": register}))

    assert (again.verdict, again.champion, again.registered_version) == ("no_skill", True, 2)


def test_events_that_announce_themselves_show_skill(tracked):
    result = train(line_pipeline(write_line(tracked)))

    assert result.skill["has_skill"]
    assert result.skill["p_value"] <= 0.001
    assert result.verdict in ("better", "worse", "cannot_be_told_apart")
    assert result.champion


def logistic_skill(folder, events):
    """Skill of a logistic regression on a simulated fleet, each part scored by its own fit."""
    path = folder / "log.csv"
    events.to_csv(path, index=False)
    ingest = {"source": str(folder / "sensors.parquet"), "time": "time", "asset": "asset"}
    stages = {
        "ingest": {**ingest, "events": {"source": str(path), "asset": "asset"}},
        "label": {"horizon": "1h"},
        "channels": {"use": ["value", "volatility"]},
        "window": {"lookback": 1},
    }
    prepared, fits = prepare(validate_pipeline(stages)), []
    for part in range(1, prepared.split.test + 1):
        one = window_part(prepared, part)
        model = fit_baseline("logistic", one.teach, one.target[:, 0], seed=7)
        windows = one.windows.take(one.judged_on[one.windows.ends])
        row, frame = windows.ends, prepared.frame
        positive = prepared.labels.target[row] == 1
        scores = {"logistic": model.logits(windows)}
        fits.append(FitScores(frame.asset[row], frame.time[row], positive, scores))
    return find_skill(fits, prepared.frame.clock, seed=0)


@pytest.mark.slow
def test_a_model_of_shifted_events_shows_skill_as_rarely_as_promised(tmp_path):
    """Learned anew each time, on true sensor data and true gaps between events."""
    simulate(tmp_path, seed=5, days=12)
    events = pd.read_csv(tmp_path / "events.csv", parse_dates=["time"])
    time = pd.read_parquet(tmp_path / "sensors.parquet")["time"]
    first, step = time.min(), pd.Timedelta("5min")
    span = (time.max() - first) // step
    draw, found = np.random.default_rng(3), []
    for _ in range(60):
        steps = (events["time"] - first) // step + int(draw.integers(100, span - 100))
        shifted = events.assign(time=first + (steps % span) * step)
        shifted = shifted.drop_duplicates(["asset", "time"])
        found.append(logistic_skill(tmp_path, shifted).p_value)
    share = {alpha: float(np.mean(np.array(found) <= alpha)) for alpha in (0.01, 0.05, 0.2)}

    print(share, logistic_skill(tmp_path, events))
    assert share[0.01] <= 0.04
    assert share[0.05] <= 0.125
    assert logistic_skill(tmp_path, events).has_skill
