"""The scores of the report by name: scikit-learn computes them, and a vectorised twin resamples them."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn import metrics
from sklearn.exceptions import UndefinedMetricWarning

from strata.report import _resampled as resampled
from strata.report._predicted import Predicted, check_predicted
from strata.report.evaluation import Evaluation
from strata.report.reliability import N_BINS, bin_numbers, confidences, reliability_bins

__all__ = ["SCORES", "Score", "compute_scores", "rows_of"]


@dataclass(frozen=True)
class Score:
    """One score.

    Parameters
    ----------
    task : {"classification", "regression"}
        What it judges.
    value : callable
        Takes the checked rows, gives scikit-learn's value; NaN where it is not defined.
    resampled : callable
        Takes the checked rows, gives a function from weights of shape (R, n_rows) to R scores.
    needs_probabilities : bool, default=False
        Whether labels alone are not enough.
    more_is_better : bool, default=True
        Its direction.
    """

    task: str
    value: Callable[[Predicted], float] = field(repr=False)
    resampled: Callable[[Predicted], Callable[[np.ndarray], np.ndarray]] = field(repr=False)
    needs_probabilities: bool = False
    more_is_better: bool = True

    def suits(self, rows: Predicted) -> bool:
        """Return whether the score can be computed for some rows.

        Parameters
        ----------
        rows : Predicted
            Checked.

        Returns
        -------
        answer : bool
            True for the same task, and with probabilities where they are needed.
        """
        return self.task == rows.task and (rows.y_prob is not None or not self.needs_probabilities)


def rows_of(evaluation: Evaluation, *, sample_weight: Any = None) -> Predicted:
    """Return the checked rows of an evaluation.

    Parameters
    ----------
    evaluation : Evaluation
        Predictions with their answers.
    sample_weight : array-like of shape (n_rows,), optional
        Weights of the rows.

    Returns
    -------
    rows : Predicted
        What the scores take.
    """
    return check_predicted(
        evaluation.targets,
        evaluation.predictions,
        evaluation.probabilities,
        task=evaluation.task,
        classes=np.asarray(evaluation.classes) if evaluation.task == "classification" else None,
        sample_weight=sample_weight,
    )


def compute_scores(
    y_true: Any,
    y_pred: Any = None,
    y_prob: Any = None,
    *,
    task: str = "classification",
    classes: Any = None,
    sample_weight: Any = None,
) -> dict[str, float]:
    """Return every score that the arrays allow, as scikit-learn computes it.

    Parameters
    ----------
    y_true : array-like of shape (n_rows,)
        The answers.
    y_pred : array-like of shape (n_rows,), optional
        The predictions; by default the class with the largest probability.
    y_prob : array-like of shape (n_rows, n_classes), optional
        Probabilities of the classes.
    task : {"classification", "regression"}, default="classification"
        What was predicted.
    classes : sequence, optional
        Labels in the order of the columns of ``y_prob``.
    sample_weight : array-like of shape (n_rows,), optional
        Weights of the rows.

    Returns
    -------
    scores : dict of str to float
        By name of :data:`SCORES`; NaN where a score is not defined for these rows. ``roc_auc`` and
        ``average_precision`` of more than two classes are means of one class against the rest, over the
        classes that occur; ``balanced_accuracy`` is the mean recall of the classes that occur.

    Raises
    ------
    ValueError
        If the arrays do not fit each other or a probability is not one.

    Examples
    --------
    >>> found = compute_scores([0, 0, 1], y_prob=[0.2, 0.6, 0.9])
    >>> round(found["accuracy"], 4), found["roc_auc"]
    (0.6667, 1.0)
    """
    rows = check_predicted(y_true, y_pred, y_prob, task=task, classes=classes, sample_weight=sample_weight)
    return {name: score.value(rows) for name, score in SCORES.items() if score.suits(rows)}


def _labelled(function: Callable[..., Any], **options: Any) -> Callable[[Predicted], float]:
    def value(rows: Predicted) -> float:
        return float(function(rows.y_true, rows.y_pred, sample_weight=rows.weights, **options))

    return value


def _balanced_accuracy(rows: Predicted) -> float:
    """Return the mean recall of the classes that occur, without scikit-learn's warning about the others."""
    recalls = metrics.recall_score(
        rows.true_codes,
        rows.pred_codes,
        labels=np.unique(rows.true_codes),
        average="macro",
        sample_weight=rows.weights,
        zero_division=0.0,
    )
    return float(recalls)


def _f1_macro(rows: Predicted) -> float:
    return float(
        metrics.f1_score(
            rows.y_true,
            rows.y_pred,
            labels=rows.classes,
            average="macro",
            sample_weight=rows.weights,
            zero_division=0.0,
        )
    )


def _log_loss(rows: Predicted) -> float:
    labels = np.arange(np.asarray(rows.y_prob).shape[1])
    return float(metrics.log_loss(rows.true_codes, rows.y_prob, labels=labels, sample_weight=rows.weights))


def _brier(rows: Predicted) -> float:
    probs = np.asarray(rows.y_prob)
    labels = np.arange(probs.shape[1])
    return float(metrics.brier_score_loss(rows.true_codes, probs, labels=labels, sample_weight=rows.weights))


def _against_the_rest(function: Callable[..., Any]) -> Callable[[Predicted], float]:
    def value(rows: Predicted) -> float:
        probs = np.asarray(rows.y_prob)
        found = []
        for k in [1] if probs.shape[1] == 2 else range(probs.shape[1]):
            positive = rows.true_codes == k
            if 0 < positive.sum() < len(positive):
                found.append(function(positive, probs[:, k], sample_weight=rows.weights))
        return float(np.mean(found)) if found else float("nan")

    return value


def _ece(rows: Predicted) -> float:
    return reliability_bins(rows.y_true, rows.y_prob, classes=rows.classes, sample_weight=rows.weights).ece


def _ece_resampled(rows: Predicted) -> Callable[[np.ndarray], np.ndarray]:
    confidence, happened, _ = confidences(rows)
    return resampled.ece(rows, bin_numbers(confidence), confidence, happened, N_BINS)


def _r2(rows: Predicted) -> float:
    if len(rows) < 2:
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        return float(metrics.r2_score(rows.y_true, rows.y_pred, sample_weight=rows.weights))


_CLASSES, _NUMBERS = "classification", "regression"
SCORES: dict[str, Score] = {
    "accuracy": Score(_CLASSES, _labelled(metrics.accuracy_score), resampled.accuracy),
    "balanced_accuracy": Score(_CLASSES, _balanced_accuracy, resampled.balanced_accuracy),
    "f1_macro": Score(_CLASSES, _f1_macro, resampled.f1_macro),
    "log_loss": Score(_CLASSES, _log_loss, resampled.log_loss, True, False),
    "brier": Score(_CLASSES, _brier, resampled.brier, True, False),
    "roc_auc": Score(_CLASSES, _against_the_rest(metrics.roc_auc_score), resampled.roc_auc, True),
    "average_precision": Score(
        _CLASSES, _against_the_rest(metrics.average_precision_score), resampled.average_precision, True
    ),
    "ece": Score(_CLASSES, _ece, _ece_resampled, True, False),
    "r2": Score(_NUMBERS, _r2, resampled.r2),
    "rmse": Score(_NUMBERS, _labelled(metrics.root_mean_squared_error), resampled.rmse, more_is_better=False),
    "mae": Score(_NUMBERS, _labelled(metrics.mean_absolute_error), resampled.mae, more_is_better=False),
}
