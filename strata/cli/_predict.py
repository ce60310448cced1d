"""The verb ``predict``."""

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from strata._files import atomic_write
from strata._names import label_text
from strata.cli._console import Console
from strata.cli._predict_cells import annotate_cells, codes_of_cells, is_of_counts
from strata.cli._reading import reading_of
from strata.estimators import (
    AnomalyDetector,
    Autoencoder,
    ImageClassifier,
    ImageCompressor,
    ImageDenoiser,
    SemanticHasher,
    TableAutoencoder,
)
from strata.report.code_planning import read_pictures
from strata.report.held_out import reading_of_run, record_of_run
from strata.report.image_predicting import predict_pictures
from strata.report.problems import read_rows, target_of
from strata.report.scoring import gives_probabilities, inputs_for, load_model, target_of_run

__all__ = ["run"]


def run(options: Mapping[str, Any], console: Console) -> int:
    """Predict every row and write a table.

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
    out = None if options["out"] is None else Path(options["out"])
    if out is not None and out.is_dir():
        raise ValueError(f"`--out` must be a file. Received: {out}, which is a folder.")
    if out is not None and os.path.lexists(out) and not options["force"]:
        raise ValueError(f"`--out` must be a new file. Received: {out}, which is there. Give --force to replace it.")
    estimator = load_model(options["model"], allow_nonfinite=options["allow_nonfinite"])
    if is_of_counts(estimator):
        if out is not None and out.suffix == ".h5ad":
            return annotate_cells(estimator, options, out, console)
        return _write(codes_of_cells(estimator, options), out, console)
    if isinstance(estimator, ImageClassifier):
        return _write(_of_pictures(estimator, options, console), out, console)
    if isinstance(estimator, (ImageDenoiser, ImageCompressor)):
        kind = type(estimator).__name__
        verb = "transform" if isinstance(estimator, ImageDenoiser) else "compress"
        raise ValueError(
            f"`MODEL` must be one whose answers are a table. Received: an {kind}. In Python: "
            f"strata.load({options['model']!r}).{verb}(images)."
        )
    if _coder(estimator).get("image_axes_"):
        return _write(_of_plain_pictures(estimator, options), out, console)
    if options["more"]:
        raise ValueError(f"`DATA` must be one table. Received: {1 + len(options['more'])} words.")
    if options["skip_damaged"]:
        raise ValueError("`--skip-damaged` is for pictures; this model takes tables.")
    reading = reading_of_run(record_of_run(options["model"]), reading_of(options))
    frame, source = read_rows(options["data"], reading=reading)
    target = target_of_run(options["model"]) or target_of(options["data"], frame, None, source)
    if target in frame.columns and target not in getattr(estimator, "feature_names_in_", ()):
        frame = frame.drop(columns=target)
    X = inputs_for(estimator, frame, source=source)
    unused = frame.shape[1] - X.shape[1]
    if unused:
        console.detail(f"{unused} columns of {source} are not used")
    columns = _answers(estimator, X, probabilities=options["probabilities"])
    return _write({"n_rows": len(frame), "columns": columns}, out, console)


def _of_pictures(estimator: ImageClassifier, options: Mapping[str, Any], console: Console) -> dict[str, Any]:
    """Return what a network sees in files and folders, and say which files were left out."""
    sources = [options["data"], *(options["more"] or ())]
    seen = predict_pictures(estimator, sources, skip_damaged=options["skip_damaged"], path=options["data_path"])
    for problem in seen.refused:
        console.note(f"left out: {label_text(str(problem))}")
    refused = [{"file": label_text(str(each.path)), "message": label_text(each.message)} for each in seen.refused]
    columns = seen.columns(probabilities=options["probabilities"])
    return {"n_rows": len(seen.names), "columns": columns, "refused": refused}


def _coder(estimator: Any) -> dict[str, Any]:
    """Return the attributes of an estimator, or of the autoencoder within it."""
    attributes: dict[str, Any] = vars(getattr(estimator, "autoencoder_", estimator))
    return attributes


def _of_plain_pictures(estimator: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an estimator without classes says of pictures, of a bundled set of its test part."""
    sources = [options["data"], *(options["more"] or ())]
    if len(sources) > 1 or os.path.isfile(sources[0]):
        sources = [[str(Path(source)) for source in sources]]
    h, w = _coder(estimator)["input_shape_"][:2]
    read = read_pictures(sources[0], (h, w), skip_damaged=options["skip_damaged"], path=options["data_path"])
    pixels = read.X if read.X_test is None else read.X_test
    return {"n_rows": len(pixels), "columns": _answers(estimator, pixels, probabilities=False)}


def _answers(estimator: Any, X: Any, *, probabilities: bool) -> dict[str, list[Any]]:
    """Return what an estimator says of rows, as columns."""
    if isinstance(estimator, (Autoencoder, TableAutoencoder)):
        errors = -np.asarray(estimator.score_samples(X))
        return {"error": errors.tolist(), **_numbered("code", estimator.transform(X))}
    if isinstance(estimator, SemanticHasher):
        return _numbered("bit", estimator.transform(X))
    columns = _columns(estimator, X, probabilities=probabilities)
    if isinstance(estimator, AnomalyDetector):
        columns["decision"] = estimator.decision_function(X).tolist()
    return columns


def _numbered(name: str, codes: Any) -> dict[str, list[Any]]:
    array = np.asarray(codes)
    return {f"{name}_{number}": array[:, number].tolist() for number in range(array.shape[1])}


def _write(found: dict[str, Any], out: Path | None, console: Console) -> int:
    """Write the table, or show it."""
    columns = found["columns"]
    if out is not None:
        with atomic_write(out, mode="w") as file:
            file.write(_csv(columns))
        console.note(f"{found['n_rows']} predictions written to {out}")
    if console.json_output:
        rest = {name: value for name, value in found.items() if name != "columns" or out is None}
        console.emit({"schema": "strata.predict/1", "out": None if out is None else str(out), **rest})
    elif out is None:
        console.result(_csv(columns).rstrip("\n"))
    return 0


def _columns(estimator: Any, X: Any, *, probabilities: bool) -> dict[str, list[Any]]:
    """Return predictions, and the probability of each class, as columns."""
    predictions = np.asarray(estimator.predict(X))
    columns: dict[str, list[Any]] = {}
    if predictions.ndim == 1:
        columns["prediction"] = predictions.tolist()
    else:
        columns |= {f"prediction_{i}": predictions[:, i].tolist() for i in range(predictions.shape[1])}
    if probabilities and predictions.ndim == 1 and gives_probabilities(estimator):
        values = np.asarray(estimator.predict_proba(X))
        for i, label in enumerate(np.asarray(estimator.classes_).tolist()):
            columns[f"p_{label}"] = values[:, i].tolist()
    return columns


def _csv(columns: Mapping[str, list[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()
