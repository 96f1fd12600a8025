"""Runs, and the promise that none is left dangling."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rareevent.errors import TrackingError
from rareevent.tracking.git import git_commit
from rareevent.tracking.home import Home, connect, experiment_id, find_home, tracking_errors
from rareevent.tracking.orphans import (
    ERROR_TAG,
    OWNER_TAG,
    close_orphans,
    owner,
    stop_signals_raise,
)
from rareevent.tracking.tracked import TrackedRun, cut


@contextmanager
def training_run(
    experiment: str,
    name: str,
    *,
    home: Home | None = None,
    parent: str | None = None,
    tags: Mapping[str, Any] | None = None,
) -> Iterator[TrackedRun]:
    """A run that always ends: FINISHED, FAILED on an error, KILLED when stopped.

    An error's message becomes the tag `error`. Runs of the experiment whose process was killed
    outright earlier on this machine are closed first.

    Parameters
    ----------
    experiment : name, created where it does not exist
    name : of the run
    home : default `find_home()`
    parent : id of the run that this one belongs to
    tags : set from the start, so that a failed run has them too

    Raises
    ------
    TrackingError
        When the tracking home cannot be opened or written.
    """
    with stop_signals_raise():
        run = _start(experiment, name, home or find_home(), parent)
        try:
            run.tags(tags or {})
            yield run
        except BaseException as error:
            _end_broken(run, error)
            raise
        with tracking_errors(f"cannot end run {run.run_id} at {run.home.shown}"):
            run.client.set_terminated(run.run_id, "FINISHED")


def _start(experiment: str, name: str, home: Home, parent: str | None) -> TrackedRun:
    client = connect(home)
    key = experiment_id(client, home, experiment)
    with tracking_errors(f"cannot start a run in {experiment!r} at {home.shown}"):
        close_orphans(client, key)
        created = client.create_run(key, run_name=name, tags=_first_tags(parent))
    return TrackedRun(client, home, key, created.info.run_id)


def _end_broken(run: TrackedRun, error: BaseException) -> None:
    """End a run that an exception left; trouble with that must not hide the exception."""
    stopped = not isinstance(error, Exception)
    said = " ".join(str(error).split())
    message = f"{type(error).__name__}: {said}" if said else type(error).__name__
    try:
        with tracking_errors("the run could not be ended"):
            run.client.set_terminated(run.run_id, "KILLED" if stopped else "FAILED")
            run.client.set_tag(run.run_id, ERROR_TAG, cut(message))
    except TrackingError as trouble:
        error.add_note(str(trouble))


def _first_tags(parent: str | None) -> dict[str, str]:
    commit = git_commit() or ""
    tags = {
        OWNER_TAG: owner(),
        "mlflow.user": os_user(),
        "mlflow.source.name": "rareevent",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit.removesuffix("-dirty"),
        "git_commit": commit,
        "mlflow.parentRunId": parent or "",
    }
    return {key: value for key, value in tags.items() if value}


def os_user() -> str:
    """The user of the operating system; empty under a number that has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        # A container may run under a user number that has no name.
        return ""
