"""A model judged on other rows than those it was made with, and the report about them."""

import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import is_outlier_detector

from strata.errors import DataError
from strata.estimators import ImageClassifier, ImageCompressor, ImageDenoiser
from strata.report.evaluation import Evaluation
from strata.report.held_out import columns_aside, reading_of_run, record_of_run, rows_to_score
from strata.report.image_evaluating import evaluate_pictures
from strata.report.plots import plot_evaluation
from strata.report.problems import Problem, read_problem
from strata.report.reevaluation import check_folder, write_evaluation
from strata.report.scoring import inputs_for, load_model, score_model, target_of_run
from strata.report.subject import Subject

__all__ = ["evaluate"]


def evaluate(
    model: Any,
    data: object,
    *,
    target: str | None = None,
    rows: str = "auto",
    plot: str | Path | None = None,
    out: str | Path | None = None,
    force: bool = False,
    allow_nonfinite: bool = False,
    reading: Mapping[str, Any] | None = None,
    labels: str | Path | None = None,
    skip_damaged: bool = False,
    options: Mapping[str, Any] | None = None,
    say: Callable[[str], None] | None = None,
) -> Evaluation:
    """Score a model on data with known answers.

    Parameters
    ----------
    model : estimator, str or Path
        A fitted estimator, a model folder, or a run folder.
    data : path, name of a bundled set, data frame, pair (X, y), or folder of pictures
        Rows with the target. Columns that the model does not know are not used. For a network that looks at pictures
        what :func:`strata.train` takes.
    target : str, optional
        Column with the answers; by default the one that the run of the model predicted, or that the
        bundled set knows.
    rows : {"auto", "all"}, default="auto"
        Rows to score. "auto" leaves out what the run of the model has learned from, when ``data`` is that of the run:
        the rows that it held out are scored, or the published test part. Other data is scored whole.
    plot : str or Path, optional
        PNG to write: the confusion table, or the residuals of a regression.
    out : str or Path, optional
        Folder to write the report of these rows to: ``report.html``, ``report.json``,
        ``predictions.csv`` and the picture.
    force : bool, default=False
        Replace such a report that is in ``out``.
    allow_nonfinite : bool, default=False
        Accept NaN and infinity among the weights of a saved model.
    reading : mapping of str to object, optional
        How to read a text file; see :func:`strata.data.read_table`. Where nothing is said, it is read as the run of
        the model read its own.
    labels : str or Path, optional
        Table of file names and labels, for a folder of pictures.
    skip_damaged : bool, default=False
        Leave out picture files that cannot be read, which is a warning; by default all of them are named in an error.
    options : mapping of str to object, optional
        The command's options, for the record.
    say : callable, optional
        Takes lines of progress about the report.

    Returns
    -------
    evaluation : Evaluation
        The figures, with ``to_text()`` and ``to_dict()``.

    Raises
    ------
    ModelRefusedError
        If the saved model is refused.
    DataError
        If the data does not suit the model.
    ValueError
        If ``rows`` is unknown, an argument is not for such a model, or ``out`` holds something, and ``force`` is False
        or it is not such a report.

    Warns
    -----
    UserWarning
        If the rows are those that the model was trained on.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from strata import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> fitted = MLPClassifier((8,), solver="lbfgs", alpha=0.1, max_iter=2000, random_state=0).fit(X, y)
    >>> evaluate(fitted, (X, y)).score > 0.9
    True
    """
    if rows not in ("auto", "all"):
        raise ValueError(f"`rows` must be 'auto' or 'all'. Received: rows={rows!r}.")
    if out is not None:
        check_folder(out, force=force)
    path = model if isinstance(model, (str, Path)) else None
    if path is not None:
        model = load_model(path, allow_nonfinite=allow_nonfinite)
    record_of = {} if path is None else record_of_run(path)
    if isinstance(model, ImageClassifier):
        if target is not None:
            raise ValueError(f"`target` must be left out for pictures. Received: target={target!r}.")
        return evaluate_pictures(
            model,
            data,
            record=record_of,
            rows=rows,
            labels=labels,
            skip_damaged=skip_damaged,
            plot=plot,
            out=out,
            origin=None if path is None else str(path),
            options=options,
            path=(reading or {}).get("path"),
            say=say,
        )
    if not hasattr(model, "predict") or is_outlier_detector(model):
        way = ""
        if not isinstance(model, (ImageCompressor, ImageDenoiser)):
            way = " What it makes of data is given by: strata predict MODEL DATA."
        raise ValueError(f"`model` must be one that predicts a target. Received: {type(model).__name__}.{way}")
    if labels is not None or skip_damaged:
        raise ValueError("`labels` and `skip_damaged` are for folders of pictures. Received: a model for tables.")
    if path is not None:
        target = target or target_of_run(path)
    task = "classification" if hasattr(model, "classes_") else "regression"
    aside = columns_aside(record_of)
    problem = _read(data, aside, target=target, task=task, reading=reading_of_run(record_of, reading))
    problem, which = rows_to_score(record_of, problem) if rows == "auto" else (problem, "all")
    if which == "training":
        warnings.warn(
            f"These {len(problem.y)} rows are those that the model was trained on: it does better on them than on new "
            "ones.",
            stacklevel=2,
        )
    X = inputs_for(model, problem.X, source=problem.source)
    y = _like_classes(problem.y, model) if task == "classification" else problem.y
    evaluation = replace(score_model(model, X, y, task=task), which=which)
    if plot is not None:
        plot_evaluation(evaluation, plot)
    if out is not None:
        subject = Subject(model, X, problem.X, y, evaluation, problem.target)
        record = {"options": dict(options or {}), "model": None if path is None else str(path)}
        write_evaluation(subject, problem, out, record=record, say=say)
    return evaluation


def _read(data: object, aside: list[str], **how: Any) -> Problem:
    """Read the data with the columns that ruled the run's split, where it has them."""
    if aside:
        with suppress(DataError):
            return read_problem(data, columns=aside, scoring=True, **how)
    return read_problem(data, scoring=True, **how)


def _like_classes(y: np.ndarray, model: Any) -> np.ndarray:
    """Return labels in the type of the model's classes: a column may have become numbers in another file."""
    classes = np.asarray(model.classes_)
    if classes.dtype.kind in "US" and y.dtype.kind not in "US":
        return y.astype(str)
    return y
