"""What every schedule is and can."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

__all__ = ["Schedule", "step_numbers"]


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


def step_numbers(first_step: int, n_steps: int) -> np.ndarray:
    """Return the step numbers as float64."""
    return np.arange(first_step, first_step + n_steps, dtype=np.float64)
