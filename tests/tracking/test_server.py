"""What `rareevent ui` says before it opens: which pages there are, and who could reach them."""

import re
import socket
import subprocess
import sys

import pytest

from rareevent.errors import TrackingError
from rareevent.tracking.home import experiment_id
from rareevent.tracking.server import check_address, is_open_to_others, pages

UI = [sys.executable, "-c", "from rareevent.cli import main; main()", "ui"]


def names(lines):
    return [line.partition(": ")[0] for line in lines]


def test_pipelines_stand_before_their_scoring_jobs_and_the_rest_is_counted(client, home):
    made = {name: experiment_id(client, home, name) for name in ("first", "gone", "second")}
    client.delete_experiment(made["gone"])
    for number in range(11):
        experiment_id(client, home, f"first {number}/scoring")
    client.create_experiment("another tool's")

    found = pages("127.0.0.1", 5001)

    assert len(found) == 11
    assert names(found[:2]) == ["second", "first"]
    assert all(name.endswith("/scoring") for name in names(found[2:10]))
    assert found[10] == "and 3 more, in the list of experiments"
    assert found[0].startswith(f"second: http://127.0.0.1:5001/#/experiments/{made['second']}/")
    assert pages("::1", 5001)[0].startswith("second: http://[::1]:5001/#/")


def test_no_runs_are_no_pages(tracked):
    assert pages("127.0.0.1", 5001) == []


@pytest.mark.parametrize(
    ("host", "is_open"),
    [("127.0.0.1", False), ("localhost", False), ("::1", False), ("0.0.0.0", True), ("::", True)],
)
def test_who_could_reach_the_page(host, is_open):
    assert is_open_to_others(host) is is_open


def test_an_address_that_nothing_can_listen_on_is_refused_at_once():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(TrackingError, match=f"port {port} of 127.0.0.1: .*another by --port"):
            check_address("127.0.0.1", port)
    check_address("127.0.0.1", port)
    with pytest.raises(TrackingError, match="--host no such host: is no address"):
        check_address("no such host", 5001)
    with pytest.raises(TrackingError, match=r"of 203\.0\.113\.7: .*see --host"):
        check_address("203.0.113.7", port)


def test_the_command_says_that_others_could_reach_it_and_that_a_port_is_taken(tracked):
    with socket.socket() as holder:
        holder.bind(("0.0.0.0", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        done = subprocess.run([*UI, "--port", port], capture_output=True, text=True)
    assert done.returncode == 9
    assert re.fullmatch(r"rareevent: nothing can listen on port \d+ .*\n", done.stderr)


def test_runs_of_a_server_are_looked_at_there(tracked, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://someone:secret@127.0.0.1:9")
    with pytest.raises(TrackingError, match="which has the UI: open it") as refused:
        pages("127.0.0.1", 5001)
    assert "secret" not in str(refused.value)
