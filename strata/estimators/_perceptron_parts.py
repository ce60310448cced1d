"""What a perceptron needs around its rule: saved values, a source of one batch, words, and where it begins."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from strata.data.sources import Batch, Batches
from strata.engine import Callback, Run
from strata.estimators._save import SavedState
from strata.estimators._validation import as_tensor, is_sparse
from strata.rules.perceptron import PerceptronRule

__all__ = ["Narrator", "OneBatch", "PerceptronState", "as_rows", "set_start"]


class PerceptronState(SavedState):
    """Learned values of :class:`Perceptron`."""

    classes_: np.ndarray
    coef_: np.ndarray
    intercept_: np.ndarray
    n_iter_: int
    t_: float
    errors_: list[float]
    loss_curve_: list[float]
    stop_reason_: str


class OneBatch:
    """A source whose every epoch is the same batch, in the same order; sparse inputs stay sparse."""

    n_batches: int | None = 1
    arrays: tuple[np.ndarray, np.ndarray | None, np.ndarray | None] | None = None
    order: np.ndarray | None = None

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.batch_size = int(batch.x.shape[0])

    def epoch(self, number: int) -> Batches:
        """Return the only epoch there is."""
        return self

    def take(self, start: int, stop: int) -> Iterator[Batch]:
        """Yield the only batch."""
        if start <= 0 < stop:
            yield self.batch

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: there is no order to remember."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take nothing back."""


class Narrator(Callback):
    """Say every epoch on the standard output."""

    def on_epoch_end(self, run: Run) -> None:
        """Say the loss and the part of the rows that were wrong."""
        figures = run.figures
        sys.stdout.write(f"-- Epoch {run.epoch}\nAvg. loss: {figures['loss']:f}, errors: {figures['error']:f}\n")


def as_rows(X: Any, dtype: torch.dtype) -> Tensor:
    if not is_sparse(X):
        return as_tensor(X, dtype)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse (CSR|invariant)", category=UserWarning)
        return torch.sparse_csr_tensor(
            torch.from_numpy(X.indptr.astype(np.int64)),
            torch.from_numpy(X.indices.astype(np.int64)),
            as_tensor(X.data, dtype),
            size=X.shape,
            check_invariants=False,
        )


def set_start(rule: PerceptronRule, coef_init: Any, intercept_init: Any) -> None:
    """Begin with weights and biases that are given."""
    for name, parameter, values in (
        ("coef_init", rule.weight, coef_init),
        ("intercept_init", rule.bias, intercept_init),
    ):
        if values is None:
            continue
        start = np.array(values, dtype=np.float64)
        if start.size != parameter.numel():
            raise ValueError(
                f"Provided {name} does not match dataset. `{name}` must have shape {tuple(parameter.shape)}. "
                f"Received: shape {start.shape}."
            )
        parameter.copy_(torch.from_numpy(start.reshape(tuple(parameter.shape))))
