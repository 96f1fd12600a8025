"""The MLflow UI as a process of its own."""

from __future__ import annotations

import subprocess
import sys

from rareevent.errors import TrackingError
from rareevent.tracking.home import connect, find_home


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
    code = subprocess.run(command, check=False).returncode
    if code not in (0, -2, 130):
        raise TrackingError(f"the MLflow UI ended with code {code}; is port {port} taken?")
