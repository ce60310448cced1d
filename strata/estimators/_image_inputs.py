"""Images in the forms that people have them, as one array of pixels or one list of files."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.utils.validation import validate_data
from torch import Tensor

__all__ = [
    "ArrayImages",
    "MAX_CHANNELS",
    "array_images",
    "input_layout",
    "is_files",
    "value_limits",
]

#: Most channels that the last axis may count; what is larger is taken for a side of the image.
MAX_CHANNELS = 16
_USUAL_CHANNELS = (1, 3, 4)
_SLACK = 1e-6  # of rounding, in shares of the range


class ArrayImages(NamedTuple):
    """Images in memory, or in a memory map.

    ``pixels`` is an array of shape (n, h, w, c): uint8 from 0 to 255, or float32 from 0 to 1.
    """

    pixels: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])

    @property
    def n_channels(self) -> int:
        """Channels of each pixel."""
        return int(self.pixels.shape[3])


def is_files(X: Any) -> bool:
    """Whether images are named rather than given: a folder, a list of paths, or a record of found files."""
    if isinstance(X, (str, os.PathLike)) or (hasattr(X, "paths") and hasattr(X, "root")):
        return True
    if isinstance(X, np.ndarray):
        return X.ndim == 1 and X.dtype.kind in "UO" and X.size > 0 and isinstance(X[0], (str, os.PathLike))
    if isinstance(X, Sequence) and len(X):
        return isinstance(X[0], (str, os.PathLike))
    values = getattr(X, "to_numpy", None)  # a column of a table
    return callable(values) and getattr(X, "ndim", 0) == 1 and is_files(np.asarray(X, dtype=object))


def input_layout(input_shape: Any) -> tuple[int, int, int, bool] | None:
    """Return height, width, channels and whether rows hold one channel after the other; -1 stands for what is left.

    ``(h, w)`` and ``(h, w, c)`` are the layouts of arrays of images; ``(c, h, w)``, with 1, 3 or 4 first and
    anything else last, that of the bundled sets.
    """
    if input_shape is None:
        return None
    shape = tuple(input_shape) if isinstance(input_shape, (tuple, list)) else ()
    whole = all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) and (n > 0 or n == -1) for n in shape)
    if len(shape) not in (2, 3) or not whole or sum(n == -1 for n in shape) > 1:
        raise ValueError(
            "`input_shape` must be (h, w), (h, w, channels) or (channels, h, w) in whole numbers > 0, of which one may "
            f"be -1. Received: input_shape={input_shape!r}."
        )
    if len(shape) == 2:
        return int(shape[0]), int(shape[1]), 1, False
    if shape[0] in _USUAL_CHANNELS and shape[2] not in _USUAL_CHANNELS:
        return int(shape[1]), int(shape[2]), int(shape[0]), True
    return int(shape[0]), int(shape[1]), int(shape[2]), False


def array_images(
    estimator: Any, X: Any, *, reset: bool, fitted_shape: tuple[int, int, int] | None = None
) -> ArrayImages:
    """Check an array of images, in any layout that ``fit`` takes, and bring it to (n, h, w, c).

    Parameters
    ----------
    estimator : estimator
        Whose ``input_shape`` and ``value_range`` count; learns ``n_features_in_`` from 2-D rows with ``reset``.
    X : array-like
        Shape (n, h, w), (n, h, w, c), or (n, h * w * c) with ``input_shape``.
    reset : bool
        Whether this is what is learned from.
    fitted_shape : tuple of int or None, default=None
        Height, width and channels that the images must have; None takes any.

    Returns
    -------
    images : ArrayImages
        A view where nothing had to be changed.

    Raises
    ------
    ValueError
        If the shape is none of images, or another than was learned from, or a value is NaN or out of range.
    TypeError
        If the values are no numbers.
    """
    layout = input_layout(estimator.input_shape)
    if hasattr(X, "tocsr"):  # SciPy's sparse matrices: scikit-learn has the words
        validate_data(estimator, X, reset=reset)
    array = _from_tensor(X) if isinstance(X, Tensor) else X
    if not isinstance(array, np.ndarray):
        array = _from_nested(array)
    if layout is not None and array.ndim <= 2:
        array = _from_rows(estimator, X if not isinstance(X, Tensor) else array, layout, reset=reset)
    else:
        array = _from_images(array, type(estimator).__name__)
        if reset:
            estimator.n_features_in_ = int(np.prod(array.shape[1:]))
            if hasattr(estimator, "feature_names_in_"):
                del estimator.feature_names_in_
    if fitted_shape is not None and array.shape[1:] != fitted_shape:
        raise _other_shape(array.shape, fitted_shape)
    if reset and _from_data(estimator):
        estimator.value_limits_ = _span(array)
    return ArrayImages(_as_pixels(array, value_limits(estimator), checked=reset or not _from_data(estimator)))


def value_limits(estimator: Any) -> tuple[float, float] | None:
    """Return what stands for black and white, or None for the type's own: 0 to 255 for integers, 0 to 1 for floats."""
    wanted = estimator.value_range
    if _from_data(estimator):
        limits: tuple[float, float] | None = getattr(estimator, "value_limits_", None)
        return limits
    if wanted is None:
        return None
    bounds = [float(bound) for bound in wanted if isinstance(bound, Real) and math.isfinite(bound)]
    if len(wanted) != 2 or len(bounds) != 2 or bounds[0] >= bounds[1]:
        raise ValueError(
            "`value_range` must be two finite numbers, black and white, the smaller first. "
            f"Received: value_range={wanted!r}."
        )
    return bounds[0], bounds[1]


def _from_data(estimator: Any) -> bool:
    return isinstance(estimator.value_range, str)


def _span(array: np.ndarray) -> tuple[float, float]:
    """Return the smallest and the largest value of training images, which stand for black and white."""
    if array.dtype.kind == "f":
        _refuse_not_finite(array)
    low, high = float(array.min()), float(array.max())
    return (low, high) if high > low else (low, low + 1.0)


def _from_tensor(X: Tensor) -> np.ndarray:
    X = X.detach().cpu().to_dense()
    return np.asarray((X.float() if X.dtype is torch.bfloat16 else X).numpy())  # NumPy has no such type


def _from_nested(X: Any) -> np.ndarray:
    """Return nested lists, tables and other containers as an array."""
    try:
        return np.asarray(X)
    except ValueError:
        raise ValueError(
            "`X` must hold images of one size. Received: a sequence whose parts have different shapes. Scale the "
            "images to one size, or give a list of files, which are scaled while they are read."
        ) from None


def _from_rows(estimator: Any, X: Any, layout: tuple[int, int, int, bool], *, reset: bool) -> np.ndarray:
    """Cut rows of numbers into images."""
    rows = validate_data(estimator, X, reset=reset, dtype="numeric")
    if rows.dtype.kind == "O":
        rows = rows.astype(np.float64)
    h, w, c, planes = layout
    n_features = rows.shape[1]
    known = int(np.prod([n for n in (h, w, c) if n > 0]))
    if (-1 in (h, w, c) and n_features % known) or (-1 not in (h, w, c) and n_features != known):
        raise ValueError(
            f"`X` must have rows of {known} numbers, or a multiple where `input_shape` holds -1, to be cut into images "
            f"of input_shape={tuple(estimator.input_shape)!r}. Received: X of shape {rows.shape}."
        )
    if planes:
        return np.ascontiguousarray(rows.reshape(len(rows), c, h, w).transpose(0, 2, 3, 1))
    return np.asarray(rows.reshape(len(rows), h, w, c))


def _from_images(array: np.ndarray, name: str) -> np.ndarray:
    """Check the shape and type of an array of images and give it its axis of channels."""
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: `X` must hold real numbers. Received: X of {array.dtype}.")
    if array.dtype.kind == "O":
        try:
            array = np.asarray(array.tolist(), dtype=None if _all_numbers(array) else np.float64)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"`X` must hold numbers. Received: an array of objects ({error}). "
                "argument must be a string or a number, or X a list of image files."
            ) from None
    if array.dtype.kind not in "fiub":
        raise ValueError(f"`X` must hold numbers, or paths of images. Received: X of {array.dtype}.")
    shape = array.shape
    if array.ndim == 2 or array.ndim < 2:
        raise ValueError(
            "`X` must hold images: shape (n, h, w), or (n, h, w, channels). "
            f"Received: X of shape {shape}. Pass input_shape=(h, w) or (h, w, channels) for images laid out as rows"
            f"{', and X[np.newaxis] for one image' if array.ndim == 2 else ''}."
        )
    if array.ndim > 4:
        raise ValueError(f"`X` must have 3 axes, or 4 with the channels last. Received: X of shape {shape}.")
    if shape[0] == 0:
        raise ValueError(f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required by {name}.")
    if 0 in shape:
        raise ValueError(f"`X` must hold images with at least one pixel. Received: X of shape {shape}.")
    if array.ndim == 3:
        if shape[2] in (3, 4) and min(shape[:2]) >= 16:
            raise ValueError(
                f"`X` must hold several images. Received: X of shape {shape}, which looks like one image in colour. "
                "Use X[np.newaxis]."
            )
        return array[..., np.newaxis]
    if shape[1] in _USUAL_CHANNELS and shape[3] not in _USUAL_CHANNELS:
        raise ValueError(
            f"`X` must have its channels last: (n, h, w, channels). Received: X of shape {shape}, which looks "
            "channels-first. Use X.transpose(0, 2, 3, 1), or X.permute(0, 2, 3, 1) of a tensor."
        )
    if shape[3] > MAX_CHANNELS:
        raise ValueError(
            f"`X` must have at most {MAX_CHANNELS} channels, on its last axis. Received: X of shape {shape}."
        )
    return array


def _all_numbers(array: np.ndarray) -> bool:
    return all(isinstance(value, Real) for value in array.flat)


def _other_shape(shape: tuple[int, ...], fitted: tuple[int, int, int]) -> ValueError:
    h, w, c = fitted
    what = "channels" if shape[1:3] == (h, w) else "size"
    return ValueError(
        f"`X` must hold images of the {what} that was learned: shape (n, {h}, {w}, {c}). "
        f"Received: X of shape {tuple(shape)}."
    )


def _as_pixels(array: np.ndarray, limits: tuple[float, float] | None, *, checked: bool) -> np.ndarray:
    """Bring values to 0 to 255 in uint8, or 0 to 1 in float32."""
    if array.dtype == np.uint8 and limits is None:
        return array
    if array.dtype.kind == "f":
        _refuse_not_finite(array)
    if limits is None:
        if array.dtype.kind == "b":
            return array.astype(np.float32)
        if array.dtype.kind in "iu":
            _refuse_outside(array, 0, 255, "0 to 255 for whole numbers")
            return array.astype(np.uint8)
        limits = (0.0, 1.0)
    low, high = limits
    if checked:
        _refuse_outside(array, low, high, f"{low:g} to {high:g}")
    if limits == (0.0, 1.0):
        return array.astype(np.float32, copy=False)
    return ((array - np.float64(low)) / (high - low)).astype(np.float32)


def _refuse_not_finite(array: np.ndarray) -> None:
    finite = np.isfinite(array.reshape(len(array), -1)).all(axis=1)
    if not finite.all():
        first = int(np.argmin(finite))
        what = "NaN" if np.isnan(array[first]).any() else "infinity"
        raise ValueError(f"Input X contains {what}. `X` must hold finite numbers. Received: {what} in X[{first}].")


def _refuse_outside(array: np.ndarray, low: float, high: float, what: str) -> None:
    smallest, largest = float(array.min()), float(array.max())
    slack = _SLACK * (high - low)
    if smallest < low - slack or largest > high + slack:
        hint = (
            "Divide by 255 or give uint8"
            if smallest >= 0 and 1 < largest <= 255 and array.dtype.kind == "f"
            else f"Say what black and white are: value_range=({smallest:g}, {largest:g})"
        )
        raise ValueError(f"`X` must lie in {what}. Received: values from {smallest:g} to {largest:g}. {hint}.")
