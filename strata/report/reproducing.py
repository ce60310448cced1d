"""The words that make a run again: a command for the shell, or a call in Python."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["python_call", "shell_command"]

#: Options whose value is what the command does anyway; they are left out of the command.
DEFAULTS: dict[str, Any] = {
    "model": "mlp",
    "task": "auto",
    "stratify": True,
    "baselines": True,
    "device": "auto",
    "seeds": 1,
    "report": True,
}
#: Options that are one word with an opposite, and the word for False.
OPPOSITES = {
    "stratify": "--no-stratify",
    "scale": "--no-scale",
    "calibrate": "--no-calibrate",
    "early_stopping": "--no-early-stopping",
    "baselines": "--no-baselines",
    "report": "--no-report",
}


def shell_command(options: Mapping[str, Any], verb: Sequence[str] = ("train",)) -> str | None:
    """Return the command that does a run again, quoted for a POSIX shell.

    Parameters
    ----------
    options : mapping of str to object
        The options of ``strata train`` by name, as ``config.json`` keeps them.
    verb : sequence of str, default=("train",)
        Words between ``strata`` and the data.

    Returns
    -------
    command : str or None
        None where the options do not say which data.

    Examples
    --------
    >>> shell_command({"data": "my data.csv", "target": "a;b", "seed": 3, "stratify": False, "param": ["tol=1e-3"]})
    "strata train 'my data.csv' --target 'a;b' --seed 3 --no-stratify --param tol=1e-3"
    """
    data = options.get("data")
    if not isinstance(data, str):
        return None
    said: list[str] = []
    for name, value in options.items():
        if name == "data" or value is None or DEFAULTS.get(name) == value:
            continue
        flag = "--" + name.replace("_", "-")
        if value is True:
            said.append(flag)
        elif value is False:
            said += [OPPOSITES[name]] if name in OPPOSITES else []
        else:
            for each in value if isinstance(value, (list, tuple)) else [value]:
                text = str(each)
                said += [f"{flag}={text}"] if text.startswith("-") else [flag, text]
    if any(word.startswith("-") for word in (*verb[1:], data)):  # words that look like options stand at the end
        return shlex.join(["strata", verb[0], *said, "--", *verb[1:], data])
    return shlex.join(["strata", *verb, data, *said])


def python_call(data: object, arguments: Mapping[str, Any]) -> str:
    """Return the call of :func:`strata.train` that does a run again.

    Parameters
    ----------
    data : path, name of a bundled set, data frame, or pair (X, y)
        What was given; a table in memory is called ``data``.
    arguments : mapping of str to object
        Keyword arguments that differ from the defaults.

    Returns
    -------
    call : str
        One line of Python; objects that have no literal stand as their representation.

    Examples
    --------
    >>> python_call("iris", {"seed": 1})
    "strata.train('iris', seed=1)"
    """
    first = repr(str(data)) if isinstance(data, (str, Path)) else "data"
    words = [f"{name}={_literal(value)}" for name, value in arguments.items()]
    return f"strata.train({', '.join([first, *words])})"


def _literal(value: Any) -> str:
    if isinstance(value, Path):
        return repr(str(value))
    if callable(value) and hasattr(value, "__name__"):
        return str(value.__name__)
    return re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(repr(value).split()))
