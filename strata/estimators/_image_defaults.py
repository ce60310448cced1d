"""What "auto" means for an image classifier: pure functions of sizes, so that the same data give the same choice."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

__all__ = [
    "Recipe",
    "auto_batch_size",
    "auto_channels_last",
    "auto_epochs",
    "auto_model",
    "auto_recipe",
    "file_size",
    "fitting_size",
]

#: Steps that a training takes by default, within the bounds on its epochs.
STEPS = 2000
FEWEST_EPOCHS, MOST_EPOCHS = 10, 60
LARGEST_BATCH, SMALLEST_BATCH = 128, 16
#: Side from which images are photographs rather than thumbnails, in pixels.
PHOTO_SIDE = 64
#: Photographs from which a network of ImageNet's size can be learned from scratch.
MANY_PHOTOS = 5000
#: Side to which photographs are brought for that network, unless told otherwise: a third of the work of 224.
BOUNDED_SIDE = 128

#: Multiply-adds of one image from which kernels are laid out with the channels last.
MACS_FOR_CHANNELS_LAST = 5e6

#: Images up to which learned weights are mentioned.
FEW_IMAGES = 2000
#: Weights from which a network without batch normalization learns at the smaller rate.
LARGE = 10_000_000


class Recipe(NamedTuple):
    """An optimizer and its constants."""

    solver: Any
    learning_rate: float
    alpha: float
    schedule: Any


def auto_model(size: tuple[int, int], n_channels: int, n_images: int) -> str:
    """Return the name of a network for images of a size, when nobody names one.

    Grey images of at most 32 pixels: "lenet5". Others, up to 64 pixels: "resnet20". Larger ones: "resnet18" for 5,000
    images and more, "resnet20", on images scaled to 64 pixels, for fewer.
    """
    side = max(size)
    if side <= 32 and n_channels == 1:
        return "lenet5"
    return "resnet18" if side > PHOTO_SIDE and n_images >= MANY_PHOTOS else "resnet20"


def fitting_size(size: tuple[int, int], *, min_size: int, input_size: int) -> tuple[int, int]:
    """Return the size to which images in an array are brought: their own, unless that is too small for the network.

    Then they grow in proportion, to the network's input size if that is one of thumbnails, else as far as needed.
    """
    smallest = min(size)
    if smallest >= min_size:
        return size
    wanted = input_size if input_size <= PHOTO_SIDE else min_size
    return max(wanted, round(size[0] * wanted / smallest)), max(wanted, round(size[1] * wanted / smallest))


def file_size(sizes: list[tuple[int, int]], *, min_size: int, input_size: int) -> tuple[int, int]:
    """Return the size to which files are brought, given the sizes of some of them.

    Thumbnails that are all of one size keep it. Others become squares of the network's input size, at least 64 pixels
    for networks made for thumbnails, but never larger than the files.
    """
    if len(set(sizes)) == 1 and max(sizes[0]) <= PHOTO_SIDE:
        return fitting_size(sizes[0], min_size=min_size, input_size=input_size)
    side = sorted(min(size) for size in sizes)[len(sizes) // 2]
    chosen = max(min_size, min(max(input_size, PHOTO_SIDE), side))
    return chosen, chosen


def auto_batch_size(n_images: int) -> int:
    """Return the images a step: a power of two, a 32nd of the images, from 16 to 128, and never more than there are."""
    power = 1 << round(math.log2(max(1.0, n_images / 32)))
    return max(1, min(n_images, max(SMALLEST_BATCH, min(LARGEST_BATCH, power))))


def auto_channels_last(n_macs: int) -> bool:
    """Whether the order of memory with the channels last pays: for networks of more than a few million products."""
    return n_macs >= MACS_FOR_CHANNELS_LAST


def auto_epochs(n_batches: int, *, transfer: str | None = None) -> int:
    """Return the epochs of a run: about 2,000 steps from 10 to 60 epochs.

    From learned weights no fewer than 5, but for a last layer alone, whose steps cost little.
    """
    fewest = FEWEST_EPOCHS // 2 if transfer in ("partial", "all") else FEWEST_EPOCHS
    return max(fewest, min(MOST_EPOCHS, round(STEPS / n_batches)))


def auto_recipe(*, has_batch_norm: bool, n_parameters: int, transfer: str | None) -> Recipe:
    """Return the optimizer for a network.

    Networks with batch normalization learn by momentum at a large rate (0.1 from scratch, 0.02 from learned weights),
    others by AdamW, the large ones among them more slowly; a new last layer on fixed features by AdamW. All in one
    cycle.
    """
    if transfer == "last":
        return Recipe("adamw", 0.02, 1e-2, "one_cycle")
    if has_batch_norm:
        return Recipe("sgd", 0.1 if transfer is None else 0.02, 5e-4, "one_cycle")
    slow = transfer is not None or n_parameters > LARGE
    return Recipe("adamw", 3e-4 if slow else 2e-3, 1e-2, "one_cycle")
