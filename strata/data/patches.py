"""Patches of images, cut anew every epoch, with or without noise, for networks that restore or compress."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from strata.data.sources import Batch, Batches, IterableSource

__all__ = ["PatchSource", "unit_floats"]


def unit_floats(image: np.ndarray) -> np.ndarray:
    """Return pixels as float32 from 0 to 1.

    Parameters
    ----------
    image : ndarray
        uint8 from 0 to 255, or floats from 0 to 1.

    Returns
    -------
    pixels : ndarray of the same shape, float32
        A copy where the type changes.

    Examples
    --------
    >>> unit_floats(np.array([0, 255], np.uint8))
    array([0., 1.], dtype=float32)
    """
    if image.dtype == np.uint8:
        return image.astype(np.float32) * np.float32(1 / 255)
    return image.astype(np.float32, copy=False)


class PatchSource(IterableSource):
    """Give batches of square patches from random places of images, mirrored at random.

    Parameters
    ----------
    images : sequence of ndarrays of shape (h, w, c), or one of shape (n, h, w, c)
        uint8 from 0 to 255, or floats from 0 to 1; each at least as large as a patch. The targets.
    degraded : the same, or None, default=None
        What each image is to be restored from; None takes the image itself.
    patch_size : int
        Side of a patch in pixels.
    batch_size : int
        Patches a step.
    n_patches : int
        Patches an epoch, >= 1.
    noise_level : tuple of two floats, default=(0.0, 0.0)
        Least and greatest standard deviation of the normal noise that is added to the inputs, on the scale from 0 to 1;
        each patch draws its own. What leaves that scale is clipped, as in a picture.
    mirror : bool, default=True
        Whether to flip half of the patches from left to right.
    seed : int, default=0
        Seed of the places and the noise, >= 0; the epoch is the rest of it.

    Examples
    --------
    >>> source = PatchSource(np.zeros((3, 9, 8, 1), np.uint8), patch_size=4, batch_size=2, n_patches=5)
    >>> batch = next(source.epoch(0).take(0, 1))
    >>> source.n_batches, batch.x.shape
    (3, torch.Size([2, 1, 4, 4]))
    """

    def __init__(
        self,
        images: Sequence[np.ndarray] | np.ndarray,
        degraded: Sequence[np.ndarray] | np.ndarray | None = None,
        *,
        patch_size: int,
        batch_size: int,
        n_patches: int,
        noise_level: tuple[float, float] = (0.0, 0.0),
        mirror: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(self._epoch_of, batch_size=batch_size, n_batches=-(-n_patches // batch_size))
        self._images, self._degraded = images, degraded
        self._patch_size, self._n_patches = patch_size, n_patches
        self._noise_level, self._mirror, self.seed = noise_level, mirror, seed

    def _epoch_of(self, number: int) -> Iterator[Batch]:
        """Yield the batches of an epoch; all of its random numbers come from one generator a batch."""
        order = np.random.default_rng([self.seed, number]).permutation(len(self._images))
        repeats = -(-self._n_patches // len(order))
        rows = np.tile(order, repeats)[: self._n_patches]
        for start in range(0, len(rows), self.batch_size):
            generator = np.random.default_rng([self.seed, number, start])
            yield self._batch(rows[start : start + self.batch_size], generator)

    def _batch(self, rows: np.ndarray, generator: np.random.Generator) -> Batch:
        size = self._patch_size
        targets: list[np.ndarray] = []
        inputs: list[np.ndarray] = []
        for row in rows:
            image = self._images[row]
            top = int(generator.integers(image.shape[0] - size + 1))
            left = int(generator.integers(image.shape[1] - size + 1))
            step = -1 if self._mirror and generator.random() < 0.5 else 1
            for source, patches in ((self._images, targets), (self._degraded, inputs)):
                if source is not None:
                    patch = source[row][top : top + size, left : left + size][:, ::step]
                    patches.append(unit_floats(patch))
        y = np.ascontiguousarray(np.stack(targets).transpose(0, 3, 1, 2))
        x = y if self._degraded is None else np.ascontiguousarray(np.stack(inputs).transpose(0, 3, 1, 2))
        low, high = self._noise_level
        if high > 0:
            levels = generator.uniform(low, high, (len(x), 1, 1, 1)).astype(np.float32)
            x = np.clip(x + levels * generator.standard_normal(x.shape, dtype=np.float32), 0.0, 1.0)
        return Batch(torch.from_numpy(x), torch.from_numpy(y))

    def epoch(self, number: int) -> Batches:
        """Return the batches of an epoch.

        Parameters
        ----------
        number : int
            Epoch, counted from 0.

        Returns
        -------
        batches : Batches
            The same patches whenever the same number is asked for.
        """
        return super().epoch(number)

    def state_dict(self) -> dict[str, Any]:
        """Return the seed, and what the patches of a resumed run are compared by."""
        return {**super().state_dict(), "seed": self.seed, "n_images": len(self._images), "patch": self._patch_size}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take a state back, its seed too.

        Parameters
        ----------
        state : dict
            What :meth:`state_dict` gave.

        Raises
        ------
        ValueError
            If the patches are others.
        """
        self.seed = int(state["seed"])
        super().load_state_dict(state)
