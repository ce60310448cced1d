"""Fetch a data set, by an explicit word only: https, checked by size and SHA-256, whole or absent."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from strata._download import RemoteFile, fetch_files
from strata._files import cache_home
from strata._names import unknown_name

__all__ = ["FILES", "RemoteFile", "download", "set_folder"]

_MNIST = ("https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/")
_FASHION = ("https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",)


def _idx_files(roots: tuple[str, ...], entries: tuple[tuple[str, int, str], ...]) -> tuple[RemoteFile, ...]:
    return tuple(RemoteFile(name, tuple(root + name for root in roots), size, digest) for name, size, digest in entries)


#: The files of every set that can be fetched.
FILES: dict[str, tuple[RemoteFile, ...]] = {
    "mnist": _idx_files(
        _MNIST,
        (
            (
                "train-images-idx3-ubyte.gz",
                9912422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            ("train-labels-idx1-ubyte.gz", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            ("t10k-images-idx3-ubyte.gz", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            ("t10k-labels-idx1-ubyte.gz", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ),
    ),
    "fashion_mnist": _idx_files(
        _FASHION,
        (
            (
                "train-images-idx3-ubyte.gz",
                26421880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            ("train-labels-idx1-ubyte.gz", 29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            ("t10k-images-idx3-ubyte.gz", 4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            ("t10k-labels-idx1-ubyte.gz", 5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        ),
    ),
    "cifar10": (
        RemoteFile(
            "cifar-10-binary.tar.gz",
            ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
            170052171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    ),
}


def set_folder(name: str, root: str | os.PathLike[str] | None = None) -> Path:
    """Return the cache folder of a set; it need not exist.

    Parameters
    ----------
    name : str
        The set.
    root : str or path, optional
        Folder that holds the folders of sets; by default that of the user's cache.

    Returns
    -------
    folder : Path
        Where the files of the set are, or would be.

    Examples
    --------
    >>> set_folder("mnist", "/data").as_posix()
    '/data/mnist'
    """
    return (cache_home() / "data" if root is None else Path(root)) / name


def download(
    name: str,
    *,
    root: str | os.PathLike[str] | None = None,
    offline: bool | None = None,
    on_bytes: Callable[[int, int], None] | None = None,
) -> Path:
    """Fetch the files of a data set into the cache, and return their folder.

    Parameters
    ----------
    name : {"cifar10", "fashion_mnist", "mnist"}
        The set.
    root : str or path, optional
        Folder to hold the set's folder; by default ``data`` in the cache (``$STRATA_HOME`` or the user's cache folder).
    offline : bool, optional
        With True no socket is opened. By default the environment decides: ``STRATA_OFFLINE=1``.
    on_bytes : callable, optional
        Called with ``(bytes so far, bytes in all)`` of the present file, for a progress bar.

    Returns
    -------
    folder : Path
        Holds every file of the set, each checked by SHA-256. Files that are there already are not fetched again.

    Raises
    ------
    ValueError
        If the name is unknown.
    OfflineError
        If a file is missing and the network is switched off.
    DataError
        If what came is not the published file; nothing is kept of it.
    OSError
        If no address answers, the connection breaks or is too slow, or the disk is full.

    Examples
    --------
    >>> download("mnist", root="/nowhere", offline=True)
    Traceback (most recent call last):
    ...
    strata.errors.OfflineError: 'mnist' needs train-images-idx3-ubyte.gz from the network, and offline is set. Put ...
    """
    if name not in FILES:
        raise ValueError(unknown_name("downloadable data set", name, FILES))
    folder = set_folder(name, root)
    fetch_files(repr(name), FILES[name], folder, offline=offline, on_bytes=on_bytes)
    return folder
