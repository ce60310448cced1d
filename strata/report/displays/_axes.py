"""What all displays share: where they draw, in which colours, and how labels of the data are written."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from strata._names import label_text
from strata.report.building import network_of

__all__ = ["COLORS", "DASHES", "INK", "SHADES", "axes_for", "called", "legend", "plain", "probabilities_of"]

#: Told apart by people who do not see red and green (after Okabe and Ito); at least 3:1 against white and near-black.
COLORS = ("#1a7fbb", "#d55e00", "#008f68", "#b0609a", "#8f6f00")
DASHES = ("-", "--", ":", "-.", (0, (7, 2, 1, 2, 1, 2)))
#: Text and lines in this colour follow ``currentColor`` in an SVG.
INK = "black"
#: From nothing to dark blue: what is behind shows through, so it serves on light and on dark pages.
SHADES = LinearSegmentedColormap.from_list("strata", [(8 / 255, 81 / 255, 156 / 255, a) for a in (0.0, 1.0)])
MAX_LABEL = 24


def axes_for(ax: Any) -> Axes:
    """Return the axes to draw on; without any, those of a new figure.

    Parameters
    ----------
    ax : Axes or None
        As the user gave it.

    Returns
    -------
    axes : Axes
        To draw on.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if ax is None:
        return plt.subplots(layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise TypeError(f"`ax` must be matplotlib's Axes. Received: {type(ax).__name__}.")
    return ax


def plain(value: Any, limit: int = MAX_LABEL) -> str:
    """Return a label of the data as text that is drawn as it is, without formulas, cut where it is long.

    Parameters
    ----------
    value : object
        A class, a column, a name.
    limit : int, default=24
        Characters.

    Returns
    -------
    text : str
        For matplotlib.
    """
    text = " ".join(label_text(value).split())
    text = (text if len(text) <= limit else text[: limit - 1] + "…").replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text  # matplotlib hides names that begin so


def called(figure: str) -> str:
    """Return the name of a score as it stands on an axis.

    Parameters
    ----------
    figure : str
        Key of :data:`strata.report.SCORES`, or any name.

    Returns
    -------
    name : str
        In words.
    """
    return {"r2": "R²", "rmse": "RMSE", "mae": "mean absolute error", "roc_auc": "area under ROC"}.get(
        figure, plain(figure.replace("_", " "), 40)
    )


def legend(ax: Axes, *, loc: Any = "best", title: str | None = None) -> None:
    """Draw the legend without a frame, so that it serves on every background.

    Parameters
    ----------
    ax : Axes
        With named lines.
    loc : str, default="best"
        Where, in matplotlib's words.
    title : str, optional
        Over it.
    """
    ax.legend(frameon=False, fontsize="small", loc=loc, title=title, title_fontsize="small")


def probabilities_of(estimator: Any, X: Any) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Return what a classifier says of some rows.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X : array-like of shape (n_rows, n_features)
        Inputs.

    Returns
    -------
    probabilities : ndarray of shape (n_rows, n_classes)
        In the order of the classes.
    classes : ndarray of shape (n_classes,)
        Labels.
    temperature : float or None
        By which the logits are divided, where the estimator is calibrated.

    Raises
    ------
    ValueError
        If the estimator gives no probabilities.
    """
    if not hasattr(estimator, "predict_proba") or not hasattr(network_of(estimator), "predict_proba"):
        raise ValueError(
            f"`estimator` must give probabilities (predict_proba). Received: {type(network_of(estimator)).__name__}."
        )
    temperature = getattr(network_of(estimator), "temperature_", None)
    probs = np.asarray(estimator.predict_proba(X))
    return probs, np.asarray(estimator.classes_), None if temperature is None else float(temperature)
