"""Predicted probabilities against what happened, before and after temperature scaling."""

from typing import Any

from matplotlib.container import ErrorbarContainer

from strata.report.displays._axes import COLORS, INK, axes_for, legend, plain, probabilities_of
from strata.report.reliability import N_BINS, Reliability, reliability_bins, undo_temperature

__all__ = ["ReliabilityDisplay"]


class ReliabilityDisplay:
    """Share of rows where the event happened against its predicted probability, in bins, with 95 % intervals.

    Parameters
    ----------
    after : Reliability
        Of the model as it is.
    before : Reliability, optional
        Of the same model before its logits were divided by a temperature.

    Attributes
    ----------
    ax_ : Axes
        What was drawn on.
    figure_ : Figure
        Around it.
    lines_ : list of ErrorbarContainer
        After and, where it is known, before.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : The same for two classes, without intervals.

    Examples
    --------
    >>> display = ReliabilityDisplay.from_predictions([0, 1, 1, 1], [0.15, 0.15, 0.95, 0.95])
    >>> display.after.frequency.tolist()
    [0.5, 1.0]
    """

    def __init__(self, *, after: Reliability, before: Reliability | None = None) -> None:
        self.after = after
        self.before = before

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, sample_weight: Any = None, n_bins: int = N_BINS, ax: Any = None
    ) -> "ReliabilityDisplay":
        """Draw the bins of a classifier; of a calibrated one those before calibration as well.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``predict_proba``; ``temperature_`` says that it is calibrated.
        X : array-like of shape (n_rows, n_features)
            Inputs that it has not learned from.
        y : array-like of shape (n_rows,)
            Their classes.
        sample_weight : array-like of shape (n_rows,), optional
            Weights of the rows.
        n_bins : int, default=10
            Bins of equal width.
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : ReliabilityDisplay
            Plotted.
        """
        probs, classes, temperature = probabilities_of(estimator, X)
        before = None if temperature is None else undo_temperature(probs, temperature)
        return cls.from_predictions(
            y, probs, y_prob_before=before, classes=classes, sample_weight=sample_weight, n_bins=n_bins, ax=ax
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_prob: Any,
        *,
        y_prob_before: Any = None,
        classes: Any = None,
        sample_weight: Any = None,
        n_bins: int = N_BINS,
        ax: Any = None,
    ) -> "ReliabilityDisplay":
        """Draw the bins of probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_rows,)
            The classes.
        y_prob : array-like of shape (n_rows, n_classes) or (n_rows,)
            Probabilities; of two classes those of the second are enough.
        y_prob_before : array-like of the same shape, optional
            Probabilities before calibration.
        classes : sequence, optional
            Labels in the order of the columns; by default those of ``y_true``, sorted.
        sample_weight : array-like of shape (n_rows,), optional
            Weights of the rows.
        n_bins : int, default=10
            Bins of equal width.
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : ReliabilityDisplay
            Plotted.
        """
        after, before = (
            None
            if probs is None
            else reliability_bins(y_true, probs, classes=classes, sample_weight=sample_weight, n_bins=n_bins)
            for probs in (y_prob, y_prob_before)
        )
        if after is None:
            raise ValueError("`y_prob` must be given. Received: None.")
        return cls(after=after, before=before).plot(ax)

    def plot(self, ax: Any = None) -> "ReliabilityDisplay":
        """Draw.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : ReliabilityDisplay
            This one.
        """
        self.ax_ = axes_for(ax)
        self.figure_ = self.ax_.figure
        self.ax_.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":", alpha=0.7)
        self.lines_: list[ErrorbarContainer] = []
        words = ("model", "") if self.before is None else ("after temperature", "before")
        for slot, (name, bins) in enumerate(zip(words, (self.after, self.before), strict=True)):
            if bins is not None:
                heights = [bins.frequency - bins.low, bins.high - bins.frequency]
                self.lines_.append(
                    self.ax_.errorbar(
                        bins.probability,
                        bins.frequency,
                        yerr=[each.clip(0.0) for each in heights],
                        color=COLORS[slot],
                        linestyle=("-", "--")[slot],
                        marker=("o", "s")[slot],
                        markersize=4,
                        elinewidth=0.9,
                        capsize=2,
                        label=f"{name} (ECE {bins.ece:.3f})",
                    )
                )
        self.ax_.set_xlim(-0.02, 1.02)
        self.ax_.set_ylim(-0.02, 1.02)
        self.ax_.set_xlabel(f"predicted probability of {plain(self.after.event, 40)}")
        self.ax_.set_ylabel("share of rows where it was true")
        legend(self.ax_, loc="upper left")
        return self
