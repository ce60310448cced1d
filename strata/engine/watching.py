"""Look on while anything learns, also where an estimator has no argument for callbacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from strata.engine.callbacks import Callback

__all__ = ["watchers", "watching"]

_WATCHERS: ContextVar[tuple[Callback, ...]] = ContextVar("watchers", default=())


@contextmanager
def watching(*callbacks: Callback) -> Iterator[None]:
    """Add callbacks to every run that begins inside the block.

    Parameters
    ----------
    *callbacks : Callback
        Called after those that the run was given, in this order.

    Yields
    ------
    None
        The block is run as it is.

    See Also
    --------
    strata.engine.train : Takes the callbacks of one run.

    Notes
    -----
    A block inside another adds to it. What is watched learns the same bits as without: a callback only looks on,
    unless it stops the run.

    Examples
    --------
    >>> from strata import Perceptron
    >>> class Count(Callback):
    ...     epochs = 0
    ...     def on_epoch_end(self, run):
    ...         self.epochs += 1
    >>> count = Count()
    >>> with watching(count):
    ...     model = Perceptron(tol=None, max_iter=4).fit([[0.0], [1.0]], [0, 1])
    >>> count.epochs
    4
    """
    token = _WATCHERS.set((*_WATCHERS.get(), *callbacks))
    try:
        yield
    finally:
        _WATCHERS.reset(token)


def watchers() -> tuple[Callback, ...]:
    """Return the callbacks of the blocks around this place, the outermost first.

    Returns
    -------
    callbacks : tuple of Callback
        Empty outside every block.
    """
    return _WATCHERS.get()
