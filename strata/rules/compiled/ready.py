"""The machine code of the training loop: made before the first batch, so that whoever waits can be told."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types

from strata.rules.compiled._jit import address_of, is_at_hand, is_kept_on_disk
from strata.rules.compiled.loop import run_batches
from strata.rules.compiled.pieces import piece_addresses, pieces

__all__ = ["loop_address", "make_ready"]

_READY: set[np.dtype] = set()


def _loop_kinds(dtype: np.dtype) -> tuple[Any, ...]:
    """Return the argument types of the loop over batches, as Python calls it."""
    n, real = types.int64, numba.from_dtype(dtype)
    flat, rows = types.Array(real, 1, "C"), types.Array(real, 2, "C")
    whole, numbers = types.Array(n, 1, "C"), types.Array(types.float64, 1, "C")
    table, table_of_numbers = types.Array(n, 2, "C"), types.Array(types.float64, 2, "C")
    data, tables = (rows, rows, flat, whole), (table, table_of_numbers, table, table_of_numbers)
    learning = (flat, flat, flat, whole, numbers, numbers, numbers)
    sharing = (whole, table_of_numbers, table_of_numbers, whole, whole, n)
    return (*data, n, n, n, *tables, *learning, *sharing)


@cache
def loop_address(dtype: np.dtype) -> int:
    """Compile or load the loop over batches and return where it begins.

    Parameters
    ----------
    dtype : dtype
        float32 or float64.

    Returns
    -------
    address : int
        Valid in this process.
    """
    return address_of(run_batches, _loop_kinds(dtype))


def make_ready(dtype: np.dtype, say: Callable[[str], None]) -> None:
    """Compile or load all that a training needs.

    Parameters
    ----------
    dtype : dtype
        float32 or float64.
    say : callable
        Takes a line when there is something to compile, which takes half a minute; loading takes a second.
    """
    if dtype in _READY:
        return
    wanted = [*pieces(dtype), (run_batches, _loop_kinds(dtype))]
    if not all(is_at_hand(function, kinds) for function, kinds in wanted):
        once = "once on this machine" if is_kept_on_disk(run_batches) else "no folder to keep it in can be written to"
        say(f"compiling the training loop ({once})")
    piece_addresses(dtype)
    loop_address(dtype)
    _READY.add(dtype)
