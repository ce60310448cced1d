"""The deep belief network that predicts numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from strata.estimators._dbn_base import DBN_CONSTRAINTS, PretrainedMLP, SavesLayers
from strata.estimators._decorators import fitting
from strata.estimators._regression_mlp import REGRESSION_LOSSES, RegressionMLP
from strata.estimators._save import SavedState
from strata.estimators._saved_mlp import SavesRegressor, _MLPState

__all__ = ["DBNRegressor"]


class _DBNState(_MLPState):
    """Learned values of :class:`DBNRegressor`."""

    pretraining_histories: list[dict[str, list[float]]]


class DBNRegressor(SavesLayers, SavesRegressor, RegressorMixin, PretrainedMLP, RegressionMLP):  # type: ignore[misc]
    """Predict numbers with a network of logistic units whose layers first learn one by one, without targets.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(500, 500)
        Units of each hidden layer.
    pretraining : {"rbm", "autoencoder", "supervised"} or None, default="rbm"
        How each layer is trained before the whole: as a Boltzmann machine; as an auto-associator with tied weights; as
        the hidden layer of a network of one that predicts the targets; or not at all.
    visible : {"binary", "gaussian", "rectified"}, default="binary"
        Kind of the inputs: from 0 to 1, standardized real numbers, or numbers that are never negative.
    pretraining_iter : int or sequence of int, default=20
        Epochs of greedy training, for all layers or for each.
    pretraining_rate : float or sequence of float, default=0.1
        Learning rate of greedy training, for all layers or for each.
    pretraining_batch_size : int, default=100
        Rows of a batch of greedy training.
    pretraining_momentum : float or (float, float), default=(0.5, 0.9)
        Momentum of greedy training, or that of a machine's first five epochs and that of the rest; the other kinds
        take the last.
    pretraining_decay : float, default=2e-4
        L2 penalty of greedy training.
    n_gibbs_steps : int, default=1
        Steps of the chains of a machine between two updates.
    persistent : bool, default=False
        Whether the chains of a machine go on from update to update.
    hidden_values : {"probabilities", "samples"}, default="probabilities"
        What the next layer learns from: the probabilities of the hidden units, or one draw of each.
    corruption : float, default=0.0
        Share of the inputs that is hidden from an auto-associator while it learns.
    loss : {"squared_error", "huber", "mae", "mse", "poisson", "half_squared", "rss"}, default="squared_error"
        What the whole network minimizes; see :class:`MLPRegressor`.
    solver : str, optimizer specification or callable, default="sgd"
        How the whole network learns; see :class:`MLPRegressor`.
    learning_rate_init : float, default=0.1
        Rate of the whole network's learning.
    momentum : float, default=0.0
        Momentum of the solver "sgd", in the lecture's form.
    alpha : float, default=0.0
        L2 penalty on the weights, ``alpha / 2 * sum(W ** 2)`` over the rows of the batch.
    batch_size : int, default=100
        Rows a step.
    max_iter : int, default=50
        Most epochs of the whole network's learning.
    schedule : str, Schedule or None, default=None
        How the rate changes.
    dropout : float or sequence of float, default=0.0
        Probability of dropping a hidden unit while the whole network learns.
    input_dropout : float, default=0.0
        Probability of dropping an input.
    max_norm : float or None, default=None
        Largest length of a unit's incoming weight vector.
    scale_inputs : bool, default=False
        Whether inputs are scaled inside: binary ones to the range from 0 to 1, others standardized.
    early_stopping : bool, default=False
        Whether the score on rows set aside, or on ``X_val``, decides when to stop and which weights are kept.
    validation_fraction : float, default=0.1
        Part of the rows set aside for it; greedy training does not see them either.
    tol : float, default=1e-4
        Smallest gain that counts as progress.
    n_iter_no_change : int, default=10
        Epochs without progress that are borne before the end.
    restore_best : "auto" or bool, default="auto"
        Whether the weights of the best epoch are kept; "auto" does so with early stopping.
    random_state : int, RandomState or None, default=None
        Source of all draws.
    verbose : bool or int, default=False
        Whether to write a line a layer and an epoch to the standard output.
    n_threads : int or None, default=None
        Most threads in training.
    callbacks : sequence of Callback or None, default=None
        Callbacks of :mod:`strata.engine`, for the whole network's learning.
    time_limit : float or None, default=None
        Seconds after which the whole network's learning ends, weights kept.
    progress : bool, default=False
        Whether to show progress on the standard error.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer.
    pretraining_history_ : list of History
        Figures of each layer's greedy training.
    history_ : History
        Figures of the whole network's learning.
    loss_, best_loss_ : float
        Training loss of the last epoch, and the smallest.
    loss_curve_ : list of float
        Training loss of every epoch.
    validation_scores_ : list of float or None
        Score on the validation rows after every epoch.
    best_validation_score_ : float or None
        Largest of them.
    n_iter_ : int
        Epochs of the whole network's learning.
    t_ : int
        Training rows seen by it.
    n_layers_, n_outputs_ : int
        Layers, inputs and outputs included, and output units.
    out_activation_ : str
        Activation of the output layer.
    stop_reason_ : str
        Why training ended.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when ``X`` has them.
    validation_loss_curve_ : list of float or None
        Loss on the validation rows after every epoch.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    NonFiniteError
        If the loss became infinite or NaN.

    See Also
    --------
    DBNClassifier : The same for classes.
    MLPRegressor : The network without greedy training, with every option.

    Notes
    -----
    Each layer is trained on what the one below makes of the rows; then an output layer is added and everything learns
    from the targets [2]_.

    References
    ----------
    .. [1] G. Hinton, S. Osindero, Y. Teh, "A fast learning algorithm for deep belief nets", Neural Computation 18,
       2006.
    .. [2] Y. Bengio, P. Lamblin, D. Popovici, H. Larochelle, "Greedy layer-wise training of deep networks", NIPS 19,
       2007.

    Examples
    --------
    >>> X = np.random.RandomState(0).uniform(size=(200, 3))
    >>> y = np.sin(3 * X[:, 0]) + X[:, 1]
    >>> model = DBNRegressor((20,), solver="adam", learning_rate_init=0.05, batch_size=20, max_iter=500, random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    """

    _saved_state: ClassVar[type[SavedState]] = _DBNState
    _parameter_constraints = {**DBN_CONSTRAINTS, "loss": [StrOptions(set(REGRESSION_LOSSES))]}

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (500, 500),
        *,
        pretraining: str | None = "rbm",
        visible: str = "binary",
        pretraining_iter: int | Sequence[int] = 20,
        pretraining_rate: float | Sequence[float] = 0.1,
        pretraining_batch_size: int = 100,
        pretraining_momentum: float | tuple[float, float] = (0.5, 0.9),
        pretraining_decay: float = 2e-4,
        n_gibbs_steps: int = 1,
        persistent: bool = False,
        hidden_values: str = "probabilities",
        corruption: float = 0.0,
        loss: str = "squared_error",
        solver: Any = "sgd",
        learning_rate_init: float = 0.1,
        momentum: float = 0.0,
        alpha: float = 0.0,
        batch_size: int = 100,
        max_iter: int = 50,
        schedule: Any = None,
        dropout: float | Sequence[float] = 0.0,
        input_dropout: float = 0.0,
        max_norm: float | None = None,
        scale_inputs: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        restore_best: str | bool = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | int = False,
        n_threads: int | None = None,
        callbacks: Sequence[Any] | None = None,
        time_limit: float | None = None,
        progress: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.pretraining = pretraining
        self.visible = visible
        self.pretraining_iter = pretraining_iter
        self.pretraining_rate = pretraining_rate
        self.pretraining_batch_size = pretraining_batch_size
        self.pretraining_momentum = pretraining_momentum
        self.pretraining_decay = pretraining_decay
        self.n_gibbs_steps = n_gibbs_steps
        self.persistent = persistent
        self.hidden_values = hidden_values
        self.corruption = corruption
        self.loss = loss
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.momentum = momentum
        self.alpha = alpha
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.schedule = schedule
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.max_norm = max_norm
        self.scale_inputs = scale_inputs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.restore_best = restore_best
        self.random_state = random_state
        self.verbose = verbose
        self.n_threads = n_threads
        self.callbacks = callbacks
        self.time_limit = time_limit
        self.progress = progress

    @fitting
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Learn from the given rows: the layers one after the other, then the whole.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the whole network's learning, >= 0. Greedy training without labels counts all rows
            the same.
        X_val, y_val : array-like, default=None
            Validation rows of your own.
        sample_weight_val : array-like of shape (n_samples,), default=None
            Weight of each validation row.

        Returns
        -------
        self : DBNRegressor
            The fitted estimator.
        """
        self._fit(X, y, sample_weight, validation=(X_val, y_val, sample_weight_val))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict the numbers of each row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Numbers.
        """
        check_is_fitted(self)
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs
