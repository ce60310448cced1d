"""How good predictions are: a few figures, the confusion table, the residuals."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.metrics import (
    confusion_matrix,
    f1_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    root_mean_squared_error,
)

__all__ = ["Evaluation", "confusion_text", "score_predictions"]

#: A table with more classes than this is kept in JSON and drawn, but not printed.
MAX_PRINTED_CLASSES = 12


@dataclass(frozen=True)
class Evaluation:
    """Figures of predictions on rows whose answers are known.

    Parameters
    ----------
    task : {"classification", "regression"}
        What was predicted.
    targets : ndarray of shape (n_rows,)
        The answers.
    predictions : ndarray of shape (n_rows,)
        What was predicted for them.
    metrics : dict of str to float
        Classification: ``accuracy``, ``balanced_accuracy``, ``f1_macro`` and, with probabilities,
        ``log_loss`` in nats. Regression: ``r2``, ``rmse`` and ``mae`` in units of the target.
    classes : tuple, default=()
        The classes in the order of the table.
    confusion : ndarray of shape (n_classes, n_classes), int, or None
        Rows are the true classes, columns the predicted ones.
    probabilities : ndarray of shape (n_rows, n_classes) or None, default=None
        Predicted probabilities, in the order of ``classes``.
    which : {"all", "held-out", "test part", "training"}, default="all"
        Rows of the data that were scored: all, or those that the run of the model held out, or its training rows.
    unit : {"rows", "pictures"}, default="rows"
        What was scored.
    """

    task: str
    targets: np.ndarray = field(repr=False)
    predictions: np.ndarray = field(repr=False)
    metrics: dict[str, float]
    classes: tuple[Any, ...] = ()
    confusion: np.ndarray | None = None
    probabilities: np.ndarray | None = field(default=None, repr=False)
    which: str = "all"
    unit: str = "rows"

    @property
    def score(self) -> float:
        """Accuracy, or R2 for a regression."""
        return self.metrics["accuracy" if self.task == "classification" else "r2"]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the rows, ready for JSON."""
        result: dict[str, Any] = {"task": self.task, "n_rows": len(self.targets), "metrics": dict(self.metrics)}
        if self.confusion is not None:
            result["classes"] = [_label(each) for each in self.classes]
            result["confusion"] = self.confusion.tolist()
        return result

    def to_text(self) -> str:
        """Return the figures and, for few classes, the confusion table as lines of text."""
        lines = ["  ".join(f"{name} {value:.4f}" for name, value in self.metrics.items())]
        if self.confusion is not None:
            if len(self.classes) > MAX_PRINTED_CLASSES:
                lines.append(f"(the table of {len(self.classes)} classes is in the report and the picture)")
            else:
                lines.append(confusion_text(self.confusion, self.classes))
        return "\n".join(lines)


def _label(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def confusion_text(table: np.ndarray, classes: Sequence[Any]) -> str:
    """Return a confusion table as text, true classes down, predicted classes across.

    Parameters
    ----------
    table : ndarray of shape (n_classes, n_classes)
        Counts.
    classes : sequence of length n_classes
        Names of the rows and columns.

    Returns
    -------
    text : str
        One line a class under two header lines.

    Examples
    --------
    >>> print(confusion_text(np.array([[143, 22], [37, 46]]), [0, 1]))
           predicted
    true    0   1
       0  143  22
       1   37  46
    """
    names = [str(_label(each))[:16] for each in classes]
    counts = [[str(int(value)) for value in row] for row in table]
    first = max(4, *(len(name) for name in names))
    widths = [max(len(name), *(len(row[i]) for row in counts)) for i, name in enumerate(names)]

    def line(head: str, cells: Sequence[str]) -> str:
        return head.rjust(first) + "  " + "  ".join(c.rjust(w) for c, w in zip(cells, widths, strict=True))

    return "\n".join(
        [
            " " * (first + 3) + "predicted",
            line("true", names),
            *(line(name, row) for name, row in zip(names, counts, strict=True)),
        ]
    )


def score_predictions(
    targets: np.ndarray,
    predictions: np.ndarray,
    *,
    task: str,
    classes: Sequence[Any] | None = None,
    probabilities: np.ndarray | None = None,
) -> Evaluation:
    """Compare predictions with the answers.

    Parameters
    ----------
    targets : ndarray of shape (n_rows,)
        The answers.
    predictions : ndarray of shape (n_rows,)
        What was predicted for them.
    task : {"classification", "regression"}
        What was predicted.
    classes : sequence, optional
        Order of the classes; by default those seen, sorted.
    probabilities : ndarray of shape (n_rows, n_classes), optional
        Predicted probability of each class in the order of ``classes``, for the log loss.

    Returns
    -------
    evaluation : Evaluation
        The figures; R2 of fewer than two rows is NaN.

    Raises
    ------
    ValueError
        If there are no rows or the lengths differ.

    Examples
    --------
    >>> result = score_predictions(np.array([0, 0, 1]), np.array([0, 1, 1]), task="classification")
    >>> result.confusion.tolist(), round(result.score, 4)
    ([[1, 1], [0, 1]], 0.6667)
    """
    targets, predictions = np.asarray(targets), np.asarray(predictions)
    if len(targets) == 0 or targets.shape != predictions.shape:
        raise ValueError(
            "`targets` and `predictions` must have the same shape and at least one row. "
            f"Received: shapes {targets.shape} and {predictions.shape}."
        )
    if task == "regression":
        metrics = {
            "r2": float(r2_score(targets, predictions)) if len(targets) > 1 else float("nan"),
            "rmse": float(root_mean_squared_error(targets, predictions)),
            "mae": float(mean_absolute_error(targets, predictions)),
        }
        return Evaluation(task, targets, predictions, metrics)
    known = list(np.unique(targets) if classes is None else classes)
    extra = set(np.unique(targets).tolist()) | set(np.unique(predictions).tolist())
    labels = [*known, *sorted(extra - {_label(each) for each in known}, key=str)]
    table = confusion_matrix(targets, predictions, labels=labels)
    present = table.sum(axis=1) > 0
    metrics = {
        "accuracy": float(np.trace(table) / table.sum()),
        "balanced_accuracy": float(np.mean(np.diag(table)[present] / table.sum(axis=1)[present])),
        "f1_macro": float(f1_score(targets, predictions, labels=labels, average="macro", zero_division=0.0)),
    }
    if probabilities is not None and len(labels) == len(known) >= 2:
        metrics["log_loss"] = float(log_loss(targets, probabilities, labels=known))
        return Evaluation(task, targets, predictions, metrics, tuple(labels), table, np.asarray(probabilities))
    return Evaluation(task, targets, predictions, metrics, tuple(labels), table)
