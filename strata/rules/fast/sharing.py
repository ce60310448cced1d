"""Work on independent parts of a batch, by as many threads as torch uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

__all__ = ["n_workers_for", "share"]

_Part = TypeVar("_Part")


@cache
def _helpers(n_helpers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(
        n_helpers, thread_name_prefix="strata-layers", initializer=torch.set_num_threads, initargs=(1,)
    )


def n_workers_for(parts: Sequence[object]) -> int:
    """Return how many threads will share some parts.

    Parameters
    ----------
    parts : sequence
        What there is to do.

    Returns
    -------
    n_workers : int
        As many as torch uses, but no more than parts; at least 1.
    """
    return max(1, min(torch.get_num_threads(), len(parts)))


def share(parts: Sequence[_Part], work: Callable[[int, Sequence[_Part]], None]) -> None:
    """Let ``work(worker, parts)`` be done for all parts, each worker with its own neighbouring ones.

    Which worker has which parts follows from their number and that of the threads alone. Inside, torch uses one thread.

    Parameters
    ----------
    parts : sequence
        What there is to do.
    work : callable
        ``work(worker, parts)``, called once in each thread; what it raises is raised here.
    """
    n_workers = n_workers_for(parts)
    if n_workers == 1:
        work(0, parts)
        return
    n_threads = torch.get_num_threads()
    shares = [parts[i * len(parts) // n_workers : (i + 1) * len(parts) // n_workers] for i in range(n_workers)]
    waiting = [_helpers(n_workers - 1).submit(work, i, shares[i]) for i in range(1, n_workers)]
    torch.set_num_threads(1)
    try:
        work(0, shares[0])
    finally:
        torch.set_num_threads(n_threads)
        for each in waiting:
            each.result()
