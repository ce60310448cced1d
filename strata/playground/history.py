"""The weights of a run over time, thinned out so that the memory stays bounded."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from strata.playground.weights import Weights

__all__ = ["History", "Moment"]


@dataclass(frozen=True)
class Moment:
    """Weights after some epochs.

    Attributes
    ----------
    epoch : int
        Epochs learned.
    weights : Weights
        A copy of them.
    losses : tuple of float
        On the training rows, on the test rows, and the penalty.
    """

    epoch: int
    weights: Weights
    losses: tuple[float, float, float]


class History:
    """Moments in the order of their epochs.

    Parameters
    ----------
    most : int, default=800
        Moments that are kept; beyond it they are thinned out evenly over the epochs.
    max_bytes : int, default=2**24
        Memory of the weights; beyond it likewise.

    Examples
    --------
    >>> import numpy as np
    >>> history = History(most=10)
    >>> for epoch in range(100):
    ...     history.add(Moment(epoch, Weights([np.zeros((2, 1))], [np.zeros(1)]), (0.0, 0.0, 0.0)))
    >>> len(history.moments) <= 10, history.moments[0].epoch, history.moments[-1].epoch
    (True, 0, 99)
    """

    def __init__(self, *, most: int = 800, max_bytes: int = 1 << 24) -> None:
        self.moments: list[Moment] = []
        self.n_bytes = 0
        self._most = most
        self._max_bytes = max_bytes

    def add(self, moment: Moment) -> None:
        """Keep a moment; those of the same and of later epochs are forgotten."""
        self.cut(moment.epoch - 1)
        self.moments.append(moment)
        self.n_bytes += moment.weights.n_bytes
        if len(self.moments) > self._most or self.n_bytes > self._max_bytes:
            self._thin()

    def _thin(self) -> None:
        """Leave out moments that lie close together; the first and the last stay."""
        n_kept = max(2, min(len(self.moments), self._most) // 2)
        if self.n_bytes > self._max_bytes:
            n_kept = max(2, len(self.moments) // 2)
        gap = (self.moments[-1].epoch - self.moments[0].epoch) / n_kept
        kept = [self.moments[0]]
        for moment in self.moments[1:-1]:
            if moment.epoch - kept[-1].epoch >= gap and self.moments[-1].epoch > moment.epoch:
                kept.append(moment)
        self.moments = [*kept, self.moments[-1]]
        self.n_bytes = sum(moment.weights.n_bytes for moment in self.moments)

    def cut(self, epoch: int) -> None:
        """Forget everything after an epoch."""
        while self.moments and self.moments[-1].epoch > epoch:
            self.n_bytes -= self.moments.pop().weights.n_bytes

    def at(self, epoch: int) -> Moment:
        """Return the last moment that is not after an epoch, or the first one.

        Raises
        ------
        LookupError
            If nothing is kept.
        """
        if not self.moments:
            raise LookupError("The history holds nothing yet.")
        place = bisect_right([moment.epoch for moment in self.moments], epoch)
        return self.moments[max(0, place - 1)]
