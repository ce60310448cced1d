"""How well one column predicts the target alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold

from strata.data._blocks import number_blocks
from strata.data._kinds import column_kind, date_days, find_date_format, float_values

__all__ = ["single_column_scores"]

_FOLDS = 3
_LARGEST = 1e37  # of what is looked at: its squares are finite
_BLOCK_CELLS = 1 << 21  # cells of columns that are looked at together, times the classes

Folds = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


def single_column_scores(frame: pd.DataFrame, target: pd.Series, task: str) -> NDArray[np.float64]:
    """Return how well the nearest value of each column predicts the target.

    That is the cross-validated balanced accuracy, or R squared, of a decision tree that is grown to its end: its
    leaves part a line midway between neighbouring values. 0 for a column that says nothing.
    """
    scores = np.zeros(frame.shape[1])
    if task == "classification":
        codes = pd.factorize(target)[0]
        keep = np.bincount(codes)[codes] >= _FOLDS  # a class that is not in every fold cannot be judged
        codes = np.unique(codes[keep], return_inverse=True)[1]
        if codes.size == 0 or codes.max() == 0:
            return scores
        splitter = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
        folds = list(splitter.split(np.zeros((len(codes), 1)), codes))
        for positions, values in _wide_blocks(frame, len(codes) * (int(codes.max()) + 1)):
            scores[positions] = _classification(values[:, keep], codes, folds)
        return scores
    y = target.to_numpy(dtype=np.float64)
    if not np.sum((y - y.mean()) ** 2) > 0.0:
        return scores
    folds = list(KFold(_FOLDS, shuffle=True, random_state=0).split(y))
    for positions, values in _wide_blocks(frame, len(y)):
        scores[positions] = _regression(values, y, folds)
    return scores


def _wide_blocks(frame: pd.DataFrame, cells: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """Give positions of columns, and their values, one column a row; missing is a value too."""
    width = max(1, _BLOCK_CELLS // max(1, cells))
    seen = np.zeros(frame.shape[1], dtype=bool)
    for positions, block in number_blocks(frame):
        seen[positions] = True
        for start in range(0, len(positions), width):
            values = _filled(block[start : start + width].astype(np.float64))
            known = ~np.isnan(values[:, 0])
            yield positions[start : start + width][known], values[known]
    for position in np.flatnonzero(~seen).tolist():
        codes = _codes(frame[str(frame.columns[position])])
        if codes is not None:
            values = _filled(codes[None])
            if not np.isnan(values[0, 0]):
                yield np.array([position]), values


def _codes(column: pd.Series) -> NDArray[np.float64] | None:
    """Return a column as numbers, NaN where missing."""
    kind = column_kind(column)
    if kind == "empty":
        return None
    if kind == "numeric":
        return column.to_numpy(dtype=np.float64, na_value=np.nan) if column.dtype != object else float_values(column)
    if kind == "date":
        text = not pd.api.types.is_datetime64_any_dtype(column.dtype)
        return date_days(column, find_date_format(column) if text else None)
    values = pd.factorize(column)[0].astype(np.float64)
    values[values < 0] = np.nan
    return values


def _filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give what is missing a value below all others; rows without any value stay NaN."""
    values = np.clip(np.where(np.isinf(values), np.nan, values), -_LARGEST, _LARGEST)
    missing = np.isnan(values)
    if missing.any():
        least = np.where(missing, np.inf, values).min(axis=1, keepdims=True)
        most = np.where(missing, -np.inf, values).max(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):
            below = np.where(np.isfinite(least), least - 1.0 - (most - least), np.nan)
        values = np.where(missing, below, values)
    return values


class _Sorted:
    """Columns in the order of their values.

    Parameters
    ----------
    values : ndarray of shape (P, N), float64
        One column a row.
    """

    def __init__(self, values: NDArray[np.float64]) -> None:
        self.order = np.argsort(values, axis=1, kind="stable")
        self.values = np.take_along_axis(values, self.order, axis=1)
        n_columns, n_rows = values.shape
        new = np.ones((n_columns, n_rows), dtype=np.intp)
        new[:, 1:] = self.values[:, 1:] > self.values[:, :-1]
        #: Number of the distinct value that a place holds, counted on from column to column.
        self.groups = np.cumsum(new.ravel()).reshape(n_columns, n_rows) - 1
        self.n_groups = int(self.groups[-1, -1]) + 1

    def nearest(self, is_train: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return for every place the group of the nearest training value; midway, of the smaller one."""
        n_columns, n_rows = self.values.shape
        training = is_train[self.order]
        places = np.broadcast_to(np.arange(n_rows), (n_columns, n_rows))
        before = np.maximum.accumulate(np.where(training, places, -1), axis=1)
        after = np.minimum.accumulate(np.where(training, places, n_rows)[:, ::-1], axis=1)[:, ::-1]
        low = np.take_along_axis(self.values, np.maximum(before, 0), axis=1)
        high = np.take_along_axis(self.values, np.minimum(after, n_rows - 1), axis=1)
        takes_low = (before >= 0) & ((after == n_rows) | (self.values <= low / 2.0 + high / 2.0))
        return np.take_along_axis(self.groups, np.where(takes_low, before, np.minimum(after, n_rows - 1)), axis=1)

    def by_row(self, placed: NDArray[np.generic]) -> NDArray[np.generic]:
        """Bring what stands in the order of the values back to the order of the rows."""
        out = np.empty_like(placed)
        np.put_along_axis(out, self.order, placed, axis=1)
        return out


def _classification(values: NDArray[np.float64], codes: NDArray[np.intp], folds: Folds) -> NDArray[np.float64]:
    """Return the balanced accuracy of each column (P, N)."""
    ordered = _Sorted(values)
    n_classes = int(codes.max()) + 1
    right = np.zeros(values.shape, dtype=bool)
    keys = ordered.groups * n_classes + codes[ordered.order]
    for train, test in folds:
        is_train = np.zeros(len(codes), dtype=bool)
        is_train[train] = True
        counts = np.bincount(keys[is_train[ordered.order]], minlength=ordered.n_groups * n_classes)
        labels = counts.reshape(-1, n_classes).argmax(axis=1)
        predicted = ordered.by_row(labels[ordered.nearest(is_train)])
        right[:, test] = predicted[:, test] == codes[test]
    shares = [right[:, codes == label].mean(axis=1) for label in range(n_classes)]
    return np.asarray(np.mean(shares, axis=0))


def _regression(values: NDArray[np.float64], target: NDArray[np.float64], folds: Folds) -> NDArray[np.float64]:
    """Return R squared of each column (P, N), or of a straight line if that is larger."""
    ordered = _Sorted(values)
    centred = target - target.mean()
    spread = float(np.sum(centred**2))
    left = np.zeros(len(values))
    for train, test in folds:
        is_train = np.zeros(len(target), dtype=bool)
        is_train[train] = True
        chosen = is_train[ordered.order]
        counts = np.bincount(ordered.groups[chosen], minlength=ordered.n_groups)
        sums = np.bincount(ordered.groups[chosen], centred[ordered.order][chosen], minlength=ordered.n_groups)
        means = sums / np.maximum(counts, 1)
        predicted = ordered.by_row(means[ordered.nearest(is_train)])
        left += np.sum((centred[test] - predicted[:, test]) ** 2, axis=1)
    deviations = values - values.mean(axis=1, keepdims=True)
    scale = np.sqrt(np.sum(deviations**2, axis=1) * spread)
    linear = np.where(scale > 0.0, (deviations @ centred) / np.where(scale > 0.0, scale, 1.0), 0.0) ** 2
    return np.asarray(np.maximum(1.0 - left / spread, linear))
