"""One thread for small networks, more above a measured size."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController

__all__ = ["check_threads", "limit_threads", "max_threads", "threads_for"]

#: Floating-point operations of one step from which more threads may pay. Measured on two virtual cores in
#: float32: a product of 34 MFLOP took 0.38 ms on one thread and 0.45 on two, one of 268 MFLOP 2.9 and 3.0,
#: so there a second thread never pays; on machines with real cores it does once a step takes milliseconds. A step of
#: LeNet-5 with 64 rows, 160 MFLOP in thirty small parts, took 8.5 ms on one thread and 12.2 on two.
FLOPS_PER_STEP_FOR_THREADS = 3e8


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looking for the libraries takes milliseconds: once


def max_threads() -> int:
    """Return the most threads that may be asked for: four times the cores, but never fewer than 256.

    Returns
    -------
    n_threads : int
        More would only take memory and wait for one another.

    Examples
    --------
    >>> max_threads() >= 256
    True
    """
    return max(256, 4 * (os.cpu_count() or 1))


def check_threads(n_threads: int | None) -> None:
    """Refuse a number of threads that no machine like this one runs.

    Parameters
    ----------
    n_threads : int or None
        Number of threads; None is left to others.

    Raises
    ------
    ValueError
        If ``n_threads`` is below 1 or above :func:`max_threads`.

    Examples
    --------
    >>> check_threads(2)
    """
    if n_threads is None:
        return
    if n_threads < 1:
        raise ValueError(f"`n_threads` must be at least 1. Received: n_threads={n_threads!r}.")
    if n_threads > max_threads():
        raise ValueError(
            f"`n_threads` must be at most {max_threads()} on this machine. Received: n_threads={n_threads!r}."
        )


@contextmanager
def limit_threads(n_threads: int | None) -> Iterator[None]:
    """Use at most ``n_threads`` threads in torch and in BLAS inside the block.

    Parameters
    ----------
    n_threads : int or None
        Number of threads, from 1 to :func:`max_threads`. None changes nothing.

    Raises
    ------
    ValueError
        If ``n_threads`` is below 1 or above :func:`max_threads`.

    Examples
    --------
    >>> with limit_threads(1):
    ...     torch.get_num_threads()
    1
    """
    check_threads(n_threads)
    if n_threads is None:
        yield
        return
    before = torch.get_num_threads()
    with _controller().limit(limits=n_threads):
        torch.set_num_threads(n_threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def _available() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_for(n_flops_per_step: float) -> int:
    """Return how many threads a step of this size should use.

    Parameters
    ----------
    n_flops_per_step : float
        Floating-point operations of one training step (about 6 x batch size x number of weights).

    Returns
    -------
    n_threads : int
        1 for a small step; otherwise what torch is set to, at most the cores of this process.

    Examples
    --------
    >>> threads_for(6 * 10 * 106)
    1
    """
    if n_flops_per_step < FLOPS_PER_STEP_FOR_THREADS:
        return 1
    return max(1, min(_available(), torch.get_num_threads()))
