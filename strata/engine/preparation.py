"""What a rule does before its first batch: who is told, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strata.data.sources import Source
    from strata.engine.progress import Progress
    from strata.rules.base import Rule

__all__ = ["Preparation", "noting_preparation", "prepare"]


class Preparation:
    """What the runs inside a block spent on making their rules ready.

    Parameters
    ----------
    say : callable, optional
        Takes a line about what takes long.
    outer : Preparation, optional
        That of a block around this one.

    Attributes
    ----------
    seconds : float
        Time spent so far.
    """

    def __init__(self, say: Callable[[str], None] | None = None, outer: Preparation | None = None) -> None:
        self.seconds = 0.0
        self._say = say
        self._outer = outer

    def tell(self, text: str) -> None:
        """Hand a line to the innermost block that listens.

        Parameters
        ----------
        text : str
            One line.
        """
        if self._say is not None:
            self._say(text)
        elif self._outer is not None:
            self._outer.tell(text)

    def spend(self, seconds: float) -> None:
        """Count time, here and in the blocks around.

        Parameters
        ----------
        seconds : float
            Time that passed.
        """
        self.seconds += seconds
        if self._outer is not None:
            self._outer.spend(seconds)


_CURRENT: ContextVar[Preparation | None] = ContextVar("_CURRENT", default=None)


@contextmanager
def noting_preparation(say: Callable[[str], None] | None = None) -> Iterator[Preparation]:
    """Listen to what the runs inside the block do before their first batch, such as compiling.

    Parameters
    ----------
    say : callable, optional
        Takes a line about what takes long; without it, a block around this one is told.

    Yields
    ------
    preparation : Preparation
        With the seconds spent.

    Examples
    --------
    >>> with noting_preparation(print) as preparation:
    ...     preparation.tell("compiling")
    compiling
    """
    preparation = Preparation(say, _CURRENT.get())
    token = _CURRENT.set(preparation)
    try:
        yield preparation
    finally:
        _CURRENT.reset(token)


def prepare(rule: Rule, progress: Progress | None, source: Source | None = None, *, epoch: int = 0) -> None:
    """Make a rule ready for its first batch, and say what takes long where somebody listens.

    Parameters
    ----------
    rule : Rule
        What will learn.
    progress : Progress or None
        Is told first.
    source : Source or None, default=None
        Where the rule is shown a batch from, if it wants one and the rows can be had by number: a stream is not begun
        twice.
    epoch : int, default=0
        The epoch that comes first.
    """
    current = _CURRENT.get() or Preparation()
    begun = time.perf_counter()
    try:
        if source is not None and rule.wants_example:
            batches = source.epoch(epoch)
            if batches.order is not None:
                for example in batches.take(0, 1):
                    rule.expect(example)
        rule.prepare(current.tell if progress is None else progress.note)
    finally:
        current.spend(time.perf_counter() - begun)
