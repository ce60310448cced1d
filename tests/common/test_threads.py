"""Thread limits are set and put back."""

import pytest
import torch
from threadpoolctl import threadpool_info

from strata import MLPClassifier, _threads
from strata._threads import limit_threads, max_threads, threads_for
from strata.report import train


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_threads_are_limited_inside_and_restored_after():
    torch.set_num_threads(2)
    before = blas_threads()
    with limit_threads(1):
        assert torch.get_num_threads() == 1
        assert blas_threads() == {1}
    assert torch.get_num_threads() == 2
    assert blas_threads() == before


def test_threads_are_restored_after_an_error():
    torch.set_num_threads(2)
    with pytest.raises(RuntimeError, match="inside"), limit_threads(1):
        raise RuntimeError("inside")
    assert torch.get_num_threads() == 2


def test_none_changes_nothing():
    torch.set_num_threads(2)
    with limit_threads(None):
        assert torch.get_num_threads() == 2


def test_zero_threads_are_refused():
    with pytest.raises(ValueError, match=r"`n_threads` must be at least 1. Received: n_threads=0"), limit_threads(0):
        pass


def test_small_steps_take_one_thread_and_large_ones_what_there_is(monkeypatch):
    monkeypatch.setattr(_threads, "_available", lambda: 8)
    torch.set_num_threads(4)
    assert threads_for(1e6) == 1
    assert threads_for(1e10) == 4
    monkeypatch.setattr(_threads, "_available", lambda: 2)
    assert threads_for(1e10) == 2


def test_more_threads_than_any_machine_runs_are_refused():
    message = r"`n_threads` must be at most \d+ on this machine. Received: n_threads=100000"
    with pytest.raises(ValueError, match=message), limit_threads(100_000):
        pass
    with pytest.raises(ValueError, match=message):
        train("iris", n_threads=100_000)
    with pytest.raises(ValueError, match=r"'n_threads' parameter of MLPClassifier must be .*Got 100000 instead"):
        MLPClassifier(n_threads=100_000).fit([[0.0], [1.0]], [0, 1])


def test_the_bound_is_four_times_the_cores_but_never_below_256(monkeypatch):
    monkeypatch.setattr(_threads.os, "cpu_count", lambda: 2)
    assert max_threads() == 256
    monkeypatch.setattr(_threads.os, "cpu_count", lambda: 128)
    assert max_threads() == 512
