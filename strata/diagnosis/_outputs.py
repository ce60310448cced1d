"""What a trained network says of held-out rows, beside simple models on the same rows."""

import math

import numpy as np

from strata.diagnosis._comparing import peer_scores
from strata.diagnosis.evidence import OutputEvidence

__all__ = ["compared"]


def compared(
    y: np.ndarray,
    y_val: np.ndarray,
    answers: np.ndarray,
    numbers: tuple[np.ndarray, np.ndarray],
    *,
    task: str,
    scores: tuple[float, float],
    losses: tuple[float, float | None],
    probs: np.ndarray | None = None,
) -> OutputEvidence:
    """Return the evidence of the answers.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, k)
        Targets of the training rows.
    y_val : ndarray of shape (m,) or (m, k)
        Targets of the held-out rows.
    answers : ndarray of the shape of `y_val`
        What the network predicts for them.
    numbers : tuple of two ndarrays
        Inputs of both parts, for the simple models.
    task : {"classification", "regression"}
        Which of the two.
    scores : tuple of two floats
        Of the network, on training rows and held-out rows.
    losses : tuple of two floats
        Mean losses of the same.
    probs : ndarray of shape (m, n_classes), optional
        Probabilities of the classes for the held-out rows.

    Returns
    -------
    output : OutputEvidence
        Shares and recalls in the order of the sorted classes of `y`; of several labels a row, of the labels.
    """
    linear, neighbours, trees = peer_scores(numbers[0], y, numbers[1], y_val, task=task)
    predicted, true, recalls = _shares(y, y_val, answers) if task == "classification" else ((), (), ())
    spread, baseline = None, 0.0
    if task == "classification":
        labels, counts = np.unique(y, axis=0, return_counts=True)
        most = labels[counts.argmax()]
        baseline = float((y_val == most).reshape(len(y_val), -1).all(axis=1).mean())
        spread = None if probs is None else float(probs.std(axis=0).mean())
    else:
        spread = float(np.std(answers) / max(float(np.std(y_val)), 1e-12))
    return OutputEvidence(
        train_loss=losses[0],
        val_loss=losses[1],
        train_score=scores[0],
        val_score=scores[1],
        val_rows=len(y_val),
        baseline_score=baseline,
        linear_score=linear,
        neighbours_score=neighbours,
        trees_score=trees,
        predicted_shares=predicted,
        true_shares=true,
        class_recalls=recalls,
        spread_ratio=spread,
        mean_confidence=None if probs is None else float(probs.max(axis=1).mean()),
    )


def _shares(
    y: np.ndarray, y_val: np.ndarray, answers: np.ndarray
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Return the shares predicted, the true shares, and the recalls, of each class or of each label."""
    if y.ndim > 1:
        said, held = ([*values.astype(bool).T] for values in (answers, y_val))
    else:
        labels = np.unique(y)
        said, held = ([values == label for label in labels] for values in (answers, y_val))
    recalls = (float(own[true].mean()) if true.any() else math.nan for own, true in zip(said, held, strict=True))
    return tuple(float(each.mean()) for each in said), tuple(float(each.mean()) for each in held), tuple(recalls)
