"""What the arguments of the autoencoders may be."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions

from strata.data.corruption import CORRUPTIONS
from strata.estimators._parameters import EXTRA_CONSTRAINTS, MLP_CONSTRAINTS
from strata.functional.activations import ACTIVATIONS
from strata.rules.optimizers import OPTIMIZERS

__all__ = ["CODE_CONSTRAINTS", "NETWORK_CONSTRAINTS", "RECONSTRUCTION_LOSSES", "TRAINING_CONSTRAINTS"]

RECONSTRUCTION_LOSSES = ("binary_cross_entropy", "huber", "mae", "mse", "poisson", "squared_error")

_POSITIVE = Interval(Real, 0, None, closed="neither")
_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
_COUNT = Interval(Integral, 1, None, closed="left")

#: How a network learns.
TRAINING_CONSTRAINTS: dict[str, Any] = {
    "alpha": [_NOT_NEGATIVE],
    "solver": [StrOptions(set(OPTIMIZERS)), HasMethods("build"), callable],
    "batch_size": [StrOptions({"auto"}), _COUNT],
    "learning_rate_init": [_POSITIVE],
    "max_iter": [_COUNT],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [_NOT_NEGATIVE],
    "n_iter_no_change": [_COUNT, Options(Real, {np.inf})],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    **{
        name: EXTRA_CONSTRAINTS[name]
        for name in (
            "callbacks",
            "checkpoint",
            "device",
            "engine",
            "grad_clip",
            "init",
            "n_threads",
            "precision",
            "progress",
            "restore_best",
            "resume",
            "scale_inputs",
            "schedule",
            "time_limit",
        )
    },
}

#: What a network is.
NETWORK_CONSTRAINTS: dict[str, Any] = {
    "n_components": [StrOptions({"auto"}), _COUNT],
    "hidden_layer_sizes": ["array-like", _COUNT],
    "channels": [tuple, list],
    "kernel_size": [_COUNT],
    "input_shape": [tuple, list, None],
    "activation": MLP_CONSTRAINTS["activation"],
    "code_activation": [StrOptions(set(ACTIVATIONS))],
    "out_activation": EXTRA_CONSTRAINTS["out_activation"],
    "loss": [StrOptions(set(RECONSTRUCTION_LOSSES))],
    "tied": ["boolean"],
}

#: What is asked of its codes.
CODE_CONSTRAINTS: dict[str, Any] = {
    "noise": [StrOptions(set(CORRUPTIONS)), None],
    "noise_level": [_NOT_NEGATIVE],
    "sparsity": [_NOT_NEGATIVE],
    "sparsity_target": [Interval(Real, 0, 1, closed="neither"), None],
    "contraction": [_NOT_NEGATIVE],
    "variational": ["boolean"],
    "beta": [_NOT_NEGATIVE],
    "pretrain_iter": [Interval(Integral, 0, None, closed="left")],
}
