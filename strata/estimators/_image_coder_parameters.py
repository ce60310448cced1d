"""What the arguments of the estimators of images of any size may be."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from sklearn.utils._param_validation import Interval

from strata.estimators._autoencoder_parameters import TRAINING_CONSTRAINTS

__all__ = ["IMAGE_CODER_CONSTRAINTS"]

_COUNT = Interval(Integral, 1, None, closed="left")
_NAMES = (
    "alpha", "solver", "learning_rate_init", "schedule", "max_iter", "random_state", "tol", "n_iter_no_change",
    "early_stopping", "restore_best", "grad_clip", "device", "n_threads", "warm_start", "verbose", "callbacks",
    "checkpoint", "resume", "time_limit", "progress",
)  # fmt: skip

#: How they learn.
IMAGE_CODER_CONSTRAINTS: dict[str, Any] = {
    **{name: TRAINING_CONSTRAINTS[name] for name in _NAMES},
    "channels": [tuple, list],
    "patch_size": [_COUNT],
    "n_patches": [_COUNT, None],
    "batch_size": [_COUNT],
}
