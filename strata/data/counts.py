"""Counts of genes in cells: whether a matrix holds raw counts, what its rows add up to, and thinned copies of it.

A matrix is an array or a sparse matrix of shape (cells, genes). No function here makes a sparse matrix dense.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_random_state

from strata.errors import DataError

__all__ = ["check_counts", "log_moments", "thin_counts", "total_counts"]

#: Numbers of a matrix that are looked at together.
_AT_ONCE = 1 << 22
#: A variance below this share of the squared mean is what rounding leaves of none.
_ROUNDED = 1e-12
#: Whole numbers up to here are exact in single precision.
_LARGEST = 1 << 24


def _is_sparse(X: Any) -> bool:
    return bool(issparse(X))


def check_counts(X: Any, *, name: str = "X") -> None:
    """Refuse what cannot be raw counts.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_cells, n_genes)
        Numbers of any real type.
    name : str, default="X"
        What the message calls them.

    Raises
    ------
    DataError
        If a number is negative, not whole, not finite or beyond the whole numbers of single precision, or if all of
        them are 0. The message says what the numbers look like and where the counts may be.

    Notes
    -----
    The losses of counts are likelihoods of whole numbers. Normalised, log-transformed or batch-corrected values pass
    through them without an error and teach the wrong thing.

    Examples
    --------
    >>> check_counts(np.array([[0, 3], [2, 0]]))
    >>> check_counts(np.log1p([[0.0, 3.0], [2.0, 0.0]]))
    Traceback (most recent call last):
    ...
    strata.errors.DataError: `X` must hold raw counts, whole numbers of 0 or more. Received: 1.38629 in...
    """
    values = X.data if _is_sparse(X) else X
    if values.dtype.kind not in "fiub":
        raise DataError(f"`{name}` must hold raw counts, whole numbers of 0 or more. Received: dtype {values.dtype}.")
    found = False
    for start, part in _pieces(values):
        wrong = _wrong(part)
        if wrong.any():
            first = int(np.argmax(wrong.ravel()))
            raise _no_counts(X, name, first, start, _looks(values))
        found = found or bool(part.any())
    if not found:
        raise DataError(f"`{name}` must hold raw counts. Received: no count above 0 in {X.shape[0]} cells.")


def _pieces(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield parts of an array along its first axis, with the place where each begins."""
    width = max(1, int(np.prod(values.shape[1:])))
    n_rows = max(1, _AT_ONCE // width)
    for start in range(0, len(values), n_rows):
        yield start, values[start : start + n_rows]


def _wrong(part: np.ndarray) -> np.ndarray:
    if part.dtype.kind in "ub":
        return np.zeros(part.shape, dtype=bool) if part.dtype.itemsize < 4 else part > _LARGEST
    if part.dtype.kind == "i":
        return (part < 0) | (part > _LARGEST)
    if part.dtype.itemsize < 4:
        part = part.astype(np.float32)  # half precision does not reach the limit
    with np.errstate(invalid="ignore"):
        wrong: np.ndarray = ~((part >= 0) & (part <= _LARGEST)) | (np.floor(part) != part)
    return wrong


def _no_counts(X: Any, name: str, first: int, start: int, looks: str) -> DataError:
    """Say which number is no count, where it stands, and what the whole looks like."""
    if _is_sparse(X):
        place = X.tocoo()
        row, column, value = place.row[start + first], place.col[start + first], place.data[start + first]
    else:
        row, column = start + first // X.shape[1], first % X.shape[1]
        value = X[row, column]
    where = f"{float(value):.6g} in row {row}, column {column}"
    return DataError(
        f"`{name}` must hold raw counts, whole numbers of 0 or more. Received: {where}{looks}. Give the counts as they "
        "were measured, such as layer='counts' of an AnnData object, and not what was normalised or log-transformed."
    )


def _looks(values: np.ndarray) -> str:
    """Describe numbers that are no counts by a look at some of them."""
    some = np.asarray(values.reshape(-1)[: 1 << 20], dtype=np.float64)
    some = some[np.isfinite(some) & (some != 0)]
    if not some.size:
        return ""
    if (some < 0).any():
        return f" (Negative values in data: {np.mean(some < 0):.0%}, as after centring or batch correction)"
    broken = np.mean(some != np.floor(some))
    if broken < 0.5:
        return ""
    what = "a logarithm" if some.max() < 20 else "normalisation"
    return f" ({broken:.0%} of the numbers above 0 are not whole, as after {what})"


def total_counts(X: Any) -> np.ndarray:
    """Add up the counts of each cell.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_cells, n_genes)
        Counts.

    Returns
    -------
    totals : ndarray of shape (n_cells,), float64
        Library size of each cell.

    Examples
    --------
    >>> total_counts(np.array([[0, 3], [2, 0]], dtype=np.uint16))
    array([3., 2.])
    """
    return np.asarray(X.sum(axis=1, dtype=np.float64)).reshape(-1)


def log_moments(X: Any, size_factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Compute mean and standard deviation of each gene's logarithm, over cells of one size.

    Parameters
    ----------
    X : ndarray or sparse matrix in compressed rows, of shape (n_cells, n_genes)
        Counts.
    size_factors : ndarray of shape (n_cells,)
        What the counts of each cell are divided by, > 0.

    Returns
    -------
    mean, std : ndarray of shape (n_genes,), float64
        Of :math:`\log(1 + x_{ig} / s_i)` over cells i.

    Examples
    --------
    >>> mean, std = log_moments(np.array([[0.0, 6.0], [2.0, 0.0]]), np.array([1.0, 2.0]))
    >>> mean.round(4), std.round(4)
    (array([0.3466, 0.973 ]), array([0.3466, 0.973 ]))
    """
    n_cells, n_genes = X.shape
    first, second = np.zeros(n_genes), np.zeros(n_genes)
    n_rows = max(1, _AT_ONCE // max(1, n_genes))
    for start in range(0, n_cells, n_rows):
        part, sizes = X[start : start + n_rows], size_factors[start : start + n_rows]
        if _is_sparse(part):
            part = part.tocsr()
            logs = np.log1p(part.data / np.repeat(sizes, np.diff(part.indptr)))
            first += np.bincount(part.indices, weights=logs, minlength=n_genes)
            second += np.bincount(part.indices, weights=logs**2, minlength=n_genes)
        else:
            logs = np.log1p(part / sizes[:, None])
            first += logs.sum(axis=0)
            second += (logs**2).sum(axis=0)
    mean = first / n_cells
    variance = second / n_cells - mean**2
    return mean, np.sqrt(np.where(variance > _ROUNDED * mean**2, variance, 0.0))


def _split(counts: np.ndarray, fraction: float, generator: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    whole = counts.astype(np.int64)
    kept = generator.binomial(whole, fraction)
    return kept.astype(counts.dtype), (whole - kept).astype(counts.dtype)


def thin_counts(X: Any, fraction: float, *, random_state: int | np.random.RandomState | None = None) -> tuple[Any, Any]:
    """Split each count at random into one that is kept and one that is held out.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_cells, n_genes)
        Counts.
    fraction : float
        Share of the counts that is kept, in (0, 1).
    random_state : int, RandomState or None, default=None
        Source of the draws.

    Returns
    -------
    kept, held_out : ndarray or sparse matrix of shape (n_cells, n_genes)
        Two matrices of the kind and type of ``X`` that add up to it.

    Raises
    ------
    DataError
        If ``X`` holds no raw counts.
    ValueError
        If ``fraction`` is not between 0 and 1.

    Notes
    -----
    Each molecule that was counted is kept with probability ``fraction``, independently: binomial thinning. It is what
    sequencing less deeply would have given. Of a Poisson count the two parts are independent, so what is held out
    judges means that were estimated from what was kept, times ``(1 - fraction) / fraction``.

    Examples
    --------
    >>> kept, held_out = thin_counts(np.array([[40, 0], [9, 100]]), 0.9, random_state=0)
    >>> (kept + held_out).tolist(), bool((held_out >= 0).all())
    ([[40, 0], [9, 100]], True)
    """
    if not 0 < fraction < 1:
        raise ValueError(f"`fraction` must be between 0 and 1. Received: fraction={fraction!r}.")
    X = X.tocsr() if _is_sparse(X) else np.asarray(X)
    check_counts(X)
    generator = check_random_state(random_state)
    if not _is_sparse(X):
        return _split(X, fraction, generator)
    kept, held_out = X.copy(), X.copy()
    kept.data, held_out.data = _split(X.data, fraction, generator)
    for matrix in (kept, held_out):
        matrix.eliminate_zeros()
    return kept, held_out
