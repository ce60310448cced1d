"""Schedules that are settled before the run begins: the rate follows from the step alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from strata.rules._checks import check_choice, check_count, check_number
from strata.rules._schedule_base import Schedule, step_numbers

__all__ = ["Constant", "Cosine", "InverseScaling", "OneCycle", "StepDecay"]


@dataclass
class Constant(Schedule):
    """The same rate at every step.

    Examples
    --------
    >>> Constant().rates(0.1, 0, 3).tolist()
    [0.1, 0.1, 0.1]
    """

    name: ClassVar[str] = "constant"

    def rates(self, base: float, first_step: int, n_steps: int) -> np.ndarray:
        """Return ``base`` for every step."""
        return np.full(n_steps, base)


@dataclass
class InverseScaling(Schedule):
    r"""A rate that falls with a power of time.

    Parameters
    ----------
    power_t : float, default=0.5
        The power, >= 0. Above 0.5 and up to 1 the conditions of Robbins and Monro hold.
    by : {"samples", "steps"}, default="samples"
        Time in rows seen, updated at the end of each epoch (scikit-learn's ``MLPClassifier``), or in steps.

    Raises
    ------
    ValueError
        If the power is negative or ``by`` is unknown.

    Notes
    -----
    .. math:: \varepsilon_t = \varepsilon_0 / (t + 1)^{p}

    Examples
    --------
    >>> InverseScaling(by="steps").rates(1.0, 0, 4).round(4).tolist()
    [1.0, 0.7071, 0.5774, 0.5]
    """

    power_t: float = 0.5
    by: Literal["samples", "steps"] = "samples"
    name: ClassVar[str] = "invscaling"

    def __post_init__(self) -> None:
        check_number("power_t", self.power_t, at_least=0)
        check_choice("by", self.by, ("samples", "steps"))

    def rates(self, base: float, first_step: int, n_steps: int) -> np.ndarray:
        """Return ``base / (t + 1) ** power_t``."""
        if self.by == "samples":
            return np.full(n_steps, base / (self.n_samples + 1) ** self.power_t)
        return np.asarray(base / (step_numbers(first_step, n_steps) + 1) ** self.power_t)


@dataclass
class StepDecay(Schedule):
    """A rate that is multiplied by a factor every so many epochs or steps.

    Parameters
    ----------
    every : int or None, default=None
        Epochs (or steps) between two changes, >= 1; None is a third of the planned run.
    factor : float, default=0.1
        What the rate is multiplied by, in (0, 1].
    by : {"epochs", "steps"}, default="epochs"
        Unit of ``every``.

    Raises
    ------
    ValueError
        If a number is outside its range, ``by`` is unknown, or the length of the run is needed and unknown.

    Examples
    --------
    >>> StepDecay(every=2, factor=0.5, by="steps").rates(1.0, 0, 5).tolist()
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    every: int | None = None
    factor: float = 0.1
    by: Literal["epochs", "steps"] = "epochs"
    name: ClassVar[str] = "step"

    def __post_init__(self) -> None:
        if self.every is not None:
            check_count("every", self.every)
        check_number("factor", self.factor, above=0, at_most=1)
        check_choice("by", self.by, ("epochs", "steps"))

    def rates(self, base: float, first_step: int, n_steps: int) -> np.ndarray:
        """Return ``base * factor ** (t // every)``."""
        if self.by == "epochs":
            every = self.every or -(-(self.max_epochs or self._total_steps) // 3)
            return np.full(n_steps, base * self.factor ** (self.epoch // every))
        every = self.every or -(-self._total_steps // 3)
        return np.asarray(base * self.factor ** (step_numbers(first_step, n_steps) // every))


@dataclass
class Cosine(Schedule):
    r"""A rate that falls along half a cosine.

    Parameters
    ----------
    period : int or None, default=None
        Length of the fall in ``by``, >= 1; None is the whole planned run. After it the rate stays at ``min_rate``.
    min_rate : float, default=0.0
        Rate at the end, >= 0.
    by : {"steps", "epochs"}, default="steps"
        Whether the rate changes at every step or every epoch.

    Raises
    ------
    ValueError
        If a number is outside its range, ``by`` is unknown, or the length of the run is needed and unknown.

    Notes
    -----
    Loshchilov and Hutter, "SGDR", ICLR 2017, Eq. 5, without restarts:
    :math:`\varepsilon_t = \varepsilon_{\min} + (\varepsilon_0 - \varepsilon_{\min})(1 + \cos(\pi t / T)) / 2`.

    Examples
    --------
    >>> Cosine(period=4).rates(1.0, 0, 5).round(4).tolist()
    [1.0, 0.8536, 0.5, 0.1464, 0.0]
    """

    period: int | None = None
    min_rate: float = 0.0
    by: Literal["steps", "epochs"] = "steps"
    name: ClassVar[str] = "cosine"

    def __post_init__(self) -> None:
        if self.period is not None:
            check_count("period", self.period)
        check_number("min_rate", self.min_rate, at_least=0)
        check_choice("by", self.by, ("steps", "epochs"))

    def rates(self, base: float, first_step: int, n_steps: int) -> np.ndarray:
        """Return the cosine from ``base`` down to ``min_rate``."""
        if self.by == "epochs":
            length = self.period or self.max_epochs or self._total_steps
            now = np.full(n_steps, float(self.epoch))
        else:
            length = self.period or self._total_steps
            now = step_numbers(first_step, n_steps)
        share = np.minimum(now / length, 1.0)
        return np.asarray(self.min_rate + (base - self.min_rate) * (1 + np.cos(math.pi * share)) / 2)


@dataclass
class OneCycle(Schedule):
    """One rise to the optimizer's rate and one long fall, both along half a cosine, over the planned run.

    Parameters
    ----------
    n_steps : int or None, default=None
        Length in steps, >= 2; None is the whole planned run. After it the rate stays where it ended.
    rise : float, default=0.3
        Share of the run that rises, in (0, 1).
    start_divisor : float, default=25.0
        The first rate is the optimizer's divided by this, >= 1.
    end_divisor : float, default=1e4
        The last rate is the first divided by this, >= 1.

    Raises
    ------
    ValueError
        If a number is outside its range, or the length of the run is needed and unknown.

    Notes
    -----
    L. N. Smith, N. Topin, "Super-Convergence", arXiv:1708.07120, in the two-phase shape of
    ``torch.optim.lr_scheduler.OneCycleLR`` with the optimizer's rate as its ``max_lr``. Momentum is left alone.

    Examples
    --------
    >>> OneCycle(n_steps=10, rise=0.5).rates(1.0, 0, 10).round(3).tolist()
    [0.04, 0.181, 0.52, 0.859, 1.0, 0.905, 0.655, 0.345, 0.095, 0.0]
    """

    n_steps: int | None = None
    rise: float = 0.3
    start_divisor: float = 25.0
    end_divisor: float = 1e4
    name: ClassVar[str] = "one_cycle"

    def __post_init__(self) -> None:
        if self.n_steps is not None:
            check_count("n_steps", self.n_steps, at_least=2)
        check_number("rise", self.rise, above=0, below=1)
        check_number("start_divisor", self.start_divisor, at_least=1)
        check_number("end_divisor", self.end_divisor, at_least=1)

    def rates(self, base: float, first_step: int, n_steps: int) -> np.ndarray:
        """Return the rise from ``base / start_divisor`` to ``base`` and the fall below the start."""
        last = (self.n_steps or self._total_steps) - 1.0
        peak = self.rise * (last + 1) - 1  # may lie before step 0 in a very short run: then there is only the fall
        start = base / self.start_divisor
        end = start / self.end_divisor
        now = np.minimum(step_numbers(first_step, n_steps), last)
        up = np.clip(now / peak, 0.0, 1.0) if peak > 0 else np.ones(n_steps)
        down = np.clip((now - peak) / (last - peak), 0.0, 1.0) if last > peak else np.ones(n_steps)
        rising = base + (start - base) * (1 + np.cos(math.pi * up)) / 2
        falling = end + (base - end) * (1 + np.cos(math.pi * down)) / 2
        return np.where(now <= peak, rising, falling)
