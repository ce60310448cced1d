"""What every step of an augmentation has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from strata.data.sources import Batch

__all__ = ["Step"]


class Step(ABC):
    """One step: takes a batch and a generator, gives a batch."""

    #: Whether it only moves pixels (filling with 0), so that it may be taken on uint8 as well, where it costs less.
    moves_pixels: ClassVar[bool] = False
    #: Whether it mixes images, so that targets become rows of probabilities.
    mixes: ClassVar[bool] = False
    #: Whether it draws from global generators (which are put back), and so must not be taken beside a training step.
    is_foreign: ClassVar[bool] = False

    @abstractmethod
    def transform(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Return the batch with the step taken; the batch given is not changed."""
