"""Batches whose targets are their own inputs, with the inputs spoilt or not: what autoencoders learn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from strata._names import unknown_name
from strata.data.sources import ArraySource, Batch, Batches, SparseSource

__all__ = ["CORRUPTIONS", "Corruption", "ReconstructionSource"]

#: Kinds of noise.
CORRUPTIONS = ("gaussian", "masking", "salt_and_pepper")

#: Bytes of inputs up to which a whole epoch is spoilt at once, for rules that take many batches in one call.
_LARGEST_COPY = 1 << 30
#: Rows that are spoilt by one generator.
_BLOCK = 4096


@dataclass(frozen=True)
class Corruption:
    r"""Noise that a denoising autoencoder is to undo.

    Parameters
    ----------
    kind : {"masking", "gaussian", "salt_and_pepper"}
        Set numbers to 0; add a normal error; set numbers to the least or the greatest value, each half the time.
    level : float
        Probability that a number is hit, in [0, 1], each independently of the others; of "gaussian" the standard
        deviation, >= 0.
    low, high : float, default=0.0 and 1.0
        Salt and pepper.

    Raises
    ------
    ValueError
        If the kind is unknown, the level is out of range, or ``low`` is not below ``high``.

    Notes
    -----
    Vincent, Larochelle, Bengio, Manzagol, "Extracting and Composing Robust Features with Denoising Autoencoders",
    ICML 2008 and JMLR 11, 2010. There masking hits a fixed number of components of each row; here each is hit with
    the probability that gives this number on average.

    Examples
    --------
    >>> Corruption("masking", 1.0)(np.ones((1, 3)), np.random.default_rng(0))
    array([[0., 0., 0.]])
    """

    kind: Literal["masking", "gaussian", "salt_and_pepper"]
    level: float
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in CORRUPTIONS:
            raise ValueError(unknown_name("noise", self.kind, CORRUPTIONS))
        most = np.inf if self.kind == "gaussian" else 1.0
        if not 0 <= self.level <= most or not np.isfinite(self.level):
            bounds = "at least 0" if self.kind == "gaussian" else "in [0, 1]"
            raise ValueError(f"`level` must be {bounds} for {self.kind!r}. Received: level={self.level!r}.")
        if not self.low < self.high:
            raise ValueError(f"`low` must be below `high`. Received: low={self.low!r}, high={self.high!r}.")

    def __call__(self, x: np.ndarray, generator: np.random.Generator, out: np.ndarray | None = None) -> np.ndarray:
        """Spoil rows.

        Parameters
        ----------
        x : ndarray of any shape, float
            Clean rows; they are not changed.
        generator : numpy.random.Generator
            Where the noise comes from.
        out : ndarray of the same shape and dtype, optional
            Where to write.

        Returns
        -------
        spoilt : ndarray of the same shape and dtype
            ``out``, or a new array.
        """
        out = np.empty_like(x) if out is None else out
        dtype = np.float64 if x.dtype == np.float64 else np.float32
        if self.kind == "gaussian":
            noise = generator.standard_normal(x.shape, dtype=dtype)
            noise *= dtype(self.level)
            np.add(x, noise, out=out, casting="same_kind")
            return out
        drawn = generator.random(x.shape, dtype=dtype)
        if self.kind == "masking":
            np.multiply(x, drawn >= self.level, out=out)
            return out
        np.copyto(out, x)
        out[drawn < self.level] = self.high
        out[drawn < self.level / 2] = self.low
        return out


class _Epoch:
    """One epoch of rows that are their own targets."""

    def __init__(self, source: ReconstructionSource, inner: Batches, number: int) -> None:
        self.n_batches, self.batch_size, self.order = inner.n_batches, inner.batch_size, inner.order
        self.arrays = source._arrays(inner, number)
        self._source, self._inner, self._number = source, inner, number

    def take(self, start: int, stop: int) -> Iterator[Batch]:
        """Yield the batches ``start`` to ``stop - 1``."""
        rows = self.order
        for number, batch in enumerate(self._inner.take(start, stop), start):
            if self._source.corruption is None:
                yield Batch(batch.x, batch.x, batch.sample_weight)
            elif self.arrays is not None and rows is not None:
                window = rows[number * self.batch_size : (number + 1) * self.batch_size]
                yield Batch(torch.from_numpy(self.arrays[0][window]), batch.x, batch.sample_weight)
            else:
                generator = np.random.default_rng([self._source.seed, self._number, number])
                spoilt = self._source.corruption(batch.x.numpy(), generator)
                yield Batch(torch.from_numpy(spoilt), batch.x, batch.sample_weight)


class ReconstructionSource:
    """Give the batches of another source with their inputs as targets.

    Parameters
    ----------
    source : ArraySource or SparseSource
        Where the rows come from; its targets do not count.
    corruption : Corruption or None, default=None
        What is done to the inputs, anew every epoch. The targets stay clean.
    seed : int, default=0
        Seed of the noise, >= 0.

    Attributes
    ----------
    batch_size, n_batches : int
        Those of ``source``.

    Examples
    --------
    >>> source = ReconstructionSource(ArraySource(np.ones((4, 2)), batch_size=4), Corruption("masking", 1.0))
    >>> batch = next(source.epoch(0).take(0, 1))
    >>> float(batch.x.sum()), float(batch.y.sum())
    (0.0, 8.0)
    """

    def __init__(
        self, source: ArraySource | SparseSource, corruption: Corruption | None = None, *, seed: int = 0
    ) -> None:
        self.source, self.corruption, self.seed = source, corruption, seed
        self.batch_size, self.n_batches = source.batch_size, source.n_batches
        self._spoilt: np.ndarray | None = None
        self._spoilt_for = -1

    def _arrays(self, inner: Batches, number: int) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None] | None:
        """Return inputs, targets and weights of an epoch where they fit in memory; the inputs are spoilt anew."""
        if inner.arrays is None or inner.order is None:
            return None
        x, _, weight = inner.arrays
        if self.corruption is None:
            return x, x, weight
        if x.nbytes > _LARGEST_COPY:
            return None
        if self._spoilt is None:
            self._spoilt = np.empty_like(x)
        if self._spoilt_for != number:
            for block in range(0, len(x), _BLOCK):
                rows = slice(block, block + _BLOCK)
                generator = np.random.default_rng([self.seed, number, block])
                self.corruption(x[rows], generator, self._spoilt[rows])
            self._spoilt_for = number
        return self._spoilt, x, weight

    def epoch(self, number: int) -> Batches:
        """Return the batches of an epoch.

        Parameters
        ----------
        number : int
            Epoch, counted from 0.

        Returns
        -------
        batches : Batches
            The same rows in the same order, with the same noise, whenever the same number is asked for last.
        """
        return _Epoch(self, self.source.epoch(number), number)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the rows' source, and what tells another noise."""
        return {"rows": self.source.state_dict(), "noise": self._noise, "seed": self.seed}

    @property
    def _noise(self) -> str:
        return "" if self.corruption is None else repr(self.corruption)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take a state back, its seed too.

        Parameters
        ----------
        state : dict
            What :meth:`state_dict` gave, possibly in another process.

        Raises
        ------
        ValueError
            If the noise or the rows are others.
        """
        noise = self._noise
        if state.get("noise") != noise:
            raise ValueError(
                "`source` must give the batches of the interrupted run. "
                f"Received: noise={noise!r}, the run had noise={state.get('noise')!r}."
            )
        self.seed, self._spoilt_for = int(state["seed"]), -1
        self.source.load_state_dict(state["rows"])
