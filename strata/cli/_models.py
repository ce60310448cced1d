"""The verb ``models``."""

from collections.abc import Mapping
from typing import Any

from strata.cli._console import Console
from strata.report.recipes import MODELS

__all__ = ["run"]


def run(options: Mapping[str, Any], console: Console) -> int:
    """List the models.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line.
    console : Console
        Where to speak.

    Returns
    -------
    exit_code : int
        0.
    """
    rows = [
        {
            "name": entry.name,
            "classification": entry.classification,
            "regression": entry.regression,
            "summary": entry.summary,
        }
        for entry in MODELS.values()
    ]
    if console.json_output:
        console.emit({"schema": "strata.models/1", "models": rows})
        return 0
    width = max(len(row["name"]) for row in rows if row["name"])
    for row in rows:
        console.result(f"{console.paint(str(row['name']).ljust(width), 'bold')}  {row['summary']}")
    return 0
