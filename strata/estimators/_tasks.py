"""The targets of several tasks: what kind each is, and the columns that stand for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import type_of_target

from strata._names import unknown_name
from strata.nn.dense import Head

__all__ = ["KINDS", "Targets", "Task", "find_tasks", "pack", "split_targets"]

#: Kinds of tasks and the loss of each.
KINDS = {
    "classification": "cross_entropy",
    "count": "poisson",
    "labels": "binary_cross_entropy",
    "regression": "squared_error",
}


@dataclass(frozen=True)
class Task:
    """One task: its name, its kind, its classes if it has some, and how many columns its target has.

    Numbers are learned as ``(y - center) / scale``, column by column, where a scale was found.
    """

    name: str
    kind: str
    classes: np.ndarray | None
    n_columns: int
    center: np.ndarray | None = None
    scale: np.ndarray | None = None

    @property
    def n_units(self) -> int:
        """Number of output units."""
        if self.classes is None:
            return self.n_columns
        return 1 if len(self.classes) <= 2 else len(self.classes)

    def head(self, weight: float) -> Head:
        """Return the output head."""
        loss = "binary_cross_entropy" if self.kind == "classification" and self.n_units == 1 else KINDS[self.kind]
        return Head(self.n_units, loss, weight=weight, name=self.name)

    def encode(self, values: np.ndarray, dtype: Any) -> np.ndarray:
        """Return the columns that the head learns from; NaN where the target is missing."""
        if self.classes is None:
            columns = np.ascontiguousarray(values.reshape(len(values), -1), dtype=dtype)
            if columns.shape[1] != self.n_columns:
                raise ValueError(
                    f"The target of the task {self.name!r} must have {self.n_columns} column(s), as before. "
                    f"Received: {columns.shape[1]}."
                )
            if self.kind == "count" and (columns < 0).any():
                raise ValueError(f"Counts must be 0 or more. Received: a negative target of the task {self.name!r}.")
            if self.center is not None and self.scale is not None:
                columns = ((columns - self.center) / self.scale).astype(dtype)
            return columns
        known = ~pd.isna(values)
        labels = values[known].astype(str) if self.classes.dtype.kind == "U" else values[known]
        unseen = np.setdiff1d(labels, self.classes)
        if len(unseen):
            raise ValueError(f"The task {self.name!r} has classes that it had not before. Received: {list(unseen)}.")
        numbers = np.full(len(values), np.nan, dtype=dtype)
        numbers[known] = np.searchsorted(self.classes, labels)
        return numbers[:, np.newaxis]

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return predictions in the user's terms from the activated outputs of the head."""
        if self.classes is not None:
            chosen = outputs.argmax(axis=1) if self.n_units > 1 else (outputs[:, 0] > 0.5).astype(int)
            return np.asarray(self.classes[np.minimum(chosen, len(self.classes) - 1)])
        if self.kind == "labels":
            return (outputs > 0.5).astype(int)
        if self.center is not None and self.scale is not None:
            outputs = (outputs * self.scale + self.center).astype(outputs.dtype)
        return outputs[:, 0] if self.n_columns == 1 else outputs

    def score(self, outputs: np.ndarray, targets: np.ndarray, sample_weight: np.ndarray | None) -> float:
        """Return accuracy or R2 over the rows whose target is known; NaN where there is none."""
        known = ~np.isnan(targets).any(axis=1)
        weight = None if sample_weight is None else sample_weight[known]
        if not known.any() or (weight is not None and not weight.any()):
            return float("nan")
        outputs, targets = outputs[known], targets[known]
        if self.kind in ("regression", "count"):
            return float(r2_score(targets, outputs, sample_weight=weight))
        if self.kind == "classification" and self.n_units > 1:
            right = outputs.argmax(axis=1) == targets[:, 0]
        else:
            right = ((outputs > 0.5) == (targets > 0.5)).all(axis=1)
        return float(np.average(right, weights=weight))


@dataclass(frozen=True)
class Targets:
    """The targets as they came: one array for each task, and what held them ("dict", "list", "table", "column")."""

    arrays: dict[str, np.ndarray]
    container: str

    def pack(self, values: Mapping[str, np.ndarray]) -> Any:
        """Return values by task in the container that the targets came in."""
        return pack(values, self.container)


def pack(values: Mapping[str, np.ndarray], container: str) -> Any:
    """Return values by task in a container."""
    if container == "dict" or not values:
        return dict(values)
    arrays = list(values.values())
    if container == "list":
        return arrays
    if container == "column":
        return arrays[0]
    kinds = {array.dtype.kind for array in arrays}
    mixed = "f" if kinds <= set("fiub") else "O"
    return np.column_stack([array.astype(np.float64 if mixed == "f" else object) for array in arrays])


def split_targets(y: Any) -> Targets:
    """Return the target of each task by name, whatever holds them."""
    if y is None:
        raise ValueError("This estimator requires y to be passed, but the target y is None.")
    if isinstance(y, pd.DataFrame):
        return Targets({str(name): _clean(str(name), y[name]) for name in y.columns}, "table")
    if isinstance(y, Mapping):
        if not y:
            raise ValueError("`y` must name at least one task. Received: an empty dict.")
        return Targets({str(name): _clean(str(name), values) for name, values in y.items()}, "dict")
    if isinstance(y, (list, tuple)) and len(y) and all(isinstance(part, (np.ndarray, pd.Series)) for part in y):
        return Targets({f"task_{i}": _clean(f"task_{i}", part) for i, part in enumerate(y)}, "list")
    array = _clean("y", y)
    if array.ndim == 2:
        return Targets({f"task_{i}": array[:, i] for i in range(array.shape[1])}, "table")
    return Targets({"task_0": array}, "column")


def _clean(name: str, values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind == "O" and all(value is None or isinstance(value, (Real, np.bool_)) for value in array.flat):
        array = array.astype(np.float64)  # None becomes NaN
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported. Received: complex numbers in the target {name!r}.")
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise ValueError(f"The target {name!r} must have shape (n,) or (n, k). Received: shape {array.shape}.")
    if array.dtype.kind == "f" and np.isinf(array).any():
        raise ValueError(f"Input y contains infinity or a value too large for {array.dtype}. Target: {name!r}.")
    if array.ndim == 2 and array.shape[1] == 1:
        array = column_or_1d(array, warn=True)
    return np.asarray(array)


def _kind_of(name: str, array: np.ndarray) -> str:
    known = array[~pd.isna(array).reshape(len(array), -1).any(axis=1)]
    if not len(known):
        raise ValueError(f"The target {name!r} must have a value somewhere. Received: only missing values.")
    if known.dtype.kind == "O" and not all(
        isinstance(label, (str, bool, int, float, np.generic)) for label in known.flat
    ):
        raise ValueError(f"Unknown label type: the target {name!r} holds objects that are neither text nor numbers.")
    target = type_of_target(known.astype(str) if known.dtype.kind == "O" else known, input_name=name)
    if target.startswith("multilabel"):
        return "labels"
    if target in ("binary", "multiclass"):
        return "classification"
    return "regression"


def _location(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each column, missing values left out; 1 for a column that is constant."""
    columns = array.reshape(len(array), -1).astype(np.float64)
    known = ~np.isnan(columns)
    counts = np.maximum(known.sum(axis=0), 1)
    center = np.where(known, columns, 0.0).sum(axis=0) / counts
    scale = np.sqrt(np.where(known, np.square(columns - center), 0.0).sum(axis=0) / counts)
    return center, np.where(scale > 1e-12 * np.maximum(1.0, np.abs(center)), scale, 1.0)


def find_tasks(targets: Targets, wanted: str | Mapping[str, str] | Sequence[str], *, scale: bool = False) -> list[Task]:
    """Return the tasks, of the kinds that are asked for or that the targets have; ``scale`` is for real numbers."""
    names = list(targets.arrays)
    if isinstance(wanted, str):
        kinds = {name: _kind_of(name, array) for name, array in targets.arrays.items()}
    else:
        given = dict(wanted) if isinstance(wanted, Mapping) else dict(zip(names, wanted, strict=False))
        if len(given) != len(wanted) or set(given) != set(names):
            raise ValueError(f"`tasks` must name the kind of each of {names}. Received: tasks={wanted!r}.")
        kinds = {name: given[name] for name in names}
    found = []
    for name, array in targets.arrays.items():
        kind = kinds[name]
        if kind not in KINDS:
            raise ValueError(unknown_name("kind of task", kind, KINDS))
        classes = None
        if kind == "classification":
            if array.ndim == 2:
                raise ValueError(f"The target {name!r} must have one column to be classified. Received: {array.shape}.")
            known = array[~pd.isna(array)]
            classes = np.unique(known.astype(str) if known.dtype.kind == "O" else known)
        elif array.dtype.kind not in "fiub":
            raise ValueError(f"The target {name!r} must be numeric for the kind {kind!r}. Received: {array.dtype}.")
        location = _location(array) if scale and kind == "regression" else (None, None)
        found.append(Task(name, kind, classes, 1 if array.ndim == 1 else array.shape[1], *location))
    return found
