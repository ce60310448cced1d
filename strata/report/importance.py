"""Which columns a model uses: how much its score falls when one is shuffled (L. Breiman, "Random Forests", 2001)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.inspection import permutation_importance
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state

__all__ = ["Importance", "column_importance"]

#: Predictions made in all: rows x columns x repeats. Fewer rows are used where there would be more.
MAX_PREDICTIONS = 2_000_000
MAX_ROWS, MIN_ROWS = 2_000, 200
#: scikit-learn copies the table for each column: the work grows with the square of the columns.
MAX_COLUMNS = 2_000
N_REPEATS = 5


@dataclass(frozen=True)
class Importance:
    """How much the score falls when a column is shuffled.

    Parameters
    ----------
    names : tuple of str
        Columns, the most important first.
    mean : ndarray of shape (n_columns,)
        Mean fall of the score over the repeats; about 0 for a column that is not used.
    std : ndarray of shape (n_columns,)
        Its standard deviation over the repeats.
    values : ndarray of shape (n_columns, n_repeats)
        The fall in each repeat.
    score : float
        On the same rows, as they are.
    figure : str
        Name of the score.
    n_rows : int
        Rows it was measured on.
    n_total : int
        Rows there were.
    """

    names: tuple[str, ...]
    mean: np.ndarray
    std: np.ndarray
    values: np.ndarray
    score: float
    figure: str
    n_rows: int
    n_total: int

    def to_dict(self) -> dict[str, Any]:
        """Return the columns as a list of ``name``, ``mean``, ``std``, ``low`` and ``high`` (of the repeats)."""
        columns = [
            {
                "name": name,
                "mean": float(self.mean[i]),
                "std": float(self.std[i]),
                "low": float(self.values[i].min()),
                "high": float(self.values[i].max()),
            }
            for i, name in enumerate(self.names)
        ]
        return {
            "figure": self.figure,
            "score": self.score,
            "n_rows": self.n_rows,
            "n_total": self.n_total,
            "n_repeats": int(self.values.shape[1]),
            "columns": columns,
        }


def column_importance(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    scoring: str | Callable[..., float] | None = None,
    n_repeats: int = N_REPEATS,
    max_rows: int = MAX_ROWS,
    random_state: Any = 0,
) -> Importance:
    """Measure the permutation importance of the raw columns, before any encoding.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X : DataFrame or array-like of shape (n_rows, n_columns)
        Inputs that the model has not learned from.
    y : array-like of shape (n_rows,)
        Their answers.
    scoring : str or callable, optional
        As scikit-learn's; by default the estimator's own ``score``: accuracy or R2.
    n_repeats : int, default=5
        Shuffles of each column.
    max_rows : int, default=2000
        Rows to use at most, drawn at random; fewer where rows times columns times repeats exceed two
        million predictions, but not fewer than 200.
    random_state : int, RandomState or None, default=0
        Seed of the draw and of the shuffles.

    Returns
    -------
    importance : Importance
        scikit-learn's ``permutation_importance``, sorted.

    Raises
    ------
    ValueError
        If an argument makes no sense, or there are more than 2,000 columns.

    Notes
    -----
    Of columns that say the same, each may look unimportant, as the model can use the other one. The spread is over
    shuffles alone, not over other rows.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> X = np.random.RandomState(0).randn(200, 2)
    >>> found = column_importance(LinearRegression().fit(X, 3 * X[:, 1]), X, 3 * X[:, 1])
    >>> found.names, bool(found.mean[0] > 1.5), float(abs(found.mean[1]).round(6))
    (('x1', 'x0'), True, 0.0)
    """
    for name, value in (("n_repeats", n_repeats), ("max_rows", max_rows)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}.")
    random = check_random_state(random_state)
    inputs = X if isinstance(X, pd.DataFrame) else np.asarray(X)
    answers = np.asarray(y)
    n_total, n_columns = inputs.shape
    if n_total != len(answers) or n_total == 0:
        raise ValueError(
            f"`X` and `y` must have the same number of rows, at least one. Received: {n_total}, {len(answers)}."
        )
    if n_columns > MAX_COLUMNS:
        raise ValueError(f"`X` must have at most {MAX_COLUMNS} columns to shuffle one by one. Received: {n_columns}.")
    affordable = max(MIN_ROWS, MAX_PREDICTIONS // max(1, n_columns * n_repeats))
    n_rows = min(n_total, max_rows, affordable)
    if n_rows < n_total:
        rows = np.sort(random.permutation(n_total)[:n_rows])
        inputs = inputs.iloc[rows] if isinstance(inputs, pd.DataFrame) else inputs[rows]
        answers = answers[rows]
    found = permutation_importance(
        estimator, inputs, answers, scoring=scoring, n_repeats=n_repeats, random_state=random.randint(2**31 - 1)
    )
    names = [str(name) for name in inputs.columns] if isinstance(inputs, pd.DataFrame) else _numbered(n_columns)
    order = np.argsort(-found.importances_mean, kind="stable")
    return Importance(
        tuple(names[i] for i in order),
        found.importances_mean[order],
        found.importances_std[order],
        found.importances[order],
        _score(estimator, inputs, answers, scoring),
        _figure(estimator, scoring),
        n_rows,
        n_total,
    )


def _numbered(n_columns: int) -> list[str]:
    return [f"x{i}" for i in range(n_columns)]


def _score(estimator: Any, X: Any, y: np.ndarray, scoring: str | Callable[..., float] | None) -> float:
    return float(check_scoring(estimator, scoring=scoring)(estimator, X, y))


def _figure(estimator: Any, scoring: str | Callable[..., float] | None) -> str:
    if scoring is None:
        return "accuracy" if is_classifier(estimator) else "r2"
    return scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")
