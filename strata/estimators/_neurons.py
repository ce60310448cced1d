"""Single neurons: the one with fixed weights, and the one that learns by the delta rule."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from strata._names import unknown_name
from strata.data.sources import ArraySource
from strata.engine import train
from strata.estimators._decorators import fitting
from strata.estimators._save import SavedState, SaveMixin
from strata.estimators._validation import as_tensor
from strata.functional.activations import ACTIVATIONS
from strata.rules.delta import DeltaRule
from strata.rules.neuron import McCullochPittsRule

__all__ = ["DeltaRulePerceptron", "McCullochPitts"]

#: Weights and threshold of the gates, lecture S3.
_GATES: dict[str, tuple[tuple[float, ...], float]] = {
    "and": ((1.0, 1.0), 1.5),
    "or": ((1.0, 1.0), 0.5),
    "nor": ((-1.0, -1.0), -0.5),
    "nand": ((-1.0, -1.0), -1.5),
    "not": ((-1.0,), -0.5),
    "majority": ((1.0, 1.0, 1.0), 1.5),
}


class _GateState(SavedState):
    """What :class:`McCullochPitts` saw, if it was fitted at all."""

    n_features_in_: int | None = None  # type: ignore[assignment]


class McCullochPitts(SaveMixin, BaseEstimator):  # type: ignore[misc]
    r"""Compute a threshold function of binary inputs, with fixed weights.

    Parameters
    ----------
    weights : array-like of shape (n_features,) or (n_neurons, n_features) or None, default=None
        Fixed weights; None is a weight of 1 for every input.
    threshold : float or array-like of shape (n_neurons,), default=0.5
        The output is 1 strictly above it.
    inhibitory : sequence of int, default=()
        Inputs that veto: while one of them is 1, every output is 0.
    binarize : float or None, default=0.5
        An input counts as 1 when it is above this number. None refuses every input that is neither 0 nor 1.

    Attributes
    ----------
    n_features_in_ : int
        Number of inputs.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the inputs, when ``X`` has them.

    Raises
    ------
    ValueError
        If a shape does not fit or a number is not finite.

    See Also
    --------
    Perceptron : Learns its weights.

    Notes
    -----
    W. S. McCulloch and W. Pitts, "A logical calculus of the ideas immanent in nervous activity", 1943, in the weighted
    form :math:`y = 1` if :math:`\sum_i w_i x_i > \mu`, else 0. There is nothing to learn: ``fit`` checks the width of
    the data, and ``predict`` works without it.

    Examples
    --------
    >>> gate = McCullochPitts.gate("and")
    >>> gate.predict([[0, 0], [0, 1], [1, 0], [1, 1]])
    array([0, 0, 0, 1])
    """

    _saved_state = _GateState
    _parameter_constraints = {
        "weights": ["array-like", None],
        "threshold": [Real, "array-like"],
        "inhibitory": ["array-like"],
        "binarize": [Real, None],
    }

    def __init__(
        self,
        weights: Sequence[float] | Sequence[Sequence[float]] | None = None,
        threshold: float | Sequence[float] = 0.5,
        *,
        inhibitory: Sequence[int] = (),
        binarize: float | None = 0.5,
    ) -> None:
        self.weights = weights
        self.threshold = threshold
        self.inhibitory = inhibitory
        self.binarize = binarize

    @classmethod
    def gate(cls, name: str) -> Self:
        """Return the neuron of a logic gate.

        Parameters
        ----------
        name : {"and", "or", "nor", "nand", "not", "majority"}
            Gate; "majority" is that of three inputs.

        Returns
        -------
        neuron : McCullochPitts
            Ready to predict.

        Raises
        ------
        ValueError
            If the gate is unknown, or is one that no single neuron can compute.
        """
        if name in ("xor", "xnor"):
            raise ValueError(
                f"`name` must be a linearly separable gate. Received: name={name!r}, which no single neuron computes. "
                "A network with one hidden layer does."
            )
        if name not in _GATES:
            raise ValueError(unknown_name("gate", name, _GATES))
        weights, threshold = _GATES[name]
        return cls(weights, threshold, binarize=None)

    @fitting
    def fit(self, X: Any, y: Any = None) -> Self:
        """Check that the neuron fits the data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        y : array-like, default=None
            Ignored.

        Returns
        -------
        self : McCullochPitts
            The estimator.
        """
        X = validate_data(self, X)
        self._compute(X)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Compute the output of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_neurons), int64
            0 or 1.
        """
        if hasattr(self, "n_features_in_"):
            return self._compute(validate_data(self, X, reset=False))
        return self._compute(check_array(X))

    def _compute(self, X: np.ndarray) -> np.ndarray:
        weights = np.ones(X.shape[1]) if self.weights is None else np.asarray(self.weights, dtype=np.float64)
        if weights.shape[-1] != X.shape[1]:
            raise ValueError(
                f"`X` must have {weights.shape[-1]} features, one for each weight. Received: {X.shape[1]} features."
            )
        rule = McCullochPittsRule(weights, self.threshold, inhibitory=[int(index) for index in self.inhibitory])
        if self.binarize is not None:
            X = self.binarize < X
        outputs = rule(as_tensor(X, torch.float64)).numpy().astype(np.int64)
        return np.asarray(outputs[:, 0] if weights.ndim == 1 else outputs)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


class _DeltaState(SavedState):
    """Learned values of :class:`DeltaRulePerceptron`."""

    coef_: np.ndarray
    intercept_: float | np.ndarray
    n_iter_: int
    loss_: float
    loss_curve_: list[float]
    stop_reason_: str


class DeltaRulePerceptron(SaveMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    r"""Learn one layer of neurons by the batch delta rule, with separate rates for biases and weights.

    Parameters
    ----------
    bias_rate : float, callable or "auto", default="auto"
        Rate of the biases, or a function of the iteration counted from 1. "auto" is one over the number of rows plus
        the sum of the squared inputs, at which the loss always falls.
    weight_rate : float, callable or "auto", default="auto"
        Rate of the weights.
    activation : str, default="identity"
        Activation of the neurons; any elementwise one with a slope.
    max_iter : int, default=1000
        Most iterations, each over all rows.
    tol : float or None, default=1e-6
        Largest component of the update, before its rate and per row, at which learning ends; None never ends early.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_outputs, n_features)
        Weights.
    intercept_ : float or ndarray of shape (n_outputs,)
        Bias.
    loss_ : float
        Sum of squared errors before the last iteration.
    loss_curve_ : list of float
        Sum of squared errors before each iteration.
    n_iter_ : int
        Iterations done.
    stop_reason_ : str
        Why learning ended.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when ``X`` has them.

    Raises
    ------
    ValueError
        If a parameter is outside its range.
    NonFiniteError
        If the rates are so large that the weights grow without bound.

    See Also
    --------
    Perceptron : Learns by mistakes, with a step.

    Notes
    -----
    For :math:`y_j = f(z_j)`: :math:`w_0` grows by :math:`\gamma_1 \sum_j (d_j - y_j) f'(z_j)` and :math:`w_i` by
    :math:`\gamma_2 \sum_j (d_j - y_j) f'(z_j) x_{ij}`. With the identity this ends at least squares.

    Examples
    --------
    >>> X, d = [[0, 0], [1, 0], [0, 1], [1, 1], [2, 1]], [1, 3, 0, 2.5, 4]
    >>> model = DeltaRulePerceptron(bias_rate=0.1, weight_rate=0.05, max_iter=5000, tol=1e-12).fit(X, d)
    >>> model.coef_.round(4), round(float(model.intercept_), 4)
    (array([ 2.    , -0.8333]), 1.0)
    """

    _saved_state = _DeltaState
    _parameter_constraints = {
        "bias_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"}), callable],
        "weight_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"}), callable],
        "activation": [StrOptions(set(ACTIVATIONS) - {"step", "softmax"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left"), None],
    }

    def __init__(
        self,
        *,
        bias_rate: float | str | Callable[[int], float] = "auto",
        weight_rate: float | str | Callable[[int], float] = "auto",
        activation: str = "identity",
        max_iter: int = 1000,
        tol: float | None = 1e-6,
    ) -> None:
        self.bias_rate = bias_rate
        self.weight_rate = weight_rate
        self.activation = activation
        self.max_iter = max_iter
        self.tol = tol

    def _check_saved(self) -> None:
        outputs = self.coef_.shape[:-1]
        if self.coef_.ndim not in (1, 2) or self.coef_.shape[-1] != self.n_features_in_:
            raise ValueError("`coef_` does not have one weight for each input")
        if np.shape(self.intercept_) != outputs or np.asarray(self.coef_).dtype != np.float64:
            raise ValueError("`intercept_` does not fit `coef_`")

    @fitting
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from all rows at once, again and again.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Wanted outputs.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, >= 0.

        Returns
        -------
        self : DeltaRulePerceptron
            The fitted estimator.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` iterations were not enough.
        """
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=np.float64)
        if sample_weight is not None:
            sample_weight = np.asarray(
                _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
            )
        targets = np.ascontiguousarray(y.reshape(len(y), -1), dtype=np.float64)
        weights = np.ones(len(X)) if sample_weight is None else sample_weight
        safe = 1.0 / float(weights @ (1.0 + np.square(X).sum(axis=1)))
        rule = DeltaRule(
            X.shape[1],
            targets.shape[1],
            activation=self.activation,
            bias_rate=safe if isinstance(self.bias_rate, str) else self.bias_rate,
            weight_rate=safe if isinstance(self.weight_rate, str) else self.weight_rate,
            tol=None if self.tol is None else float(self.tol) * float(weights.sum()),
        )
        source = ArraySource(X, targets, sample_weight, batch_size=len(X), shuffle=False)
        run = train(rule, source, max_epochs=int(self.max_iter))
        single = y.ndim == 1
        self.coef_ = rule.weight.numpy()[0] if single else rule.weight.numpy()
        self.intercept_ = float(rule.bias[0]) if single else rule.bias.numpy()
        self.loss_curve_ = run.history["loss"] if len(run.history) else []
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else float("nan")
        self.n_iter_ = len(self.loss_curve_)
        self.stop_reason_ = str(run.stop_reason)
        if self.stop_reason_ == "max_epochs" and self.tol is not None:
            warnings.warn(
                f"Maximum iterations ({self.max_iter}) reached and the weights still change. Raise max_iter or the "
                "rates, or scale the inputs.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Compute the neurons' outputs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Outputs.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        coef = np.atleast_2d(self.coef_)
        rule = DeltaRule(coef.shape[1], coef.shape[0], activation=self.activation)
        rule.weight.copy_(as_tensor(coef, torch.float64))
        rule.bias.copy_(as_tensor(np.atleast_1d(self.intercept_), torch.float64))
        outputs = rule(as_tensor(X, torch.float64)).numpy()
        return np.asarray(outputs[:, 0] if self.coef_.ndim == 1 else outputs)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
