"""One BLAS thread while the cell runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


class _SingleThread:
    """Counts who is inside, so that callers in several threads do not undo each other."""

    def __init__(self) -> None:
        self._controller = ThreadpoolController()
        self._lock = threading.Lock()
        self._inside = 0
        self._limit = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._inside == 0:
                self._limit = self._controller.limit(limits=1, user_api="blas")
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._limit.restore_original_limits()


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
