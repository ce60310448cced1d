"""The report of a saved model on new rows, in a folder of its own."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from strata._files import FolderLock, is_temporary_name, read_json, write_json
from strata._names import label_text
from strata.data import audit
from strata.errors import ModelRefusedError
from strata.report.building import network_of
from strata.report.document import complete
from strata.report.parts import Parts
from strata.report.planning import plain_parameters
from strata.report.plots import plot_evaluation
from strata.report.problems import Problem
from strata.report.reproducing import shell_command
from strata.report.run_folder import environment, read_run_config
from strata.report.subject import Subject
from strata.report.writing import write_page, write_predictions

__all__ = ["check_folder", "command_of", "run_of", "write_evaluation"]

SCHEMA = "strata.evaluate/1"


def check_folder(folder: str | Path, *, force: bool = False) -> None:
    """Refuse a folder that a report must not be written to.

    Parameters
    ----------
    folder : str or Path
        Where the report goes.
    force : bool, default=False
        Replace the report of an evaluation that is there.

    Raises
    ------
    ValueError
        If something is there that is not such a report, or ``force`` is False.
    """
    path = Path(folder)
    if not os.path.lexists(path):
        return
    if not path.is_dir():
        raise ValueError(f"`out` must be a folder. Received: out={str(path)!r}, which is a file.")
    names = {name for name in os.listdir(path) if name != ".lock" and not is_temporary_name(name)}
    if not names:
        return
    if not force:
        raise ValueError(
            f"`out` must be a new or empty folder. Received: out={str(path)!r}, which holds something. "
            "Choose another name, or replace a report of an evaluation with force=True (--force)."
        )
    try:
        known = read_json(path / "report.json", max_bytes=1 << 30)
    except (OSError, ValueError):
        known = None
    if not isinstance(known, dict) or known.get("schema") != SCHEMA or "config.json" in names:
        raise ValueError(
            f"`out` must be the folder of an evaluation to be replaced. Received: out={str(path)!r}, which holds "
            "something else."
        )


def write_evaluation(
    subject: Subject,
    problem: Problem,
    folder: str | Path,
    *,
    record: Mapping[str, Any],
    say: Callable[[str], None] | None = None,
) -> None:
    """Write the report of a model on new rows.

    Parameters
    ----------
    subject : Subject
        The model and the rows.
    problem : Problem
        Where the rows come from.
    folder : str or Path
        Where to write.
    record : mapping of str to object
        ``model``, the path of the saved model or None, and ``options``, those of the command.
    say : callable, optional
        Takes lines of progress.
    """
    path = Path(folder)
    if say is not None:
        say("writing the report")
    with FolderLock(path):
        write_predictions(subject.evaluation, subject.frame.index.tolist(), path / "predictions.csv")
        parts = Parts(say)
        parts.skip("baselines", "simpler methods are fitted on training rows, which a saved model does not keep")
        picture = "confusion.png" if subject.is_classification else "residuals.png"
        parts.add("pictures", lambda: str(plot_evaluation(subject.evaluation, path / picture)))
        parts.content.pop("pictures", None)
        document = _base(subject, problem, path, record)
        complete(document, subject, parts)
        parts.add("page", lambda: str(write_page(document, path / "report.html")))
        parts.content.pop("page", None)
        write_json(path / "report.json", document)


def _base(subject: Subject, problem: Problem, folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known before any figure is computed."""
    model = record.get("model")
    run = run_of(model) if model is not None else {}
    found = audit(problem.X, pd.Series(subject.y, name=problem.target), task=problem.task)  # type: ignore[arg-type]
    return {
        "schema": SCHEMA,
        "data": {
            "name": problem.name,
            "source": label_text(problem.source),
            "digest": problem.digest,
            "target": problem.target,
            "task": problem.task,
            "n_rows": len(subject.y),
            "n_columns": problem.X.shape[1],
            "n_classes": len(subject.evaluation.classes) or None,
        },
        "split": {"kind": "new data", "n_train": run.get("split", {}).get("n_train"), "n_test": len(subject.y)},
        "model": run.get("model") or _model(subject.estimator),
        "which": subject.evaluation.which,
        "seed": run.get("seed"),
        "result": subject.evaluation.to_dict(),
        "baselines": [],
        "run": run.get("run"),
        "audit": found.to_dict(),
        "folder": label_text(str(folder)),
        "environment": environment(),
        "started": None,
        "settings": {"trained on": run.get("data", {}).get("source")},
        "reproduce": {"shell": command_of(record), "python": None},
    }


def _model(estimator: Any) -> dict[str, Any]:
    network = network_of(estimator)
    arrays = [*getattr(network, "coefs_", ()), *getattr(network, "intercepts_", ())]
    return {
        "name": type(network).__name__,
        "estimator": type(estimator).__name__,
        "scale": bool(getattr(estimator, "scale", False)),
        "parameters": plain_parameters(network.get_params(deep=False)),
        "n_inputs": int(network.n_features_in_),
        "n_parameters": sum(int(each.size) for each in arrays) or None,
    }


def run_of(model: str) -> dict[str, Any]:
    """Return what the run that made a model says of itself.

    Parameters
    ----------
    model : str
        Path of the run folder or the model folder in it.

    Returns
    -------
    run : dict of str to object
        Its model, split, data, seed and, under ``run``, folder and figures; empty where there is none.
    """
    for folder in (Path(model), Path(model).resolve().parent):
        try:
            config = read_run_config(folder)
        except (ModelRefusedError, OSError):
            continue
        known: dict[str, Any] = {k: config[k] for k in ("model", "split", "data", "seed") if k in config}
        try:
            report = read_json(folder / "report.json", max_bytes=1 << 30)
        except (OSError, ValueError):
            return known
        if isinstance(report, dict) and isinstance(report.get("result"), dict):
            figures = {name: report["result"].get(name) for name in ("metrics", "n_rows")}
            known["run"] = {"folder": label_text(str(folder)), **figures}
        return known
    return {}


def command_of(record: Mapping[str, Any]) -> str | None:
    """Return the command that does an evaluation again.

    Parameters
    ----------
    record : mapping of str to object
        ``options`` of the command.

    Returns
    -------
    command : str or None
        None where the options do not say which model and data.
    """
    options = dict(record.get("options") or {})
    model = options.pop("model", None)
    return shell_command(options, ("evaluate", model)) if isinstance(model, str) else None
