"""The image sets that the vision benchmarks learn from, read from the files beside the checkout."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from strata.data import read_idx_pair

__all__ = ["ImageTask", "cifar10", "fashion_mnist", "mnist", "read_filtered"]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


class ImageTask(NamedTuple):
    """Images of shape (n, h, w[, c]) and class numbers, to learn from and to be tested on."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


@cache
def mnist(data: Path = DATA) -> ImageTask:
    """MNIST: 60,000 digits and the published test part of 10,000."""
    return _idx(data / "mnist")


@cache
def fashion_mnist(data: Path = DATA) -> ImageTask:
    """Fashion-MNIST: 60,000 articles of clothing and the published test part of 10,000."""
    return _idx(data / "fashion_mnist")


def _idx(folder: Path) -> ImageTask:
    train, test = (
        read_idx_pair(folder / f"{part}-images-idx3-ubyte.gz", folder / f"{part}-labels-idx1-ubyte.gz")
        for part in ("train", "t10k")
    )
    return ImageTask(train[0], train[1].astype(np.int64), test[0], test[1].astype(np.int64))


@cache
def cifar10(data: Path = DATA) -> ImageTask:
    """CIFAR-10: 50,000 photographs, and the first 1,000 of the published test part."""
    parts = [read_filtered(data / "cifar10" / f"train_{number}.npz") for number in range(1, 6)]
    test = read_filtered(data / "cifar10" / "test_first1000.npz")
    return ImageTask(*(np.concatenate(columns) for columns in zip(*parts, strict=True)), *test)


def read_filtered(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Undo the filter that the files hold pixels in: differences along both axes, of R - G, G and B - G."""
    with np.load(path) as stored:
        x = stored["delta"].cumsum(2, dtype=np.uint8).cumsum(3, dtype=np.uint8)
        x[:, 0] += x[:, 1]
        x[:, 2] += x[:, 1]
        return np.ascontiguousarray(x.transpose(0, 2, 3, 1)), stored["labels"].astype(np.int64)


#: By the names that the command takes.
TASKS: dict[str, Callable[..., ImageTask]] = {"mnist": mnist, "fashion_mnist": fashion_mnist, "cifar10": cifar10}
