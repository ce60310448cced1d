"""What all multi-layer estimators share: from checked arrays to a trained network and back."""

from __future__ import annotations

import copy
import math
import warnings
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from torch import Tensor

from strata._threads import limit_threads, threads_for
from strata.data.sources import ArraySource, Batch, SparseSource
from strata.engine import Callback, Run, noting_preparation, train
from strata.engine.progress import Progress
from strata.errors import NonFiniteError
from strata.estimators._monitor import Monitor, finite_or_none, say_waiting, users_callbacks
from strata.estimators._parameters import (
    build_penalty,
    drop_probabilities,
    hidden_activations,
    hidden_sizes,
    uses_all_rows,
)
from strata.estimators._training import Trainer, build_network, build_trainer, checkpointing, shares_memory
from strata.estimators._validation import Validation, as_tensor, is_sparse, outputs_of, split_rows
from strata.nn.dense import DenseNetwork, DenseSpec, Head
from strata.rules.compiled import CompiledDense
from strata.rules.optimizers import LBFGS

__all__ = ["BaseMLP", "Rows"]

_NON_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)

#: Frames between a warning and the line of the user's that called ``fit``.
_TO_CALLER = 8


class Rows(NamedTuple):
    """Training rows as the source takes them."""

    x: Any
    targets: np.ndarray
    weight: np.ndarray | None

    def take(self, part: np.ndarray) -> Rows:
        """Return some of the rows."""
        return Rows(self.x[part], self.targets[part], None if self.weight is None else self.weight[part])


class _OptimizerView:
    """The rate that the next step will have, where scikit-learn's estimators keep it."""

    def __init__(self, learning_rate: float | None) -> None:
        self.learning_rate = learning_rate


class BaseMLP(CallbackSupportMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Base of the multi-layer estimators; a subclass says what the targets are and what heads they need."""

    @abstractmethod
    def _validate_input(
        self, X: Any, y: Any, *, incremental: bool, reset: bool
    ) -> tuple[Any, np.ndarray, np.ndarray | None]:
        """Check the arrays; return the inputs, the targets of shape (n, t), and class weights by row or None."""

    @abstractmethod
    def _encode_validation(self, X: Any, y: Any) -> tuple[Any, np.ndarray, np.ndarray | None]:
        """Check validation arrays and encode them as the training targets were."""

    @abstractmethod
    def _heads(self) -> tuple[Head, ...]:
        """Return the output heads, once the targets are known."""

    @abstractmethod
    def _score_outputs(self, outputs: np.ndarray, targets: np.ndarray, sample_weight: np.ndarray | None) -> float:
        """Return the validation score of activated outputs."""

    def _stratify(self, targets: np.ndarray) -> np.ndarray | None:
        """Return what a validation split is stratified by."""
        return None

    def _report_scale(self) -> float:
        """Return what the loss of the targets is multiplied by before it is reported."""
        return 1.0

    def _loss_curve_offset(self, targets: np.ndarray, sample_weight: np.ndarray | None) -> float:
        """Return what is added to the loss of each epoch before it is reported."""
        return 0.0

    def _set_aside(self, rows: Rows, *, own_validation: bool) -> tuple[Rows, Rows | None]:
        """Return the rows to learn from, and those that are held out whether or not the fit stops early."""
        return rows, None

    def _use_held_out(self, held_out: Rows | None) -> None:
        """Learn what the rows say that the network did not learn from, once it is trained."""
        return

    # The fit, in the order of its steps.

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        incremental: bool = False,
        validation: tuple[Any, Any, Any] = (None, None, None),
    ) -> None:
        hidden_sizes(self.hidden_layer_sizes)
        first_pass = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        X, targets, class_weight = self._validate_input(X, y, incremental=incremental, reset=first_pass)
        rows = Rows(self._scaled(X, reset=first_pass), targets, self._row_weights(X, sample_weight, class_weight))
        self._random_state = check_random_state(self.random_state)
        rows, held_out = self._set_aside(rows, own_validation=validation[0] is not None)
        if first_pass:
            self._initialize(X.shape[1], X.dtype)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        held_out = self._own_validation(validation) or held_out
        self._train(rows, held_out, incremental=incremental)

    def _row_weights(self, X: Any, sample_weight: Any, class_weight: np.ndarray | None) -> np.ndarray | None:
        if sample_weight is None:
            return None if class_weight is None else class_weight.astype(X.dtype)
        weight = np.asarray(_check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True))
        return weight if class_weight is None else (weight * class_weight).astype(X.dtype)

    def _scaled(self, X: Any, *, reset: bool) -> Any:
        if not self.scale_inputs:
            return X
        if reset:
            self._scaler = StandardScaler(with_mean=not is_sparse(X)).fit(X)
        return self._scaler.transform(X)

    def _spec(self, n_features: int, sizes: tuple[int, ...]) -> DenseSpec:
        return DenseSpec(
            n_features,
            sizes,
            hidden_activations(self.activation, len(sizes)),
            heads=self._heads(),
            dropout=drop_probabilities(self.dropout, self.input_dropout, len(sizes)),
            dropout_form=self.dropout_form,
        )

    def _initialize(self, n_features: int, dtype: Any) -> None:
        """Draw the first weights and forget every earlier fit."""
        spec = self._spec(n_features, hidden_sizes(self.hidden_layer_sizes))
        self.n_iter_ = 0
        self.t_ = 0
        network = build_network(
            spec,
            dtype,
            scheme=self.init,
            sigma=float(self.init_sigma),
            activation=self.activation,
            random_state=self._random_state,
        )
        self._adopt(network)
        self._trainer: Trainer | None = None
        self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self.validation_loss_curve_: list[float] | None = None
        self.best_validation_score_ = -np.inf if self.early_stopping else None
        self.best_loss_ = None if self.early_stopping else np.inf

    def _adopt(self, network: DenseNetwork) -> None:
        """Make the learned arrays views of a network's parameters."""
        self._network = network
        self.coefs_ = [weight.detach().numpy() for weight in network.weights]
        self.intercepts_ = [bias.detach().numpy() for bias in network.biases]
        self.n_layers_ = len(self.coefs_) + 1
        self.n_outputs_ = int(self.coefs_[-1].shape[1])
        self.out_activation_ = network.spec.heads[0].output_activation

    def _current_network(self) -> DenseNetwork:
        """Return the network of ``coefs_`` and ``intercepts_``, also when somebody replaced those."""
        network: DenseNetwork | None = getattr(self, "_network", None)
        if network is not None and shares_memory(network, self.coefs_, self.intercepts_):
            return network
        coefs = [np.asarray(coef) for coef in self.coefs_]
        spec = self._spec(coefs[0].shape[0], tuple(coef.shape[1] for coef in coefs[:-1]))
        return DenseNetwork.from_arrays(spec, coefs, [np.asarray(intercept) for intercept in self.intercepts_])

    def _network_to_train(self) -> DenseNetwork:
        """Return the network of the learned arrays as the arguments describe it now, which may have changed."""
        network = self._current_network()
        spec = self._spec(network.spec.n_inputs, network.spec.hidden_sizes)
        if spec == network.spec:
            return network
        seed = int(network.dropout_seed)
        if any(spec.dropout) and not any(network.spec.dropout):
            seed = int(self._random_state.randint(np.iinfo(np.int32).max))
        changed = DenseNetwork.from_arrays(spec, self.coefs_, self.intercepts_, seed=seed)
        changed.dropout_step.copy_(network.dropout_step)
        return changed

    def _own_validation(self, validation: tuple[Any, Any, Any]) -> Rows | None:
        X_val, y_val, weight = validation
        if X_val is None and y_val is None:
            if weight is not None:
                raise ValueError("`sample_weight_val` needs `X_val` and `y_val`. Received: X_val=None.")
            return None
        if X_val is None or y_val is None:
            missing = "X_val" if X_val is None else "y_val"
            raise ValueError(f"`X_val` and `y_val` must be given together. Received: {missing}=None.")
        X_val, targets, class_weight = self._encode_validation(X_val, y_val)
        x = self._scaled(X_val, reset=False)
        return Rows(x, targets, self._row_weights(X_val, weight, class_weight))

    def _split(self, rows: Rows) -> tuple[Rows, Rows]:
        train_rows, held_out = split_rows(
            rows.x.shape[0],
            fraction=float(self.validation_fraction),
            stratify=self._stratify(rows.targets),
            random_state=self._random_state,
        )
        return rows.take(train_rows), rows.take(held_out)

    def _train(self, rows: Rows, held_out: Rows | None, *, incremental: bool) -> None:
        network = self._network_to_train()
        if network is not self._network_or_none():
            self._adopt(network)
            self._trainer = None
        trainer: Trainer | None = getattr(self, "_trainer", None) if incremental else None
        if trainer is None:
            trainer = build_trainer(self, network)
        self._trainer = trainer
        self.engine_ = trainer.engine
        if self.early_stopping and held_out is None and not isinstance(trainer.optimizer, LBFGS):
            rows, held_out = self._split(rows)
        self._run(trainer, rows, held_out, incremental=incremental)
        self._use_held_out(held_out)

    def _network_or_none(self) -> DenseNetwork | None:
        return getattr(self, "_network", None)

    def _run(self, trainer: Trainer, rows: Rows, held_out: Rows | None, *, incremental: bool) -> None:
        if trainer.device.type != "cpu":
            trainer.network.to(trainer.device)  # it comes back after every fit
        stochastic = not uses_all_rows(trainer.optimizer)
        n_rows = rows.x.shape[0]
        batch_size = self._rows_a_step(n_rows, stochastic=stochastic)
        source = (SparseSource if is_sparse(rows.x) else ArraySource)(
            rows.x,
            rows.targets,
            rows.weight,
            batch_size=batch_size,
            shuffle=bool(self.shuffle) and stochastic,
            random_state=self._random_state,
        )
        validate = None
        if held_out is not None:
            validate = Validation(*held_out, trainer.network, trainer.loss, self._score_outputs)
        monitor = self._monitor(trainer, validated=held_out is not None)
        run: Run | None = None
        stopped: BaseException | None = None
        threads = limit_threads(self.n_threads or threads_for(6.0 * batch_size * trainer.network.spec.n_parameters))
        with threads, noting_preparation(say_waiting if self.verbose else None):
            try:
                run = train(
                    trainer.rule,
                    source,
                    max_epochs=1 if incremental else int(self.max_iter),
                    validate=validate,
                    callbacks=self._all_callbacks(monitor, rows),
                    checkpoint=checkpointing(self.checkpoint),
                    resume=bool(self.resume),
                    time_limit=self.time_limit,
                    progress=self._progress(),
                )
            except (NonFiniteError, KeyboardInterrupt) as error:
                stopped, run = error, monitor.run
        self._conclude(trainer, monitor, run, n_rows=n_rows, offset=self._loss_curve_offset(rows.targets, rows.weight))
        if isinstance(stopped, NonFiniteError):
            self._settle_divergence(monitor, stopped)
        elif stopped is not None:
            raise stopped
        elif self.stop_reason_ == "interrupted":
            warnings.warn("Training interrupted by user.", stacklevel=_TO_CALLER)
        elif not incremental:
            self._warn_unless_converged()
        if not all(np.isfinite(array).all() for array in (*self.coefs_, *self.intercepts_)):
            raise NonFiniteError(_NON_FINITE, epoch=self.n_iter_, batch=0)

    def _progress(self) -> Progress | None:
        return Progress() if self.progress else None

    def _rows_a_step(self, n_rows: int, *, stochastic: bool) -> int:
        if self.batch_size == "auto":
            return min(200, n_rows) if stochastic else n_rows
        if self.batch_size > n_rows:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
                stacklevel=_TO_CALLER,
            )
        return int(np.clip(self.batch_size, 1, n_rows))

    def _monitor(self, trainer: Trainer, *, validated: bool) -> Monitor:
        """Return what decides when to stop, going on with the count of an earlier fit."""
        by_score = bool(self.early_stopping) and validated
        monitor = Monitor(
            by_score=by_score,
            tol=float(self.tol),
            patience=math.inf if isinstance(trainer.optimizer, LBFGS) else self.n_iter_no_change,
            lower_rate=self.solver == "sgd" and self.learning_rate == "adaptive" and self.schedule is None,
            restore=by_score if self.restore_best == "auto" else bool(self.restore_best),
        )
        monitor.verbose = bool(self.verbose)
        monitor.rows_before = int(self.t_) if trainer.rule.n_steps == 0 else 0
        best = self.best_validation_score_ if by_score else self.best_loss_
        if best is not None and math.isfinite(best):
            state = copy.deepcopy(trainer.rule.state_dict()) if monitor.stopping.restore_best else None
            monitor.go_on(best=best, count=self._no_improvement_count, best_state=state)
        return monitor

    def _all_callbacks(self, monitor: Monitor, rows: Rows) -> list[Callback]:
        others = users_callbacks(
            self,
            X=rows.x,
            y=rows.targets,
            sample_weight=rows.weight,
            max_epochs=int(self.max_iter),
            fitted=self._snapshot,
        )
        return [monitor, *others]

    def _snapshot(self) -> dict[str, Any]:
        """Return what a copy of this estimator needs to predict as if training had stopped here."""
        network = self._network
        return {
            "coefs_": [weight.detach().cpu().numpy().copy() for weight in network.weights],
            "intercepts_": [bias.detach().cpu().numpy().copy() for bias in network.biases],
        }

    def _conclude(self, trainer: Trainer, monitor: Monitor, run: Run | None, *, n_rows: int, offset: float) -> None:
        """Write down what was learned and how it went."""
        if trainer.network.weights[0].device.type != "cpu":
            trainer.network.to("cpu")
        self._adopt(trainer.network)
        if run is None:
            return
        history = run.history
        self.history_ = history
        self.n_iter_ = len(history)
        self.t_ += n_rows * len(history)
        self.stop_reason_ = run.stop_reason or "interrupted"
        cause = getattr(trainer.rule, "stop_cause", None)
        if cause in ("abnormal", "max_fun"):
            self.stop_reason_ = str(cause)
        self._no_improvement_count = monitor.count
        if len(history):
            self.loss_curve_ += [loss + offset for loss in history["loss"]]
            self.loss_ = self.loss_curve_[-1]
        best = finite_or_none(monitor.best)
        if monitor.by_score:
            self.best_validation_score_ = best
        else:
            self.best_loss_ = np.inf if best is None else best + offset
        if "val_score" in history:
            self.validation_scores_ = [*(self.validation_scores_ or ()), *history["val_score"]]
            self.validation_loss_curve_ = [*(self.validation_loss_curve_ or ()), *history["val_loss"]]
            if not monitor.by_score:
                self.best_validation_score_ = float(np.nanmax(self.validation_scores_))

    def _settle_divergence(self, monitor: Monitor, error: NonFiniteError) -> None:
        """Keep the best weights of a run that blew up, where there are any; otherwise refuse."""
        if monitor.best_state is None:
            raise NonFiniteError(f"{_NON_FINITE} {error}", epoch=error.epoch, batch=error.batch) from error
        monitor.restore()
        self.n_iter_ += 1
        self.loss_curve_.append(math.nan)
        self.loss_ = math.nan
        self.validation_scores_ = [*(self.validation_scores_ or ()), math.nan]
        self.stop_reason_ = "diverged"
        warnings.warn(
            f"Training diverged, and the best weights before that are kept. {error}",
            ConvergenceWarning,
            stacklevel=_TO_CALLER,
        )

    def _warn_unless_converged(self) -> None:
        if self.solver == "lbfgs" and self.stop_reason_ not in ("converged", "callback", "time_limit"):
            message = f"lbfgs failed to converge after {self.n_iter_} iteration(s) ({self.stop_reason_}).\n"
            if self.n_iter_ == self.max_iter:
                message += f"\nIncrease the number of iterations to improve the convergence (max_iter={self.max_iter})."
            message += "\nYou might also want to scale the data, for example by scale_inputs=True."
            warnings.warn(message, ConvergenceWarning, stacklevel=_TO_CALLER)
        elif self.stop_reason_ == "max_epochs":
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't "
                "converged yet.",
                ConvergenceWarning,
                stacklevel=_TO_CALLER,
            )

    # What a fitted network answers.

    def _scores_and_outputs(self, X: Any) -> tuple[Tensor, Tensor]:
        """Return scores and activated outputs for rows of the user's, each of shape (n, number of output units)."""
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return outputs_of(self._current_network(), self._scaled(X, reset=False))

    def _outputs(self, X: Any) -> np.ndarray:
        """Return the activated outputs for rows of the user's, shape (n, number of output units)."""
        return self._scores_and_outputs(X)[1].numpy()

    def trace(self, X: Any, y: Any) -> list[Any]:
        """Hand out every quantity of one back-propagation, layer by layer.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets, as for ``fit``.

        Returns
        -------
        layers : list of LayerTrace
            For each layer ``z``, ``a``, ``delta`` (each of shape (n_samples, n_out)), ``grad_weight`` of shape
            (n_in, n_out) and ``grad_bias`` of shape (n_out,), of the loss with its penalty, without dropout.
        """
        check_is_fitted(self)
        X, targets, _ = self._encode_validation(X, y)
        network = copy.deepcopy(self._current_network())
        dtype = network.weights[0].dtype
        rows = self._scaled(X, reset=False)
        batch = Batch(as_tensor(rows.toarray() if is_sparse(rows) else rows, dtype), as_tensor(targets, dtype))
        rule = CompiledDense(network, optimizer="sgd", penalty=build_penalty(self))
        return list(rule.trace(batch))

    @property
    def _optimizer(self) -> _OptimizerView:
        trainer = getattr(self, "_trainer", None)
        if trainer is None:
            raise AttributeError(f"This {type(self).__name__} has no optimizer: it is not fitted yet.")
        return _OptimizerView(trainer.rule.rate)

    def _check_solver(self) -> bool:
        if self.solver == "lbfgs" or isinstance(self.solver, LBFGS):
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    def __getstate__(self) -> Any:
        state = dict(super().__getstate__())
        trainer = state.get("_trainer")
        if trainer is not None and trainer.on_accelerator:
            state["_trainer"] = None  # the optimizer's state lies where this pickle may not be read
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        network = self._network_or_none()
        if network is not None and not shares_memory(network, self.coefs_, self.intercepts_):
            # a rule that is copied lays its parameters out anew: point at them again
            fresh = self._current_network()
            for name in ("weights", "biases"):
                for ours, theirs in zip(getattr(network, name), getattr(fresh, name), strict=True):
                    ours.data.copy_(theirs.data)
            self._adopt(network)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
