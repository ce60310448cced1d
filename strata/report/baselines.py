"""What simpler methods reach on the same rows: a network that does not beat them is not needed."""

import math
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.utils import check_random_state

from strata.report.evaluation import Evaluation
from strata.report.scoring import score_model

__all__ = ["Baseline", "fit_baselines"]

#: A baseline may take seconds, not minutes: beyond these it is fitted on a part of the training rows,
#: and says so.
MAX_SVM_ROWS = 5_000
#: Of a kernel machine: rows x rows x inputs.
MAX_KERNEL_WORK = 2_500_000_000
MAX_LINEAR_CELLS = 4_000_000
#: Distances of all test rows to all training rows, each over all inputs.
MAX_NEIGHBOR_WORK = 10_000_000_000
#: Trees of boosting: rows x inputs x classes, each seen by up to 100 rounds; and rounds x inputs x classes.
MAX_TREE_CELLS = 4_000_000
MAX_TREE_SPLITS = 80_000
MIN_ROUNDS, MAX_ROUNDS = 10, 100
#: With more inputs than this, boosting sorts them into 63 bins instead of 255.
MAX_FINE_INPUTS = 100
N_NEIGHBORS = 5


@dataclass(frozen=True)
class Baseline:
    """A simpler method and what it reached.

    Parameters
    ----------
    name : str
        What it is, in words.
    evaluation : Evaluation
        Its figures on the test rows.
    seconds : float
        Time to fit and predict.
    n_train : int
        Training rows it was given.
    note : str, default=""
        What a reader must know about it.
    """

    name: str
    evaluation: Evaluation
    seconds: float
    n_train: int
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, ready for JSON."""
        return {
            "name": self.name,
            **self.evaluation.to_dict(),
            "seconds": round(self.seconds, 4),
            "n_train": self.n_train,
            "note": self.note,
        }


def _limits(task: str, n_inputs: int, n_classes: int, n_test: int) -> dict[str, int]:
    """Return the largest number of training rows of each method."""
    n_trees_at_once = n_classes if task == "classification" and n_classes > 2 else 1
    return {
        "none": 2**62,
        "linear": max(1_000, MAX_LINEAR_CELLS // n_inputs),
        "neighbors": max(1_000, MAX_NEIGHBOR_WORK // (n_inputs * max(1, n_test))),
        "svm": min(MAX_SVM_ROWS, max(1_000, math.isqrt(MAX_KERNEL_WORK // n_inputs))),
        "trees": max(1_000, MAX_TREE_CELLS // (n_inputs * n_trees_at_once)),
    }


def _boosting(task: str, n_inputs: int, n_classes: int, n_train: int, seed: int) -> tuple[str, Any]:
    """Return the name and the boosted trees, with fewer and larger steps where a round is dear."""
    n_trees_at_once = n_classes if task == "classification" and n_classes > 2 else 1
    n_rounds = min(MAX_ROUNDS, max(MIN_ROUNDS, MAX_TREE_SPLITS // (n_inputs * n_trees_at_once)))
    kind = HistGradientBoostingClassifier if task == "classification" else HistGradientBoostingRegressor
    trees = kind(
        max_iter=n_rounds,
        learning_rate=min(0.3, 10.0 / n_rounds),  # 0.1 for 100 rounds
        max_bins=255 if n_inputs <= MAX_FINE_INPUTS else 63,
        min_samples_leaf=min(20, max(1, n_train // 10)),  # scikit-learn's 20 learns nothing from 30 rows
        early_stopping=False,
        random_state=seed,
    )
    return "gradient-boosted trees", trees


def _candidates(task: str, n_inputs: int, n_classes: int, n_train: int, seed: int) -> list[tuple[str, Any, str]]:
    """Return name, estimator and the key of its limit for each baseline."""
    gamma = 1.0 / n_inputs  # of the number of inputs, as libsvm and R's e1071
    n_neighbors = min(N_NEIGHBORS, n_train)
    neighbors = f"{n_neighbors} nearest neighbours"
    boosting = (*_boosting(task, n_inputs, n_classes, n_train, seed), "trees")
    if task == "classification":
        return [
            ("majority class", DummyClassifier(), "none"),
            ("logistic regression", make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)), "linear"),
            (neighbors, make_pipeline(StandardScaler(), KNeighborsClassifier(n_neighbors)), "neighbors"),
            ("SVM (RBF)", make_pipeline(StandardScaler(), SVC(gamma=gamma, random_state=seed)), "svm"),
            boosting,
        ]
    svr = TransformedTargetRegressor(SVR(gamma=gamma), transformer=StandardScaler())
    return [
        ("mean", DummyRegressor(), "none"),
        ("linear regression", make_pipeline(StandardScaler(), LinearRegression()), "linear"),
        (neighbors, make_pipeline(StandardScaler(), KNeighborsRegressor(n_neighbors)), "neighbors"),
        ("SVM (RBF)", make_pipeline(StandardScaler(), svr), "svm"),
        boosting,
    ]


def _some_rows(y: np.ndarray, n_rows: int, seed: int, *, task: str) -> np.ndarray:
    """Return sorted row numbers, at most about ``n_rows``, at least one of each class."""
    if len(y) <= n_rows:
        return np.arange(len(y))
    random = check_random_state(seed)
    rows = random.permutation(len(y))[:n_rows]
    if task == "classification":
        rows = np.union1d(rows, np.unique(y, return_index=True)[1])
    return np.sort(rows)


def fit_baselines(
    X_train: np.ndarray,
    y_train: np.ndarray,
    X_test: np.ndarray,
    y_test: np.ndarray,
    *,
    task: str,
    seed: int = 0,
) -> list[Baseline]:
    """Fit the usual simple methods on the training rows and score them on the test rows.

    Classification: majority class, logistic regression, nearest neighbours, support vector machine,
    gradient-boosted trees. Regression: mean, linear regression, nearest neighbours, support vector machine
    (of the standardised target), gradient-boosted trees. All but the first and the last see standardised
    inputs. The kernel is a Gaussian one with ``gamma = 1 / n_features`` and ``C = 1``; there are 5
    neighbours; the trees are scikit-learn's ``HistGradientBoosting*`` with 100 rounds at a rate of 0.1 and leaves of
    at least 20 rows, or of a tenth of the rows where that is less.

    No method may take minutes. At most these numbers are looked at: linear, 4 million (rows times inputs);
    neighbours, 1e10 (training rows times test rows times inputs); support vectors, 5,000 rows and 2.5e9 (rows
    squared times inputs); trees, 4 million (rows times inputs times classes). Training rows are drawn to
    fit, never fewer than 1,000. The trees do fewer rounds, down to 10, at a rate of up to 0.3 where rounds times
    inputs times classes exceed 80,000. ``note`` says both.

    Parameters
    ----------
    X_train : ndarray of shape (n_train, n_features)
        Encoded training inputs, finite.
    y_train : ndarray of shape (n_train,)
        Their targets.
    X_test : ndarray of shape (n_test, n_features)
        Encoded test inputs.
    y_test : ndarray of shape (n_test,)
        Their targets.
    task : {"classification", "regression"}
        What is predicted.
    seed : int, default=0
        Seed of the draw of rows where there are too many for a method.

    Returns
    -------
    baselines : list of Baseline
        In the order above.

    Examples
    --------
    >>> x = np.arange(20.0)[:, None]
    >>> found = fit_baselines(x, 3 * x[:, 0] + 1, x, 3 * x[:, 0] + 1, task="regression")
    >>> [(each.name, round(each.evaluation.score, 3)) for each in found][:2]
    [('mean', 0.0), ('linear regression', 1.0)]
    """
    found = []
    n_inputs = max(1, X_train.shape[1])
    n_classes = len(np.unique(y_train)) if task == "classification" else 1
    limits = _limits(task, n_inputs, n_classes, len(X_test))
    for name, estimator, limit in _candidates(task, n_inputs, n_classes, len(X_train), seed):
        start = time.perf_counter()
        rows = _some_rows(y_train, limits[limit], seed, task=task)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            estimator.fit(X_train[rows], y_train[rows])
        notes = [f"fitted on {len(rows)} of {len(y_train)} rows"] if len(rows) < len(y_train) else []
        n_rounds = getattr(estimator, "max_iter", MAX_ROUNDS)
        notes += [f"{n_rounds} rounds"] if n_rounds < MAX_ROUNDS else []
        if any(issubclass(each.category, ConvergenceWarning) for each in caught):
            notes.append("not converged")
        evaluation = score_model(estimator, X_test, y_test, task=task)
        found.append(Baseline(name, evaluation, time.perf_counter() - start, len(rows), "; ".join(notes)))
    return found
