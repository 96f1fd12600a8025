"""Artifacts of a run on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rareevent.errors import TrackingError
from rareevent.tracking.home import Home, connect, find_home, tracking_errors


@contextmanager
def run_artifacts(run_id: str, path: str, home: Home | None = None) -> Iterator[Path]:
    """A run's artifact (file or folder) as a local copy that lives as long as the context.

    Raises
    ------
    TrackingError
        When there is no such run, or it kept no such artifact.
    """
    home = home or find_home()
    client = connect(home)
    with tracking_errors(f"cannot read run {run_id!r} at {home.shown}"):
        folder = path.rpartition("/")[0]
        kept = {item.path for item in client.list_artifacts(run_id, folder or None)}
    if path not in kept:
        raise TrackingError(
            f"run {run_id} kept no {path!r}; it failed before it got there, or was not made by"
            " `rareevent train`"
        )
    with tempfile.TemporaryDirectory(prefix="rareevent-") as target:
        with tracking_errors(f"cannot fetch {path!r} of run {run_id!r} from {home.shown}"):
            local = client.download_artifacts(run_id, path, target)
        yield Path(local)
