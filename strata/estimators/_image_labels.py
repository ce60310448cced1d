"""Labels of images: one class each, or several labels at once, and the numbers that stand for them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_array, column_or_1d, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from strata.estimators._labels import check_class_weight

__all__ = ["ImageLabels", "ImageTargets", "class_weights", "encode_targets", "learn_labels", "right_rows", "stratified"]


@dataclass(frozen=True)
class ImageLabels:
    """What the numbers of the targets stand for."""

    classes: np.ndarray
    multi_label: bool

    @property
    def n_outputs(self) -> int:
        """Scores that a network has to give."""
        return len(self.classes)

    def decode(self, answers: np.ndarray, *, cut: float = 0.5) -> np.ndarray:
        """Return the class of each row, or a table of 0 and 1: the labels whose answer is above the cut."""
        if self.multi_label:
            return np.asarray(answers > cut).astype(np.int64)
        return np.asarray(self.classes[answers.argmax(axis=1)])


@dataclass(frozen=True)
class ImageTargets:
    """Targets as a loss takes them: int64 of shape (n,), or float32 of shape (n, k)."""

    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)


def _is_label_lists(y: Any) -> bool:
    """Whether every image comes with a list of the labels that it has."""
    if getattr(getattr(y, "dtype", None), "kind", "") == "O" and y.ndim == 1:  # an array, or a column of a table
        y = y.tolist()
    if isinstance(y, (str, bytes, np.ndarray)) or not isinstance(y, Sequence) or not len(y):
        return False
    if not all(isinstance(each, (Sequence, Set)) and not isinstance(each, (str, bytes)) for each in y):
        return False
    lengths = {len(each) for each in y}
    return any(isinstance(label, str) for each in y for label in each) or len(lengths) > 1 or lengths == {0}


def _checked(y: Any) -> np.ndarray:
    """Return targets as an array of shape (n,), or a table of 0 and 1 of shape (n, k); refuse anything else."""
    checked = check_array(y, accept_sparse="csr", ensure_2d=False, dtype=None, input_name="y", ensure_min_samples=0)
    if hasattr(checked, "toarray"):
        checked = checked.toarray()
    y = np.asarray(checked)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if y.dtype.kind == "O" and any(each is None or each != each for each in y.ravel()):
        raise ValueError("Input y contains NaN. `y` must give every image a label. Received: None or NaN.")
    if y.dtype.kind == "O" and len({isinstance(each, str) for each in y.ravel()}) > 1:
        raise TypeError("`y` must hold strings only, or numbers only. Received: both.")
    check_classification_targets(y)
    if type_of_target(y, input_name="y") == "multiclass-multioutput":
        raise ValueError(
            "`y` must hold one class an image, or a table of 0 and 1 for several labels at once. "
            f"Received: a table of shape {y.shape} with other numbers."
        )
    return np.asarray(y)


def learn_labels(y: Any, *, names: tuple[str, ...] = ()) -> ImageLabels:
    """Find the classes, or the labels, of training targets; ``names`` are those of the columns of a table.

    Raises
    ------
    ValueError
        If there is only one class, a label is missing, or the targets are no labels.
    """
    if _is_label_lists(y):
        found = sorted({str(label) for each in y for label in each})
        if not found:
            raise ValueError("`y` must hold at least one label. Received: no image has any.")
        return ImageLabels(np.array(found), multi_label=True)
    y = _checked(y)
    if y.ndim == 2:
        columns = np.array(names) if len(names) == y.shape[1] else np.arange(y.shape[1])
        return ImageLabels(columns, multi_label=True)
    classes = np.unique(y)
    if len(classes) < 2:
        what = f"1 class, {classes.tolist()[0]!r}" if len(classes) else "no image"
        raise ValueError(f"`y` must hold at least 2 classes. Received: {what}.")
    return ImageLabels(classes, multi_label=False)


def encode_targets(labels: ImageLabels, y: Any, *, name: str = "y") -> ImageTargets:
    """Return the numbers of targets whose labels are known.

    Raises
    ------
    ValueError
        If a label was not seen when the labels were learned.
    """
    if labels.multi_label:
        return ImageTargets(_table(labels, y, name))
    y = _checked(y)
    if y.ndim == 2:
        raise ValueError(f"`{name}` must hold one class an image, as in training. Received: shape {y.shape}.")
    unseen = np.setdiff1d(np.unique(y), labels.classes)
    if len(unseen):
        raise ValueError(
            f"`{name}` must hold known classes only: {labels.classes.tolist()}. Received: {unseen.tolist()}."
        )
    return ImageTargets(np.searchsorted(labels.classes, y).astype(np.int64))


def _table(labels: ImageLabels, y: Any, name: str) -> np.ndarray:
    n_labels = len(labels.classes)
    if _is_label_lists(y):
        place = {str(label): number for number, label in enumerate(labels.classes)}
        table = np.zeros((len(y), n_labels), dtype=np.float32)
        for row, each in enumerate(y):
            for label in each:
                if str(label) not in place:
                    raise ValueError(
                        f"`{name}` must hold known labels only: {labels.classes.tolist()}. Received: {str(label)!r}."
                    )
                table[row, place[str(label)]] = 1.0
        return table
    y = _checked(y)
    if y.ndim != 2 or y.shape[1] != n_labels:
        raise ValueError(
            f"`{name}` must be a table of 0 and 1 with {n_labels} columns, as in training. Received: shape {y.shape}."
        )
    return np.ascontiguousarray(y, dtype=np.float32)


def class_weights(class_weight: Any, y: Any, labels: ImageLabels) -> np.ndarray | None:
    """Return what the class of each image counts for, or None where all count 1."""
    check_class_weight(class_weight)
    if class_weight is None:
        return None
    y = _table(labels, y, "y").astype(np.int64) if labels.multi_label else _checked(y)
    return np.asarray(compute_sample_weight(class_weight, y), dtype=np.float32)


def stratified(targets: ImageTargets, fraction: float) -> np.ndarray | None:
    """Return what a validation split is stratified by: the classes, where both sides can have an image of each."""
    numbers = targets.numbers
    if numbers.ndim != 1:
        return None
    counts = Counter(numbers.tolist())
    n_held_out = math.ceil(fraction * len(numbers))
    if min(counts.values()) < 2 or min(n_held_out, len(numbers) - n_held_out) < len(counts):
        return None
    return numbers


def right_rows(answers: np.ndarray, targets: np.ndarray, *, cut: float = 0.5) -> np.ndarray:
    """Return which rows are right; with several labels, those where all labels are."""
    if targets.ndim == 1:
        return np.asarray(answers.argmax(axis=1) == targets)
    return np.asarray(((answers > cut) == (targets > 0.5)).all(axis=1))
