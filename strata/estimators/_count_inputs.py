"""Cells in the forms that people have them in: arrays, sparse matrices, tables, AnnData objects and .h5ad files."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import _check_n_features, check_array, column_or_1d, validate_data

from strata.data import ArraySource, SparseSource, check_counts, read_h5ad, total_counts
from strata.estimators._validation import is_sparse

__all__ = ["Cells", "has_annotations", "labels_of_cells", "number_of_batch", "opened", "read_cells", "subset"]


@dataclass(frozen=True)
class Cells:
    """Checked counts of some cells."""

    counts: Any  # ndarray or csr
    totals: np.ndarray
    batch: np.ndarray | None  # numbers of the batches

    def __len__(self) -> int:
        return int(self.counts.shape[0])

    @property
    def n_entries(self) -> int:
        """Counts, those of 0 among them."""
        return int(self.counts.shape[0]) * int(self.counts.shape[1])

    @property
    def sizes(self) -> np.ndarray:
        """Library sizes; a cell without counts has that of a single one, so that it has a logarithm."""
        sizes: np.ndarray = np.maximum(self.totals, 1.0)
        return sizes

    def take(self, rows: np.ndarray) -> Cells:
        """Return some of the cells."""
        return Cells(self.counts[rows], self.totals[rows], None if self.batch is None else self.batch[rows])

    def source(self, covariates: np.ndarray, **options: Any) -> ArraySource | SparseSource:
        """Return batches of counts, each made dense when it is its turn, with their covariates."""
        kind = SparseSource if is_sparse(self.counts) else ArraySource
        return kind(self.counts, covariates, **options)


def has_annotations(X: Any) -> bool:
    """Whether something is an AnnData object, or speaks like one."""
    return all(hasattr(X, name) for name in ("X", "obs", "var_names", "layers"))


def opened(X: Any, *, layer: str | None, columns: list[str]) -> Any:
    """Return what is in a .h5ad file, with the asked layer as its counts; other things as they are."""
    return read_h5ad(X, layer=layer, columns=columns) if isinstance(X, (str, os.PathLike)) else X


def read_cells(estimator: Any, X: Any, batch: Any, *, reset: bool, told: bool = True, name: str = "X") -> Cells:
    """Check cells of the user's, and learn or compare the names of their genes."""
    key = getattr(estimator, "batch_key", None) if told else None
    X = opened(X, layer=estimator.layer, columns=[] if key is None or batch is not None else [key])
    if has_annotations(X):
        counts = _annotated(estimator, X, reset=reset, name=name)
        if batch is None and key is not None:
            batch = labels_of_cells(X, key, parameter="batch_key")
    else:
        counts = validate_data(estimator, X, reset=reset, **_options(reset))
    if is_sparse(counts) and not counts.has_canonical_format:  # entries of one place are one count
        counts = counts.copy()
        counts.sum_duplicates()
    check_counts(counts, name=name)
    totals = total_counts(counts)
    empty = int((totals == 0).sum())
    if empty:
        warnings.warn(
            f"{empty} of {len(totals)} cells have no counts and say nothing: leave them out with X[X.sum(axis=1) > 0].",
            UserWarning,
            stacklevel=6,
        )
    return Cells(counts, totals, _numbers(estimator, batch, len(totals), reset=reset) if told else None)


def _options(reset: bool) -> dict[str, Any]:
    return {"accept_sparse": "csr", "dtype": "numeric", "ensure_min_samples": 2 if reset else 1}


def _annotated(estimator: Any, adata: Any, *, reset: bool, name: str) -> Any:
    """Return the counts of an AnnData object, whose variables must be the genes of the training data."""
    layer = estimator.layer
    if layer is not None and layer not in adata.layers:
        known = ", ".join(map(repr, adata.layers)) or "none"
        raise ValueError(f"`layer` must be a layer of `{name}`. Received: layer={layer!r}. It has: {known}.")
    matrix = adata.X if layer is None else adata.layers[layer]
    if matrix is None:
        raise ValueError(f"`{name}` must hold counts. Received: an AnnData object without X; name a layer.")
    if hasattr(matrix, "to_memory"):  # sparse rows of a file that is open
        matrix = matrix.to_memory()
    elif not is_sparse(matrix):
        matrix = np.asarray(matrix[:])
    counts = check_array(matrix, input_name=name, estimator=estimator, **_options(reset))
    _check_n_features(estimator, counts, reset=reset)
    names = np.asarray(adata.var_names, dtype=object)
    if reset:
        estimator.feature_names_in_ = names
    elif hasattr(estimator, "feature_names_in_") and not np.array_equal(names, estimator.feature_names_in_):
        column = int(np.argmax(names != estimator.feature_names_in_))
        raise ValueError(
            f"`{name}` must have the genes of the training data in their order. Received: {names[column]!r} in column "
            f"{column}, where {estimator.feature_names_in_[column]!r} was. Take adata[:, model.feature_names_in_]."
        )
    return counts


def labels_of_cells(adata: Any, key: str, *, parameter: str) -> np.ndarray:
    """Return a column of the annotations of cells."""
    if key not in adata.obs:
        known = ", ".join(map(repr, adata.obs)) or "none"
        raise ValueError(f"`{parameter}` must be a column of obs. Received: {parameter}={key!r}. It has: {known}.")
    return np.asarray(adata.obs[key])


def _numbers(estimator: Any, batch: Any, n_cells: int, *, reset: bool) -> np.ndarray | None:
    """Return the number of each cell's batch, and learn the batches."""
    if not hasattr(estimator, "batch_key"):
        return None
    if batch is None:
        if reset:
            estimator.batches_ = None
        elif estimator.batches_ is not None:
            raise ValueError(
                f"`batch` must have a label of {estimator.batches_.tolist()} for each cell. Received: batch=None."
            )
        return None
    labels = column_or_1d(batch)
    if len(labels) != n_cells:
        raise ValueError(
            f"`batch` must have one label for each cell. Received: {len(labels)} labels for {n_cells} cells."
        )
    missing = int(pd.isna(labels).sum())
    if missing:
        raise ValueError(f"`batch` must have a label for each cell. Received: none for {missing} of {n_cells} cells.")
    if reset:
        estimator.batches_ = _sorted_labels(labels)
    if estimator.batches_ is None:
        raise ValueError("`batch` must be None, as it was in fit. Received: labels.")
    places = {label: number for number, label in enumerate(estimator.batches_.tolist())}
    numbers = np.array([places.get(label, -1) for label in labels.tolist()], dtype=np.int64)
    if (numbers < 0).any():
        raise ValueError(
            f"`batch` must hold batches of the training data, {estimator.batches_.tolist()}. "
            f"Received: {labels.tolist()[int(np.argmin(numbers))]!r}."
        )
    return numbers


def _sorted_labels(labels: np.ndarray) -> np.ndarray:
    try:
        return np.unique(labels)
    except TypeError:  # labels that have no order among them
        kinds = ", ".join(sorted({type(label).__name__ for label in labels.tolist()}))
        raise ValueError(f"`batch` must hold labels of one kind. Received: {kinds}.") from None


def number_of_batch(estimator: Any, label: Any) -> int:
    """Return the number of a batch that cells are decoded into."""
    known = [] if estimator.batches_ is None else estimator.batches_.tolist()
    if label not in known:
        raise ValueError(f"`to_batch` must be one of {known}. Received: to_batch={label!r}.")
    return int(known.index(label))


def subset(genes: Any, estimator: Any) -> np.ndarray | None:
    """Return the numbers of the genes that are asked for by name, number or mask; None for all."""
    if genes is None:
        return None
    wanted = np.asarray([genes] if isinstance(genes, (str, int, np.integer)) else genes)
    n_genes = int(estimator.n_features_in_)
    if wanted.dtype == bool and wanted.shape == (n_genes,):
        return np.flatnonzero(wanted)
    if wanted.ndim == 1 and wanted.dtype.kind in "iu" and wanted.size and (abs(wanted + 0.5) < n_genes).all():
        return wanted % n_genes
    names = getattr(estimator, "feature_names_in_", None)
    if wanted.ndim == 1 and wanted.size and wanted.dtype.kind in "OUT" and names is not None:
        places = {str(each): place for place, each in reversed(list(enumerate(names)))}
        missing = [each for each in map(str, wanted) if each not in places]
        if not missing:
            return np.array([places[each] for each in map(str, wanted)])
        raise ValueError(f"`genes` must be genes of the training data. Received: {missing[0]!r}, which is none.")
    raise ValueError(
        f"`genes` must be names, numbers from 0 to {n_genes - 1} or a mask of {n_genes}. Received: genes={genes!r}."
    )
