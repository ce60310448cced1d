"""The curves of a training: loss and scores over the epochs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from strata.report.building import network_of
from strata.report.displays._axes import COLORS, DASHES, axes_for, legend, plain

__all__ = ["TrainingCurvesDisplay"]

NAMES = {
    "loss": "training loss",
    "val_loss": "validation loss",
    "score": "training score",
    "val_score": "validation score",
}
#: From this ratio of the largest to the smallest loss the axis is logarithmic.
LOG_FROM = 10.0


class TrainingCurvesDisplay:
    """Loss over the epochs, of the training and of the validation rows.

    Parameters
    ----------
    columns : mapping of str to sequence of float or None
        Figures of the epochs: ``loss``, perhaps ``val_loss``; or ``val_score``. None is a gap.

    Attributes
    ----------
    ax_ : Axes
        What was drawn on.
    figure_ : Figure
        Around it.
    lines_ : list of Line2D
        One a column.

    Raises
    ------
    ValueError
        If there is no column ``loss``.

    See Also
    --------
    strata.engine.History : What an estimator keeps as ``history_``.

    Examples
    --------
    >>> display = TrainingCurvesDisplay.from_history({"loss": [1.0, 0.5, 0.3], "val_loss": [1.1, None, 0.6]})
    >>> [line.get_label() for line in display.lines_]
    ['training loss', 'validation loss']
    """

    def __init__(self, *, columns: Mapping[str, Sequence[float | None]]) -> None:
        if "loss" not in columns:
            raise ValueError(f"`columns` must hold 'loss'. Received: {sorted(columns)}.")
        self.columns = {
            name: np.array([np.nan if each is None else each for each in columns[name]], dtype=float)
            for name in columns
        }

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        *,
        names: Sequence[str] = ("loss", "val_loss"),
        ax: Any = None,
    ) -> "TrainingCurvesDisplay":
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted, with ``history_``; of one that encodes tables the network's is taken.
        X : object, optional
            Not used; here as in the other displays.
        y : object, optional
            Not used.
        names : sequence of str, default=("loss", "val_loss")
            Columns to draw; those that are not there or empty are left out.
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : TrainingCurvesDisplay
            Plotted.

        Raises
        ------
        ValueError
            If the estimator has no history.
        """
        history = getattr(network_of(estimator), "history_", None)
        if history is None:
            raise ValueError(
                f"`estimator` must be fitted by epochs and keep `history_`. Received: {type(estimator).__name__}."
            )
        return cls.from_history({name: history[name] for name in history.columns}, names=names, ax=ax)

    @classmethod
    def from_history(
        cls,
        columns: Mapping[str, Sequence[float | None]],
        *,
        names: Sequence[str] = ("loss", "val_loss"),
        ax: Any = None,
    ) -> "TrainingCurvesDisplay":
        """Draw the curves of some columns.

        Parameters
        ----------
        columns : mapping of str to sequence of float or None
            Figures of the epochs by name.
        names : sequence of str, default=("loss", "val_loss")
            Columns to draw.
        ax : Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        display : TrainingCurvesDisplay
            Plotted.
        """
        return cls(columns=columns).plot(ax, names=names)

    def plot(self, ax: Any = None, *, names: Sequence[str] = ("loss", "val_loss")) -> "TrainingCurvesDisplay":
        """Draw.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; by default a new figure.
        names : sequence of str, default=("loss", "val_loss")
            Columns to draw.

        Returns
        -------
        display : TrainingCurvesDisplay
            This one.
        """
        self.ax_ = axes_for(ax)
        self.figure_ = self.ax_.figure
        shown = [name for name in names if np.isfinite(self.columns.get(name, np.array([]))).any()]
        self.lines_: list[Line2D] = []
        for slot, name in enumerate(shown):
            values = self.columns[name]
            epochs = np.arange(1, len(values) + 1)
            known = np.isfinite(values)  # validation of every fifth epoch is still one line
            style: dict[str, Any] = {"marker": "o", "markersize": 3} if known.sum() <= 30 else {}
            self.lines_ += self.ax_.plot(
                epochs[known],
                values[known],
                color=COLORS[slot % len(COLORS)],
                linestyle=DASHES[slot % len(DASHES)],
                label=NAMES.get(name, plain(name)),
                **style,
            )
        losses = np.concatenate([self.columns[name] for name in shown if name.endswith("loss")] or [np.array([])])
        losses = losses[np.isfinite(losses)]
        if losses.size and losses.min() > 0 and losses.max() > LOG_FROM * losses.min():
            self.ax_.set_yscale("log")
        self.ax_.set_xlabel("epoch")
        self.ax_.set_ylabel("loss" if all(name.endswith("loss") for name in shown) else "score")
        if shown:
            legend(self.ax_)
        return self
