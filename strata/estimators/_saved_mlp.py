"""What a multi-layer estimator keeps when it is saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from sklearn.preprocessing import LabelBinarizer, StandardScaler

from strata.engine.history import History
from strata.estimators._parameters import hidden_sizes
from strata.estimators._save import SavedState, SaveMixin
from strata.estimators._tasks import Task
from strata.functional.calibration import TEMPERATURE_LIMITS

__all__ = [
    "SavedBagClassifier",
    "SavedBagRegressor",
    "SavedLabels",
    "SavedScaler",
    "SavesBag",
    "SavesClassifier",
    "SavesMLP",
    "SavesRegressor",
    "SavesTasks",
]

_Curve = list[float]


class SavedScaler(BaseModel):
    """Learned values of a ``StandardScaler``."""

    model_config = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)

    mean_: np.ndarray | None
    var_: np.ndarray
    scale_: np.ndarray
    n_samples_seen_: int | float | np.ndarray

    @classmethod
    def of(cls, scaler: StandardScaler) -> dict[str, Any]:
        """Return the values of a fitted scaler."""
        return {name: vars(scaler)[name] for name in cls.model_fields}

    @staticmethod
    def restore(values: Mapping[str, Any], n_features: int) -> StandardScaler:
        """Return the scaler again."""
        for name, value in values.items():
            if isinstance(value, np.ndarray) and value.shape != (n_features,):
                raise ValueError(f"`{name}` of the scaler has the shape {value.shape}, not ({n_features},)")
        scaler = StandardScaler(with_mean=values["mean_"] is not None)
        vars(scaler).update(values, n_features_in_=n_features)
        return scaler


class SavedLabels(BaseModel):
    """Learned values of a ``LabelBinarizer``."""

    model_config = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)

    classes_: np.ndarray
    y_type_: Annotated[str, Field(pattern="^(binary|multiclass|multilabel-indicator)$")]
    sparse_input_: bool

    @classmethod
    def of(cls, binarizer: LabelBinarizer) -> dict[str, Any]:
        """Return the values of a fitted binarizer."""
        return {name: vars(binarizer)[name] for name in cls.model_fields}

    @staticmethod
    def restore(values: Mapping[str, Any]) -> LabelBinarizer:
        """Return the binarizer again."""
        if values["classes_"].ndim != 1 or len(values["classes_"]) == 0:
            raise ValueError("`classes_` is no list of classes")
        binarizer = LabelBinarizer()
        vars(binarizer).update(values)
        return binarizer


class _MLPState(SavedState):
    """Learned values of every multi-layer estimator."""

    coefs_: Annotated[list[np.ndarray], Field(min_length=1)]
    intercepts_: Annotated[list[np.ndarray], Field(min_length=1)]
    n_layers_: int
    n_outputs_: int
    out_activation_: str
    n_iter_: int
    t_: int | float
    loss_: float | None = None
    loss_curve_: _Curve = []
    best_loss_: float | None = None
    best_validation_score_: float | None = None
    validation_scores_: _Curve | None = None
    validation_loss_curve_: _Curve | None = None
    engine_: str | None = None
    stop_reason_: str | None = None
    no_improvement_count: int = 0
    history: dict[str, list[float]] | None = None
    scaler: SavedScaler | None = None


class _ClassifierState(_MLPState):
    """And of a classifier."""

    classes_: np.ndarray
    labels: SavedLabels
    temperature_: Annotated[float, Field(ge=TEMPERATURE_LIMITS[0], le=TEMPERATURE_LIMITS[1])] = 1.0


class _SavedTask(BaseModel):
    """One task of a network with several."""

    model_config = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)

    name: str
    kind: Literal["classification", "count", "labels", "regression"]
    classes: np.ndarray | None
    n_columns: Annotated[int, Field(ge=1)]
    center: np.ndarray | None = None
    scale: np.ndarray | None = None


class _TasksState(_MLPState):
    """And of a network with several tasks."""

    tasks: Annotated[list[_SavedTask], Field(min_length=1)]
    container: Literal["dict", "list", "table", "column"]


class SavedBagRegressor(_MLPState):
    """Learned values of a bag of networks."""

    estimators_samples_: list[np.ndarray]
    bagging_report_: dict[str, float | int | str]
    oob_score_: float | None
    loss_curves_: list[_Curve]


class SavedBagClassifier(SavedBagRegressor, _ClassifierState):
    """And of a bag that classifies."""


class SavesMLP(SaveMixin):
    """Save and load a multi-layer estimator."""

    _saved_state: ClassVar[type[SavedState]] = _MLPState

    def _learned(self) -> dict[str, Any]:
        state = super()._learned()
        mine = vars(self)
        state["no_improvement_count"] = int(mine.get("_no_improvement_count", 0))
        if "history_" in mine:
            state["history"] = {name: list(mine["history_"][name]) for name in mine["history_"].columns}
        if "_scaler" in mine:
            state["scaler"] = SavedScaler.of(mine["_scaler"])
        return state

    def _adopt_state(self, state: Mapping[str, Any]) -> None:
        rest = dict(state)
        vars(self)["_no_improvement_count"] = rest.pop("no_improvement_count", 0)
        history = rest.pop("history", None)
        if history is not None:
            self.history_ = _history(history)
        scaler = rest.pop("scaler", None)
        if scaler is not None:
            self._scaler = SavedScaler.restore(scaler, rest["n_features_in_"])
        super()._adopt_state(rest)

    def _check_saved(self) -> None:
        me: Any = self
        dtypes = {array.dtype for array in (*me.coefs_, *me.intercepts_)}
        if len(dtypes) != 1 or dtypes.pop() not in (np.float32, np.float64):
            raise ValueError("the weights are not all of one floating-point dtype")
        spec = me._spec(me.n_features_in_, hidden_sizes(me.hidden_layer_sizes))
        spec.check_arrays(*self._saved_shapes())
        if me.n_layers_ != len(me.coefs_) + 1 or me.n_outputs_ != spec.layer_sizes[-1]:
            raise ValueError("`n_layers_` or `n_outputs_` does not fit the weights")
        if me.out_activation_ != spec.heads[0].output_activation:
            raise ValueError("`out_activation_` does not fit the loss")
        if bool(me.scale_inputs) != ("_scaler" in vars(self)):
            raise ValueError("`scale_inputs` and the scaler do not fit each other")

    def _saved_shapes(self) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        """Return the shapes of one network's weights and biases."""
        me: Any = self
        return [array.shape for array in me.coefs_], [array.shape for array in me.intercepts_]


def _history(columns: Mapping[str, list[float]]) -> History:
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1 or "epoch" not in columns:
        raise ValueError("the columns of the history have different lengths")
    history = History()
    history.load_state_dict(columns)
    return history


class SavesRegressor(SavesMLP):
    """Save and load a multi-layer regressor."""

    def _adopt_state(self, state: Mapping[str, Any]) -> None:
        super()._adopt_state(state)
        self._n_targets = state["n_outputs_"]


class SavesClassifier(SavesMLP):
    """Save and load a multi-layer classifier."""

    _saved_state: ClassVar[type[SavedState]] = _ClassifierState

    def _learned(self) -> dict[str, Any]:
        return super()._learned() | {"labels": SavedLabels.of(vars(self)["_label_binarizer"])}

    def _adopt_state(self, state: Mapping[str, Any]) -> None:
        rest = dict(state)
        self._label_binarizer = SavedLabels.restore(rest.pop("labels"))
        super()._adopt_state(rest)

    def _check_saved(self) -> None:
        if not np.array_equal(vars(self)["classes_"], self._label_binarizer.classes_):
            raise ValueError("`classes_` is given twice, and not the same")
        if bool(vars(self).get("calibrate", False)) != ("temperature_" in vars(self)):
            raise ValueError("`calibrate` and the temperature do not fit each other")
        super()._check_saved()


class SavesTasks(SavesMLP):
    """Save and load a multi-layer network with several tasks."""

    _saved_state: ClassVar[type[SavedState]] = _TasksState

    def _learned(self) -> dict[str, Any]:
        mine = vars(self)
        tasks = [{name: getattr(task, name) for name in _SavedTask.model_fields} for task in mine["_tasks"]]
        return super()._learned() | {"tasks": tasks, "container": mine["_container"]}

    def _adopt_state(self, state: Mapping[str, Any]) -> None:
        rest = dict(state)
        self._tasks = [Task(**task) for task in rest.pop("tasks")]
        self._container = rest.pop("container")
        self.tasks_ = {task.name: task.kind for task in self._tasks}
        self.task_classes_ = {task.name: task.classes for task in self._tasks if task.classes is not None}
        super()._adopt_state(rest)

    def _check_saved(self) -> None:
        for task in self._tasks:
            if (task.kind == "classification") != (task.classes is not None):
                raise ValueError(f"the task {task.name[:40]!r} has classes and a kind that do not fit each other")
            if task.classes is not None and (task.classes.ndim != 1 or not len(task.classes)):
                raise ValueError(f"the task {task.name[:40]!r} has no list of classes")
            numbers = [each for each in (task.center, task.scale) if each is not None]
            if len(numbers) == 1 or any(each.shape != (task.n_columns,) for each in numbers):
                raise ValueError(f"the task {task.name[:40]!r} has no center and scale for each of its columns")
        super()._check_saved()


class SavesBag(SavesMLP):
    """Save and load a bag of networks, whose arrays have one axis more; comes before the single network."""

    def _saved_shapes(self) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        me: Any = self
        k = me.n_estimators
        if any(array.shape[:1] != (k,) for array in (*me.coefs_, *me.intercepts_)):
            raise ValueError(f"the weights are not stacked over {k} networks")
        if len(me.estimators_samples_) != k or len(me.loss_curves_) != k or not all(me.loss_curves_):
            raise ValueError(f"there is not one sample and one loss curve for each of {k} networks")
        if any(rows.ndim != 1 or rows.dtype.kind != "i" for rows in me.estimators_samples_):
            raise ValueError("`estimators_samples_` does not hold row numbers")
        weights, biases = super()._saved_shapes()
        return [shape[1:] for shape in weights], [shape[1:] for shape in biases]
