"""Scores of many weightings of the same rows at once: what a bootstrap needs, a matrix product each.

A resample is a vector of counts; a score of it is the score of the rows with the counts as weights. Most scores are a
function of few weighted sums, so all resamples cost one product of a (resamples, rows) with a (rows, terms) matrix.
"""

from collections.abc import Callable

import numpy as np
from scipy import sparse

from strata.report._predicted import Predicted

__all__ = [
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "brier",
    "ece",
    "f1_macro",
    "log_loss",
    "mae",
    "r2",
    "rmse",
    "roc_auc",
]

#: Takes weights of shape (R, n_rows), gives R scores; NaN where a score is not defined.
Weighted = Callable[[np.ndarray], np.ndarray]


def _mean(terms: np.ndarray) -> Weighted:
    return lambda weights: np.asarray(weights @ terms / weights.sum(axis=1))


def accuracy(rows: Predicted) -> Weighted:
    return _mean((rows.true_codes == rows.pred_codes).astype(np.float64))


def _one_hot(codes: np.ndarray, n_classes: int, values: np.ndarray | None = None) -> sparse.csc_array:
    values = np.ones(len(codes)) if values is None else values
    return sparse.csc_array((values, (np.arange(len(codes)), codes)), shape=(len(codes), n_classes))


def _table(rows: Predicted) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return a function from weights to (R, n_classes) sums of hits, of true rows and of predicted rows."""
    n = 0 if rows.classes is None else len(rows.classes)
    right = (rows.true_codes == rows.pred_codes).astype(np.float64)
    parts = [_one_hot(rows.true_codes, n, right), _one_hot(rows.true_codes, n), _one_hot(rows.pred_codes, n)]
    terms = sparse.hstack(parts, format="csc")

    def sums(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        hits, true, called = np.split(np.asarray(weights @ terms), 3, axis=1)
        return hits, true, called

    return sums


def _ratio(above: np.ndarray, below: np.ndarray, empty: float) -> np.ndarray:
    return np.asarray(np.divide(above, below, out=np.full_like(above, empty), where=below > 0))


def balanced_accuracy(rows: Predicted) -> Weighted:
    table = _table(rows)

    def score(weights: np.ndarray) -> np.ndarray:
        hits, true, _ = table(weights)
        return np.asarray(_ratio(hits, true, 0.0).sum(axis=1) / (true > 0).sum(axis=1))

    return score


def f1_macro(rows: Predicted) -> Weighted:
    table = _table(rows)

    def score(weights: np.ndarray) -> np.ndarray:
        hits, true, called = table(weights)
        return np.asarray(_ratio(2.0 * hits, true + called, 0.0).mean(axis=1))

    return score


def _probabilities(rows: Predicted) -> np.ndarray:
    if rows.y_prob is None:
        raise ValueError("`y_prob` must be given for this score. Received: None.")
    return rows.y_prob


def log_loss(rows: Predicted) -> Weighted:
    probs = _probabilities(rows)
    eps = np.finfo(probs.dtype).eps  # as scikit-learn clips
    own = np.clip(probs[np.arange(len(rows)), rows.true_codes], eps, 1.0 - eps)
    return _mean(-np.log(own.astype(np.float64)))


def brier(rows: Predicted) -> Weighted:
    probs = _probabilities(rows).astype(np.float64)
    n_classes = probs.shape[1]
    squares = ((probs - np.eye(n_classes)[rows.true_codes]) ** 2).sum(axis=1)
    return _mean(0.5 * squares if n_classes == 2 else squares)  # as scikit-learn's scale_by_half="auto"


def ece(rows: Predicted, bins: np.ndarray, confidence: np.ndarray, happened: np.ndarray, n_bins: int) -> Weighted:
    terms = _one_hot(bins, n_bins, happened - confidence)
    return lambda weights: np.asarray(np.abs(weights @ terms).sum(axis=1) / weights.sum(axis=1))


def _each_class(rows: Predicted, curve: Callable[[np.ndarray, np.ndarray], Weighted]) -> Weighted:
    """Return the mean over the classes, each against the rest; of two classes the second alone."""
    probs = _probabilities(rows)
    numbers = [1] if probs.shape[1] == 2 else range(probs.shape[1])
    marks = [(rows.true_codes == k, probs[:, k]) for k in numbers]
    each = [curve(positive, scores) for positive, scores in marks if 0 < positive.sum() < len(positive)]

    def score(weights: np.ndarray) -> np.ndarray:
        by_row = np.ascontiguousarray(weights.T)  # (n_rows, R): reordering rows copies whole lines
        total, known = np.zeros(len(weights)), np.zeros(len(weights))
        for one in each:
            found = one(by_row)
            total += np.nan_to_num(found)
            known += np.isfinite(found)
        return _ratio(total, known, np.nan)

    return score


def _by_threshold(positive: np.ndarray, scores: np.ndarray) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return a function from weights (n_rows, R) to sums (n_values, R) of positive and of all rows, highest first."""
    order = np.argsort(-scores, kind="stable")
    starts = np.concatenate([[0], np.flatnonzero(np.diff(scores[order])) + 1])
    sign = positive[order][:, None]

    def sums(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        every = weights[order]
        true = every * sign
        if len(starts) < len(order):
            true, every = np.add.reduceat(true, starts, axis=0), np.add.reduceat(every, starts, axis=0)
        return true, every

    return sums


def _binary_auc(positive: np.ndarray, scores: np.ndarray) -> Weighted:
    at = _by_threshold(positive, scores)

    def score(weights: np.ndarray) -> np.ndarray:
        true, every = at(weights)
        false = every - true
        above = np.cumsum(true, axis=0)
        pairs = above[-1] * false.sum(axis=0)
        above -= 0.5 * true  # a tie is half a win
        return _ratio(np.einsum("nr,nr->r", above, false), pairs, np.nan)

    return score


def _binary_precision(positive: np.ndarray, scores: np.ndarray) -> Weighted:
    at = _by_threshold(positive, scores)

    def score(weights: np.ndarray) -> np.ndarray:
        true, every = at(weights)
        above, all_above = np.cumsum(true, axis=0), np.cumsum(every, axis=0)
        found = np.einsum("nr,nr->r", true, _ratio(above, all_above, 0.0))
        found = _ratio(found, above[-1], np.nan)
        return np.where(all_above[-1] > above[-1], found, np.nan)

    return score


def roc_auc(rows: Predicted) -> Weighted:
    return _each_class(rows, _binary_auc)


def average_precision(rows: Predicted) -> Weighted:
    return _each_class(rows, _binary_precision)


def r2(rows: Predicted) -> Weighted:
    centred = rows.y_true - rows.y_true.mean()
    terms = np.column_stack([(rows.y_true - rows.y_pred) ** 2, centred, centred**2])

    def score(weights: np.ndarray) -> np.ndarray:
        left, first, second = (weights @ terms).T
        spread = second - first**2 / weights.sum(axis=1)
        spread[spread <= 1e-12 * second.max(initial=0.0)] = 0.0  # one distinct row: not defined
        return 1.0 - _ratio(left, spread, np.nan)

    return score


def rmse(rows: Predicted) -> Weighted:
    square = _mean((rows.y_true - rows.y_pred) ** 2)
    return lambda weights: np.asarray(np.sqrt(square(weights)))


def mae(rows: Predicted) -> Weighted:
    return _mean(np.abs(rows.y_true - rows.y_pred))
