"""MNIST, Fashion-MNIST and CIFAR-10, from the user's files or the cache."""

from __future__ import annotations

import os
import tarfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from strata.data.bundled import SetRequest, register_set
from strata.data.dataset import Dataset, SetInfo
from strata.data.download import set_folder
from strata.data.idx import read_idx_pair
from strata.errors import DataError

__all__ = ["CIFAR10_CLASSES", "FASHION_CLASSES", "read_cifar10"]

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_TEST = ("test_batch.bin",)
_RECORD = 1 + 3 * 32 * 32
_BATCH_BYTES = 10_000 * _RECORD

Bytes = NDArray[np.uint8]


@register_set(
    SetInfo(
        "mnist",
        "classification",
        60_000,
        784,
        10,
        "Handwritten digits of 28 x 28 pixels, with the published test part of 10,000.",
        "LeCun, Cortes and Burges",
        downloadable=True,
    )
)
def _mnist(request: SetRequest) -> Dataset:
    return _idx_set(request, None)


@register_set(
    SetInfo(
        "fashion_mnist",
        "classification",
        60_000,
        784,
        10,
        "Articles of clothing of 28 x 28 pixels, with the published test part of 10,000.",
        "Xiao, Rasul and Vollgraf 2017, zalandoresearch/fashion-mnist",
        downloadable=True,
    )
)
def _fashion(request: SetRequest) -> Dataset:
    return _idx_set(request, FASHION_CLASSES)


@register_set(
    SetInfo(
        "cifar10",
        "classification",
        50_000,
        3072,
        10,
        "Colour photographs of 32 x 32 pixels in ten classes, with the published test part of 10,000.",
        "Krizhevsky 2009, binary version",
        downloadable=True,
    )
)
def _cifar10(request: SetRequest) -> Dataset:
    folder = _folder(request)
    train, test = read_cifar10(folder)
    return _image_set(request, train, test, CIFAR10_CLASSES, (3, 32, 32))


def _folder(request: SetRequest) -> Path:
    """Return where the files are, or say how to get them."""
    name = request.info.name
    folder = set_folder(name) if request.path is None else Path(request.path)
    if not folder.exists():
        raise DataError(
            f"The files of {name!r} are not in {folder}. Give their folder with path=..., or fetch them with "
            f"strata.data.download({name!r}) (command: strata data fetch {name})."
        )
    return folder


def _idx_set(request: SetRequest, classes: tuple[str, ...] | None) -> Dataset:
    """Read the four files of an MNIST-like set; each may be gzip or plain."""
    folder = _folder(request)
    parts = []
    for prefix in ("train", "t10k"):
        images, labels = (_find(folder, f"{prefix}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
        x, y = read_idx_pair(images, labels)
        if x.dtype != np.uint8 or x.shape[1:] != (28, 28) or y.dtype != np.uint8 or y.max() > 9:
            raise DataError(f"{images}: not {request.info.name}: {x.shape} {x.dtype}, labels up to {y.max()}.")
        parts.append((x.reshape(len(x), -1), y))
    return _image_set(request, parts[0], parts[1], classes, (28, 28))


def _find(folder: Path, name: str) -> Path:
    for candidate in (folder / f"{name}.gz", folder / name):
        if candidate.is_file():
            return candidate
    raise DataError(f"{folder}: neither {name}.gz nor {name} is there.")


def _image_set(
    request: SetRequest,
    train: tuple[NDArray[np.generic], NDArray[np.generic]],
    test: tuple[NDArray[np.generic], NDArray[np.generic]],
    classes: tuple[str, ...] | None,
    shape: tuple[int, ...],
) -> Dataset:
    info = request.info
    (x, y), (x_test, y_test) = train, test
    names = np.arange(10) if classes is None else np.array(classes)
    features = tuple(f"pixel_{number}" for number in range(x.shape[1]))
    return Dataset(
        info.name,
        x,
        names[np.asarray(y, np.intp)],
        features,
        "class",
        info.task,
        info.description,
        info.source,
        X_test=x_test,
        y_test=names[np.asarray(y_test, np.intp)],
        image_shape=shape,
    )


def read_cifar10(path: str | os.PathLike[str]) -> tuple[tuple[Bytes, Bytes], tuple[Bytes, Bytes]]:
    """Read CIFAR-10's binary version: ``((X, y), (X_test, y_test))``, rows of 3072 bytes, red then green then blue.

    ``path`` is the archive, a folder that holds it, or the folder of its six ``.bin`` files. Only those six names are
    ever read from the archive, into memory.
    """
    place = Path(path)
    if place.is_dir():
        inner = next((f for f in (place, place / "cifar-10-batches-bin") if (f / _TEST[0]).is_file()), None)
        if inner is not None:
            parts = {name: _read_bin(inner / name) for name in _TRAIN + _TEST}
            return _records(place, parts, _TRAIN), _records(place, parts, _TEST)
        place = place / "cifar-10-binary.tar.gz"
    if not place.is_file():
        raise DataError(f"{Path(path)}: neither cifar-10-binary.tar.gz nor its .bin files are there.")
    parts = _read_archive(place)
    return _records(place, parts, _TRAIN), _records(place, parts, _TEST)


def _read_bin(path: Path) -> bytes:
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    if path.stat().st_size != _BATCH_BYTES:
        raise DataError(f"{path}: a batch has {_BATCH_BYTES} bytes. Received: {path.stat().st_size}.")
    return path.read_bytes()


def _read_archive(path: Path) -> dict[str, bytes]:
    """Take the six known members, each of the known size, as they stream by; stop after the last."""
    wanted = set(_TRAIN + _TEST)
    parts: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r|gz") as archive:
            for n_members, member in enumerate(archive):
                if n_members >= 100:
                    raise DataError(f"{path}: the archive has over 100 members: not CIFAR-10.")
                name = member.name.rpartition("/")[2]
                if name not in wanted or not member.isfile():
                    if member.size > _BATCH_BYTES:
                        raise DataError(f"{path}: member {member.name[:80]!r} has {member.size} bytes: not CIFAR-10.")
                    continue
                if member.size != _BATCH_BYTES:
                    raise DataError(f"{path}: {name} must have {_BATCH_BYTES} bytes. Received: {member.size}.")
                stream = archive.extractfile(member)
                parts[name] = b"" if stream is None else stream.read(_BATCH_BYTES)
                if len(parts) == len(wanted):
                    break
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path}: not a readable archive ({error}).") from None
    if set(parts) != wanted:
        raise DataError(f"{path}: the archive lacks {', '.join(sorted(wanted - set(parts)))}.")
    return parts


def _records(place: Path, parts: dict[str, bytes], names: tuple[str, ...]) -> tuple[Bytes, Bytes]:
    """Cut the batches into labels and pixels."""
    x = np.empty((10_000 * len(names), _RECORD - 1), np.uint8)
    y = np.empty(len(x), np.uint8)
    for number, name in enumerate(names):
        if len(parts[name]) != _BATCH_BYTES:
            raise DataError(f"{place}: {name} ends too early.")
        records = np.frombuffer(parts[name], np.uint8).reshape(-1, _RECORD)
        if records[:, 0].max() > 9:
            row = int((records[:, 0] > 9).argmax())
            raise DataError(f"{place}: {name}: record {row} has the label {records[row, 0]}; classes are 0 to 9.")
        rows = slice(10_000 * number, 10_000 * (number + 1))
        x[rows], y[rows] = records[:, 1:], records[:, 0]
    return x, y
