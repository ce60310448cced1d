"""The same training again, with other seeds or fewer rows: how much is luck, and what would more data bring."""

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from strata.report.building import build_estimator
from strata.report.evaluation import Evaluation
from strata.report.planning import Plan
from strata.report.scoring import score_model

if TYPE_CHECKING:
    from strata.report.training import TrainResult

__all__ = ["learning_curve", "seed_spread", "spread_of"]

#: Shares of the training rows; their sum is what the learning curve costs, in trainings.
SHARES = (0.1, 0.2, 0.4, 0.7)
MIN_ROWS = 10
#: What belongs to the kept training alone.
OWN = ("callbacks", "checkpoint", "progress", "resume")
Say = Callable[[str], None]


def _again(plan: Plan, settings: Mapping[str, Any]) -> Any:
    """Train what a plan says, without folder, callbacks and display."""
    rest = {name: value for name, value in settings.items() if name not in OWN}
    estimator = build_estimator(plan, rest | {"random_state": plan.seed})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(plan.inputs(plan.X_train), plan.y_train)


def seed_spread(
    result: "TrainResult", settings: Mapping[str, Any], n_seeds: int, *, say: Say | None = None
) -> dict[str, Any]:
    """Train again with the seeds that follow, on the same rows, and score on the same rows.

    Parameters
    ----------
    result : TrainResult
        The first training, which counts as one.
    settings : mapping of str to object
        Device, threads, time limit of each training.
    n_seeds : int
        Trainings in all, with the first.
    say : callable, optional
        Takes one line of progress.

    Returns
    -------
    spread : dict
        ``runs``, a list of ``seed`` and ``metrics``; ``mean``, ``std`` (with n - 1), ``min`` and ``max`` of
        each metric over the runs.
    """
    plan = result.plan

    def again(seed: int) -> Evaluation:
        fitted = _again(dataclasses.replace(plan, seed=seed), settings)
        return score_model(fitted, plan.inputs(plan.X_test), plan.y_test, task=plan.problem.task)

    return spread_of(result, n_seeds, again, say=say)


def spread_of(
    result: "TrainResult", n_seeds: int, again: Callable[[int], Evaluation], *, say: Say | None = None
) -> dict[str, Any]:
    """Train with the seeds that follow that of a first training, and say how far the figures lie apart.

    Parameters
    ----------
    result : TrainResult
        The first training, which counts as one.
    n_seeds : int
        Trainings in all, with the first.
    again : callable
        Takes a seed, trains and scores.
    say : callable, optional
        Takes one line of progress.

    Returns
    -------
    spread : dict
        As :func:`seed_spread` gives it.
    """
    first = result.plan.seed
    runs: list[dict[str, Any]] = [{"seed": first, "metrics": dict(result.evaluation.metrics)}]
    for number in range(1, n_seeds):
        seed = (first + number) % 2**32
        if say is not None:
            say(f"training with seed {seed} ({number + 1} of {n_seeds})")
        runs.append({"seed": seed, "metrics": dict(again(seed).metrics)})
    spread: dict[str, Any] = {"runs": runs, "mean": {}, "std": {}, "min": {}, "max": {}}
    for name in result.evaluation.metrics:
        values = np.array([run["metrics"].get(name, np.nan) for run in runs], dtype=np.float64)
        spread["mean"][name] = float(values.mean())
        spread["std"][name] = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        spread["min"][name], spread["max"][name] = float(values.min()), float(values.max())
    return spread


def learning_curve(result: "TrainResult", settings: Mapping[str, Any], *, say: Say | None = None) -> dict[str, Any]:
    """Train on a tenth, a fifth, two and seven tenths of the training rows; score each on the same test rows.

    Parameters
    ----------
    result : TrainResult
        The training on all rows, the last point of the curve.
    settings : mapping of str to object
        Device, threads, time limit of each training.
    say : callable, optional
        Takes one line of progress.

    Returns
    -------
    curve : dict
        ``figure`` ("accuracy" or "r2") and ``points``: a list of ``n_train``, ``test`` and ``train`` scores,
        and ``note`` where a part of the rows could not be learned from. The parts are nested.
    """
    plan, task = result.plan, result.plan.problem.task
    points: list[dict[str, Any]] = []
    for share in SHARES:
        rows = _part(plan, share)
        if len(rows) < MIN_ROWS:
            continue
        if say is not None:
            say(f"training on {len(rows)} of {len(plan.y_train)} rows")
        part = dataclasses.replace(plan, X_train=plan.X_train.iloc[rows], y_train=plan.y_train[rows])
        try:
            fitted = _again(part, settings)
        except ValueError as error:  # too few rows of a class to keep some aside, say
            points.append({"n_train": len(rows), "test": None, "train": None, "note": str(error)[:200]})
            continue
        points.append({"n_train": len(rows), **_scores(fitted, part, task), "note": ""})
    points.append({"n_train": len(plan.y_train), **_scores(result.estimator, plan, task), "note": ""})
    return {"figure": "accuracy" if task == "classification" else "r2", "points": points}


def _scores(fitted: Any, plan: Plan, task: str) -> dict[str, float]:
    test = score_model(fitted, plan.inputs(plan.X_test), plan.y_test, task=task).score
    return {"test": test, "train": score_model(fitted, plan.inputs(plan.X_train), plan.y_train, task=task).score}


def _part(plan: Plan, share: float) -> np.ndarray:
    """Return the sorted first rows of one shuffled order, and one row at least of each class."""
    order = check_random_state(plan.seed).permutation(len(plan.y_train))
    rows = order[: round(share * len(order))]
    if plan.problem.task == "classification":
        first = np.unique(plan.y_train[order], return_index=True)[1]
        rows = np.union1d(rows, order[first])
    return np.sort(rows)
