"""ROC and precision-recall curves, of two classes or of each class against the rest."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from matplotlib.lines import Line2D

from strata.report.displays._axes import COLORS, DASHES, INK, axes_for, legend, plain, probabilities_of
from strata.report.ranking import RankingCurve, ranking_curves

__all__ = ["PrecisionRecallDisplay", "RocDisplay"]


class _RankingDisplay:
    """Curves of classes; the worst ones are named where there are many."""

    def __init__(self, *, curves: Sequence[RankingCurve]) -> None:
        if not curves:
            raise ValueError("`curves` must hold a class with rows of it and of others. Received: none.")
        self.curves = list(curves)

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: Any, *, sample_weight: Any = None, ax: Any = None) -> Self:
        """Draw the curves of a classifier.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``predict_proba``.
        X : array-like of shape (n_rows, n_features)
            Inputs.
        y : array-like of shape (n_rows,)
            Their classes.
        sample_weight : array-like of shape (n_rows,), optional
            Weights of the rows.
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : RocDisplay or PrecisionRecallDisplay
            Plotted.
        """
        probs, classes, _ = probabilities_of(estimator, X)
        return cls.from_predictions(y, probs, classes=classes, sample_weight=sample_weight, ax=ax)

    @classmethod
    def from_predictions(
        cls, y_true: Any, y_prob: Any, *, classes: Any = None, sample_weight: Any = None, ax: Any = None
    ) -> Self:
        """Draw the curves of probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_rows,)
            The classes.
        y_prob : array-like of shape (n_rows, n_classes) or (n_rows,)
            Probabilities; of two classes those of the second are enough.
        classes : sequence, optional
            Labels in the order of the columns; by default those of ``y_true``, sorted.
        sample_weight : array-like of shape (n_rows,), optional
            Weights of the rows.
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : RocDisplay or PrecisionRecallDisplay
            Plotted.
        """
        return cls(curves=ranking_curves(y_true, y_prob, classes=classes, sample_weight=sample_weight)).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw; each display in its own way.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : RocDisplay or PrecisionRecallDisplay
            This one.
        """
        raise NotImplementedError

    def _draw(self, ax: Any, x: str, y: str, area: str, short: str) -> None:
        self.ax_ = axes_for(ax)
        self.figure_ = self.ax_.figure
        worst_first = np.argsort([getattr(curve, area) for curve in self.curves], kind="stable")
        named = set(worst_first[: len(COLORS)].tolist())
        self.lines_: list[Line2D] = []
        slot = 0
        for i, curve in enumerate(self.curves):
            points = getattr(curve, x), getattr(curve, y)
            drawn: dict[str, Any] = {"color": INK, "linewidth": 0.6, "alpha": 0.5}
            if i in named:
                label = f"{plain(curve.label, 16)} ({short} {getattr(curve, area):.3f})"
                drawn = {"color": COLORS[slot], "linestyle": DASHES[slot], "label": label}
                slot += 1
            steps = "steps-pre" if area == "average_precision" else "default"
            self.lines_ += self.ax_.plot(*points, drawstyle=steps, **drawn)
        self.ax_.set_xlim(-0.02, 1.02)
        self.ax_.set_ylim(-0.02, 1.02)
        legend(self.ax_, title=None if len(self.curves) <= len(COLORS) else f"lowest of {len(self.curves)} classes")


class RocDisplay(_RankingDisplay):
    """True against false positive rate; the dotted line is guessing.

    Parameters
    ----------
    curves : sequence of RankingCurve
        As :func:`strata.report.ranking_curves` gives them. Of more than 5 those with the smallest area are named.

    Attributes
    ----------
    ax_ : Axes
        What was drawn on.
    figure_ : Figure
        Around it.
    lines_ : list of Line2D
        One a curve.

    Raises
    ------
    ValueError
        If there is no curve.

    See Also
    --------
    sklearn.metrics.RocCurveDisplay : The same for two classes and for the folds of a cross-validation.

    Examples
    --------
    >>> RocDisplay.from_predictions([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).curves[0].roc_auc
    0.75
    """

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : RocDisplay
            This one.
        """
        ax = axes_for(ax)
        ax.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":", alpha=0.7)
        self._draw(ax, "false_positive_rate", "true_positive_rate", "roc_auc", "AUC")
        self.ax_.set_xlabel("false positive rate")
        self.ax_.set_ylabel("true positive rate")
        return self


class PrecisionRecallDisplay(_RankingDisplay):
    """Precision against recall; the dotted line is guessing, where there are two classes.

    Parameters
    ----------
    curves : sequence of RankingCurve
        As :func:`strata.report.ranking_curves` gives them. Of more than 5 those with the smallest average
        precision are named.

    Attributes
    ----------
    ax_ : Axes
        What was drawn on.
    figure_ : Figure
        Around it.
    lines_ : list of Line2D
        One a curve.

    Raises
    ------
    ValueError
        If there is no curve.

    Examples
    --------
    >>> display = PrecisionRecallDisplay.from_predictions([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> round(display.curves[0].average_precision, 4)
    0.8333
    """

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : PrecisionRecallDisplay
            This one.
        """
        ax = axes_for(ax)
        if len(self.curves) == 1:
            ax.axhline(self.curves[0].prevalence, color=INK, linewidth=0.8, linestyle=":", alpha=0.7)
        self._draw(ax, "recall", "precision", "average_precision", "AP")
        self.ax_.set_xlabel("recall")
        self.ax_.set_ylabel("precision")
        return self
