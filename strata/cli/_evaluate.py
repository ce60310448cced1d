"""The verb ``evaluate``."""

import os
from collections.abc import Mapping
from typing import Any

from strata.cli._console import Console
from strata.cli._reading import READING, reading_of
from strata.cli._values import with_absolute_paths
from strata.report.evaluating import evaluate

__all__ = ["run"]

#: Options that say what is scored and how it is read.
KEPT = ("model", "data", "target", "labels", "skip_damaged", "allow_nonfinite", *READING, "data_path")


WHICH = {
    "all": "",
    "held-out": " that the run held out",
    "test part": " of the published test part",
    "training": ", which the model was trained on",
}


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
        rows="all" if options["all_rows"] else "auto",
        plot=plot,
        out=options["out"],
        force=options["force"],
        allow_nonfinite=options["allow_nonfinite"],
        reading=reading_of(options),
        labels=options["labels"],
        skip_damaged=options["skip_damaged"],
        options=_kept(options),
        say=None if console.quiet else console.note,
    )
    if console.json_output:
        rows = {"which": evaluation.which, "n": len(evaluation.targets)}
        figures = {**evaluation.to_dict(), "rows": rows}
        console.emit({"schema": "strata.evaluate/1", **figures, "plot": plot, "out": options["out"]})
        return 0
    console.result(f"{len(evaluation.targets)} {evaluation.unit}{WHICH[evaluation.which]}")
    console.result(evaluation.to_text())
    if plot is not None:
        console.note(f"picture written to {plot}")
    if options["out"] is not None:
        console.note(f"report written to {os.path.join(options['out'], 'report.html')}")
    return 0


def _kept(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the words that make the result, with paths that hold from any folder."""
    kept = {name: options[name] for name in KEPT if options.get(name) not in (None, False, [], ())}
    return with_absolute_paths(kept)
