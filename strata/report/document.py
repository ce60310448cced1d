"""The report of a run as plain values: what ``report.json`` holds, and the page is drawn from."""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from strata._names import label_text
from strata.diagnosis import Evidence
from strata.report.building import network_of
from strata.report.comparing import score_row, score_table, training_rows
from strata.report.evaluation import Evaluation
from strata.report.groups import group_errors
from strata.report.importance import column_importance
from strata.report.parts import Parts
from strata.report.planning import plain_parameters
from strata.report.ranking import ranking_curves
from strata.report.reliability import calibration_record
from strata.report.reproducing import shell_command
from strata.report.run_folder import environment
from strata.report.sections import class_errors, confusions, curves, residuals
from strata.report.subject import Subject
from strata.report.watching import verdicts, watched_curves, what_was_seen
from strata.report.wording import headline
from strata.report.worst import worst_rows

if TYPE_CHECKING:
    from strata.report.training import TrainResult

__all__ = ["add_figures", "begin", "build_document", "complete", "finish"]

#: Bounds of the parts, so that a report takes seconds: see also those of each part.
MAX_RANKED, MAX_SHUFFLED, MAX_GROUP_ROWS = 20, 200, 50_000
_OF_THE_RUN = ("callbacks", "checkpoint", "progress", "resume", "verbose")


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
    document = begin(result, config=config)
    parts = result.parts
    seen: list[Evidence] = []
    if result.plan.split == "none":
        parts.skip("diagnosis", "the run held out no rows to judge it on")
    elif result.watched:
        parts.add("diagnosis", lambda: _judged(result, seen), saying="judging the training")
    else:
        parts.skip("diagnosis", "only a multi-layer perceptron that was watched from its first epoch is judged")
    parts.add("curves", lambda: curves(result.estimator, watched_curves(seen[0]) if seen else None))
    return complete(document, Subject.of_training(result), parts, rows=training_rows(result))


def begin(result: "TrainResult", *, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what is known of a finished training without computing anything.

    Parameters
    ----------
    result : TrainResult
        The training.
    config : mapping of str to object, optional
        What ``config.json`` of the run holds.

    Returns
    -------
    document : dict of str to object
        Figures, configuration, machine, and the words that do it again.
    """
    known = dict(config or {})
    document = result.to_dict()
    document["environment"] = known.get("environment") or environment()
    document["started"] = known.get("started")
    document["model"]["configuration"] = _configuration(result.estimator)
    document["settings"] = {name: known.get(name) for name in ("device", "n_threads", "deterministic")}
    document["settings"] |= known.get("report") or {}
    document["reproduce"] = {"shell": shell_command(known.get("options") or {}), "python": known.get("call")}
    return document


def _judged(result: "TrainResult", seen: list[Evidence]) -> dict[str, Any]:
    """Return the verdicts, and leave what was seen for the curves."""
    seen.append(what_was_seen(result.estimator, result.plan))
    return verdicts(seen[0])


def _configuration(estimator: Any) -> dict[str, Any]:
    """Return every parameter of the network, without what only concerns this machine and this run."""
    parameters = network_of(estimator).get_params(deep=False)
    return {name: value for name, value in plain_parameters(parameters).items() if name not in _OF_THE_RUN}


def complete(
    document: dict[str, Any],
    subject: Subject,
    parts: Parts,
    *,
    rows: list[tuple[dict[str, Any], Evaluation]] | None = None,
) -> dict[str, Any]:
    """Add the parts that need only a model, rows and answers.

    Parameters
    ----------
    document : dict of str to object
        The report so far; it is changed.
    subject : Subject
        The model and the rows.
    parts : Parts
        Computes and collects.
    rows : list of (dict, Evaluation), optional
        Rows of the table of scores; by default that of the model alone.

    Returns
    -------
    document : dict of str to object
        The same, complete.
    """
    add_figures(document, subject.estimator, subject.evaluation, parts, rows=rows)
    _add_rows(subject, parts, seed=document.get("seed") or 0)
    return finish(document, parts)


def add_figures(
    document: Mapping[str, Any],
    estimator: Any,
    evaluation: Evaluation,
    parts: Parts,
    *,
    rows: list[tuple[dict[str, Any], Evaluation]] | None = None,
) -> None:
    """Add the parts that need only predictions and answers, whatever the inputs are.

    Parameters
    ----------
    document : mapping of str to object
        The report so far.
    estimator : estimator
        Fitted.
    evaluation : Evaluation
        What it predicted.
    parts : Parts
        Computes and collects.
    rows : list of (dict, Evaluation), optional
        Rows of the table of scores; by default that of the model alone.
    """
    compared = rows or [(score_row(document["model"]["name"], evaluation), evaluation)]
    parts.add("scores", lambda: score_table(compared, seed=document.get("seed") or 0))
    if evaluation.task != "classification":
        parts.add("residuals", lambda: residuals(evaluation))
        return
    parts.add("classes", lambda: class_errors(evaluation))
    parts.add("confusions", lambda: confusions(evaluation))
    if evaluation.probabilities is None:
        for name in ("calibration", "ranking"):
            parts.skip(name, "the model gives no probabilities")
        return
    parts.add("ranking", lambda: _ranking(evaluation))
    temperature = getattr(network_of(estimator), "temperature_", None)
    parts.add(
        "calibration",
        lambda: calibration_record(
            evaluation.targets,
            evaluation.probabilities,
            classes=evaluation.classes,
            temperature=None if temperature is None else float(temperature),
        ),
    )


def finish(document: dict[str, Any], parts: Parts) -> dict[str, Any]:
    """Put the parts into the report, with a title and the first sentence.

    Parameters
    ----------
    document : dict of str to object
        The report so far; it is changed.
    parts : Parts
        All that were made.

    Returns
    -------
    document : dict of str to object
        The same, complete.
    """
    document |= parts.content
    data = document["data"]
    about = f"pictures of {data['n_classes']} classes" if data.get("kind") == "pictures" else data["target"]
    document["title"] = label_text(f"{data['name']}: {about}")
    document["headline"] = parts.add("headline", lambda: headline(document))
    document["parts"] = parts.status
    return document


def _ranking(evaluation: Evaluation) -> list[dict[str, Any]]:
    curves = ranking_curves(evaluation.targets, evaluation.probabilities, classes=evaluation.classes)
    return [each.to_dict() for each in curves[:MAX_RANKED]]


def _add_rows(subject: Subject, parts: Parts, *, seed: int) -> None:
    """Add the parts that look at single rows and columns."""
    evaluation, frame = subject.evaluation, subject.frame
    n_rows, n_columns = frame.shape
    if subject.is_array:
        parts.skip(
            "groups", "the inputs are plain numbers, such as pixels, and not columns with a meaning of their own"
        )
    elif n_rows > MAX_GROUP_ROWS:
        parts.skip("groups", f"there are more than {MAX_GROUP_ROWS:,} rows; strata.report.group_errors takes them all")
    else:
        parts.add("groups", lambda: [each.to_dict() for each in group_errors(evaluation, frame, random_state=seed)])
    parts.add("worst", lambda: worst_rows(evaluation, frame))
    if n_columns > MAX_SHUFFLED:
        parts.skip("importance", f"there are more than {MAX_SHUFFLED} columns to shuffle one by one")
        return
    parts.add("importance", lambda: _importance(subject, seed))


def _importance(subject: Subject, seed: int) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a column that the table's encoder leaves out
        return column_importance(subject.estimator, subject.X, subject.y, random_state=seed).to_dict()
