"""The table of scores: the network, simpler methods, intervals, and what the network is ahead by."""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from strata.report.evaluation import Evaluation
from strata.report.intervals import difference_intervals, score_intervals

if TYPE_CHECKING:
    from strata.report.training import TrainResult

__all__ = ["score_row", "score_table", "training_rows"]

#: Work of the intervals of one method, in resamples times rows times classes: about a second.
MAX_WORK = 40_000_000
MIN_RESAMPLES, MAX_RESAMPLES = 200, 1000
#: Shown beside the figures that a training prints; in this order.
FIRST = ("accuracy", "balanced_accuracy", "f1_macro", "log_loss", "r2", "rmse", "mae")


def training_rows(result: "TrainResult") -> list[tuple[dict[str, Any], Evaluation]]:
    """Return the network and each baseline with its evaluation, the network first.

    Parameters
    ----------
    result : TrainResult
        A finished training.

    Returns
    -------
    rows : list of (dict, Evaluation)
        As :func:`score_row` gives them.
    """
    own = score_row(result.plan.recipe.model, result.evaluation, result.plan.n_train, result.seconds)
    rows = [(own, result.evaluation)]
    for each in result.baselines:
        row = score_row(each.name, each.evaluation, each.n_train, each.seconds)
        rows.append((row | {"is_model": False, "note": each.note}, each.evaluation))
    return rows


def score_row(
    name: str, evaluation: Evaluation, n_train: int | None = None, seconds: float | None = None
) -> dict[str, Any]:
    """Return the figures of one method.

    Parameters
    ----------
    name : str
        What it is called.
    evaluation : Evaluation
        Its figures.
    n_train : int, optional
        Rows it learned from.
    seconds : float, optional
        Time it took to learn.

    Returns
    -------
    row : dict
        ``name``, ``is_model``, ``metrics``, ``n_train``, ``seconds`` and ``note``.
    """
    return {
        "name": name,
        "is_model": True,
        "metrics": dict(evaluation.metrics),
        "n_train": n_train,
        "seconds": None if seconds is None else round(seconds, 4),
        "note": "",
    }


def score_table(rows: list[tuple[dict[str, Any], Evaluation]], *, seed: int = 0) -> dict[str, Any]:
    """Add intervals to the rows, and differences to all but the first.

    Parameters
    ----------
    rows : list of (dict, Evaluation)
        The network first; all of the same test rows.
    seed : int, default=0
        Seed of the resamples.

    Returns
    -------
    table : dict
        ``figure``, the score that is compared; ``level``, ``n_resamples`` and ``method`` of the intervals;
        ``rows``, each with ``metrics``, ``intervals`` (low and high by figure) and, but for the first,
        ``difference`` (``value``, ``low`` and ``high`` of the network's score minus this one).
    """
    evaluation = rows[0][1]
    figure = "accuracy" if evaluation.task == "classification" else "r2"
    work = len(evaluation.targets) * max(1, len(evaluation.classes))
    n_resamples = int(np.clip(MAX_WORK // work, MIN_RESAMPLES, MAX_RESAMPLES))
    for row, each in rows:
        _add_intervals(row, each, n_resamples, seed)
    others = {str(place): each for place, (_, each) in enumerate(rows) if place}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = difference_intervals(evaluation, others, n_resamples=n_resamples, random_state=seed) if others else {}
    for place, interval in found.items():
        rows[int(place)][0]["difference"] = {"value": interval.value, **_ends(interval.to_dict())}
    return {
        "figure": figure,
        "level": 0.95,
        "n_resamples": n_resamples,
        "method": "percentile bootstrap over the test rows, the same resamples for every method",
        "rows": [row for row, _ in rows],
    }


def _add_intervals(row: dict[str, Any], evaluation: Evaluation, n_resamples: int, seed: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = score_intervals(evaluation, n_resamples=n_resamples, random_state=seed)
    names = [*(name for name in FIRST if name in found), *(name for name in found if name not in FIRST)]
    row["metrics"] = {name: row["metrics"].get(name, found[name].value) for name in names}
    row["intervals"] = {name: [found[name].low, found[name].high] for name in names}


def _ends(interval: Mapping[str, Any]) -> dict[str, Any]:
    return {"low": interval["low"], "high": interval["high"]}
