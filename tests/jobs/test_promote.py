"""Champion and challenger, on real models in a real registry."""

import json
import shutil
from dataclasses import replace

import pytest
from click.testing import CliRunner

from rareevent.bundle import load_bundle
from rareevent.cli.app import app
from rareevent.config import digest_pipeline, override_pipeline, validate_pipeline
from rareevent.errors import ConfigError, DataError, ModelError, PromotionError
from rareevent.ingestion import ingest
from rareevent.jobs.challenge import challenge
from rareevent.jobs.evaluate import evaluate_model
from rareevent.jobs.promote import promote
from rareevent.jobs.refit import refit
from rareevent.jobs.rollback import champions, rollback
from rareevent.jobs.runs import compare_runs
from rareevent.jobs.score import score
from rareevent.jobs.train import train
from rareevent.tracking.home import connect
from rareevent.tracking.resolve import resolve_model
from tests.lines import line_settings, write_line

ROWS = 1600


def settings(source, **stages):
    """Rows an hour apart: the test part has sixteen days, so there are intervals."""
    own = {
        "label": {"horizon": 5},
        "alarm": {"false_alarms_per_event": 0.5},
        "evaluate": {"baselines": ["logistic"], "bootstrap": 200},
    }
    return {**line_settings(source), **own, **stages}


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    """A champion, a challenger like it, one that sees noise only, a refit, and later rows."""
    folder = tmp_path_factory.mktemp("plant")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        whole = write_line(folder, rows=ROWS + 800, events=120, minutes=60)
        lines = whole.read_text().splitlines(keepends=True)
        (folder / "later.csv").write_text("".join(lines))
        whole.write_text("".join(lines[: ROWS + 1]))
        own = settings(whole)
        runs = [
            train(validate_pipeline(own)),
            train(validate_pipeline({**own, "train": {"batch_size": 64, "seed": 8}})),
            train(validate_pipeline({**own, "ingest": {**own["ingest"], "sensors": ["noise"]}})),
            refit("models:/line@champion"),
        ]
        yield folder, runs


@pytest.fixture
def line(plant, tmp_path, monkeypatch):
    """The plant's registry, a copy that a test may change."""
    folder, runs = plant
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlruns").mkdir()
    # The artifacts stay where the database says they are.
    shutil.copy(folder / "mlruns" / "mlflow.db", tmp_path / "mlruns" / "mlflow.db")
    shutil.copy(folder / "later.csv", tmp_path / "later.csv")
    return runs


def champion():
    return champions("line").champion


def failing(promotion):
    return {check.name for check in promotion.checks if not check.passed}


def test_an_equal_challenger_becomes_champion_and_the_history_says_why(line):
    done = promote("models:/line/2", overrides=("promote.margin=0.3",))

    assert (done.outcome, done.previous, done.version) == ("promoted", 1, 2)
    assert failing(done) == set()
    json.dumps(done.to_json(), allow_nan=False)
    first, second = champions("line").reigns
    assert (first.version, first.how) == (1, "first")
    assert first.figures["events"] == line[0].metrics["test/events"]
    assert (second.version, second.how, second.run_id) == (2, "gate", line[1].run_id)
    assert second.figures["previous"] == 1
    assert second.figures["gate"]["margin"] == 0.3
    assert second.figures["challenger"]["caught"] == line[1].metrics["test/caught"]
    assert promote(line[1].run_id).outcome == "already_champion"
    assert len(champions("line").reigns) == 2
    assert rollback("line").version == 1


def test_both_are_judged_on_the_rows_of_the_test_part_as_training_judged_them(line):
    done = promote("models:/line/2")

    for run, figures in zip(
        line, (done.challenge.champion, done.challenge.challenger), strict=False
    ):
        for name in ("events", "caught", "false_alarms", "rows", "roc_auc"):
            assert figures[name] == pytest.approx(run.metrics[f"test/{name}"]), name
    by_runs = compare_runs(line[1].run_id, line[0].run_id).comparison.differences
    ours = done.challenge.comparison.differences
    assert done.challenge.since == line[0].split["test"]["from"]
    assert ours["pr_auc"].value == pytest.approx(by_runs["pr_auc"].value)
    assert ours["event_recall"].value == pytest.approx(by_runs["event_recall"].value)


def test_a_challenger_that_is_worse_stays_outside_unless_forced_with_a_reason(line):
    refused = promote("models:/line/3")

    assert (refused.outcome, refused.is_champion) == ("refused", False)
    assert {"event recall", "skill"} <= failing(refused)
    assert (champion(), len(champions("line").reigns)) == (1, 1)
    with pytest.raises(ConfigError, match="--force needs --reason"):
        promote("models:/line/3", force=True)
    done = promote("models:/line/3", force=True, reason="the warm sensor is broken")
    assert (done.outcome, champion()) == ("forced", 3)
    last = champions("line").reigns[-1]
    assert (last.how, last.reason) == ("forced", "the warm sensor is broken")
    assert last.figures["checks"]["skill"] is False


def test_the_gate_is_the_pipelines_and_too_few_events_do_not_pass_it(line):
    done = promote("models:/line/2", overrides=("promote.min_events=1000",))

    assert failing(done) >= {"events"}
    assert champion() == 1


def test_models_that_look_ahead_differently_are_not_compared(line):
    bundle = load_bundle(resolve_model("models:/line/2").folder)
    further = override_pipeline(bundle.config, ("label.horizon=6",))

    with pytest.raises(PromotionError, match=r"looks 6 h ahead and the champion 5 h: .*--force"):
        challenge(replace(bundle, config=further), bundle, bundle.config)
    nearer = override_pipeline(bundle.config, ("label.lead=1",))
    with pytest.raises(PromotionError, match=r"looks 5 h \(lead 1 h\) ahead and the champion 5 h"):
        challenge(replace(bundle, config=nearer), bundle, bundle.config)


def test_models_split_by_asset_are_compared_on_assets_that_taught_neither(line):
    bundle = load_bundle(resolve_model("models:/line/2").folder)

    def taught_by(*assets):
        origin = {**bundle.provenance, "learned_assets": list(assets)}
        return replace(bundle, provenance=origin)

    found = challenge(taught_by("A"), taught_by("B"), bundle.config)
    frame, _ = ingest(bundle.config.ingest)
    (asset,) = frame.assets
    # Times do not count here: every event of these rows is new to both.
    assert found.challenger["events"] == len(frame.events)
    with pytest.raises(PromotionError, match="the champion learned from 1 asset;"):
        challenge(taught_by("A"), taught_by(asset), bundle.config)


def test_rows_that_the_challenger_cannot_score_count_as_silence(line):
    bundle = load_bundle(resolve_model("models:/line/1").folder)
    choosy = override_pipeline(bundle.config, ("window.pad=none",))

    found = challenge(replace(bundle, config=choosy), bundle, bundle.config)

    assert found.challenger["rows"] == found.champion["rows"]
    assert found.challenger["events"] == found.champion["events"]
    assert found.challenger["alarms"] < found.champion["alarms"]


def test_where_the_source_is_gone_it_says_so_and_force_does_not_need_it(line):
    gone = ("ingest.source=nowhere.csv",)

    with pytest.raises(DataError, match="nowhere"):
        promote("models:/line/2", overrides=gone)
    done = promote("models:/line/2", overrides=gone, force=True, reason="disk lost")

    assert (done.outcome, champion()) == ("forced", 2)
    assert "nowhere.csv" in champions("line").reigns[-1].figures["not_compared"]


def test_a_champion_that_is_gone_is_named_and_force_does_not_need_it(line, tmp_path):
    connect().create_model_version("line", str(tmp_path / "gone"), None)
    connect().set_registered_model_alias("line", "champion", "5")

    with pytest.raises(PromotionError, match=r"the champion, version 5, cannot be loaded: .*gone"):
        promote("models:/line/2")
    done = promote("models:/line/2", force=True, reason="its files are lost")

    assert (done.outcome, done.previous, champion()) == ("forced", 5, 2)
    assert [reign.how for reign in champions("line").reigns] == ["first", "outside", "forced"]


def test_without_a_champion_only_skill_is_asked_for(line):
    connect().delete_registered_model_alias("line", "champion")

    refused = promote("models:/line/3")
    elsewhere = promote("models:/line/3", overrides=("ingest.source=later.csv",))
    done = promote("models:/line/2", overrides=("promote.margin=0.2",))

    assert (refused.outcome, failing(refused)) == ("refused", {"skill"})
    assert refused.checks[0].found == "the verdict of its training was no skill"
    assert elsewhere.checks[0].found.startswith("p = ")
    assert done.checks[0].found.startswith("the verdict of its training was ")
    assert (done.outcome, done.previous, done.challenge) == ("promoted", None, None)
    assert champion() == 2


def test_versions_are_linked_to_run_data_and_settings(line):
    bundle = load_bundle(resolve_model("models:/line/2").folder)
    tags = connect().get_model_version("line", "2").tags

    assert tags["run_id"] == line[1].run_id
    assert tags["data_sha256"] == bundle.provenance["data_sha256"]
    assert tags["config_sha256"] == digest_pipeline(bundle.config)


def test_a_refit_learns_from_every_row_and_later_rows_can_judge_it(line, tmp_path):
    made = line[3]

    assert (made.registered_version, champion()) == (4, 1)
    champions_own = load_bundle(resolve_model("models:/line/1").folder)
    bundle = load_bundle(resolve_model(made.model_uri).folder)
    assert digest_pipeline(bundle.config) == digest_pipeline(champions_own.config)
    assert bundle.provenance["refit_of"] == "models:/line/1"
    assert bundle.provenance["refit_of_digest"] == champions_own.digest
    newest = (tmp_path / "later.csv").read_text().splitlines()[ROWS].split(",")[0]
    assert made.learned["to"] == newest.strip('"').replace("T", " ")
    tags = connect().get_model_version("line", "4").tags
    assert (tags["refit_of"], tags["learned_to"]) == ("models:/line/1", made.learned["to"])
    run = connect().get_run(made.run_id)
    assert (run.data.tags["verdict"], run.data.tags["kind"]) == ("not_judged", "refit")
    assert not [name for name in run.data.metrics if name.startswith("test/")]

    with pytest.raises(PromotionError, match=r"a refit holds nothing back.*--set ingest\.source"):
        promote(made.model_uri)
    with pytest.raises(DataError, match="give later data"):
        evaluate_model(made.model_uri)
    later = ("ingest.source=later.csv", "promote.margin=0.5")
    done = promote(made.model_uri, overrides=later)
    assert (done.outcome, champion()) == ("promoted", 4)
    assert done.challenge.since > made.learned["to"]
    assert done.challenge.challenger["events"] >= 10
    assert "p = " in done.checks[-1].detail
    assert score("models:/line@champion", "later.csv", tmp_path / "scores").alarms > 0


def test_a_refit_keeps_the_configuration_and_wants_newer_rows(line):
    with pytest.raises(ConfigError, match=r"train\.seed.*keeps the configuration"):
        refit("models:/line/1", ("train.seed=9",))
    with pytest.raises(DataError, match="nothing new to learn"):
        refit("models:/line/4")
    with pytest.raises(ModelError):
        refit("models:/line/9")


def test_a_refit_cannot_be_the_first_champion_without_later_rows(line):
    made = line[3]
    connect().delete_registered_model_alias("line", "champion")

    with pytest.raises(PromotionError, match="its skill cannot be shown"):
        promote(made.model_uri)
    assert promote(made.model_uri, overrides=("ingest.source=later.csv",)).outcome == "promoted"


def call(*arguments):
    """What a command line prints, and its exit code."""
    done = CliRunner().invoke(app, list(arguments), standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.output, done.return_value or 0


def test_the_commands_answer_people_and_machines_and_a_closed_gate_exits_with_eleven(line):
    text, code = call("promote", "models:/line/3")
    assert code == 11
    assert "fails: skill: the verdict of its training was no skill" in text
    assert "version 1 stays champion" in text
    text, code = call("promote", "models:/line/3", "--json")
    document = json.loads(text)
    assert (code, document["outcome"], document["is_champion"]) == (11, "refused", False)
    forced = ("--force", "--reason", "a try")
    text, code = call("promote", "models:/line/2", "--set", "promote.min_events=999", *forced)
    assert code == 0
    assert "line version 2 is the champion now, in place of version 1 (forced)." in text
    assert "forced" in call("champions", "line")[0]
    assert "line version 1 is the champion again" in call("rollback", "line")[0]
    reigns = json.loads(call("champions", "line", "--json")[0])["reigns"]
    assert [(r["version"], r["how"]) for r in reigns] == [
        (1, "first"),
        (2, "forced"),
        (1, "rollback"),
    ]
    assert [r["until"] for r in reigns] == [reigns[1]["since"], reigns[2]["since"], None]
