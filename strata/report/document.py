"""The report of a run as plain values: what ``report.json`` holds, and the page is drawn from."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from strata.report.reproducing import shell_command
from strata.report.run_folder import environment
from strata.report.sections import class_errors, confusions, curves, label_text, residuals, score_rows
from strata.report.wording import headline

if TYPE_CHECKING:
    from strata.report.training import TrainResult

__all__ = ["build_document"]


def build_document(
    result: "TrainResult",
    *,
    config: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Gather everything that is known of a finished training.

    Parameters
    ----------
    result : TrainResult
        The training; its own figures come first and unchanged.
    config : mapping of str to object, optional
        What ``config.json`` of the run holds: options, device, versions, the time it began.

    Returns
    -------
    document : dict of str to object
        Plain values; ``parts`` says of each part whether it worked, how long it took, and why not.
    """
    known = dict(config or {})
    document = result.to_dict()
    parts = result.parts
    evaluation = result.evaluation
    is_classes = evaluation.task == "classification"
    figure = "accuracy" if is_classes else "r2"
    parts.add("scores", lambda: {"figure": figure, "rows": score_rows(result)})
    parts.add("curves", lambda: curves(result.estimator))
    if is_classes:
        parts.add("classes", lambda: class_errors(evaluation))
        parts.add("confusions", lambda: confusions(evaluation))
    else:
        parts.add("residuals", lambda: residuals(evaluation))
    document |= parts.content
    document["environment"] = known.get("environment") or environment()
    document["started"] = known.get("started")
    document["settings"] = {name: known.get(name) for name in ("device", "n_threads", "deterministic")}
    document["settings"] |= known.get("report") or {}
    document["reproduce"] = {"shell": shell_command(known.get("options") or {}), "python": known.get("call")}
    document["title"] = label_text(f"{document['data']['name']}: {document['data']['target']}")
    document["headline"] = parts.add("headline", lambda: headline(document))
    document["parts"] = parts.status
    return document
