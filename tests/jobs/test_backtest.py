"""Backtests: every figure can be recomputed, folds go on after a kill, nothing stale is reused."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest
import yaml
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from rareevent.errors import ConfigError, DataError, OutputError
from rareevent.jobs.backtest import backtest
from rareevent.jobs.fold import FoldPlan
from rareevent.jobs.runs import compare_runs, list_runs
from tests.lines import line_pipeline, line_settings, write_line

PLAN = FoldPlan(2, 0.6, "expanding")


@pytest.fixture(scope="module")
def done(tmp_path_factory, empty_home):
    """One backtest that several tests look at."""
    folder = tmp_path_factory.mktemp("backtest")
    shutil.copytree(empty_home / "mlruns", folder / "mlruns")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        config = line_pipeline(write_line(folder))
        yield config, backtest(config, PLAN, folder / "out", workers=2), folder


def recomputed(rows, events, alarms, score, model, horizon_min=5):
    """Figures of one model from the Parquet files alone: no code of the package."""
    known = rows[rows["label"].notna()]
    label = known["label"].astype(int)
    mine = alarms[alarms["model"] == model]
    raised = rows.merge(mine[["fold", "asset", "time"]], on=["fold", "asset", "time"])
    counted = events[events["outcome"] != "boundary"]
    hits = raised[raised["label"] == 1].merge(
        counted[["fold", "event_id"]], on=["fold", "event_id"]
    )
    on_boundary = raised[(raised["label"] == 1)].shape[0] - hits.shape[0]
    caught = hits.drop_duplicates(["fold", "event_id"])
    late = raised["label"].isna() & raised["event_id"].notna()
    first = hits.groupby(["fold", "event_id"])["time"].min().reset_index()
    lead = first.merge(counted, on=["fold", "event_id"], suffixes=("", "_event"))
    false = len(raised) - len(hits) - on_boundary - int(late.sum())
    days = len(rows) / (24 * 60)
    return {
        "roc_auc": roc_auc_score(label, known[score]),
        "pr_auc": average_precision_score(label, known[score]),
        "prevalence": label.mean(),
        "brier": brier_score_loss(label, known[score]),
        "events": len(counted),
        "caught": len(caught),
        "event_recall": len(caught) / len(counted),
        "alarms": len(mine),
        "false_alarms": false,
        "alarm_precision": len(caught) / max(len(caught) + false, 1),
        "false_alarms_per_day": false / days,
        "lead_time_median_min": (lead["time_event"] - lead["time"]).dt.total_seconds().median()
        / 60,
    }


def test_predictions_have_the_promised_columns(done):
    _, _, folder = done
    rows = pd.read_parquet(folder / "out" / "predictions.parquet")

    first = ["fold", "asset", "time", "label", "event_id", "probability", "alarm"]
    assert list(rows.columns) == [*first, "logistic"]
    assert rows["logistic"].dtype == float
    assert sorted(rows["fold"].unique()) == [1, 2]


@pytest.mark.parametrize("model", ["lstm", "logistic"])
def test_every_figure_can_be_recomputed_from_the_files(done, model):
    _, result, folder = done
    files = [
        pd.read_parquet(folder / "out" / f"{n}.parquet")
        for n in ("predictions", "events", "alarms")
    ]
    score = "probability" if model == "lstm" else model
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))

    pooled = recomputed(*files, score, model)
    for name, value in pooled.items():
        assert document["pooled"][model]["metrics"][name] == pytest.approx(value), name
    for fold in document["folds"]:
        mine = [f[f["fold"] == fold["fold"]] for f in files]
        for name, value in recomputed(*mine, score, model).items():
            assert fold["metrics"][model][name] == pytest.approx(value), name


def test_test_periods_follow_each_other_and_training_comes_before(done):
    _, result, _ = done
    one, two = (f["split"] for f in result.folds)

    assert one["train"]["to"] < one["validation"]["from"] < one["test"]["from"]
    assert one["test"]["to"] < two["test"]["from"]
    assert [f["split"]["test"]["rows"] for f in result.folds] == [600, 600]


def test_folds_are_runs_nested_under_one(done):
    _, result, folder = done
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        runs = {r.run_id: r for r in list_runs("line")}

    children = [r for r in runs.values() if r.parent == result.run_id]
    assert runs[result.run_id].parent is None
    assert len(children) == 2
    assert {r.status for r in runs.values()} == {"FINISHED"}


def test_finished_folds_are_not_repeated_and_give_the_same(done):
    config, result, folder = done
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        again = backtest(config, PLAN, folder / "out", workers=1)
        compared = compare_runs(result.run_id, again.run_id)

    assert again.folds_reused == 2
    assert again.pooled == result.pooled
    assert compared.comparison.differences["pr_auc"].value == 0


def test_folds_of_other_settings_data_or_events_are_never_mixed_in(done):
    config, _, folder = done
    other = config.model_copy(update={"train": config.train.model_copy(update={"seed": 99})})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with pytest.raises(OutputError, match="another backtest"):
            backtest(other, PLAN, folder / "out")
        with pytest.raises(OutputError, match="another backtest"):
            backtest(config, FoldPlan(2, 0.5, "expanding"), folder / "out")


def test_event_log_is_part_of_what_a_fold_belongs_to(tracked):
    source = write_line(tracked)
    rows = pd.read_csv(source)
    events = rows.loc[rows["y"] == 1, ["time"]]
    events.to_csv(tracked / "events.csv", index=False)
    rows.drop(columns="y").to_csv(source, index=False)
    ingest = {"source": str(source), "time": "time", "events": str(tracked / "events.csv")}
    config = line_pipeline(source, ingest=ingest)
    one_fold = FoldPlan(1, 0.7, "expanding")
    backtest(config, one_fold, tracked / "out")

    events.iloc[:-1].to_csv(tracked / "events.csv", index=False)

    with pytest.raises(OutputError, match="another backtest"):
        backtest(config, one_fold, tracked / "out")


def test_leaky_split_cannot_be_backtested(workplace):
    source = write_line(workplace)
    split = {"strategy": "random_leaky"}
    with pytest.raises(ConfigError, match="no order in time"):
        backtest(line_pipeline(source, split=split), PLAN, workplace / "out")
    assert not (workplace / "out").exists()


def test_error_in_a_fold_names_the_fold(tracked):
    source = write_line(tracked)
    rows = pd.read_csv(source)
    rows.loc[:1400, "y"] = 0
    rows.to_csv(source, index=False)

    with pytest.raises(DataError, match="fold 1: no event"):
        backtest(line_pipeline(source), FoldPlan(1, 0.5, "expanding"), tracked / "out")


@pytest.mark.slow
def test_killed_and_called_again_it_goes_on_and_gives_the_same(done, workplace):
    config, result, _ = done
    settings = {**line_settings(config.ingest.source)}
    (workplace / "line.yaml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-c", "from rareevent.cli import main; main()", "backtest"]
    command += ["line.yaml", "--folds", "2", "--first", "0.6", "--output", "out", "--json"]
    first_fold = workplace / "out" / "folds" / "fold_1" / "outcome.json"

    job = subprocess.Popen([*command, "--workers", "1"], start_new_session=True)
    while not first_fold.exists() and job.poll() is None:
        time.sleep(0.05)
    workers = psutil.Process(job.pid).children(recursive=True)
    job.send_signal(signal.SIGKILL)
    job.wait()
    _, outlived = psutil.wait_procs(workers, timeout=10)
    assert workers
    assert not outlived
    stamp = first_fold.stat().st_mtime_ns
    finished = subprocess.run(command, capture_output=True, text=True, check=True)

    document = json.loads(finished.stdout)
    assert document["folds_reused"] >= 1
    assert first_fold.stat().st_mtime_ns == stamp
    assert document["pooled"]["lstm"]["metrics"] == pytest.approx(
        result.pooled["lstm"]["metrics"], nan_ok=True
    )
    assert "RUNNING" not in {r.status for r in list_runs("line")}


@pytest.mark.slow
def test_sheet_break_within_six_minutes(shared_data, workplace):
    from rareevent.config import load_pipeline
    from tests.conftest import REPOSITORY

    source = f"ingest.source={shared_data('sheet_break.csv.gz')}"
    config = load_pipeline(REPOSITORY / "pipelines" / "sheet_break.yaml", (source,))

    result = backtest(config, FoldPlan(5, 0.5, "expanding"), workplace / "out")

    print({n: (m["roc_auc"], m["pr_auc"]) for n, m in result.mean.items()}, result.verdict)
    assert result.pooled["lstm"]["metrics"]["events"] == 62
    assert result.seconds < 360
    rows = pd.read_parquet(workplace / "out" / "predictions.parquet")
    assert np.isclose(rows["label"].mean(), 0.0131, atol=0.0005)


def test_report_shows_every_test_period_and_can_be_drawn_anew(done):
    from rareevent.jobs.report import report

    _, result, folder = done
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        page = report(result.run_id, folder / "anew.html").read_text(encoding="utf-8")

    assert (folder / "out" / "report.html").stat().st_size > 50_000
    assert result.verdict_sentence in page
    section = re.search(r'<section id="folds">.*?</section>', page, re.S)[0]
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in section.split("<tr>")[2:]]
    figures = [fold["metrics"]["lstm"] for fold in result.folds]
    assert [(row[0], row[4], row[5], row[6]) for row in cells] == [
        (str(k), *(str(m[name]) for name in ("caught", "events", "false_alarms")))
        for k, m in enumerate(figures, 1)
    ]
