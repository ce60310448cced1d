"""What a Boltzmann machine needs around its rule: saved values, what is said, and what is looked at after an epoch."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from torch import Tensor

from strata._threads import max_threads
from strata.data.sources import ArraySource, Source, SparseSource
from strata.engine import Callback, Checkpointing, Run
from strata.engine.history import History
from strata.estimators._save import SavedState
from strata.estimators._validation import as_tensor, is_sparse
from strata.nn.rbm import RBM, VISIBLE_KINDS
from strata.rules.base import Rule
from strata.rules.schedules import SCHEDULES

__all__ = ["RBMState", "RBM_CONSTRAINTS", "Teller", "Watch", "as_dense", "history_of", "machine_of", "rows_source"]

_POSITIVE = Interval(Real, 0, None, closed="neither")
_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
_WATCHED_ROWS = 10_000  # of the training rows, that held-out ones are compared with

#: What the arguments of :class:`BernoulliRBM` may be.
RBM_CONSTRAINTS: dict[str, Any] = {
    "n_components": [Interval(Integral, 1, None, closed="left")],
    "learning_rate": [_POSITIVE],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "n_iter": [Interval(Integral, 0, None, closed="left")],
    "verbose": ["verbose"],
    "random_state": ["random_state"],
    "visible": [StrOptions(set(VISIBLE_KINDS))],
    "persistent": ["boolean"],
    "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
    "sampling": [StrOptions({"all", "hidden", "none"})],
    "momentum": [Interval(Real, 0, 1, closed="left"), tuple, list],
    "momentum_epochs": [Interval(Integral, 0, None, closed="left")],
    "weight_decay": [_NOT_NEGATIVE],
    "sparsity_target": [Interval(Real, 0, 1, closed="neither"), None],
    "sparsity_cost": [_POSITIVE],
    "visible_bias_init": [StrOptions({"zeros", "data"})],
    "hidden_bias_init": [Real],
    "init_sigma": [_NOT_NEGATIVE],
    "shuffle": ["boolean"],
    "schedule": [StrOptions(set(SCHEDULES)), HasMethods("rates")],
    "engine": [StrOptions({"auto", "compiled", "torch"})],
    "n_threads": [Interval(Integral, 1, max_threads(), closed="both"), None],
    "callbacks": ["array-like", None],
    "checkpoint": [str, HasMethods("__fspath__"), Checkpointing, None],
    "resume": ["boolean"],
    "time_limit": [_POSITIVE, None],
    "progress": ["boolean"],
}


class RBMState(SavedState):
    """Learned values of :class:`BernoulliRBM`."""

    components_: np.ndarray
    intercept_hidden_: np.ndarray
    intercept_visible_: np.ndarray
    h_samples_: np.ndarray
    n_iter_: int
    stop_reason_: str
    history: dict[str, list[float]]


def history_of(columns: dict[str, list[float]]) -> History:
    """Return a history again from its columns."""
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError("the columns of the history have different lengths")
    history = History()
    if columns:
        history.load_state_dict(columns)
    return history


def machine_of(components: np.ndarray, visible_bias: np.ndarray, hidden_bias: np.ndarray, *, visible: str) -> RBM:
    """Return the machine of an estimator's arrays, as a copy."""
    return RBM.from_arrays(np.ascontiguousarray(components.T), visible_bias, hidden_bias, visible=visible)


def rows_source(
    X: Any,
    *,
    batch_size: int,
    shuffle: bool,
    random_state: np.random.RandomState | int | None,
    targets: np.ndarray | None = None,
) -> Source:
    """Return the batches of rows, dense or sparse."""
    kind = SparseSource if is_sparse(X) else ArraySource
    return kind(X, targets, batch_size=batch_size, shuffle=shuffle, random_state=random_state)


def as_dense(X: Any, dtype: torch.dtype) -> Tensor:
    """Return rows as a dense tensor."""
    return as_tensor(X.toarray() if is_sparse(X) else X, dtype)


class Teller(Callback):
    """Say every epoch in scikit-learn's words."""

    def __init__(self, name: str, score: Callable[[], float]) -> None:
        self._name, self._score = name, score
        self._begun = time.time()

    def on_epoch_end(self, run: Run) -> None:
        """Say the pseudo-likelihood and the time."""
        now = time.time()
        line = f"[{self._name}] Iteration {run.epoch}, pseudo-likelihood = {self._score():.2f}"
        sys.stdout.write(f"{line}, time = {now - self._begun:.2f}s\n")
        self._begun = now


class Watch:
    """Compare held-out rows with training rows after every epoch.

    Parameters
    ----------
    X_val : array or sparse matrix of shape (n, n_visible)
        Held-out rows.
    X : array or sparse matrix
        Training rows, of which as many are taken, from the first on.
    """

    def __init__(self, X_val: Any, X: Any) -> None:
        self._held_out = X_val
        self._seen = X[: min(X_val.shape[0], _WATCHED_ROWS)]

    def __call__(self, rule: Rule) -> dict[str, float]:
        """Return the mean free energy of the held-out rows minus that of training rows, and their reconstruction."""
        machine: RBM = rule.rbm  # type: ignore[assignment]
        with torch.no_grad():
            held_out = as_dense(self._held_out, machine.weight.dtype)
            seen = as_dense(self._seen, machine.weight.dtype)
            gap = float(machine.free_energy(held_out).double().mean() - machine.free_energy(seen).double().mean())
            again = machine.visible_mean(machine.hidden_probs(held_out))
            return {"free_energy_gap": gap, "reconstruction": float(((held_out - again) ** 2).double().mean())}
