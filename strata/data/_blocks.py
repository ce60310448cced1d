"""The plain numbers of a table, a block of columns at a time: a wide table costs by its cells, not by its columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["number_blocks", "number_columns"]

_BLOCK_CELLS = 1 << 22  # in one block, so that its copies stay small


def number_columns(frame: pd.DataFrame) -> dict[np.dtype, NDArray[np.intp]]:
    """Return the positions of the columns that NumPy holds as integers or real numbers, by their type."""
    found: dict[np.dtype, list[int]] = {}
    for position, dtype in enumerate(frame.dtypes):
        if isinstance(dtype, np.dtype) and dtype.kind in "iuf" and dtype.itemsize <= 8:
            found.setdefault(dtype, []).append(position)
    return {dtype: np.array(positions, dtype=np.intp) for dtype, positions in found.items()}


def number_blocks(frame: pd.DataFrame) -> Iterator[tuple[NDArray[np.intp], NDArray[np.generic]]]:
    """Give positions of such columns and their values (one column a row, in memory too), all of one type.

    >>> [(p.tolist(), v.tolist()) for p, v in number_blocks(pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [3, 4]}))]
    [([0, 2], [[1, 2], [3, 4]])]
    """
    width = max(1, _BLOCK_CELLS // max(1, len(frame)))
    for positions in number_columns(frame).values():
        for start in range(0, len(positions), width):
            some = positions[start : start + width]
            yield some, np.ascontiguousarray(frame.iloc[:, some].to_numpy().T)
