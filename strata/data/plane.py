"""Features of points in a plane, those that the TensorFlow Playground offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strata._names import unknown_name

__all__ = ["PLANE_FEATURES", "plane_features"]

Floats = NDArray[np.float64]

#: Every feature by name: a function of both coordinates.
PLANE_FEATURES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "x1": lambda x1, x2: x1,
    "x2": lambda x1, x2: x2,
    "x1^2": lambda x1, x2: x1 * x1,
    "x2^2": lambda x1, x2: x2 * x2,
    "x1x2": lambda x1, x2: x1 * x2,
    "sin x1": lambda x1, x2: np.sin(x1),
    "sin x2": lambda x1, x2: np.sin(x2),
}


def plane_features(points: ArrayLike, names: Sequence[str] = ("x1", "x2")) -> Floats:
    """Return features of points in a plane as columns.

    Parameters
    ----------
    points : array-like of shape (n, 2)
        Coordinates ``(x1, x2)``.
    names : sequence of str, default=("x1", "x2")
        Names of :data:`PLANE_FEATURES`: the coordinates, their squares, their product, their sines.

    Returns
    -------
    features : ndarray of shape (n, n_names), float64
        One column a name, in the order given.

    Raises
    ------
    ValueError
        If the shape is not ``(n, 2)``, no name is given, or a name is unknown.

    Examples
    --------
    >>> plane_features([[2.0, -3.0]], ["x2", "x1^2", "x1x2"]).tolist()
    [[-3.0, 4.0, -6.0]]
    """
    coordinates = np.asarray(points, dtype=np.float64)
    if coordinates.ndim != 2 or coordinates.shape[1] != 2:
        raise ValueError(f"`points` must have shape (n, 2). Received: points of shape {coordinates.shape}.")
    if not len(names):
        raise ValueError("`names` must hold at least one feature. Received: names=[].")
    for name in names:
        if name not in PLANE_FEATURES:
            raise ValueError(unknown_name("feature", name, PLANE_FEATURES))
    x1, x2 = coordinates[:, 0], coordinates[:, 1]
    return np.stack([PLANE_FEATURES[name](x1, x2) for name in names], axis=1)
