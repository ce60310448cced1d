"""The deep belief network as a transformer: layers of features without labels, and a model that generates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from strata._threads import limit_threads, max_threads
from strata.data.sources import ArraySource
from strata.engine import train
from strata.estimators._dbn_base import GREEDY_CONSTRAINTS, SavesBelief
from strata.estimators._dbn_pretraining import Greedy, check_greedy, checked_steps
from strata.estimators._decorators import fitting
from strata.estimators._parameters import hidden_sizes
from strata.estimators._rbm_parts import as_dense, history_of
from strata.estimators._save import SavedState, SaveMixin
from strata.nn.belief import DeepBelief
from strata.nn.rbm import RBM
from strata.rules.up_down import UpDown

__all__ = ["DeepBeliefNetwork"]

_ROWS_AT_ONCE = 4096


class _BeliefState(SavedState):
    """Learned values of :class:`DeepBeliefNetwork`."""

    coefs_: list[np.ndarray]
    intercepts_: list[np.ndarray]
    visible_intercepts_: list[np.ndarray]
    histories: list[dict[str, list[float]]]
    belief: list[np.ndarray] | None = None


class DeepBeliefNetwork(SavesBelief, SaveMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    r"""Learn layers of features without labels: Boltzmann machines, one upon the other.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(256, 128)
        Units of each layer.
    visible : {"binary", "gaussian", "rectified"}, default="binary"
        Kind of the inputs: from 0 to 1, standardized real numbers, or numbers that are never negative.
    pretraining_iter : int or sequence of int, default=20
        Epochs of each layer.
    pretraining_rate : float or sequence of float, default=0.1
        Learning rate of each layer.
    pretraining_batch_size : int, default=100
        Rows of a batch.
    pretraining_momentum : float or (float, float), default=(0.5, 0.9)
        Momentum, or that of the first five epochs and that of the rest.
    pretraining_decay : float, default=2e-4
        L2 penalty on the weights.
    n_gibbs_steps : int, default=1
        Steps of each chain between two updates.
    persistent : bool, default=False
        Whether the chains go on from update to update.
    hidden_values : {"probabilities", "samples"}, default="probabilities"
        What the next layer learns from: the probabilities of the hidden units, or one draw of each.
    up_down_iter : int, default=0
        Epochs of the up-down algorithm after the layers, for binary inputs.
    up_down_rate : float, default=0.01
        Its learning rate.
    up_down_steps : int or sequence of (int, int), default=1
        Gibbs steps of the top machine in it, or pairs of an epoch and the steps from then on.
    random_state : int, RandomState or None, default=None
        Source of all draws.
    verbose : bool or int, default=False
        Whether to write a line a layer to the standard output.
    n_threads : int or None, default=None
        Most threads in training.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer, on the way up.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of the units of each layer.
    visible_intercepts_ : list of ndarray of shape (n_in,)
        Biases of the way down.
    rbms_ : list of RBM
        The layers as machines, copies.
    belief_ : DeepBelief
        The network after the up-down algorithm, where the ways up and down differ; only with ``up_down_iter``.
    histories_ : list of History
        Figures of each layer, and of the up-down algorithm.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when ``X`` has them.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or arguments do not go together.
    NonFiniteError
        If the energies became infinite or NaN.

    See Also
    --------
    BernoulliRBM : One layer.
    DBNClassifier : Layers, and then a network that learns from labels.

    Notes
    -----
    Each machine learns from the hidden units that the one below has for the rows [1]_. Together the top machine and the
    weights of the others, directed downwards, are a generative model, from which :meth:`sample` draws.

    References
    ----------
    .. [1] G. Hinton, S. Osindero, Y. Teh, "A fast learning algorithm for deep belief nets", Neural Computation 18,
       2006.

    Examples
    --------
    >>> X = (np.random.RandomState(0).uniform(size=(100, 12)) < 0.3).astype(float)
    >>> model = DeepBeliefNetwork((8, 4), pretraining_iter=2, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(3, 10, random_state=0).shape
    ((100, 4), (3, 12))
    """

    _saved_state: ClassVar[type[SavedState]] = _BeliefState
    _parameter_constraints = {
        **GREEDY_CONSTRAINTS,
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "up_down_iter": [Interval(Integral, 0, None, closed="left")],
        "up_down_rate": [Interval(Real, 0, None, closed="neither")],
        "up_down_steps": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "n_threads": [Interval(Integral, 1, max_threads(), closed="both"), None],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (256, 128),
        *,
        visible: str = "binary",
        pretraining_iter: int | Sequence[int] = 20,
        pretraining_rate: float | Sequence[float] = 0.1,
        pretraining_batch_size: int = 100,
        pretraining_momentum: float | tuple[float, float] = (0.5, 0.9),
        pretraining_decay: float = 2e-4,
        n_gibbs_steps: int = 1,
        persistent: bool = False,
        hidden_values: str = "probabilities",
        up_down_iter: int = 0,
        up_down_rate: float = 0.01,
        up_down_steps: int | Sequence[tuple[int, int]] = 1,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | int = False,
        n_threads: int | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.visible = visible
        self.pretraining_iter = pretraining_iter
        self.pretraining_rate = pretraining_rate
        self.pretraining_batch_size = pretraining_batch_size
        self.pretraining_momentum = pretraining_momentum
        self.pretraining_decay = pretraining_decay
        self.n_gibbs_steps = n_gibbs_steps
        self.persistent = persistent
        self.hidden_values = hidden_values
        self.up_down_iter = up_down_iter
        self.up_down_rate = up_down_rate
        self.up_down_steps = up_down_steps
        self.random_state = random_state
        self.verbose = verbose
        self.n_threads = n_threads

    @fitting
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from rows, layer by layer.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.
        y : object, default=None
            Not looked at.

        Returns
        -------
        self : DeepBeliefNetwork
            The fitted estimator.
        """
        if self.up_down_iter and self.visible != "binary":
            raise ValueError(
                f"`up_down_iter` must be 0 unless visible='binary'. Received: up_down_iter={self.up_down_iter}, "
                f"visible={self.visible!r}."
            )
        sizes = hidden_sizes(self.hidden_layer_sizes)
        if not sizes:
            raise ValueError(
                "`hidden_layer_sizes` must name at least one layer. "
                f"Received: hidden_layer_sizes={self.hidden_layer_sizes!r}."
            )
        check_greedy(self)
        steps = checked_steps(self.up_down_steps)
        X = validate_data(self, X, accept_sparse="csr", dtype=(np.float64, np.float32))
        rng = check_random_state(self.random_state)
        greedy = Greedy(
            kind="rbm",
            epochs=self.pretraining_iter,
            rate=self.pretraining_rate,
            batch_size=int(self.pretraining_batch_size),
            momentum=self.pretraining_momentum,
            weight_decay=float(self.pretraining_decay),
            n_gibbs_steps=int(self.n_gibbs_steps),
            persistent=bool(self.persistent),
            hidden_values=self.hidden_values,
            visible=self.visible,
            n_threads=self.n_threads,
            verbose=bool(self.verbose),
        )
        self.__dict__.pop("belief_", None)
        with limit_threads(self.n_threads):
            layers = greedy.train(X, sizes, dtype=X.dtype, random_state=rng)
            self.coefs_ = [layer.weight for layer in layers]
            self.intercepts_ = [layer.hidden_bias for layer in layers]
            self.visible_intercepts_ = [layer.visible_bias for layer in layers]
            self.histories_ = [layer.history for layer in layers]
            if self.up_down_iter:
                self._refine(X, rng, steps)
        self._n_features_out = int(sizes[-1])
        return self

    def _refine(self, X: Any, rng: np.random.RandomState, steps: int | tuple[tuple[int, int], ...]) -> None:
        """Run the up-down algorithm."""
        network = DeepBelief.from_rbms(self.rbms_)
        rule = UpDown(
            network,
            learning_rate=float(self.up_down_rate),
            n_gibbs_steps=steps,
            random_state=rng,
        )
        source = ArraySource(
            as_dense(X, network.top.weight.dtype).numpy(),
            batch_size=min(int(self.pretraining_batch_size), X.shape[0]),
            random_state=int(rng.randint(2**31 - 1)),
        )
        self.histories_.append(train(rule, source, max_epochs=int(self.up_down_iter)).history)
        self.belief_ = network
        ups = [*network.recognition_weights, network.top.weight]
        self.coefs_ = [weight.detach().numpy().copy() for weight in ups]
        biases = [*network.recognition_biases, network.top.hidden_bias]
        self.intercepts_ = [bias.detach().numpy().copy() for bias in biases]
        downs = [*network.generative_biases, network.top.visible_bias]
        self.visible_intercepts_ = [bias.detach().numpy().copy() for bias in downs]

    @property
    def rbms_(self) -> list[RBM]:
        """The layers as machines, copies."""
        check_is_fitted(self)
        arrays = zip(self.coefs_, self.visible_intercepts_, self.intercepts_, strict=True)
        return [
            RBM.from_arrays(weight, b, c, visible=self.visible if level == 0 else "binary")
            for level, (weight, b, c) in enumerate(arrays)
        ]

    def transform(self, X: Any) -> np.ndarray:
        """Compute the probabilities of the units of the top layer.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        features : ndarray of shape (n_samples, n_units)
            From 0 to 1, layer by layer by probabilities.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", reset=False, dtype=(np.float64, np.float32))
        dtype = torch.from_numpy(self.coefs_[0][:0]).dtype
        out = np.empty((X.shape[0], self.coefs_[-1].shape[1]), dtype=X.dtype)
        for start in range(0, len(out), _ROWS_AT_ONCE):
            values = as_dense(X[start : start + _ROWS_AT_ONCE], dtype)
            for weight, bias in zip(self.coefs_, self.intercepts_, strict=True):
                values = torch.addmm(torch.from_numpy(bias), values, torch.from_numpy(weight)).sigmoid_()
            out[start : start + _ROWS_AT_ONCE] = values.numpy()
        return out

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Compute the expectation of the inputs from the top layer, layer by layer by probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_units)
            Values of the top layer, from 0 to 1.

        Returns
        -------
        v : ndarray of shape (n_samples, n_features)
            Expectations.
        """
        check_is_fitted(self)
        dtype = self.coefs_[-1].dtype
        values = torch.from_numpy(np.array(check_array(X, dtype=dtype, input_name="X", estimator=self)))
        if values.shape[1] != self.coefs_[-1].shape[1]:
            raise ValueError(
                f"`X` must have {self.coefs_[-1].shape[1]} columns, one for each top unit. Received: {values.shape[1]}."
            )
        network = vars(self).get("belief_")
        with torch.no_grad():
            if network is not None:
                return np.asarray(network.generate(network.top.visible_mean(values)).numpy())
            for machine in reversed(self.rbms_):
                values = machine.visible_mean(values)
        return np.asarray(values.numpy())

    def sample(
        self,
        n_samples: int = 1,
        n_steps: int = 1000,
        *,
        random_state: int | np.random.RandomState | None = None,
    ) -> np.ndarray:
        """Draw rows: Gibbs steps of the top machine, then one way down.

        Parameters
        ----------
        n_samples : int, default=1
            Rows, each from a chain of its own.
        n_steps : int, default=1000
            Gibbs steps of the top machine, from random units.
        random_state : int, RandomState or None, default=None
            Source of the draws.

        Returns
        -------
        v : ndarray of shape (n_samples, n_features)
            Expectations of the inputs given the drawn units above them.
        """
        check_is_fitted(self)
        for name, value in (("n_samples", n_samples), ("n_steps", n_steps)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(f"`{name}` must be a whole number >= 1. Received: {name}={value!r}.")
        generator = torch.Generator().manual_seed(int(check_random_state(random_state).randint(2**31 - 1)))
        network = vars(self).get("belief_")
        if network is not None:
            return np.asarray(network.sample(n_samples, n_steps, generator=generator).numpy())
        return np.asarray(self._draw(n_samples, n_steps, generator).numpy())

    @torch.no_grad()
    def _draw(self, n_samples: int, n_steps: int, generator: torch.Generator) -> Tensor:
        machines = self.rbms_
        top = machines[-1]
        hidden = (torch.rand((n_samples, top.n_hidden), generator=generator) < 0.5).to(top.weight)
        for _ in range(n_steps):
            hidden = top.sample_hidden(top.sample_visible(hidden, generator=generator), generator=generator)
        for machine in reversed(machines[1:]):
            hidden = machine.sample_visible(hidden, generator=generator)
        return machines[0].visible_mean(hidden)

    # -- files -----------------------------------------------------------------------------------------------------

    def _belief_sizes(self) -> tuple[tuple[int, ...], int] | None:
        return ((self.n_features_in_, *hidden_sizes(self.hidden_layer_sizes)), 0) if self.up_down_iter else None

    def _learned(self) -> dict[str, Any]:
        histories = [{name: list(history[name]) for name in history.columns} for history in self.histories_]
        return super()._learned() | {"histories": histories}

    def _adopt_state(self, state: Mapping[str, Any]) -> None:
        rest = dict(state)
        self.histories_ = [history_of(columns) for columns in rest.pop("histories")]
        super()._adopt_state(rest)
        self._n_features_out = int(hidden_sizes(self.hidden_layer_sizes)[-1])

    def _check_saved(self) -> None:
        sizes = (self.n_features_in_, *hidden_sizes(self.hidden_layer_sizes))
        wanted = list(pairwise(sizes))
        shapes = {
            "coefs_": wanted,
            "intercepts_": [(size,) for size in sizes[1:]],
            "visible_intercepts_": [(size,) for size in sizes[:-1]],
        }
        for name, expected in shapes.items():
            if [array.shape for array in vars(self)[name]] != expected:
                raise ValueError(f"`{name}` does not have the shapes of the layers")
        dtypes = {array.dtype for name in shapes for array in vars(self)[name]}
        if len(dtypes) != 1 or dtypes.pop() not in (np.float32, np.float64):
            raise ValueError("the weights are not all of one floating-point dtype")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
