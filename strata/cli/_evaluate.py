"""The verb ``evaluate``."""

import os
from collections.abc import Mapping
from typing import Any

from strata.cli._console import Console
from strata.cli._reading import reading_of
from strata.report.scoring import evaluate

__all__ = ["run"]


def run(options: Mapping[str, Any], console: Console) -> int:
    """Score a saved model on rows with known answers.

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
    plot = options["plot"]
    if plot is not None and os.path.lexists(plot) and not options["force"]:
        raise ValueError(f"`--plot` must be a new file. Received: {plot}, which is there. Give --force to replace it.")
    evaluation = evaluate(
        options["model"],
        options["data"],
        target=options["target"],
        plot=plot,
        allow_nonfinite=options["allow_nonfinite"],
        reading=reading_of(options),
    )
    if console.json_output:
        console.emit({"schema": "strata.evaluate/1", **evaluation.to_dict(), "plot": plot})
        return 0
    console.result(f"{len(evaluation.targets)} rows")
    console.result(evaluation.to_text())
    if plot is not None:
        console.note(f"picture written to {plot}")
    return 0
