"""Means over the batches of an epoch, the same to the last bit however the epoch is cut into calls."""

import math
from itertools import repeat
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["EpochFigures", "as_array", "larger_is_better"]


def as_array(values: Tensor) -> np.ndarray:
    """Return the figures of some batches as float64 on the host."""
    values = values.detach()
    if values.device.type != "cpu" or values.dtype is not torch.float64:
        values = values.to("cpu", torch.float64)
    return values.numpy().reshape(-1)


def larger_is_better(figure: str) -> bool:
    """Say by its name whether a figure is to grow.

    >>> larger_is_better("val_score"), larger_is_better("val_loss")
    (True, False)
    """
    return any(word in figure.lower() for word in ("score", "acc", "auc", "r2", "f1"))


def _add_in_order(start: float, values: np.ndarray) -> float:
    """Add from left to right, rounding after each term, as a loop does; ``sum`` would add pairwise."""
    steps = np.empty(len(values) + 1)
    steps[0] = start
    steps[1:] = values
    return float(steps.cumsum()[-1])


class EpochFigures:
    """Weighted sums of what the rule logged, added one batch after the other."""

    #: Values in one call above which an array operation is faster than a loop.
    MANY = 48

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, float]] = {}

    def add(self, logs: dict[str, np.ndarray]) -> int | None:
        """Add the figures of some batches.

        Returns
        -------
        position : int or None
            Place of the first batch whose loss is not finite, None when all are.
        """
        weight = logs.get("weight")
        masses = None if weight is None else weight.tolist()
        for name, values in logs.items():
            if name == "weight":
                continue
            n_values = len(values)
            if masses is not None and len(masses) != n_values:
                raise ValueError(
                    f"A rule must log one value per batch. Received: {n_values} of {name!r}, {len(masses)} of 'weight'."
                )
            total, count = self._sums.get(name, (0.0, 0.0))
            if n_values > self.MANY:
                total = _add_in_order(total, values if weight is None else values * weight)
                count = count + n_values if weight is None else _add_in_order(count, weight)
            else:
                for value, mass in zip(values.tolist(), masses or repeat(1.0)):  # noqa: B905 - repeat has no end
                    total += value * mass
                    count += mass
            self._sums[name] = (total, count)
        if "loss" in logs and not math.isfinite(self._sums["loss"][0]):
            finite = np.isfinite(logs["loss"])
            return None if finite.all() else int(np.argmin(finite))
        return None

    def means(self) -> dict[str, float]:
        """Return the weighted means; NaN where the weights sum to 0."""
        return {name: total / count if count else math.nan for name, (total, count) in self._sums.items()}

    def clear(self) -> None:
        """Begin the next epoch."""
        self._sums = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the sums of an unfinished epoch."""
        return {name: list(pair) for name, pair in self._sums.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the sums of an unfinished epoch back."""
        self._sums = {name: (float(total), float(count)) for name, (total, count) in state.items()}
