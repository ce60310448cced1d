"""Augmentation of whole batches of images, by name or by object, repeatable from a seed.

Every named operation draws its numbers on the host from a generator of its own, so a batch comes out the same on every
device, in any thread, and whenever it is asked for again; no global generator is read or moved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor

from strata._names import unknown_name
from strata.data._augment_geometry import Crop, Flip
from strata.data._augment_steps import Step
from strata.data.sources import Batch

__all__ = ["Augmentation", "get_augmentation", "list_augmentations"]

#: What :func:`get_augmentation` takes.
AugmentationSpec: TypeAlias = "str | Augmentation | Step | Callable[[Tensor], Any] | Sequence[Any] | None"

_STEPS: dict[str, Callable[[], Step]] = {"crop": Crop, "flip": Flip}
_PRESETS: dict[str, tuple[str, ...]] = {"none": (), "light": ("crop", "flip")}


class Augmentation:
    """Steps that are taken one after another on each batch.

    Parameters
    ----------
    steps : sequence of Step, default=()
        The steps, in their order; made by :func:`get_augmentation`.

    Attributes
    ----------
    steps : tuple of Step
        As given.
    mixes : bool
        Whether images are mixed, so that targets become rows of probabilities.
    """

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self.steps = tuple(steps)
        self.mixes = any(step.mixes for step in self.steps)

    def apply(self, x: Tensor, y: Tensor | None = None, *, seed: int | Sequence[int]) -> tuple[Tensor, Tensor | None]:
        """Return augmented copies of a batch.

        Parameters
        ----------
        x : Tensor of shape (N, C, H, W), float
            Images on the scale 0..1, on any device.
        y : Tensor of shape (N, ...), optional
            Targets.
        seed : int or sequence of int
            The same seed gives the same batch; no other random state is read or changed.

        Returns
        -------
        x : Tensor of shape (N, C, H, W)
            Images.
        y : Tensor or None
            Targets; of shape (N, n_classes) where images were mixed, else as given.
        """
        batch = self.transform(Batch(x, y), seed)
        return batch.x, batch.y

    def transform(self, batch: Batch, seed: int | Sequence[int]) -> Batch:
        """Return a batch with the steps taken, weights included.

        Parameters
        ----------
        batch : Batch
            Images (N, C, H, W) on the scale 0..1, targets and weights.
        seed : int or sequence of int
            As in :meth:`apply`.

        Returns
        -------
        batch : Batch
            New tensors where something changed.
        """
        generator = np.random.default_rng(seed)
        for step in self.steps:
            batch = step.transform(batch, generator)
        return batch

    def __repr__(self) -> str:
        return f"Augmentation([{', '.join(map(repr, self.steps))}])"


def list_augmentations() -> tuple[str, ...]:
    """Return the names that :func:`get_augmentation` knows.

    Returns
    -------
    names : tuple of str
        Steps and presets, sorted.

    Examples
    --------
    >>> "flip" in list_augmentations()
    True
    """
    return tuple(sorted({*_STEPS, *_PRESETS}))


def get_augmentation(spec: AugmentationSpec, *, n_classes: int | None = None) -> Augmentation:
    """Return the augmentation that a name, a list or an object stands for.

    Parameters
    ----------
    spec : str, Augmentation, sequence or None
        A name of :func:`list_augmentations`, or a list of names; None stands for "none".
    n_classes : int, optional
        Number of classes, needed where images are mixed and targets are class indices.

    Returns
    -------
    augmentation : Augmentation
        Ready to be given to an :class:`strata.data.ImageSource`.

    Raises
    ------
    ValueError
        If a name is unknown.
    TypeError
        If ``spec`` is nothing that can augment.

    Examples
    --------
    >>> get_augmentation("light")
    Augmentation([Crop(padding=None), Flip(probability=0.5)])
    """
    if spec is None:
        return Augmentation()
    if isinstance(spec, Augmentation):
        return spec
    if isinstance(spec, str):
        if spec in _STEPS:
            return Augmentation([_STEPS[spec]()])
        if spec in _PRESETS:
            return Augmentation([_STEPS[name]() for name in _PRESETS[spec]])
        raise ValueError(unknown_name("augmentation", spec, list_augmentations()))
    if isinstance(spec, Step):
        return Augmentation([spec])
    if isinstance(spec, Sequence):
        return Augmentation([step for part in spec for step in get_augmentation(part, n_classes=n_classes).steps])
    raise TypeError(
        f"`augment` must be a name, a list of names or a callable on a batch of images. Received: {spec!r}."
    )
