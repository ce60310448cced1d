"""What is to be predicted: a class or a quantity."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from strata.errors import DataError

__all__ = ["MAX_INFERRED_CLASSES", "infer_task"]

#: More distinct whole numbers than this are taken for a quantity.
MAX_INFERRED_CLASSES = 20


def infer_task(y: object) -> Literal["classification", "regression"]:
    """Say whether a target is a class or a quantity.

    Parameters
    ----------
    y : array-like of shape (N,) or (N, K)
        The target; missing values are left out of the question.

    Returns
    -------
    task : {"classification", "regression"}
        Classification for text, truth values and pandas categories, and for whole numbers of which there are two, or at
        most 20 that come up twice on average. Regression for everything else.

    Raises
    ------
    DataError
        If the target holds dates, or no value at all.

    Examples
    --------
    >>> infer_task(["cat", "dog"]), infer_task([0, 1, 1, 0]), infer_task([0.5, 1.25]), infer_task([151, 75, 141])
    ('classification', 'classification', 'regression', 'regression')
    """
    if isinstance(y, pd.Categorical | pd.Index):
        y = pd.Series(y)
    if isinstance(y, pd.Series | pd.DataFrame):
        frame = y.to_frame() if isinstance(y, pd.Series) else y
    else:
        array = np.asarray(y)
        if array.ndim not in (1, 2):
            raise ValueError(f"`y` must have one or two dimensions. Received the shape {array.shape}.")
        frame = pd.DataFrame(array.astype(object) if array.dtype.kind in "US" else array)
    tasks = {_infer_column(frame[name]) for name in frame.columns}
    return "classification" if tasks == {"classification"} else "regression"


def _infer_column(column: pd.Series) -> str:
    values = column.dropna().infer_objects()
    if values.empty:
        raise DataError(f"The target {column.name!r} holds no value.")
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        raise DataError(f"The target {column.name!r} holds dates; turn them into a number or a class first.")
    if not pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        return "classification"
    numbers = values.to_numpy(dtype=np.float64)
    if not np.all(numbers == np.floor(numbers)):
        return "regression"
    n_distinct = len(np.unique(numbers))
    small = n_distinct <= 2 or (n_distinct <= MAX_INFERRED_CLASSES and 2 * n_distinct <= len(numbers))
    return "classification" if small else "regression"
