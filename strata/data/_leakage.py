"""How well one column predicts the target alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from strata.data._kinds import column_kind, date_days, find_date_format, float_values

__all__ = ["single_column_score"]

_FOLDS = 3
_LARGEST = 1e37  # the tree computes in float32


def single_column_score(column: pd.Series, target: pd.Series, task: str) -> float:
    """Return the cross-validated balanced accuracy or R squared of a tree on one column; 0 where it says nothing."""
    values = _codes(column)
    if values is None:
        return 0.0
    if task == "classification":
        return _classification(values, pd.factorize(target)[0])
    return _regression(values, target.to_numpy(dtype=np.float64))


def _codes(column: pd.Series) -> NDArray[np.float64] | None:
    """Return the column as numbers in which a missing value is a value of its own."""
    kind = column_kind(column)
    if kind == "empty":
        return None
    if kind == "numeric":
        values = column.to_numpy(dtype=np.float64, na_value=np.nan) if column.dtype != object else float_values(column)
    elif kind == "date":
        text = not pd.api.types.is_datetime64_any_dtype(column.dtype)
        values = date_days(column, find_date_format(column) if text else None)
    else:
        values = pd.factorize(column)[0].astype(np.float64)
        values[values < 0] = np.nan
    values = np.clip(np.where(np.isinf(values), np.nan, values), -_LARGEST, _LARGEST)
    present = values[~np.isnan(values)]
    if len(present) == 0:
        return None
    return np.where(np.isnan(values), present.min() - 1.0 - np.ptp(present), values)


def _classification(values: NDArray[np.float64], codes: NDArray[np.intp]) -> float:
    counts = np.bincount(codes)
    keep = counts[codes] >= _FOLDS  # a class that is not in every fold cannot be judged
    values, codes = values[keep], codes[keep]
    classes = np.unique(codes)
    if len(classes) < 2:
        return 0.0
    predicted = np.empty_like(codes)
    for train, test in StratifiedKFold(_FOLDS, shuffle=True, random_state=0).split(values, codes):
        tree = DecisionTreeClassifier(random_state=0).fit(values[train, None], codes[train])
        predicted[test] = tree.predict(values[test, None])
    return float(np.mean([np.mean(predicted[codes == label] == label) for label in classes]))


def _regression(values: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    spread = float(np.sum((target - target.mean()) ** 2))
    if spread == 0.0:
        return 0.0
    predicted = np.empty_like(target)
    for train, test in KFold(_FOLDS, shuffle=True, random_state=0).split(values):
        tree = DecisionTreeRegressor(random_state=0).fit(values[train, None], target[train])
        predicted[test] = tree.predict(values[test, None])
    explained = 1.0 - float(np.sum((target - predicted) ** 2)) / spread
    linear = 0.0 if np.ptp(values) == 0.0 else float(np.corrcoef(values, target)[0, 1]) ** 2
    return max(explained, linear)
