"""The restricted Boltzmann machine, drop-in for scikit-learn's, with what its practical guide asks for."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from strata._threads import limit_threads
from strata.data.sources import Batch
from strata.engine import noting_preparation, train
from strata.engine.progress import Progress
from strata.estimators._decorators import fitting
from strata.estimators._monitor import say_waiting
from strata.estimators._rbm_parts import (
    RBM_CONSTRAINTS,
    RBMState,
    Teller,
    Watch,
    as_dense,
    history_of,
    rows_source,
)
from strata.estimators._rbm_queries import RBMQueries
from strata.estimators._save import SaveMixin
from strata.estimators._training import checkpointing
from strata.estimators._validation import is_sparse
from strata.nn.rbm import RBM
from strata.rules.contrastive import ContrastiveDivergence

__all__ = ["BernoulliRBM"]

_LEAST_SHARE = 1e-3  # of a visible unit that is always 0 or always 1: its first bias stays finite


class BernoulliRBM(SaveMixin, RBMQueries, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    r"""Learn features without labels by a restricted Boltzmann machine.

    A drop-in replacement for scikit-learn's estimator of the same name: with the parameters that it has too, the same
    ``random_state`` gives the same machine. By itself it learns by persistent contrastive divergence; with
    ``persistent=False`` by CD-k.

    Parameters
    ----------
    n_components : int, default=256
        Hidden units.
    learning_rate : float, default=0.1
        Rate. For Gaussian visible units a tenth to a hundredth of it.
    batch_size : int, default=10
        Rows of a batch, and number of persistent chains.
    n_iter : int, default=10
        Epochs.
    verbose : int, default=0
        Whether to write a line an epoch to the standard output.
    random_state : int, RandomState or None, default=None
        Source of the first weights and of all draws.
    visible : {"binary", "gaussian", "rectified"}, default="binary"
        Kind of the visible units: values from 0 to 1, taken as probabilities; real numbers, which should be
        standardized; or numbers that are never negative, of unit deviation.
    persistent : bool, default=True
        Whether the chains go on from batch to batch, or begin at the data.
    n_gibbs_steps : int, default=1
        Steps of each chain between two updates.
    sampling : {"all", "hidden", "none"}, default="all"
        What is drawn along a chain; see :class:`strata.rules.ContrastiveDivergence`.
    momentum : float or (float, float), default=0.0
        Momentum, or that of the first epochs and that of the rest.
    momentum_epochs : int, default=5
        Epochs of the first momentum of a pair.
    weight_decay : float, default=0.0
        Strength of the L2 penalty on the weights.
    sparsity_target : float or None, default=None
        Share of the rows for which a hidden unit should be 1.
    sparsity_cost : float, default=0.1
        Strength of the pull towards it.
    visible_bias_init : {"zeros", "data"}, default="zeros"
        First biases of the visible units: 0, or those by which a machine without weights has the means of the data.
    hidden_bias_init : float, default=0.0
        First bias of every hidden unit; -4 makes them sparse.
    init_sigma : float, default=0.01
        Standard deviation of the first weights.
    shuffle : bool, default=False
        Whether every epoch has its own order of the rows. scikit-learn keeps that of ``X``.
    schedule : str or Schedule, default="constant"
        How the rate changes.
    engine : {"auto", "compiled", "torch"}, default="auto"
        The compiled chain, or plain operations of torch.
    n_threads : int or None, default=None
        Most threads in training; the result is the same however many there are.
    callbacks : sequence of Callback or None, default=None
        Callbacks of :mod:`strata.engine`.
    checkpoint : str, path, Checkpointing or None, default=None
        Folder for checkpoints.
    resume : bool, default=False
        Whether ``fit`` goes on from the last checkpoint.
    time_limit : float or None, default=None
        Seconds after which training ends, weights kept.
    progress : bool, default=False
        Whether to show progress on the standard error.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Weights, a row for each hidden unit.
    intercept_hidden_ : ndarray of shape (n_components,)
        Biases of the hidden units.
    intercept_visible_ : ndarray of shape (n_features,)
        Biases of the visible units.
    h_samples_ : ndarray of shape (batch_size, n_components)
        Hidden units of the persistent chains.
    history_ : History
        Figures of every epoch: ``loss``, the free energy of the data minus that of the chains; ``reconstruction``
        without persistent chains; with ``X_val`` also ``val_free_energy_gap`` and ``val_reconstruction``.
    n_iter_ : int
        Epochs of the last ``fit``.
    stop_reason_ : str
        Why training ended.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when ``X`` has them.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    NonFiniteError
        If the energies became infinite or NaN: the rate is too high, or real data are not standardized.

    See Also
    --------
    DeepBeliefNetwork : Several of them, one upon the other.
    strata.nn.RBM : The machine itself.

    Notes
    -----
    :math:`p(v, h) = e^{b'v + c'h + v'Wh} / Z`. A free energy of held-out rows that rises above that of training rows
    (``val_free_energy_gap``) is a sign of overfitting; the pseudo-likelihood of :meth:`score_samples` is a guess of
    the likelihood, which :meth:`log_likelihood` computes where :math:`Z` can be had.

    References
    ----------
    .. [1] T. Tieleman, "Training restricted Boltzmann machines using approximations to the likelihood gradient",
       ICML 2008.
    .. [2] G. Hinton, "A practical guide to training restricted Boltzmann machines", UTML TR 2010-003.

    Examples
    --------
    >>> X = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
    >>> model = BernoulliRBM(n_components=2, random_state=0).fit(X)
    >>> model.transform(X).shape, model.sample(5, random_state=0).shape
    ((4, 2), (5, 3))
    """

    _saved_state = RBMState
    _given: dict[str, np.ndarray]
    _given_arguments: dict[str, Any]
    _parameter_constraints = RBM_CONSTRAINTS

    def __init__(
        self,
        n_components: int = 256,
        *,
        learning_rate: float = 0.1,
        batch_size: int = 10,
        n_iter: int = 10,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
        visible: str = "binary",
        persistent: bool = True,
        n_gibbs_steps: int = 1,
        sampling: str = "all",
        momentum: float | tuple[float, float] = 0.0,
        momentum_epochs: int = 5,
        weight_decay: float = 0.0,
        sparsity_target: float | None = None,
        sparsity_cost: float = 0.1,
        visible_bias_init: str = "zeros",
        hidden_bias_init: float = 0.0,
        init_sigma: float = 0.01,
        shuffle: bool = False,
        schedule: Any = "constant",
        engine: str = "auto",
        n_threads: int | None = None,
        callbacks: Sequence[Any] | None = None,
        checkpoint: Any = None,
        resume: bool = False,
        time_limit: float | None = None,
        progress: bool = False,
    ) -> None:
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.verbose = verbose
        self.random_state = random_state
        self.visible = visible
        self.persistent = persistent
        self.n_gibbs_steps = n_gibbs_steps
        self.sampling = sampling
        self.momentum = momentum
        self.momentum_epochs = momentum_epochs
        self.weight_decay = weight_decay
        self.sparsity_target = sparsity_target
        self.sparsity_cost = sparsity_cost
        self.visible_bias_init = visible_bias_init
        self.hidden_bias_init = hidden_bias_init
        self.init_sigma = init_sigma
        self.shuffle = shuffle
        self.schedule = schedule
        self.engine = engine
        self.n_threads = n_threads
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.resume = resume
        self.time_limit = time_limit
        self.progress = progress

    # -- learning ------------------------------------------------------------------------------------------------

    @fitting
    def fit(self, X: Any, y: Any = None, *, X_val: Any = None) -> Self:
        """Learn from rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows; from 0 to 1 for binary visible units.
        y : object, default=None
            Not looked at.
        X_val : array-like or sparse matrix, default=None
            Held-out rows, which the history compares with training rows.

        Returns
        -------
        self : BernoulliRBM
            The fitted estimator.
        """
        X = validate_data(self, X, accept_sparse="csr", dtype=(np.float64, np.float32))
        self._warn_of_range(X)
        watch = None
        if X_val is not None:
            watch = Watch(validate_data(self, X_val, accept_sparse="csr", dtype=X.dtype, reset=False), X)
        rng = check_random_state(self.random_state)
        rule = self._new_rule(X, X.dtype, rng)
        source = rows_source(
            X,
            batch_size=int(self.batch_size),
            shuffle=bool(self.shuffle),
            random_state=rng.randint(np.iinfo(np.int32).max) if self.shuffle else None,
        )
        self._adopt(rule)
        callbacks = list(self.callbacks or ())
        if self.verbose:
            callbacks.append(Teller(type(self).__name__, lambda: float(self.score_samples(X).mean())))
        with limit_threads(self.n_threads), noting_preparation(say_waiting if self.verbose else None):
            run = train(
                rule,
                source,
                max_epochs=int(self.n_iter),
                validate=watch,
                callbacks=callbacks,
                checkpoint=checkpointing(self.checkpoint),
                resume=bool(self.resume),
                time_limit=self.time_limit,
                progress=Progress() if self.progress else None,
            )
        self._settle(rule)
        self.history_ = run.history
        self.n_iter_ = run.epoch
        self.stop_reason_ = str(run.stop_reason)
        return self

    @fitting
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from one batch, going on from what was learned before.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows of one batch.
        y : object, default=None
            Not looked at.

        Returns
        -------
        self : BernoulliRBM
            The estimator.
        """
        first = not hasattr(self, "components_")
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=first)
        if not hasattr(self, "random_state_"):
            self.random_state_ = check_random_state(self.random_state)
        rule: ContrastiveDivergence | None = vars(self).get("_rule")
        arguments = {name: value for name, value in self.get_params(deep=False).items() if name in _RULE_ARGUMENTS}
        if first:
            self._warn_of_range(X)
            rule = self._new_rule(X, np.dtype(np.float64), self.random_state_)
            self.n_iter_, self.stop_reason_, self.history_ = 0, "partial_fit", history_of({})
        elif rule is None or any(vars(self)[name] is not given for name, given in self._given.items()):
            rule = self._renewed_rule(None)
        elif arguments != self._given_arguments:
            rule = self._renewed_rule(rule)
        rule.step(Batch(as_dense(X, torch.float64)))
        self._rule = rule
        self._settle(rule)
        self._given = {name: vars(self)[name] for name in _ARRAYS}
        self._given_arguments = arguments
        return self

    def _renewed_rule(self, before: ContrastiveDivergence | None) -> ContrastiveDivergence:
        """Return the rule of the arguments and arrays of now, with what the rule before it had gathered."""
        chains = np.asarray(self.h_samples_, dtype=np.float64)
        rule = self._make_rule(self._machine(np.float64), self.random_state_, n_chains=len(chains))
        if self.persistent:
            rule.chains.copy_(torch.from_numpy(chains))
        if before is not None:
            rule.n_steps, rule.n_epochs = before.n_steps, before.n_epochs
            for name in ("velocity", "visible_velocity", "hidden_velocity", "activity"):
                gathered, place = getattr(before, name), getattr(rule, name)
                if gathered.shape == place.shape:
                    place.copy_(gathered)
        return rule

    def _warn_of_range(self, X: Any) -> None:
        values = X.data if is_sparse(X) else X
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
        if (self.visible == "binary" and (low < 0 or high > 1)) or (self.visible == "rectified" and low < 0):
            bounds = "from 0 to 1" if self.visible == "binary" else "of at least 0"
            warnings.warn(
                f"`X` should hold values {bounds} for {self.visible} visible units. Received: values from {low:g} to "
                f"{high:g}. Scale them (sklearn.preprocessing.MinMaxScaler), or use visible='gaussian'.",
                stacklevel=6,
            )

    def _new_rule(self, X: Any, dtype: Any, rng: np.random.RandomState) -> ContrastiveDivergence:
        """Draw the first weights and make the rule."""
        machine = RBM(
            X.shape[1],
            int(self.n_components),
            visible=self.visible,
            init_sigma=float(self.init_sigma),
            dtype=torch.float32 if dtype == np.float32 else torch.float64,
            random_state=rng,
        )
        machine.hidden_bias.fill_(float(self.hidden_bias_init))
        if self.visible_bias_init == "data":
            means = np.asarray(X.mean(axis=0), dtype=np.float64).ravel()
            if self.visible == "binary":
                means = np.clip(means, _LEAST_SHARE, 1 - _LEAST_SHARE)
                means = np.log(means / (1 - means))
            machine.visible_bias.copy_(torch.from_numpy(means))
        return self._make_rule(machine, rng)

    def _make_rule(
        self, machine: RBM, rng: np.random.RandomState, *, n_chains: int | None = None
    ) -> ContrastiveDivergence:
        momentum = self.momentum
        return ContrastiveDivergence(
            machine,
            learning_rate=float(self.learning_rate),
            n_gibbs_steps=int(self.n_gibbs_steps),
            persistent=bool(self.persistent),
            n_chains=int(self.batch_size) if n_chains is None else n_chains,
            sampling=self.sampling,
            momentum=tuple(momentum) if isinstance(momentum, (tuple, list)) else float(momentum),  # type: ignore[arg-type]
            momentum_epochs=int(self.momentum_epochs),
            weight_decay=float(self.weight_decay),
            sparsity_target=self.sparsity_target,
            sparsity_cost=float(self.sparsity_cost),
            average_chains=False,
            schedule=self.schedule,
            random_state=rng,
            n_threads=self.n_threads,
            engine=self.engine,
        )

    def _adopt(self, rule: ContrastiveDivergence) -> None:
        """Make the learned arrays views of a rule's parameters."""
        rule.prepare(say_waiting if self.verbose else lambda line: None)
        self.components_ = rule.rbm.weight.detach().numpy().T
        self.intercept_hidden_ = rule.rbm.hidden_bias.detach().numpy()
        self.intercept_visible_ = rule.rbm.visible_bias.detach().numpy()
        self.h_samples_ = np.zeros((int(self.batch_size), int(self.n_components)), dtype=self.components_.dtype)
        self._n_features_out = self.components_.shape[0]

    def _settle(self, rule: ContrastiveDivergence) -> None:
        """Keep the learned arrays, in memory of their own."""
        machine = rule.rbm
        self.components_ = np.ascontiguousarray(machine.weight.detach().numpy()).copy().T
        self.intercept_hidden_ = machine.hidden_bias.detach().numpy().copy()
        self.intercept_visible_ = machine.visible_bias.detach().numpy().copy()
        if self.persistent:
            self.h_samples_ = rule.chains.numpy().copy()
        else:
            shape = (int(self.batch_size), int(self.n_components))
            self.h_samples_ = np.zeros(shape, dtype=self.components_.dtype)
        self._n_features_out = self.components_.shape[0]

    # -- files ---------------------------------------------------------------------------------------------------

    def _learned(self) -> dict[str, Any]:
        history = {name: list(self.history_[name]) for name in self.history_.columns}
        return super()._learned() | {"history": history}

    def _adopt_state(self, state: Mapping[str, Any]) -> None:
        rest = dict(state)
        self.history_ = history_of(rest.pop("history"))
        super()._adopt_state(rest)
        self._n_features_out = self.components_.shape[0]

    def _check_saved(self) -> None:
        shape = (int(self.n_components), self.n_features_in_)
        shapes = {"components_": shape, "intercept_hidden_": shape[:1], "intercept_visible_": shape[1:]}
        for name, wanted in shapes.items():
            if vars(self)[name].shape != wanted:
                raise ValueError(f"`{name}` does not have the shape {wanted}")
        if self.h_samples_.ndim != 2 or self.h_samples_.shape[1] != shape[0]:
            raise ValueError("`h_samples_` does not have one column for each hidden unit")
        if len({vars(self)[name].dtype for name in _ARRAYS}) != 1 or self.components_.dtype.kind != "f":
            raise ValueError("the weights are not all of one floating-point dtype")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


#: The arguments that a rule is made of.
_RULE_ARGUMENTS = frozenset(
    (
        "engine", "learning_rate", "momentum", "momentum_epochs", "n_gibbs_steps", "n_threads", "persistent",
        "sampling", "schedule", "sparsity_cost", "sparsity_target", "visible", "weight_decay",
    )
)  # fmt: skip
_ARRAYS = ("components_", "intercept_hidden_", "intercept_visible_", "h_samples_")
