"""Scores against the number of training rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.model_selection import LearningCurveDisplay as _LearningCurveDisplay

from strata.report.displays._axes import COLORS, axes_for, called, legend

__all__ = ["LearningCurveDisplay"]


class LearningCurveDisplay(_LearningCurveDisplay):  # type: ignore[misc]
    """Scores on training and on other rows against the number of training rows.

    scikit-learn's display in the colours of the report: ``from_estimator`` is its own and cross-validates;
    :meth:`from_curve` takes the learning curve of a run.

    Parameters
    ----------
    train_sizes : ndarray of shape (n_sizes,)
        Rows that were learned from.
    train_scores : ndarray of shape (n_sizes, n_repeats)
        Scores on them.
    test_scores : ndarray of shape (n_sizes, n_repeats)
        Scores on other rows.
    score_name : str, optional
        What the scores are.

    Attributes
    ----------
    ax_ : Axes
        What was drawn on.
    figure_ : Figure
        Around it.
    lines_ : list of Line2D
        Training and test.

    Examples
    --------
    >>> points = [{"n_train": 10, "train": 1.0, "test": 0.6}, {"n_train": 40, "train": 0.9, "test": 0.8}]
    >>> display = LearningCurveDisplay.from_curve({"figure": "accuracy", "points": points})
    >>> display.test_scores.ravel().tolist()
    [0.6, 0.8]
    """

    @classmethod
    def from_curve(cls, curve: Mapping[str, Any], *, ax: Any = None) -> "LearningCurveDisplay":
        """Draw the learning curve of a run.

        Parameters
        ----------
        curve : mapping of str to object
            ``figure`` and ``points`` with ``n_train``, ``train`` and ``test``, as ``report.json`` has it
            under ``learning_curve``. Points without scores are left out.
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : LearningCurveDisplay
            Plotted.

        Raises
        ------
        ValueError
            If there are not at least two different numbers of training rows.
        """
        points = [point for point in curve["points"] if point["test"] is not None and point["train"] is not None]
        points = list({point["n_train"]: point for point in points}.values())
        if len(points) < 2:
            raise ValueError(f"`curve` must have scores for at least two sizes. Received: {len(points)}.")
        sizes, train, test = (np.array([point[key] for point in points]) for key in ("n_train", "train", "test"))
        name = called(str(curve.get("figure", "score")))
        return cls(train_sizes=sizes, train_scores=train[:, None], test_scores=test[:, None], score_name=name).plot(
            ax, std_display_style=None
        )

    def plot(
        self,
        ax: Any = None,
        *,
        negate_score: bool = False,
        score_name: str | None = None,
        score_type: str = "both",
        std_display_style: str | None = "fill_between",
        line_kw: dict[str, Any] | None = None,
        fill_between_kw: dict[str, Any] | None = None,
        errorbar_kw: dict[str, Any] | None = None,
    ) -> "LearningCurveDisplay":
        """Draw.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; by default a new figure.
        negate_score : bool, default=False
            Draw minus the scores.
        score_name : str, optional
            Name of the ordinate.
        score_type : {"test", "train", "both"}, default="both"
            Which scores.
        std_display_style : {"fill_between", "errorbar"} or None, default="fill_between"
            How the spread over the repeats is shown.
        line_kw : dict, optional
            For the lines.
        fill_between_kw : dict, optional
            For the bands.
        errorbar_kw : dict, optional
            For the bars.

        Returns
        -------
        display : LearningCurveDisplay
            This one.
        """
        axes = axes_for(ax)
        axes.set_prop_cycle(color=COLORS)
        super().plot(
            axes,
            negate_score=negate_score,
            score_name=score_name or self.score_name,
            score_type=score_type,
            std_display_style=std_display_style,
            line_kw={"marker": "o", "markersize": 4} | (line_kw or {}),
            fill_between_kw=fill_between_kw,
            errorbar_kw=errorbar_kw,
        )
        self.ax_.set_xlabel("training rows")
        legend(self.ax_)
        return self
