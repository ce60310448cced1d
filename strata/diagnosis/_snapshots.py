"""The figures of one layer at one moment."""

import math

import numpy as np
import torch
from torch import Tensor

from strata.diagnosis._sights import LayerSight
from strata.diagnosis.evidence import LayerSnapshot

__all__ = ["CAN_DIE", "RANGES", "snapshot_of"]

#: Range of the activations that are bounded on both sides.
RANGES = {
    "logistic": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "clipped_linear": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hardtanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
}
#: Activations that are 0 without a slope below 0.
CAN_DIE = ("relu", "relu6")
_AT_BOUND = 0.02
_EQUAL = 1e-6  # of the size of the weights


def snapshot_of(
    sight: LayerSight, *, step: int, epoch: int, n_rows: int, update_ratio: float | None = None
) -> LayerSnapshot:
    """Return the figures of one layer.

    Parameters
    ----------
    sight : LayerSight
        What the layer computed on the probe rows.
    step : int
        Updates made before.
    epoch : int
        Epochs finished before.
    n_rows : int
        Probe rows, which the errors are multiplied by.
    update_ratio : float, optional
        Size of one update over the size of the weights.

    Returns
    -------
    snapshot : LayerSnapshot
        Figures of values that are not finite are not finite either.
    """
    a = sight.a
    bounds = RANGES.get(sight.activation)
    saturated = 0.0
    if bounds is not None and a.numel():
        place = (a - bounds[0]) / (bounds[1] - bounds[0])
        saturated = float(((place < _AT_BOUND) | (place > 1 - _AT_BOUND)).double().mean())
    return LayerSnapshot(
        step=step,
        epoch=epoch,
        z_mean=float(sight.z.mean()),
        z_std=float(sight.z.std(correction=0)),
        activation_mean=float(a.mean()),
        activation_std=float(a.std(correction=0)),
        unit_std=float(np.median(a.std(dim=0, correction=0).cpu().numpy())),
        dead=float((a <= 0).all(dim=0).double().mean()) if sight.activation in CAN_DIE else 0.0,
        saturated=saturated,
        symmetric=_symmetric(sight.weight),
        weight_rms=_rms(sight.weight),
        gradient_rms=_rms(sight.gradient),
        delta_rms=_rms(sight.delta) * n_rows,
        update_ratio=update_ratio,
    )


def _rms(values: Tensor) -> float:
    return math.sqrt(float(values.double().square().mean())) if values.numel() else 0.0


def _symmetric(weight: Tensor) -> float:
    """Return the share of the columns that another column equals to rounding."""
    if weight.shape[1] < 2 or not bool(torch.isfinite(weight).all()):
        return 0.0
    columns = weight.T.double().cpu().numpy()
    size = math.sqrt(float(np.mean(columns**2)))
    line = np.random.RandomState(0).normal(size=columns.shape[1])  # equal columns lie side by side along any line
    columns = columns[np.argsort(columns @ line, kind="stable")]
    equal = np.abs(np.diff(columns, axis=0)).max(axis=1) <= _EQUAL * size
    return float((np.append(equal, False) | np.append(False, equal)).mean())
