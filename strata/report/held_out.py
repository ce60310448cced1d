"""Which rows of a data set a run has not learned from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from strata.errors import ModelRefusedError
from strata.report.planning import divide_rows
from strata.report.problems import Problem
from strata.report.run_folder import read_run_config

__all__ = ["columns_aside", "reading_of_run", "record_of_run", "rows_to_score"]

#: How a run read its text file, and the types of what its record may say about it.
READING: dict[str, type] = {"sep": str, "encoding": str, "decimal": str, "thousands": str, "text": list}


def record_of_run(path: str | Path) -> dict[str, Any]:
    """Return what the run of a model wrote down; empty where nothing says it.

    Parameters
    ----------
    path : str or Path
        Run folder, or the model folder in it.

    Returns
    -------
    record : dict of str to object
        The run's ``config.json``.
    """
    for folder in (Path(path), Path(path).resolve().parent):
        try:
            return dict(read_run_config(folder))
        except (ModelRefusedError, OSError):
            continue
    return {}


def columns_aside(record: Mapping[str, Any]) -> list[str]:
    """Return the columns that ruled the run's split and were no inputs.

    Parameters
    ----------
    record : mapping of str to object
        As :func:`record_of_run` gives it.

    Returns
    -------
    columns : list of str
        At most two.
    """
    rule = record.get("split", {}).get("rule", {})
    return [name for name in (rule.get("group"), rule.get("time")) if isinstance(name, str)]


def reading_of_run(record: Mapping[str, Any], reading: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return how to read a file for a model: as its run read its own, where nothing else is said.

    Parameters
    ----------
    record : mapping of str to object
        As :func:`record_of_run` gives it.
    reading : mapping of str to object, optional
        What is said now; it wins. None for ``thousands`` means no mark.

    Returns
    -------
    reading : dict of str to object
        Arguments of :func:`strata.data.read_table`.

    Examples
    --------
    >>> reading_of_run({"data": {"reading": {"sep": ";", "thousands": "."}}}, {"sep": ","})
    {'sep': ',', 'thousands': '.'}
    """
    written = record.get("data", {}).get("reading", {})
    if not isinstance(written, dict):
        return dict(reading or {})
    known = {name: written[name] for name, kind in READING.items() if isinstance(written.get(name), kind)}
    return known | dict(reading or {})


def rows_to_score(record: Mapping[str, Any], problem: Problem) -> tuple[Problem, str]:
    """Leave out the rows that a run has learned from, when the data is what it learned from.

    Parameters
    ----------
    record : mapping of str to object
        As :func:`record_of_run` gives it.
    problem : Problem
        The data, read with :func:`columns_aside` set aside.

    Returns
    -------
    problem : Problem
        The rows to score.
    which : str
        "all" for other data, "held-out" for the rows that the run held out, "test part" for a published one, and
        "training" where the run held nothing out or does not say what.
    """
    if not record or record.get("data", {}).get("digest") != problem.digest:
        return problem, "all"
    split = record.get("split", {})
    rule, kind, seed = split.get("rule", {}), split.get("kind"), record.get("seed")
    if kind == "published" and problem.X_test is not None and problem.y_test is not None:
        return _with(problem, problem.X_test, problem.y_test), "test part"
    try:
        if kind == "none" or len(problem.X) != split["n_train"] + split["n_test"]:
            return problem, "training"
        divided = divide_rows(
            problem,
            float(rule["test_size"]),
            group=rule["group"],
            time=rule["time"],
            stratify=rule["stratify"],
            seed=int(seed),  # type: ignore[arg-type]
        )
    except (KeyError, TypeError, ValueError):
        return problem, "training"
    return _with(problem, *problem.take(divided.test)), "held-out"


def _with(problem: Problem, X: Any, y: np.ndarray) -> Problem:
    return Problem(problem.name, X, y, problem.task, problem.target, problem.source, problem.digest, problem.is_array)
