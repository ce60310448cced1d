"""The multi-layer perceptron that predicts numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from strata.estimators._decorators import available_when, fitting
from strata.estimators._parameters import EXTRA_CONSTRAINTS, MLP_CONSTRAINTS
from strata.estimators._regression_mlp import REGRESSION_LOSSES, RegressionMLP
from strata.estimators._saved_mlp import SavesRegressor
from strata.rules.schedules import Schedule

__all__ = ["MLPRegressor"]


def _is_incremental(estimator: MLPRegressor) -> bool:
    return estimator._check_solver()


class MLPRegressor(SavesRegressor, RegressorMixin, RegressionMLP):  # type: ignore[misc]
    """Predict one or several numbers with a multi-layer perceptron.

    A drop-in replacement for scikit-learn's estimator of the same name: its parameters, attributes and results, and
    then more, all of it by keyword.

    Parameters
    ----------
    loss : str or callable, default="squared_error"
        "squared_error" and "poisson" as in scikit-learn, another loss by name ("mae", "huber", ...), or
        ``callable(scores, targets, sample_weight)``.
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Number of units of each hidden layer; an empty sequence makes a linear model.
    activation : str or sequence of str, default="relu"
        Activation of the hidden layers by name, one for all or one for each: "identity", "logistic",
        "tanh", "relu" and every name of :mod:`strata.functional.activations`.
    solver : str, optimizer specification or callable, default="adam"
        "adam", "sgd" and "lbfgs" as in scikit-learn (Adam in its efficient form, SGD in the lecture's momentum
        form); any other name or specification of :mod:`strata.rules.optimizers`; or ``callable(params)`` that
        returns a ``torch.optim.Optimizer``.
    alpha : float, default=0.0001
        L2 penalty on the weights (never the biases), ``alpha / 2 * sum(W ** 2)`` over the weight of the batch.
    batch_size : int or "auto", default="auto"
        Rows a step; "auto" is ``min(200, n_samples)``, and all rows for "lbfgs" and "rprop".
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        Schedule of the solver "sgd"; ``schedule`` serves every solver.
    learning_rate_init : float, default=0.001
        First learning rate.
    power_t : float, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=200
        Most epochs (iterations for "lbfgs").
    shuffle : bool, default=True
        Whether to draw a new order of the rows before every epoch.
    random_state : int, RandomState or None, default=None
        Source of the first weights, the validation split and the order of the rows. The same seed gives
        scikit-learn's result.
    tol : float, default=1e-4
        Smallest gain of the loss (or of the validation score) that counts as progress; largest slope for "lbfgs".
    verbose : bool or int, default=False
        Whether to write a line an epoch to the standard output.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights that are there.
    momentum : float, default=0.9
        Momentum of the solver "sgd", from 0 to 1.
    nesterovs_momentum : bool, default=True
        Whether the solver "sgd" looks ahead.
    early_stopping : bool, default=False
        Whether the validation score decides when to stop, and the best weights are restored.
    validation_fraction : float, default=0.1
        Part of the rows set aside for early stopping when ``fit`` is given no ``X_val``.
    beta_1 : float, default=0.9
        Decay of Adam's first moment, in [0, 1).
    beta_2 : float, default=0.999
        Decay of Adam's second moment, in [0, 1).
    epsilon : float, default=1e-8
        Adam's small number in the denominator.
    n_iter_no_change : int, default=10
        Epochs without progress that are borne before the end.
    max_fun : int, default=15000
        Most evaluations of the loss by the solver "lbfgs".
    loss_options : dict or None, default=None
        Constants of the loss, for example ``{"delta": 2.0}`` for "huber".
    out_activation : str, default="auto"
        Activation of the output layer; "auto" is the one that belongs to the loss.
    l1 : float, default=0.0
        L1 penalty on the weights, divided by the weight of the batch like ``alpha``.
    l1_form : {"subgradient", "proximal"}, default="subgradient"
        "proximal" steps give weights that are exactly zero.
    max_norm : float or None, default=None
        Largest length of a unit's incoming weight vector.
    dropout : float or sequence of float, default=0.0
        Probability of dropping a hidden unit, one for all hidden layers or one for each.
    input_dropout : float, default=0.0
        Probability of dropping an input.
    dropout_form : {"inverted", "rescaling"}, default="inverted"
        Whether kept units are scaled up in training or weights are scaled down afterwards.
    init : str, default="auto"
        Scheme of the first weights: "auto" (scikit-learn's), "glorot_uniform", "glorot_normal", "he_normal",
        "he_uniform", "orthogonal", "normal" or "zeros".
    init_sigma : float, default=0.01
        Standard deviation of the scheme "normal".
    schedule : str, Schedule or None, default=None
        Learning-rate schedule by name or object, for any solver; it replaces ``learning_rate``.
    grad_clip : float or None, default=None
        Largest norm of the gradient.
    engine : {"auto", "compiled", "autograd"}, default="auto"
        Compiled back-propagation, PyTorch's autograd, or the faster of those that apply.
    device : str, default="auto"
        "cpu", "cuda", ...; "auto" takes an accelerator for large networks only.
    precision : {"full", "bfloat16", "float16"}, default="full"
        Mixed precision of the autograd engine.
    n_threads : int or None, default=None
        Threads in training; None is one for small networks.
    restore_best : "auto" or bool, default="auto"
        Whether the weights of the best epoch are kept at the end; "auto" does so with early stopping.
    scale_inputs : bool, default=False
        Whether inputs are standardized inside, by the means and deviations of the training rows.
    callbacks : sequence of Callback or None, default=None
        Callbacks of :mod:`strata.engine`. scikit-learn's own go through ``set_callbacks``.
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
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer.
    loss_ : float
        Training loss of the last epoch, the penalty included.
    best_loss_ : float or None
        Smallest training loss; None with early stopping.
    loss_curve_ : list of float
        Training loss of every epoch.
    validation_loss_curve_ : list of float or None
        Loss on the validation rows after every epoch, without the penalty.
    validation_scores_ : list of float or None
        R2 on the validation rows after every epoch.
    best_validation_score_ : float or None
        Largest of them.
    n_iter_ : int
        Epochs of the last ``fit``.
    t_ : int
        Training rows seen.
    n_layers_ : int
        Number of layers, inputs and outputs included.
    n_outputs_ : int
        Number of output units.
    out_activation_ : str
        Activation of the output layer.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when ``X`` has them.
    history_ : History
        The figures of every epoch of the last ``fit``.
    engine_ : {"compiled", "autograd"}
        What trained the network.
    stop_reason_ : str
        Why training ended.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or the arrays cannot be learned from.
    NonFiniteError
        If the loss became infinite or NaN (also a ``ValueError``).

    See Also
    --------
    MLPClassifier : The same for classes.
    MultiTaskMLP : Several targets of different kinds at once.
    BaggedMLPRegressor : Several networks at once.

    Notes
    -----
    "squared_error" learns from half the sum of squares over the outputs, and reports half their mean, as scikit-learn
    does. "poisson" predicts through an exponential and reports half the deviance.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-2, 2, 100)[:, np.newaxis]
    >>> y = np.sin(2 * X[:, 0])
    >>> model = MLPRegressor(hidden_layer_sizes=(20,), activation="tanh", solver="lbfgs", random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    """

    _parameter_constraints = {
        **MLP_CONSTRAINTS,
        **EXTRA_CONSTRAINTS,
        "loss": [StrOptions(set(REGRESSION_LOSSES)), callable],
    }

    def __init__(
        self,
        loss: str | Callable[..., Any] = "squared_error",
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Sequence[str] = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        loss_options: dict[str, float] | None = None,
        out_activation: str = "auto",
        l1: float = 0.0,
        l1_form: str = "subgradient",
        max_norm: float | None = None,
        dropout: float | Sequence[float] = 0.0,
        input_dropout: float = 0.0,
        dropout_form: str = "inverted",
        init: str = "auto",
        init_sigma: float = 0.01,
        schedule: str | Schedule | None = None,
        grad_clip: float | None = None,
        engine: str = "auto",
        device: str = "auto",
        precision: str = "full",
        n_threads: int | None = None,
        restore_best: str | bool = "auto",
        scale_inputs: bool = False,
        callbacks: Sequence[Any] | None = None,
        checkpoint: Any = None,
        resume: bool = False,
        time_limit: float | None = None,
        progress: bool = False,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.loss_options = loss_options
        self.out_activation = out_activation
        self.l1 = l1
        self.l1_form = l1_form
        self.max_norm = max_norm
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.dropout_form = dropout_form
        self.init = init
        self.init_sigma = init_sigma
        self.schedule = schedule
        self.grad_clip = grad_clip
        self.engine = engine
        self.device = device
        self.precision = precision
        self.n_threads = n_threads
        self.restore_best = restore_best
        self.scale_inputs = scale_inputs
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.resume = resume
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
        """Learn from rows with numbers to predict.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers to predict.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, >= 0.
        X_val, y_val : array-like, default=None
            Validation rows of your own; without them early stopping sets some of the training rows aside.
        sample_weight_val : array-like, default=None
            Weight of each validation row.

        Returns
        -------
        self : MLPRegressor
            The fitted estimator.
        """
        self._fit(X, y, sample_weight, validation=(X_val, y_val, sample_weight_val))
        return self

    @available_when(_is_incremental)
    @fitting
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from more rows, in one epoch that goes on from what was learned before.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers to predict.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, >= 0.

        Returns
        -------
        self : MLPRegressor
            The fitted estimator.
        """
        self._fit(X, y, sample_weight, incremental=True)
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
            Predictions.
        """
        check_is_fitted(self)
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs
