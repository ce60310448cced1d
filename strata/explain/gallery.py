"""Pictures with other images and classes in them: probabilities, neighbours, a plane of features."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from strata.explain._look import (
    COLORS,
    INK,
    MARKERS,
    MUTED,
    NOTE,
    SMALL,
    TITLE,
    WIDTH,
    framed,
    headed,
    new_figure,
    number,
    percent,
    plain,
    show,
)
from strata.explain.pictures import _array, _colored

__all__ = ["draw_neighbours", "draw_probabilities", "draw_projection"]

#: Classes that get a colour of their own in a plane of features.
MAX_COLORED = 20


def draw_probabilities(
    image: Any,
    classes: Sequence[Any],
    probs: Sequence[float],
    *,
    n_classes: int = 5,
    chosen: int | None = None,
    title: str = "",
) -> Figure:
    """Draw an image and the classes that are most probable.

    Parameters
    ----------
    image : array-like of shape (h, w, channels)
        From 0 to 1.
    classes : sequence of object
        All of them.
    probs : sequence of float
        Their probabilities, in the same order.
    n_classes : int, default=5
        How many are drawn at most.
    chosen : int, optional
        Index of the class that is explained; it is drawn in another colour, and last where it is not among the first.
    title : str, default=""
        Over the picture.

    Returns
    -------
    figure : Figure
        The image to the left, bars to the right.

    Raises
    ------
    ValueError
        If there are not as many probabilities as classes.
    """
    values = _array(probs)
    if len(values) != len(classes) or len(values) == 0:
        raise ValueError(f"`probs` must have one number a class, {len(classes)}. Received: {len(values)}.")
    order = [int(k) for k in np.argsort(-values, kind="stable")[:n_classes]]
    if chosen is not None and chosen not in order:
        order[-1] = chosen
    picture = _colored(_array(image))
    figure = new_figure(0.36 * len(order) + (0.5 if title else 0.15))
    left, right = figure.subplots(1, 2, width_ratios=[1, 2.1])
    show(left, picture)
    left.set_anchor("W")
    colors = [COLORS[1] if k == chosen else COLORS[0] for k in order]
    right.barh(range(len(order)), values[order], color=colors, height=0.36)
    right.set_ylim(len(order) - 0.65, -0.75)
    right.set_xlim(0, 1.22)
    right.set_axis_off()
    right.axvline(0, color=INK, linewidth=0.8)
    for at, k in enumerate(order):
        right.text(0.012, at - 0.22, plain(classes[k], 36), va="bottom", fontsize=NOTE + 0.5, color=INK)
        right.text(values[k] + 0.015, at, percent(float(values[k])), va="center", fontsize=NOTE, color=INK)
    if title:
        headed(figure, title)
    return figure


def draw_neighbours(
    image: Any,
    neighbours: Sequence[Any],
    labels: Sequence[Any],
    distances: Sequence[float],
    *,
    predicted: Any = None,
    title: str = "",
    columns: int = 3,
) -> Figure:
    """Draw an image and those that a network takes for most alike.

    Parameters
    ----------
    image : array-like of shape (h, w, channels)
        From 0 to 1.
    neighbours : sequence of array-like of shape (h, w, channels)
        The nearest first.
    labels : sequence of object
        Their classes; None where none is known.
    distances : sequence of float
        How far they are.
    predicted : object, optional
        Class of the image; neighbours of the same class get a green frame, others an orange one.
    title : str, default=""
        Over the picture.
    columns : int, default=3
        Images in a row.

    Returns
    -------
    figure : Figure
        The image first, then its neighbours.

    Raises
    ------
    ValueError
        If there are no neighbours, or not as many labels or distances.
    """
    n = len(neighbours)
    if n == 0 or not len(labels) == len(distances) == n:
        raise ValueError(
            f"`labels` and `distances` must be as many as `neighbours`, at least 1. "
            f"Received: {n} neighbours, {len(labels)} labels, {len(distances)} distances."
        )
    columns = min(columns, n + 1)
    rows = -(-(n + 1) // columns)
    figure = new_figure(rows * (WIDTH / columns + 0.28) + (0.45 if title else 0.1))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    show(axes[0], _colored(_array(image)))
    axes[0].set_title("image" if predicted is None else f"predicted: {plain(predicted, 16)}", fontsize=TITLE - 0.5)
    for at, ax in enumerate(axes[1:]):
        ax.set_axis_off()
        if at >= n:
            continue
        show(ax, _colored(_array(neighbours[at])))
        if labels[at] is not None:
            ax.set_title(plain(labels[at], 24), fontsize=TITLE - 0.5)
            if predicted is not None:
                framed(ax, COLORS[2] if str(labels[at]) == str(predicted) else COLORS[1])
        ax.set_axis_on()
        ax.set_xlabel(number(float(distances[at])), fontsize=SMALL, color=MUTED, labelpad=2)
        if labels[at] is None or predicted is None:
            ax.set_xticks([])
            ax.set_yticks([])
            ax.spines[:].set_visible(False)
    if title:
        headed(figure, title)
    return figure


def draw_projection(
    places: Any,
    labels: Sequence[Any] | None = None,
    *,
    query: Any = None,
    query_label: str = "this image",
    title: str = "",
    x_label: str = "",
    y_label: str = "",
) -> Figure:
    """Draw features in a plane, a colour and a marker a class.

    Parameters
    ----------
    places : array-like of shape (n, 2)
        Of :func:`project_features`.
    labels : sequence of object of length n, optional
        Classes; beyond twenty of them all points are grey.
    query : array-like of shape (2,), optional
        Place of an image to be pointed out.
    query_label : str, default="this image"
        Its name in the legend.
    title : str, default=""
        Over the picture.
    x_label : str, default=""
        Of the horizontal axis.
    y_label : str, default=""
        Of the vertical axis.

    Returns
    -------
    figure : Figure
        With a legend below.

    Raises
    ------
    ValueError
        If the places have another shape, or the labels another number.
    """
    points = _array(places)
    if points.ndim != 2 or points.shape[1] != 2 or (labels is not None and len(labels) != len(points)):
        n_labels = "" if labels is None else f" and {len(labels)} labels"
        raise ValueError(f"`places` must be of shape (n, 2), with n labels. Received: shape {points.shape}{n_labels}.")
    names = [""] * len(points) if labels is None else [str(each) for each in labels]
    known = sorted(set(names), key=lambda name: (0, float(name), "") if _is_number(name) else (1, 0.0, name))
    several = 1 < len(known) <= MAX_COLORED
    figure = new_figure(4.4 + 0.2 * (len(known) // 4 if several else 0))
    ax = figure.add_subplot()
    size = float(np.clip(6000 / max(len(points), 1), 6, 30))
    handles = []
    for at, name in enumerate(known if several else [""]):
        rows = np.array([each == name for each in names]) if several else np.ones(len(points), bool)
        color, marker = (COLORS[at % len(COLORS)], MARKERS[at % len(MARKERS)]) if several else (MUTED, "o")
        if at >= len(COLORS):
            marker = MARKERS[(at + 3) % len(MARKERS)]
        ax.scatter(points[rows, 0], points[rows, 1], s=size, color=color, marker=marker, alpha=0.75, linewidths=0)
        if several:
            handles.append(Line2D([], [], linestyle="", marker=marker, color=color, label=plain(name, 16)))
    if query is not None:
        x, y = _array(query)
        ax.scatter([x], [y], s=240, marker="*", color="white", edgecolors=INK, linewidths=1.4, zorder=5)
        handles.append(
            Line2D(
                [], [], linestyle="", marker="*", markersize=13, color="white", markeredgecolor=INK, label=query_label
            )
        )
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=NOTE, handletextpad=0.2,
            columnspacing=1.0,
        )  # fmt: skip
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel(x_label, fontsize=NOTE)
    ax.set_ylabel(y_label, fontsize=NOTE)
    for spine in ax.spines.values():
        spine.set_color(MUTED)
        spine.set_linewidth(0.6)
    if title:
        headed(figure, title)
    return figure


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
