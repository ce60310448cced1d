"""Where batches come from: arrays in memory or on disk, sparse matrices, and iterables.

A source is asked for an epoch by number and gives the same batches for the same number and the same
``random_state``, so that a resumed run sees exactly what an uninterrupted run would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

__all__ = ["Batch", "Batches", "Source"]


class Batch(NamedTuple):
    """Rows to learn from."""

    x: Tensor
    y: Tensor | None = None
    sample_weight: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device; the same object when it is there already."""
        if self.x.device == device:
            return self
        return Batch(*(None if part is None else part.to(device, non_blocking=True) for part in self))  # type: ignore[arg-type]


class Batches(Protocol):
    """The batches of one epoch, in order."""

    #: Number of batches, or None when it is not known before the end.
    n_batches: int | None
    #: ``(x, y, sample_weight)`` as C-contiguous NumPy arrays when the whole epoch is random access
    #: in memory (or memory-mapped), else None. A compiled rule reads rows ``order[i*B:(i+1)*B]``.
    arrays: tuple[np.ndarray, np.ndarray | None, np.ndarray | None] | None
    #: Row numbers in the order of this epoch (int64), None for an iterable.
    order: np.ndarray | None
    batch_size: int

    def take(self, start: int, stop: int) -> Iterator[Batch]:
        """Yield the batches ``start`` to ``stop - 1``; fewer when the epoch ends before."""
        ...


class Source(Protocol):
    """Something that gives the batches of any epoch."""

    batch_size: int
    n_batches: int | None

    def epoch(self, number: int) -> Batches:
        """Return the batches of epoch ``number``, counted from 0."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to see the same batches (small; never the data)."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take a state back; ValueError if the data plainly differs (row count, batch size)."""
        ...
