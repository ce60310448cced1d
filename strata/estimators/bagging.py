"""Several networks at once, each on its own sample of the rows, and the mean of their predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils._param_validation import StrOptions

from strata.estimators._bagging import BAGGING_CONSTRAINTS, BaggedMLP
from strata.estimators._mlp_classifier import CLASSIFICATION_LOSSES, MLPClassifier
from strata.estimators._mlp_regressor import MLPRegressor
from strata.estimators._regression_mlp import REGRESSION_LOSSES
from strata.estimators._saved_mlp import SavedBagClassifier, SavedBagRegressor
from strata.rules.schedules import Schedule

__all__ = ["BaggedMLPClassifier", "BaggedMLPRegressor"]


class BaggedMLPClassifier(BaggedMLP, MLPClassifier):
    """Classify by the mean of several networks, each trained on its own sample of the rows.

    Every network begins with its own weights and learns from its own sample of the rows, drawn with replacement; the
    prediction is the mean of theirs.

    Parameters
    ----------
    n_estimators : int, default=10
        Number of networks, k.
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Number of units of each hidden layer; an empty sequence makes a linear model.
    activation : str or sequence of str, default="relu"
        Activation of the hidden layers by name, one for all or one for each: "identity", "logistic",
        "tanh", "relu" and every name of :mod:`strata.functional.activations`.
    bootstrap : bool, default=True
        Whether each network learns from rows drawn with replacement.
    max_samples : float, default=1.0
        Rows drawn for each network, as a part of all, in (0, 1].
    solver : str or optimizer specification, default="adam"
        "adam", "sgd", or any other name or specification of :mod:`strata.rules.optimizers` but L-BFGS.
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
    momentum : float, default=0.9
        Momentum of the solver "sgd", from 0 to 1.
    nesterovs_momentum : bool, default=True
        Whether the solver "sgd" looks ahead.
    beta_1 : float, default=0.9
        Decay of Adam's first moment, in [0, 1).
    beta_2 : float, default=0.999
        Decay of Adam's second moment, in [0, 1).
    epsilon : float, default=1e-8
        Adam's small number in the denominator.
    n_iter_no_change : int, default=10
        Epochs without progress that are borne before the end.
    loss : str, default="auto"
        "auto" or "log_loss" (cross-entropy), or another loss by name ("focal", "hinge", "squared_error", ...).
    loss_options : dict or None, default=None
        Constants of the loss, for example ``{"delta": 2.0}`` for "huber".
    out_activation : str, default="auto"
        Activation of the output layer; "auto" is the one that belongs to the loss.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weight of each class, multiplied into ``sample_weight``.
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
    n_threads : int or None, default=None
        Threads in training; None is one for small networks.
    scale_inputs : bool, default=False
        Whether inputs are standardized inside, by the means and deviations of the training rows.

    Attributes
    ----------
    classes_ : ndarray
        Class labels in sorted order.
    estimators_ : list of MLPClassifier
        The networks one by one; they share the weights of this estimator.
    estimators_samples_ : list of ndarray of int
        Rows that each network learned from.
    bagging_report_ : dict
        ``ensemble_error``, the mean square of the error of the mean, beside ``formula``, which is
        ``v/k + (k - 1) c/k`` with ``v`` the mean square of a network's error and ``c`` the mean product of the errors
        of two. ``rows`` says which rows judged: "validation", "out-of-bag" or "training".
    oob_score_ : float or None
        Score of the mean of those networks that did not learn from a row, over all such rows.
    coefs_ : list of ndarray of shape (k, n_in, n_out)
        Weights of each layer, stacked over the networks.
    intercepts_ : list of ndarray of shape (k, n_out)
        Biases of each layer.
    loss_ : float
        Mean over the networks of the last training loss.
    loss_curves_ : list of list of float
        Training loss of each network by epoch.
    n_iter_ : int
        Epochs of the network that took longest.
    t_ : int
        Training rows seen by all networks together.
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
    engine_ : str
        "compiled".
    stop_reason_ : str
        "max_epochs" when a network was still learning, else "early_stopping".

    Raises
    ------
    ValueError
        If a parameter is outside its range, the arrays cannot be learned from, or the network cannot be compiled.
    NonFiniteError
        If a loss became infinite or NaN (also a ``ValueError``).

    See Also
    --------
    MLPClassifier : One network.
    BaggedMLPRegressor : The same for numbers.

    Notes
    -----
    L. Breiman, "Bagging predictors", 1994. The squared error of the mean of k networks whose errors have the variance
    v and the covariance c is expected to be :math:`v/k + (k - 1) c/k`: nothing is gained where c = v.

    In batches of 32 rows or more, each network goes through the distinct rows that it drew, with their counts as
    weights, in as many batches as its sample would fill: the same updates an epoch for 0.63 of the work.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> X, y = make_moons(200, noise=0.3, random_state=0)
    >>> bag = BaggedMLPClassifier(5, (8,), learning_rate_init=0.05, max_iter=2000, random_state=0).fit(X, y)
    >>> bag.bagging_report_["ensemble_error"] < bag.bagging_report_["v"]
    True
    """

    _parameter_constraints = {
        **BAGGING_CONSTRAINTS,
        "loss": [StrOptions(set(CLASSIFICATION_LOSSES))],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }
    _saved_state = SavedBagClassifier
    _single = MLPClassifier

    def __init__(
        self,
        n_estimators: int = 10,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Sequence[str] = "relu",
        *,
        bootstrap: bool = True,
        max_samples: float = 1.0,
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
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        loss: str = "auto",
        loss_options: dict[str, float] | None = None,
        out_activation: str = "auto",
        class_weight: Any = None,
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
        n_threads: int | None = None,
        scale_inputs: bool = False,
    ) -> None:
        self.n_estimators = n_estimators
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.bootstrap = bootstrap
        self.max_samples = max_samples
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
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.loss = loss
        self.loss_options = loss_options
        self.out_activation = out_activation
        self.class_weight = class_weight
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
        self.n_threads = n_threads
        self.scale_inputs = scale_inputs


class BaggedMLPRegressor(BaggedMLP, MLPRegressor):
    """Predict numbers by the mean of several networks, each trained on its own sample of the rows.

    Every network begins with its own weights and learns from its own sample of the rows, drawn with replacement; the
    prediction is the mean of theirs.

    Parameters
    ----------
    n_estimators : int, default=10
        Number of networks, k.
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Number of units of each hidden layer; an empty sequence makes a linear model.
    activation : str or sequence of str, default="relu"
        Activation of the hidden layers by name, one for all or one for each: "identity", "logistic",
        "tanh", "relu" and every name of :mod:`strata.functional.activations`.
    bootstrap : bool, default=True
        Whether each network learns from rows drawn with replacement.
    max_samples : float, default=1.0
        Rows drawn for each network, as a part of all, in (0, 1].
    solver : str or optimizer specification, default="adam"
        "adam", "sgd", or any other name or specification of :mod:`strata.rules.optimizers` but L-BFGS.
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
    momentum : float, default=0.9
        Momentum of the solver "sgd", from 0 to 1.
    nesterovs_momentum : bool, default=True
        Whether the solver "sgd" looks ahead.
    beta_1 : float, default=0.9
        Decay of Adam's first moment, in [0, 1).
    beta_2 : float, default=0.999
        Decay of Adam's second moment, in [0, 1).
    epsilon : float, default=1e-8
        Adam's small number in the denominator.
    n_iter_no_change : int, default=10
        Epochs without progress that are borne before the end.
    loss : str, default="squared_error"
        "squared_error", "poisson", or another loss by name ("mae", "huber", ...).
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
    n_threads : int or None, default=None
        Threads in training; None is one for small networks.
    scale_inputs : bool, default=False
        Whether inputs are standardized inside, by the means and deviations of the training rows.

    Attributes
    ----------
    estimators_ : list of MLPRegressor
        The networks one by one; they share the weights of this estimator.
    estimators_samples_ : list of ndarray of int
        Rows that each network learned from.
    bagging_report_ : dict
        ``ensemble_error``, the mean square of the error of the mean, beside ``formula``, which is
        ``v/k + (k - 1) c/k`` with ``v`` the mean square of a network's error and ``c`` the mean product of the errors
        of two. ``rows`` says which rows judged: "validation", "out-of-bag" or "training".
    oob_score_ : float or None
        Score of the mean of those networks that did not learn from a row, over all such rows.
    coefs_ : list of ndarray of shape (k, n_in, n_out)
        Weights of each layer, stacked over the networks.
    intercepts_ : list of ndarray of shape (k, n_out)
        Biases of each layer.
    loss_ : float
        Mean over the networks of the last training loss.
    loss_curves_ : list of list of float
        Training loss of each network by epoch.
    n_iter_ : int
        Epochs of the network that took longest.
    t_ : int
        Training rows seen by all networks together.
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
    engine_ : str
        "compiled".
    stop_reason_ : str
        "max_epochs" when a network was still learning, else "early_stopping".

    Raises
    ------
    ValueError
        If a parameter is outside its range, the arrays cannot be learned from, or the network cannot be compiled.
    NonFiniteError
        If a loss became infinite or NaN (also a ``ValueError``).

    See Also
    --------
    MLPRegressor : One network.
    BaggedMLPClassifier : The same for classes.

    Notes
    -----
    L. Breiman, "Bagging predictors", 1994. The squared error of the mean of k networks whose errors have the variance
    v and the covariance c is expected to be :math:`v/k + (k - 1) c/k`: nothing is gained where c = v.

    In batches of 32 rows or more, each network goes through the distinct rows that it drew, with their counts as
    weights, in as many batches as its sample would fill: the same updates an epoch for 0.63 of the work.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.RandomState(0).uniform(-2, 2, (200, 1))
    >>> y = np.sin(2 * X[:, 0])
    >>> bag = BaggedMLPRegressor(5, (20,), learning_rate_init=0.02, max_iter=500, random_state=0).fit(X, y)
    >>> bag.score(X, y) > 0.9
    True
    """

    _parameter_constraints = {
        **BAGGING_CONSTRAINTS,
        "loss": [StrOptions(set(REGRESSION_LOSSES))],
    }
    _saved_state = SavedBagRegressor
    _single = MLPRegressor

    def __init__(
        self,
        n_estimators: int = 10,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Sequence[str] = "relu",
        *,
        bootstrap: bool = True,
        max_samples: float = 1.0,
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
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        loss: str = "squared_error",
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
        n_threads: int | None = None,
        scale_inputs: bool = False,
    ) -> None:
        self.n_estimators = n_estimators
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.bootstrap = bootstrap
        self.max_samples = max_samples
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
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.loss = loss
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
        self.n_threads = n_threads
        self.scale_inputs = scale_inputs
