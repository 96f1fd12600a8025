"""Bundles in MLflow: logged, registered, found again, and never a pickle."""

import json
import shutil
from pathlib import Path

import pytest

from rareevent.bundle import load_bundle, save_bundle
from rareevent.cli.tables import runs_table
from rareevent.errors import ModelError, RareEventError, TrackingError
from rareevent.tracking.home import Home
from rareevent.tracking.listing import full_run_id, get_record, list_runs
from rareevent.tracking.models import aliases, log_bundle, set_alias, version_of_run, versions
from rareevent.tracking.resolve import resolve_model, run_of_model
from rareevent.tracking.runs import training_run
from tests.bundles import raw_rows, tiny_bundle
from tests.postgres import server


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "bundle"
    save_bundle(tiny_bundle(), folder)
    return folder


def train(bundle_folder, name="tiny", **metrics):
    """A run that logs and registers the bundle."""
    with training_run("plant", "a run") as run:
        run.metrics(metrics or {"event_recall": 0.5}, "test")
        clock = load_bundle(bundle_folder).clock
        logged = log_bundle(run, bundle_folder, raw_rows(rows=4), clock, register_as=name)
    return run, logged


@pytest.fixture
def trained(home, bundle_folder):
    return train(bundle_folder)


def test_a_registered_model_takes_raw_rows_and_gives_probabilities_and_alarms(
    home, client, trained
):
    import mlflow.pyfunc

    set_alias(client, "tiny", 1)
    rows = raw_rows()
    found = mlflow.pyfunc.load_model("models:/tiny@champion").predict(rows)
    assert list(found.columns) == ["asset", "time", "probability", "alarm"]
    assert len(found) == len(rows)
    assert found["asset"].tolist() == rows["machine"].tolist()
    assert found["time"].tolist() == rows["when"].tolist()
    assert found["probability"].between(0, 1).all()
    assert 0 < found["alarm"].sum() < len(rows)


def test_the_artifact_holds_no_pickle_and_no_code(home, trained):
    folder = resolve_model("models:/tiny/1").folder.parents[1]
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert names == [
        "MLmodel",
        "conda.yaml",
        "data/bundle/bundle.json",
        "data/bundle/weights.npz",
        "input_example.json",
        "python_env.yaml",
        "requirements.txt",
        "serving_input_example.json",
    ]
    flavor = (folder / "MLmodel").read_text()
    assert "loader_module: rareevent.scoring.pyfunc" in flavor
    assert "rareevent==" in (folder / "requirements.txt").read_text()


def test_the_signature_names_the_raw_columns_and_the_example_is_kept(home, client, trained):
    import mlflow.models

    info = mlflow.models.get_model_info("models:/tiny/1")
    assert info.signature.inputs.input_names() == ["when", "machine", "s1", "s2", "grade"]
    assert [(c.name, c.type.name) for c in info.signature.outputs] == [
        ("asset", "string"),
        ("time", "datetime"),
        ("probability", "double"),
        ("alarm", "boolean"),
    ]
    folder = resolve_model("models:/tiny/1").folder.parents[1]
    assert len(json.loads((folder / "input_example.json").read_text())["data"]) == 8


def test_every_way_to_name_a_model_leads_to_the_same_bundle(
    home, client, trained, bundle_folder, tmp_path
):
    run, logged = trained
    set_alias(client, "tiny", 1, "night-shift")
    digest = load_bundle(bundle_folder).digest
    names = [
        "models:/tiny/1",
        "models:/tiny@night-shift",
        "models:/tiny/latest",
        f"models:/{logged.model_id}",
        f"runs:/{run.run_id}",
        f"runs:/{run.run_id}/model",
    ]
    for name in names:
        found = resolve_model(name)
        assert load_bundle(found.folder).digest == digest, name
    shutil.copytree(resolve_model("models:/tiny/1").folder.parents[1], tmp_path / "copied")
    for folder in (bundle_folder, tmp_path / "copied"):
        assert load_bundle(resolve_model(str(folder)).folder).digest == digest
    by_alias = resolve_model("models:/tiny@night-shift")
    assert (by_alias.uri, by_alias.name, by_alias.version) == ("models:/tiny/1", "tiny", 1)
    assert logged.uri == "models:/tiny/1"


def test_what_is_not_there_is_refused_with_what_there_is(home, client, trained, tmp_path):
    run, _ = trained
    set_alias(client, "tiny", 1)
    with training_run("plant", "no model") as bare:
        pass
    cases = {
        "models:/none@champion": r"no model 'none'.*tiny \(versions 1, champion is 1\)",
        "models:/tiny@best": r"no alias 'best'.*champion is 1",
        "models:/tiny/2": r"no version '2'.*versions 1",
        "models:/tiny": r"say which.*versions 1",
        f"runs:/{bare.run_id}": "has no model",
        str(tmp_path / "nowhere"): "no such model.*models:/NAME@champion",
    }
    for name, said in cases.items():
        with pytest.raises(ModelError, match=said):
            resolve_model(name)
    with pytest.raises(TrackingError, match="cannot find run"):
        resolve_model(f"runs:/{'0' * 32}")
    with pytest.raises(TrackingError, match="cannot find the model"):
        resolve_model(f"models:/m-{'0' * 32}")
    with pytest.raises(ModelError, match="no version 3; it has 1"):
        set_alias(client, "tiny", 3)
    assert aliases(client, "tiny") == {"champion": 1}
    assert run.run_id != bare.run_id


def test_an_empty_registry_says_how_to_fill_it(home):
    with pytest.raises(ModelError, match=r"nothing is registered there yet.*register\.model"):
        resolve_model("models:/tiny@champion")


def test_an_mlflow_model_of_another_make_is_refused(tmp_path):
    (tmp_path / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    data: model.pkl\n"
    )
    with pytest.raises(ModelError, match="not one that rareevent made"):
        resolve_model(str(tmp_path))
    (tmp_path / "MLmodel").write_text("flavors: {")
    with pytest.raises(ModelError, match="not one that rareevent made"):
        resolve_model(str(tmp_path))


def test_an_artifact_that_was_removed_is_named(home, trained):
    shutil.rmtree(resolve_model("models:/tiny/1").folder.parents[1])
    with pytest.raises(ModelError, match="models:/tiny/1: no such model"):
        resolve_model("models:/tiny/1")


def test_versions_count_up_and_remember_their_run(home, client, bundle_folder):
    (first, _), (second, _) = train(bundle_folder), train(bundle_folder)
    assert versions(client, "tiny") == [1, 2]
    assert version_of_run(client, second.run_id) == ("tiny", 2)
    set_alias(client, "tiny", 1)
    set_alias(client, "tiny", 2)
    assert aliases(client, "tiny") == {"champion": 2}
    assert version_of_run(client, first.run_id) == ("tiny", 1)
    assert versions(client, "it's") == []


def test_a_registered_model_stands_for_the_run_that_made_it(home, client, bundle_folder):
    first, second = (train(bundle_folder)[0] for _ in range(2))
    set_alias(client, "tiny", 1)

    assert full_run_id("models:/tiny@champion") == first.run_id
    assert full_run_id("models:/tiny/2") == second.run_id
    with pytest.raises(ModelError, match="no version '3'"):
        full_run_id("models:/tiny/3")


def test_a_model_need_not_be_registered(home, client, bundle_folder):
    run, logged = train(bundle_folder, name=None)
    assert (logged.name, logged.version) == (None, None)
    assert load_bundle(resolve_model(logged.uri).folder).needs == ("s1", "s2", "grade")
    assert version_of_run(client, run.run_id) is None


def test_the_list_of_runs_has_headlines_models_and_newest_first(home, client, bundle_folder):
    first, _ = train(bundle_folder, event_recall=0.25, brier=0.1)
    set_alias(client, "tiny", 1)

    def diverge():
        with training_run("other", "bad", tags={"verdict": "none"}):
            raise ModelError("diverged")

    with pytest.raises(ModelError):
        diverge()
    records = list_runs()
    assert [(r.name, r.experiment, r.status) for r in records] == [
        ("bad", "other", "FAILED"),
        ("a run", "plant", "FINISHED"),
    ]
    assert records[0].tags["error"] == "ModelError: diverged"
    assert records[1].run_id == first.run_id
    assert records[1].metrics == {"test/event_recall": 0.25}
    assert records[1].models == ("tiny/1@champion",)
    assert records[1].seconds > 0
    json.dumps([r.to_json() for r in records])
    assert [r.name for r in list_runs("plant")] == ["a run"]
    assert len(list_runs(limit=1)) == 1
    assert get_record(first.run_id).metrics == {"test/event_recall": 0.25, "test/brier": 0.1}
    with pytest.raises(TrackingError, match=r"no experiment 'x'.*other, plant"):
        list_runs("x")
    with pytest.raises(TrackingError, match="cannot read run"):
        get_record("0" * 32)


def test_resolving_a_directory_wakes_no_mlflow(bundle_folder):
    import subprocess
    import sys

    code = (
        "import sys; from rareevent.tracking.resolve import resolve_model;"
        f"resolve_model({str(bundle_folder)!r});"
        "sys.exit('mlflow' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
    )


def test_the_table_of_runs_says_why_one_ended_and_has_no_such_column_otherwise(home):
    with training_run("line", "good"):
        pass
    assert [column.header for column in runs_table(list_runs()).columns][-1] == "ROC-AUC"

    with pytest.raises(ModelError), training_run("line", "bad"):
        raise ModelError("the loss is no number")

    reasons = runs_table(list_runs()).columns[-1]
    assert reasons.header == "why it ended"
    assert list(reasons.cells) == ["ModelError: the loss is no number", ""]


@pytest.mark.slow
def test_no_message_about_a_model_that_is_not_there_shows_the_password_of_its_home(tmp_path):
    asked = (
        "models:/none@champion",
        "models:/none/3",
        f"models:/m-{'0' * 32}",
        f"runs:/{'0' * 32}",
    )
    with server() as url:
        home = Home(url.replace("plant@", "plant:s3cret@"), tmp_path / "artifacts")
        for name in asked:
            with pytest.raises(RareEventError, match=r"plant:\*\*\*@127\.0\.0\.1") as caught:
                resolve_model(name, home)
            assert "s3cret" not in str(caught.value)
        with pytest.raises(RareEventError, match=r"plant:\*\*\*@127\.0\.0\.1") as caught:
            run_of_model("models:/none@champion", home)
        assert "s3cret" not in str(caught.value)
