"""The loss around a point of the weight space, along two directions, with the way that the optimizer took."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state

__all__ = ["loss_surface", "path_directions"]

Floats = NDArray[np.float64]


def path_directions(path: ArrayLike, *, random_state: int = 0) -> tuple[Floats, Floats]:
    """Return the two directions along which a path varies most about its end.

    Parameters
    ----------
    path : array-like of shape (n_moments, n_parameters)
        All weights as one vector, moment after moment; the last is the centre.
    random_state : int, default=0
        Seed of directions that the path does not give, as when it has a single moment.

    Returns
    -------
    directions : ndarray of shape (2, n_parameters)
        Of length 1 and orthogonal; with a single parameter the second is zero.
    shares : ndarray of shape (2,)
        Share of the squared distances from the end that each accounts for; 0 for a direction drawn at random.

    Raises
    ------
    ValueError
        If ``path`` is not a finite table.

    Notes
    -----
    The principal directions of the path without centring on its mean, H. Li et al. [1]_, section 7. The sign of a
    direction is chosen so that the path begins on its negative side.

    References
    ----------
    .. [1] H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein, "Visualizing the Loss Landscape of Neural Nets", NeurIPS
       2018, arXiv:1712.09913.

    Examples
    --------
    >>> directions, shares = path_directions([[0.0, 0.0, 3.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    >>> abs(directions[0]).round(3).tolist(), shares.round(3).tolist()
    ([0.0, 0.0, 1.0], [1.0, 0.0])
    """
    table = np.asarray(path, dtype=np.float64)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise ValueError(f"`path` must be a finite table of moments. Received: an array of shape {table.shape}.")
    offsets = table - table[-1]
    _, sizes, rows = np.linalg.svd(offsets, full_matrices=False)
    squares = sizes**2
    total = float(squares.sum())
    known = [row for row, square in zip(rows[:2], squares[:2], strict=True) if square > 1e-24 * max(total, 1e-300)]
    shares = np.zeros(2)
    shares[: len(known)] = squares[: len(known)] / total if total else 0.0
    known = [row if offsets[0] @ row <= 0 else -row for row in known]
    draws = check_random_state(random_state)
    while len(known) < 2:
        row = draws.normal(size=table.shape[1])
        for other in known:
            row = row - (row @ other) * other
        length = float(np.linalg.norm(row))
        known.append(row / length if length > 1e-12 else np.zeros_like(row))
    return np.stack(known), shares


def loss_surface(
    loss: Callable[[Floats], float], centre: ArrayLike, directions: ArrayLike, x: ArrayLike, y: ArrayLike
) -> Floats:
    """Compute a loss on a grid of weights.

    Parameters
    ----------
    loss : callable
        ``loss(weights)`` of one vector; NaN and infinity are kept.
    centre : array-like of shape (n_parameters,)
        Weights at the coordinates (0, 0).
    directions : array-like of shape (2, n_parameters)
        Along which to go.
    x : array-like of shape (n_x,)
        Coordinates along the first direction.
    y : array-like of shape (n_y,)
        Coordinates along the second.

    Returns
    -------
    losses : ndarray of shape (n_y, n_x)
        ``loss(centre + x[j] * directions[0] + y[i] * directions[1])``.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> loss_surface(lambda w: float(w @ w), [0.0, 1.0], [[1.0, 0.0], [0.0, 1.0]], [0.0, 2.0], [-1.0, 0.0]).tolist()
    [[0.0, 4.0], [1.0, 5.0]]
    """
    middle, along = np.asarray(centre, dtype=np.float64), np.asarray(directions, dtype=np.float64)
    if middle.ndim != 1 or along.shape != (2, len(middle)):
        raise ValueError(
            "`directions` must have shape (2, n_parameters) for a centre of n_parameters. "
            f"Received: directions of shape {along.shape}, centre of shape {middle.shape}."
        )
    columns, rows = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    return np.array([[loss(middle + a * along[0] + b * along[1]) for a in columns] for b in rows], dtype=np.float64)
