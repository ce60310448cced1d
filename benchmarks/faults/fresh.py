"""The reporting half: the faults again, on data sets, depths and settings that nothing was tuned on.

The rows were written, and those that do no harm dropped, before any diagnosis of them was seen. A half that has been
looked at while a threshold or a judge was changed is blind no more: it joins the tuning half, and new rows are drawn.
"""

from dataclasses import replace
from typing import Any

from torch import nn

from faults.case import Case
from faults.faulty import (
    Row,
    as_they_are,
    far_origin,
    holes,
    honest_rows_held_out,
    more_columns,
    noisy_targets,
    of_rows,
    of_settings,
    one_target,
    other_units,
    rare,
    shift,
    shuffle,
    sorted_rows,
    telling_column,
    tiny_units,
    training_rows_held_out,
)  # fmt: skip
from faults.healthy import NETS, healthy_case, held_out, mild_units, mislabelled, one_in_five, unchanged
from faults.healthy import sorted_rows as sorted_for_healthy
from faults.modules import (
    LogOfProbability,
    RootOfScore,
    changed,
    even,
    image_net,
    normalized,
    of_classes,
    of_numbers,
    residual,
    script,
    script_case,
    sunk,
    wide,
)  # fmt: skip
from faults.problems import standardise

__all__ = ["fresh_cases"]

CLASSES = ("checkers", "hastie", "tones", "shells", "columns12", "digit_parity")
NUMBERS = ("pendulum", "harvest", "friedman3", "swiss_roll", "wine_alcohol", "cell_area")
_SGD: dict[str, Any] = {"solver": "sgd", "learning_rate_init": 0.05}


def _of_inputs() -> list[Case]:
    raw: list[Row] = [
        ("harvest", (40,), "tanh", {}), ("harvest", (24, 24, 24), "relu", {}), ("cell_area", (16, 16), "logistic", {}),
        ("wine_alcohol", (24,), "relu", {}),
    ]  # fmt: skip
    units: list[Row] = [
        ("hastie", (48,), "relu", {}),
        ("columns12", (24, 24), "tanh", {}),
        ("swiss_roll", (40, 20), "relu", {}),
    ]
    far: list[Row] = [("checkers", (40, 40), "tanh", {}), ("pendulum", (24, 24), "relu", {})]
    small: list[Row] = [("shells", (40,), "relu", {}), ("checkers", (24, 24), "logistic", {})]
    name = "inputs_not_scaled"
    mend = {"mend": lambda problem, random: standardise(problem), "raw": True}
    groups = (
        ("", of_rows(name, raw, as_they_are, **mend)),
        ("u", of_rows(name, units, other_units)),
        ("f", of_rows(name, far, far_origin)),
        ("t", of_rows(name, small, tiny_units)),
    )
    return [replace(case, name=case.name + end) for end, cases in groups for case in cases]


def _of_rate() -> list[Case]:
    cases = of_settings("learning_rate_too_high", [
        ("columns12", (48,), "tanh", {"learning_rate_init": 0.8}),
        ("digit_parity", (40, 40), "relu", {"learning_rate_init": 0.3}),
        ("shells", (30, 30), "logistic", {"learning_rate_init": 1.0}),
        ("friedman3", (40,), "relu", {"learning_rate_init": 0.6}),
        ("pendulum", (20, 20), "tanh", {"learning_rate_init": 0.5}),
    ], accepted=("diverging",))  # fmt: skip
    cases += of_settings("diverging", [
        ("pendulum", (40,), "relu", {**_SGD, "learning_rate_init": 2.0}),
        ("cell_area", (30, 30), "relu", {**_SGD, "learning_rate_init": 2.0}),
        ("swiss_roll", (60,), "relu", {**_SGD, "learning_rate_init": 4.0}),
        ("tones", (40, 40), "relu", {**_SGD, "learning_rate_init": 8.0}),
    ], accepted=("learning_rate_too_high",), cure=_SGD)  # fmt: skip
    cases += of_settings("learning_rate_too_low", [
        ("tones", (48,), "relu", {"learning_rate_init": 2e-6}),
        ("digit_parity", (30, 30), "tanh", {"learning_rate_init": 1e-6}),
        ("swiss_roll", (40,), "relu", {"learning_rate_init": 5e-6}),
        ("cell_area", (24,), "tanh", {**_SGD, "learning_rate_init": 1e-6}),
        ("columns12", (32, 16), "silu", {"learning_rate_init": 1e-6}),
    ])  # fmt: skip
    cases += of_settings("batch_too_large", [
        ("checkers", (48, 48), "relu", {"batch_size": 1500}),
        ("hastie", (64,), "relu", {"batch_size": 1500}),
        ("shells", (40,), "tanh", {"batch_size": 1500}),
        ("swiss_roll", (48,), "relu", {"batch_size": 1500}),
    ], n_rows=1500, accepted=("too_few_epochs",), common={"max_iter": 70, "tol": 0.0})  # fmt: skip
    noisy = {"solver": "sgd", "learning_rate_init": 0.03, "max_iter": 50, "tol": 0.0}
    return cases + of_settings("batch_too_small", [
        (name, hidden, activation, {**noisy, "batch_size": 1})
        for name, hidden, activation in (
            ("hastie", (40,), "relu"), ("columns12", (32, 32), "relu"), ("cell_area", (40,), "relu"),
            ("friedman3", (32,), "tanh"), ("wine_alcohol", (24,), "tanh"),
        )
    ], cure={**noisy, "batch_size": 32}, accepted=("learning_rate_too_high",))  # fmt: skip


def _of_weights() -> list[Case]:
    far = {"init": "normal", "init_sigma": 10.0}
    cases = of_settings("saturated_sigmoids", [
        ("tones", (48, 48), "tanh", far), ("shells", (40, 40), "logistic", far), ("pendulum", (30, 30), "tanh", far),
        ("digit_parity", (40,), "logistic", far),
    ])  # fmt: skip
    cases += of_settings("vanishing_gradient", [
        ("tones", (24,) * 7, "logistic", {}), ("hastie", (32,) * 6, "logistic", {}),
        ("pendulum", (24,) * 8, "logistic", {}),
        ("columns12", (32,) * 7, "tanh", {"init": "normal", "init_sigma": 0.02}),
        ("digit_parity", (40,) * 6, "relu", {"init": "normal", "init_sigma": 0.02}),
    ], cure={"activation": "relu", "init": "he_normal"})  # fmt: skip
    cases += of_settings("exploding_gradient", [
        ("tones", (48,) * 6, "relu", {"init": "normal", "init_sigma": 1.0}),
        ("hastie", (40,) * 7, "relu", {"init": "normal", "init_sigma": 1.0}),
        ("friedman3", (50,) * 6, "leaky_relu", {"init": "normal", "init_sigma": 1.0}),
        ("cell_area", (40,) * 6, "relu", {"init": "normal", "init_sigma": 1.2}),
    ], cure={"init": "he_normal"})  # fmt: skip
    zeros = {"init": "zeros"}
    return cases + of_settings("symmetric_initialization", [
        ("checkers", (40,), "tanh", zeros), ("tones", (24, 24), "logistic", zeros),
        ("swiss_roll", (48,), "relu", zeros), ("digit_parity", (30,), "relu", zeros),
    ])  # fmt: skip


def _of_outputs() -> list[Case]:
    cases = of_settings("wrong_output_unit", [
        ("pendulum", (40,), "tanh", {"out_activation": "logistic"}),
        ("cell_area", (32,), "relu", {"out_activation": "relu"}),
        ("harvest", (32, 16), "relu", {"out_activation": "softplus"}),
        ("swiss_roll", (40,), "tanh", {"out_activation": "logistic"}),
    ])  # fmt: skip
    slow = {**_SGD, "learning_rate_init": 0.01}
    squares = {"loss": "mse", "out_activation": "softmax", **slow}
    cases += of_settings("wrong_loss", [
        ("tones", (48,), "logistic", squares), ("columns12", (40,), "logistic", squares),
        ("shells", (40,), "logistic", squares),
    ], cure=slow, accepted=("wrong_output_unit",))  # fmt: skip
    stall = {"max_iter": 200, "n_iter_no_change": 10, "batch_size": 200}
    return cases + of_settings("predicts_the_prior", [
        ("checkers", (20, 20), "logistic", stall), ("shells", (24, 24, 24), "logistic", stall),
        ("hastie", (20, 20, 20), "logistic", stall), ("swiss_roll", (20, 20, 20), "logistic", stall),
    ], cure={"activation": "relu"}, accepted=("stopped_too_early", "vanishing_gradient"))  # fmt: skip


def _of_labels() -> list[Case]:
    nets: list[Row] = [
        ("tones", (40,), "relu", {}), ("digit_parity", (40,), "tanh", {}), ("columns12", (24, 24), "logistic", {}),
        ("pendulum", (40,), "relu", {}), ("cell_area", (24, 24), "tanh", {}),
    ]  # fmt: skip
    return (
        of_rows("labels_shifted", nets, shift)
        + of_rows("labels_shuffled", nets, shuffle)
        + of_rows("labels_constant", nets[1:], one_target, accepted=("predicts_the_prior",))
    )


def _of_time() -> list[Case]:
    cases = of_settings("too_few_epochs", [
        ("tones", (48,), "tanh", {"max_iter": 2}), ("columns12", (24, 24), "relu", {"max_iter": 3}),
        ("pendulum", (30,), "relu", {"max_iter": 3}), ("digit_parity", (40,), "logistic", {"max_iter": 2}),
        ("swiss_roll", (32, 32), "tanh", {"max_iter": 3}),
    ])  # fmt: skip
    early = {"early_stopping": True, "n_iter_no_change": 1}
    return cases + of_settings("stopped_too_early", [
        ("checkers", (48, 48), "relu", early), ("tones", (40,), "tanh", {"tol": 0.3, "n_iter_no_change": 1}),
        ("shells", (40,), "relu", {**early, "tol": 0.05}), ("pendulum", (32, 32), "tanh", {**early, "tol": 0.1}),
        ("friedman3", (40,), "relu", {"tol": 0.2, "n_iter_no_change": 1}),
    ], accepted=("too_few_epochs",))  # fmt: skip


def _of_capacity() -> list[Case]:
    cases = of_settings("underfits", [
        ("checkers", (2,), "tanh", {}), ("tones", (1,), "relu", {}), ("shells", (1,), "tanh", {}),
        ("swiss_roll", (1,), "tanh", {}), ("columns12", (24, 1, 24), "tanh", {}),
    ], cure={"hidden": (64, 32)}, common={"max_iter": 400, "tol": 1e-5})  # fmt: skip
    wild = {"max_iter": 400, "n_iter_no_change": 400, "alpha": 0.0, "learning_rate_init": 0.005}
    calm = {"early_stopping": True, "validation_fraction": 0.2, "alpha": 0.1, "n_iter_no_change": 20}
    cases += of_settings("overfits", [
        ("columns12", (200, 100), "relu", wild), ("digit_parity", (200,), "tanh", wild),
        ("pendulum", (200, 100), "relu", wild), ("cell_area", (150, 150), "relu", wild),
        ("hastie", (200,), "relu", wild),
    ], cure=calm, corrupt=noisy_targets)  # fmt: skip
    return cases + of_rows("too_little_data", [
        ("tones", (40,), "relu", {}), ("columns12", (30, 30), "tanh", {}), ("cell_area", (40,), "relu", {}),
        ("pendulum", (30,), "tanh", {}),
    ], more_columns, n_rows=30, accepted=("overfits",))  # fmt: skip


def _of_restraint() -> list[Case]:
    cases = of_settings("regularization_too_strong", [
        ("tones", (48,), "relu", {"alpha": 60.0}), ("hastie", (32, 32), "tanh", {"alpha": 20.0}),
        ("cell_area", (40,), "relu", {"alpha": 80.0}), ("digit_parity", (40,), "tanh", {"l1": 4.0}),
        ("pendulum", (30, 30), "relu", {"max_norm": 0.05}),
    ])  # fmt: skip
    return cases + of_settings("dropout_too_strong", [
        ("tones", (64,), "relu", {"dropout": 0.95}), ("checkers", (40, 40), "relu", {"dropout": 0.9}),
        ("cell_area", (40,), "tanh", {"dropout": 0.9}), ("columns12", (40,), "tanh", {"input_dropout": 0.9}),
        ("friedman3", (32, 32), "relu", {"dropout": 0.9}),
    ])  # fmt: skip


def _of_sampling() -> list[Case]:
    one_order = {"shuffle": False, "solver": "sgd", "learning_rate_init": 0.1, "batch_size": 16, "max_iter": 30}
    cases = of_rows("bad_data_order", [
        ("tones", (40,), "relu", one_order), ("shells", (32, 32), "tanh", one_order),
        ("swiss_roll", (40,), "tanh", one_order), ("columns12", (40,), "relu", one_order),
    ], sorted_rows, mend=as_they_are)  # fmt: skip
    cases += of_settings("class_imbalance", [
        ("checkers", (40, 40), "relu", {}), ("shells", (32,), "tanh", {}), ("columns12", (32,), "relu", {}),
        ("hastie", (40,), "relu", {}),
    ], cure={"class_weight": "balanced"}, corrupt=rare, n_rows=1200, measure="balanced",
        common={"max_iter": 80})  # fmt: skip
    wild = {"max_iter": 300, "tol": 0.0}
    cases += of_rows("leakage_between_splits", [
        ("columns12", (200, 100), "relu", wild), ("digit_parity", (150,), "relu", wild),
        ("hastie", (200,), "relu", wild), ("cell_area", (150, 100), "relu", wild),
    ], training_rows_held_out, mend=honest_rows_held_out, measure="optimism")  # fmt: skip
    cases += of_rows("leakage_from_a_column", [
        ("hastie", (40,), "relu", {}), ("columns12", (30,), "tanh", {}), ("pendulum", (24, 24), "relu", {}),
        ("cell_area", (40,), "tanh", {}),
    ], telling_column)  # fmt: skip
    return cases + of_rows("non_finite_values", [("tones", (30,), "tanh", {}), ("cell_area", (20,), "relu", {})], holes)


def _of_scripts() -> list[Case]:
    entropy, squares, binary = nn.CrossEntropyLoss(), nn.MSELoss(), nn.BCEWithLogitsLoss()
    softmax, relu, sigmoid = nn.Softmax(dim=1), nn.ReLU(), nn.Sigmoid()
    cases = []
    for name, hidden in (("tones", (40,)), ("columns12", (32, 32))):
        good, plain = script(of_classes(*hidden), entropy, epochs=20), {"epochs": 30, "sgd": True, "rate": 0.02}
        slow = script(of_classes(*hidden), entropy, **plain)
        cases += [
            script_case("wrong_output_unit", name, "softmax-twice",
                        script(of_classes(*hidden, tail=(softmax,)), entropy, **plain), slow, "wrong_loss"),
            script_case("wrong_output_unit", name, "relu-scores",
                        script(of_classes(*hidden, tail=(relu,)), entropy, **plain), slow, "wrong_loss"),
            script_case("wrong_loss", name, "nll-of-logits",
                        script(of_classes(*hidden), nn.NLLLoss(), epochs=20), good, "wrong_output_unit"),
            script_case("dead_relus", name, "sunk",
                        script(changed(of_classes(*hidden), sunk), entropy, rate=3e-4, epochs=40),
                        script(of_classes(*hidden), entropy, rate=3e-4, epochs=40)),
            script_case("saturated_sigmoids", name, "wide",
                        script(changed(of_classes(40, 40, unit=nn.Tanh), wide), entropy),
                        script(of_classes(40, 40, unit=nn.Tanh), entropy)),
            script_case("learning_rate_too_low", name, "rate", script(of_classes(*hidden), entropy, rate=1e-6), good),
        ]  # fmt: skip
    for name in ("pendulum", "cell_area"):
        good = script(of_numbers(32, 32), squares, kind="column", rate=3e-4)
        cases += [
            script_case("dead_relus", name, "sunk",
                        script(changed(of_numbers(32, 32), sunk), squares, kind="column", rate=3e-4), good),
            script_case("non_finite_values", name, "root",
                        script(of_numbers(32, 32), RootOfScore(), kind="column", rate=3e-4), good),
            script_case("symmetric_initialization", name, "even",
                        script(changed(of_numbers(32, 32, unit=nn.Tanh), even), squares, kind="column"),
                        script(of_numbers(32, 32, unit=nn.Tanh), squares, kind="column")),
        ]  # fmt: skip
    good = script(of_numbers(32), binary, kind="column", epochs=10)
    cases += [
        script_case("wrong_output_unit", "checkers", "sigmoid-twice",
                    script(of_numbers(32, tail=(sigmoid,)), binary, kind="column", epochs=10), good, "wrong_loss"),
        script_case("non_finite_values", "tones", "log",
                    script(of_classes(40), LogOfProbability(), rate=3.0, epochs=20),
                    script(of_classes(40), entropy, epochs=20), "learning_rate_too_high", "diverging"),
    ]  # fmt: skip
    return cases


def _healthy() -> list[Case]:
    cases = []
    for number, name in enumerate(CLASSES + NUMBERS):
        for place, (label, net) in enumerate(NETS.items()):
            if (number + place) % 2 == 0:
                cases.append(healthy_case(label, name, net, unchanged))
    variants: list[tuple[str, Any, str, tuple[str, ...]]] = [
        ("mislabelled", mislabelled, "stopping", ("digit_parity", "columns12", "pendulum")),
        ("one_in_five", one_in_five, "plain", ("shells", "columns12", "hastie")),
        ("held_out", held_out, "stopping", ("tones", "checkers", "swiss_roll")),
        ("mild_units", mild_units, "plain", ("tones", "shells", "pendulum")),
        ("sorted", sorted_for_healthy, "tanh", ("tones", "shells", "cell_area")),
    ]
    for label, change, net_name, names in variants:
        cases += [healthy_case(f"{label}-{net_name}", name, NETS[net_name], change) for name in names]
    cases += [
        healthy_case("raw-scaling", name, NETS["scaling"], unchanged, raw=True) for name in ("harvest", "cell_area")
    ]
    entropy, squares, binary = nn.CrossEntropyLoss(), nn.MSELoss(), nn.BCEWithLogitsLoss()
    scripts = [
        ("digit_parity", "conv", script(image_net, entropy, epochs=20, shape=(1, 8, 8))),
        ("columns12", "normalized", script(normalized, entropy, epochs=25)),
        ("tones", "dense", script(of_classes(32, 32), entropy, epochs=40)),
        ("checkers", "binary", script(of_numbers(48, 48), binary, kind="column", rate=5e-3)),
        ("pendulum", "residual", script(residual, squares, kind="column")),
        ("cell_area", "sgd", script(of_numbers(24, 24), squares, kind="column", sgd=True, rate=0.01)),
        ("swiss_roll", "huber", script(of_numbers(64, 64), nn.HuberLoss(), kind="column", rate=3e-3)),
    ]
    return cases + [script_case("healthy", name, label, start, None) for name, label, start in scripts]


def fresh_cases() -> list[Case]:
    """Return the runs of the reporting half, faulty and healthy."""
    groups = (
        _of_inputs, _of_rate, _of_weights, _of_outputs, _of_labels, _of_time, _of_capacity, _of_restraint, _of_sampling,
        _of_scripts, _healthy,
    )  # fmt: skip
    return [case for group in groups for case in group()]
