"""Facts about bagging: what the mean of k networks gains, and what a bootstrap sample holds."""

from functools import cache
from typing import Any

import numpy as np

from strata.estimators import BaggedMLPRegressor
from strata.estimators._bagging import bagging_report
from strata.verify._registry import Between, Section

__all__: list[str] = []

claim = Section("bagging")


def _errors(v: float, c: float, k: int = 5, n: int = 400_000) -> np.ndarray:
    """Draw errors of k networks with variance v and covariance c, shape (k, n, 1)."""
    random = np.random.RandomState(0)
    shared = c**0.5 * random.normal(size=(1, n, 1))
    return np.asarray(shared + (v - c) ** 0.5 * random.normal(size=(k, n, 1)))


def _report(v: float, c: float) -> dict[str, float]:
    errors = _errors(v, c)
    return bagging_report(errors, np.ones(errors.shape[:2], dtype=bool))


@claim("mean of 5 networks, v = 1, c = .3: v/k + (k-1)c/k = .44, by 4e5 draws", "S3, A 9", [0.44, 0.44], tolerance=4e-3)
def _gain() -> list[float]:
    report = _report(1.0, 0.3)
    return [report["ensemble_error"], report["formula"]]


@claim("c = 0 gives v/k", "S3, A 9", [0.2, 0.2], tolerance=2e-3)
def _independent() -> list[float]:
    report = _report(1.0, 0.0)
    return [report["ensemble_error"], report["formula"]]


@claim("c = v gives v: nothing is gained", "S3, A 9", 0.0, tolerance=1e-12)
def _same() -> float:
    report = _report(1.0, 1.0)
    return abs(report["ensemble_error"] - report["v"]) + abs(report["formula"] - report["v"])


@cache
def _bag() -> BaggedMLPRegressor:
    random = np.random.RandomState(0)
    X = random.uniform(-2, 2, size=(400, 1))
    y = np.sin(2 * X[:, 0]) + 0.3 * random.normal(size=400)
    bag = BaggedMLPRegressor(20, (10,), max_iter=60, learning_rate_init=0.02, random_state=0)
    return bag.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])


@claim("bag of 20 networks on held-out rows: error of the mean less the formula's", "S3, A 9", 0.0, tolerance=1e-12)
def _formula() -> float:
    report: Any = _bag().bagging_report_
    return float(report["ensemble_error"] - report["formula"])


@claim("error of the mean over the mean error of the networks", "S3, A 14", Between(0.0, 1.0))
def _ratio() -> float:
    report: Any = _bag().bagging_report_
    return float(report["ensemble_error"] / report["v"])


@claim("distinct rows in a bootstrap sample of 300: 1 - (1 - 1/n)^n = 63.3 %", "S3, A 9", 0.6327, tolerance=0.02)
def _distinct() -> float:
    return float(np.mean([len(np.unique(rows)) / 300 for rows in _bag().estimators_samples_]))
