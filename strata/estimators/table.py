"""Estimators that take a table as people have it: text, dates and missing values included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, RegressorMixin

from strata.estimators._table_base import FREE_LOSSES, BaseTable, numbers, plain_numbers
from strata.estimators.bagging import BaggedMLPClassifier, BaggedMLPRegressor
from strata.estimators.dbn import DBNClassifier, DBNRegressor
from strata.estimators.mlp import MLPClassifier, MLPRegressor
from strata.estimators.perceptron import DeltaRulePerceptron, Perceptron

__all__ = ["TableClassifier", "TableRegressor"]


class TableClassifier(ClassifierMixin, BaseTable):  # type: ignore[misc]
    """Classify the rows of a raw table: numbers, text, truth values, dates, missing values.

    Parameters
    ----------
    network : classifier or None, default=None
        What learns from the encoded columns; None stands for ``MLPClassifier()``. It is cloned, never changed, and its
        parameters can be searched as ``network__hidden_layer_sizes``.
    scale : bool, default=True
        Bring numbers and dates to mean 0 and standard deviation 1.
    max_categories : int, default=50
        Columns for one categorical column at most; see :class:`strata.data.TableEncoder`.
    random_state : int, RandomState instance or None, default=None
        Takes the place of the network's own where it is given.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    encoder_ : TableEncoder
        Fitted.
    network_ : classifier
        Fitted.
    target_name_ : str
        Name of the target if it was a named column, else ``"y"``.
    n_features_in_ : int
        Columns of the table.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Their names, where they had any.
    n_iter_ : int
        Epochs.
    loss_curve_ : list of float
        Loss of each epoch.

    See Also
    --------
    TableRegressor : The same for a quantity.

    Examples
    --------
    >>> import pandas as pd
    >>> from strata import MLPClassifier
    >>> table = pd.DataFrame({"weather": ["sun", "rain", None, "sun"] * 10, "degrees": [25, 12, 8, 21] * 10})
    >>> network = MLPClassifier((4,), solver="lbfgs", max_iter=50)
    >>> model = TableClassifier(network, random_state=0).fit(table, ["out", "in", "in", "out"] * 10)
    >>> model.predict(pd.DataFrame({"degrees": [24, None], "weather": ["sun", "rain"]})).tolist()
    ['out', 'in']
    """

    _networks: ClassVar[Mapping[str, type[Any]]] = {
        "MLPClassifier": MLPClassifier,
        "BaggedMLPClassifier": BaggedMLPClassifier,
        "DBNClassifier": DBNClassifier,
        "Perceptron": Perceptron,
    }

    def __init__(
        self, network: Any = None, *, scale: bool = True, max_categories: int = 50, random_state: Any = None
    ) -> None:
        self.network = network
        self.scale = scale
        self.max_categories = max_categories
        self.random_state = random_state

    def fit(
        self,
        X: object,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: object = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Learn the encoding of the columns, then the network.

        Parameters
        ----------
        X : pandas or polars frame, or array-like of shape (N, P)
            Training rows.
        y : array-like of shape (N,)
            Class labels.
        sample_weight : array-like of shape (N,), optional
            Weights of the rows.
        X_val : pandas or polars frame, or array-like of shape (M, P), optional
            Validation rows, encoded as the training rows were.
        y_val : array-like of shape (M,), optional
            Their labels.
        sample_weight_val : array-like of shape (M,), optional
            Their weights.

        Returns
        -------
        self : TableClassifier
            Fitted.

        Raises
        ------
        DataError
            If a column cannot be used; the message names column and row.
        ValueError
            If the target misses values or a parameter is out of range.
        """
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        self.classes_ = self.network_.classes_
        return self

    def predict(self, X: object) -> NDArray[Any]:
        """Return the class of each row.

        Parameters
        ----------
        X : pandas or polars frame, or array-like of shape (N, P)
            Rows with the training columns.

        Returns
        -------
        labels : ndarray of shape (N,)
            Labels from ``classes_``.
        """
        encoded = self._encoded(X)
        return np.asarray(self.network_.predict(encoded))

    def predict_proba(self, X: object) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : pandas or polars frame, or array-like of shape (N, P)
            Rows with the training columns.

        Returns
        -------
        probs : ndarray of shape (N, n_classes)
            In the order of ``classes_``.
        """
        encoded = self._encoded(X)
        return np.asarray(self.network_.predict_proba(encoded))

    def _restored(self) -> None:
        self.classes_ = self.network_.classes_


class TableRegressor(RegressorMixin, BaseTable):  # type: ignore[misc]
    """Predict a quantity from the rows of a raw table: numbers, text, truth values, dates, missing values.

    Parameters
    ----------
    network : regressor or None, default=None
        What learns from the encoded columns; None stands for ``MLPRegressor()``. It is cloned, never changed, and its
        parameters can be searched as ``network__hidden_layer_sizes``.
    scale : bool, default=True
        Bring numbers and dates to mean 0 and standard deviation 1.
    scale_target : bool or "auto", default="auto"
        Let the network learn the target at mean 0 and standard deviation 1, and undo that in ``predict``. "auto" does
        so unless the network's loss means counts (as "poisson" does).
    max_categories : int, default=50
        Columns for one categorical column at most; see :class:`strata.data.TableEncoder`.
    random_state : int, RandomState instance or None, default=None
        Takes the place of the network's own where it is given.

    Attributes
    ----------
    encoder_ : TableEncoder
        Fitted.
    network_ : regressor
        Fitted, on the scaled target.
    target_mean_ : ndarray of shape () or (K,)
        What is taken off the target; 0 where it is not scaled.
    target_scale_ : ndarray of shape () or (K,)
        What it is divided by; 1 where it is not scaled.
    target_name_ : str
        Name of the target if it was a named column, else ``"y"``.
    n_features_in_ : int
        Columns of the table.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Their names, where they had any.
    n_iter_ : int
        Epochs.
    loss_curve_ : list of float
        Loss of each epoch, of the scaled target.

    See Also
    --------
    TableClassifier : The same for classes.

    Examples
    --------
    >>> import pandas as pd
    >>> from strata import MLPRegressor
    >>> table = pd.DataFrame({"rooms": [1, 2, 3, 4] * 5, "town": ["Rome", "Oslo"] * 10})
    >>> network = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=0.0)
    >>> model = TableRegressor(network, random_state=0).fit(table, [150, 300, 350, 500] * 5)
    >>> model.predict(pd.DataFrame({"rooms": [5], "town": ["Rome"]})).round(1).tolist()
    [550.0]
    """

    _networks: ClassVar[Mapping[str, type[Any]]] = {
        "MLPRegressor": MLPRegressor,
        "BaggedMLPRegressor": BaggedMLPRegressor,
        "DBNRegressor": DBNRegressor,
        "DeltaRulePerceptron": DeltaRulePerceptron,
    }

    def __init__(
        self,
        network: Any = None,
        *,
        scale: bool = True,
        scale_target: bool | str = "auto",
        max_categories: int = 50,
        random_state: Any = None,
    ) -> None:
        self.network = network
        self.scale = scale
        self.scale_target = scale_target
        self.max_categories = max_categories
        self.random_state = random_state

    def fit(
        self,
        X: object,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: object = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Learn the encoding of the columns and the scale of the target, then the network.

        Parameters
        ----------
        X : pandas or polars frame, or array-like of shape (N, P)
            Training rows.
        y : array-like of shape (N,) or (N, K)
            Quantities.
        sample_weight : array-like of shape (N,), optional
            Weights of the rows.
        X_val : pandas or polars frame, or array-like of shape (M, P), optional
            Validation rows, encoded as the training rows were.
        y_val : array-like of shape (M,) or (M, K), optional
            Their quantities.
        sample_weight_val : array-like of shape (M,), optional
            Their weights.

        Returns
        -------
        self : TableRegressor
            Fitted.

        Raises
        ------
        DataError
            If a column cannot be used; the message names column and row.
        ValueError
            If the target misses values, is no number, or a parameter is out of range.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    def predict(self, X: object) -> NDArray[np.float64]:
        """Return the quantity for each row.

        Parameters
        ----------
        X : pandas or polars frame, or array-like of shape (N, P)
            Rows with the training columns.

        Returns
        -------
        predictions : ndarray of shape (N,) or (N, K)
            In the units of the target.
        """
        encoded = self._encoded(X)
        return np.asarray(self.network_.predict(encoded) * self.target_scale_ + self.target_mean_)

    def _encode_target(self, y: NDArray[Any], weight: NDArray[np.float64] | None) -> NDArray[Any]:
        if self.scale_target not in (True, False, "auto"):
            raise ValueError(f"`scale_target` must be True, False or 'auto'. Received: {self.scale_target!r}.")
        target = numbers(y)
        loss = "auto" if self.network is None else getattr(self.network, "loss", "auto")
        chosen = loss in FREE_LOSSES if self.scale_target == "auto" else bool(self.scale_target)
        self.target_mean_ = np.zeros(target.shape[1:])
        self.target_scale_ = np.ones(target.shape[1:])
        if chosen and np.isfinite(target).all():  # the network refuses what is not finite
            self.target_mean_ = np.asarray(np.average(target, axis=0, weights=weight))
            variance = np.asarray(np.average((target - self.target_mean_) ** 2, axis=0, weights=weight))
            self.target_scale_ = np.where(variance > 0.0, np.sqrt(variance), 1.0)
        return self._transform_target(target)

    def _transform_target(self, y: NDArray[Any]) -> NDArray[Any]:
        return np.asarray((numbers(y) - self.target_mean_) / self.target_scale_)

    def _extra_state(self) -> dict[str, Any]:
        learned = {"mean": self.target_mean_.tolist(), "scale": self.target_scale_.tolist()}
        return super()._extra_state() | learned

    def _take_extra(self, extra: Mapping[str, Any]) -> None:
        rest = dict(extra)
        mean, scale = (plain_numbers(rest.pop(name, None)) for name in ("mean", "scale"))
        if mean.shape != scale.shape or not (scale > 0.0).all():
            raise ValueError("the scale of the target is not positive, or of another shape than its mean")
        super()._take_extra(rest)
        self.target_mean_, self.target_scale_ = mean, scale
