"""Schedules that look at how the run goes: the rate falls when a figure no longer improves."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from strata._names import unknown_name
from strata.rules._checks import check_choice, check_count, check_number
from strata.rules._schedule_base import Schedule

__all__ = ["Adaptive", "ReduceOnPlateau"]


@dataclass
class Adaptive(Schedule):
    """A constant rate that is lowered when the run stops improving; whoever watches the run says when.

    Parameters
    ----------
    min_rate : float, default=1e-6
        At or below this rate, :meth:`lower` refuses and the run ends (scikit-learn's constant), >= 0.

    Attributes
    ----------
    scale : float
        Product of the factors so far.

    Raises
    ------
    ValueError
        If ``min_rate`` is negative.

    Examples
    --------
    >>> schedule = Adaptive()
    >>> schedule.lower(1e-3, 0, factor=0.2), schedule.rate(1e-3, 0)
    (True, 0.0002)
    """

    min_rate: float = 1e-6
    scale: float = field(default=1.0, init=False, repr=False, compare=False)
    name: ClassVar[str] = "adaptive"

    def __post_init__(self) -> None:
        check_number("min_rate", self.min_rate, at_least=0)

    def rates(self, base: float, first_step: int, n_steps: int) -> np.ndarray:
        """Return ``base`` times the factors so far."""
        return np.full(n_steps, base * self.scale)

    def lower(self, base: float, step: int, factor: float) -> bool:
        """Multiply the rate by ``factor``; False, and nothing done, when it is at ``min_rate`` or below."""
        check_number("factor", factor, above=0, below=1)
        if base * self.scale <= self.min_rate:
            return False
        self.scale *= factor
        return True


@dataclass
class ReduceOnPlateau(Schedule):
    """A rate that is multiplied by a factor when a figure of the epoch has stopped improving.

    Parameters
    ----------
    monitor : str, default="auto"
        Figure to watch; ``"auto"`` is ``"val_loss"`` where there is one, else ``"loss"``.
    mode : {"min", "max"}, default="min"
        Whether a smaller or a larger figure is better.
    factor : float, default=0.1
        What the rate is multiplied by, in (0, 1).
    patience : int, default=10
        Epochs without improvement that are forgiven, >= 0.
    threshold : float, default=1e-4
        Relative improvement that counts as one, >= 0.
    cooldown : int, default=0
        Epochs after a change during which nothing is counted, >= 0.
    min_rate : float, default=0.0
        The rate never goes below, >= 0.

    Attributes
    ----------
    scale : float
        Product of the factors so far.
    best : float or None
        Best figure so far.
    n_bad : int
        Epochs since it improved.
    n_cooling : int
        Epochs of cooldown left.

    Raises
    ------
    ValueError
        If a number is outside its range, the mode is unknown, or the figure is not among the epoch's.

    Notes
    -----
    The rule of ``torch.optim.lr_scheduler.ReduceLROnPlateau`` with ``threshold_mode="rel"`` and ``eps=0``.

    Examples
    --------
    >>> schedule = ReduceOnPlateau(patience=0)
    >>> for loss in (1.0, 0.5, 0.5):
    ...     schedule.end_epoch({"loss": loss})
    >>> schedule.rate(0.1, 3)
    0.010000000000000002
    """

    monitor: str = "auto"
    mode: Literal["min", "max"] = "min"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    min_rate: float = 0.0
    scale: float = field(default=1.0, init=False, repr=False, compare=False)
    best: float | None = field(default=None, init=False, repr=False, compare=False)
    n_bad: int = field(default=0, init=False, repr=False, compare=False)
    n_cooling: int = field(default=0, init=False, repr=False, compare=False)
    name: ClassVar[str] = "reduce_on_plateau"

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, ("min", "max"))
        check_number("factor", self.factor, above=0, below=1)
        check_count("patience", self.patience, at_least=0)
        check_number("threshold", self.threshold, at_least=0)
        check_count("cooldown", self.cooldown, at_least=0)
        check_number("min_rate", self.min_rate, at_least=0)

    def rates(self, base: float, first_step: int, n_steps: int) -> np.ndarray:
        """Return ``base`` times the factors so far, not below ``min_rate``."""
        return np.full(n_steps, max(base * self.scale, min(base, self.min_rate)))

    def end_epoch(self, figures: dict[str, float], *, n_samples: int = 0) -> None:
        """Look at the watched figure and lower the rate when its patience is at an end."""
        super().end_epoch(figures, n_samples=n_samples)
        monitor = self.monitor
        if monitor == "auto":
            monitor = "val_loss" if "val_loss" in figures else "loss"
        if monitor not in figures:
            raise ValueError(unknown_name("`monitor`", monitor, figures))
        value = figures[monitor]
        if self._improves(value):
            self.best, self.n_bad = value, 0
        else:
            self.n_bad += 1
        if self.n_cooling > 0:
            self.n_cooling -= 1
            self.n_bad = 0
        if self.n_bad > self.patience:
            self.scale *= self.factor
            self.n_cooling, self.n_bad = self.cooldown, 0

    def _improves(self, value: float) -> bool:
        """Tell whether a figure is better than the best by more than the threshold."""
        if self.best is None:
            return not math.isnan(value)
        if self.mode == "min":
            return value < self.best * (1 - self.threshold)
        return value > self.best * (1 + self.threshold)
