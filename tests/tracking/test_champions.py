"""The history of champions, in a real registry; and what a kill leaves of it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from rareevent.bundle import load_bundle, save_bundle
from rareevent.cli.app import app
from rareevent.errors import ConfigError, ModelError, PromotionError, TrackingError
from rareevent.jobs.promote import promote
from rareevent.jobs.rollback import champions, rollback
from rareevent.jobs.score import plan_score
from rareevent.tracking.champions import read_champions, set_champion, settle
from rareevent.tracking.home import connect
from rareevent.tracking.models import CHAMPION, aliases, log_bundle
from rareevent.tracking.orphans import owner
from rareevent.tracking.reigns import Reign, read_history, take_away, write_reign
from rareevent.tracking.resolve import run_of_model
from rareevent.tracking.runs import training_run
from tests.bundles import raw_rows, tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A directory that the scorer can load."""
    folder = tmp_path_factory.mktemp("made") / "bundle"
    save_bundle(tiny_bundle(), folder)
    return folder


@pytest.fixture
def plant(client, bundle):
    """A registered model with four versions and no champion."""
    client.create_registered_model("plant")
    for _ in range(4):
        client.create_model_version("plant", str(bundle), None)
    return client


def told(client):
    return [(reign.version, reign.how) for reign in read_champions(client, "plant")]


def champion(client):
    return aliases(client, "plant").get(CHAMPION)


def crown(client, version, how, **more):
    """Make a version champion in place of whichever is."""
    return set_champion(client, "plant", version, how, instead_of=champion(client), **more)


def stored(client):
    return read_history(client, "plant").stored


def announce(client, version, **more):
    """What a process writes that is about to move the alias."""
    now = datetime.now(UTC) - more.pop("ago", timedelta())
    since = now.isoformat(timespec="microseconds")
    reign = Reign(version, since, "gate", who="ana", settled=False, token="another", **more)
    return write_reign(client, "plant", reign)


def test_every_change_is_kept_with_time_user_reason_and_figures(plant):
    crown(plant, 1, "first", reason="it has skill", figures={"events": 20})
    crown(plant, 2, "forced", reason="the line was rebuilt")

    first, second = read_champions(plant, "plant")

    assert champion(plant) == 2
    assert (first.version, first.how, first.reason) == (1, "first", "it has skill")
    assert first.figures == {"events": 20}
    assert first.since < second.since
    assert first.who != ""
    keys = plant.get_registered_model("plant").tags
    assert len(keys) == 2
    assert all(key.startswith("champion/20") for key in keys)


def test_rollback_goes_further_back_each_time_and_a_promotion_starts_anew_from_there(plant):
    for version in (1, 2, 3):
        crown(plant, version, "gate")

    assert (rollback("plant").version, rollback("models:/plant@champion").version) == (2, 1)
    with pytest.raises(PromotionError, match=r"version 1 is champion and the history has none"):
        rollback("plant")
    crown(plant, 4, "gate")
    assert rollback("plant", reason="4 was worse").version == 1

    assert champion(plant) == 1
    hows = ["gate", "gate", "gate", "rollback", "rollback", "gate", "rollback"]
    assert told(plant) == list(zip([1, 2, 3, 2, 1, 4, 1], hows, strict=True))
    assert read_champions(plant, "plant")[-1].reason == "4 was worse"


def test_rollback_passes_over_a_deleted_version(plant):
    for version in (1, 2, 3):
        crown(plant, version, "gate")
    plant.delete_model_version("plant", "2")

    assert rollback("plant").version == 1


def test_rollback_passes_over_a_version_whose_bundle_is_gone_and_says_so(
    plant, bundle, tmp_path, capsys
):
    shutil.copytree(bundle, tmp_path / "short-lived")
    plant.create_model_version("plant", str(tmp_path / "short-lived"), None)
    for version in (1, 5, 3):
        crown(plant, version, "gate")
    shutil.rmtree(tmp_path / "short-lived")

    main_of("rollback", "plant")

    assert "Version 5 is passed over: its bundle cannot be loaded." in capsys.readouterr().out
    assert told(plant)[-1] == (1, "rollback")


def test_where_no_earlier_bundle_is_left_rollback_says_why(plant, tmp_path):
    plant.create_model_version("plant", str(tmp_path / "gone"), None)
    for version in (5, 3):
        crown(plant, version, "gate")

    with pytest.raises(PromotionError, match=r"version 5 cannot be loaded: .*gone"):
        rollback("plant")

    assert (champion(plant), len(stored(plant))) == (3, 2)


def test_a_deleted_champion_is_followed_by_the_one_before(plant):
    for version in (1, 2):
        crown(plant, version, "gate")
    plant.delete_model_version("plant", "2")

    assert champions("plant").champion is None
    assert rollback("plant").version == 1


def test_an_alias_moved_by_other_means_is_told_and_kept_at_the_next_change(plant):
    crown(plant, 1, "first")
    plant.set_registered_model_alias("plant", CHAMPION, "3")

    assert told(plant) == [(1, "first"), (3, "outside")]
    assert len(plant.get_registered_model("plant").tags) == 1
    crown(plant, 4, "gate")
    assert told(plant) == [(1, "first"), (3, "outside"), (4, "gate")]
    assert rollback("plant").version == 3


def test_unknown_models_and_versions_are_named(plant):
    with pytest.raises(ModelError, match="no model 'plan' is registered; there is: plant"):
        rollback("plan")
    with pytest.raises(ModelError, match="no version 9; it has 1, 2, 3, 4"):
        crown(plant, 9, "gate")
    assert read_champions(plant, "plant") == []
    with pytest.raises(PromotionError, match="no version is champion"):
        rollback("plant")


def test_who_decided_against_another_champion_is_refused_and_leaves_no_trace(plant):
    crown(plant, 1, "first")
    crown(plant, 2, "gate")

    with pytest.raises(PromotionError, match=r"version 1 was champion when version 3 was chosen"):
        set_champion(plant, "plant", 3, "gate", instead_of=1)
    with pytest.raises(PromotionError, match=r"none was champion .* and now version 2 is"):
        set_champion(plant, "plant", 3, "first", instead_of=None)

    assert (champion(plant), told(plant)) == (2, [(1, "first"), (2, "gate")])
    assert len(stored(plant)) == 2


def test_nobody_changes_the_champion_while_another_process_does(plant):
    crown(plant, 1, "first")
    crown(plant, 2, "gate")
    announce(plant, 3, owner=owner())

    with pytest.raises(PromotionError, match=r"version 3 is being made champion by ana at this"):
        crown(plant, 4, "gate")
    with pytest.raises(PromotionError, match=r"call again; .* killed, in 6\d s"):
        rollback("plant")

    assert (champion(plant), told(plant)) == (2, [(1, "first"), (2, "gate")])
    assert [reign.version for reign in stored(plant)] == [1, 2, 3]


def test_what_a_process_of_another_machine_began_a_minute_ago_was_given_up(plant):
    crown(plant, 1, "first")
    recent = announce(plant, 2, owner="elsewhere/boot/space/7/7", ago=timedelta(seconds=30))
    with pytest.raises(PromotionError, match="being made champion"):
        crown(plant, 3, "gate")
    take_away(plant, "plant", recent)
    announce(plant, 2, owner="elsewhere/boot/space/7/7", ago=timedelta(seconds=61))

    crown(plant, 3, "gate")

    assert told(plant) == [(1, "first"), (3, "gate")]
    assert len(stored(plant)) == 2


def test_of_many_changes_at_one_instant_one_is_made(plant):
    """Eight threads with clients of their own; a version each, all against the same champion."""
    for number in range(6):
        plant.create_model_version("plant", f"/nowhere/{number}", None)
    for _ in range(3):
        before = told(plant)
        against, barrier = champion(plant), threading.Barrier(8)
        others = [version for version in range(1, 11) if version != against][:8]

        def attempt(version, against=against, barrier=barrier):
            mine = connect()
            barrier.wait()
            try:
                set_champion(mine, "plant", version, "gate", instead_of=against)
            except PromotionError:
                return None
            return version

        with ThreadPoolExecutor(8) as pool:
            made = [version for version in pool.map(attempt, others) if version is not None]

        assert len(made) == 1
        assert champion(plant) == made[0]
        assert told(plant) == [*before, (made[0], "gate")]
        assert all(reign.settled for reign in stored(plant))
        assert len(stored(plant)) == len(before) + 1


@pytest.mark.parametrize(
    "name", ["it's", 'a "b"', "both ' and \"", "a@b", "[red]x", "名 %s", " x "]
)
def test_a_registry_may_hold_names_of_any_kind(client, bundle, name):
    client.create_registered_model(name)
    for version in (1, 2):
        client.create_model_version(name, str(bundle), None)
        set_champion(client, name, version, "gate", instead_of=version - 1 or None)

    assert rollback(name).version == 1
    assert champions(f"models:/{name}@champion").champion == 1
    assert [reign.version for reign in champions(f"models:/{name}/2").reigns] == [1, 2, 1]
    with pytest.raises(ModelError, match=r"version 2 of .* was made by no run"):
        run_of_model(f"models:/{name}/2")


def test_a_reason_is_shown_as_it_was_given_and_what_is_no_text_is_refused(plant, capsys):
    for version in (1, 2):
        crown(plant, version, "gate", reason="two [red]bold[/] words[/]")

    main_of("champions", "plant")

    assert capsys.readouterr().out.count("two [red]bold[/] words[/]") == 2
    for reason in ("\x1b[31mred", "\udcff", "x" * 1001):
        with pytest.raises(ConfigError, match="--reason: "):
            rollback("plant", reason=reason)
    assert rollback("plant", reason="the night shift:\n\ttwice").version == 1


def main_of(*arguments):
    app(list(arguments), standalone_mode=False)


def test_a_tag_that_somebody_edited_is_named(plant):
    crown(plant, 1, "first")
    key = stored(plant)[0].key
    for broken in ("champion", '{"version": 1}', '{"version": 2, "since": "now", "how": "gate"}'):
        plant.set_registered_model_tag("plant", key, broken)
        with pytest.raises(ModelError, match=f"the tag '{key}' .* delete it in the MLflow UI"):
            champions("plant")
    plant.delete_registered_model_tag("plant", key)
    assert [(r.version, r.how) for r in champions("plant").reigns] == [(1, "outside")]


def test_changes_that_were_written_before_they_had_tokens_are_read(plant):
    old = {"version": 1, "since": "2026-11-28T10:00:00.000001+00:00", "how": "first"}
    plant.set_registered_model_tag(
        "plant", "champion/20261128T100000.000001Z", json.dumps({**old, "settled": True})
    )
    plant.set_registered_model_alias("plant", CHAMPION, "1")

    crown(plant, 2, "gate")

    assert told(plant) == [(1, "first"), (2, "gate")]
    assert rollback("plant").version == 1


KILLED = """
import os, signal
from rareevent.tracking import champions
from rareevent.tracking.home import connect
move = champions.set_alias
def die(*arguments):
    if {moved}:
        move(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
champions.set_alias = die
{call}
"""


def killed(call, *, moved):
    """A process that is killed around the moment when the alias moves."""
    code = KILLED.format(call=call, moved=moved)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr


def test_a_kill_before_the_alias_moves_leaves_the_old_champion_and_no_trace(plant):
    crown(plant, 1, "first")
    killed("champions.set_champion(connect(), 'plant', 2, 'gate', instead_of=1)", moved=False)

    assert (champion(plant), told(plant)) == (1, [(1, "first")])
    assert len(plant.get_registered_model("plant").tags) == 2
    crown(plant, 2, "gate")
    assert (champion(plant), told(plant)) == (2, [(1, "first"), (2, "gate")])
    assert len(plant.get_registered_model("plant").tags) == 2


def test_a_kill_after_the_alias_moved_leaves_the_new_champion_and_why(plant):
    crown(plant, 1, "first")
    killed(
        "champions.set_champion(connect(), 'plant', 2, 'gate', instead_of=1, reason='why')",
        moved=True,
    )

    assert (champion(plant), told(plant)) == (2, [(1, "first"), (2, "gate")])
    assert read_champions(plant, "plant")[-1].reason == "why"
    settle(plant, "plant")
    stored = [json.loads(t) for t in plant.get_registered_model("plant").tags.values()]
    assert all(change["settled"] for change in stored)


@pytest.mark.slow
@pytest.mark.parametrize("moved", [False, True])
def test_a_killed_rollback_called_again_goes_back_once(plant, moved):
    for version in (1, 2, 3):
        crown(plant, version, "gate")
    killed("from rareevent.jobs.rollback import rollback; rollback('plant')", moved=moved)

    again = rollback("plant")

    assert (again.version, again.previous, again.finished) == (2, 3, moved)
    assert champion(plant) == 2
    assert rollback("plant").version == 1


KILLED_AT = """
import os, signal
from mlflow import MlflowClient
from rareevent.jobs.rollback import rollback
left = {requests}
def counted(request):
    def call(*arguments, **named):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return request(*arguments, **named)
    return call
for name in ("get_registered_model", "set_registered_model_tag", "delete_registered_model_tag",
             "set_registered_model_alias", "search_model_versions", "get_model_version"):
    setattr(MlflowClient, name, counted(getattr(MlflowClient, name)))
rollback("plant")
"""


@pytest.mark.slow
def test_killed_before_any_of_its_requests_a_rollback_called_again_has_gone_back_once(plant):
    for version in (1, 2, 3):
        crown(plant, version, "gate")
    requests, back = 0, []
    while True:
        code = KILLED_AT.format(requests=requests)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert champion(plant) in (2, 3), requests
        assert told(plant)[:3] == [(1, "gate"), (2, "gate"), (3, "gate")]
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
        moved = champion(plant) == 2
        assert rollback("plant").version == 2
        back.append(moved)
        assert told(plant)[3:] == [(2, "rollback")]
        assert all(reign.settled for reign in stored(plant))
        take_away(plant, "plant", stored(plant)[-1])
        plant.set_registered_model_alias("plant", CHAMPION, "3")
        requests += 1
    # Some kills came before the alias moved and one at least after it.
    assert back == sorted(back)
    assert set(back) == {False, True}


@pytest.fixture
def server(empty_home, bundle, tmp_path, monkeypatch):
    """A real MLflow server with a registered model of three versions."""
    shutil.copytree(empty_home / "mlruns", tmp_path / "mlruns")
    monkeypatch.chdir(tmp_path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/mlruns/mlflow.db", "--workers", "2"]
    with (tmp_path / "server.log").open("w") as told:
        process = subprocess.Popen(command, stdout=told, stderr=told, start_new_session=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    try:
        for _ in range(240):
            try:
                client = connect()
                break
            except TrackingError:
                time.sleep(0.5)
        else:
            pytest.fail((tmp_path / "server.log").read_text())
        clock = load_bundle(bundle).clock
        for _ in range(3):
            with training_run("plant", "a run") as run:
                log_bundle(run, bundle, raw_rows(rows=4), clock, register_as="plant")
        yield client
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.mark.slow
def test_history_rollback_and_promotion_work_through_a_server(server):
    for version in (1, 2, 3):
        crown(server, version, "gate", reason="é" * 1000, figures={"n": version})

    assert [rollback("plant").version for _ in range(2)] == [2, 1]

    assert champion(server) == 1
    assert [v for v, _ in told(server)] == [1, 2, 3, 2, 1]
    assert read_champions(server, "plant")[2].figures == {"n": 3}
    # The bundles lie with the server: each is downloaded, loaded and gone again.
    assert promote("models:/plant/3", force=True, reason="a try").outcome == "forced"
    assert champion(server) == 3
    raw_rows(rows=4).to_csv("new.csv", index=False)
    assert plan_score("models:/plant@champion", "new.csv", "scores")


AT_ONCE = """
import sys
from rareevent.errors import PromotionError
from rareevent.tracking.champions import set_champion
from rareevent.tracking.home import connect
client = connect()
print("ready", flush=True)
for _ in sys.stdin:
    try:
        set_champion(client, "plant", int(sys.argv[1]), "gate", instead_of=1)
        print("made", flush=True)
    except PromotionError:
        print("refused", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("registry", ["plant", "server"])
def test_of_two_processes_at_one_instant_one_makes_its_version_champion(registry, request):
    """Twenty times; in between the old champion is put back."""
    client = request.getfixturevalue(registry)
    crown(client, 1, "first")
    pair = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE, version],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for version in ("2", "3")
    ]
    answers = [[process.stdout.readline().strip()] for process in pair]
    for _ in range(20):
        for process in pair:
            process.stdin.write("go\n")
            process.stdin.flush()
        for process, told_by in zip(pair, answers, strict=True):
            told_by.append(process.stdout.readline().strip())
        assert sorted(told_by[-1] for told_by in answers) == ["made", "refused"]
        made = 2 if answers[0][-1] == "made" else 3
        assert champion(client) == made
        assert rollback("plant").version == 1
    for process in pair:
        process.communicate(timeout=60)

    assert [process.returncode for process in pair] == [0, 0]
    assert told(client)[1::2] == [(2 if a == "made" else 3, "gate") for a in answers[0][1:]]
    assert told(client)[2::2] == [(1, "rollback")] * 20
    assert all(reign.settled for reign in stored(client))
