"""A network whose targets are numbers: how they are checked, and which output units serve them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import xlogy
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils.validation import validate_data

from strata.estimators._mlp_base import BaseMLP
from strata.estimators._parameters import loss_options, output_activation
from strata.nn.dense import Head

__all__ = ["REGRESSION_LOSSES", "RegressionMLP"]

#: Losses that a regressor knows by name.
REGRESSION_LOSSES = ("half_squared", "huber", "mae", "mse", "poisson", "rss", "squared_error")


class RegressionMLP(BaseMLP):
    """What a regressor asks of its targets."""

    loss: str | Callable[..., Any]

    def _validate_input(
        self, X: Any, y: Any, *, incremental: bool, reset: bool
    ) -> tuple[Any, np.ndarray, np.ndarray | None]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=True,
            dtype=(np.float64, np.float32),
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError(f"`y` must be 0 or more for loss='poisson'. Received: min(y)={y.min()!r}.")
        targets = np.ascontiguousarray(y.reshape(len(y), -1), dtype=X.dtype)
        if reset:
            self._n_targets = targets.shape[1]
        elif targets.shape[1] != self._n_known_targets():
            raise ValueError(
                f"`y` must have {self._n_known_targets()} output(s), as before. Received: {targets.shape[1]}."
            )
        return X, targets, None

    def _n_known_targets(self) -> int:
        return int(self.coefs_[-1].shape[-1]) if hasattr(self, "coefs_") else int(self._n_targets)

    def _encode_validation(self, X: Any, y: Any) -> tuple[Any, np.ndarray, np.ndarray | None]:
        return self._validate_input(X, y, incremental=True, reset=False)

    def _heads(self) -> tuple[Head, ...]:
        size = self._n_targets if hasattr(self, "_n_targets") else self._n_known_targets()
        name = "squared_error" if callable(self.loss) else self.loss
        activation = output_activation(self.out_activation, Head(size, name))
        return (Head(size, name, activation=activation, loss_options=loss_options(self.loss_options)),)

    def _report_scale(self) -> float:
        """Half the squares are learned as a sum over the outputs, and reported as a mean."""
        return 1.0 / self._n_targets if self.loss == "squared_error" else 1.0

    def _loss_curve_offset(self, targets: np.ndarray, sample_weight: np.ndarray | None) -> float:
        """Half the Poisson deviance is the loss plus what depends on the targets alone."""
        if self.loss != "poisson":
            return 0.0
        return float(np.average(xlogy(targets, targets) - targets, weights=sample_weight, axis=0).sum())

    def _score_outputs(self, outputs: np.ndarray, targets: np.ndarray, sample_weight: np.ndarray | None) -> float:
        return float(r2_score(targets, outputs, sample_weight=sample_weight))
