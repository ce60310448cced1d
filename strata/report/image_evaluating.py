"""A saved network judged on other pictures than those it was made with, and the report about them."""

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from strata._files import FolderLock, write_json
from strata._names import label_text
from strata.data import AuditReport
from strata.estimators import ImageClassifier
from strata.report.document import add_figures, finish
from strata.report.evaluation import Evaluation
from strata.report.gallery import Gallery, read_gallery
from strata.report.image_audit import audit_pictures
from strata.report.image_document import LIBRARIES, add_pictures
from strata.report.image_looking import class_examples
from strata.report.image_planning import describe_network, describe_pictures, divide_pictures
from strata.report.image_training import score_pictures
from strata.report.parts import Parts
from strata.report.plots import plot_evaluation
from strata.report.reevaluation import SCHEMA, command_of, run_of
from strata.report.run_folder import environment
from strata.report.scoring import check_probabilities
from strata.report.writing import write_page, write_predictions

__all__ = ["evaluate_pictures", "pictures_to_score"]


def evaluate_pictures(
    model: ImageClassifier,
    data: object,
    *,
    record: Mapping[str, Any],
    rows: str = "auto",
    labels: str | os.PathLike[str] | None = None,
    skip_damaged: bool = False,
    plot: str | Path | None = None,
    out: str | Path | None = None,
    origin: str | None = None,
    options: Mapping[str, Any] | None = None,
    path: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Evaluation:
    """Score a network on pictures with known labels.

    Parameters
    ----------
    model : ImageClassifier
        Fitted, with one label a picture.
    data : folder, list of files, ImageSet, name of a bundled set, or pair (X, y)
        The pictures.
    record : mapping of str to object
        What the run of the model wrote down; empty where nothing says it.
    rows : {"auto", "all"}, default="auto"
        "auto" leaves out what the run has learned from, when the pictures are those of the run.
    labels : path, optional
        Table of file names and labels.
    skip_damaged : bool, default=False
        Leave out files that cannot be read.
    plot : str or Path, optional
        PNG of the confusion table.
    out : str or Path, optional
        Folder of the report.
    origin : str, optional
        Path of the saved model.
    options : mapping of str to object, optional
        The command's options, for the record.
    path : str, optional
        Folder with the files of a bundled set.
    say : callable, optional
        Takes lines of progress.

    Returns
    -------
    evaluation : Evaluation
        The figures.

    Raises
    ------
    DataError
        If the pictures or labels cannot be used.
    ValueError
        If the network was trained for several labels a picture, or gives no probabilities.

    Warns
    -----
    UserWarning
        If the pictures are those that the network was trained on, or files were left out.
    """
    if model.multi_label_:
        raise ValueError("`model` must tell one class a picture. Received: one that was trained for several labels.")
    check_probabilities(model)
    reading = record.get("data", {}).get("reading") or {}
    labels = labels if labels is not None else _labels_of(reading, data)
    gallery = read_gallery(data, labels=labels, skip_damaged=skip_damaged, path=path, say=say)
    pictures, which = pictures_to_score(record, gallery, everything=rows == "all")
    if which == "training":
        warnings.warn(
            f"These {len(pictures)} pictures are those that the network was trained on: it does better on them than on "
            "new ones.",
            stacklevel=2,
        )
    if gallery.refused:
        names = ", ".join(each.path.name for each in gallery.refused[:5])
        what = (
            "1 file cannot be read and is"
            if len(gallery.refused) == 1
            else f"{len(gallery.refused)} files cannot be read and are"
        )
        warnings.warn(f"{what} left out: {names}.", stacklevel=2)
    pictures = _like_classes(pictures, model)
    evaluation = replace(score_pictures(model, pictures), which=which, unit="pictures")
    if plot is not None:
        plot_evaluation(evaluation, plot)
    if out is not None:
        known = {"model": origin, "options": dict(options or {})}
        _write(model, evaluation, pictures, gallery, Path(out), known, say)
    return evaluation


def _labels_of(reading: Mapping[str, Any], data: object) -> str | None:
    """Return the table of labels of the run, where the pictures come from the same folder."""
    table = reading.get("labels")
    if not isinstance(table, str) or not isinstance(data, (str, os.PathLike)) or not os.path.isfile(table):
        return None
    return table if os.path.isdir(data) and not os.path.isfile(os.path.join(data, "labels.csv")) else None


def _like_classes(pictures: Gallery, model: ImageClassifier) -> Gallery:
    """Return the pictures with labels of the type that the network knows: folders are named by text."""
    if model.classes_.dtype.kind in "US" or pictures.labels is None or pictures.labels.dtype.kind not in "US":
        return pictures
    known = {str(label): label for label in model.classes_.tolist()}
    if not set(pictures.labels.tolist()) <= set(known):
        return pictures
    return replace(pictures, labels=np.asarray([known[label] for label in pictures.labels.tolist()]))


def pictures_to_score(record: Mapping[str, Any], gallery: Gallery, *, everything: bool = False) -> tuple[Gallery, str]:
    """Leave out the pictures that a run has learned from, when the data is what it learned from.

    Parameters
    ----------
    record : mapping of str to object
        What the run wrote down.
    gallery : Gallery
        The pictures that were read.
    everything : bool, default=False
        Score all of them.

    Returns
    -------
    pictures : Gallery
        Those to score: of pictures that come with a test part, that part.
    which : str
        "all" for other data, "held-out", "test part", or "training" where the run held nothing out.
    """
    same = bool(record) and record.get("data", {}).get("digest") == gallery.digest
    if everything or (not same and gallery.test is None):
        return gallery, "all"
    split = record.get("split", {}) if same else {}
    if gallery.test is not None and (not same or split.get("kind") == "published"):
        return gallery.test, "test part"
    rule = split.get("rule", {})
    try:
        if split["kind"] == "none" or len(gallery) != split["n_train"] + split["n_test"]:
            return gallery, "training"
        size, stratify, seed = float(rule["test_size"]), bool(rule["stratify"]), int(record["seed"])
        _, test, _ = divide_pictures(gallery, size, stratify=stratify, seed=seed)
    except (KeyError, TypeError, ValueError):
        return gallery, "training"
    return gallery.take(test), "held-out"


def _write(
    model: ImageClassifier,
    evaluation: Evaluation,
    pictures: Gallery,
    gallery: Gallery,
    folder: Path,
    record: Mapping[str, Any],
    say: Callable[[str], None] | None,
) -> None:
    """Write the report of a network on other pictures."""
    if say is not None:
        say("writing the report")
    with FolderLock(folder):
        write_predictions(evaluation, pictures.names, folder / "predictions.csv", header="file")
        parts = Parts(say)
        images: dict[str, str] = {}
        parts.skip("baselines", "simpler methods are fitted on pictures to learn from, which a saved network has not")
        parts.add("picture_files", lambda: str(plot_evaluation(evaluation, folder / "confusion.png")))
        parts.content.pop("picture_files", None)
        document = _base(model, evaluation, pictures, gallery, folder, record)
        parts.add("examples", partial(class_examples, pictures, images))
        add_figures(document, model, evaluation, parts)
        add_pictures(model, evaluation, pictures, parts, images)
        finish(document, parts)
        parts.add("page", lambda: str(write_page(document, folder / "report.html", images)))
        parts.content.pop("page", None)
        write_json(folder / "report.json", document)


def _base(
    model: ImageClassifier,
    evaluation: Evaluation,
    pictures: Gallery,
    gallery: Gallery,
    folder: Path,
    record: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what is known before any figure is computed."""
    origin = record.get("model")
    run = run_of(origin) if origin is not None else {}
    found: AuditReport = audit_pictures(pictures, pictures, None)
    return {
        "schema": SCHEMA,
        "data": describe_pictures(gallery, pictures, None),
        "split": {"kind": "new data", "n_train": run.get("split", {}).get("n_train"), "n_test": len(pictures)},
        "model": describe_network(model) | _said_of(run),
        "which": evaluation.which,
        "seed": run.get("seed"),
        "result": evaluation.to_dict(),
        "baselines": [],
        "run": run.get("run"),
        "audit": found.to_dict(),
        "folder": label_text(str(folder)),
        "environment": environment(LIBRARIES),
        "started": None,
        "settings": {"trained on": run.get("data", {}).get("source")},
        "reproduce": {"shell": command_of(record), "python": None},
    }


def _said_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that the run of a model was given, where it is known, in place of all of them."""
    said = run.get("model", {}).get("parameters")
    return {} if said is None else {"parameters": said}
