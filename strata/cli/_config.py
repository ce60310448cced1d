"""The configuration file of the command: the options of a verb by name, in TOML or JSON."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from strata._files import read_json
from strata._names import unknown_name

__all__ = ["as_words", "read_config"]

MAX_BYTES = 1 << 20
#: The key under which a run folder's config.json keeps the options of the command that made it.
OPTIONS = "options"


def read_config(path: str | Path, *, known: Iterable[str]) -> dict[str, Any]:
    """Read the options that a file gives.

    Parameters
    ----------
    path : str or Path
        A ``.toml`` or ``.json`` file: ``hidden = "100,50"`` and so on, dashes or underscores alike.
        The ``config.json`` of a run folder is taken as well.
    known : iterable of str
        The names a verb takes, with underscores.

    Returns
    -------
    options : dict of str to object
        Values by name, with underscores.

    Raises
    ------
    ValueError
        If the file is absent, is neither TOML nor JSON, or holds an unknown name.
    """
    path = Path(path)
    try:
        values = _parse(path)
    except OSError as error:
        raise ValueError(f"`--config` cannot be read. {path}: {error.strerror}.") from None
    if isinstance(values, dict) and isinstance(values.get(OPTIONS), dict):
        values = values[OPTIONS]
    if not isinstance(values, dict):
        raise ValueError(f"`--config` must hold options by name. Received: {path} with a {type(values).__name__}.")
    names = set(known)
    options = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name not in names:
            raise ValueError(f"{path}: {unknown_name('option', name, names)}")
        if value is not None:
            options[name] = value
    return options


def _parse(path: Path) -> Any:
    if path.suffix.lower() == ".json":
        return read_json(path, max_bytes=MAX_BYTES)
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"{path} is larger than {MAX_BYTES} bytes.")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid TOML: {error}.") from None


def as_words(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return option values as the words that the command line would have carried.

    Parameters
    ----------
    options : mapping of str to object
        Values as a file gives them.

    Returns
    -------
    words : dict of str to object
        Strings; booleans stay booleans, mappings become ``NAME=VALUE`` lists.

    Examples
    --------
    >>> as_words({"hidden": [100, 50], "seed": 3, "force": True, "param": {"beta_1": 0.8}})
    {'hidden': '100,50', 'seed': '3', 'force': True, 'param': ['beta_1=0.8']}
    """
    words: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, bool):
            words[name] = value
        elif isinstance(value, dict):
            words[name] = [f"{key}={item}" for key, item in value.items()]
        elif isinstance(value, list) and name == "param":
            words[name] = [str(item) for item in value]
        elif isinstance(value, list):
            words[name] = ",".join(str(item) for item in value)
        else:
            words[name] = str(value)
    return words
