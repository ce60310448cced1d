"""What looks on while an estimator is fitted: when to stop, what to say, and scikit-learn's own callbacks."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from strata.engine.callbacks import Callback, EarlyStopping
from strata.engine.run import Run

__all__ = ["Monitor", "ScikitLearnCallbacks", "finite_or_none", "say_waiting", "users_callbacks"]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def say_waiting(line: str) -> None:
    """Say what is waited for, on the standard error."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(line + "\n")


class Monitor(Callback):
    """Decide when to stop, keep the best weights, and say in scikit-learn's words how the run goes.

    It wraps :class:`strata.engine.EarlyStopping` and hands it the count of an earlier ``fit`` that is gone on with.
    """

    def __init__(self, *, by_score: bool, tol: float, patience: float, lower_rate: bool, restore: bool) -> None:
        self.by_score = by_score
        self.patience = patience
        self.stopping = EarlyStopping(
            "val_score" if by_score else "loss",
            mode="max" if by_score else "min",
            tol=tol,
            patience=patience,
            restore_best=restore,
            lower_rate=lower_rate,
        )
        self.verbose = False
        self.run: Run | None = None
        #: Rows seen in earlier fits; a schedule that counts rows hears of them after the first epoch.
        self.rows_before = 0

    def go_on(self, *, best: float, count: int, best_state: dict[str, Any] | None) -> None:
        """Take up the count where an earlier fit left it."""
        self.stopping.load_state_dict(
            {
                "monitor": self.stopping.monitor,
                "mode": self.stopping.mode,
                "best": best,
                "best_epoch": 0,
                "count": count,
                "best_state": best_state,
            }
        )

    def on_fit_begin(self, run: Run) -> None:
        """Remember the run, which is all there is of it after an interrupt."""
        self.run = run
        self.stopping.on_fit_begin(run)

    def on_epoch_end(self, run: Run) -> None:
        """Count the epoch and say its loss."""
        if self.verbose:
            _say(f"Iteration {run.epoch}, loss = {run.figures['loss']:.8f}")
            if "val_score" in run.figures:
                _say(f"Validation score: {run.figures['val_score']:f}")
        if self.rows_before:
            schedule = getattr(run.rule, "schedule", None)
            if schedule is not None:
                schedule.n_samples += self.rows_before
            self.rows_before = 0
        rate, reason = run.rule.rate, run.stop_reason
        self.stopping.on_epoch_end(run)
        if self.verbose and (run.stop_reason != reason or run.rule.rate != rate):
            self._say_why(run, lowered=run.stop_reason == reason)

    def _say_why(self, run: Run, *, lowered: bool) -> None:
        what = (
            "Validation score did not improve more than" if self.by_score else "Training loss did not improve more than"
        )
        message = f"{what} tol={self.stopping.tol:f} for {self.patience:.0f} consecutive epochs."
        if lowered:
            message += f" Setting learning rate to {run.rule.rate:f}"
        else:
            message += " Learning rate too small. Stopping." if self.stopping.lower_rate else " Stopping."
        _say(message)

    def on_fit_end(self, run: Run) -> None:
        """Give the best weights back, where that is wanted."""
        self.stopping.on_fit_end(run)

    def restore(self) -> None:
        """Give the best weights back after a run that ended in an error."""
        if self.run is not None:
            self.stopping.on_fit_end(self.run)

    @property
    def best_state(self) -> dict[str, Any] | None:
        """State of the rule at its best epoch, where it is kept."""
        state: dict[str, Any] | None = self.stopping.state_dict()["best_state"]
        return state

    def state_dict(self) -> dict[str, Any]:
        """Return the count and the best state."""
        return self.stopping.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take them back."""
        self.stopping.load_state_dict(state)

    @property
    def best(self) -> float:
        """Best figure so far."""
        return float(self.stopping.best)

    @property
    def count(self) -> int:
        """Epochs in a row without progress."""
        return int(self.stopping.count)


class ScikitLearnCallbacks(Callback):
    """Pass every epoch on to the callbacks that were given to ``set_callbacks``."""

    def __init__(
        self, estimator: Any, context: Any, arguments: dict[str, Any], fitted: Callable[[], dict[str, Any]]
    ) -> None:
        self._estimator = estimator
        self._context = context
        self._arguments = arguments
        self._fitted = fitted
        self._epoch: Any = None
        #: Whether the fit ends with the run; one that trains in several runs calls :meth:`finish` itself.
        self.ends_with_run = True

    def on_epoch_begin(self, run: Run) -> None:
        """Open the task of the epoch."""
        self._epoch = self._context.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(estimator=self._estimator, **self._arguments)

    def on_epoch_end(self, run: Run) -> None:
        """Close it, and stop if a callback says so."""
        stop = self._epoch.call_on_fit_task_end(
            estimator=self._estimator, reconstruction_attributes=self._fitted, **self._arguments
        )
        if stop:
            run.stop("callback")

    def on_fit_end(self, run: Run) -> None:
        """Close the task of the whole fit, unless other runs follow."""
        if self.ends_with_run:
            self.finish()

    def finish(self) -> None:
        """Close the task of the whole fit."""
        self._context.call_on_fit_task_end(
            estimator=self._estimator, reconstruction_attributes=self._fitted, **self._arguments
        )


def users_callbacks(
    estimator: Any, *, X: Any, y: Any, sample_weight: Any, max_epochs: int, fitted: Callable[[], dict[str, Any]]
) -> list[Callback]:
    """Return the callbacks of an estimator's argument, and what speaks to those of ``set_callbacks``."""
    callbacks: list[Callback] = list(estimator.callbacks or ())
    if getattr(estimator, "_skl_callbacks", None):
        arguments: dict[str, Any] = {"X": X, "y": y}
        if sample_weight is not None:
            arguments["metadata"] = {"sample_weight": sample_weight}
        context = estimator._init_callback_context(max_subtasks=max_epochs)
        context.call_on_fit_task_begin(estimator=estimator, **arguments)
        callbacks.append(ScikitLearnCallbacks(estimator, context, arguments, fitted))
    return callbacks


def finite_or_none(value: float) -> float | None:
    """Return None for an infinite figure, which means that there was none."""
    return None if math.isinf(value) else value
