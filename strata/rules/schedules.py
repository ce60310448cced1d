"""Schedules: how the learning rate changes over the run.

One object is asked by both kinds of gradient rule, by autograd and compiled, so that they agree. Steps (batches) are
counted from 0 over the whole run, epochs from 0. The state is a few numbers, and :meth:`Schedule.state_dict` is
JSON-able. A rule works on a copy of the schedule it is given; the caller's object is never changed.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

import numpy as np

from strata._names import unknown_name
from strata.rules._checks import check_choice, check_count, check_number

__all__ = [
    "Adaptive",
    "Constant",
    "Cosine",
    "InverseScaling",
    "OneCycle",
    "ReduceOnPlateau",
    "SCHEDULES",
    "Schedule",
    "StepDecay",
    "Warmup",
    "get_schedule",
]


@dataclass
class Schedule(ABC):
    """Map from the step of a run to the learning rate.

    A subclass is a dataclass whose public fields are its configuration, and writes :meth:`rates`.

    Attributes
    ----------
    epoch : int
        Epochs that have ended.
    n_samples : int
        Rows seen in the epochs that have ended.
    n_batches : int or None
        Steps per epoch of the planned run; None when unknown.
    max_epochs : int or None
        Epochs of the planned run, those already done included; None when unknown.
    skipped_steps : int
        Steps of the run that come before this schedule (a warm-up).
    """

    name: ClassVar[str] = ""

    epoch: int = field(default=0, init=False, repr=False, compare=False)
    n_samples: int = field(default=0, init=False, repr=False, compare=False)
    n_batches: int | None = field(default=None, init=False, repr=False, compare=False)
    max_epochs: int | None = field(default=None, init=False, repr=False, compare=False)
    skipped_steps: int = field(default=0, init=False, repr=False, compare=False)

    @abstractmethod
    def rates(self, base: float, first_step: int, n_steps: int) -> np.ndarray:
        """Return the rate of each step ``first_step ... first_step + n_steps - 1`` of the current epoch.

        Parameters
        ----------
        base : float
            The optimizer's learning rate.
        first_step : int
            Steps taken before, since the run began.
        n_steps : int
            How many rates to return; none of the steps may lie in a later epoch.

        Returns
        -------
        rates : ndarray of shape (n_steps,), float64
            What multiplies each update.
        """

    def rate(self, base: float, step: int) -> float:
        """Return the rate of one step."""
        return float(self.rates(base, step, 1)[0])

    def plan(self, *, n_batches: int | None, max_epochs: int) -> None:
        """Be told the length of the run: steps per epoch, and epochs in all."""
        self.n_batches, self.max_epochs = n_batches, max_epochs

    def end_epoch(self, figures: dict[str, float], *, n_samples: int = 0) -> None:
        """Be told that an epoch has ended, with its figures and the number of rows it saw."""
        self.epoch += 1
        self.n_samples += n_samples

    def lower(self, base: float, step: int, factor: float) -> bool:
        """Multiply the rate by ``factor`` from now on; False for a schedule that cannot (all but ``adaptive``)."""
        return False

    def describe(self) -> dict[str, Any]:
        """Return the name and the configuration, JSON-able."""
        return {"name": self.name, **{item.name: getattr(self, item.name) for item in fields(self) if item.init}}

    def state_dict(self) -> dict[str, Any]:
        """Return what changes during a run, JSON-able."""
        return {"name": self.name, **{item.name: getattr(self, item.name) for item in fields(self) if not item.init}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take a state back.

        Raises
        ------
        ValueError
            If it is the state of another kind of schedule.
        """
        expected = self.state_dict()
        if state.get("name") != self.name or state.keys() != expected.keys():
            raise ValueError(
                f"`state` must be that of a schedule {self.name!r} with {sorted(expected)}. Received: {state!r}."
            )
        for item in fields(self):
            if not item.init:
                setattr(self, item.name, state[item.name])

    @property
    def _total_steps(self) -> int:
        """Steps of the whole planned run."""
        if self.n_batches is None or self.max_epochs is None:
            raise ValueError(
                f"The schedule {self.name!r} must know the length of the run, and the number of batches is unknown. "
                "Give its length (`period`, `n_steps`) or take another schedule."
            )
        return max(1, self.n_batches * self.max_epochs - self.skipped_steps)


def _steps(first_step: int, n_steps: int) -> np.ndarray:
    """Return the step numbers as float64."""
    return np.arange(first_step, first_step + n_steps, dtype=np.float64)


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
        return np.asarray(base / (_steps(first_step, n_steps) + 1) ** self.power_t)


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
        return np.asarray(base * self.factor ** (_steps(first_step, n_steps) // every))


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
            now = _steps(first_step, n_steps)
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
        now = np.minimum(_steps(first_step, n_steps), last)
        up = np.clip(now / peak, 0.0, 1.0) if peak > 0 else np.ones(n_steps)
        down = np.clip((now - peak) / (last - peak), 0.0, 1.0) if last > peak else np.ones(n_steps)
        rising = base + (start - base) * (1 + np.cos(math.pi * up)) / 2
        falling = end + (base - end) * (1 + np.cos(math.pi * down)) / 2
        return np.where(now <= peak, rising, falling)


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


@dataclass
class Warmup(Schedule):
    r"""A linear rise to the optimizer's rate, then another schedule.

    Parameters
    ----------
    n_steps : int or None, default=None
        Steps of the rise, >= 1; None is a twentieth of the planned run, at least one step.
    start : float, default=0.1
        The first rate is the optimizer's times this, in (0, 1].
    then : str or Schedule, default="constant"
        What follows. It counts its steps from the end of the rise and plans for what is left of the run; a
        schedule that counts epochs or samples counts all of them.

    Raises
    ------
    ValueError
        If a number is outside its range, the name is unknown, or the length of the run is needed and unknown.

    Notes
    -----
    .. math:: \varepsilon_t = \varepsilon_0 \left(s + (1 - s)\, t / n\right), \quad t < n

    Examples
    --------
    >>> Warmup(n_steps=3, start=0.25, then="constant").rates(1.0, 0, 5).tolist()
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    n_steps: int | None = None
    start: float = 0.1
    then: str | Schedule = "constant"
    inner: Schedule = field(init=False, repr=False, compare=False)
    name: ClassVar[str] = "warmup"

    def __post_init__(self) -> None:
        if self.n_steps is not None:
            check_count("n_steps", self.n_steps)
        check_number("start", self.start, above=0, at_most=1)
        self.inner = get_schedule(self.then)

    @property
    def _rise(self) -> int:
        return self.n_steps if self.n_steps is not None else max(1, self._total_steps // 20)

    def rates(self, base: float, first_step: int, n_steps: int) -> np.ndarray:
        """Return the rise, then what the other schedule says."""
        rise = self._rise
        rates = base * (self.start + (1 - self.start) * np.minimum(_steps(first_step, n_steps) / rise, 1.0))
        n_rising = max(0, min(n_steps, rise - first_step))
        if n_rising < n_steps:
            rates[n_rising:] = self.inner.rates(base, first_step + n_rising - rise, n_steps - n_rising)
        return np.asarray(rates)

    def plan(self, *, n_batches: int | None, max_epochs: int) -> None:
        """Plan the rise here and the rest of the run in the other schedule."""
        super().plan(n_batches=n_batches, max_epochs=max_epochs)
        self.inner.plan(n_batches=n_batches, max_epochs=max_epochs)
        if n_batches is not None:
            self.inner.skipped_steps = self.skipped_steps + self._rise

    def end_epoch(self, figures: dict[str, float], *, n_samples: int = 0) -> None:
        """Pass the figures on."""
        super().end_epoch(figures, n_samples=n_samples)
        self.inner.end_epoch(figures, n_samples=n_samples)

    def lower(self, base: float, step: int, factor: float) -> bool:
        """Lower the rate of the other schedule."""
        return self.inner.lower(base, step, factor)

    def describe(self) -> dict[str, Any]:
        """Return the name and the configuration, that of the other schedule included."""
        return {**super().describe(), "then": self.inner.describe()}

    def state_dict(self) -> dict[str, Any]:
        """Return both schedules' state."""
        return {**super().state_dict(), "inner": self.inner.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take both schedules' state back."""
        inner = self.inner
        inner.load_state_dict(state.get("inner", {}))
        super().load_state_dict(state)
        self.inner = inner


#: Every schedule by name, with its defaults.
SCHEDULES: dict[str, Callable[[], Schedule]] = {
    kind.name: kind
    for kind in (Constant, InverseScaling, Adaptive, StepDecay, Cosine, OneCycle, Warmup, ReduceOnPlateau)
}


def get_schedule(schedule: str | Schedule) -> Schedule:
    """Return a schedule by name, or the object itself.

    Parameters
    ----------
    schedule : str or Schedule
        A name of :data:`SCHEDULES`, or an object with its own settings.

    Returns
    -------
    schedule : Schedule
        A fresh object for a name, the same object otherwise.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If it is neither a name nor a schedule.

    Examples
    --------
    >>> get_schedule("step")
    StepDecay(every=None, factor=0.1, by='epochs')
    """
    if isinstance(schedule, Schedule):
        return schedule
    if not isinstance(schedule, str):
        raise TypeError(f"`schedule` must be a name or a Schedule. Received: schedule={schedule!r}.")
    if schedule not in SCHEDULES:
        raise ValueError(unknown_name("schedule", schedule, SCHEDULES))
    return SCHEDULES[schedule]()
