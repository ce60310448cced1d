"""Pictures of a run, as PNG files that are whole or absent."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from strata._files import atomic_write
from strata.report.evaluation import Evaluation

__all__ = ["plot_confusion", "plot_evaluation", "plot_history", "plot_residuals"]

#: Counts are written into the cells of a confusion table with at most this many classes.
MAX_WRITTEN_CLASSES = 25
INK = "#1b3a57"


def _save(figure: Figure, path: str | Path) -> Path:
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    with atomic_write(path) as file:
        file.write(buffer.getvalue())
    return Path(path)


def plot_evaluation(evaluation: Evaluation, path: str | Path, *, title: str = "") -> Path:
    """Draw the confusion table of a classification or the residuals of a regression.

    Parameters
    ----------
    evaluation : Evaluation
        What to draw.
    path : str or Path
        PNG file to write.
    title : str, default=""
        Words over the picture.

    Returns
    -------
    path : Path
        The file.
    """
    draw = plot_confusion if evaluation.task == "classification" else plot_residuals
    return draw(evaluation, path, title=title)


def plot_confusion(evaluation: Evaluation, path: str | Path, *, title: str = "") -> Path:
    """Draw a confusion table; the colour is the share of the true class.

    Parameters
    ----------
    evaluation : Evaluation
        A classification.
    path : str or Path
        PNG file to write.
    title : str, default=""
        Words over the picture.

    Returns
    -------
    path : Path
        The file.

    Raises
    ------
    ValueError
        If there is no confusion table.
    """
    table = evaluation.confusion
    if table is None:
        raise ValueError("`evaluation` must be of a classification. Received: a regression.")
    n = len(table)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    size = min(12.0, 3.0 + 0.45 * n)
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    if n <= MAX_WRITTEN_CLASSES:
        names = [str(each)[:16] for each in evaluation.classes]
        rotation = 90 if max(map(len, names)) > 4 else 0
        axes.set_xticks(range(n), names, rotation=rotation)
        axes.set_yticks(range(n), names)
        for i, j in np.ndindex(n, n):
            color = "white" if share[i, j] > 0.5 else "black"
            axes.text(j, i, str(int(table[i, j])), ha="center", va="center", color=color, fontsize=9)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title or f"accuracy {evaluation.score:.4f}, {len(evaluation.targets)} rows")
    return _save(figure, path)


def plot_residuals(evaluation: Evaluation, path: str | Path, *, title: str = "") -> Path:
    """Draw predictions against the answers, and the residuals against the predictions.

    Parameters
    ----------
    evaluation : Evaluation
        A regression.
    path : str or Path
        PNG file to write.
    title : str, default=""
        Words over the picture.

    Returns
    -------
    path : Path
        The file.

    Raises
    ------
    ValueError
        If it is a classification.
    """
    if evaluation.task != "regression":
        raise ValueError("`evaluation` must be of a regression. Received: a classification.")
    targets, predictions = evaluation.targets.astype(float), evaluation.predictions.astype(float)
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.scatter(targets, predictions, s=12, alpha=0.6, color=INK, linewidths=0)
    ends = [min(targets.min(), predictions.min()), max(targets.max(), predictions.max())]
    left.plot(ends, ends, color="black", linewidth=0.8)
    left.set_xlabel("true")
    left.set_ylabel("predicted")
    right.scatter(predictions, targets - predictions, s=12, alpha=0.6, color=INK, linewidths=0)
    right.axhline(0.0, color="black", linewidth=0.8)
    right.set_xlabel("predicted")
    right.set_ylabel("true - predicted")
    figure.suptitle(title or f"R2 {evaluation.score:.4f}, {len(targets)} rows")
    return _save(figure, path)


def plot_history(columns: Mapping[str, Sequence[float | None]], path: str | Path) -> Path:
    """Draw the loss of each epoch, and the validation score where there is one.

    Parameters
    ----------
    columns : mapping of str to sequence of float
        Columns of the history: ``loss`` and perhaps ``val_loss``, one value an epoch.
    path : str or Path
        PNG file to write.

    Returns
    -------
    path : Path
        The file.

    Raises
    ------
    ValueError
        If there is no column ``loss``.
    """
    if "loss" not in columns:
        raise ValueError(f"`columns` must hold 'loss'. Received: {sorted(columns)}.")
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    for name, style in (("loss", "-"), ("val_loss", "--")):
        values = np.array([np.nan if each is None else each for each in columns.get(name, ())], dtype=float)
        if np.isfinite(values).any():
            axes.plot(np.arange(1, len(values) + 1), values, style, label=name, color=INK)
    values = np.array([np.nan if each is None else each for each in columns["loss"]], dtype=float)
    if np.nanmin(values, initial=np.inf) > 0 and np.nanmax(values, initial=0.0) > 10 * np.nanmin(
        values, initial=np.inf
    ):
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.legend(frameon=False)
    return _save(figure, path)
