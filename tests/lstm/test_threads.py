"""Work is shared out over cores, each of which keeps its matrix products to itself."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from rareevent.lstm import threads
from rareevent.lstm.cell import forward
from rareevent.lstm.threads import one_blas_thread, share_out
from tests.lstm.networks import draw_network, draw_windows


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_blas_has_one_thread_inside_and_its_own_number_again_outside():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == before


def test_callers_that_overlap_do_not_undo_each_other():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert blas_threads() == {1}
        second.__exit__(None, None, None)
        assert blas_threads() == before


@pytest.mark.parametrize("cores", [1, 2, 5])
@pytest.mark.parametrize("items", [0, 1, 8, 9, 100])
def test_every_item_is_in_one_stretch_that_begins_at_a_multiple(cores, items, monkeypatch):
    monkeypatch.setattr(threads, "_cores", lambda: cores)
    seen = []
    share_out(seen.append, items, multiple=8)

    assert sorted(i for s in seen for i in range(s.start, s.stop)) == list(range(items))
    assert all(stretch.start % 8 == 0 for stretch in seen)


def test_an_error_in_one_stretch_is_raised(monkeypatch):
    monkeypatch.setattr(threads, "_cores", lambda: 2)

    def fail_late(stretch):
        if stretch.stop == 100:
            raise ValueError("the last one")

    with pytest.raises(ValueError, match="the last one"):
        share_out(fail_late, 100, multiple=8)


def test_logits_are_the_same_to_the_bit_on_one_core_and_on_three(monkeypatch):
    network = draw_network(5, (4, 3), heads=2, projection=3, skip=True)
    windows = draw_windows([40, 1, 7, 90], 5, lookback=6)
    shuffled = windows.take(np.random.default_rng(0).permutation(len(windows)))
    found = []
    for cores in (1, 3):
        monkeypatch.setattr(threads, "_cores", lambda cores=cores: cores)
        found.append([forward(network, given, block=16) for given in (windows, shuffled)])

    for one, three in zip(*found, strict=True):
        np.testing.assert_array_equal(one, three)
