"""Bagging of networks: samples drawn with replacement, a network for each, and what their mean gains."""

from __future__ import annotations

import copy
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from strata._threads import limit_threads, threads_for
from strata.data.resampling import ResampledSource
from strata.engine import Callback, EarlyStopping, Run, noting_preparation, train
from strata.estimators._mlp_base import BaseMLP, Rows
from strata.estimators._monitor import say_waiting
from strata.estimators._parameters import (
    EXTRA_CONSTRAINTS,
    MLP_CONSTRAINTS,
    build_optimizer,
    build_penalty,
    build_schedule,
    hidden_sizes,
)
from strata.estimators._saved_mlp import SavesBag
from strata.estimators._training import build_network
from strata.estimators._validation import is_sparse, outputs_of
from strata.nn.dense import DenseNetwork
from strata.rules.compiled import CompiledBag, CompiledDense
from strata.rules.optimizers import OPTIMIZERS

__all__ = ["BAGGING_CONSTRAINTS", "BaggedMLP", "bagging_report"]

#: Arguments of a single network that a bag does not have.
_NOT_HERE = (
    "callbacks",
    "checkpoint",
    "device",
    "early_stopping",
    "engine",
    "max_fun",
    "precision",
    "progress",
    "restore_best",
    "resume",
    "time_limit",
    "validation_fraction",
    "warm_start",
)

#: Rows that a network is asked for at once: their activations stay in the cache.
_ROWS_AT_ONCE = 2048

BAGGING_CONSTRAINTS: dict[str, Any] = {
    **{name: known for name, known in (MLP_CONSTRAINTS | EXTRA_CONSTRAINTS).items() if name not in _NOT_HERE},
    "solver": [StrOptions({"adam", "sgd", *OPTIMIZERS} - {"lbfgs"}), HasMethods("build")],
    "n_estimators": [Interval(Integral, 1, None, closed="left")],
    "bootstrap": ["boolean"],
    "max_samples": [Interval(Real, 0, 1, closed="right")],
}


class _EachStops(Callback):
    """Let each network of a bag stop by itself, as it would alone."""

    def __init__(self, bag: CompiledBag, runs: list[Run], stopping: list[EarlyStopping]) -> None:
        self.bag, self.runs, self.stopping = bag, runs, stopping

    def on_epoch_end(self, run: Run) -> None:
        """Count for every network that still learns; one whose count is full, or that converged, rests."""
        for m in np.flatnonzero(self.bag.active):
            member = self.runs[m]
            member.epoch += 1
            member.figures = {"epoch": member.epoch, "loss": float(self.bag.losses[m])}
            member.history.append(member.figures)
            self.stopping[m].on_epoch_end(member)
            if member.rule.converged:
                member.stop("converged")
            self.bag.active[m] = member.stop_reason is None
        if self.bag.converged:
            run.stop("early_stopping")


def bagging_report(errors: np.ndarray, counted: np.ndarray) -> dict[str, float]:
    r"""Compare the error of a mean of networks with what the variances and covariances of theirs predict.

    With :math:`v` the mean square of the errors and :math:`c` the mean product of the errors of two networks, the
    expected square of the mean of ``k`` errors is :math:`v/k + (k - 1) c/k` (Breiman 1994).

    ``errors`` has the shape (k, n, outputs), ``counted`` (k, n) says which rows a network may be judged by.
    """
    mask = counted[:, :, np.newaxis]
    masked = np.where(mask, errors, 0.0)
    k = counted.sum(axis=0).astype(float)  # networks that judge each row
    rows = k > 0
    squares = np.square(masked).sum(axis=(0, 2))  # (n,) summed over networks and outputs
    total = np.square(masked.sum(axis=0)).sum(axis=1)
    pairs = k * (k - 1)
    v = float(squares.sum() / max(k.sum(), 1.0))
    c = float((total - squares).sum() / pairs.sum()) if pairs.sum() else float("nan")
    k_rows = k[rows]
    covariances = np.where(k_rows > 1, c, 0.0)
    return {
        "k": float(k_rows.mean()) if rows.any() else float("nan"),
        "v": v,
        "c": c,
        "ensemble_error": float((total[rows] / k_rows**2).mean()) if rows.any() else float("nan"),
        "formula": float((v / k_rows + (k_rows - 1) * covariances / k_rows).mean()) if rows.any() else float("nan"),
    }


class BaggedMLP(SavesBag, BaseMLP):
    """What bagged networks share; comes before the single network in the order of the bases."""

    warm_start = False
    early_stopping = False

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        incremental: bool = False,
        validation: tuple[Any, Any, Any] = (None, None, None),
    ) -> None:
        sizes = hidden_sizes(self.hidden_layer_sizes)
        X, targets, class_weight = self._validate_input(X, y, incremental=False, reset=True)
        if is_sparse(X):
            X = X.toarray()
        rows = Rows(self._scaled(X, reset=True), targets, self._row_weights(X, sample_weight, class_weight))
        self._random_state = check_random_state(self.random_state)
        seeds = self._random_state.randint(np.iinfo(np.int32).max, size=int(self.n_estimators))
        spec = self._spec(X.shape[1], sizes)
        generators = [np.random.RandomState(seed) for seed in seeds]
        networks = [
            build_network(
                spec,
                X.dtype,
                scheme=self.init,
                sigma=float(self.init_sigma),
                activation=self.activation,
                random_state=generator,
            )
            for generator in generators
        ]
        n_rows = X.shape[0]
        n_drawn = max(1, round(float(self.max_samples) * n_rows))
        self.estimators_samples_ = [
            generator.randint(n_rows, size=n_drawn) if self.bootstrap else generator.permutation(n_rows)[:n_drawn]
            for generator in generators
        ]
        runs = self._train_all(networks, generators, rows)
        self._note(networks, runs)
        self._report(networks, rows, self._own_validation(validation))

    def _train_all(
        self, networks: list[DenseNetwork], generators: list[np.random.RandomState], rows: Rows
    ) -> list[Run]:
        """Train every network on its own rows; they share the arrays, and no row is copied."""
        batch_size = self._rows_a_step(len(self.estimators_samples_[0]), stochastic=True)
        keys = [generator.randint(np.iinfo(np.int32).max) for generator in generators]
        source = ResampledSource(
            rows.x,
            rows.targets,
            rows.weight,
            samples=self.estimators_samples_,
            batch_size=batch_size,
            keys=np.array(keys) if self.shuffle else None,
        )
        rules = [
            CompiledDense(
                network,
                optimizer=build_optimizer(self),
                schedule=build_schedule(self),
                penalty=build_penalty(self),
                clip_norm=self.grad_clip,
                n_threads=1,
                report_scale=self._report_scale(),
            )
            for network in networks
        ]
        lowering = self.solver == "sgd" and self.learning_rate == "adaptive" and self.schedule is None
        stopping = [
            EarlyStopping(
                "loss",
                mode="min",
                tol=float(self.tol),
                patience=self.n_iter_no_change,
                restore_best=False,
                lower_rate=lowering,
            )
            for _ in rules
        ]
        bag = CompiledBag(rules, n_threads=self.n_threads)
        runs = [Run(rule, source, max_epochs=int(self.max_iter)) for rule in rules]
        for each, run in zip(stopping, runs, strict=True):
            each.on_fit_begin(run)
        with noting_preparation(say_waiting if self.verbose else None):
            train(bag, source, max_epochs=int(self.max_iter), callbacks=[_EachStops(bag, runs, stopping)])
        for run in runs:
            run.stop("max_epochs")
        return runs

    def _note(self, networks: list[DenseNetwork], runs: list[Run]) -> None:
        """Write down the weights, stacked over the networks, and how the runs went."""
        n_layers = len(networks[0].weights)
        self.coefs_ = [np.stack([n.weights[i].detach().numpy() for n in networks]) for i in range(n_layers)]
        self.intercepts_ = [np.stack([n.biases[i].detach().numpy() for n in networks]) for i in range(n_layers)]
        self.n_layers_ = n_layers + 1
        self.n_outputs_ = int(self.coefs_[-1].shape[2])
        self.out_activation_ = networks[0].spec.heads[0].output_activation
        self.loss_curves_ = [run.history["loss"] for run in runs]
        self.loss_ = float(np.mean([curve[-1] for curve in self.loss_curves_]))
        self.n_iter_ = max(len(curve) for curve in self.loss_curves_)
        self.t_ = sum(len(curve) for curve in self.loss_curves_) * len(self.estimators_samples_[0])
        self.engine_ = "compiled"
        self.stop_reason_ = "max_epochs" if any(run.stop_reason == "max_epochs" for run in runs) else "early_stopping"
        if self.stop_reason_ == "max_epochs":
            self._warn_unless_converged()

    def _members(self) -> list[DenseNetwork]:
        """Return the networks, as views of the stacked weights."""
        first = self.coefs_[0]
        spec = self._spec(first.shape[1], tuple(coef.shape[2] for coef in self.coefs_[:-1]))
        return [
            DenseNetwork.from_arrays(spec, [coef[i] for coef in self.coefs_], [bias[i] for bias in self.intercepts_])
            for i in range(len(first))
        ]

    def _all_outputs(
        self, x: Any, members: list[DenseNetwork] | None = None, wanted: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the activated outputs of every network, shape (k, n, number of output units).

        ``wanted``, of shape (k, n), says which rows each network is asked for; the others are 0.
        """
        members, n_rows = members or self._members(), x.shape[0]
        outputs = np.zeros((len(members), n_rows, self.n_outputs_), members[0].weights[0].detach().numpy().dtype)
        flops = 6.0 * _ROWS_AT_ONCE * members[0].spec.n_parameters
        with limit_threads(self.n_threads or threads_for(flops)):
            for m, network in enumerate(members):
                rows = np.arange(n_rows) if wanted is None else np.flatnonzero(wanted[m])
                for start in range(0, len(rows), _ROWS_AT_ONCE):
                    some = rows[start : start + _ROWS_AT_ONCE]
                    outputs[m, some] = outputs_of(network, x[some])[1].numpy()
        return outputs

    def _outputs(self, X: Any) -> np.ndarray:
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return np.asarray(self._all_outputs(self._scaled(X, reset=False)).mean(axis=0))

    def _as_outputs(self, targets: np.ndarray) -> np.ndarray:
        """Return the targets in the place of the outputs: class numbers become a table."""
        if targets.shape[1] == self.n_outputs_:
            return targets
        return np.asarray(np.eye(self.n_outputs_, dtype=targets.dtype)[targets[:, 0].astype(int)])

    def _report(self, networks: list[DenseNetwork], rows: Rows, held_out: Rows | None) -> None:
        """Judge by rows that the networks have not learned from, where there are any."""
        chosen = rows if held_out is None else held_out
        unseen, where = np.ones((len(self.estimators_samples_), chosen.x.shape[0]), dtype=bool), "validation"
        if held_out is None:
            for member, drawn in enumerate(self.estimators_samples_):
                unseen[member, drawn] = False
            where = "out-of-bag"
            if not unseen.any():
                unseen[:], where = True, "training"
        outputs = self._all_outputs(chosen.x, networks, unseen)
        errors = outputs - self._as_outputs(chosen.targets)
        self.bagging_report_ = {"rows": where, "n_estimators": len(outputs), **bagging_report(errors, unseen)}
        judged = unseen.any(axis=0)
        self.oob_score_ = None
        if where == "out-of-bag" and judged.sum() > 1:
            counts = unseen.sum(axis=0)[judged, np.newaxis]
            means = np.where(unseen[:, :, np.newaxis], outputs, 0).sum(axis=0)[judged] / counts
            weight = None if rows.weight is None else rows.weight[judged]
            if weight is None or weight.any():
                self.oob_score_ = self._score_outputs(means, rows.targets[judged], weight)

    @property
    def estimators_(self) -> list[Any]:
        """The networks one by one, as single estimators that share the weights."""
        check_is_fitted(self)
        single: Any = self._single
        names = set(single._get_param_names())
        shared = {name: value for name, value in self.get_params(deep=False).items() if name in names}
        kept = ("classes_", "_label_binarizer", "_n_targets", "_scaler", "n_features_in_", "feature_names_in_")
        members = []
        for network, curve in zip(self._members(), self.loss_curves_, strict=True):
            member = single(**shared)
            vars(member).update({name: vars(self)[name] for name in kept if name in vars(self)})
            member._adopt(network)
            member.loss_curve_ = list(curve)
            member.loss_ = curve[-1]
            member.n_iter_ = len(curve)
            member.t_ = len(curve) * len(self.estimators_samples_[0])
            members.append(member)
        return members

    def trace(self, X: Any, y: Any) -> list[Any]:
        """Hand out every quantity of one back-propagation through each network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.

        Returns
        -------
        layers : list of list of LayerTrace
            For each network what a single one gives.
        """
        return [copy.copy(member).trace(X, y) for member in self.estimators_]

    def _check_solver(self) -> bool:
        raise AttributeError("A bag of networks is fitted as a whole; partial_fit is not available.")
