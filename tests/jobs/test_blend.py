"""A blend from end to end: fitted once, weighed before the test part, reported by member."""

import json
import shutil

import numpy as np
import pytest

from rareevent.bundle import load_bundle
from rareevent.bundle.contents import from_parts, to_parts
from rareevent.config import BlendWeights, validate_pipeline
from rareevent.errors import ConfigError, ModelError
from rareevent.evaluation.compare import Comparison, Difference
from rareevent.jobs.contenders import TITLES, WITHOUT_LSTM, model_names, say_verdict
from rareevent.jobs.learn import learn
from rareevent.jobs.predictions import read_predictions
from rareevent.jobs.prepare import fill_auto, prepare
from rareevent.jobs.progress import Quiet
from rareevent.jobs.run_page import run_name
from rareevent.jobs.score import score
from rareevent.jobs.train import train
from rareevent.tracking.artifacts import run_artifacts
from rareevent.tracking.home import connect
from rareevent.tracking.resolve import resolve_model
from tests.lines import line_pipeline, line_settings, write_line

MEMBERS = {"lstm", "logistic", "boosting"}


def blended(source, blend="auto"):
    model = {**line_settings(source)["model"], "blend": blend}
    return line_pipeline(source, model=model)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, empty_home):
    """One blended run that several tests look at."""
    folder = tmp_path_factory.mktemp("blended")
    shutil.copytree(empty_home / "mlruns", folder / "mlruns")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        config = blended(write_line(folder))
        yield config, train(config), folder


def test_members_stand_beside_the_blend_with_weight_figures_and_comparison(trained):
    _, result, _ = trained
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))

    assert document["model"] == "blend"
    assert set(document["members"]) == MEMBERS
    assert sum(m["weight"] for m in document["members"].values()) == pytest.approx(1)
    for member in document["members"].values():
        assert member["metrics"]["roc_auc"] > 0.5
        assert "event_recall_exact" in member["intervals"]
        assert member["comparison"]["differences"]["pr_auc"]["difference"] is not None
    # Both simple models are there, though only one was asked for as a baseline.
    assert set(document["baselines"]) == {*MEMBERS, "blend_without_lstm", "random"}


def test_run_and_predictions_hold_every_member(trained):
    import pyarrow.parquet as pq

    _, result, folder = trained
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        metrics = connect().get_run(result.run_id).data.metrics
        with run_artifacts(result.run_id, "predictions") as kept:
            columns = pq.read_schema(kept / "predictions.parquet").names
            alarms = set(pq.read_table(kept / "alarms.parquet")["model"].to_pylist())

    for name in MEMBERS:
        assert f"test_{name}/pr_auc" in metrics
        assert metrics[f"blend/{name}"] == pytest.approx(result.members[name]["weight"])
    assert {*MEMBERS, "blend_without_lstm"} <= set(columns)
    assert {"blend", "lstm"} <= alarms


def test_scorer_gives_the_blend_that_was_judged(trained, tmp_path):
    import pandas as pd

    config, result, folder = trained
    rows = pd.read_csv(config.ingest.source)
    feed = tmp_path / "feed.csv"
    rows.loc[rows["y"] == 1, ["time"]].to_csv(feed, index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with run_artifacts(result.run_id, "predictions") as kept:
            stored = read_predictions(kept)
        score("models:/line@champion", config.ingest.source, tmp_path / "out", str(feed))
    found = pd.read_parquet(tmp_path / "out" / "scores").sort_values("time")
    time = found["time"].to_numpy().astype("datetime64[us]").astype(np.int64)
    later = np.isin(time, stored.scored.time)

    assert later.sum() == len(stored.scored)
    np.testing.assert_allclose(
        found["probability"].to_numpy()[later], stored.scored.probability, atol=1e-5
    )


def test_a_blend_whose_members_are_gone_is_refused_and_not_scored_by_the_lstm_alone(trained):
    _, result, folder = trained
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        plain, arrays = to_parts(load_bundle(resolve_model(result.model_uri).folder))
    left = {name: array for name, array in arrays.items() if not name.startswith("blend/")}

    assert from_parts(plain, arrays).blend is not None
    with pytest.raises(ModelError, match="it is a blend, and its members are missing"):
        from_parts(plain, left)


def test_verdict_speaks_of_the_blend_and_of_what_the_lstm_adds(trained):
    _, result, _ = trained

    assert "the blend " in result.verdict_sentence
    assert "the LSTM" in result.verdict_sentence
    assert "its LSTM alone" not in result.verdict_sentence


def test_weights_are_chosen_before_the_test_part(workplace):
    import pandas as pd

    config = blended(write_line(workplace))
    clean = learn(fill_auto(prepare(config)), Quiet())
    rows = pd.read_csv(config.ingest.source)
    last = rows.index >= 2250
    rows.loc[last, ["warm", "noise"]] = 7.0
    rows.loc[last, "y"] = (rows.index[last] % 31 == 0).astype(int)
    rows.to_csv(config.ingest.source, index=False)
    dirty = learn(fill_auto(prepare(config)), Quiet())

    assert clean.weights == dirty.weights
    assert clean.chosen["blend"].policy == dirty.chosen["blend"].policy
    assert set(clean.weights["blend_without_lstm"]) == {"logistic", "boosting"}


def test_given_weights_are_taken_in_proportion(workplace):
    config = blended(write_line(workplace), {"lstm": 3, "boosting": 1})

    learned = learn(fill_auto(prepare(config)), Quiet())

    assert learned.weights["blend"] == {"lstm": 0.75, "logistic": 0.0, "boosting": 0.25}
    assert learned.weights["blend_without_lstm"] == {"logistic": 0.0, "boosting": 1.0}
    assert learned.blend.linear is None
    assert learned.blend.trees is learned.final.baselines["boosting"]


@pytest.mark.parametrize(
    ("blend", "names"),
    [
        ("off", ("lstm", "logistic")),
        (False, ("lstm", "logistic")),
        ("equal", ("blend", "lstm", "logistic", "boosting", "blend_without_lstm")),
        ({"lstm": 1}, ("blend", "lstm", "logistic", "boosting")),
        ({"boosting": 1}, ("blend", "lstm", "logistic", "boosting")),
    ],
)
def test_the_first_model_is_what_is_registered(blend, names):
    assert model_names(blended("line.csv", blend)) == names


def test_a_runs_name_says_what_it_registers():
    assert run_name(blended("line.csv")).startswith("blend with LSTM 6-4, horizon 5min, lookback ")
    assert run_name(blended("line.csv", "off")).startswith("LSTM 6-4, horizon 5min, lookback ")


@pytest.mark.parametrize("blend", ["most", {"lstm": 0}, {"lstm": -1}, {"spoon": 1}, True, {}])
def test_other_blends_are_refused(blend):
    with pytest.raises(ConfigError, match="blend"):
        validate_pipeline(
            {"ingest": {"source": "a", "time": "t", "label": "y"}, "model": {"blend": blend}}
        )


def test_a_pipeline_with_weights_survives_its_file(tmp_path):
    from rareevent.config import dump_pipeline, load_pipeline

    for blend in ("off", {"lstm": 2, "logistic": 1, "boosting": 0.5}):
        config = blended("line.csv", blend)
        (tmp_path / "p.yaml").write_text(dump_pipeline(config))
        assert load_pipeline(tmp_path / "p.yaml") == config
    assert config.model.blend == BlendWeights(lstm=2, logistic=1, boosting=0.5)


def compared(recall, pr_auc):
    """A comparison whose intervals lie on the named sides of 0."""

    def difference(word):
        return Difference(0.5, 0.4, 0.1, (0.05, 0.15), word)

    named = {"event_recall": recall, "pr_auc": pr_auc, "false_alarms_per_event": recall}
    return Comparison({n: difference(w) for n, w in named.items()}, 40, 30, 0.95)


SAME = "cannot be told apart"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((SAME, SAME), "Whether the LSTM adds to the simple models cannot be told."),
        (("better", SAME), "The LSTM adds to the simple models."),
        ((SAME, "worse"), "The simple models do better without the LSTM."),
        (("better", "worse"), "adds to the simple models in one respect and takes from them"),
    ],
)
def test_what_the_lstm_adds_is_said_from_the_blend_without_it(words, said):
    comparisons = {
        TITLES["lstm"]: compared("worse", "worse"),
        TITLES["logistic"]: compared("better", "better"),
        TITLES[WITHOUT_LSTM]: compared(*words),
    }

    verdict = say_verdict(comparisons, "blend")

    assert said in verdict.sentence
    assert verdict.sentence.startswith("With 40 events, the blend is better than logistic")
    # Its own member being better does not make the blend worse than what it has to beat.
    assert verdict.outcome == "better"
    assert len(verdict.details) == 3


def test_backtest_reports_the_blend_and_its_members_by_fold_and_pooled(tracked):
    from rareevent.jobs.backtest import backtest
    from rareevent.jobs.fold import FoldPlan

    config = blended(write_line(tracked))
    result = backtest(config, FoldPlan(1, 0.7, "expanding"), tracked / "out", workers=1)
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))

    models = {"blend", *MEMBERS, "blend_without_lstm"}
    assert document["model"] == "blend"
    assert set(document["pooled"]) == {*models, "random"}
    assert set(document["comparisons"]) == {*TITLES.values(), "alarms at random"}
    (fold,) = document["folds"]
    assert set(fold["metrics"]) == set(fold["policies"]) == models
    assert sum(fold["weights"]["blend"].values()) == pytest.approx(1)
    assert "the blend " in document["verdict_sentence"]
