"""Whether a faulty run is worse than its twin, and a healthy one as good as simple peers, on rows nobody trained on."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, balanced_accuracy_score, r2_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from faults.case import Case, Loop, Net
from faults.problems import Problem, standardise
from strata.errors import NonFiniteError

__all__ = ["Check", "check"]

SEEDS = 4
#: Smaller harm than this is within what one cares about, however certain.
LEAST_HARM = 0.02
#: A healthy net may be this much below the best of three peers, or twice the error of the test rows' score.
MARGIN = 0.04


@dataclass(frozen=True)
class Check:
    """Scores on fresh rows; `fit` says whether the run belongs into the bench."""

    name: str
    fit: bool
    own: float
    own_spread: float
    other: float
    other_spread: float

    def __str__(self) -> str:
        other = "twin" if not self.name.startswith("healthy/") else "best peer"
        return (
            f"{'ok  ' if self.fit else 'DROP'} {self.name}: {self.own:.3f} ± {self.own_spread:.3f}, "
            f"{other} {self.other:.3f} ± {self.other_spread:.3f}"
        )


def check(case: Case) -> Check:
    """Measure one run over seeds of rows and weights."""
    seeds = range(case.seed, case.seed + SEEDS)
    own = [_figure(case, *case.faulty(seed), seed) for seed in seeds]
    if case.twin is None:
        peers = [_best_peer(case.faulty(seed)[0], case.measure) for seed in seeds]
        rows = len(case.faulty(case.seed)[0].y_test)
        error = math.sqrt(0.25 / rows) if case.faulty(case.seed)[0].task == "classification" else 0.0
        fit = np.mean(own) >= np.mean(peers) - max(MARGIN, error)
        return Check(case.name, bool(fit), *_spread(own), *_spread(peers))
    other = [_figure(case, *case.twin(seed), seed) for seed in seeds]
    error = math.sqrt((np.var(own, ddof=1) + np.var(other, ddof=1)) / SEEDS)
    fit = np.mean(other) - np.mean(own) > max(LEAST_HARM, 2 * error)
    return Check(case.name, bool(fit), *_spread(own), *_spread(other))


def _spread(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1))


def _figure(case: Case, problem: Problem, how: object, seed: int) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if not isinstance(how, Net):
                loop = how(problem, seed)
                train(loop)
                return _scored(problem, _answers(loop, problem), case.measure)
            fitted = how.build(problem.task, seed).fit(problem.X, problem.y)
            if case.measure == "optimism":
                return -float(fitted.score(problem.X_val, problem.y_val))
            return _scored(problem, fitted.predict(problem.X_test), case.measure)
        except (NonFiniteError, FloatingPointError):
            return _worst(problem)
        except ValueError:
            if np.isfinite(problem.X).all():
                raise
            return _worst(problem)


def _worst(problem: Problem) -> float:
    """Score of the answer that needs no network."""
    return 1.0 / problem.n_classes if problem.task == "classification" else 0.0


def _scored(problem: Problem, answers: np.ndarray, measure: str) -> float:
    if problem.task == "regression":
        finite = np.nan_to_num(answers, nan=0.0, posinf=1e6, neginf=-1e6)
        return max(-1.0, float(r2_score(problem.y_test, finite)))
    score = balanced_accuracy_score if measure == "balanced" else accuracy_score
    return float(score(problem.y_test, answers))


def train(loop: Loop) -> None:
    """Run a script's loop as its user would."""
    for _ in range(loop.epochs):
        for x, targets in loop.loader:
            loop.optimizer.zero_grad()
            loss = loop.loss(loop.module(x), targets)
            if not torch.isfinite(loss):
                raise FloatingPointError
            loss.backward()
            loop.optimizer.step()


def _answers(loop: Loop, problem: Problem) -> np.ndarray:
    shape = next(iter(loop.loader))[0].shape[1:]
    loop.module.eval()
    with torch.no_grad():
        scores = loop.module(torch.as_tensor(problem.X_test, dtype=torch.float32).reshape(-1, *shape)).numpy()
    if problem.task == "regression":
        return scores[:, 0]
    if scores.shape[1] == 1:
        middle = 0.5 if scores.min() >= 0 and scores.max() <= 1 else 0.0
        return (scores[:, 0] > middle).astype(int)
    return scores.argmax(axis=1)


def _best_peer(problem: Problem, measure: str) -> float:
    problem = standardise(problem)
    peers = (
        (LogisticRegression(max_iter=1000), KNeighborsClassifier(5), RandomForestClassifier(50, random_state=0))
        if problem.task == "classification"
        else (Ridge(), KNeighborsRegressor(5), RandomForestRegressor(50, random_state=0))
    )
    fitted = [peer.fit(problem.X, problem.y) for peer in peers]
    return max(_scored(problem, peer.predict(problem.X_test), measure) for peer in fitted)
