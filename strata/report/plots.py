"""Pictures of a run, as PNG files that are whole or absent: the displays of the report, drawn on white."""

import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from strata._files import atomic_write
from strata.report.displays import ConfusionDisplay, ResidualsDisplay, TrainingCurvesDisplay
from strata.report.evaluation import Evaluation

__all__ = ["plot_evaluation", "plot_history"]


def _save(figure: Figure, path: str | Path) -> Path:
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # an empty box says it
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
        Words over the picture; by default the score and the number of rows.

    Returns
    -------
    path : Path
        The file.

    See Also
    --------
    ConfusionDisplay : The same in a notebook.
    ResidualsDisplay : The same in a notebook.
    """
    is_classes = evaluation.confusion is not None
    size = min(12.0, 3.0 + 0.45 * len(evaluation.classes)) if is_classes else 4.6
    figure = Figure(figsize=(size if is_classes else 6.4, size), layout="constrained")
    ax = figure.add_subplot()
    if evaluation.confusion is not None:
        ConfusionDisplay(confusion_matrix=evaluation.confusion, display_labels=evaluation.classes).plot(ax=ax)
    else:
        ResidualsDisplay(y_true=evaluation.targets, y_pred=evaluation.predictions).plot(ax)
    figure_name = "accuracy" if is_classes else "R²"
    ax.set_title(title or f"{figure_name} {evaluation.score:.4f}, {len(evaluation.targets)} rows", parse_math=False)
    return _save(figure, path)


def plot_history(columns: Mapping[str, Sequence[float | None]], path: str | Path) -> Path:
    """Draw the loss over the epochs, of the training and of the validation rows.

    Parameters
    ----------
    columns : mapping of str to sequence of float or None
        Figures of the epochs: ``loss`` and perhaps ``val_loss``. None is a gap.
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

    See Also
    --------
    TrainingCurvesDisplay : The same in a notebook.
    """
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    TrainingCurvesDisplay(columns=columns).plot(figure.add_subplot())
    return _save(figure, path)
