"""The large pieces of a step, each compiled by itself and called by its address.

One specialization for each dtype serves every network; the machine code is kept on disk, so that a second process
only loads it.
"""

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types

from strata.rules.compiled._jit import address_of
from strata.rules.compiled._places import (
    ACTIVATE,
    HEAD_LOSS,
    MULTIPLY,
    MULTIPLY_DENSE,
    NARROW_BACK,
    NARROW_FORWARD,
    NARROW_GRADIENT,
    PERFORM,
    SLOPE,
    UPDATE,
)
from strata.rules.compiled.activations import activate, multiply_by_slope
from strata.rules.compiled.losses import head_loss
from strata.rules.compiled.narrow import narrow_back, narrow_forward, narrow_gradient
from strata.rules.compiled.optimizers import update
from strata.rules.compiled.phases import perform
from strata.rules.compiled.products import multiply, multiply_dense

__all__ = ["piece_addresses", "pieces"]

_PIECES = {
    ACTIVATE: activate,
    SLOPE: multiply_by_slope,
    MULTIPLY: multiply,
    MULTIPLY_DENSE: multiply_dense,
    NARROW_FORWARD: narrow_forward,
    NARROW_GRADIENT: narrow_gradient,
    NARROW_BACK: narrow_back,
    UPDATE: update,
    HEAD_LOSS: head_loss,
    PERFORM: perform,
}


def _signatures(real: Any) -> dict[int, tuple[Any, ...]]:
    """Return the argument types of each piece."""
    n, flat, rows = types.int64, types.Array(real, 1, "C"), types.Array(real, 2, "C")
    whole, numbers = types.Array(types.int64, 1, "C"), types.Array(types.float64, 1, "C")
    table, table_of_numbers = types.Array(types.int64, 2, "C"), types.Array(types.float64, 2, "C")
    tables = (table, table_of_numbers, table, table_of_numbers)
    matrix, strided = (flat, n, n, n), (flat, n, n)
    return {
        ACTIVATE: (n, flat, flat),
        SLOPE: (n, flat, flat),
        MULTIPLY: (*matrix, flat, n, n, n, *strided, n, n, n, n),
        MULTIPLY_DENSE: (*matrix, *strided, flat, n, n, n, n, n),
        NARROW_FORWARD: (flat, *(n,) * 8),
        NARROW_GRADIENT: (flat, *(n,) * 9),
        NARROW_BACK: (flat, *(n,) * 9),
        UPDATE: (n, numbers, types.float64, n, flat, flat, flat, flat, n),
        HEAD_LOSS: (whole, numbers, flat, n, n, n, n, flat, rows, whole, n, n, flat, types.float64, n, whole, numbers),
        PERFORM: (
            *(n, n, rows, rows, flat, whole),
            *tables,
            *(flat, flat, flat, whole, numbers, numbers, whole, table_of_numbers, whole),
        ),
    }


def pieces(dtype: np.dtype) -> list[tuple[Any, tuple[Any, ...]]]:
    """Return each piece with the argument types that it is compiled for.

    Parameters
    ----------
    dtype : dtype
        float32 or float64.

    Returns
    -------
    pieces : list of (function, tuple of types)
        In the order of their places.
    """
    signatures = _signatures(numba.from_dtype(dtype))
    return [(_PIECES[place], signatures[place]) for place in sorted(_PIECES)]


@cache
def piece_addresses(dtype: np.dtype) -> np.ndarray:
    """Compile or load the pieces for a dtype and return their addresses.

    Parameters
    ----------
    dtype : dtype
        float32 or float64.

    Returns
    -------
    addresses : ndarray of shape (n_pieces,), int64
        Valid in this process.
    """
    return np.array([address_of(function, kinds) for function, kinds in pieces(dtype)], dtype=np.int64)
