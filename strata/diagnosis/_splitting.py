"""Rows to learn from and rows held out."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_consistent_length

from strata.diagnosis.treatment import Rows, take

__all__ = ["split"]

_TEST_SHARE = 0.25


def split(estimator: Any, X: Any, y: Any, X_val: Any, y_val: Any, *, random_state: int) -> Rows:
    """Return the rows to learn from and those held out: the caller's own, or a quarter drawn at random.

    Parameters
    ----------
    estimator : estimator
        A classifier gets held-out rows of every class, where there are enough.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Inputs.
    y : array-like of shape (n_samples,)
        Targets.
    X_val : array-like or DataFrame of shape (n_val, n_features) or None
        Held-out inputs.
    y_val : array-like of shape (n_val,) or None
        Their targets.
    random_state : int
        Seed of the draw.

    Returns
    -------
    rows : Rows
        In the order in which they came, so that an order that is a fault stays one.

    Raises
    ------
    ValueError
        If something is missing, lengths differ, or there are fewer than 8 rows to hold some out.
    """
    if X is None or y is None:
        raise ValueError(f"`X` and `y` must be given with an estimator. Received: {'X' if X is None else 'y'}=None.")
    if (X_val is None) != (y_val is None):
        missing = "X_val" if X_val is None else "y_val"
        raise ValueError(f"`X_val` and `y_val` must be given together. Received: {missing}=None.")
    check_consistent_length(X, y)
    X, y = _rows_of(X), _rows_of(y)
    if X_val is not None:
        check_consistent_length(X_val, y_val)
        return Rows(X, y, _rows_of(X_val), _rows_of(y_val))
    if len(y) < 8:
        raise ValueError(f"`X` must have at least 8 rows to hold some out. Received: {len(y)} rows.")
    strata = None
    targets = np.asarray(y)
    if is_classifier(estimator) and (targets.ndim == 1 or targets.shape[1] == 1):
        labels, counts = np.unique(targets, return_counts=True)
        if counts.min() >= 2 and len(labels) <= len(y) * _TEST_SHARE:
            strata = targets
    kept, held_out = train_test_split(
        np.arange(len(y)), test_size=_TEST_SHARE, random_state=random_state, stratify=strata
    )
    kept, held_out = np.sort(kept), np.sort(held_out)
    return Rows(take(X, kept), take(y, kept), take(X, held_out), take(y, held_out), (y, kept, held_out))


def _rows_of(values: Any) -> Any:
    return values if hasattr(values, "iloc") or hasattr(values, "tocsr") else np.asarray(values)
