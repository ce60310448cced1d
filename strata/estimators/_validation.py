"""Validation rows: set aside from the training rows or handed in, and looked at after every epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.model_selection import train_test_split
from torch import Tensor

from strata.nn.dense import DenseNetwork
from strata.rules.base import Rule

__all__ = ["Validation", "as_tensor", "is_sparse", "outputs_of", "split_rows"]

#: Rows of a sparse matrix that are made dense at a time.
ROWS_AT_ONCE = 4096


def is_sparse(X: Any) -> bool:
    """Whether rows are a sparse matrix."""
    return bool(sparse.issparse(X))


def as_tensor(array: np.ndarray, dtype: torch.dtype) -> Tensor:
    """Return an array as a tensor, without a copy where its type, order and flags allow that."""
    wanted = np.float32 if dtype == torch.float32 else np.float64
    array = np.ascontiguousarray(array, dtype=wanted)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def outputs_of(network: DenseNetwork, X: Any) -> tuple[Tensor, Tensor]:
    """Return the scores of the output layer and its activations for rows, dense or sparse."""
    parameter = network.weights[0]
    if is_sparse(X):
        rows = X.tocsr()
        parts = [
            outputs_of(network, rows[start : start + ROWS_AT_ONCE].toarray())
            for start in range(0, max(1, rows.shape[0]), ROWS_AT_ONCE)
        ]
        return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
    x = X if isinstance(X, Tensor) else as_tensor(X, parameter.dtype)
    if network.training:
        network.eval()
    with torch.no_grad():
        scores = network(x.to(parameter.device))
        return scores, network.spec.activate(scores)


def split_rows(
    n_rows: int, *, fraction: float, stratify: np.ndarray | None, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the rows to train on and the rows to validate on, with scikit-learn's draws."""
    train, held_out = train_test_split(
        np.arange(n_rows), random_state=random_state, test_size=fraction, stratify=stratify
    )
    if len(held_out) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    return train, held_out


@dataclass
class Validation:
    """Rows to look at after an epoch.

    Calling it gives the loss, without the penalty, and the score of the network as it is.
    """

    x: Any
    targets: np.ndarray
    sample_weight: np.ndarray | None
    network: DenseNetwork
    loss: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    score: Callable[[np.ndarray, np.ndarray, np.ndarray | None], float]

    def __post_init__(self) -> None:
        dtype = self.network.weights[0].dtype
        if not is_sparse(self.x):
            self.x = as_tensor(self.x, dtype)
        self._y = as_tensor(self.targets, dtype)
        self._weight = None if self.sample_weight is None else as_tensor(self.sample_weight, dtype)

    def __call__(self, rule: Rule) -> dict[str, float]:
        """Return ``{"val_loss": ..., "val_score": ...}``."""
        scores, outputs = outputs_of(self.network, self.x)
        device = scores.device
        weight = None if self._weight is None else self._weight.to(device)
        loss = float(self.loss(scores, self._y.to(device), weight))
        values = outputs.cpu().numpy()
        if not np.isfinite(values).all():
            return {"val_loss": loss, "val_score": float("nan")}
        with np.errstate(over="ignore", invalid="ignore"):  # of a run that is about to blow up
            score = self.score(values, self.targets, self.sample_weight)
        return {"val_loss": loss, "val_score": score}
