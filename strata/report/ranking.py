"""How well scores put the rows in order: ROC and precision-recall points of each class against the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from strata.report._predicted import check_predicted

__all__ = ["RankingCurve", "ranking_curves"]


@dataclass(frozen=True)
class RankingCurve:
    """The curves of one class against the rest.

    Parameters
    ----------
    label : object
        The class.
    false_positive_rate : ndarray of shape (n_points,)
        Abscissas of the ROC curve.
    true_positive_rate : ndarray of shape (n_points,)
        Ordinates of the ROC curve.
    recall : ndarray of shape (n_others,)
        Abscissas of the precision-recall curve, from 0 to 1.
    precision : ndarray of shape (n_others,)
        Its ordinates.
    roc_auc : float
        Area under the ROC curve.
    average_precision : float
        Mean precision weighted by the steps of recall.
    prevalence : float
        Share of the class (weighted): the precision of guessing.
    """

    label: Any
    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    roc_auc: float
    average_precision: float
    prevalence: float

    def to_dict(self, *, max_points: int = 200) -> dict[str, Any]:
        """Return lists by name, ready for JSON.

        Parameters
        ----------
        max_points : int, default=200
            Of a longer curve so many points are kept, evenly, with both ends.

        Returns
        -------
        fields : dict of str to object
            The areas are of the whole curves.
        """
        label = self.label.item() if hasattr(self.label, "item") else self.label
        fields: dict[str, Any] = {
            "label": label,
            "roc_auc": self.roc_auc,
            "average_precision": self.average_precision,
            "prevalence": self.prevalence,
        }
        for pair in (("false_positive_rate", "true_positive_rate"), ("recall", "precision")):
            n = len(getattr(self, pair[0]))
            kept = np.unique(np.linspace(0, n - 1, min(n, max_points)).round().astype(int))
            fields |= {name: getattr(self, name)[kept].tolist() for name in pair}
        return fields


def ranking_curves(
    y_true: Any,
    y_prob: Any,
    *,
    classes: Sequence[Any] | np.ndarray | None = None,
    sample_weight: Any = None,
) -> list[RankingCurve]:
    """Return the ROC and precision-recall curves; scikit-learn computes them.

    Parameters
    ----------
    y_true : array-like of shape (n_rows,)
        The answers.
    y_prob : array-like of shape (n_rows, n_classes) or (n_rows,)
        Probabilities; of two classes those of the second are enough.
    classes : sequence, optional
        Labels in the order of the columns; by default those of ``y_true``, sorted.
    sample_weight : array-like of shape (n_rows,), optional
        Weights of the rows.

    Returns
    -------
    curves : list of RankingCurve
        Of two classes the second one alone; of more each against the rest. A class without rows, or
        without rows of the rest, has no curve.

    Raises
    ------
    ValueError
        If shapes do not fit, or a probability is not one.

    Examples
    --------
    >>> curve = ranking_curves([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])[0]
    >>> curve.label, curve.roc_auc, round(curve.average_precision, 4)
    (1, 0.75, 0.8333)
    """
    rows = check_predicted(y_true, None, y_prob, classes=classes, sample_weight=sample_weight)
    labels = np.asarray(rows.classes).tolist()
    found = []
    for k in [1] if len(labels) == 2 else range(len(labels)):
        positive = rows.true_codes == k
        if not 0 < positive.sum() < len(positive):
            continue
        scores = np.asarray(rows.y_prob)[:, k]
        fpr, tpr, _ = roc_curve(positive, scores, sample_weight=rows.weights)
        precision, recall, _ = precision_recall_curve(
            positive, scores, sample_weight=rows.weights, drop_intermediate=True
        )
        found.append(
            RankingCurve(
                labels[k],
                fpr,
                tpr,
                recall[::-1],
                precision[::-1],
                float(roc_auc_score(positive, scores, sample_weight=rows.weights)),
                float(average_precision_score(positive, scores, sample_weight=rows.weights)),
                float(np.average(positive, weights=rows.weights)),
            )
        )
    return found
