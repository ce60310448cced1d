"""Plain tensor mathematics: activations, losses, penalties, the masks of dropout, calibration, and a few metrics.

Pure functions of tensors, in registries by name where there is a choice: ``ACTIVATIONS`` and ``LOSSES``.
"""

from strata.functional.activations import (
    ACTIVATIONS,
    Activation,
    get_activation,
    identity,
    log_softmax,
    relu,
    sigmoid,
    softmax,
    step,
    tanh,
)
from strata.functional.calibration import TEMPERATURE_LIMITS, fit_temperature
from strata.functional.dropout import drop_threshold, keep_mask, mask_key
from strata.functional.losses import (
    LOSSES,
    Loss,
    binary_cross_entropy,
    cross_entropy,
    focal,
    get_loss,
    half_squared,
    hinge,
    huber,
    image_restoration,
    kl_divergence,
    mae,
    mse,
    nll,
    poisson,
    rss,
    squared_error,
)
from strata.functional.metrics import accuracy, confusion_table, mean_absolute_01, r2
from strata.functional.penalties import Penalty, clip_max_norm, elastic_net, l1_penalty, l2_penalty, soft_threshold
from strata.functional.smoothing import smooth_labels

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "LOSSES",
    "Loss",
    "Penalty",
    "TEMPERATURE_LIMITS",
    "accuracy",
    "binary_cross_entropy",
    "clip_max_norm",
    "confusion_table",
    "cross_entropy",
    "drop_threshold",
    "elastic_net",
    "fit_temperature",
    "focal",
    "get_activation",
    "get_loss",
    "half_squared",
    "hinge",
    "huber",
    "identity",
    "image_restoration",
    "keep_mask",
    "kl_divergence",
    "l1_penalty",
    "l2_penalty",
    "log_softmax",
    "mae",
    "mask_key",
    "mean_absolute_01",
    "mse",
    "nll",
    "poisson",
    "r2",
    "relu",
    "rss",
    "sigmoid",
    "smooth_labels",
    "soft_threshold",
    "softmax",
    "squared_error",
    "step",
    "tanh",
]
