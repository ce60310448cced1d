"""What a regression leaves over."""

from typing import Any

from sklearn.metrics import PredictionErrorDisplay

from strata.report.displays._axes import COLORS, INK, axes_for

__all__ = ["ResidualsDisplay"]


class ResidualsDisplay(PredictionErrorDisplay):  # type: ignore[misc]
    """True minus predicted against predicted values, or true against predicted ones.

    scikit-learn's ``PredictionErrorDisplay`` in the colours of the report; ``from_estimator`` and
    ``from_predictions`` are its own, and draw a sample of at most 1,000 rows.

    Parameters
    ----------
    y_true : ndarray of shape (n_rows,)
        The answers.
    y_pred : ndarray of shape (n_rows,)
        The predictions.

    Attributes
    ----------
    ax_ : Axes
        What was drawn on.
    figure_ : Figure
        Around it.
    line_ : Line2D
        Where prediction and answer are the same.
    scatter_ : PathCollection
        The rows.

    Examples
    --------
    >>> import numpy as np
    >>> display = ResidualsDisplay.from_predictions(np.array([1.0, 2.0]), np.array([1.5, 2.0]))
    >>> display.scatter_.get_offsets().tolist()
    [[1.5, -0.5], [2.0, 0.0]]
    """

    def plot(
        self,
        ax: Any = None,
        *,
        kind: str = "residual_vs_predicted",
        scatter_kwargs: dict[str, Any] | None = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> "ResidualsDisplay":
        """Draw.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; by default a new figure.
        kind : {"residual_vs_predicted", "actual_vs_predicted"}, default="residual_vs_predicted"
            What stands on the ordinate.
        scatter_kwargs : dict, optional
            For matplotlib's ``scatter``.
        line_kwargs : dict, optional
            For the line.

        Returns
        -------
        display : ResidualsDisplay
            This one.
        """
        points = {"color": COLORS[0], "alpha": 0.85, "s": 16, "linewidths": 0} | (scatter_kwargs or {})
        line = {"color": INK, "linewidth": 0.8, "linestyle": ":"} | (line_kwargs or {})
        super().plot(axes_for(ax), kind=kind, scatter_kwargs=points, line_kwargs=line)
        residual = kind == "residual_vs_predicted"
        self.ax_.set(xlabel="predicted", ylabel="true minus predicted" if residual else "true")
        return self
