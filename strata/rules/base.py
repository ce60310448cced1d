"""The one contract that carries everything: a learning rule.

A rule owns its networks and its optimizer, so ``state_dict()`` is the whole state of learning. The
engine drives a rule without asking which one it is.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from strata.data.sources import Batch, Batches

__all__ = ["Rule"]


class Rule(nn.Module, ABC):
    """How one batch changes the parameters.

    A subclass writes :meth:`step`, :meth:`evaluate` and :meth:`forward`. The other methods have
    defaults that suit most rules. The figures that :meth:`step` returns are zero-dimensional
    tensors; ``"loss"`` is the mean over the batch and ``"weight"``, when given, is what that mean
    counts for in the mean over the epoch (the sum of the sample weights; 1 when absent).
    """

    #: Batches to take in one call of :meth:`run`. The engine looks at signals and clocks in between.
    batches_per_call: int = 1

    @property
    def wants_example(self) -> bool:
        """Whether :meth:`prepare` can do more once :meth:`expect` has shown it a batch."""
        return False

    def expect(self, batch: Batch) -> None:
        """Be shown a batch of the size of those to come, before :meth:`prepare`; nothing is learned from it."""

    @abstractmethod
    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Learn from one batch and return what to log."""

    @abstractmethod
    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the same figures without learning."""

    def run(self, batches: Batches, start: int, stop: int) -> dict[str, Tensor]:
        """Learn from the batches ``start`` to ``stop - 1`` of an epoch.

        Returns each logged figure as a tensor with one value per batch. A rule that can do many
        batches in one compiled call overrides this; the result must equal that of :meth:`step`
        on each batch in turn.
        """
        logs: dict[str, list[Tensor]] = {}
        for batch in batches.take(start, stop):
            for name, value in self.step(batch.to(self.device)).items():
                logs.setdefault(name, []).append(value.detach())
        return {name: torch.stack(values) for name, values in logs.items()}

    def prepare(self, say: Callable[[str], None]) -> None:
        """Do what the first batch of this process would wait for, such as compiling.

        Called before the clocks of a run start, and often: the second time it must be quick.
        ``say`` takes a line that tells people what takes long.
        """

    def plan(self, *, n_batches: int | None, max_epochs: int) -> None:
        """Be told the length of the run, for schedules that need it; called before every run."""

    def end_epoch(self, figures: dict[str, float]) -> None:
        """Be told the figures of the epoch, for schedules that react to them."""

    @property
    def converged(self) -> bool:
        """Whether the rule's own stop criterion is met (no errors left, gradient small, ...)."""
        return False

    @property
    def rate(self) -> float | None:
        """Learning rate of the next step, or None for a rule without one."""
        return None

    def lower_rate(self, factor: float) -> bool:
        """Multiply the rate by ``factor`` on a plateau; False when the rule cannot go lower."""
        return False

    @property
    def device(self) -> torch.device:
        """Device of the first parameter or buffer."""
        for tensor in (*self.parameters(), *self.buffers()):
            return tensor.device
        return torch.device("cpu")

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able configuration that is written into checkpoints."""
        return {"rule": type(self).__name__}
