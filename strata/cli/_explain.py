"""The verb ``explain``."""

import os
import re
from collections.abc import Mapping
from contextlib import nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from strata._names import unknown_name
from strata._threads import limit_threads
from strata.cli._console import Console
from strata.cli._values import parse_assignments
from strata.data import list_sets, load_set
from strata.errors import DataError, ModelRefusedError
from strata.estimators import ImageClassifier
from strata.explain import explain, pretrained_classifier
from strata.explain.explanation import checked_folder
from strata.models import list_models
from strata.report.gallery import divided_folder
from strata.report.run_folder import next_run_folder
from strata.report.scoring import load_model

__all__ = ["run"]

#: Names of the classes of ImageNet are often listed behind the key of their synset.
_SYNSET = re.compile(r"n\d{8}[ ,\t]+")
_ROW = re.compile(r"([a-z0-9_]+):(\d{1,9})")


def run(options: Mapping[str, Any], console: Console) -> int:
    """Show what a network sees in an image, and write the page.

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
    image, name = _image(options["image"], options["data_path"])
    out = next_run_folder(f"explain-{Path(name).stem}") if options["out"] is None else Path(options["out"])
    checked_folder(out, force=options["force"])  # refuses before anything is computed
    classifier = _classifier(options)
    training = None if options["against"] is None else _training(options["against"], options["data_path"])
    threads = options["threads"]
    with nullcontext() if threads is None else limit_threads(threads):
        explanation = explain(
            classifier,
            image,
            what=_names(options["what"]) or "all",
            layers=_names(options["layer"]) or None,
            target=options["target"],
            training=training,
            projection=options["projection"],
            n_steps=options["steps"],
            random_state=options["seed"],
            progress=console.note,
        )
    page = explanation.save(out, force=options["force"])
    if console.json_output:
        console.emit({**explanation.to_dict(), "schema": "strata.explain/1", "out": str(out)})
        return 0
    console.result(str(explanation))
    console.result(f"Page: {page}")
    return 0


def _names(words: list[str] | None) -> list[str]:
    """Return names that were given one by one, or separated by commas."""
    return [name.strip() for word in words or () for name in word.split(",") if name.strip()]


def _image(word: str, data_path: str | None) -> tuple[Any, str]:
    """Return a path, or a row of a bundled set, and what to call it."""
    row = _ROW.fullmatch(word)
    if row is None or os.path.lexists(word) or row[1] not in {entry.name for entry in list_sets()}:
        return Path(word), word
    dataset = load_set(row[1], path=data_path)
    X = dataset.X if dataset.X_test is None else dataset.X_test
    images = dataset.pictures(X)
    if int(row[2]) >= len(images):
        raise DataError(f"{word}: {row[1]} has the rows 0 to {len(images) - 1}.")
    return images[int(row[2])], word.replace(":", "-")


def _training(word: str, data_path: str | None) -> Any:
    """Return the pictures to compare with: those of a folder, of its part for training, or of a bundled set."""
    if os.path.lexists(word):
        parts = divided_folder(Path(word))
        return word if parts is None else parts[0]
    known = [entry.name for entry in list_sets()]
    if word not in known:
        raise DataError(f"{word}: there is no such folder. {unknown_name('bundled set', word, known)}")
    dataset = load_set(word, path=data_path)
    return dataset.pictures(dataset.X), dataset.y


def _classifier(options: Mapping[str, Any]) -> ImageClassifier:
    """Load the model of a folder, or make one of a registered network and weights."""
    word = options["model"]
    networks = list_models()
    is_network = word in networks and not os.path.isdir(word)
    given = [name for name in ("weights", "classes", "param") if options[name]]
    if is_network:
        classes = None if options["classes"] is None else _classes(options["classes"])
        said = parse_assignments(options["param"] or ())
        return pretrained_classifier(word, weights=options["weights"], classes=classes, options=said)
    if not os.path.lexists(word) and get_close_matches(word, networks, n=1, cutoff=0.6):
        raise ValueError(unknown_name("model", word, networks))
    if given:
        raise ValueError(f"`--{given[0]}` is for a registered network; a saved model has its own. Received: {word}.")
    estimator = load_model(word, allow_nonfinite=options["allow_nonfinite"])
    if not isinstance(estimator, ImageClassifier):
        raise ModelRefusedError(f"{word} holds {type(estimator).__name__}, which does not look at pictures.")
    return estimator


def _classes(path: str) -> list[str]:
    """Return the names of classes, one a line."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{path}: the names of the classes must be text in UTF-8.") from None
    except (FileNotFoundError, IsADirectoryError):
        raise DataError(f"{path}: there is no such file with the names of the classes.") from None
    names = [line.strip() for line in lines if line.strip()]
    if names and all(_SYNSET.match(name) for name in names):
        names = [_SYNSET.sub("", name, count=1) for name in names]
    if not names:
        raise DataError(f"{path}: it has no names of classes, one a line.")
    return names
