"""From the words of the command line to values."""

import ast
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = [
    "parse_assignments",
    "parse_duration",
    "parse_names",
    "parse_save_every",
    "parse_sizes",
    "with_absolute_paths",
    "with_assignments",
]

#: Options that may be paths, and how the names of files with weights end.
PATHS = {"data", "data_path", "labels", "model", "weights"}
WEIGHT_FILES = (".safetensors", ".npz")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)")
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str, option: str) -> float:
    """Return seconds.

    Parameters
    ----------
    text : str
        ``90``, ``90s``, ``15m`` or ``2h``.
    option : str
        Name for the message.

    Returns
    -------
    seconds : float
        Above 0.

    Raises
    ------
    ValueError
        If it is no such time.

    Examples
    --------
    >>> parse_duration("1.5m", "--time-limit")
    90.0
    """
    match = _DURATION.fullmatch(text.strip().lower())
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not seconds > 0:
        raise ValueError(f"`{option}` must be a time such as 90, 90s, 15m or 2h. Received: {text!r}.")
    return seconds


def parse_save_every(text: str) -> dict[str, float]:
    """Return when to save a checkpoint.

    Parameters
    ----------
    text : str
        ``5`` for epochs, ``2m``, ``30s`` or ``1h`` for time.

    Returns
    -------
    when : dict of str to float
        ``{"epochs": 5}`` or ``{"seconds": 120.0}``.

    Raises
    ------
    ValueError
        If it is neither.

    Examples
    --------
    >>> parse_save_every("5"), parse_save_every("2m")
    ({'epochs': 5}, {'seconds': 120.0})
    """
    if text.strip().isdigit() and int(text) > 0:
        return {"epochs": int(text)}
    if text.strip()[-1:].lower() in ("s", "m", "h"):
        return {"seconds": parse_duration(text, "--save-every")}
    raise ValueError(f"`--save-every` must be a number of epochs, or a time such as 30s or 2m. Received: {text!r}.")


def parse_sizes(text: str) -> tuple[int, ...]:
    """Return the sizes of hidden layers.

    Parameters
    ----------
    text : str
        ``100,50``, or ``0`` for no hidden layer.

    Returns
    -------
    sizes : tuple of int
        One a layer.

    Raises
    ------
    ValueError
        If one is no positive whole number.

    Examples
    --------
    >>> parse_sizes("100, 50"), parse_sizes("0")
    ((100, 50), ())
    """
    parts = [part.strip() for part in text.split(",")]
    if parts == ["0"]:
        return ()
    if not all(part.isascii() and part.isdigit() and 0 < int(part) <= 10**9 for part in parts):
        raise ValueError(f'`--hidden` must be sizes such as "100,50", or 0 for none. Received: {text!r}.')
    return tuple(int(part) for part in parts)


def parse_names(text: str) -> str | tuple[str, ...]:
    """Return one name, or several that were separated by commas.

    Parameters
    ----------
    text : str
        ``relu`` or ``relu,tanh``.

    Returns
    -------
    names : str or tuple of str
        As an estimator takes them.
    """
    parts = tuple(part.strip() for part in text.split(","))
    return parts[0] if len(parts) == 1 else parts


def parse_assignments(texts: Iterable[str]) -> dict[str, Any]:
    """Return values by name.

    Parameters
    ----------
    texts : iterable of str
        ``NAME=VALUE`` each; the value is a number, ``true``, ``false``, ``none``, a tuple or list of them, or text.

    Returns
    -------
    values : dict of str to object
        The values.

    Raises
    ------
    ValueError
        If one is no assignment, or a name comes twice.

    Examples
    --------
    >>> parse_assignments(["beta_1=0.8", "restore_best=true", "init=he_normal", "dropout=(0.1, 0.2)"])
    {'beta_1': 0.8, 'restore_best': True, 'init': 'he_normal', 'dropout': (0.1, 0.2)}
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name.isidentifier():
            raise ValueError(f"`--param` must be NAME=VALUE. Received: {text!r}.")
        if name in values:
            raise ValueError(f"`--param` must give each name once. Received: {name!r} twice.")
        values[name] = _literal(value.strip())
    return values


def with_assignments(said: Mapping[str, Any], texts: Iterable[str]) -> dict[str, Any]:
    """Add the values of ``--param`` to those that options of their own gave.

    Parameters
    ----------
    said : mapping of str to object
        Values of options, by the parameter that each sets.
    texts : iterable of str
        As :func:`parse_assignments` takes them.

    Returns
    -------
    values : dict of str to object
        Both.

    Raises
    ------
    ValueError
        If a name is in both.

    Examples
    --------
    >>> with_assignments({"solver": "adam"}, ["tol=1e-3"])
    {'solver': 'adam', 'tol': 0.001}
    """
    values = parse_assignments(texts)
    twice = next((name for name in values if name in said), None)
    if twice is not None:
        raise ValueError(f"`--param` must not repeat an option. Received: {twice!r} twice.")
    return {**said, **values}


def with_absolute_paths(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options for the record: paths in them hold from any folder.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line.

    Returns
    -------
    options : dict of str to object
        Those of ``data``, ``labels``, ``model``, ``weights`` and ``data_path`` that are there are made absolute; names
        of bundled sets, networks and weights stay.

    Examples
    --------
    >>> with_absolute_paths({"data": "iris", "weights": "cifar10"})
    {'data': 'iris', 'weights': 'cifar10'}
    """
    kept = dict(options)
    for name in PATHS & set(kept):
        word = kept[name]
        named = name == "weights" and not str(word).endswith(WEIGHT_FILES)  # a word, whatever lies in this folder
        if os.path.lexists(word) and not named:
            kept[name] = os.path.abspath(word)
    return kept


def _literal(text: str) -> Any:
    words = {"true": True, "false": False, "none": None, "null": None, "inf": float("inf")}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
