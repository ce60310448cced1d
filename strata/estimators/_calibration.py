"""Calibrated probabilities: rows that the network does not learn from, and the temperature they give."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split

from strata.estimators._mlp_base import BaseMLP, Rows
from strata.estimators._validation import outputs_of
from strata.functional.calibration import fit_temperature
from strata.rules.optimizers import LBFGS

__all__ = ["CalibratedMLP"]

#: Rows from which a temperature is fitted, at least.
_FEWEST = 2


class CalibratedMLP(BaseMLP):
    """Base of a classifier whose logits can be divided by a temperature that is fitted on held-out rows."""

    calibrate: bool = False

    def _validate_params(self) -> None:
        super()._validate_params()
        if not self.calibrate:
            return
        if self.loss == "hinge":
            raise ValueError(
                "`calibrate` must be False when loss='hinge', whose scores are no probabilities. "
                "Received: calibrate=True. Use loss='log_loss'."
            )
        if self.out_activation not in ("auto", "logistic", "softmax"):
            raise ValueError(
                "`calibrate` must be False unless the outputs are probabilities. Received: calibrate=True, "
                f"out_activation={self.out_activation!r}. Use out_activation='auto'."
            )

    def _set_aside(self, rows: Rows, *, own_validation: bool) -> tuple[Rows, Rows | None]:
        """Hold rows out for the temperature, where the fit has no others, with draws that change no other draw."""
        self.__dict__.pop("temperature_", None)  # it belongs to the weights of the earlier fit
        if not self.calibrate:
            return rows, None
        kind, activation = self._label_binarizer.y_type_, self._heads()[0].output_activation
        wanted = "softmax" if kind == "multiclass" else "logistic"
        if activation != wanted:
            raise ValueError(
                f"`out_activation` must be 'auto' or {wanted!r} when calibrate=True and `y` is {kind}. "
                f"Received: out_activation={self.out_activation!r}."
            )
        line_search = self.solver == "lbfgs" or isinstance(self.solver, LBFGS)  # these never stop early
        if own_validation or (self.early_stopping and not line_search):
            return rows, None
        n_rows = rows.x.shape[0]
        n_held_out = max(_FEWEST, math.ceil(float(self.validation_fraction) * n_rows))
        if not self.validation_fraction or n_rows <= n_held_out:
            raise ValueError(
                "`calibrate`=True needs rows that are not learned from: `validation_fraction` > 0, and at least "
                f"{_FEWEST + 1} rows. Received: validation_fraction={self.validation_fraction!r}, "
                f"n_samples = {n_rows}. Give X_val and y_val, or use calibrate=False."
            )
        parts = train_test_split(
            np.arange(n_rows),
            test_size=n_held_out,
            stratify=_strata(_class_numbers(rows.targets) if kind != "multilabel-indicator" else None, n_held_out),
            random_state=copy.deepcopy(self._random_state),
        )
        train_rows, held_out = (rows.take(part) for part in parts)
        return train_rows, held_out

    def _use_held_out(self, held_out: Rows | None) -> None:
        """Fit the temperature of the network that was learned."""
        if not self.calibrate or held_out is None:
            return
        scores, _ = outputs_of(self._network, held_out.x)
        softmax = self.out_activation_ == "softmax"
        targets = _class_numbers(held_out.targets) if softmax else held_out.targets
        weight = None if held_out.weight is None else torch.as_tensor(np.asarray(held_out.weight))
        self.temperature_ = fit_temperature(scores, torch.as_tensor(np.asarray(targets)), sample_weight=weight)

    def _probabilities(self, X: Any) -> np.ndarray:
        """Return the outputs as probabilities, calibrated where a temperature was learned."""
        temperature = getattr(self, "temperature_", None)
        if temperature is None:
            return self._outputs(X)
        scores, _ = self._scores_and_outputs(X)
        return np.asarray(self._current_network().spec.activate(scores / temperature).numpy())


def _class_numbers(targets: np.ndarray) -> np.ndarray:
    """Return the class of each row, of a column of class numbers or a table of 0 and 1."""
    return np.asarray(targets[:, 0] if targets.shape[1] == 1 else targets.argmax(axis=1)).astype(np.int64)


def _strata(classes: np.ndarray | None, n_held_out: int) -> np.ndarray | None:
    """Return the classes to stratify by, where each has a row for both sides."""
    if classes is None:
        return None
    counts = np.unique(classes, return_counts=True)[1]
    possible = counts.min() >= 2 and len(counts) <= min(n_held_out, len(classes) - n_held_out)
    return classes if possible else None
