"""Thread limits are set and put back."""

import pytest
import torch
from threadpoolctl import threadpool_info

from strata import _threads
from strata._threads import limit_threads, threads_for


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
