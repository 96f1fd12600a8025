"""The MLflow UI as a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

from rareevent.errors import TrackingError
from rareevent.tracking.home import connect, find_home
from rareevent.tracking.orphans import stop_signals_raise

_SECONDS_TO_END = 20


def serve(host: str, port: int) -> None:
    """Run the MLflow UI over the tracking home until it is stopped.

    Raises
    ------
    TrackingError
        When the server ends with an error, such as a port that is taken.
    """
    home = find_home()
    connect(home)  # makes the database of a fresh home, so that the UI opens on an empty table
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", home.uri]
    command += ["--host", host, "--port", str(port)]
    if home.artifacts:
        command += ["--default-artifact-root", home.artifacts.as_uri()]
    code = _run_with_children(command)
    if code not in (0, -signal.SIGINT, -signal.SIGTERM, 130):
        raise TrackingError(f"the MLflow UI ended with code {code}; is port {port} taken?")


def _run_with_children(command: list[str]) -> int:
    """Run a server in a process group of its own, and leave none of its workers behind."""
    server = subprocess.Popen(command, start_new_session=True)
    with stop_signals_raise():
        try:
            return server.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
                server.wait(_SECONDS_TO_END)
