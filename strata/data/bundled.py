"""The data sets that can be asked for by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from strata._names import unknown_name
from strata.data.dataset import Dataset, SetInfo

__all__ = ["SetRequest", "list_sets", "load_set", "register_set"]


@dataclass(frozen=True)
class SetRequest:
    """What the caller of :func:`load_set` asked for, handed to the builder.

    Attributes
    ----------
    info : SetInfo
        The entry of the registry.
    path : str or path or None
        Folder or file with the data, for sets that are downloaded.
    n_samples : int or None
        Rows to draw; None for the default.
    noise : float
        Noise level in [0, 0.5].
    random_state : int
        Seed of a generated set.
    """

    info: SetInfo
    path: str | os.PathLike[str] | None
    n_samples: int | None
    noise: float
    random_state: int


Builder = Callable[[SetRequest], Dataset]
_SETS: dict[str, tuple[SetInfo, Builder]] = {}


def register_set(info: SetInfo) -> Callable[[Builder], Builder]:
    """Enter the builder of a data set in the registry.

    Parameters
    ----------
    info : SetInfo
        What is listed.

    Returns
    -------
    decorate : callable
        Takes the builder and returns it unchanged.

    Raises
    ------
    ValueError
        If the name is taken.

    Examples
    --------
    >>> from strata.data import list_sets
    >>> register_set(list_sets()[0])
    Traceback (most recent call last):
    ...
    ValueError: The data set 'breast_cancer' is registered already, in strata.data._tables.
    """
    if info.name in _SETS:
        module = _SETS[info.name][1].__module__
        raise ValueError(f"The data set {info.name!r} is registered already, in {module}.")

    def decorate(builder: Builder) -> Builder:
        _SETS[info.name] = (info, builder)
        return builder

    return decorate


def list_sets() -> list[SetInfo]:
    """List the data sets that :func:`load_set` knows.

    Returns
    -------
    sets : list of SetInfo
        Sorted by name.

    Examples
    --------
    >>> from strata.data import list_sets
    >>> [entry.name for entry in list_sets() if entry.task == "regression"]
    ['diabetes', 'gaussian-bumps', 'plane']
    """
    return [_SETS[name][0] for name in sorted(_SETS)]


def load_set(
    name: str,
    *,
    path: str | os.PathLike[str] | None = None,
    n_samples: int | None = None,
    noise: float = 0.0,
    random_state: int = 0,
) -> Dataset:
    """Load a data set by name.

    Parameters
    ----------
    name : str
        One of :func:`list_sets`.
    path : str or path, optional
        Folder (or, for CIFAR-10, archive) with the files of ``mnist``, ``fashion_mnist`` or ``cifar10``; by default the
        cache that :func:`strata.data.download` fills. The network is never used here.
    n_samples : int, optional
        Rows of a generated set.
    noise : float, default=0.0
        Noise of a generated set, in [0, 0.5].
    random_state : int, default=0
        Seed of a generated set: a local generator, the global one is not touched.

    Returns
    -------
    dataset : Dataset
        With the published test part where the set has one.

    Raises
    ------
    ValueError
        If the name is unknown, or an argument does not apply to the set or is out of range.
    DataError
        If the files are absent, damaged or not those of the set.

    See Also
    --------
    download : Fetch the files of a set.
    read_table : Read a file of your own.

    Examples
    --------
    >>> from strata.data import load_set
    >>> load_set("infert").X.shape
    (248, 7)
    """
    if name not in _SETS:
        raise ValueError(unknown_name("data set", name, _SETS))
    info, builder = _SETS[name]
    if not info.generated and (n_samples is not None or noise != 0.0):
        raise ValueError(f"`n_samples` and `noise` apply to generated sets; {name!r} is fixed.")
    if path is not None and not info.downloadable:
        raise ValueError(f"`path` applies to sets that are downloaded; {name!r} comes with the library.")
    if n_samples is not None and (isinstance(n_samples, bool) or not isinstance(n_samples, int) or n_samples < 2):
        raise ValueError(f"`n_samples` must be an integer of at least 2. Received: n_samples={n_samples!r}.")
    if isinstance(noise, bool) or not isinstance(noise, int | float) or not 0.0 <= noise <= 0.5:
        raise ValueError(f"`noise` must be in [0, 0.5]. Received: noise={noise!r}.")
    return builder(SetRequest(info, path, n_samples, float(noise), random_state))
