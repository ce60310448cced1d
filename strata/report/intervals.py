"""How far a score may be off: bootstrap intervals of scores and of differences on the same rows.

B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13 and 14.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats
from sklearn.utils import check_random_state

from strata._names import unknown_name
from strata.report._predicted import Predicted, check_predicted
from strata.report.evaluation import Evaluation
from strata.report.scores import SCORES, rows_of

__all__ = ["Interval", "bootstrap_interval", "difference_intervals", "score_intervals"]

LEVEL, N_RESAMPLES = 0.95, 1000
#: Weights held in memory at once, in numbers of 8 bytes.
MAX_CELLS = 1 << 18
#: Scores that sort the rows for each class are left out by default where rows x classes x resamples exceed this.
MAX_SORTED_CELLS = 50_000_000
SORTED = ("roc_auc", "average_precision")
#: More rows than this are left out in blocks for the acceleration of BCa.
MAX_LEFT_OUT = 1_000
#: Of fewer defined resamples than this share, there is no interval.
MIN_DEFINED = 0.5
Weighted = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Interval:
    """A score or a difference of scores with its interval.

    Parameters
    ----------
    value : float
        On the rows themselves.
    low : float
        Lower end; NaN where there is no interval.
    high : float
        Upper end.
    level : float
        Share of repetitions in which such an interval covers the true value.
    n_resamples : int
        Resamples for which the score is defined.
    method : str
        "percentile", "bca", or "wilson" for an accuracy of which all resamples agree (all rows right, say).

    Examples
    --------
    >>> Interval(0.9, 0.8, 0.96, 0.95, 1000, "percentile").to_dict()["low"]
    0.8
    """

    value: float
    low: float
    high: float
    level: float
    n_resamples: int
    method: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON, with None for NaN."""
        fields = asdict(self)
        return {key: None if isinstance(v, float) and not np.isfinite(v) else v for key, v in fields.items()}


def score_intervals(
    evaluation: Evaluation,
    *,
    scores: Sequence[str] | None = None,
    sample_weight: Any = None,
    level: float = LEVEL,
    n_resamples: int = N_RESAMPLES,
    method: str = "percentile",
    stratify: bool = False,
    random_state: Any = 0,
) -> dict[str, Interval]:
    """Return the bootstrap interval of every score of an evaluation, all from the same resamples.

    Parameters
    ----------
    evaluation : Evaluation
        Predictions with their answers.
    scores : sequence of str, optional
        Names of :data:`strata.report.SCORES`; by default all that the evaluation allows, without ``roc_auc`` and
        ``average_precision`` where rows times classes times resamples exceed 50 million (about 3 s).
    sample_weight : array-like of shape (n_rows,), optional
        Weights of the rows.
    level : float, default=0.95
        In (0, 1).
    n_resamples : int, default=1000
        Draws of as many rows as there are, with replacement.
    method : {"percentile", "bca"}, default="percentile"
        Quantiles of the resampled scores as they are, or corrected for bias and skewness (one more
        score for each row left out; of more than 1,000 rows, for each of 1,000 blocks of rows).
    stratify : bool, default=False
        Draw within each true class, so that every resample has the class counts of the test rows. It answers
        a narrower question (other rows, same class counts), and keeps small classes from vanishing.
    random_state : int, RandomState or None, default=0
        Seed of the draws.

    Returns
    -------
    intervals : dict of str to Interval
        By name of the score.

    Raises
    ------
    ValueError
        If an argument makes no sense.

    Examples
    --------
    >>> from strata.report import score_predictions
    >>> y = np.arange(100) % 2
    >>> found = score_intervals(score_predictions(y, np.where(np.arange(100) < 80, y, 1 - y), task="classification"))
    >>> found["accuracy"].value, 0.70 < found["accuracy"].low < 0.75 < 0.85 < found["accuracy"].high < 0.90
    (0.8, True)
    """
    rows = rows_of(evaluation, sample_weight=sample_weight)
    for name in scores or ():
        if name not in SCORES:
            raise ValueError(unknown_name("score", name, SCORES))
    names = _affordable(rows, n_resamples) if scores is None else list(scores)
    draws = _Draws(rows, level, n_resamples, method, stratify, random_state)
    values = {name: SCORES[name].value(rows) for name in names}
    found = draws.intervals({name: SCORES[name].resampled(rows) for name in names}, values)
    if "accuracy" in found and rows.weights is None:
        found["accuracy"] = _exact_where_constant(found["accuracy"], len(rows))
    return found


def _affordable(rows: Predicted, n_resamples: int) -> list[str]:
    n_classes = 1 if rows.classes is None or len(rows.classes) == 2 else len(rows.classes)
    dear = len(rows) * n_classes * n_resamples > MAX_SORTED_CELLS
    return [name for name, score in SCORES.items() if score.suits(rows) and not (dear and name in SORTED)]


def bootstrap_interval(
    score: str,
    y_true: Any,
    y_pred: Any = None,
    y_prob: Any = None,
    *,
    classes: Sequence[Any] | np.ndarray | None = None,
    sample_weight: Any = None,
    level: float = LEVEL,
    n_resamples: int = N_RESAMPLES,
    method: str = "percentile",
    stratify: bool = False,
    random_state: Any = 0,
) -> Interval:
    """Return the bootstrap interval of one score; see :func:`score_intervals`.

    Parameters
    ----------
    score : str
        Name of :data:`strata.report.SCORES`.
    y_true : array-like of shape (n_rows,)
        The answers.
    y_pred : array-like of shape (n_rows,), optional
        The predictions; by default the class with the largest probability.
    y_prob : array-like of shape (n_rows, n_classes), optional
        Probabilities, for the scores that need them.
    classes : sequence, optional
        Labels in the order of the columns of ``y_prob``.
    sample_weight : array-like of shape (n_rows,), optional
        Weights of the rows.
    level : float, default=0.95
        In (0, 1).
    n_resamples : int, default=1000
        Draws with replacement.
    method : {"percentile", "bca"}, default="percentile"
        Kind of interval.
    stratify : bool, default=False
        Draw within each true class.
    random_state : int, RandomState or None, default=0
        Seed of the draws.

    Returns
    -------
    interval : Interval
        The score and its interval.

    Raises
    ------
    ValueError
        If the score is unknown or the arrays do not fit.

    Examples
    --------
    >>> bootstrap_interval("mae", [1.0, 2.0, 4.0], [1.0, 2.5, 3.0]).value
    0.5
    """
    if score not in SCORES:
        raise ValueError(unknown_name("score", score, SCORES))
    task = SCORES[score].task
    rows = check_predicted(y_true, y_pred, y_prob, task=task, classes=classes, sample_weight=sample_weight)
    plan = _Draws(rows, level, n_resamples, method, stratify, random_state)
    found = plan.intervals({score: SCORES[score].resampled(rows)}, {score: SCORES[score].value(rows)})[score]
    return _exact_where_constant(found, len(rows)) if score == "accuracy" and rows.weights is None else found


def difference_intervals(
    evaluation: Evaluation,
    others: Mapping[str, Evaluation],
    *,
    score: str | None = None,
    sample_weight: Any = None,
    level: float = LEVEL,
    n_resamples: int = N_RESAMPLES,
    method: str = "percentile",
    stratify: bool = False,
    random_state: Any = 0,
) -> dict[str, Interval]:
    """Return the difference of one score to that of other methods on the same rows, with paired intervals.

    Both methods are scored on the same resample, so what makes rows hard for both cancels: the interval
    of the difference is narrower than the two intervals suggest.

    Parameters
    ----------
    evaluation : Evaluation
        Of the network.
    others : mapping of str to Evaluation
        Of the other methods, of the same rows in the same order.
    score : str, optional
        Name of :data:`strata.report.SCORES`; by default accuracy or R2.
    sample_weight : array-like of shape (n_rows,), optional
        Weights of the rows.
    level : float, default=0.95
        In (0, 1).
    n_resamples : int, default=1000
        Draws with replacement.
    method : {"percentile", "bca"}, default="percentile"
        Kind of interval.
    stratify : bool, default=False
        Draw within each true class.
    random_state : int, RandomState or None, default=0
        Seed of the draws.

    Returns
    -------
    differences : dict of str to Interval
        Score of ``evaluation`` minus score of the other, by its name.

    Raises
    ------
    ValueError
        If the answers of another method are not the same, or the score is unknown.

    Examples
    --------
    >>> from strata.report import score_predictions
    >>> y = np.arange(60) % 3
    >>> good, bad = (score_predictions(y, p, task="classification") for p in (y, np.zeros_like(y)))
    >>> found = difference_intervals(good, {"always 0": bad})["always 0"]
    >>> round(found.value, 4), found.low > 0
    (0.6667, True)
    """
    rows = rows_of(evaluation, sample_weight=sample_weight)
    name = score or ("accuracy" if evaluation.task == "classification" else "r2")
    if name not in SCORES:
        raise ValueError(unknown_name("score", name, SCORES))
    own_value, own = SCORES[name].value(rows), SCORES[name].resampled(rows)
    functions, values = {}, {}
    for key, other in others.items():
        theirs = rows_of(other, sample_weight=sample_weight)
        if len(theirs) != len(rows) or not np.array_equal(theirs.y_true, rows.y_true):
            raise ValueError(f"`others` must be of the same rows in the same order. Received: {key!r} of other rows.")
        functions[key] = _minus(own, SCORES[name].resampled(theirs))
        values[key] = own_value - SCORES[name].value(theirs)
    return _Draws(rows, level, n_resamples, method, stratify, random_state).intervals(functions, values)


def _minus(first: Weighted, second: Weighted) -> Weighted:
    return lambda weights: first(weights) - second(weights)


class _Draws:
    """The resamples of some rows, and what intervals are made of them."""

    def __init__(
        self, rows: Predicted, level: float, n_resamples: int, method: str, stratify: bool, random_state: Any
    ) -> None:
        if not 0 < level < 1:
            raise ValueError(f"`level` must lie in (0, 1). Received: level={level!r}.")
        if isinstance(n_resamples, bool) or not isinstance(n_resamples, int) or n_resamples < 1:
            raise ValueError(f"`n_resamples` must be a positive integer. Received: n_resamples={n_resamples!r}.")
        if method not in ("percentile", "bca"):
            raise ValueError(unknown_name("method", method, ("percentile", "bca")))
        if stratify and rows.task == "regression":
            raise ValueError("`stratify` must be False for a regression. Received: stratify=True.")
        self.n, self.level, self.n_resamples, self.method = len(rows), level, n_resamples, method
        self.weights = rows.weights
        self.random = np.random.Generator(np.random.PCG64(check_random_state(random_state).randint(2**31 - 1)))
        codes = rows.true_codes if stratify else np.zeros(self.n, dtype=np.intp)
        self.strata = [np.flatnonzero(codes == code) for code in np.unique(codes)]

    def _weighted(self, counts: np.ndarray) -> np.ndarray:
        return counts.astype(np.float64) if self.weights is None else counts * self.weights

    def _resamples(self) -> Iterator[np.ndarray]:
        """Yield the weights of some resamples at a time, each of shape (R, n_rows)."""
        at_once = max(1, MAX_CELLS // self.n)
        for start in range(0, self.n_resamples, at_once):
            n_now = min(at_once, self.n_resamples - start)
            counts = np.empty((n_now, self.n), dtype=np.int64)
            for members in self.strata:
                size = len(members)
                drawn = self.random.integers(size, size=(n_now, size), dtype=np.int32)
                flat = drawn + (np.arange(n_now, dtype=np.int64) * size)[:, None]
                counts[:, members] = np.bincount(flat.ravel(), minlength=n_now * size).reshape(n_now, size)
            yield self._weighted(counts)

    def _left_out(self) -> Iterator[np.ndarray]:
        """Yield the weights without one block of rows each."""
        blocks = np.array_split(np.random.RandomState(0).permutation(self.n), min(self.n, MAX_LEFT_OUT))
        at_once = max(1, MAX_CELLS // self.n)
        for start in range(0, len(blocks), at_once):
            counts = np.ones((min(at_once, len(blocks) - start), self.n))
            for row, block in zip(counts, blocks[start : start + at_once], strict=True):
                row[block] = 0.0
            yield self._weighted(counts)

    def intervals(self, functions: Mapping[str, Weighted], values: Mapping[str, float]) -> dict[str, Interval]:
        """Return an interval for each function of the weights."""
        resampled = _apply(functions, self._resamples())
        left_out = _apply(functions, self._left_out()) if self.method == "bca" and self.n > 2 else {}
        return {name: self._interval(float(values[name]), resampled[name], left_out.get(name)) for name in functions}

    def _interval(self, value: float, found: np.ndarray, left_out: np.ndarray | None) -> Interval:
        defined = found[np.isfinite(found)]
        nothing = Interval(value, np.nan, np.nan, self.level, len(defined), self.method)
        if self.n < 2 or not np.isfinite(value) or len(defined) < MIN_DEFINED * self.n_resamples:
            return nothing
        ends = np.array([(1 - self.level) / 2, (1 + self.level) / 2])
        if left_out is not None and np.ptp(defined) > 0:
            ends = _bca_ends(ends, value, defined, left_out)
        low, high = np.quantile(defined, ends)
        return Interval(value, float(low), float(high), self.level, len(defined), self.method)


def _apply(functions: Mapping[str, Weighted], chunks: Iterator[np.ndarray]) -> dict[str, np.ndarray]:
    found: dict[str, list[np.ndarray]] = {name: [] for name in functions}
    for weights in chunks:
        keep = weights.sum(axis=1) > 0
        for name, function in functions.items():
            values = np.full(len(weights), np.nan)
            if keep.any():
                values[keep] = function(weights if keep.all() else weights[keep])
            found[name].append(values)
    return {name: np.concatenate(values) for name, values in found.items()}


def _bca_ends(ends: np.ndarray, value: float, found: np.ndarray, left_out: np.ndarray) -> np.ndarray:
    """Return the quantiles of the bias-corrected and accelerated interval (Efron and Tibshirani, Eq. 14.9 to 14.15)."""
    below = (np.mean(found < value) + np.mean(found <= value)) / 2
    bias = stats.norm.ppf(np.clip(below, 1e-6, 1 - 1e-6))
    away = np.nanmean(left_out) - left_out[np.isfinite(left_out)]
    squares = float((away**2).sum())
    acceleration = 0.0 if squares <= 0 else float((away**3).sum()) / (6 * squares**1.5)
    z = bias + stats.norm.ppf(ends)
    return np.asarray(stats.norm.cdf(bias + z / (1 - acceleration * z)))


def _exact_where_constant(found: Interval, n: int) -> Interval:
    """Return Wilson's interval for an accuracy of 0 or 1: resamples of rows that are all right say nothing."""
    if n < 1 or found.value not in (0.0, 1.0):
        return found
    ends = stats.binomtest(round(found.value * n), n).proportion_ci(found.level, method="wilson")
    return Interval(found.value, float(ends.low), float(ends.high), found.level, found.n_resamples, "wilson")
