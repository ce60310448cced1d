"""Healthy runs: nets that do as well as their data let them, of as many kinds as the faulty ones."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from faults.case import Case, Net
from faults.problems import Problem, draw

__all__ = [
    "NETS", "healthy_case", "healthy_estimators", "held_out", "mild_units", "mislabelled", "one_in_five", "sorted_rows",
    "unchanged",
]  # fmt: skip

STOP: dict[str, Any] = {"early_stopping": True, "validation_fraction": 0.15, "n_iter_no_change": 20}
LONG: dict[str, Any] = {"max_iter": 300, "batch_size": 32}

#: Well-set configurations; each meets several data sets.
NETS: dict[str, Net] = {
    "plain": Net((64,), "relu", {**LONG, "max_iter": 120}),
    "tanh": Net((32, 32), "tanh", {**LONG, "max_iter": 150}),
    "logistic": Net((40,), "logistic", {**LONG, "learning_rate_init": 0.01}),
    "stopping": Net((64, 32), "relu", {**LONG, **STOP}),
    "wide": Net((300,), "relu", {**LONG, **STOP}),
    "deep": Net((32,) * 5, "relu", {**LONG, **STOP, "init": "he_normal"}),
    "sgd": Net((50,), "relu", {**LONG, "solver": "sgd", "learning_rate_init": 0.02, "max_iter": 200}),
    "lbfgs": Net((20,), "tanh", {"solver": "lbfgs", "alpha": 1.0, "max_iter": 400}),
    "dropout": Net((100,), "relu", {**LONG, "dropout": 0.2, "max_iter": 150}),
    "silu": Net((48, 24), "silu", {**LONG, **STOP, "learning_rate_init": 0.003}),
    "decayed": Net((64, 64), "relu", {**LONG, **STOP, "alpha": 0.1}),
    "autograd": Net((40,), "relu", {**LONG, "max_iter": 80, "engine": "autograd"}),
    "scaling": Net((50,), "relu", {**LONG, **STOP, "scale_inputs": True}),
    "adamw": Net((64,), "gelu", {**LONG, **STOP, "solver": "adamw"}),
}

CLASSES = ("iris", "wine", "breast_cancer", "digits", "moons", "circles", "blobs", "columns20", "parabola")
NUMBERS = ("diabetes", "houses", "wave", "friedman1", "friedman2", "linear")


def healthy_case(
    label: str, set_name: str, net: Net, change: Callable[[Problem, np.random.RandomState], Problem], **how: Any
) -> Case:
    def rows(seed: int) -> tuple[Problem, Net]:
        return change(draw(set_name, seed, **how), np.random.RandomState(seed)), net

    return Case(f"healthy/{set_name}-{label}", "healthy", ("healthy",), rows, None)


def unchanged(problem: Problem, random: np.random.RandomState) -> Problem:
    return problem


def mislabelled(problem: Problem, random: np.random.RandomState) -> Problem:
    """Let one row in ten have another class or a number from elsewhere, in all rows alike."""

    def spoil(y: np.ndarray) -> np.ndarray:
        return np.where(random.uniform(size=len(y)) < 0.1, random.permutation(y), y)

    return replace(problem, y=spoil(problem.y), y_test=spoil(problem.y_test))


def one_in_five(problem: Problem, random: np.random.RandomState) -> Problem:
    """Thin class 1 out to a fifth, in all rows alike: uneven, but learnable."""

    def thin(y: np.ndarray) -> np.ndarray:
        return np.flatnonzero((y != 1) | (random.uniform(size=len(y)) < 0.25))

    train, test = thin(problem.y), thin(problem.y_test)
    return replace(
        problem, X=problem.X[train], y=problem.y[train], X_test=problem.X_test[test], y_test=problem.y_test[test]
    )


def held_out(problem: Problem, random: np.random.RandomState) -> Problem:
    """Hand in held-out rows of the caller's own."""
    rows = random.permutation(len(problem.y))
    train, own = np.split(rows, [len(rows) * 3 // 4])
    return replace(problem, X=problem.X[train], y=problem.y[train], X_val=problem.X[own], y_val=problem.y[own])


def mild_units(problem: Problem, random: np.random.RandomState) -> Problem:
    """Leave inputs a little off: means within half a deviation, deviations between 0.5 and 2."""
    n = problem.X.shape[1]
    size, origin = 2.0 ** random.uniform(-1, 1, n), random.uniform(-0.5, 0.5, n)
    return replace(problem, X=(problem.X + origin) * size, X_test=(problem.X_test + origin) * size)


def sorted_rows(problem: Problem, random: np.random.RandomState) -> Problem:
    """Sort the rows by target; batches are drawn at random all the same."""
    order = np.argsort(problem.y, kind="stable")
    return replace(problem, X=problem.X[order], y=problem.y[order])


def healthy_estimators() -> list[Case]:
    """Return the healthy runs of estimators; the check drops those that fall behind simple peers."""
    cases = []
    for number, set_name in enumerate(CLASSES + NUMBERS):
        for place, (label, net) in enumerate(NETS.items()):
            if (number + place) % 3 == 0:
                cases.append(healthy_case(label, set_name, net, unchanged))
    variants: list[tuple[str, Any, str, tuple[str, ...]]] = [
        ("mislabelled", mislabelled, "stopping", ("digits", "moons", "blobs", "wave", "columns20")),
        ("mislabelled", mislabelled, "decayed", ("breast_cancer", "circles", "linear")),
        ("one_in_five", one_in_five, "plain", ("moons", "blobs", "parabola", "circles")),
        ("one_in_five", one_in_five, "tanh", ("digits", "wine", "columns20")),
        ("held_out", held_out, "stopping", ("digits", "circles", "wave", "breast_cancer")),
        ("held_out", held_out, "sgd", ("moons", "blobs", "houses")),
        ("mild_units", mild_units, "plain", ("digits", "circles", "wave", "columns20")),
        ("mild_units", mild_units, "deep", ("moons", "blobs", "linear")),
        ("sorted", sorted_rows, "tanh", ("digits", "wine", "wave", "blobs")),
    ]
    for label, change, net_name, names in variants:
        cases += [healthy_case(f"{label}-{net_name}", name, NETS[net_name], change) for name in names]
    few = (
        ("small-scaling", "scaling", ("moons", "blobs", "houses")),
        ("small-lbfgs", "lbfgs", ("circles", "wave", "linear")),
    )
    for label, net_name, names in few:
        cases += [healthy_case(label, name, NETS[net_name], unchanged, n_rows=150) for name in names]
    raw = ("wine", "houses", "breast_cancer", "diabetes")
    return cases + [healthy_case("raw-scaling", name, NETS["scaling"], unchanged, raw=True) for name in raw]
