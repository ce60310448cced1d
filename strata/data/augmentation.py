"""Augmentation of whole batches of images, by name or by object, repeatable from a seed.

Every named operation draws its numbers on the host from a generator of its own, so a batch comes out the same on every
device, in any thread, and whenever it is asked for again; no global generator is read or moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from strata._names import unknown_name
from strata.data._augment_colour import Color, ColorPCA, Erase
from strata.data._augment_foreign import KORNIA, Foreign, of_kornia
from strata.data._augment_geometry import Crop, Elastic, Flip, ResizedCrop, Rotate
from strata.data._augment_mixing import CutMix, MixUp
from strata.data._augment_steps import Step
from strata.data.sources import Batch

__all__ = ["Augmentation", "get_augmentation", "list_augmentations", "ten_crop"]

#: What :func:`get_augmentation` takes.
AugmentationSpec: TypeAlias = (
    "str | Augmentation | Callable[..., Any] | Mapping[str, Mapping[str, Any]] | Sequence[Any] | None"
)

_STEPS: dict[str, type[Step]] = {
    "color": Color,
    "crop": Crop,
    "cutmix": CutMix,
    "elastic": Elastic,
    "erase": Erase,
    "flip": Flip,
    "mixup": MixUp,
    "pca": ColorPCA,
    "resized_crop": ResizedCrop,
    "rotate": Rotate,
}
_PRESETS: dict[str, tuple[str, ...]] = {
    "digits": ("crop", "rotate", "elastic"),
    "light": ("crop", "flip"),
    "none": (),
    "standard": ("crop", "flip", "color"),
    "strong": ("resized_crop", "flip", "color", "rotate", "erase"),
}


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
    return tuple(sorted({*_STEPS, *_PRESETS, *KORNIA}))


def get_augmentation(spec: AugmentationSpec, *, n_classes: int | None = None) -> Augmentation:
    """Return the augmentation that a name, a list or an object stands for.

    Parameters
    ----------
    spec : str, callable, mapping, sequence or None
        A name of :func:`list_augmentations`; a mapping of names to options, such as ``{"rotate": {"degrees": 5}}``; a
        transform of kornia or of ``torchvision.transforms.v2``; any function of a batch of images (N, C, H, W) on
        the scale 0..1 that returns such a batch; or a sequence of these, taken in turn. None stands for "none".
    n_classes : int, optional
        Number of classes, needed where images are mixed and targets are class indices.

    Returns
    -------
    augmentation : Augmentation
        Ready to be given to an :class:`strata.data.ImageSource`.

    Raises
    ------
    ValueError
        If a name or an option is unknown, or an option is out of range.
    TypeError
        If ``spec`` is nothing that can augment.

    Notes
    -----
    The presets are "light" (crop, flip), "standard" (crop, flip, color), "strong" (resized_crop, flip, color, rotate,
    erase) and, for what must not be mirrored, "digits" (crop, rotate, elastic). Functions and transforms that are not
    named here may draw from the global generators of torch, NumPy and Python: these are seeded for the call and put
    back, so they too repeat. The names affine, blur, equalize, perspective, posterize, sharpness and solarize are
    kornia's transforms, and take its options.

    Examples
    --------
    >>> get_augmentation("light")
    Augmentation([Crop(padding=None), Flip(probability=0.5, direction='horizontal')])
    >>> get_augmentation({"crop": {"padding": 2}, "flip": {}})
    Augmentation([Crop(padding=2), Flip(probability=0.5, direction='horizontal')])
    """
    if isinstance(spec, Augmentation):
        return spec
    return Augmentation(list(_steps(spec, n_classes)))


def _steps(spec: Any, n_classes: int | None) -> Iterator[Step]:
    """Yield the steps of anything that :func:`get_augmentation` takes."""
    if spec is None:
        return
    if isinstance(spec, Augmentation):
        yield from spec.steps
    elif isinstance(spec, Step):
        yield spec
    elif isinstance(spec, str):
        for name in _PRESETS.get(spec, (spec,)):
            yield _named(name, {}, n_classes)
    elif isinstance(spec, Mapping):
        for name, options in spec.items():
            yield _named(name, options, n_classes)
    elif isinstance(spec, Sequence) and not callable(spec):
        for part in spec:
            yield from _steps(part, n_classes)
    elif callable(spec):
        yield Foreign(spec)
    else:
        raise TypeError(
            "`augment` must be a name, a mapping of names to options, a callable on a batch of images, or a sequence "
            f"of these. Received: {spec!r}."
        )


def _named(name: object, options: Any, n_classes: int | None) -> Step:
    if not isinstance(name, str) or name not in {*_STEPS, *KORNIA}:
        raise ValueError(unknown_name("augmentation", name, list_augmentations()))
    if not isinstance(options, Mapping):
        raise TypeError(f"Options of the augmentation {name!r} must be a mapping. Received: {options!r}.")
    if name in KORNIA:
        return of_kornia(name, options)
    kind = _STEPS[name]
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for option in options:
        if option not in known:
            raise ValueError(unknown_name(f"option of {name!r}", option, known))
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    if "n_classes" in known:
        values.setdefault("n_classes", n_classes)
    return kind(**values)


def ten_crop(x: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Cut the four corners and the centre out of each image, and mirror the five.

    Parameters
    ----------
    x : Tensor of shape (N, C, H, W)
        Images.
    size : int or tuple of int
        ``(height, width)`` of each piece in pixels; a number stands for a square.

    Returns
    -------
    pieces : Tensor of shape (N, 10, C, height, width)
        Top left, top right, bottom left, bottom right, centre; then their mirror images in the same order.

    Raises
    ------
    ValueError
        If ``x`` is not of images, or a piece would be larger than the image.

    Notes
    -----
    Krizhevsky, Sutskever and Hinton, NIPS 2012, section 4.1: the softmax outputs of the ten are averaged.

    Examples
    --------
    >>> ten_crop(torch.zeros(2, 3, 8, 8), 6).shape
    torch.Size([2, 10, 3, 6, 6])
    """
    height, width = (size, size) if isinstance(size, int) else size
    if x.ndim != 4:
        raise ValueError(f"`x` must be images of shape (N, C, H, W). Received: shape {tuple(x.shape)}.")
    if not (1 <= height <= x.shape[2] and 1 <= width <= x.shape[3]):
        raise ValueError(
            f"`size` must fit in the images of {x.shape[2]} x {x.shape[3]} pixels. Received: size={size!r}."
        )
    down, right = x.shape[2] - height, x.shape[3] - width
    places = [(0, 0), (0, right), (down, 0), (down, right), (round(down / 2), round(right / 2))]
    pieces = torch.stack([x[:, :, top : top + height, left : left + width] for top, left in places], dim=1)
    return torch.cat([pieces, pieces.flip(-1)], dim=1)
