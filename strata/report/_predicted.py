"""Predictions beside their answers, checked once at the door of every number of the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["Predicted", "check_predicted"]


@dataclass(frozen=True)
class Predicted:
    """Rows with their answers and what was predicted for them; see :func:`check_predicted`.

    Parameters
    ----------
    y_true : ndarray of shape (n_rows,)
        The answers.
    y_pred : ndarray of shape (n_rows,)
        The predictions.
    y_prob : ndarray of shape (n_rows, n_classes) or None
        Probabilities of the classes; None for a regression or where there are none.
    classes : ndarray of shape (n_classes,) or None
        All labels; those of ``y_prob`` first, in its order. None for a regression.
    weights : ndarray of shape (n_rows,) or None
        Weights of the rows.
    """

    y_true: np.ndarray
    y_pred: np.ndarray
    y_prob: np.ndarray | None
    classes: np.ndarray | None
    weights: np.ndarray | None

    def __len__(self) -> int:
        return len(self.y_true)

    @property
    def task(self) -> str:
        """The kind of prediction: "classification" or "regression"."""
        return "regression" if self.classes is None else "classification"

    @cached_property
    def true_codes(self) -> np.ndarray:
        """Number of the true class of each row."""
        return _codes(self.y_true, self.classes)

    @cached_property
    def pred_codes(self) -> np.ndarray:
        """Number of the predicted class of each row."""
        return _codes(self.y_pred, self.classes)


def _codes(labels: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    if classes is None:
        raise ValueError("`task` must be 'classification' for this number. Received: a regression.")
    return np.asarray(pd.Index(classes).get_indexer(pd.Index(labels)))


def check_predicted(
    y_true: Any,
    y_pred: Any = None,
    y_prob: Any = None,
    *,
    task: str = "classification",
    classes: Sequence[Any] | np.ndarray | None = None,
    sample_weight: Any = None,
) -> Predicted:
    """Check answers and predictions, before anything is computed from them.

    Parameters
    ----------
    y_true : array-like of shape (n_rows,)
        The answers.
    y_pred : array-like of shape (n_rows,), optional
        The predictions; by default the class with the largest probability.
    y_prob : array-like of shape (n_rows, n_classes) or (n_rows,), optional
        Probabilities; of two classes those of the second are enough.
    task : {"classification", "regression"}, default="classification"
        What was predicted.
    classes : sequence, optional
        Labels in the order of the columns of ``y_prob``; by default those that occur, sorted.
    sample_weight : array-like of shape (n_rows,), optional
        Weights, not negative, not all zero.

    Returns
    -------
    predicted : Predicted
        Arrays that fit each other.

    Raises
    ------
    ValueError
        If there are no rows, if shapes do not fit, or if a number is not finite.
    """
    truth = _column("y_true", y_true)
    if len(truth) == 0:
        raise ValueError("`y_true` must have at least one row. Received: none.")
    weights = None if sample_weight is None else _weights(sample_weight, len(truth))
    if task == "regression":
        if y_pred is None:
            raise ValueError("`y_pred` must be given for a regression. Received: None.")
        return Predicted(_numbers("y_true", truth), _numbers("y_pred", _same(truth, y_pred)), None, None, weights)
    if y_pred is None and y_prob is None:
        raise ValueError("`y_pred` or `y_prob` must be given. Received: neither.")
    called = None if y_pred is None else _same(truth, y_pred)
    known = np.unique(truth if called is None else np.concatenate([truth, called])) if classes is None else classes
    known = np.asarray(known)
    probabilities = None if y_prob is None else _probabilities(y_prob, len(truth), len(known))
    if called is None:
        called = known[np.argmax(np.asarray(probabilities), axis=1)]
    seen = pd.Index(pd.unique(np.concatenate([truth, called])))
    extra = [label for label in seen if label not in set(known.tolist())]
    if extra and probabilities is not None:
        raise ValueError(
            f"`classes` must hold every label where there are probabilities. Received: classes {known.tolist()[:20]} "
            f"without {extra[:5]}."
        )
    labels = np.asarray([*known.tolist(), *sorted(extra, key=str)]) if extra else known
    return Predicted(truth, called, probabilities, labels, weights)


def _column(name: str, values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"`{name}` must have one dimension. Received: shape {array.shape}.")
    return array


def _same(truth: np.ndarray, values: Any) -> np.ndarray:
    array = _column("y_pred", values)
    if len(array) != len(truth):
        raise ValueError(f"`y_pred` must have as many rows as `y_true`. Received: {len(array)} and {len(truth)}.")
    return array


def _numbers(name: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "iufb" or not np.isfinite(values).all():
        raise ValueError(f"`{name}` must hold finite numbers for a regression. Received: dtype {values.dtype}.")
    return np.asarray(values, dtype=np.float64)


def _weights(values: Any, n_rows: int) -> np.ndarray:
    weights = np.asarray(values, dtype=np.float64)
    if weights.shape != (n_rows,) or not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() <= 0:
        raise ValueError(
            "`sample_weight` must hold one finite, non-negative number a row, not all zero. "
            f"Received: shape {weights.shape} for {n_rows} rows."
        )
    return weights


def _probabilities(values: Any, n_rows: int, n_classes: int) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"`y_prob` must hold numbers. Received: dtype {array.dtype}.")
    array = array if array.dtype.kind == "f" else array.astype(np.float64)
    if array.ndim == 1 and n_classes == 2:
        array = np.column_stack([1.0 - array, array])
    if array.shape != (n_rows, n_classes):
        raise ValueError(
            f"`y_prob` must have one row a row and one column a class, shape {(n_rows, n_classes)}. "
            f"Received: shape {np.shape(values)}."
        )
    wrong = np.flatnonzero(~np.all((array >= 0) & (array <= 1), axis=1))  # NaN is neither
    if len(wrong):
        raise ValueError(f"`y_prob` must lie in [0, 1]. Received: y_prob[{wrong[0]}]={array[wrong[0]].tolist()[:6]}.")
    sums = array.sum(axis=1)
    off = np.flatnonzero(np.abs(sums - 1.0) > 1e-4)
    if len(off):
        raise ValueError(f"`y_prob` must sum to 1 in every row. Received: row {off[0]} sums to {sums[off[0]]:.6g}.")
    return array
