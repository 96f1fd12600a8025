"""Runs whose process is gone: how a run is ended by a signal, and found when nothing could."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from mlflow import MlflowClient

OWNER_TAG = "rareevent.owner"
ERROR_TAG = "error"
_PROC = Path("/proc")
# Field 22 of /proc/PID/stat is the start time; counted after the parenthesised command name,
# which may itself hold blanks, it is the 20th.
_START_FIELD = 19


def owner() -> str:
    """This process as "host/boot/namespace/pid/start"; empty where there is no /proc.

    Process numbers repeat: only together with the machine's boot, the PID namespace (containers)
    and the start time do they name one process.
    """
    start = _started(os.getpid())
    if start is None:
        return ""
    return f"{_machine()}/{os.getpid()}/{start}"


def is_gone(owned_by: str) -> bool:
    """Whether the process that wrote this owner tag is known to have ended.

    A process of another machine, container or boot cannot be seen from here and counts as alive.
    """
    machine, _, process = owned_by.rpartition("/")[0].rpartition("/")
    start = owned_by.rpartition("/")[2]
    if not process.isdigit() or machine != _machine():
        return False
    return _started(int(process)) != start


def close_orphans(client: MlflowClient, experiment: str) -> list[str]:
    """End the runs of an experiment that still say RUNNING although their process is gone.

    A process killed outright (SIGKILL, out of memory) cannot end its run; the next one does.

    Parameters
    ----------
    experiment : id of the experiment

    Returns
    -------
    list of run ids that were set to KILLED
    """
    running = client.search_runs([experiment], "attributes.status = 'RUNNING'", max_results=1000)
    gone = [run.info.run_id for run in running if is_gone(run.data.tags.get(OWNER_TAG, ""))]
    for run_id in gone:
        client.set_tag(run_id, ERROR_TAG, "the process ended without a word (killed?)")
        client.set_terminated(run_id, "KILLED")
    return gone


@contextmanager
def stop_signals_raise() -> Iterator[None]:
    """Let SIGTERM raise `SystemExit`, so that a stopped training still ends its run.

    Only where nobody else handles the signal, and only in the main thread, where Python allows it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    if before is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _raise_exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise_exit(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _machine() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink(_PROC / "self/ns/pid")
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}/{boot}/{namespace}"


def _started(process: int) -> str | None:
    """Start time of a process in clock ticks since boot; None where there is no such process."""
    try:
        stat = (_PROC / str(process) / "stat").read_text()
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    # A zombie has ended; only its parent has not yet asked how.
    return None if state == "Z" else fields[_START_FIELD - 1]
