"""What the arguments of the multi-layer estimators may be, and what they mean for the rooms below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions

from strata._threads import max_threads
from strata.engine import Checkpointing
from strata.functional.activations import ACTIVATIONS, get_activation
from strata.functional.losses import get_loss
from strata.functional.penalties import Penalty
from strata.nn.dense import Head
from strata.nn.init import INITIALIZERS
from strata.rules.optimizers import LBFGS, OPTIMIZERS, SGD, Adam, OptimizerSpec, get_optimizer
from strata.rules.schedules import SCHEDULES, Adaptive, InverseScaling, Schedule, get_schedule

__all__ = [
    "EXTRA_CONSTRAINTS",
    "MLP_CONSTRAINTS",
    "build_optimizer",
    "build_penalty",
    "build_schedule",
    "drop_probabilities",
    "hidden_activations",
    "hidden_sizes",
    "loss_options",
    "output_activation",
    "uses_all_rows",
]

#: Solvers that look at all rows in every step.
FULL_BATCH = ("lbfgs", "rprop")

_POSITIVE = Interval(Real, 0, None, closed="neither")
_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
_PROBABILITY = Interval(Real, 0, 1, closed="left")

#: The arguments that scikit-learn's multi-layer perceptrons have too.
MLP_CONSTRAINTS: dict[str, Any] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS)), tuple, list],
    "solver": [StrOptions({"adam", "sgd", "lbfgs", *OPTIMIZERS}), HasMethods("build"), callable],
    "alpha": [_NOT_NEGATIVE],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [_POSITIVE],
    "power_t": [_NOT_NEGATIVE],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [_NOT_NEGATIVE],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [_PROBABILITY],
    "beta_1": [_PROBABILITY],
    "beta_2": [_PROBABILITY],
    "epsilon": [_POSITIVE],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
}

#: The arguments that are ours.
EXTRA_CONSTRAINTS: dict[str, Any] = {
    "loss_options": [dict, None],
    "out_activation": [StrOptions({"auto", *ACTIVATIONS})],
    "l1": [_NOT_NEGATIVE],
    "l1_form": [StrOptions({"subgradient", "proximal"})],
    "max_norm": [_POSITIVE, None],
    "dropout": [_PROBABILITY, tuple, list],
    "input_dropout": [_PROBABILITY],
    "dropout_form": [StrOptions({"inverted", "rescaling"})],
    "init": [StrOptions({"auto", *INITIALIZERS})],
    "init_sigma": [_POSITIVE],
    "schedule": [
        StrOptions(set(SCHEDULES)),
        HasMethods("rates"),
        None,
    ],
    "grad_clip": [_POSITIVE, None],
    "engine": [StrOptions({"auto", "compiled", "autograd"})],
    "device": [str],
    "precision": [StrOptions({"full", "bfloat16", "float16"})],
    "n_threads": [Interval(Integral, 1, max_threads(), closed="both"), None],
    "restore_best": [StrOptions({"auto"}), "boolean"],
    "scale_inputs": ["boolean"],
    "callbacks": ["array-like", None],
    "checkpoint": [str, HasMethods("__fspath__"), Checkpointing, None],
    "resume": ["boolean"],
    "time_limit": [_POSITIVE, None],
    "progress": ["boolean"],
}


def _is_count(size: Any) -> bool:
    return isinstance(size, (int, np.integer)) and not isinstance(size, bool) and int(size) > 0


def _is_probability(value: Any) -> bool:
    return isinstance(value, Real) and 0 <= float(value) < 1


def hidden_sizes(hidden_layer_sizes: Any) -> tuple[int, ...]:
    """Return the sizes of the hidden layers as integers, or say which of them is none."""
    sizes = list(hidden_layer_sizes) if isinstance(hidden_layer_sizes, Iterable) else [hidden_layer_sizes]
    if not all(_is_count(size) for size in sizes):
        raise ValueError(
            f"hidden_layer_sizes must be > 0, got {sizes}. Every layer needs a whole number of units, at least 1."
        )
    return tuple(int(size) for size in sizes)


def hidden_activations(activation: str | Sequence[str], n_hidden: int) -> tuple[str, ...]:
    """Return one activation for every hidden layer."""
    if isinstance(activation, str):
        return (activation,) * n_hidden
    names = tuple(activation)
    if len(names) != n_hidden:
        raise ValueError(
            f"`activation` must be one name or one for each of the {n_hidden} hidden layers. "
            f"Received: activation={activation!r}."
        )
    unknown = [name for name in names if name not in ACTIVATIONS]
    if unknown:
        raise ValueError(
            f"Every entry of `activation` must be one of {', '.join(sorted(ACTIVATIONS))}. "
            f"Received: activation={activation!r}."
        )
    return names


def drop_probabilities(dropout: float | Sequence[float], input_dropout: float, n_hidden: int) -> tuple[float, ...]:
    """Return the drop probability of the inputs and of every hidden layer; empty when nothing is dropped."""
    hidden = list(dropout) if isinstance(dropout, Sequence) else [dropout] * n_hidden
    if len(hidden) != n_hidden or not all(_is_probability(p) for p in hidden):
        raise ValueError(
            f"`dropout` must be one probability in [0, 1) or one for each of the {n_hidden} hidden layers. "
            f"Received: dropout={dropout!r}."
        )
    probabilities = (float(input_dropout), *(float(p) for p in hidden))
    return probabilities if any(probabilities) else ()


def loss_options(options: dict[str, Any] | None) -> tuple[tuple[str, float], ...]:
    """Return the constants of a loss in the form that a head takes."""
    for name, value in (options or {}).items():
        if not isinstance(name, str) or not isinstance(value, Real):
            raise ValueError(f"`loss_options` must map names to numbers. Received: loss_options={options!r}.")
    return tuple(sorted((name, float(value)) for name, value in (options or {}).items()))


def output_activation(name: str, plain: Head) -> str | None:
    """Return the activation that ``out_activation`` asks for; None is the loss's own, as the plain head has it."""
    if name == "auto":
        return None
    if get_loss(plain.loss).takes_logits and get_activation(name).name != plain.link:
        raise ValueError(
            f"`out_activation` must be 'auto' or {plain.link!r} for loss={plain.loss!r}. "
            f"Received: out_activation={name!r}. Other activations go with the squared errors, such as loss='mse'."
        )
    return name


def build_optimizer(estimator: Any) -> Any:
    """Return the optimizer that the arguments of an estimator describe.

    scikit-learn's Adam multiplies the rate before it divides, the closing form of the paper of Kingma and Ba; its
    momentum keeps past steps in the units of their own rates, the form of the lecture.
    """
    solver, rate = estimator.solver, float(estimator.learning_rate_init)
    if not isinstance(solver, str):
        return solver
    if solver == "adam":
        return Adam(
            learning_rate=rate,
            betas=(float(estimator.beta_1), float(estimator.beta_2)),
            eps=float(estimator.epsilon),
            form="efficient",
        )
    if solver == "sgd":
        momentum = float(estimator.momentum)
        return SGD(
            learning_rate=rate,
            momentum=momentum,
            nesterov=bool(estimator.nesterovs_momentum) and momentum > 0,
            form="lecture",
        )
    if solver == "lbfgs":
        return LBFGS(tol=float(estimator.tol), max_fun=int(estimator.max_fun))
    return get_optimizer(solver, learning_rate=rate)


def build_schedule(estimator: Any) -> Schedule:
    """Return the learning-rate schedule; ``learning_rate`` counts for the solver "sgd" only, as in scikit-learn."""
    if estimator.schedule is not None:
        return get_schedule(estimator.schedule)
    if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
        return InverseScaling(power_t=float(estimator.power_t), by="samples")
    if estimator.solver == "sgd" and estimator.learning_rate == "adaptive":
        return Adaptive()
    return get_schedule("constant")


def uses_all_rows(optimizer: Any) -> bool:
    """Whether a step of the optimizer wants every row at once."""
    return isinstance(optimizer, OptimizerSpec) and optimizer.name in FULL_BATCH


def build_penalty(estimator: Any) -> Penalty:
    """Return the penalty of an estimator; scikit-learn divides it by the weight of the batch."""
    return Penalty(
        l1=float(estimator.l1),
        l2=float(estimator.alpha),
        l1_form=estimator.l1_form,
        max_norm=None if estimator.max_norm is None else float(estimator.max_norm),
        per_sample=True,
    )
