"""A saved or fitted model on rows whose answers are known."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from strata._names import unknown_name
from strata.errors import DataError, ModelRefusedError
from strata.estimators.persistence import load
from strata.report.building import network_of
from strata.report.evaluation import Evaluation, score_predictions
from strata.report.run_folder import read_run_config

__all__ = ["check_probabilities", "gives_probabilities", "inputs_for", "load_model", "score_model", "target_of_run"]


def load_model(path: str | Path, *, allow_nonfinite: bool = False) -> Any:
    """Load a model from its folder, or from the folder of the run that made it.

    Parameters
    ----------
    path : str or Path
        Model folder, or run folder with ``model/`` in it.
    allow_nonfinite : bool, default=False
        Accept NaN and infinity among the weights.

    Returns
    -------
    estimator : estimator
        Fitted.

    Raises
    ------
    ModelRefusedError
        If there is no model, or it is damaged, edited or foreign.
    """
    folder = Path(path)
    if not folder.exists():
        raise ModelRefusedError(f"{folder}: no such folder. Give a model folder, or the folder of a run.")
    if (folder / "model").is_dir():
        folder = folder / "model"
    elif (folder / "checkpoints").is_dir():
        raise ModelRefusedError(
            f"{folder} holds a run that has not ended: there is no model yet. "
            f"End it with: strata train --resume {folder}"
        )
    return load(folder, allow_nonfinite=allow_nonfinite)


def target_of_run(path: str | Path) -> str | None:
    """Return the target that a run predicts, when the path is of a run or of the model in it.

    Parameters
    ----------
    path : str or Path
        Model folder or run folder.

    Returns
    -------
    target : str or None
        None where nothing says it.
    """
    for folder in (Path(path), Path(path).resolve().parent):
        try:
            target = read_run_config(folder).get("data", {}).get("target")
        except (ModelRefusedError, OSError):
            continue
        return target if isinstance(target, str) else None
    return None


def inputs_for(estimator: Any, frame: pd.DataFrame, *, source: str) -> Any:
    """Return the columns that a model was trained on, in its order; arrays for a model without names.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    frame : DataFrame of shape (n_rows, n_columns)
        Columns, perhaps more than the model knows.
    source : str
        What to call the data in messages.

    Returns
    -------
    X : DataFrame or ndarray of shape (n_rows, n_features_in_)
        What ``predict`` takes.

    Raises
    ------
    DataError
        If a column is missing, or the number of columns is wrong.
    """
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        if frame.shape[1] != estimator.n_features_in_:
            raise DataError(
                f"{source}: the model takes {estimator.n_features_in_} columns. Received: {frame.shape[1]}."
            )
        return _numeric(frame, source)
    dropped = getattr(getattr(estimator, "encoder_", None), "dropped_", {})
    for name in names:
        if name not in frame.columns and name not in dropped:
            raise DataError(
                f"{source}: the model needs a column that is not there. {unknown_name('column', name, frame.columns)}"
            )
    return frame[[name for name in names if name in frame.columns]]


def _numeric(frame: pd.DataFrame, source: str) -> np.ndarray:
    for name in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[name].dtype):
            raise DataError(f"{source}: column {name!r} must hold numbers; this model takes nothing else.")
    return frame.to_numpy()


def score_model(estimator: Any, X: Any, y: np.ndarray, *, task: str) -> Evaluation:
    """Compare a model's predictions with the answers.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X : DataFrame or ndarray of shape (n_rows, n_features)
        Inputs.
    y : ndarray of shape (n_rows,)
        Answers.
    task : {"classification", "regression"}
        What is predicted.

    Returns
    -------
    evaluation : Evaluation
        The figures.
    """
    predictions = np.asarray(estimator.predict(X))
    if task == "regression":
        return score_predictions(y, predictions, task=task)
    classes = estimator.classes_
    probabilities = _probabilities(estimator, X)
    if not set(np.unique(y).tolist()) <= set(np.asarray(classes).tolist()):
        probabilities = None
    return score_predictions(y, predictions, task=task, classes=classes, probabilities=probabilities)


def gives_probabilities(estimator: Any) -> bool:
    """Return whether a model estimates the probability of each class.

    Parameters
    ----------
    estimator : estimator
        Fitted; one that encodes tables is asked about its network.

    Returns
    -------
    answer : bool
        Whether ``predict_proba`` works.
    """
    return hasattr(estimator, "predict_proba") and hasattr(network_of(estimator), "predict_proba")


def check_probabilities(model: Any) -> None:
    """Refuse a network for pictures that says which class it sees and not how surely.

    Parameters
    ----------
    model : ImageClassifier
        Fitted.

    Raises
    ------
    ValueError
        If it has no ``predict_proba``.
    """
    if not hasattr(model, "predict_proba"):
        raise ValueError(
            "`model` must give probabilities. Received: one trained with loss='hinge', whose scores are none. "
            "Use its method predict, or train it with another loss."
        )


def _probabilities(estimator: Any, X: Any) -> np.ndarray | None:
    """Return probabilities where the model gives some; those of squared error need not be any."""
    if not gives_probabilities(estimator):
        return None
    values = np.asarray(estimator.predict_proba(X))
    is_distribution = np.all(values >= 0) and np.allclose(values.sum(axis=1), 1.0, atol=1e-5)
    return values if is_distribution else None
