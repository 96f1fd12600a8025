"""Work in processes of its own: errors name what failed, and none outlives its parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from rareevent.errors import RareEventError, TrainingError

Task = TypeVar("Task")
Result = TypeVar("Result")

_SECONDS_BETWEEN_LOOKS = 1.0


def in_processes(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    named: Callable[[Task], str],
) -> Iterator[tuple[Task, Result]]:
    """(task, result) as they are done; on an error the rest is stopped.

    Parameters
    ----------
    work : a function of a module, called in another process
    tasks : what it is called with, each by itself
    workers : most processes at a time
    named : what an error calls the task, as in "fold 3"

    Raises
    ------
    TrainingError
        When a process was killed.
    RareEventError
        What a task raised, its name in front.
    """
    if not tasks:
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=obey_parent) as pool:
        futures = {pool.submit(work, task): task for task in tasks}
        try:
            for future in as_completed(futures):
                task = futures[future]
                yield task, _outcome(future, named(task))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _outcome(future: Future[Result], name: str) -> Result:
    try:
        return future.result()
    except BrokenProcessPool:
        raise TrainingError(
            f"{name}: its process was killed, as happens when memory runs out; call again with"
            " fewer --workers, and what is finished is kept"
        ) from None
    except RareEventError as error:
        raise type(error)(f"{name}: {error}") from None


def obey_parent() -> None:
    """Leave Ctrl-C to the parent, and do not outlive one that was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
