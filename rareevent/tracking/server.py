"""The MLflow UI as a process of its own."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import signal
import socket
import subprocess
import sys

from rareevent.errors import TrackingError
from rareevent.tracking.home import Home, connect, find_home, tracking_errors
from rareevent.tracking.models import all_pages
from rareevent.tracking.orphans import stop_signals_raise
from rareevent.tracking.views import SCORING_SUFFIX, has_view, page

_SECONDS_TO_END = 20
_MOST_PAGES = 10
# MLflow's server keeps a dozen processes for jobs such as judging language models: none of ours.
_WITHOUT_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def pages(host: str, port: int) -> list[str]:
    """Lines with addresses that open each experiment's runs, the best or latest first.

    Pipelines come before the experiments of their scoring jobs, of each kind those that were used
    last; the last line says how many more there are.

    Raises
    ------
    TrackingError
        When the tracking home cannot be opened.
    """
    home = _own_home()
    client = connect(home)
    with tracking_errors(f"cannot list the experiments at {home.shown}"):
        found = all_pages(client.search_experiments, None)
    ours = [experiment for experiment in found if has_view(experiment)]
    ours.sort(key=lambda e: (e.name.endswith(SCORING_SUFFIX), -(e.last_update_time or 0)))
    shown = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    lines = [f"{e.name}: {page(shown, e)}" for e in ours[:_MOST_PAGES]]
    more = len(ours) - len(lines)
    return [*lines, *([f"and {more} more, in the list of experiments"] if more else [])]


def check_address(host: str, port: int) -> None:
    """Refuse an address that nothing can listen on; MLflow's server would take a while to say so.

    Raises
    ------
    TrackingError
        When the host is none of this machine's, or the port is taken or not allowed.
    """
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as trial:
            # As the server does: a port that was left a moment ago is free.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(place)
    except socket.gaierror:
        raise TrackingError(f"--host {host}: is no address; give one of this machine's") from None
    except OSError as error:
        advice = "give another by --port" if error.errno == errno.EADDRINUSE else "see --host"
        raise TrackingError(
            f"nothing can listen on port {port} of {host}: {error.strerror}; {advice}"
        ) from None


def is_open_to_others(host: str) -> bool:
    """Whether other machines may reach a server that listens on this host."""
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return True
    return not all(ipaddress.ip_address(str(entry[4][0])).is_loopback for entry in found)


def serve(host: str, port: int) -> None:
    """Run the MLflow UI over the tracking home until it is stopped.

    Raises
    ------
    TrackingError
        When the runs are tracked by another server, or this one ends with an error.
    """
    home = _own_home()
    connect(home)  # makes the database of a fresh home, so that the UI opens on an empty table
    command = [sys.executable, "-m", "mlflow", "server"]
    # One worker serves a desk, and starts on a busy machine, where four are killed as unresponsive.
    command += ["--host", host, "--port", str(port), "--workers", "1"]
    if home.artifacts:
        command += ["--default-artifact-root", home.artifacts.as_uri()]
    # An address may hold a password, and what stands on a command line everybody can read.
    code = _run_with_children(command, {"MLFLOW_BACKEND_STORE_URI": home.uri})
    if code not in (0, -signal.SIGINT, -signal.SIGTERM, 130):
        raise TrackingError(f"the MLflow UI ended with code {code}; is port {port} taken?")


def _own_home() -> Home:
    """The tracking home, which must not be another server's."""
    home = find_home()
    if home.uri.startswith("http"):
        raise TrackingError(
            f"the runs are tracked by the MLflow server at {home.shown}, which has the UI: open it"
            " in a browser; for runs of this folder, unset MLFLOW_TRACKING_URI"
        )
    return home


def _run_with_children(command: list[str], settings: dict[str, str]) -> int:
    """Run a server in a process group of its own, and leave none of its workers behind."""
    server = subprocess.Popen(
        command, start_new_session=True, env=_WITHOUT_JOBS | os.environ | settings
    )
    with stop_signals_raise():
        try:
            return server.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
                try:
                    server.wait(_SECONDS_TO_END)
                except subprocess.TimeoutExpired:
                    os.killpg(server.pid, signal.SIGKILL)
                    server.wait()
