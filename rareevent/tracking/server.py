"""The MLflow UI as a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

from rareevent.errors import TrackingError
from rareevent.tracking.home import connect, find_home, tracking_errors
from rareevent.tracking.orphans import stop_signals_raise
from rareevent.tracking.views import has_view, page

_SECONDS_TO_END = 20
_MOST_PAGES = 10
# MLflow's server keeps a dozen processes for jobs such as judging language models: none of ours.
_WITHOUT_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def pages(host: str, port: int) -> list[str]:
    """Addresses that open each experiment's runs, the best or latest first; the newest ones.

    Raises
    ------
    TrackingError
        When the tracking home cannot be opened.
    """
    home = find_home()
    client = connect(home)
    with tracking_errors(f"cannot list the experiments at {home.shown}"):
        found = client.search_experiments(order_by=["last_update_time DESC"])
    ours = [experiment for experiment in found if has_view(experiment)]
    return [f"{e.name}: {page(f'http://{host}:{port}', e)}" for e in ours[:_MOST_PAGES]]


def serve(host: str, port: int) -> None:
    """Run the MLflow UI over the tracking home until it is stopped.

    Raises
    ------
    TrackingError
        When the server ends with an error, such as a port that is taken.
    """
    home = find_home()
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
