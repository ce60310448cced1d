"""One form for every table in memory: a pandas frame with named, distinct columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from strata.errors import DataError

__all__ = ["as_frame"]


def as_frame(data: object) -> pd.DataFrame:
    """Return a table as a pandas frame.

    Parameters
    ----------
    data : pandas or polars frame, dict of columns, or array-like of shape (N, P)
        A pandas frame is returned as it is, unless its names are not text. Columns without a name get ``x0``, ``x1``,
        ... as in scikit-learn.

    Returns
    -------
    frame : DataFrame of shape (N, P)
        With names of type str, all distinct. The input is never changed.

    Raises
    ------
    DataError
        If two columns have the same name, or the columns have different lengths.
    ValueError
        If an array has not two dimensions.
    TypeError
        If ``data`` is sparse, complex or no table.

    Examples
    --------
    >>> as_frame([[1, 2], [3, 4]]).columns.tolist()
    ['x0', 'x1']
    """
    if sparse.issparse(data):
        raise TypeError(
            "Sparse data was passed for X, but a table needs dense columns. Use '.toarray()' to convert it."
        )
    if isinstance(data, pd.DataFrame):
        frame = data
    elif type(data).__module__.partition(".")[0] == "polars" and hasattr(data, "get_columns"):
        frame = pd.DataFrame({column.name: _from_polars(column) for column in data.get_columns()})
    elif isinstance(data, Mapping):
        try:
            frame = pd.DataFrame({str(name): np.asarray(column) for name, column in data.items()})
        except ValueError as error:
            raise DataError(f"The columns do not make a table: {error}.") from None
    else:
        frame = _from_array(data)
    if all(isinstance(name, str) for name in frame.columns):
        names = list(frame.columns)
    else:
        names = [str(name) for name in frame.columns]
        frame = frame.set_axis(names, axis=1)
    if len(set(names)) < len(names):
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise DataError(f"Column names must be distinct. Received {twice!r} {names.count(twice)} times.")
    return frame


def _from_polars(column: Any) -> Any:
    """Convert one polars column without needing pyarrow."""
    if column.dtype.is_numeric() and column.null_count() == 0:
        return column.to_numpy()
    if column.dtype.is_numeric():
        return np.array([np.nan if value is None else value for value in column.to_list()], dtype=np.float64)
    values = pd.Series(column.to_list(), dtype="object")
    return pd.to_datetime(values) if column.dtype.is_temporal() and len(values) else values.infer_objects()


def _from_array(data: Any) -> pd.DataFrame:
    """Wrap an array; rows of one-dimensional input are not guessed."""
    try:
        array = np.asarray(data)
    except ValueError:
        raise DataError("The rows of the table must all have the same length.") from None
    if array.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {'scalar' if array.ndim == 0 else f'{array.ndim}D'} array instead. Reshape your "
            "data either using array.reshape(-1, 1) if your data has a single feature or array.reshape(1, -1) if it "
            "contains a single sample."
        )
    if array.dtype.kind == "c":
        raise ValueError("Complex data not supported by a table.")
    if array.dtype.kind not in "biufOSUMm":
        raise TypeError(f"A table holds numbers, text, truth or dates. Received an array of type {array.dtype}.")
    if array.dtype.kind in "SU":
        array = array.astype("U").astype(object)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return pd.DataFrame(array, columns=[f"x{number}" for number in range(array.shape[1])])
