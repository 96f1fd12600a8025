"""One BLAS thread in each of the threads that share the work."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


class _SingleThread:
    """Counts who is inside, so that callers in several threads do not undo each other."""

    def __init__(self) -> None:
        self._controller = ThreadpoolController()
        self._lock = threading.Lock()
        self._inside = 0
        self._restore: Callable[[], None] | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._inside == 0:
                limit = self._controller.limit(limits=1, user_api="blas")
                self._restore = limit.restore_original_limits
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0 and self._restore is not None:
                    self._restore()


@lru_cache(maxsize=1)
def _single_thread() -> _SingleThread:
    return _SingleThread()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep matrix products in the calling thread.

    The cell makes a small product at every step. Shared out over threads, each of them waits for
    the slowest: on a busy machine that was measured to be a thousand times slower.
    """
    with _single_thread()():
        yield


# Stretches for each core, so that one that is busy elsewhere leaves its share to the others.
_STRETCHES_PER_CORE = 3


def share_out(work: Callable[[slice], None], items: int, multiple: int) -> None:
    """Cut items into stretches, and work on them on all cores that this process may use.

    NumPy computes outside the interpreter's lock. Cuts lie at multiples of a number, so that what
    is computed in pieces of so many items is cut as it would be by one core.

    Parameters
    ----------
    work : called with each stretch; writes to places that no other stretch writes to
    items : how many there are
    multiple : of items, at which they may be cut

    Examples
    --------
    >>> share_out(lambda stretch: print(stretch.start, stretch.stop), items=5, multiple=8)
    0 5
    """
    cores, pieces = _cores(), -(-items // multiple)
    size = multiple * max(1, -(-pieces // (_STRETCHES_PER_CORE * cores)))
    stretches = [slice(low, min(low + size, items)) for low in range(0, items, size)]
    if min(cores, len(stretches)) < 2:
        for stretch in stretches:
            work(stretch)
        return
    with ThreadPoolExecutor(cores) as pool:
        for _ in pool.map(work, stretches):
            pass


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
