"""Scoring jobs as MLflow runs: what they hold, when there are none, and the advice they give."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rareevent.bundle import load_bundle, save_bundle
from rareevent.cli.drift import command as drift_command
from rareevent.errors import DataError, RareEventWarning, TrackingError
from rareevent.jobs.drift import distinct_windows, drift_history
from rareevent.jobs.score import score
from rareevent.tracking.home import Home
from rareevent.tracking.listing import list_runs
from rareevent.tracking.models import log_bundle
from rareevent.tracking.runs import training_run
from rareevent.tracking.scoring_runs import JobRecord, scoring_experiment
from tests.scoring.drifting import minutes, monitored_bundle
from tests.scoring.outputs import finish, start

URI = "models:/press/1"


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("monitored") / "bundle"
    save_bundle(monitored_bundle(alarm_rate=None), folder)
    return folder


@pytest.fixture
def registered(home, bundle_folder):
    """The bundle as version 1 of the model `press`."""
    with training_run("tiny", "a run") as run:
        clock = load_bundle(bundle_folder).clock
        log_bundle(run, bundle_folder, minutes(0, 4), clock, register_as="press")
    return URI


def score_hours(model, first, *hours, output="out"):
    """A job per hour of rows, after a first one of two hours; each is a change of s1 or None."""
    for number, change in enumerate([None, *hours]):
        change = {} if change is None else {"s1": change}
        rows = 60 if number else 120
        begin = first + 60 * number + (60 if number else 0)
        minutes(begin, rows, **change).to_csv(f"in-{begin}.csv", index=False)
        done = score(model, f"in-{begin}.csv", output)
    return done


def runs_of(client, name="press"):
    found = client.get_experiment_by_name(scoring_experiment(name))
    return [] if found is None else client.search_runs([found.experiment_id])


def shifted(values):
    return values + 8


def test_a_job_of_a_registered_model_is_a_run_with_its_figures_and_its_drift(client, registered):
    done = score_hours(registered, 2000, shifted)

    newest, first = runs_of(client)
    metrics, tags = newest.data.metrics, newest.data.tags
    assert newest.info.status == first.info.status == "FINISHED"
    assert (metrics["scoring/rows"], metrics["scoring/rejected"]) == (60, 0)
    assert metrics["scoring/alarms"] == done.alarms
    assert metrics["scoring/seconds"] == done.seconds
    assert metrics["drift/psi_max"] == metrics["drift/psi/s1"] > 2
    assert metrics["drift/psi/s2"] < 0.5
    assert {"drift/missing/s1", "drift/outside/s1", "drift/alarm_rate_ratio"} <= set(metrics)
    assert metrics["model/age_days"] >= 0
    assert (tags["verdict"], first.data.tags["verdict"]) == ("drifted", "quiet")
    assert (tags["model"], tags["model_version"]) == (URI, "1")
    document = Path(client.download_artifacts(newest.info.run_id, "drift.json")).read_text()
    assert json.loads(document)["columns"][0]["column"] == "s1"


def test_a_job_that_failed_is_a_failed_run_with_the_reason(client, registered):
    Path("bad.csv").write_text("when,machine,s1,s2,grade\nnever,m1,1,2,A\n")

    with pytest.raises(DataError):
        score(registered, "bad.csv", "out")

    (run,) = runs_of(client)
    assert run.info.status == "FAILED"
    assert "bad.csv" in run.data.tags["error"]


def test_runs_of_scoring_jobs_stay_out_of_the_list_of_trainings(registered):
    score_hours(registered, 2000)

    assert [run.experiment for run in list_runs()] == ["tiny"]
    assert [run.experiment for run in list_runs("press/scoring")] == ["press/scoring"]


def test_a_bundle_directory_is_scored_without_mlflow_unless_a_home_is_named(
    client, home, bundle_folder, monkeypatch
):
    minutes(2000, 60).to_csv("in.csv", index=False)

    score(str(bundle_folder), "in.csv", "untracked")
    assert runs_of(client, "tiny") == []
    score(str(bundle_folder), "in.csv", "given", home=home)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", home.uri)
    score(str(bundle_folder), "in.csv", "named")

    assert len(runs_of(client, "tiny")) == 2


def test_scoring_a_bundle_directory_loads_no_mlflow(home, bundle_folder):
    minutes(2000, 60).to_csv("in.csv", index=False)
    code = (
        "import sys; from rareevent.jobs.score import score;"
        f" score({str(bundle_folder)!r}, 'in.csv', 'out');"
        " print([name for name in ('mlflow', 'tensorflow') if name in sys.modules])"
    )

    done = finish(start(code=code))

    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_what_was_scored_stays_scored_where_the_run_cannot_be_written(home, bundle_folder):
    minutes(2000, 60).to_csv("in.csv", index=False)
    nowhere = Home("http://127.0.0.1:9", None)

    with pytest.warns(RareEventWarning, match="not tracked: cannot reach"):
        done = score(str(bundle_folder), "in.csv", "out", home=nowhere)

    assert done.rows_scored == 60


def test_the_command_line_warns_of_drift_and_fails_only_where_asked_to(home, bundle_folder):
    minutes(2000, 120, s1=shifted).to_csv("in.csv", index=False)
    given = ("score", "--model", bundle_folder, "--input", "in.csv", "--output")

    told = finish(start(*given, "a"))
    failed = finish(start(*given, "b", "--fail-on-drift", "--json"))
    idle = finish(start(*given, "b", "--fail-on-drift"))

    assert (told.returncode, failed.returncode, idle.returncode) == (0, 10, 0)
    assert "drift: s1: other values than in training (PSI " in told.stdout
    assert "warning: drift: s1" in told.stderr
    summary = json.loads(failed.stdout)
    assert summary["drift"]["verdict"] == "drifted"
    assert summary["drift"]["findings"][0]["column"] == "s1"


def test_three_windows_of_five_beyond_the_limits_mean_retrain(registered):
    score_hours(registered, 2000, shifted, None, shifted)
    before = drift_history("models:/press@champion")
    score_hours(registered, 2300, shifted)
    after = drift_history("press")

    assert (before.retrain, before.windows, before.drifted) == (False, 4, 2)
    assert before.advice.startswith("no need to retrain: 2 of the last 4 windows are beyond")
    assert (after.retrain, after.windows, after.drifted) == (True, 5, 3)
    assert after.advice.startswith("retrain: 3 of the last 5 windows are beyond the limits")


def test_the_history_is_a_table_for_people_and_a_document_for_machines(registered):
    score_hours(registered, 2000, shifted)

    said = CliRunner().invoke(drift_command, ["press"], catch_exceptions=False).stdout
    told = CliRunner().invoke(drift_command, ["press", "--json"], catch_exceptions=False).stdout

    assert "scoring jobs of press" in said
    assert "s1: other values than in" in said
    assert "█" in said
    assert said.rstrip().splitlines()[-1].startswith("no need to retrain: 1 of the last 2")
    document = json.loads(told)
    assert [entry["verdict"] for entry in document["jobs"]] == ["drifted", "quiet"]
    assert document["jobs"][0]["metrics"]["drift/psi/s1"] > 2


def test_a_model_without_jobs_is_told_with_those_that_have_some(registered):
    score_hours(registered, 2000)

    with pytest.raises(TrackingError, match=r"no scoring job of 'pres' .* jobs of: press"):
        drift_history("pres")


def test_a_model_older_than_its_limit_is_to_be_retrained(home, tmp_path):
    bundle = monitored_bundle(max_age="30d", alarm_rate=None)
    bundle.provenance["learned_until"] = 0
    save_bundle(bundle, tmp_path / "old")
    minutes(2000, 120).to_csv("in.csv", index=False)

    score(str(tmp_path / "old"), "in.csv", "out", home=home)

    history = drift_history(str(tmp_path / "old"))
    assert history.retrain
    assert "the model is 19784 days old (limit 30)" in history.advice


def record(verdict="drifted", first=None, last=None, model=URI):
    return JobRecord("r", "2024", model, verdict, "", first, last, False, {})


def test_windows_that_overlap_count_once_and_other_versions_not_at_all():
    jobs = [
        record(first="02", last="04"),
        record(first="01", last="03"),
        record("not_judged"),
        record(first="00", last="02"),
        record(first="00", last="01", model="models:/press/0"),
    ]

    assert [job.last for job in distinct_windows(jobs)] == ["04", "02"]
    assert len(distinct_windows([record(), record()])) == 2
    assert distinct_windows([]) == []
