"""The confusion table as a picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

from strata.report.displays._axes import INK, SHADES, axes_for, plain

__all__ = ["ConfusionDisplay"]

#: Counts and names are written for at most this many classes.
MAX_WRITTEN_CLASSES = 25
#: From this shade on white is easier to read than the page's text colour.
WHITE_FROM = 0.75


class ConfusionDisplay(ConfusionMatrixDisplay):  # type: ignore[misc]
    """Confusion table; the shade is the share of the true class, the number the count of rows.

    scikit-learn's display with two changes: shades are shares, so that a rare class is seen, and they let
    the background through, so that the picture serves on light and dark pages.

    Parameters
    ----------
    confusion_matrix : ndarray of shape (n_classes, n_classes)
        Counts; rows are the true classes.
    display_labels : sequence of length n_classes, optional
        Names of the classes; by default their numbers.

    Attributes
    ----------
    ax_ : Axes
        What was drawn on.
    figure_ : Figure
        Around it.
    im_ : AxesImage
        The shades.
    text_ : ndarray of shape (n_classes, n_classes) or None
        The counts; None where there are more than 25 classes.

    Examples
    --------
    >>> display = ConfusionDisplay.from_predictions(["a", "b", "b"], ["a", "a", "b"])
    >>> display.confusion_matrix.tolist(), display.text_[1, 0].get_text()
    ([[1, 0], [1, 1]], '1')
    """

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        labels: Sequence[Any] | None = None,
        sample_weight: Any = None,
        ax: Any = None,
    ) -> "ConfusionDisplay":
        """Draw the table of a classifier's predictions.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        X : array-like of shape (n_rows, n_features)
            Inputs.
        y : array-like of shape (n_rows,)
            Their classes.
        labels : sequence, optional
            Classes in the order of the table; by default those that occur, sorted.
        sample_weight : array-like of shape (n_rows,), optional
            Weights of the rows.
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : ConfusionDisplay
            Plotted.
        """
        called = np.asarray(estimator.predict(X))
        return cls.from_predictions(y, called, labels=labels, sample_weight=sample_weight, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        *,
        labels: Sequence[Any] | None = None,
        sample_weight: Any = None,
        ax: Any = None,
    ) -> "ConfusionDisplay":
        """Draw the table of predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_rows,)
            The classes.
        y_pred : array-like of shape (n_rows,)
            The predicted classes.
        labels : sequence, optional
            Classes in the order of the table; by default those that occur, sorted.
        sample_weight : array-like of shape (n_rows,), optional
            Weights of the rows.
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : ConfusionDisplay
            Plotted.
        """
        names = np.unique(np.concatenate([np.asarray(y_true), np.asarray(y_pred)])) if labels is None else labels
        table = confusion_matrix(y_true, y_pred, labels=labels, sample_weight=sample_weight)
        return cls(confusion_matrix=table, display_labels=names).plot(ax=ax)

    def plot(self, *, include_values: bool | None = None, ax: Any = None) -> "ConfusionDisplay":
        """Draw.

        Parameters
        ----------
        include_values : bool, optional
            Write counts and names; by default for at most 25 classes.
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : ConfusionDisplay
            This one.
        """
        self.ax_ = axes_for(ax)
        self.figure_ = self.ax_.figure
        table = np.asarray(self.confusion_matrix)
        n = len(table)
        total = table.sum(axis=1, keepdims=True)
        share = np.divide(table, total, out=np.zeros(table.shape), where=total > 0)
        self.im_ = self.ax_.imshow(share, cmap=SHADES, vmin=0.0, vmax=1.0, interpolation="none")
        self.text_ = None
        if n <= MAX_WRITTEN_CLASSES if include_values is None else include_values:
            names = [plain(each, 16) for each in (range(n) if self.display_labels is None else self.display_labels)]
            self.ax_.set_xticks(range(n), names, rotation=90 if max(map(len, names)) > 4 else 0)
            self.ax_.set_yticks(range(n), names)
            self.text_ = np.empty(table.shape, dtype=object)
            for i, j in np.ndindex(n, n):
                color = "white" if share[i, j] >= WHITE_FROM else INK
                number = f"{table[i, j]:d}" if table.dtype.kind in "iu" else f"{table[i, j]:.3g}"
                self.text_[i, j] = self.ax_.text(
                    j, i, number, ha="center", va="center", color=color, fontsize=9 if n <= 12 else 6
                )
        self.ax_.set_xlabel("predicted")
        self.ax_.set_ylabel("true")
        return self
