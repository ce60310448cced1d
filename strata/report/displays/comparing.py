"""Scores with their intervals beside those of simpler methods, and the importance of columns."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from sklearn.base import is_classifier

from strata.report.displays._axes import COLORS, INK, axes_for, called, plain
from strata.report.importance import Importance, column_importance
from strata.report.intervals import Interval, bootstrap_interval

__all__ = ["ImportanceDisplay", "IntervalsDisplay"]


def _rows(ax: Axes, names: list[str]) -> np.ndarray:
    """Name one line a row, the first at the top, and return their heights."""
    heights = np.arange(len(names))[::-1]
    ax.set_yticks(heights, names)
    ax.set_ylim(-0.6, len(names) - 0.4)
    return heights


class IntervalsDisplay:
    """One score of several methods on the same rows, each with its interval.

    Parameters
    ----------
    intervals : mapping of str to Interval
        By name of the method; the first is drawn as the model, the others as what it is compared with.
    score : str, default="score"
        What the numbers are.

    Attributes
    ----------
    ax_ : Axes
        What was drawn on.
    figure_ : Figure
        Around it.

    Raises
    ------
    ValueError
        If there is no method.

    Notes
    -----
    Intervals that overlap do not say that the methods are equal: the paired difference does, see
    :func:`strata.report.difference_intervals`.

    Examples
    --------
    >>> y = [0, 1, 1, 0, 1, 1]
    >>> display = IntervalsDisplay.from_predictions(y, {"network": [0, 1, 1, 0, 1, 0], "always 1": [1] * 6})
    >>> [round(each.value, 3) for each in display.intervals.values()]
    [0.833, 0.667]
    """

    def __init__(self, *, intervals: Mapping[str, Interval], score: str = "score") -> None:
        if not intervals:
            raise ValueError("`intervals` must hold at least one method. Received: none.")
        self.intervals = dict(intervals)
        self.score = score

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        others: Mapping[str, Any] | None = None,
        score: str | None = None,
        random_state: Any = 0,
        ax: Any = None,
    ) -> "IntervalsDisplay":
        """Draw an estimator beside others that take the same inputs.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        X : array-like of shape (n_rows, n_features)
            Inputs that none of them has learned from.
        y : array-like of shape (n_rows,)
            Their answers.
        others : mapping of str to estimator, optional
            Fitted, by name.
        score : str, optional
            Name of :data:`strata.report.SCORES`; by default accuracy or R2. One that needs
            probabilities cannot be asked for here; see :meth:`from_predictions`.
        random_state : int, RandomState or None, default=0
            Seed of the bootstrap.
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : IntervalsDisplay
            Plotted.
        """
        score = score or ("accuracy" if is_classifier(estimator) else "r2")
        methods = {type(estimator).__name__: estimator} | dict(others or {})
        predictions = {name: np.asarray(each.predict(X)) for name, each in methods.items()}
        return cls.from_predictions(y, predictions, score=score, random_state=random_state, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Mapping[str, Any],
        *,
        score: str = "accuracy",
        classes: Any = None,
        random_state: Any = 0,
        ax: Any = None,
    ) -> "IntervalsDisplay":
        """Draw the scores of several methods' predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_rows,)
            The answers.
        y_pred : mapping of str to array-like
            By method, the predictions (n_rows,), or probabilities (n_rows, n_classes).
        score : str, default="accuracy"
            Name of :data:`strata.report.SCORES`.
        classes : sequence, optional
            Labels in the order of the columns of probabilities.
        random_state : int, RandomState or None, default=0
            Seed of the bootstrap.
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : IntervalsDisplay
            Plotted.
        """
        intervals = {}
        for name, each in y_pred.items():
            both = (None, each) if np.ndim(each) == 2 else (each, None)
            intervals[name] = bootstrap_interval(score, y_true, *both, classes=classes, random_state=random_state)
        return cls(intervals=intervals, score=score).plot(ax)

    def plot(self, ax: Any = None) -> "IntervalsDisplay":
        """Draw.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : IntervalsDisplay
            This one.
        """
        self.ax_ = axes_for(ax)
        self.figure_ = self.ax_.figure
        found = list(self.intervals.values())
        heights = _rows(self.ax_, [plain(name) for name in self.intervals])
        for slot, rows in enumerate((slice(0, 1), slice(1, None))):
            values = np.array([each.value for each in found[rows]])
            ends = np.array([(each.low, each.high) for each in found[rows]]).reshape(-1, 2).T
            away = np.nan_to_num(np.abs(ends - values))
            self.ax_.errorbar(
                values,
                heights[rows],
                xerr=away,
                color=COLORS[slot],
                linestyle="none",
                marker=("D", "o")[slot],
                markersize=5,
                capsize=3,
            )
        if np.isfinite(found[0].value):
            self.ax_.axvline(found[0].value, color=INK, linewidth=0.8, linestyle=":", alpha=0.7)
        self.ax_.set_xlabel(f"{called(self.score)}, {100 * found[0].level:g} % interval")
        return self


class ImportanceDisplay:
    """How much the score falls when a column is shuffled, most important first.

    Parameters
    ----------
    importance : Importance
        As :func:`strata.report.column_importance` gives it.

    Attributes
    ----------
    ax_ : Axes
        What was drawn on.
    figure_ : Figure
        Around it.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> X = np.random.RandomState(0).randn(100, 2)
    >>> fitted = LinearRegression().fit(X, X[:, 1])
    >>> ImportanceDisplay.from_estimator(fitted, X, X[:, 1]).importance.names
    ('x1', 'x0')
    """

    def __init__(self, *, importance: Importance) -> None:
        self.importance = importance

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        scoring: Any = None,
        n_repeats: int = 5,
        random_state: Any = 0,
        n_columns: int = 20,
        ax: Any = None,
    ) -> "ImportanceDisplay":
        """Measure and draw the importance of the columns.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Inputs that it has not learned from.
        y : array-like of shape (n_rows,)
            Their answers.
        scoring : str or callable, optional
            As scikit-learn's; by default the estimator's own ``score``.
        n_repeats : int, default=5
            Shuffles of each column.
        random_state : int, RandomState or None, default=0
            Seed of the shuffles.
        n_columns : int, default=20
            Columns to draw, at most.
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : ImportanceDisplay
            Plotted.
        """
        found = column_importance(estimator, X, y, scoring=scoring, n_repeats=n_repeats, random_state=random_state)
        return cls.from_importance(found, n_columns=n_columns, ax=ax)

    @classmethod
    def from_importance(cls, importance: Importance, *, n_columns: int = 20, ax: Any = None) -> "ImportanceDisplay":
        """Draw an importance that was measured.

        Parameters
        ----------
        importance : Importance
            As :func:`strata.report.column_importance` gives it.
        n_columns : int, default=20
            Columns to draw, at most.
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : ImportanceDisplay
            Plotted.
        """
        return cls(importance=importance).plot(ax, n_columns=n_columns)

    def plot(self, ax: Any = None, *, n_columns: int = 20) -> "ImportanceDisplay":
        """Draw.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; by default a new figure.
        n_columns : int, default=20
            Columns to draw, at most.

        Returns
        -------
        display : ImportanceDisplay
            This one.
        """
        self.ax_ = axes_for(ax)
        self.figure_ = self.ax_.figure
        found = self.importance
        n = min(n_columns, len(found.names))
        heights = _rows(self.ax_, [plain(name) for name in found.names[:n]])
        low, high = found.values[:n].min(axis=1), found.values[:n].max(axis=1)
        self.ax_.barh(heights, found.mean[:n], height=0.55, color=COLORS[0], alpha=0.85)
        self.ax_.hlines(heights, low, high, color=INK, linewidth=1.2)
        self.ax_.axvline(0.0, color=INK, linewidth=0.8)
        repeats = found.values.shape[1]
        self.ax_.set_xlabel(f"fall of {called(found.figure)} when shuffled (line: {repeats} repeats)")
        return self
