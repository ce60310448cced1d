"""What the arguments of an image classifier may be."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from torch import nn

from strata._threads import max_threads
from strata.engine import Checkpointing
from strata.estimators._image_loss import IMAGE_LOSSES
from strata.rules.optimizers import OPTIMIZERS
from strata.rules.schedules import SCHEDULES

__all__ = ["IMAGE_CONSTRAINTS", "STEPWISE"]

_POSITIVE = Interval(Real, 0, None, closed="neither")
_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
_SHARE = Interval(Real, 0, 1, closed="left")
_COUNT = Interval(Integral, 1, None, closed="left")

#: Optimizers that learn from one batch at a time.
STEPWISE = frozenset(name for name in OPTIMIZERS if not name.startswith(("lbfgs", "rprop")))

IMAGE_CONSTRAINTS: dict[str, Any] = {
    "model": [str, nn.Module],
    "model_options": [dict, None],
    "weights": [str, HasMethods("__fspath__"), None],
    "transfer": [StrOptions({"last", "partial", "all"}), None],
    "feature_layer": [str],
    "n_frozen_blocks": [Interval(Integral, 0, None, closed="left"), None],
    "block_rates": [Interval(Real, 0, 1, closed="right"), tuple, list, None],
    "fine_tune": ["boolean", _COUNT, dict, None],
    "image_size": [_COUNT, tuple, list, None],
    "resize": [StrOptions({"crop", "stretch", "pad"})],
    "channels": [_COUNT, None],
    "input_shape": [tuple, list, None],
    "value_range": [StrOptions({"data"}), tuple, list, None],
    "normalization": [StrOptions({"auto"}), tuple, list],
    "augment": [str, callable, HasMethods("apply"), dict, tuple, list, None],
    "test_time": [StrOptions({"single", "flip", "ten_crop"})],
    "solver": [StrOptions({"auto", *STEPWISE}), HasMethods("build"), callable],
    "learning_rate_init": [StrOptions({"auto"}), _POSITIVE],
    "schedule": [StrOptions({"auto", *SCHEDULES}), HasMethods("rates")],
    "momentum": [Interval(Real, 0, 1, closed="left")],
    "alpha": [StrOptions({"auto"}), _NOT_NEGATIVE],
    "grad_clip": [_POSITIVE, None],
    "batch_size": [StrOptions({"auto"}), _COUNT],
    "max_iter": [StrOptions({"auto"}), _COUNT],
    "shuffle": ["boolean"],
    "loss": [StrOptions({"auto", *IMAGE_LOSSES})],
    "loss_options": [dict, None],
    "class_weight": [StrOptions({"balanced"}), dict, list, None],
    "label_smoothing": [_SHARE],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [_COUNT],
    "tol": [_NOT_NEGATIVE],
    "restore_best": [StrOptions({"auto"}), "boolean"],
    "random_state": ["random_state"],
    "warm_start": ["boolean"],
    "device": [str],
    "precision": [StrOptions({"full", "bfloat16", "float16"})],
    "compile": [StrOptions({"auto"}), "boolean"],
    "channels_last": [StrOptions({"auto"}), "boolean"],
    "n_threads": [Interval(Integral, 1, max_threads(), closed="both"), None],
    "n_workers": [_COUNT, None],
    "memory_limit": [_COUNT, None],
    "cache_folder": [str, HasMethods("__fspath__"), None],
    "on_problem": [StrOptions({"raise", "skip"})],
    "verbose": ["verbose"],
    "callbacks": ["array-like", None],
    "checkpoint": [str, HasMethods("__fspath__"), Checkpointing, None],
    "resume": ["boolean"],
    "time_limit": [_POSITIVE, None],
    "progress": ["boolean"],
}
