"""What the arguments of the networks of counts may be, and the optimizers that they stand for."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from strata._threads import max_threads
from strata.engine import Checkpointing
from strata.estimators._image_parameters import STEPWISE
from strata.models._counts import LIKELIHOODS
from strata.rules.optimizers import Adam, RMSProp, get_optimizer
from strata.rules.schedules import SCHEDULES

__all__ = ["COUNT_CONSTRAINTS", "chosen_optimizer"]

_POSITIVE = Interval(Real, 0, None, closed="neither")
_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
_SHARE = Interval(Real, 0, 1, closed="left")
_COUNT = Interval(Integral, 1, None, closed="left")

COUNT_CONSTRAINTS: dict[str, Any] = {
    "hidden_layer_sizes": ["array-like", _COUNT],
    "likelihood": [StrOptions(set(LIKELIHOODS))],
    "batch_norm": ["boolean"],
    "dropout": [_SHARE],
    "solver": [StrOptions(set(STEPWISE)), HasMethods("build"), callable],
    "learning_rate_init": [_POSITIVE],
    "schedule": [StrOptions({"auto", *SCHEDULES}), HasMethods("rates")],
    "alpha": [_NOT_NEGATIVE],
    "clip_value": [_POSITIVE, None],
    "batch_size": [Interval(Integral, 2, None, closed="left")],
    "shuffle": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [_COUNT],
    "tol": [_NOT_NEGATIVE],
    "restore_best": [StrOptions({"auto"}), "boolean"],
    "layer": [str, None],
    "random_state": ["random_state"],
    "warm_start": ["boolean"],
    "device": [str],
    "n_threads": [Interval(Integral, 1, max_threads(), closed="both"), None],
    "verbose": ["verbose"],
    "callbacks": ["array-like", None],
    "checkpoint": [str, HasMethods("__fspath__"), Checkpointing, None],
    "resume": ["boolean"],
    "time_limit": [_POSITIVE, None],
    "progress": ["boolean"],
}


def chosen_optimizer(solver: Any, learning_rate: float, *, rms_eps: float = 1e-7, adam_eps: float = 1e-8) -> Any:
    """Return the optimizer of a name, with the constants of the paper's code; others as they are."""
    if solver == "rmsprop":
        return RMSProp(learning_rate, decay=0.9, eps=rms_eps)
    if solver == "adam":
        return Adam(learning_rate, eps=adam_eps)
    return get_optimizer(solver, learning_rate=learning_rate) if isinstance(solver, str) else solver
