"""What the command line says about how a file is to be read."""

from collections.abc import Mapping
from typing import Any

__all__ = ["READING", "reading_of"]

#: Options that say how a text file is read.
READING = ("sep", "encoding", "decimal", "thousands", "text")


def reading_of(options: Mapping[str, Any]) -> dict[str, Any]:
    r"""Return the arguments for reading that were given.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line.

    Returns
    -------
    reading : dict of str to object
        Some of ``sep``, ``encoding``, ``decimal``, ``thousands``, ``text`` and ``path``.

    Examples
    --------
    >>> reading_of({"sep": "tab", "encoding": None, "text": ["code"], "data_path": None})
    {'sep': '\t', 'text': ['code']}
    """
    reading = {name: options.get(name) for name in READING if options.get(name)}
    if reading.get("sep") in ("tab", "\\t"):
        reading["sep"] = "\t"
    if options.get("thousands") == "":  # none, whatever the run of the model says
        reading["thousands"] = None
    if options.get("data_path"):
        reading["path"] = options["data_path"]
    return reading
