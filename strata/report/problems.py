"""From what a user hands over to inputs, a target and a task; every refusal names the place."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from strata._files import sha256_of
from strata._names import unknown_name
from strata.data import infer_task, list_sets, load_set, parse_formula, read_table
from strata.errors import DataError

__all__ = ["Problem", "read_problem", "read_rows", "table_digest", "target_of"]

TASKS = ("auto", "classification", "regression")
#: More classes than this are an identifier or a number in disguise.
MAX_CLASSES = 10_000


@dataclass
class Problem:
    """Inputs, what is to be predicted from them, and where they come from.

    Parameters
    ----------
    name : str
        What to call the data: the name of a bundled set, the file's name without its end, or "data".
    X : DataFrame of shape (n_rows, n_columns)
        Inputs.
    y : ndarray of shape (n_rows,)
        Targets: class labels as they were given, or float64.
    task : {"classification", "regression"}
        What is predicted.
    target : str
        Name of the target.
    source : str
        File or set, for messages.
    digest : str
        SHA-256 of the file, or of the values of a table in memory.
    is_array : bool, default=False
        Whether the inputs are plain numbers without names: pixels, features of a (X, y) pair.
    X_test : DataFrame or None, default=None
        The published test part of a set.
    y_test : ndarray or None, default=None
        Its targets.
    extra : dict of str to ndarray
        Columns that are no inputs but rule the split: groups, times.
    reading : dict of str to object
        How the text file was read; empty for anything else.
    """

    name: str
    X: pd.DataFrame
    y: np.ndarray
    task: str
    target: str
    source: str
    digest: str
    is_array: bool = False
    X_test: pd.DataFrame | None = None
    y_test: np.ndarray | None = None
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    reading: dict[str, Any] = field(default_factory=dict)

    @property
    def n_classes(self) -> int | None:
        """Number of classes; None for a regression."""
        return len(np.unique(self.y)) if self.task == "classification" else None

    def take(self, rows: np.ndarray) -> "tuple[pd.DataFrame, np.ndarray]":
        """Return the inputs and targets of some rows."""
        return self.X.iloc[rows], self.y[rows]


def read_problem(
    data: object,
    *,
    target: str | None = None,
    formula: str | None = None,
    task: str = "auto",
    columns: Sequence[str] = (),
    reading: Mapping[str, Any] | None = None,
    scoring: bool = False,
) -> Problem:
    """Read data and find the target in it.

    Parameters
    ----------
    data : path, name of a bundled set, data frame, or pair (X, y)
        What there is. A name that is also a file is taken as the file.
    target : str, optional
        Column to predict. Bundled sets and pairs know theirs; ``.npz`` files have ``y``, IDX files ``label``.
    formula : str, optional
        Target and inputs at once, as :func:`strata.data.parse_formula`.
    task : {"auto", "classification", "regression"}, default="auto"
        What is predicted. "auto" decides as :func:`strata.data.infer_task`: text, truth values and a few
        whole numbers are classes, everything else is a number.
    columns : sequence of str, default=()
        Columns that serve the split only, such as groups and times, and are no inputs.
    reading : mapping of str to object, optional
        How to read a text file: ``sep``, ``encoding``, ``decimal``, ``thousands``, ``text`` of
        :func:`strata.data.read_table`.
    scoring : bool, default=False
        The rows are to be scored, not learned from: one row or one class is enough.

    Returns
    -------
    problem : Problem
        Checked: no missing target, two classes or more, two rows or more.

    Raises
    ------
    DataError
        If the data cannot be used; the message names the file, the column and the row.
    ValueError
        If an argument makes no sense.
    """
    if task not in TASKS:
        raise ValueError(unknown_name("task", task, TASKS))
    if target is not None and formula is not None:
        raise ValueError("`target` and `formula` both name the target. Give one of them.")
    frame, source, info = _read(data, dict(reading or {}))
    if formula is not None:
        parsed = _with_source(source, lambda: parse_formula(formula, list(frame.columns)))
        target, inputs = parsed.target, list(parsed.features)
        if info.get("target") not in (None, target):
            info = info | {"task": None}
    else:
        target = _target_of(frame, target or info.get("target"), source)
        inputs = [name for name in frame.columns if name != target]
    if info.get("target") != target:
        info = info | {"X_test": None, "y_test": None}
    for name in columns:
        if name not in frame.columns:
            raise DataError(f"{source}: {unknown_name('column', name, frame.columns)}")
    inputs = [name for name in inputs if name not in columns]
    if not inputs:
        raise DataError(f"{source}: no column is left to predict {target!r} from.")
    y, decided = _check_target(frame[target], task, info.get("task"), source, scoring=scoring)
    X_test, y_test = info.get("X_test"), info.get("y_test")
    return Problem(
        name=info["name"],
        X=frame[inputs],
        y=y,
        task=decided,
        target=target,
        source=source,
        digest=info["digest"] or table_digest(frame),
        is_array=info["is_array"] and formula is None,
        X_test=None if X_test is None else X_test[inputs],
        y_test=None if y_test is None else y_test.astype(y.dtype),
        extra={name: frame[name].to_numpy() for name in columns},
        reading=info.get("reading", {}),
    )


def read_rows(data: object, *, reading: Mapping[str, Any] | None = None) -> tuple[pd.DataFrame, str]:
    """Read data whatever is in it.

    Parameters
    ----------
    data : path, name of a bundled set, data frame, or pair (X, y)
        What there is.
    reading : mapping of str to object, optional
        How to read a text file.

    Returns
    -------
    frame : DataFrame of shape (n_rows, n_columns)
        All columns, the target among them if there is one.
    source : str
        What to call it in messages.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    frame, source, _ = _read(data, dict(reading or {}))
    return frame, source


def target_of(data: object, frame: pd.DataFrame, target: str | None, source: str) -> str | None:
    """Return the target column: the one that is named, else the one that a bundled set knows.

    Parameters
    ----------
    data : object
        As given to :func:`read_rows`.
    frame : DataFrame
        What was read.
    target : str or None
        What was said.
    source : str
        What to call the data in messages.

    Returns
    -------
    target : str or None
        None where nobody knows.

    Raises
    ------
    DataError
        If the named column is not there.
    """
    if target is not None:
        return _target_of(frame, target, source)
    names = {entry.name for entry in list_sets()}
    return str(frame.columns[-1]) if isinstance(data, str) and _is_name(data) and data in names else None


def _with_source(source: str, act: Any) -> Any:
    """Name the data where a column is refused; a formula that cannot be read stays a wrong argument."""
    try:
        return act()
    except ValueError as error:
        if str(error).startswith("Unknown column"):
            raise DataError(f"{source}: {error}") from None
        raise


def _read(data: object, reading: dict[str, Any]) -> tuple[pd.DataFrame, str, dict[str, Any]]:
    """Return the table, what to call it in messages, and what is known about it."""
    info: dict[str, Any] = {"name": "data", "digest": None, "is_array": False}
    if isinstance(data, tuple):
        return _read_pair(data, info)
    if not isinstance(data, str | os.PathLike):
        return read_table(data), "The table", info
    text = os.fspath(data)
    folder = reading.pop("path", None)
    if isinstance(text, str) and _is_name(text):
        return _read_set(text, info, folder)
    path = Path(os.fsdecode(text))
    frame = read_table(path, **reading)
    info |= {"name": path.name.partition(".")[0] or path.name, "digest": f"sha256:{sha256_of(path)}"}
    said = {name: list(value) if name == "text" else value for name, value in reading.items() if value is not None}
    info["reading"] = said
    suffixes = {suffix.lower() for suffix in path.suffixes}
    if ".npz" in suffixes and "y" in frame.columns:
        info |= {"target": "y", "is_array": "x0" in frame.columns}
    elif {"pixel_0", "label"} <= set(frame.columns):
        info |= {"target": "label", "task": "classification", "is_array": True}
    return frame, str(path), info


def _is_name(text: str) -> bool:
    """Whether the words mean a bundled set: no file has the name, and it does not look like a path."""
    return not os.path.lexists(text) and os.sep not in text and "." not in text


def _read_set(name: str, info: dict[str, Any], path: str | None) -> tuple[pd.DataFrame, str, dict[str, Any]]:
    names = [entry.name for entry in list_sets()]
    if name not in names:
        raise DataError(f"{unknown_name('data set', name, names)} There is no file or folder of that name either.")
    dataset = load_set(name, path=path)
    frame = dataset.frame()
    columns = list(dataset.feature_names)
    X_test = None if dataset.X_test is None else pd.DataFrame(dataset.X_test, columns=columns)
    info |= {
        "name": name,
        "target": dataset.target_name,
        "task": dataset.task,
        "is_array": dataset.image_shape is not None,
        "X_test": X_test,
        "y_test": dataset.y_test,
    }
    return frame, name, info


def _read_pair(pair: tuple[Any, ...], info: dict[str, Any]) -> tuple[pd.DataFrame, str, dict[str, Any]]:
    if len(pair) != 2:
        raise ValueError(f"`data` must be a pair (X, y). Received: a tuple of {len(pair)}.")
    X, y = pair
    y = np.asarray(y)
    if y.ndim != 1:
        raise ValueError(f"`data` must be a pair (X, y) with y of one dimension. Received: y of shape {y.shape}.")
    array = X if hasattr(X, "columns") else np.asarray(X)
    if not hasattr(array, "columns") and array.ndim > 2:
        array = array.reshape(len(array), -1)
    frame = read_table(array)
    if len(frame) != len(y):
        raise ValueError(f"`data` must be a pair (X, y) of equal length. Received: {len(frame)} and {len(y)} rows.")
    name = "y"
    while name in frame.columns:
        name += "_"
    frame = frame.assign(**{name: y})
    return frame, "The table", info | {"target": name, "is_array": isinstance(array, np.ndarray)}


def _target_of(frame: pd.DataFrame, target: str | None, source: str) -> str:
    if target is None:
        names = ", ".join(map(str, frame.columns[:20])) + (", ..." if frame.shape[1] > 20 else "")
        raise ValueError(
            f"`target` must name the column to predict (--target). {source} has the columns {names}. "
            "There is none to predict? --model autoencoder learns codes."
        )
    if target not in frame.columns:
        raise DataError(f"{source}: {unknown_name('column', target, frame.columns)}")
    return target


def _place(column: pd.Series, row: int, source: str) -> str:
    """Say where a value stands, by line in a file of lines, else by row."""
    first = column.attrs.get("first_line")
    where = f"line {first + row}" if first is not None else f"row {row + 1}"
    return f"{source}: {where}, column {column.name!r}"


def _check_target(
    column: pd.Series, task: str, known: str | None, source: str, *, scoring: bool
) -> tuple[np.ndarray, str]:
    """Return the target in its final form and the task."""
    if len(column) < 2 and not scoring:
        raise DataError(f"{source}: {len(column)} row is not enough to learn from; at least 2 are needed.")
    missing = np.flatnonzero(column.isna().to_numpy())
    if len(missing):
        raise DataError(
            f"{_place(column, int(missing[0]), source)}: the target is missing"
            + (f", as in {len(missing) - 1} other rows." if len(missing) > 1 else ".")
            + " Leave these rows out; a target cannot be filled in."
        )
    decided = task if task != "auto" else known or infer_task(column)
    if decided == "regression":
        return _numbers(column, source), decided
    values = column.to_numpy()
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise DataError(f"{_place(column, row, source)}: the target is infinite.")
    labels = _labels(column)
    if scoring:
        return labels, decided
    n_classes = len(np.unique(labels))
    if n_classes < 2:
        raise DataError(
            f"{source}: column {column.name!r} has one class ({str(labels[0])!r}) in all {len(labels)} rows; "
            "there is nothing to tell apart."
        )
    if n_classes > MAX_CLASSES or (n_classes > 2 and n_classes == len(labels)):
        raise DataError(
            f"{source}: column {column.name!r} has {n_classes} classes in {len(labels)} rows. It looks like a number "
            f"(then task 'regression') or like a name of each row; at most {MAX_CLASSES} classes are taken."
        )
    return labels, decided


def _labels(column: pd.Series) -> np.ndarray:
    """Return class labels as integers, booleans or text."""
    values = column.to_numpy()
    if values.dtype.kind in "iub":
        return values
    if values.dtype.kind == "f":
        whole = values.astype(np.int64)
        return whole if np.array_equal(whole, values) else values
    return np.asarray(column.astype(str), dtype=str)


def _numbers(column: pd.Series, source: str) -> np.ndarray:
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{_place(column, row, source)}: the target of a regression must be a finite number. "
            f"Received: {str(column.iloc[row])[:60]!r}."
        )
    return values


def table_digest(frame: pd.DataFrame) -> str:
    """Return a digest of the values of a table in memory, of their order and names.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        The table.

    Returns
    -------
    digest : str
        ``sha256:`` and the digest.
    """
    digest = hashlib.sha256("\0".join(map(str, frame.columns)).encode("utf-8", "backslashreplace"))
    digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return f"sha256:{digest.hexdigest()}"
