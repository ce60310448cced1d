"""The rows that a model gets most wrong: often mistakes in the data, sometimes what it has not learned."""

from typing import Any

import numpy as np
import pandas as pd

from strata.report.evaluation import Evaluation

__all__ = ["row_losses", "worst_rows"]

#: Inputs of a row with more columns than this are cut; which columns is said.
MAX_COLUMNS = 30


def row_losses(evaluation: Evaluation) -> np.ndarray:
    """Return what each row costs.

    Parameters
    ----------
    evaluation : Evaluation
        Predictions with their answers.

    Returns
    -------
    losses : ndarray of shape (n_rows,)
        Regression: distance of prediction and answer. Classification: minus the logarithm of the probability
        of the true class, in nats (scikit-learn's ``log_loss`` is the mean); without probabilities 1 for a wrong
        row and 0 for a right one.

    Examples
    --------
    >>> from strata.report import score_predictions
    >>> row_losses(score_predictions(np.array([1.0, 5.0]), np.array([1.5, 3.0]), task="regression")).tolist()
    [0.5, 2.0]
    """
    if evaluation.task == "regression":
        return np.asarray(np.abs(evaluation.targets.astype(float) - evaluation.predictions.astype(float)))
    if evaluation.probabilities is None:
        return np.asarray(evaluation.targets != evaluation.predictions, dtype=float)
    eps = np.finfo(np.asarray(evaluation.probabilities).dtype).eps
    return np.asarray(-np.log(np.clip(_of_class(evaluation, evaluation.targets), eps, 1.0 - eps)))


def _of_class(evaluation: Evaluation, labels: np.ndarray) -> np.ndarray:
    """Return the probability of one label a row."""
    numbers = pd.Index(np.asarray(evaluation.classes)).get_indexer(pd.Index(labels))
    probs = np.asarray(evaluation.probabilities, dtype=float)
    return np.asarray(probs[np.arange(len(probs)), numbers])


def worst_rows(evaluation: Evaluation, frame: Any = None, *, n_rows: int = 10) -> list[dict[str, Any]]:
    """Return the rows with the largest loss.

    Parameters
    ----------
    evaluation : Evaluation
        Predictions with their answers.
    frame : DataFrame of shape (n_rows, n_columns) or array-like, optional
        The inputs of the same rows; the names of the rows are those of its index.
    n_rows : int, default=10
        How many, at most.

    Returns
    -------
    rows : list of dict
        Largest loss first: ``row`` (its name in the data), ``position`` (among the evaluated rows), ``loss``,
        ``target``, ``prediction``, ``probability`` of the prediction and ``probability_of_target`` (None
        where there are none), and ``inputs`` by column (at most 30; missing values are None). Of equal
        losses, the earlier row. Rows of a classification that are right and likely (loss below
        ln 2) and exact predictions are left out: they are not wrong.

    Raises
    ------
    ValueError
        If the inputs have another number of rows.

    Examples
    --------
    >>> from strata.report import score_predictions
    >>> y = np.array(["a", "b", "b"])
    >>> probs = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]])
    >>> found = score_predictions(y, np.array(["a", "a", "b"]), task="classification", probabilities=probs)
    >>> [(row["position"], row["target"], row["prediction"], row["probability"]) for row in worst_rows(found)]
    [(1, 'b', 'a', 0.8)]
    """
    losses = row_losses(evaluation)
    table = None if frame is None else pd.DataFrame(frame)
    if table is not None and len(table) != len(losses):
        raise ValueError(f"`frame` must have {len(losses)} rows, as the predictions. Received: {len(table)}.")
    least = np.log(2.0) if evaluation.probabilities is not None else 0.0
    order = np.argsort(-losses, kind="stable")[:n_rows]
    chosen = [int(i) for i in order if losses[i] > least]
    with_probs = evaluation.probabilities is not None
    called = _of_class(evaluation, evaluation.predictions) if with_probs else None
    true = _of_class(evaluation, evaluation.targets) if with_probs else None
    return [
        {
            "row": i if table is None else _plain(table.index[i]),
            "position": i,
            "loss": float(losses[i]),
            "target": _plain(evaluation.targets[i]),
            "prediction": _plain(evaluation.predictions[i]),
            "probability": None if called is None else float(called[i]),
            "probability_of_target": None if true is None else float(true[i]),
            "inputs": {} if table is None else _inputs(table, i),
        }
        for i in chosen
    ]


def _inputs(table: pd.DataFrame, position: int) -> dict[str, Any]:
    names = list(table.columns[:MAX_COLUMNS])
    return {str(name): _plain(table[name].iloc[position]) for name in names}


def _plain(value: Any) -> Any:
    """Return a cell as JSON can hold it: None for missing, text for what is not a number, truth value or text."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    value = value.item() if hasattr(value, "item") else value
    return value if isinstance(value, (bool, int, float, str)) else str(value)
