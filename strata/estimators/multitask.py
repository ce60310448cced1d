"""Several tasks at once: a shared trunk, and a head for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils import ClassifierTags
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted, validate_data

from strata.estimators._decorators import available_when, fitting
from strata.estimators._mlp_base import BaseMLP
from strata.estimators._parameters import EXTRA_CONSTRAINTS, MLP_CONSTRAINTS
from strata.estimators._saved_mlp import SavesTasks
from strata.estimators._tasks import Targets, Task, find_tasks, pack, split_targets
from strata.nn.dense import Head
from strata.rules.schedules import Schedule

__all__ = ["MultiTaskMLP"]

_NOT_HERE = ("loss_options", "out_activation")


def _is_incremental(estimator: MultiTaskMLP) -> bool:
    return estimator._check_solver()


def _has_probabilities(estimator: MultiTaskMLP) -> bool:
    kinds = getattr(estimator, "tasks_", {"": "labels"}).values()
    if not {"classification", "labels"} & set(kinds):
        raise AttributeError("predict_proba is available only with a task of classes or labels.")
    return True


class MultiTaskMLP(SavesTasks, BaseMLP):
    """Learn several targets of different kinds with one trunk of hidden layers and a head for each.

    A target that is missing (NaN or None) is a question that was not asked: its row does not count for that task.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Number of units of each hidden layer; an empty sequence makes a linear model.
    activation : str or sequence of str, default="relu"
        Activation of the hidden layers by name, one for all or one for each: "identity", "logistic",
        "tanh", "relu" and every name of :mod:`strata.functional.activations`.
    tasks : dict, sequence of str or "auto", default="auto"
        Kind of each task by name (or in order): "classification", "regression", "count" or "labels"; "auto" looks at
        the targets.
    task_weights : dict or None, default=None
        Factor of the loss of each task by name; 1 where none is given.
    scale_targets : bool, default=True
        Whether targets that are real numbers are standardized inside, by the means and deviations of the training rows,
        so that no task drowns the others; predictions come in the targets' own units.
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
    tasks_ : dict of str to str
        Kind of each task.
    task_classes_ : dict of str to ndarray
        Class labels of each task that classifies.
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
        Mean score of the tasks on the validation rows after every epoch.
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
    MLPClassifier : One target of classes, or several labels.
    MLPRegressor : One or several numbers.

    Notes
    -----
    The loss is the sum over the tasks of ``task_weights`` times the loss of the task: cross-entropy for classes and
    labels, half the squared error for numbers, the Poisson loss for counts. Losses are in units of the scaled targets;
    with ``scale_targets=False`` bring numbers to a similar scale yourself, or weigh the tasks.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.RandomState(0).uniform(-1, 1, (200, 2))
    >>> y = {"side": np.where(X[:, 0] > 0, "right", "left"), "sum": X.sum(axis=1)}
    >>> model = MultiTaskMLP((20,), learning_rate_init=0.02, max_iter=1000, random_state=0).fit(X, y)
    >>> model.predict([[0.5, 0.25]])["side"]
    array(['right'], dtype='<U5')
    >>> model.score(X, y) > 0.95
    True
    """

    _parameter_constraints = {
        **MLP_CONSTRAINTS,
        **{name: constraint for name, constraint in EXTRA_CONSTRAINTS.items() if name not in _NOT_HERE},
        "tasks": [StrOptions({"auto"}), dict, list, tuple],
        "task_weights": [dict, None],
        "scale_targets": ["boolean"],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Sequence[str] = "relu",
        *,
        tasks: str | dict[str, str] | Sequence[str] = "auto",
        task_weights: dict[str, float] | None = None,
        scale_targets: bool = True,
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.tasks = tasks
        self.task_weights = task_weights
        self.scale_targets = scale_targets
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
        """Learn from rows with a target for each task.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.
        y : dict, list of arrays, DataFrame or array of shape (n_samples,) or (n_samples, n_tasks)
            Targets by name, in a list, or as columns. In a dict or a list a target may have several columns.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, >= 0.
        X_val, y_val : array-like, default=None
            Validation rows of your own, ``y_val`` of the form of ``y``.
        sample_weight_val : array-like, default=None
            Weight of each validation row.

        Returns
        -------
        self : MultiTaskMLP
            The fitted estimator.
        """
        self._fit(X, y, sample_weight, validation=(X_val, y_val, sample_weight_val))
        return self

    @available_when(_is_incremental)
    @fitting
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from more rows, in one epoch that goes on from what was learned before.

        Kinds, classes and scales of the tasks are those of the rows of the first call.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.
        y : dict, list of arrays, DataFrame or array of shape (n_samples,) or (n_samples, n_tasks)
            Targets, as for ``fit``.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, >= 0.

        Returns
        -------
        self : MultiTaskMLP
            The fitted estimator.
        """
        self._fit(X, y, sample_weight, incremental=True)
        return self

    def predict(self, X: Any) -> Any:
        """Predict every task.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        y : dict, list or ndarray
            Predictions, held as the targets were in ``fit``.
        """
        check_is_fitted(self)
        return pack({task.name: task.decode(part) for task, part in self._parts(self._outputs(X))}, self._container)

    @available_when(_has_probabilities)
    def predict_proba(self, X: Any) -> Any:
        """Estimate the probabilities of every task that has some.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        probs : dict of str to ndarray, list of ndarray, or ndarray of shape (n_samples, n_classes)
            Probabilities of the classes of each task, in the order of ``task_classes_``, or of the labels: by name
            where the targets came so, a list for columns, one array for one column.
        """
        check_is_fitted(self)
        probs = {}
        for task, part in self._parts(self._outputs(X)):
            if task.kind == "labels" or (task.classes is not None and task.n_units > 1):
                probs[task.name] = part
            elif task.classes is not None:
                probs[task.name] = np.hstack([1 - part, part])
        return pack(probs, "list" if self._container == "table" else self._container)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the mean over the tasks of accuracy (classes, labels) or R2 (numbers, counts).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.
        y : dict, list of arrays, DataFrame or array
            Targets, as for ``fit``.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        score : float
            At most 1; rows without a target do not count for its task.
        """
        check_is_fitted(self)
        outputs = self._outputs(X)
        targets = self._encode(split_targets(y), outputs.dtype)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, outputs)
        check_consistent_length(outputs, targets)
        return self._score_outputs(outputs, targets, weight)

    def _validate_input(
        self, X: Any, y: Any, *, incremental: bool, reset: bool
    ) -> tuple[Any, np.ndarray, np.ndarray | None]:
        targets = split_targets(y)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32), reset=reset)
        check_consistent_length(X, *targets.arrays.values())
        if reset:
            self._tasks = find_tasks(targets, self.tasks, scale=self.scale_targets)
            self._container = targets.container
            self.tasks_ = {task.name: task.kind for task in self._tasks}
            self.task_classes_ = {task.name: task.classes for task in self._tasks if task.classes is not None}
            unknown = sorted(set(self.task_weights or ()) - set(self.tasks_))
            if unknown:
                raise ValueError(
                    f"`task_weights` must name tasks among {list(self.tasks_)}. "
                    f"Received: task_weights={self.task_weights!r}."
                )
        columns = self._encode(targets, X.dtype)
        if len(self._tasks) == 1 and np.isnan(columns).any():
            raise ValueError(
                "Input y contains NaN. A target may be missing only where another task has one: leave the row out."
            )
        return X, columns, None

    def _encode_validation(self, X: Any, y: Any) -> tuple[Any, np.ndarray, np.ndarray | None]:
        return self._validate_input(X, y, incremental=True, reset=False)

    def _encode(self, targets: Targets, dtype: Any) -> np.ndarray:
        if set(targets.arrays) != set(self.tasks_):
            raise ValueError(f"`y` must have the tasks {list(self.tasks_)}. Received: {list(targets.arrays)}.")
        return np.ascontiguousarray(np.hstack([task.encode(targets.arrays[task.name], dtype) for task in self._tasks]))

    def _heads(self) -> tuple[Head, ...]:
        weights = self.task_weights or {}
        return tuple(task.head(float(weights.get(task.name, 1.0))) for task in self._tasks)

    def _parts(self, outputs: np.ndarray) -> list[tuple[Task, np.ndarray]]:
        """Return each task with its part of the activated outputs."""
        ends = np.cumsum([task.n_units for task in self._tasks])
        return list(zip(self._tasks, np.split(outputs, ends[:-1], axis=1), strict=True))

    def _score_outputs(self, outputs: np.ndarray, targets: np.ndarray, sample_weight: np.ndarray | None) -> float:
        ends = np.cumsum([head.target_width for head in self._heads()])
        wanted = np.split(targets, ends[:-1], axis=1)
        scores = [
            task.score(part, columns, sample_weight)
            for (task, part), columns in zip(self._parts(outputs), wanted, strict=True)
        ]
        return float(np.mean(scores))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.classifier_tags = ClassifierTags(multi_label=True)
        return tags
