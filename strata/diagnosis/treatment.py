"""How a cure is applied: parameters to an estimator, actions to its inputs or its rows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from strata._names import unknown_name

__all__ = ["ACTIONS", "Rows", "network_path", "take", "treated_estimator", "treated_rows"]

#: What can be done to the data, and to what: the inputs of every prediction, or the rows before training.
ACTIONS: dict[str, str] = {
    "drop_columns": "leave columns out (a step of the estimator)",
    "drop_duplicates": "leave held-out rows out that are also trained on",
    "drop_non_finite_rows": "leave rows out that hold NaN or infinity",
    "shift_targets": "take the target from so many rows later",
    "standardize_inputs": "subtract the mean and divide by the deviation (a step of the estimator)",
}


@dataclass(frozen=True)
class Rows:
    """Rows to learn from, and rows to score on.

    Parameters
    ----------
    X : array or DataFrame of shape (n_train, n_features)
        Inputs.
    y : ndarray of shape (n_train,)
        Targets.
    X_val : array or DataFrame of shape (n_val, n_features)
        Held-out inputs.
    y_val : ndarray of shape (n_val,)
        Held-out targets.
    whole : tuple of three ndarrays or None, default=None
        All targets in their order and the places of both parts among them, where one table was divided.
    """

    X: Any
    y: Any
    X_val: Any
    y_val: Any
    whole: tuple[Any, np.ndarray, np.ndarray] | None = None


def network_path(estimator: Any) -> str:
    """Return what stands before the network's parameters in the parameters of an estimator.

    Parameters
    ----------
    estimator : estimator
        A network, an estimator with a ``network``, or a pipeline that ends with either.

    Returns
    -------
    prefix : str
        Such as ``""``, ``"network__"`` or ``"mlpclassifier__network__"``.

    Examples
    --------
    >>> from strata import MLPClassifier
    >>> network_path(Pipeline([("scale", StandardScaler()), ("net", MLPClassifier())]))
    'net__'
    """
    if isinstance(estimator, Pipeline):
        name, final = estimator.steps[-1]
        return f"{name}__{network_path(final)}"
    parameters = estimator.get_params(deep=False)
    if "network" in parameters:
        return "network__"
    return ""


def treated_estimator(estimator: Any, changes: Mapping[str, Any], actions: Mapping[str, Any], *, X: Any = None) -> Any:
    """Return an unfitted copy of an estimator with a cure applied.

    Parameters
    ----------
    estimator : estimator
        As the user made it.
    changes : mapping of str to object
        Parameters of the network; those that it does not have are left out.
    actions : mapping of str to object
        Names of :data:`ACTIONS`; those that concern rows are left out.
    X : array or DataFrame, optional
        Inputs, to find columns by their names.

    Returns
    -------
    cured : estimator
        The same class, or a pipeline that ends with it.

    Raises
    ------
    ValueError
        If an action is unknown.
    """
    for name in actions:
        if name not in ACTIONS:
            raise ValueError(unknown_name("action", name, ACTIONS))
    cured = clone(estimator)
    prefix = network_path(cured)
    if prefix.endswith("network__"):
        owner = cured.steps[-1][1] if isinstance(cured, Pipeline) else cured
        if owner.network is None:
            owner.set_params(network=owner._default_network())
    known = cured.get_params()
    scale = bool(actions.get("standardize_inputs")) or bool(changes.get("scale_inputs"))
    given = {f"{prefix}{name}": value for name, value in changes.items() if name != "scale_inputs"}
    cured.set_params(**{name: value for name, value in given.items() if name in known})
    if scale:
        cured = _standardized(cured, prefix)
    if actions.get("drop_columns"):
        cured = _without_columns(cured, actions["drop_columns"], X)
    return cured


def _standardized(estimator: Any, prefix: str) -> Any:
    known = estimator.get_params()
    scale = prefix.removesuffix("network__") + "scale"
    if prefix.endswith("network__") and scale in known:
        return estimator.set_params(**{scale: True})
    if f"{prefix}scale_inputs" in known:
        return estimator.set_params(**{f"{prefix}scale_inputs": True})
    return Pipeline([("standardize", StandardScaler()), ("network", estimator)])


def _without_columns(estimator: Any, columns: Sequence[Any], X: Any) -> Pipeline:
    chosen = _column_places(columns, X)
    dropper = ColumnTransformer([("drop", "drop", chosen)], remainder="passthrough", verbose_feature_names_out=False)
    if isinstance(X, pd.DataFrame):
        dropper.set_output(transform="pandas")
    return Pipeline([("drop_columns", dropper), ("network", estimator)])


def _column_places(columns: Sequence[Any], X: Any) -> list[int] | list[str]:
    """Return columns by name where the inputs have names, else by place: "x3", "column 3" and 3 are the same."""
    if isinstance(X, pd.DataFrame):
        return [name for name in X.columns if name in columns or str(name) in columns]
    places = (re.search(r"(\d+)$", str(column)) for column in columns)
    return [int(match[1]) for match in places if match]


def treated_rows(rows: Rows, actions: Mapping[str, Any]) -> Rows:
    """Return the rows with those actions done that concern rows.

    Parameters
    ----------
    rows : Rows
        In their order.
    actions : mapping of str to object
        Names of :data:`ACTIONS`.

    Returns
    -------
    rows : Rows
        The same object where no action concerns rows.

    Examples
    --------
    >>> rows = Rows(np.arange(4.0)[:, None], np.array([9, 0, 1, 2]), np.arange(3.0)[:, None], np.array([9, 0, 1]))
    >>> treated_rows(rows, {"shift_targets": 1}).y.tolist()
    [0, 1, 2]
    """
    shift = int(actions.get("shift_targets", 0))
    if shift:
        y, kept, held_out = rows.whole or (None, None, None)
        rows = Rows(*_shifted(rows.X, rows.y, shift, y, kept), *_shifted(rows.X_val, rows.y_val, shift, y, held_out))
    if actions.get("drop_non_finite_rows"):
        rows = Rows(*_finite(rows.X, rows.y), *_finite(rows.X_val, rows.y_val))
    if actions.get("drop_duplicates"):
        seen = set(_keys(rows.X))
        fresh = np.array([key not in seen for key in _keys(rows.X_val)], dtype=bool)
        if fresh.any():
            rows = Rows(rows.X, rows.y, take(rows.X_val, fresh), take(rows.y_val, fresh))
    return rows


def take(rows: Any, chosen: np.ndarray) -> Any:
    """Return some rows of an array or of a table.

    Parameters
    ----------
    rows : array or DataFrame
        All rows.
    chosen : ndarray of int or bool
        Places, or which to keep.

    Returns
    -------
    taken : array or DataFrame
        Of the same kind.
    """
    return rows.iloc[chosen] if hasattr(rows, "iloc") else rows[chosen]


def _shifted(X: Any, y: Any, shift: int, whole: Any, places: np.ndarray | None) -> tuple[Any, Any]:
    if whole is None or places is None:
        whole, places = y, np.arange(len(y))
    kept = (places + shift >= 0) & (places + shift < len(whole))
    return take(X, np.flatnonzero(kept)), take(whole, places[kept] + shift)


def _finite(X: Any, y: Any) -> tuple[Any, Any]:
    numbers = np.asarray(X.select_dtypes("number") if hasattr(X, "iloc") else X, dtype=float)
    kept = np.isfinite(numbers).all(axis=1)
    targets = np.asarray(y)
    if targets.dtype.kind == "f":
        kept &= np.isfinite(targets.reshape(len(targets), -1)).all(axis=1)
    return take(X, kept), take(y, kept)


def _keys(X: Any) -> list[Any]:
    if hasattr(X, "iloc"):
        return list(map(int, pd.util.hash_pandas_object(X, index=False)))
    return [row.tobytes() for row in np.ascontiguousarray(X)]
