"""What a run leaves beside its model: the report as a page and as numbers, predictions, pictures."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from strata._files import atomic_write
from strata._names import label_text
from strata.estimators.persistence import save_model
from strata.report.building import network_of
from strata.report.document import build_document
from strata.report.evaluation import Evaluation
from strata.report.html import render_html
from strata.report.plots import plot_evaluation, plot_history
from strata.report.run_folder import RunFolder

if TYPE_CHECKING:
    from strata.report.training import TrainResult

__all__ = ["keep_model", "write_page", "write_predictions", "write_report"]


def keep_model(result: "TrainResult", folder: RunFolder, rows: Sequence[Any], *, header: str = "row") -> None:
    """Write the model and what it predicted, before anything that may take long or fail.

    Parameters
    ----------
    result : TrainResult
        A training that was scored.
    folder : RunFolder
        Held by this run.
    rows : sequence of length n_rows
        What each tested row is called.
    header : str, default="row"
        What the column with these names is called.
    """
    history = getattr(network_of(result.estimator), "history_", None)
    if history is not None:
        history.to_csv(folder.path / "history.csv")
    evaluation, plan = result.evaluation, result.plan
    where = "on the training data" if plan.split == "none" else f"on {len(evaluation.targets)} held out"
    reached = {f"{name.replace('_', ' ')} {where}": f"{value:.4g}" for name, value in evaluation.metrics.items()}
    save_model(result.estimator, folder.path / "model", force=True, data_hash=plan.problem.digest, reached=reached)
    write_predictions(evaluation, rows, folder.path / "predictions.csv", header=header)


def write_predictions(evaluation: Evaluation, rows: Sequence[Any], path: str | Path, *, header: str = "row") -> Path:
    """Write targets and predictions of the tested rows as comma-separated values.

    Parameters
    ----------
    evaluation : Evaluation
        What was predicted.
    rows : sequence of length n_rows
        What each row is called in the data; for files its number, counted from 0.
    path : str or Path
        File to write, with the columns ``row`` (or ``header``), ``target``, ``prediction`` and, where the model gives
        probabilities, ``p_LABEL`` for each class. Numbers are written with all their digits.
    header : str, default="row"
        What the first column is called.

    Returns
    -------
    path : Path
        The file.
    """
    columns: dict[str, list[Any]] = {
        header: [_cell(each) for each in rows],
        "target": [_cell(each) for each in evaluation.targets.tolist()],
        "prediction": [_cell(each) for each in evaluation.predictions.tolist()],
    }
    names = list(columns)
    values = list(columns.values())
    if evaluation.probabilities is not None:
        for i, label in enumerate(evaluation.classes):
            names.append(f"p_{label_text(label)}")
            values.append(np.asarray(evaluation.probabilities)[:, i].tolist())
    with atomic_write(path, mode="w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(zip(*values, strict=True))
    return Path(path)


def _cell(value: Any) -> Any:
    return label_text(value) if isinstance(value, str) else value


def write_page(document: dict[str, Any], path: str | Path, images: Mapping[str, str] | None = None) -> Path:
    """Write the page of a report.

    Parameters
    ----------
    document : dict of str to object
        What ``report.json`` holds.
    path : str or Path
        HTML file to write; it is whole or absent.
    images : mapping of str to str, optional
        Pictures on the page by name, as addresses that hold their data.

    Returns
    -------
    path : Path
        The file.
    """
    page = render_html(document, images).encode("utf-8", "backslashreplace")
    with atomic_write(path) as file:
        file.write(page)
    return Path(path)


def write_report(
    result: "TrainResult",
    folder: RunFolder,
    page: bool = True,
    *,
    build: "Callable[..., dict[str, Any]]" = build_document,
    draw: bool = True,
) -> None:
    """Write pictures, page and ``report.json``; the last one last: where it is, the rest is complete.

    Parameters
    ----------
    result : TrainResult
        A training whose model is saved.
    folder : RunFolder
        Held by this run.
    page : bool, default=True
        Write ``report.html`` as well, and gather everything in it.
    build : callable, default=build_document
        Takes the result and ``config``, gathers everything; pictures under ``images`` go to the page alone.
    draw : bool, default=True
        Whether predictions are drawn beside their answers, in a picture of their own.
    """
    parts = result.parts
    parts.add("pictures", lambda: _pictures(result, folder.path, draw))
    parts.content.pop("pictures", None)
    document: dict[str, Any] | None = None
    if page:
        if parts.say is not None:
            parts.say("writing the report")
        document = parts.add("document", lambda: build(result, config=folder.config))
        parts.content.pop("document", None)
        if document is not None:
            whole, images = document, document.pop("images", None)
            parts.add("page", lambda: str(write_page(whole, folder.path / "report.html", images)))
            parts.content.pop("page", None)
    folder.write_report((document or result.to_dict()) | {"parts": parts.status})


def _pictures(result: "TrainResult", folder: Path, draw: bool) -> bool:
    history = getattr(network_of(result.estimator), "history_", None)
    if history is not None and "loss" in history:
        plot_history({name: history[name] for name in history.columns}, folder / "history.png")
    if not draw:
        return True
    picture = "confusion.png" if result.evaluation.task == "classification" else "residuals.png"
    plot_evaluation(result.evaluation, folder / picture)
    return True
