"""Schedules: how the learning rate changes over the run.

One object is asked by both kinds of gradient rule, by autograd and compiled, so that they agree. Steps (batches) are
counted from 0 over the whole run, epochs from 0. The state is a few numbers, and :meth:`Schedule.state_dict` is
JSON-able. A rule works on a copy of the schedule it is given; the caller's object is never changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from strata._names import unknown_name
from strata.rules._checks import check_count, check_number
from strata.rules._schedule_base import Schedule, step_numbers
from strata.rules._schedules_by_figure import Adaptive, ReduceOnPlateau
from strata.rules._schedules_by_step import Constant, Cosine, InverseScaling, OneCycle, StepDecay

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
        rates = base * (self.start + (1 - self.start) * np.minimum(step_numbers(first_step, n_steps) / rise, 1.0))
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
