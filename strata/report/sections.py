"""The parts of a report that come straight from a training: figures, curves, classes, data, machine.

Every function returns plain dicts, lists, numbers and strings: what ``report.json`` holds and the page is drawn from.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from strata._names import label_text
from strata.report.building import network_of
from strata.report.evaluation import Evaluation

__all__ = ["class_errors", "confusions", "curves", "residuals"]

#: Of a longer training the curves are thinned out evenly; history.csv has every epoch.
MAX_EPOCHS = 500
#: Of more rows the residuals of a sample are drawn, evenly spread over the predictions.
MAX_POINTS = 600
MAX_CONFUSIONS = 12


def curves(estimator: Any, watched: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """Return the figures of the epochs, thinned out where there are many.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    watched : mapping of str to object, optional
        What was seen of training rows and held-out rows at some of the epochs.

    Returns
    -------
    curves : dict or None
        ``epoch``, ``n_epochs`` and ``columns``: lists by name, and ``watched`` as given; None for a model without a
        history.
    """
    history = getattr(network_of(estimator), "history_", None)
    if history is None or len(history) == 0:
        return None
    n = len(history)
    rows = np.unique(np.linspace(0, n - 1, min(n, MAX_EPOCHS)).round().astype(int))
    epochs = history["epoch"]
    names = [name for name in history.columns if name not in ("epoch", "seconds")]
    columns = {name: [history[name][i] for i in rows] for name in names}
    found = {"n_epochs": n, "epoch": [int(epochs[i]) for i in rows], "columns": columns}
    return found if watched is None else {**found, "watched": dict(watched)}


def class_errors(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return precision, recall and F1 of each class, with the number of rows and of errors.

    Parameters
    ----------
    evaluation : Evaluation
        A classification.

    Returns
    -------
    rows : list of dict
        ``label``, ``n_rows``, ``n_predicted``, ``n_wrong``, ``precision``, ``recall``, ``f1``; a figure whose
        denominator is 0 is None.
    """
    table = evaluation.confusion
    if table is None:
        return []
    labels = list(evaluation.classes)
    precision, recall, f1, _ = precision_recall_fscore_support(
        evaluation.targets, evaluation.predictions, labels=labels, zero_division=np.nan
    )
    found = []
    for i, label in enumerate(labels):
        found.append(
            {
                "label": label_text(label),
                "n_rows": int(table[i].sum()),
                "n_predicted": int(table[:, i].sum()),
                "n_wrong": int(table[i].sum() - table[i, i]),
                "precision": _number(precision[i]),
                "recall": _number(recall[i]),
                "f1": _number(f1[i]),
            }
        )
    return found


def confusions(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the pairs of classes that are taken for each other most often.

    Parameters
    ----------
    evaluation : Evaluation
        A classification.

    Returns
    -------
    pairs : list of dict
        ``true``, ``predicted``, ``count`` and ``share`` of the rows of the true class, most frequent first.
    """
    table = evaluation.confusion
    if table is None:
        return []
    wrong = table - np.diag(np.diag(table))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MAX_CONFUSIONS]
    pairs = []
    for i, j in zip(*np.unravel_index(order, table.shape), strict=True):
        if wrong[i, j] > 0:
            names = label_text(evaluation.classes[i]), label_text(evaluation.classes[j])
            share = float(wrong[i, j] / table[i].sum())
            pairs.append({"true": names[0], "predicted": names[1], "count": int(wrong[i, j]), "share": share})
    return pairs


def residuals(evaluation: Evaluation) -> dict[str, Any]:
    """Return predictions with their targets and the distribution of what is left over.

    Parameters
    ----------
    evaluation : Evaluation
        A regression.

    Returns
    -------
    residuals : dict
        ``targets`` and ``predictions`` of at most 600 rows, evenly spread over the predictions; ``n_rows``;
        ``mean``, ``std`` and ``quantiles`` of true minus predicted over all rows.
    """
    targets = evaluation.targets.astype(float)
    predictions = evaluation.predictions.astype(float)
    left = targets - predictions
    order = np.argsort(predictions, kind="stable")
    rows = order[np.unique(np.linspace(0, len(order) - 1, min(len(order), MAX_POINTS)).round().astype(int))]
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    return {
        "n_rows": len(left),
        "targets": targets[rows].tolist(),
        "predictions": predictions[rows].tolist(),
        "mean": float(left.mean()),
        "std": float(left.std()),
        "quantiles": {str(level): float(np.quantile(left, level)) for level in levels},
    }


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
