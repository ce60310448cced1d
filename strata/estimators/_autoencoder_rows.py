"""Rows or images in, rows for the network; reconstructions out, in the form that came in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_array, validate_data
from torch import Tensor

from strata.estimators._image_inputs import input_layout
from strata.estimators._validation import ROWS_AT_ONCE, is_sparse

__all__ = ["blocks_of", "checked_rows", "column_order", "fit_scaler", "in_users_form", "refuse_outside"]

_DTYPES = (np.float64, np.float32)


def _images(X: Any) -> np.ndarray | None:
    """Return an array with more than two axes, or None for anything else."""
    array = X.detach().cpu().numpy() if isinstance(X, Tensor) else X
    return array if isinstance(array, np.ndarray) and array.ndim > 2 else None


def checked_rows(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Check rows or images; return float rows, dense or as compressed sparse rows.

    Images are arrays of shape (n, h, w) or (n, h, w, c): whole numbers from 0 to 255 become floats from 0 to 1, floats
    stay as they are. With ``reset``, learn ``n_features_in_``, ``input_shape_`` (height, width and channels, or None)
    and ``image_axes_`` (the axes that an image came with, or 0 for rows).
    """
    images = _images(X)
    if images is None:
        rows = validate_data(estimator, X, accept_sparse="csr", dtype=_DTYPES, reset=reset)
        if reset:
            estimator.input_shape_, estimator.image_axes_ = _given_shape(estimator, rows.shape[1]), 0
        return rows
    if images.ndim > 4 or 0 in images.shape:
        raise ValueError(
            "`X` must be rows of shape (n, features), or images of shape (n, h, w) or (n, h, w, channels). "
            f"Received: X of shape {images.shape}."
        )
    if reset:
        estimator.input_shape_ = (*images.shape[1:], 1)[:3]
        estimator.image_axes_ = images.ndim - 1
        estimator.n_features_in_ = int(np.prod(images.shape[1:]))
        vars(estimator).pop("feature_names_in_", None)
    elif (*images.shape[1:], 1)[:3] != estimator.input_shape_:
        raise ValueError(
            f"`X` must hold images of the shape that was learned, {estimator.input_shape_}. "
            f"Received: X of shape {images.shape}."
        )
    rows = images.reshape(len(images), -1)
    if images.dtype.kind in "ui":
        if images.dtype != np.uint8 and (images.min() < 0 or images.max() > 255):
            raise ValueError(
                "`X` must hold whole numbers from 0 to 255, or floats. "
                f"Received: values from {images.min()} to {images.max()}."
            )
        rows = rows.astype(np.float32) / np.float32(255)
    return check_array(rows, dtype=_DTYPES, input_name="X", estimator=estimator)


def _given_shape(estimator: Any, n_features: int) -> tuple[int, int, int] | None:
    """Return height, width and channels of images that come as rows, where ``input_shape`` says so."""
    layout = input_layout(getattr(estimator, "input_shape", None))
    if layout is None:
        return None
    sides = list(layout[:3])
    known = int(np.prod([n for n in sides if n > 0]))
    if -1 in sides and n_features % known == 0:
        sides[sides.index(-1)] = n_features // known
    if int(np.prod(sides)) != n_features:
        raise ValueError(
            f"`input_shape` must hold as many numbers as a row of `X`, {n_features}. "
            f"Received: input_shape={tuple(estimator.input_shape)!r}."
        )
    return sides[0], sides[1], sides[2]


def column_order(estimator: Any) -> np.ndarray | None:
    """Return the columns of rows that hold one channel after the other, channels innermost; None where they are."""
    layout = input_layout(getattr(estimator, "input_shape", None))
    shape = estimator.input_shape_
    if layout is None or not layout[3] or estimator.image_axes_ or shape is None:
        return None
    h, w, c = shape
    return np.arange(h * w * c).reshape(c, h, w).transpose(1, 2, 0).reshape(-1)


def fit_scaler(rows: Any) -> StandardScaler:
    """Learn mean and deviation of every column; of sparse rows the deviation alone."""
    return StandardScaler(with_mean=not is_sparse(rows)).fit(rows)


def blocks_of(rows: Any, size: int = ROWS_AT_ONCE) -> Iterator[np.ndarray]:
    """Yield rows in blocks, dense."""
    for start in range(0, rows.shape[0], size):
        block = rows[start : start + size]
        yield block.toarray() if is_sparse(block) else block


def in_users_form(estimator: Any, rows: np.ndarray) -> np.ndarray:
    """Return reconstructed rows in the form of what was learned from: rows or images."""
    axes = estimator.image_axes_
    return rows.reshape(len(rows), *estimator.input_shape_[:axes]) if axes else rows


def refuse_outside(rows: Any, low: float, high: float, loss: str) -> None:
    """Refuse rows that a loss has no meaning for."""
    values = rows.data if is_sparse(rows) else rows
    if not values.size:
        return
    smallest, largest = float(values.min()), float(values.max())
    if smallest < low or largest > high:
        bounds = f"from {low:g} to {high:g}" if np.isfinite(high) else f"of at least {low:g}"
        raise ValueError(
            f"`X` must hold numbers {bounds} for loss={loss!r}. Received: numbers from {smallest:g} to {largest:g}. "
            "Scale them, or use loss='squared_error'."
        )
