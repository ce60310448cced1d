"""What deep belief networks that predict share: greedy training of the layers before the network learns as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import Interval, Options, StrOptions

from strata._threads import limit_threads, threads_for
from strata.engine.history import History
from strata.estimators._dbn_pretraining import Greedy, Layer, check_greedy
from strata.estimators._mlp_base import BaseMLP, Rows
from strata.estimators._parameters import EXTRA_CONSTRAINTS, MLP_CONSTRAINTS, hidden_sizes
from strata.estimators._rbm_parts import history_of
from strata.estimators._validation import is_sparse
from strata.nn.belief import DeepBelief
from strata.nn.rbm import RBM, VISIBLE_KINDS

__all__ = ["DBN_CONSTRAINTS", "GREEDY_CONSTRAINTS", "PretrainedMLP", "SavesBelief", "SavesLayers"]

#: What the arguments of greedy training may be.
GREEDY_CONSTRAINTS: dict[str, Any] = {
    "visible": [StrOptions(set(VISIBLE_KINDS))],
    "pretraining_iter": [Interval(Integral, 0, None, closed="left"), tuple, list],
    "pretraining_rate": [Interval(Real, 0, None, closed="neither"), tuple, list],
    "pretraining_batch_size": [Interval(Integral, 1, None, closed="left")],
    "pretraining_momentum": [Interval(Real, 0, 1, closed="left"), tuple, list],
    "pretraining_decay": [Interval(Real, 0, None, closed="left")],
    "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
    "persistent": ["boolean"],
    "hidden_values": [StrOptions({"probabilities", "samples"})],
}

#: What the arguments of :class:`DBNClassifier` and :class:`DBNRegressor` may be.
DBN_CONSTRAINTS: dict[str, Any] = {
    **{
        name: MLP_CONSTRAINTS[name]
        for name in (
            "hidden_layer_sizes", "solver", "alpha", "learning_rate_init", "max_iter", "random_state", "tol", "verbose",
            "momentum", "early_stopping", "validation_fraction",
        )
    },
    **{
        name: EXTRA_CONSTRAINTS[name]
        for name in (
            "dropout", "input_dropout", "max_norm", "schedule", "n_threads", "restore_best", "callbacks", "time_limit",
            "progress", "scale_inputs",
        )
    },
    **GREEDY_CONSTRAINTS,
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "pretraining": [StrOptions({"rbm", "autoencoder", "supervised"}), None],
    "corruption": [Interval(Real, 0, 1, closed="left")],
}  # fmt: skip


class PretrainedMLP(BaseMLP):
    """A network of logistic units whose layers are trained greedily before it learns as a whole.

    The attributes of the class are the arguments of a multi-layer perceptron that this one does not have.
    """

    activation: Any = "logistic"
    learning_rate: str = "constant"
    power_t: float = 0.5
    shuffle: bool = True
    warm_start: bool = False
    nesterovs_momentum: bool = False
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    max_fun: int = 15000
    loss_options: Any = None
    out_activation: str = "auto"
    l1: float = 0.0
    l1_form: str = "subgradient"
    dropout_form: str = "inverted"
    init: str = "auto"
    init_sigma: float = 0.01
    grad_clip: float | None = None
    engine: str = "auto"
    device: str = "auto"
    precision: str = "full"
    checkpoint: Any = None
    resume: bool = False

    def _scaled(self, X: Any, *, reset: bool) -> Any:
        """Standardize the inputs, or for binary units bring them to the range from 0 to 1."""
        if self.scale_inputs and self.visible == "binary" and reset:
            self._scaler = _to_unit_range(X)
            return self._scaler.transform(X)
        return super()._scaled(X, reset=reset)

    def _initialize(self, n_features: int, dtype: Any) -> None:
        super()._initialize(n_features, dtype)
        self._layers: list[Layer] | None = None
        self.pretraining_history_: list[History] = []

    def _train(self, rows: Rows, held_out: Rows | None, *, incremental: bool) -> None:
        """Train the layers, if the weights are fresh, and then the network; held-out rows are seen by neither."""
        if self._layers is None and self.pretraining is not None:
            if self.early_stopping and held_out is None:
                rows, held_out = self._split(rows)
            self._pretrain(rows)
        self._refine(rows, held_out, incremental=incremental)

    def _refine(self, rows: Rows, held_out: Rows | None, *, incremental: bool) -> None:
        super()._train(rows, held_out, incremental=incremental)

    def _validate_params(self) -> None:
        super()._validate_params()
        if self.pretraining is not None:
            check_greedy(self)

    def _greedy(self) -> Greedy:
        return Greedy(
            kind=str(self.pretraining),
            epochs=self.pretraining_iter,
            rate=self.pretraining_rate,
            batch_size=int(self.pretraining_batch_size),
            momentum=self.pretraining_momentum,
            weight_decay=float(self.pretraining_decay),
            n_gibbs_steps=int(self.n_gibbs_steps),
            persistent=bool(self.persistent),
            hidden_values=self.hidden_values,
            visible=self.visible,
            corruption=float(self.corruption),
            n_threads=self.n_threads,
            verbose=bool(self.verbose),
        )

    def _pretrain(self, rows: Rows) -> None:
        sizes = hidden_sizes(self.hidden_layer_sizes)
        widest = max(a * b for a, b in zip((rows.x.shape[1], *sizes), sizes, strict=False))
        with limit_threads(self.n_threads or threads_for(10.0 * self.pretraining_batch_size * widest)):
            self._layers = self._greedy().train(
                rows.x,
                sizes,
                dtype=self.coefs_[0].dtype,
                random_state=self._random_state,
                targets=rows.targets,
                heads=self._heads(),
            )
        for layer, coef, intercept in zip(self._layers, self.coefs_, self.intercepts_, strict=False):
            coef[...], intercept[...] = layer.weight, layer.hidden_bias
        self.pretraining_history_ = [layer.history for layer in self._layers]

    def _machines(self) -> list[RBM]:
        """Return the machines that the layers were."""
        return [
            RBM.from_arrays(
                layer.weight,
                layer.visible_bias,
                layer.hidden_bias,
                visible=self.visible if level == 0 else "binary",
            )
            for level, layer in enumerate(self._layers or ())
        ]

    def _check_solver(self) -> bool:
        raise AttributeError("partial_fit is not available: the layers are trained one after the other.")

    def __getstate__(self) -> Any:
        state = dict(super().__getstate__())
        state.pop("_layers", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._layers = []


def _to_unit_range(X: Any) -> StandardScaler:
    """Return a scaler that brings every column to the range from 0 to 1; sparse ones by their largest size alone."""
    thin = is_sparse(X)
    low = None if thin else np.asarray(X.min(axis=0), dtype=np.float64)
    high = abs(X).max(axis=0).toarray().ravel() if thin else np.asarray(X.max(axis=0), dtype=np.float64)
    scale = np.asarray(high if low is None else high - low, dtype=np.float64)
    scaler = StandardScaler(with_mean=not thin)
    scaler.mean_, scaler.scale_ = low, np.where(scale > 0, scale, 1.0)
    scaler.var_, scaler.n_samples_seen_ = scaler.scale_**2, int(X.shape[0])
    scaler.n_features_in_ = int(X.shape[1])
    return scaler


class SavesLayers:
    """Save and load what greedy training leaves beside the weights; comes before what saves the network."""

    pretraining_history_: list[History]

    def _learned(self) -> dict[str, Any]:
        histories = [{name: list(each[name]) for name in each.columns} for each in self.pretraining_history_]
        learned: dict[str, Any] = super()._learned()  # type: ignore[misc]
        return learned | {"pretraining_histories": histories}

    def _adopt_state(self, state: Mapping[str, Any]) -> None:
        rest = dict(state)
        self.pretraining_history_ = [history_of(columns) for columns in rest.pop("pretraining_histories")]
        super()._adopt_state(rest)  # type: ignore[misc]


class SavesBelief:
    """Save and load the generative model of the up-down algorithm; comes before what saves the rest."""

    belief_: DeepBelief

    def _belief_sizes(self) -> tuple[tuple[int, ...], int] | None:
        """Return the sizes and the number of labels that the model must have; None where there must be none."""
        raise NotImplementedError

    def _learned(self) -> dict[str, Any]:
        network = vars(self).get("belief_")
        own = None if network is None else [each.detach().numpy() for each in network.parameters()]
        learned: dict[str, Any] = super()._learned()  # type: ignore[misc]
        return learned | {"belief": own}

    def _adopt_state(self, state: Mapping[str, Any]) -> None:
        """Check the parameters of the model and put them aside: their memory may not be there yet."""
        rest = dict(state)
        own = rest.pop("belief", None)
        super()._adopt_state(rest)  # type: ignore[misc]
        expected = self._belief_sizes()
        if (own is None) != (expected is None):
            raise ValueError("the parameters and the generative model do not fit each other")
        if own is None or expected is None:
            return
        sizes, n_labels = expected
        if [array.shape for array in own] != DeepBelief.shapes(sizes, n_labels=n_labels):
            raise ValueError("the generative model does not have the shapes of its layers")
        if len({array.dtype for array in own}) != 1 or own[0].dtype not in (np.float32, np.float64):
            raise ValueError("the generative model is not of one floating-point dtype")
        self._saved_belief = own

    @classmethod
    def _from_state(cls, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        model: Any = super()._from_state(config, arrays)  # type: ignore[misc]
        own = vars(model).pop("_saved_belief", None)
        if own is not None:
            sizes, n_labels = model._belief_sizes()
            dtype = torch.float32 if own[0].dtype == np.float32 else torch.float64
            model.belief_ = DeepBelief(sizes, n_labels=n_labels, dtype=dtype)
            for parameter, value in zip(model.belief_.parameters(), own, strict=True):
                parameter.copy_(torch.from_numpy(np.array(value)))
        fitted: Self = model
        return fitted
