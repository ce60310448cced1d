"""Means over the batches of an epoch, the same to the last bit however the epoch is cut into calls."""

import math
from typing import Any

import numpy as np
from torch import Tensor

__all__ = ["EpochFigures", "as_array"]


def as_array(values: Tensor) -> np.ndarray:
    """Return the figures of some batches as float64 on the host."""
    array = values.detach().cpu().float().numpy() if values.dtype.itemsize < 4 else values.detach().cpu().numpy()
    return array.astype(np.float64, copy=False).reshape(-1)


class EpochFigures:
    """Weighted sums of what the rule logged, added one batch after the other."""

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
        for name, values in logs.items():
            if name == "weight":
                continue
            if weight is not None and len(weight) != len(values):
                raise ValueError(f"A rule must log one value per batch. Received: {len(values)} of {name!r}, "
                                 f"{len(weight)} of 'weight'.")
            total, count = self._sums.get(name, (0.0, 0.0))
            if len(values) == 1:
                mass = 1.0 if weight is None else float(weight[0])
                total, count = total + float(values[0]) * mass, count + mass
            else:  # cumsum adds from left to right, as the line above does over calls of one batch
                total = float(np.cumsum(np.concatenate(([total], values if weight is None else values * weight)))[-1])
                count = count + len(values) if weight is None else float(np.cumsum(np.concatenate(([count], weight)))[-1])
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
