"""Faulty runs by estimators: each fault over data sets, depths and activations, and its twin without the fault."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from faults.case import Case, Net
from faults.problems import Problem, draw, standardise

__all__ = [
    "Row", "as_they_are", "estimator_faults", "far_origin", "holes", "honest_rows_held_out", "more_columns",
    "noisy_targets", "of_rows", "of_settings", "one_target", "other_units", "rare", "shift", "shuffle",
    "sorted_rows", "telling_column", "tiny_units", "training_rows_held_out",
]  # fmt: skip

Row = tuple[str, tuple[int, ...], str, dict[str, Any]]
Corrupt = Callable[[Problem, np.random.RandomState], Problem]

#: What a healthy run has: batches small enough for a hundred rows, and time.
USUAL: dict[str, Any] = {"batch_size": 32, "max_iter": 150}


def _name(fault: str, row: Row, number: int) -> str:
    set_name, hidden, activation, _ = row
    widths = "x".join(map(str, hidden)) if len(set(hidden)) > 1 or len(hidden) < 3 else f"{len(hidden)}of{hidden[0]}"
    return f"{fault}/{set_name}-{activation}-{widths}-{number}"


def of_settings(
    fault: str, rows: list[Row], *, cure: dict[str, Any] | None = None, accepted: tuple[str, ...] = (), **how: Any
) -> list[Case]:
    """Faults of a configuration: the row's parameters, which the twin lacks; `cure` is the twin's own."""
    cases = []
    n_rows, common, measure = how.get("n_rows"), how.get("common", {}), how.get("measure", "score")
    corrupt: Corrupt | None = how.get("corrupt")
    for number, row in enumerate(rows):
        set_name, hidden, activation, params = row
        fix = dict(cure or {})
        healthy = Net(fix.pop("hidden", hidden), fix.pop("activation", activation), {**USUAL, **common, **fix})
        faulty = Net(hidden, activation, {**USUAL, **common, **params})

        def rows_of(seed: int, name: str = set_name) -> Problem:
            problem = draw(name, seed, n_rows=n_rows)
            return problem if corrupt is None else corrupt(problem, np.random.RandomState(seed))

        cases.append(
            Case(
                _name(fault, row, number), fault, (fault, *accepted),
                lambda seed, net=faulty, rows_of=rows_of: (rows_of(seed), net),
                lambda seed, net=healthy, rows_of=rows_of: (rows_of(seed), net),
                measure,
            )
        )  # fmt: skip
    return cases


def of_rows(fault: str, rows: list[Row], corrupt: Corrupt, *, accepted: tuple[str, ...] = (), **how: Any) -> list[Case]:
    """Faults of the rows: `corrupt` makes them; the twin has the rows as they were, or as `mend` leaves them."""
    cases = []
    n_rows, raw, measure = how.get("n_rows"), how.get("raw", False), how.get("measure", "score")
    mend: Corrupt | None = how.get("mend")
    for number, row in enumerate(rows):
        set_name, hidden, activation, params = row
        net = Net(hidden, activation, {**USUAL, **params})

        def broken(seed: int, name: str = set_name) -> Problem:
            return corrupt(draw(name, seed, n_rows=n_rows, raw=raw), np.random.RandomState(seed))

        def honest(seed: int, name: str = set_name) -> Problem:
            problem = draw(name, seed, raw=raw) if mend is None else draw(name, seed, n_rows=n_rows, raw=raw)
            return problem if mend is None else mend(problem, np.random.RandomState(seed))

        cases.append(
            Case(
                _name(fault, row, number), fault, (fault, *accepted),
                lambda seed, net=net, broken=broken: (broken(seed), net),
                lambda seed, net=net, honest=honest: (honest(seed), net),
                measure,
            )
        )  # fmt: skip
    return cases


# What is done to rows.


def as_they_are(problem: Problem, random: np.random.RandomState) -> Problem:
    return problem


def other_units(problem: Problem, random: np.random.RandomState) -> Problem:
    """Give each column its own unit and origin, as tables have them."""
    n = problem.X.shape[1]
    size, origin = 10.0 ** random.uniform(-1, 3, n), random.uniform(-5, 5, n)
    return replace(problem, X=(problem.X + origin) * size, X_test=(problem.X_test + origin) * size)


def far_origin(problem: Problem, random: np.random.RandomState) -> Problem:
    """Move every column away from 0, as years or temperatures in kelvin are."""
    origin = random.uniform(100, 300, problem.X.shape[1])
    return replace(problem, X=problem.X + origin, X_test=problem.X_test + origin)


def tiny_units(problem: Problem, random: np.random.RandomState) -> Problem:
    return replace(problem, X=problem.X * 0.005, X_test=problem.X_test * 0.005)


def shift(problem: Problem, random: np.random.RandomState) -> Problem:
    return replace(problem, y=np.roll(problem.y, int(random.choice([-2, -1, 1, 2]))))


def shuffle(problem: Problem, random: np.random.RandomState) -> Problem:
    return replace(problem, y=random.permutation(problem.y))


def one_target(problem: Problem, random: np.random.RandomState) -> Problem:
    """Leave one target value everywhere, but for two rows of classes (a join that failed)."""
    y = np.full_like(problem.y, problem.y[0])
    if problem.task == "classification":
        other = np.flatnonzero(problem.y != problem.y[0])
        y[other[:2]] = problem.y[other[0]]
    return replace(problem, y=y)


def rare(problem: Problem, random: np.random.RandomState) -> Problem:
    """Keep four in a hundred of class 1 beside class 0, and let the classes overlap."""
    keep = [np.flatnonzero(problem.y == 0), np.flatnonzero(problem.y == 1)]
    n_rare = max(10, len(keep[0]) // 25)
    rows = random.permutation(np.concatenate([keep[0], keep[1][:n_rare]]))
    test = np.flatnonzero(problem.y_test <= 1)
    noise, noise_test = random.normal(size=problem.X.shape), random.normal(size=problem.X_test.shape)
    X, X_test = problem.X + 0.35 * noise, problem.X_test + 0.35 * noise_test
    return replace(problem, X=X[rows], y=problem.y[rows], X_test=X_test[test], y_test=problem.y_test[test])


def noisy_targets(problem: Problem, random: np.random.RandomState, share: float = 0.3) -> Problem:
    """Give some rows a wrong class, or add noise to the numbers."""
    if problem.task == "regression":
        return replace(problem, y=problem.y + 0.8 * random.normal(size=problem.y.shape))
    wrong = random.uniform(size=len(problem.y)) < share
    return replace(problem, y=np.where(wrong, random.permutation(problem.y), problem.y))


def training_rows_held_out(problem: Problem, random: np.random.RandomState) -> Problem:
    """Hand in held-out rows of which half are training rows as well."""
    noisy = noisy_targets(problem, random)
    rows = random.permutation(len(noisy.y))
    split = len(rows) * 7 // 10
    train, own = rows[:split], rows[split:]
    val = np.concatenate([own, random.choice(train, len(own), replace=False)])
    return replace(noisy, X=noisy.X[train], y=noisy.y[train], X_val=noisy.X[val], y_val=noisy.y[val])


def honest_rows_held_out(problem: Problem, random: np.random.RandomState) -> Problem:
    noisy = noisy_targets(problem, random)
    rows = random.permutation(len(noisy.y))
    train, own = np.split(rows, [len(rows) * 7 // 10])
    return replace(noisy, X=noisy.X[train], y=noisy.y[train], X_val=noisy.X[own], y_val=noisy.y[own])


def telling_column(problem: Problem, random: np.random.RandomState) -> Problem:
    """Add a column that is made from the target; rows seen later have it from somewhere else."""
    numbers = problem.y.astype(float)
    telling = numbers + 0.02 * numbers.std() * random.normal(size=len(numbers))
    later = random.choice(numbers, len(problem.y_test))
    told = replace(problem, X=np.column_stack([problem.X, telling]), X_test=np.column_stack([problem.X_test, later]))
    return standardise(told)


def sorted_rows(problem: Problem, random: np.random.RandomState) -> Problem:
    order = np.argsort(problem.y, kind="stable")
    return replace(problem, X=problem.X[order], y=problem.y[order])


def holes(problem: Problem, random: np.random.RandomState) -> Problem:
    X = problem.X.copy()
    X[random.uniform(size=X.shape) < 0.02] = random.choice([np.nan, np.inf])
    return replace(problem, X=X)


def more_columns(problem: Problem, random: np.random.RandomState) -> Problem:
    """Add columns of noise until there are twice as many columns as rows."""
    extra = max(0, 2 * len(problem.X) - problem.X.shape[1])
    X = np.column_stack([problem.X, random.normal(size=(len(problem.X), extra))])
    X_test = np.column_stack([problem.X_test, random.normal(size=(len(problem.X_test), extra))])
    return replace(problem, X=X, X_test=X_test)


_SGD = {"solver": "sgd", "learning_rate_init": 0.05}


def _of_inputs() -> list[Case]:
    sigmoid = "logistic"
    raw: list[Row] = [
        ("wine", (30,), "tanh", {}), ("wine", (20, 20), sigmoid, {}), ("breast_cancer", (20, 20), sigmoid, {}),
        ("breast_cancer", (32,), "tanh", {}), ("houses", (32, 32), "tanh", {}), ("houses", (64,), "relu", {}),
        ("diabetes", (30,), "tanh", {}), ("friedman2", (32, 16), "relu", {}),
        ("parabola", (20, 20), sigmoid, {"batch_size": "auto", "max_iter": 1000}),
    ]  # fmt: skip
    units: list[Row] = [
        ("columns20", (64,), "relu", {}), ("blobs", (20, 20), "tanh", {}), ("friedman1", (50,), "relu", {}),
        ("digits", (40, 20), "tanh", {}),
    ]  # fmt: skip
    far: list[Row] = [
        ("moons", (32, 32), "relu", {}), ("circles", (40,), "tanh", {}), ("wave", (32,), "relu", {}),
    ]  # fmt: skip
    tiny: list[Row] = [("circles", (30, 30), "relu", {}), ("wave", (32, 32), "tanh", {})]
    name = "inputs_not_scaled"
    scaled = {"mend": lambda problem, random: standardise(problem), "n_rows": None, "raw": True}
    cases = of_rows(name, raw, as_they_are, **scaled)
    return (
        cases
        + [replace(case, name=case.name + "u") for case in of_rows(name, units, other_units)]
        + [replace(case, name=case.name + "f") for case in of_rows(name, far, far_origin)]
        + [replace(case, name=case.name + "t") for case in of_rows(name, tiny, tiny_units)]
    )


def _of_rate() -> list[Case]:
    cases = of_settings("learning_rate_too_high", [
        ("digits", (64,), "relu", {"learning_rate_init": 0.5}), ("wine", (30, 30), "tanh", {"learning_rate_init": 1.0}),
        ("friedman1", (50,), "relu", {"learning_rate_init": 0.5}),
        ("moons", (20, 20, 20), "relu", {"learning_rate_init": 0.3}),
        ("columns20", (40, 40), "logistic", {"learning_rate_init": 1.0}),
        ("diabetes", (32,), "tanh", {"learning_rate_init": 1.0}),
        ("spiral", (64, 64), "tanh", {"learning_rate_init": 0.3}),
    ], accepted=("diverging",))  # fmt: skip
    cases += of_settings("diverging", [
        ("friedman1", (50,), "relu", {**_SGD, "learning_rate_init": 2.0}),
        ("wave", (32, 32), "relu", {**_SGD, "learning_rate_init": 1.0}),
        ("diabetes", (40,), "relu", {**_SGD, "learning_rate_init": 5.0}),
        ("linear", (20, 20), "tanh", {**_SGD, "learning_rate_init": 10.0}),
        ("houses", (64,), "relu", {**_SGD, "learning_rate_init": 3.0}),
        ("digits", (50, 50), "relu", {**_SGD, "learning_rate_init": 5.0}),
    ], accepted=("learning_rate_too_high",), cure=_SGD)  # fmt: skip
    cases += of_settings("learning_rate_too_low", [
        ("digits", (64,), "relu", {"learning_rate_init": 1e-6}),
        ("wine", (30, 30), "tanh", {"learning_rate_init": 1e-6}),
        ("friedman1", (50,), "relu", {"learning_rate_init": 3e-6}),
        ("circles", (32, 32), "relu", {"learning_rate_init": 1e-6}),
        ("columns20", (40,), "logistic", {"learning_rate_init": 3e-6}),
        ("houses", (32,), "tanh", {**_SGD, "learning_rate_init": 1e-6}),
        ("breast_cancer", (20,), "relu", {**_SGD, "learning_rate_init": 1e-7}),
    ])  # fmt: skip
    cases += of_settings("batch_too_large", [
        ("digits", (64,), "relu", {"batch_size": 900, "max_iter": 60}),
        ("friedman1", (50,), "relu", {"batch_size": 1500, "max_iter": 80}),
        ("columns20", (40, 40), "tanh", {"batch_size": 1500, "max_iter": 60}),
        ("circles", (32,), "tanh", {"batch_size": 1500, "max_iter": 80}),
        ("wave", (64,), "relu", {"batch_size": 1500, "max_iter": 60}),
        ("spiral", (64, 64), "relu", {"batch_size": 1500, "max_iter": 80}),
    ], n_rows=1500, accepted=("too_few_epochs",), common={"max_iter": 80, "tol": 0.0})  # fmt: skip
    noisy = {"solver": "sgd", "learning_rate_init": 0.02, "max_iter": 60, "tol": 0.0}
    return cases + of_settings("batch_too_small", [
        ("friedman1", (50,), "relu", {**noisy, "batch_size": 1}),
        ("diabetes", (32,), "tanh", {**noisy, "batch_size": 1}),
        ("columns20", (40, 40), "relu", {**noisy, "batch_size": 1}),
        ("digits", (40,), "tanh", {**noisy, "batch_size": 1}),
        ("wave", (32, 32), "relu", {**noisy, "batch_size": 2}),
        ("breast_cancer", (30,), "relu", {**noisy, "learning_rate_init": 0.05, "batch_size": 1}),
    ], cure={**noisy, "batch_size": 32}, accepted=("learning_rate_too_high",))  # fmt: skip


def _of_weights() -> list[Case]:
    wide = {"init": "normal", "init_sigma": 8.0}
    cases = of_settings("saturated_sigmoids", [
        ("digits", (40, 40), "logistic", wide), ("wine", (30, 30), "tanh", wide), ("wave", (32, 32, 32), "tanh", wide),
        ("columns20", (50, 50), "logistic", wide), ("spiral", (40, 40, 40), "tanh", wide),
        ("friedman1", (40, 40), "logistic", {**wide, "init_sigma": 15.0}),
    ])  # fmt: skip
    cases += of_settings("vanishing_gradient", [
        ("digits", (30,) * 6, "logistic", {}), ("wine", (20,) * 8, "logistic", {}),
        ("moons", (20,) * 10, "logistic", {}), ("friedman1", (30,) * 7, "logistic", {}),
        ("circles", (32,) * 6, "tanh", {"init": "normal", "init_sigma": 0.02}),
        ("wave", (32,) * 5, "logistic", {}),
        ("columns20", (40,) * 8, "relu", {"init": "normal", "init_sigma": 0.03}),
    ], cure={"activation": "relu", "init": "he_normal"})  # fmt: skip
    cases += of_settings("exploding_gradient", [
        ("digits", (50,) * 6, "relu", {"init": "normal", "init_sigma": 1.0}),
        ("wine", (40,) * 7, "relu", {"init": "normal", "init_sigma": 1.0}),
        ("friedman1", (50,) * 5, "relu", {"init": "normal", "init_sigma": 1.5}),
        ("columns20", (60,) * 6, "leaky_relu", {"init": "normal", "init_sigma": 0.8}),
        ("moons", (40,) * 8, "relu", {"init": "normal", "init_sigma": 1.0}),
        ("wave", (50,) * 6, "relu", {"init": "normal", "init_sigma": 0.8}),
    ], cure={"init": "he_normal"})  # fmt: skip
    return cases + of_settings("symmetric_initialization", [
        ("digits", (64,), "tanh", {"init": "zeros"}), ("moons", (20, 20), "relu", {"init": "zeros"}),
        ("wine", (30,), "logistic", {"init": "zeros"}), ("friedman1", (40,), "relu", {"init": "zeros"}),
        ("circles", (32,), "tanh", {"init": "zeros"}), ("wave", (32, 32, 32), "tanh", {"init": "zeros"}),
    ])  # fmt: skip


def _of_outputs() -> list[Case]:
    squares = {"loss": "mse"}
    cases = of_settings("wrong_output_unit", [
        ("friedman1", (50,), "relu", {"out_activation": "logistic"}),
        ("houses", (32, 32), "tanh", {"out_activation": "relu"}),
        ("diabetes", (40,), "relu", {"out_activation": "logistic"}),
        ("wave", (32,), "tanh", {"out_activation": "softplus"}),
        ("linear", (32,), "relu", {"out_activation": "relu"}),
    ])  # fmt: skip
    cases += of_settings("wrong_loss", [
        ("digits", (64,), "logistic", {**squares, "out_activation": "softmax", **_SGD, "learning_rate_init": 0.01}),
        ("columns20", (40, 40), "logistic", {**squares, "out_activation": "softmax", **_SGD,
        "learning_rate_init": 0.01}),
        ("blobs", (30,), "tanh", {**squares, "out_activation": "softmax", **_SGD, "learning_rate_init": 0.01}),
    ], cure={**_SGD, "learning_rate_init": 0.01}, accepted=("wrong_output_unit",))  # fmt: skip
    stall = {"max_iter": 200, "n_iter_no_change": 10, "batch_size": 200}
    return cases + of_settings("predicts_the_prior", [
        ("circles", (20, 20, 20), "logistic", stall), ("digits", (20, 20, 20), "logistic", stall),
        ("spiral", (30, 30, 30), "logistic", stall), ("moons", (20, 20, 20), "logistic", stall),
        ("wave", (20, 20, 20), "logistic", stall),
    ], cure={"activation": "relu"}, accepted=("stopped_too_early", "vanishing_gradient"))  # fmt: skip


def _of_labels() -> list[Case]:
    nets: list[Row] = [
        ("wine", (30,), "relu", {}), ("digits", (50,), "tanh", {}), ("breast_cancer", (20, 20), "relu", {}),
        ("blobs", (30, 30), "logistic", {}), ("friedman1", (50,), "relu", {}), ("wave", (32, 32), "tanh", {}),
    ]  # fmt: skip
    return (
        of_rows("labels_shifted", nets, shift)
        + of_rows("labels_shuffled", [*nets, ("columns20", (40,), "relu", {})], shuffle)
        + of_rows("labels_constant", nets, one_target, accepted=("predicts_the_prior",))
    )


def _of_time() -> list[Case]:
    cases = of_settings("too_few_epochs", [
        ("digits", (64,), "relu", {"max_iter": 2}), ("wine", (30, 30), "tanh", {"max_iter": 3}),
        ("friedman1", (50,), "relu", {"max_iter": 3}), ("circles", (32,), "relu", {"max_iter": 5}),
        ("columns20", (40, 40), "logistic", {"max_iter": 4}), ("houses", (32,), "tanh", {"max_iter": 3}),
    ])  # fmt: skip
    early = {"early_stopping": True, "n_iter_no_change": 1}
    return cases + of_settings("stopped_too_early", [
        ("digits", (40,), "logistic", {"tol": 0.3, "n_iter_no_change": 2}), ("spiral", (64, 64), "relu", early),
        ("circles", (32, 32), "tanh", {**early, "tol": 0.02}),
        ("friedman1", (50,), "tanh", {"tol": 0.2, "n_iter_no_change": 1}),
        ("columns20", (40,), "relu", {**early, "tol": 0.05}), ("wave", (32, 32), "relu", {**early, "tol": 0.1}),
        ("wine", (20,), "tanh", {"tol": 0.3, "n_iter_no_change": 1}),
    ], accepted=("too_few_epochs",))  # fmt: skip


def _of_capacity() -> list[Case]:
    cases = of_settings("underfits", [
        ("circles", (1,), "tanh", {}), ("digits", (2,), "relu", {}), ("spiral", (2,), "tanh", {}),
        ("wave", (1,), "tanh", {}), ("friedman1", (1,), "relu", {}), ("digits", (30, 1, 30), "tanh", {}),
    ], cure={"hidden": (64, 32)}, common={"max_iter": 400, "tol": 1e-5})  # fmt: skip
    wild = {"max_iter": 400, "n_iter_no_change": 400, "alpha": 0.0, "learning_rate_init": 0.005}
    calm = {"early_stopping": True, "validation_fraction": 0.2, "alpha": 0.1, "n_iter_no_change": 20}
    cases += of_settings("overfits", [
        ("moons", (200, 200), "relu", wild), ("breast_cancer", (200, 200), "relu", wild),
        ("friedman1", (300, 100), "relu", wild), ("diabetes", (200, 100), "relu", wild),
        ("blobs", (200, 200), "tanh", wild), ("houses", (200, 200), "tanh", wild),
        ("circles", (300, 100), "relu", wild),
    ], cure=calm, corrupt=noisy_targets)  # fmt: skip
    return cases + of_rows("too_little_data", [
        ("digits", (50,), "relu", {}), ("breast_cancer", (30,), "tanh", {}), ("columns20", (40, 40), "relu", {}),
        ("friedman1", (50,), "relu", {}), ("wine", (30,), "relu", {}), ("linear", (40,), "tanh", {}),
    ], more_columns, n_rows=30, accepted=("overfits",))  # fmt: skip


def _of_restraint() -> list[Case]:
    cases = of_settings("regularization_too_strong", [
        ("digits", (64,), "relu", {"alpha": 100.0}), ("wine", (30, 30), "tanh", {"alpha": 50.0}),
        ("friedman1", (50,), "relu", {"alpha": 100.0}), ("circles", (32, 32), "relu", {"alpha": 10.0}),
        ("columns20", (40,), "logistic", {"l1": 5.0}), ("wave", (32, 32), "tanh", {"l1": 3.0}),
        ("houses", (40,), "relu", {"max_norm": 0.05}), ("breast_cancer", (20, 20), "logistic", {"alpha": 30.0}),
    ])  # fmt: skip
    return cases + of_settings("dropout_too_strong", [
        ("digits", (64,), "relu", {"dropout": 0.95}), ("wine", (30, 30), "tanh", {"dropout": 0.9}),
        ("friedman1", (50,), "relu", {"dropout": 0.9}), ("circles", (32, 32), "relu", {"dropout": 0.95}),
        ("columns20", (40, 40), "logistic", {"dropout": 0.9}), ("wave", (40, 40), "tanh", {"dropout": 0.9}),
        ("digits", (50, 50), "tanh", {"input_dropout": 0.95}),
    ])  # fmt: skip


def _of_sampling() -> list[Case]:
    one_order = {"shuffle": False, "solver": "sgd", "learning_rate_init": 0.1, "batch_size": 16, "max_iter": 30}
    cases = of_rows("bad_data_order", [
        ("digits", (40,), "relu", one_order), ("wine", (30,), "tanh", one_order),
        ("friedman1", (50,), "relu", one_order),
        ("columns20", (40, 40), "relu", one_order), ("blobs", (30,), "tanh", one_order),
        ("wave", (32, 32), "tanh", one_order),
    ], sorted_rows, mend=as_they_are)  # fmt: skip
    cases += of_settings("class_imbalance", [
        (name, hidden, activation, {})
        for name, hidden, activation in (
            ("moons", (32,), "relu"), ("circles", (32, 32), "tanh"), ("blobs", (30,), "relu"),
            ("columns20", (40,), "logistic"), ("parabola", (32,), "relu"), ("spiral", (40, 40), "relu"),
        )
    ], cure={"class_weight": "balanced"}, corrupt=rare, n_rows=1200, measure="balanced",
        common={"max_iter": 80})  # fmt: skip
    wild = {"max_iter": 300, "tol": 0.0}
    cases += of_rows("leakage_between_splits", [
        ("moons", (200, 100), "relu", wild), ("breast_cancer", (100, 100), "relu", wild),
        ("wave", (200, 100), "relu", wild),
        ("blobs", (200, 100), "tanh", wild), ("friedman1", (200,), "relu", wild), ("digits", (100,), "tanh", wild),
    ], training_rows_held_out, mend=honest_rows_held_out, measure="optimism")  # fmt: skip
    cases += of_rows("leakage_from_a_column", [
        ("wine", (30,), "relu", {}), ("digits", (50,), "tanh", {}), ("breast_cancer", (20, 20), "relu", {}),
        ("infert", (20,), "tanh", {}), ("friedman1", (50,), "relu", {}), ("wave", (32, 32), "tanh", {}),
    ], telling_column)  # fmt: skip
    return cases + of_rows("non_finite_values", [
        ("wine", (30,), "relu", {}), ("digits", (50,), "tanh", {}), ("friedman1", (50,), "relu", {}),
        ("infert", (20, 20), "logistic", {}),
    ], holes)  # fmt: skip


def estimator_faults() -> list[Case]:
    """Return the faulty runs of estimators."""
    groups = (
        _of_inputs, _of_rate, _of_weights, _of_outputs, _of_labels, _of_time, _of_capacity, _of_restraint, _of_sampling,
    )  # fmt: skip
    return [case for group in groups for case in group()]
