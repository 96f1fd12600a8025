"""Tuning: from the validation folds alone, by processes that share a study, on after a kill."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from rareevent.config import TuneStage, load_pipeline, validate_pipeline
from rareevent.errors import ConfigError, LockedError, OutputError
from rareevent.jobs.before_test import before_test
from rareevent.jobs.choose import choosing_events, choosing_rows
from rareevent.jobs.learn import LSTM, learn
from rareevent.jobs.parts import window_part
from rareevent.jobs.prepare import fill_auto, prepare
from rareevent.jobs.progress import Quiet
from rareevent.jobs.study import (
    AS_IS,
    ask,
    finished,
    judged,
    open_study,
    settle_leftovers,
    suggest,
    values_of,
)
from rareevent.jobs.trial import (
    TrialTask,
    chosen_on,
    prepare_before_test,
    run_trial,
    scores_path,
    with_tuned,
)
from rareevent.jobs.tune import study_name, tune
from rareevent.scoring.folder import output_folder
from tests.lines import line_settings, write_line

SPACE = {
    "model.units": [[4, 3], [3, 2]],
    "window.lookback": {"low": 2, "high": 8, "step": 2},
    "train.learning_rate": {"low": 0.003, "high": 0.03, "log": True},
}


def settings(source, space=SPACE):
    found = line_settings(source)
    found["split"] = {**found["split"], "folds": 2}
    found["train"] = {**found["train"], "epochs": 2}
    return {**found, "tune": {"space": space}}


@pytest.fixture
def line(tracked):
    return validate_pipeline(settings(write_line(tracked)))


def run_trials(config, folder, number, metric="pr_auc"):
    folder.mkdir()
    study = open_study(folder, "s")
    study.set_user_attr("metric", metric)
    settle_leftovers(study)
    for _ in range(number):
        run_trial(TrialTask(config, folder, "s"))
    return study


def outcome(study):
    space = validate_pipeline({**line_settings("x"), "tune": {"space": SPACE}}).tune.over()
    return [(t.value, t.intermediate_values, values_of(t, space)) for t in finished(study)]


def test_rows_before_the_test_part_are_all_there_is(line):
    whole = fill_auto(prepare(line))

    cut = before_test(whole)

    keep = whole.split.rows_before(whole.split.test)
    edge = whole.split.edges[-2]
    assert cut.frame.time.max() < edge
    assert cut.frame.events.time.max() < edge
    assert len(cut.frame) == keep.sum() == len(cut.labels.target)
    assert not cut.split.rows_of(cut.split.test).any()
    assert np.array_equal(cut.labels.target, whole.labels.target[keep])
    known = cut.labels.event >= 0
    ahead = cut.frame.events.time[cut.labels.event[known]] - cut.frame.time[known]
    assert np.array_equal(ahead, cut.labels.time_to_event[known])
    assert choosing_rows(cut).sum() == choosing_rows(whole).sum()
    assert choosing_events(cut).sum() == choosing_events(whole).sum()
    for start, stop in zip(cut.frame.segments.start, cut.frame.segments.stop, strict=True):
        assert len(set(cut.frame.segments.of_row[start:stop])) == 1
    assert (cut.frame.segments.of_row >= 0).sum() == np.sum(
        cut.frame.segments.stop - cut.frame.segments.start
    )


def test_of_a_split_by_asset_whole_assets_go(workplace):
    rows = pd.read_csv(write_line(workplace))
    rows["unit"] = [f"u{i // 300}" for i in range(len(rows))]
    rows.to_csv(workplace / "line.csv", index=False)
    stages = settings(workplace / "line.csv")
    stages["ingest"]["asset"] = "unit"
    stages["split"]["strategy"] = "by_asset"
    whole = prepare(validate_pipeline(stages))

    cut = before_test(whole)

    tested = {whole.frame.assets[a] for a in whole.frame.asset[whole.split.rows_of(3)]}
    assert tested
    assert not tested & set(cut.frame.assets)
    assert len(cut.frame.assets) == len(whole.frame.assets) - len(tested)
    assert np.array_equal(np.unique(cut.frame.asset), np.arange(len(cut.frame.assets)))
    assert len(cut.frame) == 300 * len(cut.frame.assets)
    assert np.array_equal(
        [cut.frame.assets[a] for a in cut.frame.events.asset],
        [n for n in (whole.frame.assets[a] for a in whole.frame.events.asset) if n not in tested],
    )


def test_the_trial_of_the_pipeline_as_it_is_scores_what_training_scores(line, tmp_path):
    study = run_trials(line, tmp_path / "study", 1)

    trained = learn(fill_auto(prepare(line)), Quiet()).chosen[LSTM]
    tried = chosen_on(prepare_before_test(line), scores_path(tmp_path / "study", 0))

    assert study.trials[0].user_attrs[AS_IS]
    assert np.array_equal(tried.scored.time, trained.scored.time)
    assert np.allclose(tried.scored.probability, trained.scored.probability)
    assert tried.policy == trained.policy


@pytest.mark.parametrize("metric", ["pr_auc", pytest.param("event_recall", marks=pytest.mark.slow)])
def test_poisoning_the_test_part_changes_no_trial(line, tmp_path, metric):
    """Readings, events and all: the last quarter of the file becomes another world."""
    clean = outcome(run_trials(line, tmp_path / "clean", 3, metric))
    rows = pd.read_csv(line.ingest.source)
    last = rows.index >= 2250
    rows.loc[last, "warm"] = 1e6 - rows.loc[last, "warm"] * 1e3
    rows.loc[last, "noise"] = 7.0
    rows.loc[last, "y"] = (rows.index[last] % 31 == 0).astype(int)
    rows.to_csv(tmp_path / "poisoned.csv", index=False)
    ingest = line.ingest.model_copy(update={"source": str(tmp_path / "poisoned.csv")})
    poisoned = line.model_copy(update={"ingest": ingest})

    assert outcome(run_trials(poisoned, tmp_path / "poisoned", 3, metric)) == clean
    assert len({json.dumps(values) for _, _, values in clean}) == 3


def test_no_window_of_a_trial_ends_or_reads_in_the_test_part(line):
    edge = fill_auto(prepare(line)).split.edges[-2]
    prepared = prepare_before_test(line)

    for part in (1, 2):
        windows = window_part(prepared, part).windows
        assert prepared.frame.time[windows.ends].max() < edge
        assert len(windows.rows) == len(prepared.frame)


def test_half_done_trials_are_queued_again_with_their_values(line, tmp_path):
    study = open_study(tmp_path, "s")
    settle_leftovers(study)
    first, second = ask(study, 0), ask(study, 0)
    assert suggest(first, line.tune.over()) == {}
    drawn = suggest(second, line.tune.over())

    assert settle_leftovers(study) == 2
    assert finished(study) == []
    again = [ask(study, 0) for _ in range(2)]
    values = [suggest(trial, line.tune.over()) for trial in again]

    assert sorted(map(json.dumps, values)) == sorted(map(json.dumps, [{}, drawn]))


def test_values_whose_process_dies_every_time_are_given_up_as_failed(line, tmp_path):
    study = open_study(tmp_path, "s")
    settle_leftovers(study)
    study.tell(ask(study, 0), 0.5)  # the pipeline as it is
    drawn, counts = suggest(ask(study, 0), line.tune.over()), []
    for _ in range(3):
        counts.append(settle_leftovers(study))
        if counts[-1]:
            assert suggest(ask(study, 0), line.tune.over()) == drawn

    assert counts == [1, 1, 0]
    assert [t.state.name for t in study.trials] == ["COMPLETE", "FAIL", "FAIL", "FAIL"]
    assert [t.number for t in finished(study)] == [0, 3]
    assert "killed 3 times" in finished(study)[1].user_attrs["error"]


def test_values_that_cannot_be_learned_with_fail_their_trial_alone(line, tmp_path):
    wild = {"train.learning_rate": [1e30], "train.clipnorm": [1e30]}
    config = validate_pipeline(settings(line.ingest.source, space=wild))

    study = run_trials(config, tmp_path / "study", 2)

    states = [t.state.name for t in study.trials]
    assert states == ["COMPLETE", "FAIL"]
    assert len(finished(study)) == 2
    assert "learning_rate" in study.trials[1].user_attrs["error"]


def test_a_trial_behind_the_median_is_given_up_after_a_fold_but_never_the_pipeline_as_it_is(
    line, tmp_path
):
    study = open_study(tmp_path, "s")
    study.set_user_attr("metric", "pr_auc")
    for _ in range(6):
        unreachable = study.ask()
        unreachable.report(2.0, 1)
        study.tell(unreachable, 2.0)
    settle_leftovers(study)

    for _ in range(2):
        run_trial(TrialTask(line, tmp_path, "s"))

    as_is, other = study.trials[-2:]
    assert (as_is.state.name, len(as_is.intermediate_values)) == ("COMPLETE", 2)
    assert (other.state.name, len(other.intermediate_values)) == ("PRUNED", 1)
    assert len(finished(study)) == 8


def test_two_processes_share_a_study_without_losing_or_repeating_a_trial(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from rareevent.jobs.study import open_study, ask\n"
        "study = open_study(Path(sys.argv[1]), 's')\n"
        "for _ in range(15):\n"
        "    trial = ask(study, 0); trial.suggest_float('x', 0, 1)\n"
        "    trial.report(0.5, 1); study.tell(trial, 0.5)\n"
    )
    study = open_study(tmp_path, "s")
    jobs = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)]

    assert [job.wait() for job in jobs] == [0, 0]
    assert [t.number for t in study.trials] == list(range(30))
    assert {t.state.name for t in study.trials} == {"COMPLETE"}


def test_the_best_pipeline_is_written_tracked_and_compared(line, workplace):
    from rareevent.jobs.runs import list_runs

    result = tune(line, trials=3, workers=1, output=workplace / "best.yaml")

    best = load_pipeline(workplace / "best.yaml")
    assert best.dump() == result.pipeline
    assert best.tune.space == {}
    assert [t["state"] for t in result.trials] == ["judged"] * 3
    assert result.best["value"] == max(t["value"] for t in result.trials)
    assert result.as_is == result.trials[0]["value"]
    assert result.difference["value"] == pytest.approx(result.best["value"] - result.as_is)
    json.dumps(result.to_json(), allow_nan=False)
    runs = list_runs("line")
    parent = next(r for r in runs if r.run_id == result.run_id)
    children = [r for r in runs if r.parent == result.run_id]
    assert len(children) == 3
    assert {r.status for r in runs} == {"FINISHED"}
    assert parent.tags["verdict_sentence"] == result.sentence

    more = tune(line, trials=4, workers=1)

    assert (more.reused, len(more.trials)) == (3, 4)
    assert list(more.trials[:3]) == list(result.trials)
    assert len([r for r in list_runs("line") if r.parent == more.run_id]) == 1


@pytest.mark.parametrize(
    ("values", "same"),
    [
        ({"window.lookback": 40}, True),
        ({"channels.volatility_windows": [60]}, True),
        ({"train.epochs": 3, "model.units": [3, 2]}, True),
        ({"label.auxiliary": []}, False),
    ],
)
def test_trials_are_judged_on_the_same_rows_but_for_what_is_refused(line, values, same):
    as_is, tried = (prepare_before_test(with_tuned(line, v)) for v in ({}, values))

    assert (len(as_is.frame) == len(tried.frame)) is same
    assert np.array_equal(choosing_rows(as_is), choosing_rows(tried)) is same


def test_another_pipeline_or_other_data_is_another_study(line):
    prepared = prepare_before_test(line)
    seed = line.model_copy(update={"train": line.train.model_copy(update={"seed": 8})})
    other = replace(prepared, frame=replace(prepared.frame, source_sha256="0"))

    names = [study_name(line, prepared), study_name(seed, prepared), study_name(line, other)]

    assert len(set(names)) == 3


def test_what_cannot_be_tuned_is_refused_before_a_run(workplace):
    line = validate_pipeline(settings(write_line(workplace)))
    leaky = line.split.model_copy(update={"strategy": "random_leaky"})
    with pytest.raises(ConfigError, match="no forward folds"):
        tune(line.model_copy(update={"split": leaky}), trials=2)
    none = line.window.model_copy(update={"pad": "none"})
    with pytest.raises(ConfigError, match="judged on fewer rows"):
        tune(line.model_copy(update={"window": none}), trials=2)
    strict = line.split.model_copy(update={"purge": "strict"})
    with pytest.raises(ConfigError, match=r"window\.lookback cannot be tuned with split\.purge"):
        tune(line.model_copy(update={"split": strict}), trials=2)
    heads = TuneStage(space={"label.auxiliary": [[], [2.5]]})
    with pytest.raises(ConfigError, match=r"label\.auxiliary cannot be tuned by the clock"):
        tune(line.model_copy(update={"tune": heads}), trials=2)
    with pytest.raises(OutputError, match="no such folder"):
        tune(line, trials=2, output=workplace / "nowhere" / "best.yaml")
    name = study_name(line, prepare_before_test(line))
    with output_folder(workplace / "mlruns" / "tune" / name), pytest.raises(LockedError):
        tune(line, trials=2)
    assert not (workplace / "mlruns" / "mlflow.db").exists()


@pytest.mark.slow
def test_killed_and_called_again_it_goes_on_where_it_was(workplace):
    from rareevent.jobs.runs import list_runs

    path = workplace / "line.yaml"
    path.write_text(yaml.safe_dump(settings(write_line(workplace))))
    config = load_pipeline(path)
    command = [sys.executable, "-c", "from rareevent.cli import main; main()", "tune"]
    command += ["line.yaml", "--trials", "7", "--workers", "2", "--json"]
    place = workplace / "mlruns" / "tune" / study_name(config, prepare_before_test(config))

    job = subprocess.Popen(command, start_new_session=True)
    while job.poll() is None and len(list(place.glob("trial_*.npz"))) < 2:
        time.sleep(0.05)
    job.send_signal(signal.SIGKILL)
    job.wait()
    time.sleep(2)
    study = open_study(place, place.name)
    before = {t.number: t.value for t in finished(study)}
    again = subprocess.run(command, capture_output=True, text=True, check=True)

    document = json.loads(again.stdout)
    assert 1 <= len(before) <= document["reused"] + 1 < 7
    assert len(document["trials"]) == 7
    values = {t["trial"]: t["value"] for t in document["trials"]}
    assert {n: values[n] for n in before} == before
    assert {t.state.name for t in study.trials} <= {"COMPLETE", "PRUNED", "FAIL"}
    assert judged(finished(study))[0].value == document["best"]["value"]
    runs = list_runs("line", limit=50)
    assert "RUNNING" not in {r.status for r in runs}
    assert sum(r.parent is not None for r in runs) >= 7
