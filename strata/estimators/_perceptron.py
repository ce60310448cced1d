"""Rosenblatt's perceptron, drop-in for scikit-learn's, and by the lecture's stop criterion."""

from __future__ import annotations

import math
import warnings
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.utils import compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from strata.data.sources import Batch
from strata.engine import train
from strata.errors import NonFiniteError
from strata.estimators._decorators import fitting
from strata.estimators._labels import check_class_weight
from strata.estimators._perceptron_parts import Narrator, OneBatch, PerceptronState, as_rows, set_start
from strata.estimators._save import SaveMixin
from strata.estimators._validation import as_tensor, is_sparse
from strata.rules.perceptron import PerceptronRule, shuffle_seeds

__all__ = ["Perceptron"]

#: What scikit-learn multiplies the updates of the bias by when the inputs are sparse.
_SPARSE_BIAS_SHARE = 0.01


class Perceptron(SaveMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    r"""Classify by a linear threshold that learns from its mistakes.

    A drop-in replacement for scikit-learn's estimator of the same name, and with ``threshold_error`` the rule of the
    lecture. Several classes are learned one against all others.

    Parameters
    ----------
    penalty : {"l2", "l1", "elasticnet"} or None, default=None
        Penalty on the weights.
    alpha : float, default=0.0001
        Strength of the penalty.
    l1_ratio : float, default=0.15
        Part of "elasticnet" that is L1, from 0 to 1.
    fit_intercept : bool, default=True
        Whether the bias learns.
    max_iter : int, default=1000
        Most epochs of ``fit``.
    tol : float or None, default=1e-3
        Smallest gain of the mean loss (or validation accuracy) that counts as progress; None never stops by it.
    shuffle : bool, default=True
        Whether to draw a new order of the rows before every epoch.
    verbose : int, default=0
        Whether to write a line an epoch to the standard output.
    eta0 : float, default=1.0
        Learning rate.
    n_jobs : int or None, default=None
        Accepted for scikit-learn's sake; all classes are learned in one compiled pass.
    random_state : int, RandomState or None, default=0
        Source of the orders and of the validation split.
    early_stopping : bool, default=False
        Whether the accuracy on rows that are set aside takes the place of the loss.
    validation_fraction : float, default=0.1
        Part of the rows set aside for early stopping.
    n_iter_no_change : int, default=5
        Epochs without progress that end learning.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights that are there.
    threshold_error : float or None, default=None
        The lecture's criterion T: learning ends when the mean of \|d - y\| over an epoch is below it; 0 means no
        error at all.
    ties : {"auto", "zero", "error"}, default="auto"
        What a score of exactly 0 is: the output 0 (the lecture), or an error whatever the target (scikit-learn).
        "auto" is "zero" when ``threshold_error`` is given, else "error".

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Weights.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Biases.
    n_iter_ : int
        Epochs done; for several classes, of the one that took longest.
    t_ : float
        Examples visited, plus 1.
    errors_ : list of float
        Mean of \|d - y\| in each epoch, counted before each update, over the neurons that still learned.
    loss_curve_ : list of float
        Mean perceptron criterion of each epoch.
    stop_reason_ : str
        Why learning ended.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when ``X`` has them.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or there is only one class.

    See Also
    --------
    McCullochPitts : Fixed weights.
    DeltaRulePerceptron : Learns by a gradient.

    Notes
    -----
    For each example in turn :math:`w \leftarrow w + \alpha (d - y) x` and :math:`b \leftarrow b + \alpha (d - y)`.
    The same ``random_state`` gives scikit-learn's weights.

    References
    ----------
    .. [1] F. Rosenblatt, "The perceptron: a probabilistic model for information storage and organization in the
       brain", Psychological Review 65, 1958.

    Examples
    --------
    >>> model = Perceptron(shuffle=False, tol=None, threshold_error=0.0)
    >>> model.fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1]).coef_, model.intercept_
    (array([[2., 1.]]), array([-2.]))
    >>> model.errors_
    [0.25, 0.75, 0.75, 0.5, 0.25, 0.0]
    """

    coef_: Any
    n_iter_: int

    _saved_state = PerceptronState
    _parameter_constraints = {
        "penalty": [StrOptions({"l2", "l1", "elasticnet"}), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "fit_intercept": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "shuffle": ["boolean"],
        "verbose": ["verbose"],
        "eta0": [Interval(Real, 0, None, closed="neither")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "warm_start": ["boolean"],
        "threshold_error": [Interval(Real, 0, None, closed="left"), None],
        "ties": [StrOptions({"auto", "zero", "error"})],
    }

    def __init__(
        self,
        *,
        penalty: str | None = None,
        alpha: float = 0.0001,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        verbose: int = 0,
        eta0: float = 1.0,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = 0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        class_weight: dict[Any, float] | str | None = None,
        warm_start: bool = False,
        threshold_error: float | None = None,
        ties: str = "auto",
    ) -> None:
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.eta0 = eta0
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.threshold_error = threshold_error
        self.ties = ties

    @fitting
    def fit(self, X: Any, y: Any, coef_init: Any = None, intercept_init: Any = None, sample_weight: Any = None) -> Self:
        """Learn from labelled rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,)
            Class labels.
        coef_init : array-like of the shape of ``coef_``, default=None
            Weights to begin with; zero otherwise.
        intercept_init : array-like of the shape of ``intercept_``, default=None
            Biases to begin with.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        self : Perceptron
            The fitted estimator.
        """
        X, y = self._check_rows(X, y, reset=True)
        before = (getattr(self, "coef_", None), getattr(self, "intercept_", None)) if self.warm_start else (None, None)
        coef_init = before[0] if coef_init is None else coef_init
        intercept_init = before[1] if intercept_init is None else intercept_init
        self.classes_ = np.unique(y)
        self.t_ = 1.0
        self._learn(X, y, sample_weight, coef_init, intercept_init, max_iter=int(self.max_iter))
        if self.tol is not None and self.n_iter_ == self.max_iter:
            warnings.warn(
                "Maximum number of iteration reached before convergence. Consider increasing max_iter to improve the "
                "fit.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return self

    def _check_saved(self) -> None:
        n_rows = 1 if len(self.classes_) == 2 else len(self.classes_)
        if self.classes_.ndim != 1 or len(self.classes_) < 2 or self.coef_.shape != (n_rows, self.n_features_in_):
            raise ValueError("`coef_` does not have one row for each class and one column for each input")
        if self.intercept_.shape != (n_rows,) or self.coef_.dtype not in (np.float32, np.float64):
            raise ValueError("`intercept_` does not fit `coef_`")

    @fitting
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn from more rows, in one epoch that goes on from what was learned before.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever come; needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        self : Perceptron
            The fitted estimator.
        """
        first = not hasattr(self, "classes_")
        if first and self.early_stopping:
            raise ValueError("early_stopping should be False with partial_fit")
        if first and self.class_weight == "balanced":
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit. Pass a dict, for example from "
                "sklearn.utils.compute_class_weight."
            )
        X, y = self._check_rows(X, y, reset=first)
        _check_partial_fit_first_call(self, classes)
        if first:
            self.t_ = 1.0
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"`y` must hold classes of the first call only. Received also: {list(unknown)}.")
        self._learn(X, y, sample_weight, getattr(self, "coef_", None), getattr(self, "intercept_", None), max_iter=1)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Compute the scores before the threshold.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Above 0 is ``classes_[1]``; for several classes the largest wins.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", reset=False)
        scores = np.asarray(safe_sparse_dot(X, self.coef_.T, dense_output=True) + self.intercept_)
        return scores.ravel() if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> np.ndarray:
        """Predict the class of each row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Class labels.
        """
        scores = self.decision_function(X)
        chosen = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes_[chosen])

    def densify(self) -> Self:
        """Make ``coef_`` a dense array again.

        Returns
        -------
        self : Perceptron
            The estimator.
        """
        check_is_fitted(self)
        if is_sparse(self.coef_):
            self.coef_ = self.coef_.toarray()
        return self

    def sparsify(self) -> Self:
        """Make ``coef_`` a sparse matrix, which saves memory when most weights are 0.

        Returns
        -------
        self : Perceptron
            The estimator; call ``densify`` before it learns again.
        """
        check_is_fitted(self)
        self.coef_ = sparse.csr_matrix(self.coef_)
        return self

    def _check_rows(self, X: Any, y: Any, *, reset: bool) -> tuple[Any, np.ndarray]:
        check_class_weight(self.class_weight)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            order="C",
            accept_large_sparse=False,
            reset=reset,
        )
        check_classification_targets(y)
        return X, y

    def _learn(
        self, X: Any, y: np.ndarray, sample_weight: Any, coef_init: Any, intercept_init: Any, *, max_iter: int
    ) -> None:
        n_classes = len(self.classes_)
        if n_classes < 2:
            raise ValueError(f"The number of classes has to be greater than one; got {n_classes} class")
        weight = None
        if sample_weight is not None:
            weight = np.asarray(
                _check_sample_weight(
                    sample_weight, X, dtype=X.dtype, ensure_non_negative=True, allow_all_zero_weights=True
                )
            )
            if not self.early_stopping and not weight.any():
                raise ValueError("`sample_weight` must have a positive entry. Received: all weights are zero.")
        targets = (y[:, np.newaxis] == (self.classes_[1:] if n_classes == 2 else self.classes_)).astype(np.float64)
        rule = self._rule(X, y, targets, weight)
        set_start(rule, coef_init, intercept_init)
        batch = Batch(
            as_rows(X, rule.weight.dtype),
            as_tensor(targets, torch.float64),
            None if weight is None else as_tensor(weight, torch.float64),
        )
        source = OneBatch(batch)
        try:
            run = train(rule, source, max_epochs=max_iter, callbacks=[Narrator()] if self.verbose else [])
        except NonFiniteError as error:
            raise NonFiniteError(
                f"Floating-point under-/overflow occurred at epoch #{error.epoch}. Scaling input data with "
                "StandardScaler or MinMaxScaler might help.",
                epoch=error.epoch,
                batch=error.batch,
            ) from error
        self.coef_ = rule.weight.detach().numpy()
        self.intercept_: np.ndarray = rule.bias.detach().numpy()
        self.n_iter_ = int(rule.n_epochs.max())
        self.t_ += self.n_iter_ * X.shape[0]
        learned = len(run.history) > 0  # a callback may stop it before the first epoch
        self.errors_ = run.history["error"] if learned else []
        self.loss_curve_ = run.history["loss"] if learned else []
        self.stop_reason_ = str(run.stop_reason)

    def _rule(self, X: Any, y: np.ndarray, targets: np.ndarray, weight: np.ndarray | None) -> PerceptronRule:
        n_outputs = targets.shape[1]
        held_out = self._held_out(y, weight) if self.early_stopping else None
        l1_ratio = {"l1": 1.0, "l2": 0.0, "elasticnet": float(self.l1_ratio)}.get(str(self.penalty), 0.0)
        alpha = 0.0 if self.penalty is None else float(self.alpha)
        by_class = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        ties = self.ties
        if ties == "auto":
            ties = "error" if self.threshold_error is None else "zero"
        return PerceptronRule(
            X.shape[1],
            n_outputs,
            learning_rate=float(self.eta0),
            threshold=None if self.threshold_error is None else float(self.threshold_error),
            ties=ties,  # type: ignore[arg-type]
            l1=alpha * l1_ratio,
            l2=alpha * (1.0 - l1_ratio),
            fit_intercept=bool(self.fit_intercept),
            bias_share=_SPARSE_BIAS_SHARE if is_sparse(X) else 1.0,
            class_weights=[tuple(by_class)] if n_outputs == 1 else [(1.0, share) for share in by_class],
            seeds=shuffle_seeds(self.random_state, n_outputs) if self.shuffle else None,
            tol=None if self.tol is None or not math.isfinite(self.tol) else float(self.tol),
            n_iter_no_change=int(self.n_iter_no_change),
            validation_rows=held_out,
            dtype=torch.float32 if X.dtype == np.float32 else torch.float64,
        )

    def _held_out(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """Draw the rows to validate on, with scikit-learn's draws."""
        splitter = StratifiedShuffleSplit(test_size=self.validation_fraction, random_state=self.random_state)
        _, rows = next(splitter.split(np.zeros((len(y), 1)), y))
        if weight is not None and not weight[rows].any():
            raise ValueError(
                "The sample weights for validation set are all zero, consider using a different random state."
            )
        mask = np.zeros(len(y), dtype=bool)
        mask[rows] = True
        return mask

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
