"""The anomaly detector: rows that an autoencoder of normal rows gives back badly."""

from __future__ import annotations

import math
from numbers import Real
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_sample_weight, _num_samples, check_is_fitted

from strata.estimators._decorators import fitting
from strata.estimators._nested_saved import SavesNested
from strata.estimators._save import SavedState
from strata.estimators.autoencoder import Autoencoder

__all__ = ["AnomalyDetector"]


class _DetectorState(SavedState):
    """Learned values of a detector besides its autoencoder."""

    offset_: float
    calibration_scores_: np.ndarray | None
    n_calibration_: Annotated[int, Field(ge=1)]


class AnomalyDetector(SavesNested, OutlierMixin, BaseEstimator):  # type: ignore[misc]
    r"""Find rows unlike those it learned from, by the error with which an autoencoder gives them back.

    Parameters
    ----------
    autoencoder : Autoencoder or None, default=None
        What learns the normal rows; it is cloned. None: the default one, with ``random_state``.
    contamination : float, default=0.1
        Share of the rows to call anomalies, in (0, 0.5]. Without calibration rows that of the training rows, as in
        scikit-learn; with them the false alarm rate on new normal rows.
    calibration_fraction : float, default=0.0
        Share of the rows of ``fit`` that are set aside to calibrate the threshold and are not learned from, in [0, 1).
        They must be normal. 0 takes the training rows, whose errors are smaller than those of new rows.
    random_state : int, RandomState or None, default=None
        Where the rows set aside come from, and what ``autoencoder=None`` is trained with.

    Attributes
    ----------
    autoencoder_ : Autoencoder
        The fitted autoencoder.
    offset_ : float
        Score below which a row is an anomaly.
    calibration_scores_ : ndarray of shape (n_calibration,) or None
        Scores of the calibration rows, in order; None where there were none.
    n_calibration_ : int
        Rows that the threshold comes from.
    n_features_in_ : int
        Numbers of a row, or of an image.

    See Also
    --------
    Autoencoder : Takes rows, sparse rows and images, as this does.

    Notes
    -----
    The score is minus the mean squared error of a row's reconstruction. The threshold on n calibration scores is their
    :math:`\lfloor c (n + 1) \rfloor`-th smallest, so that a new normal row falls below it with probability at most
    ``contamination`` whatever its law, as long as calibration rows and new rows are exchangeable (Laxhammar and
    Falkman, "Conformal prediction for distribution-independent anomaly detection", 2010).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X / 16
    >>> detector = AnomalyDetector(Autoencoder(8, max_iter=40), contamination=0.05, random_state=0)
    >>> found = detector.fit(X[y == 0]).predict(X[y == 1])
    >>> bool((found == -1).mean() > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "autoencoder": [Autoencoder, None],
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
        "calibration_fraction": [Interval(Real, 0, 1, closed="left")],
        "random_state": ["random_state"],
    }
    _saved_state: ClassVar[type[SavedState]] = _DetectorState

    def __init__(
        self,
        autoencoder: Autoencoder | None = None,
        *,
        contamination: float = 0.1,
        calibration_fraction: float = 0.0,
        random_state: Any = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.contamination = contamination
        self.calibration_fraction = calibration_fraction
        self.random_state = random_state

    @fitting
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, X_val: Any = None, X_calibration: Any = None
    ) -> Self:
        """Learn what is normal, and the threshold.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or array of shape (n_samples, h, w[, c])
            Rows or images, most or all of them normal.
        y : None
            Not used; there for pipelines.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the training, and in the share that ``contamination`` is. Rows that are set aside to
            calibrate count once each.
        X_val : array-like, default=None
            Rows to validate on, for early stopping of the autoencoder.
        X_calibration : array-like, default=None
            Normal rows of your own to calibrate the threshold on.

        Returns
        -------
        self : AnomalyDetector
            The fitted detector.
        """
        random_state = check_random_state(self.random_state)
        autoencoder = Autoencoder() if self.autoencoder is None else clone(self.autoencoder)
        if self.random_state is not None and autoencoder.random_state is None:
            autoencoder.set_params(random_state=int(random_state.randint(np.iinfo(np.int32).max)))
        held_out = X_calibration
        if X_calibration is None and self.calibration_fraction:
            X, sample_weight, held_out = self._set_aside(X, sample_weight, random_state)
        self.autoencoder_ = autoencoder.fit(X, sample_weight=sample_weight, X_val=X_val)
        self.n_features_in_ = autoencoder.n_features_in_
        if hasattr(self, "feature_names_in_"):
            delattr(self, "feature_names_in_")
        if hasattr(autoencoder, "feature_names_in_"):
            self.feature_names_in_: np.ndarray = autoencoder.feature_names_in_
        self._calibrate(X, sample_weight, held_out)
        return self

    def _set_aside(self, X: Any, sample_weight: Any, random_state: np.random.RandomState) -> tuple[Any, Any, Any]:
        """Split the rows into those to learn from and those to calibrate on."""
        n_rows = _num_samples(X)
        n_held = round(self.calibration_fraction * n_rows)
        if not 0 < n_held < n_rows:
            raise ValueError(
                f"`calibration_fraction` must leave rows on both sides, of {n_rows} sample(s). "
                f"Received: calibration_fraction={self.calibration_fraction!r}."
            )
        order = random_state.permutation(n_rows)
        held, kept = np.sort(order[:n_held]), np.sort(order[n_held:])
        if not hasattr(X, "iloc") and not hasattr(X, "tocsr"):
            X = np.asarray(X)
        take: Any = X.iloc if hasattr(X, "iloc") else X.tocsr() if hasattr(X, "tocsr") else X
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)[kept]
        return take[kept], sample_weight, take[held]

    def _calibrate(self, X: Any, sample_weight: Any, held_out: Any) -> None:
        """Set the threshold: a quantile of the training rows, or the conformal one of rows not learned from."""
        share = float(self.contamination)
        if held_out is None:
            scores = self.autoencoder_.score_samples(X)
            weight = np.ones(len(scores)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
            self.offset_ = _offset(scores, weight, share)
            self.calibration_scores_: np.ndarray | None = None
            self.n_calibration_ = len(scores)
            return
        scores = np.sort(self.autoencoder_.score_samples(held_out))
        rank = math.floor(share * (len(scores) + 1))  # 0: too few rows for so small a rate, and nothing is called
        self.offset_ = float(scores[rank - 1]) if rank else float(np.finfo(np.float64).min)
        self.calibration_scores_, self.n_calibration_ = scores, len(scores)

    def score_samples(self, X: Any) -> np.ndarray:
        """Say how normal each row is.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or array of shape (n_samples, h, w[, c])
            Rows or images.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Minus the mean squared error of the reconstruction; the smaller, the stranger.
        """
        check_is_fitted(self, "autoencoder_")
        return np.asarray(self.autoencoder_.score_samples(X), dtype=np.float64)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the score of each row above the threshold.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or array of shape (n_samples, h, w[, c])
            Rows or images.

        Returns
        -------
        decision : ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``; negative for anomalies.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Call each row normal or an anomaly.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or array of shape (n_samples, h, w[, c])
            Rows or images.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int
            1 for a normal row, -1 for an anomaly.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X: Any) -> np.ndarray:
        """Return how often a normal row is at least as strange as each row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or array of shape (n_samples, h, w[, c])
            Rows or images.

        Returns
        -------
        p : ndarray of shape (n_samples,)
            ``(1 + number of calibration rows with a score at most the row's) / (n_calibration_ + 1)``.

        Raises
        ------
        ValueError
            If the threshold comes from the training rows.
        """
        check_is_fitted(self, "autoencoder_")
        if self.calibration_scores_ is None:
            raise ValueError(
                "p-values need rows that were not learned from. Received: calibration_fraction=0. "
                "Fit with calibration_fraction=0.2, or with X_calibration."
            )
        below = np.searchsorted(self.calibration_scores_, self.score_samples(X), side="right")
        return (1.0 + below) / (self.n_calibration_ + 1.0)

    def _check_saved(self) -> None:
        scores = self.calibration_scores_
        if scores is not None and (scores.ndim != 1 or len(scores) != self.n_calibration_ or scores.dtype.kind != "f"):
            raise ValueError("`calibration_scores_` and `n_calibration_` do not fit each other")
        if not math.isfinite(self.offset_):
            raise ValueError("`offset_` is not finite")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        return tags


def _offset(scores: np.ndarray, weight: np.ndarray, share: float) -> float:
    """Return the least score below which there is that share of the weight, but for the row that would exceed it."""
    order = np.argsort(scores, kind="stable")
    below = np.cumsum(weight[order])
    first = np.searchsorted(below, share * below[-1] * (1 + 1e-9), side="right")
    return float(scores[order[min(int(first), len(scores) - 1)]])
