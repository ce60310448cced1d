"""Class labels and the numbers that stand for them."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer

from strata.estimators._validation import is_sparse

__all__ = ["check_class_weight", "encode_labels", "refuse_other_classes"]


def check_class_weight(class_weight: Any) -> None:
    """Refuse weights that would turn learning round: each must be a finite number >= 0."""
    for each in class_weight if isinstance(class_weight, list) else [class_weight]:
        if not isinstance(each, dict):
            continue
        for label, weight in each.items():
            if isinstance(weight, bool) or not isinstance(weight, Real) or not 0 <= float(weight) < math.inf:
                raise ValueError(
                    "`class_weight` must give every class a finite number >= 0. "
                    f"Received: class_weight[{label!r}]={weight!r}. Use 0 to leave a class out."
                )


def refuse_other_classes(known: np.ndarray, classes: np.ndarray, *, warm_start: bool) -> None:
    """Refuse classes that an earlier fit did not see; with ``warm_start`` also the lack of one."""
    if warm_start:
        if set(classes) != set(known):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {known}, `y` has {classes}"
            )
    elif len(np.setdiff1d(classes, known, assume_unique=True)):
        raise ValueError(f"`y` has classes not in `self.classes_`. `self.classes_` has {known}. 'y' has {classes}.")


def encode_labels(binarizer: LabelBinarizer, y: Any, dtype: Any, *, as_numbers: bool) -> np.ndarray:
    """Return labels as a head wants them.

    Shape (n, 1) holding 0 and 1 for two classes; shape (n, 1) holding class numbers for several (with ``as_numbers``);
    otherwise a table of 0 and 1 with a column for each class.
    """
    classes = binarizer.classes_
    if binarizer.y_type_ == "binary":
        yes = np.zeros(len(y), dtype=bool) if len(classes) == 1 else np.asarray(y == classes[1])
        return yes.astype(dtype)[:, np.newaxis]
    if binarizer.y_type_ == "multiclass":
        numbers = np.searchsorted(classes, y)
        if as_numbers:
            return np.asarray(numbers.astype(dtype)[:, np.newaxis])
        return np.asarray(np.eye(len(classes), dtype=dtype)[numbers])
    table = binarizer.transform(y)
    table = table.toarray() if is_sparse(table) else table
    return np.ascontiguousarray(table, dtype=dtype)
