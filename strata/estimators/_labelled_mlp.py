"""A network whose targets are class labels: how they become numbers, and which output unit serves them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d, compute_sample_weight
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import validate_data

from strata.estimators._calibration import CalibratedMLP
from strata.estimators._labels import check_class_weight, encode_labels, refuse_other_classes
from strata.estimators._parameters import loss_options, output_activation
from strata.functional.losses import get_loss
from strata.nn.dense import Head

__all__ = ["CROSS_ENTROPY", "LabelledMLP"]

#: Names of the losses that compare probabilities; which of them it is depends on the kind of the target.
CROSS_ENTROPY = ("auto", "log_loss", "cross_entropy", "binary_cross_entropy")


class LabelledMLP(CalibratedMLP):
    """What a classifier asks of its labels."""

    def _validate_input(
        self, X: Any, y: Any, *, incremental: bool, reset: bool
    ) -> tuple[Any, np.ndarray, np.ndarray | None]:
        check_class_weight(self.class_weight)
        X, y = self._check_arrays(X, y, reset=reset)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._label_binarizer = LabelBinarizer()
            self._label_binarizer.fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            refuse_other_classes(self.classes_, unique_labels(y), warm_start=self.warm_start)
        weight = None if self.class_weight is None else compute_sample_weight(self.class_weight, y)
        return X, self._encoded(y, X.dtype), weight

    def _check_arrays(self, X: Any, y: Any, *, reset: bool) -> tuple[Any, Any]:
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, dtype=(np.float64, np.float32), reset=reset
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _encode_validation(self, X: Any, y: Any) -> tuple[Any, np.ndarray, np.ndarray | None]:
        X, y = self._check_arrays(X, y, reset=False)
        unseen = np.setdiff1d(unique_labels(y), self.classes_)
        if len(unseen):
            raise ValueError(f"`y_val` has classes that `y` has not. Received: {unseen.tolist()}.")
        return X, self._encoded(y, X.dtype), None

    def _encoded(self, y: Any, dtype: Any) -> np.ndarray:
        return encode_labels(self._label_binarizer, y, dtype, as_numbers=self._counts_classes)

    @property
    def _counts_classes(self) -> bool:
        """Whether the targets of several classes are class numbers rather than a table."""
        return callable(self.loss) or get_loss(self._loss_name("multiclass")).targets.startswith("index")

    def _loss_name(self, kind: str) -> str:
        if self.loss in CROSS_ENTROPY or callable(self.loss):
            return "cross_entropy" if kind == "multiclass" else "binary_cross_entropy"
        return str(self.loss)

    @property
    def _cut(self) -> float:
        """What an output must exceed to mean yes: half way to the target 1 of squared errors, else a probability."""
        squared = self.loss in ("half_squared", "mse", "rss", "squared_error")
        return 0.5 if squared or self.out_activation_ in ("logistic", "softmax") else 0.0

    def _n_output_units(self) -> int:
        kind = self._label_binarizer.y_type_
        return 1 if kind == "binary" else len(self.classes_)

    def _heads(self) -> tuple[Head, ...]:
        kind = self._label_binarizer.y_type_
        name = self._loss_name(kind)
        activation = output_activation(self.out_activation, Head(self._n_output_units(), name))
        if kind.startswith("multilabel") and name in ("focal", "hinge"):
            raise ValueError(
                f"`loss` must be 'log_loss' or a squared error for several labels a row. Received: loss={name!r}. "
                "Use loss='log_loss', or one network a label: sklearn.multioutput.MultiOutputClassifier."
            )
        if activation is None and not get_loss(name).takes_logits:
            activation = "softmax" if kind == "multiclass" else "logistic"
        options = loss_options(self.loss_options)
        return (Head(self._n_output_units(), name, activation=activation, loss_options=options),)

    def _stratify(self, targets: np.ndarray) -> np.ndarray | None:
        """Return the labels to stratify a split by: two classes only, as scikit-learn does."""
        return targets.astype(bool) if self._label_binarizer.y_type_ == "binary" else None

    def _score_outputs(self, outputs: np.ndarray, targets: np.ndarray, sample_weight: np.ndarray | None) -> float:
        if self._label_binarizer.y_type_ == "multiclass":
            truth = targets[:, 0] if targets.shape[1] == 1 else targets.argmax(axis=1)
            right = outputs.argmax(axis=1) == truth
        else:
            right = ((outputs > self._cut) == (targets > 0.5)).all(axis=1)
        return float(np.average(right, weights=sample_weight))
