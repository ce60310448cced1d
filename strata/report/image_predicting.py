"""What a saved network sees in picture files; those that cannot be read are named."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from strata._names import label_text
from strata.data import ImageProblem, find_images, list_sets, load_images
from strata.errors import DataError
from strata.estimators import ImageClassifier
from strata.report.gallery import read_gallery, refusal
from strata.report.scoring import check_probabilities

__all__ = ["SeenPictures", "predict_pictures"]

#: Files that are decoded and looked at together.
CHUNK = 2048


@dataclass(frozen=True)
class SeenPictures:
    """Pictures and what a network sees in them.

    Parameters
    ----------
    names : list of str
        Files as they were reached, or numbers.
    predictions : ndarray of shape (n,)
        Classes; of several labels a picture their names, joined by ``|``.
    probabilities : ndarray of shape (n, n_classes)
        In the order of ``classes``.
    classes : list
        All classes.
    refused : tuple of ImageProblem
        Files that were left out.
    """

    names: list[str]
    predictions: np.ndarray
    probabilities: np.ndarray
    classes: list[Any]
    refused: tuple[ImageProblem, ...] = ()

    def columns(self, *, probabilities: bool = True) -> dict[str, list[Any]]:
        """Return a table: ``file``, ``prediction``, its ``probability``, and ``p_CLASS`` of each class.

        Parameters
        ----------
        probabilities : bool, default=True
            With the columns of the probabilities, to six digits.

        Returns
        -------
        columns : dict of str to list
            In this order.
        """
        table: dict[str, list[Any]] = {"file": self.names, "prediction": self.predictions.tolist()}
        if probabilities:
            rounded = np.round(self.probabilities, 6)  # the network computes with seven digits
            table["probability"] = rounded.max(axis=1).tolist()
            for number, label in enumerate(self.classes):
                table[f"p_{label_text(label)}"] = rounded[:, number].tolist()
        return table


def predict_pictures(
    estimator: ImageClassifier, sources: Sequence[str], *, skip_damaged: bool = False, path: str | None = None
) -> SeenPictures:
    """Say what files, or all pictures below folders, show.

    Parameters
    ----------
    estimator : ImageClassifier
        Fitted.
    sources : sequence of str
        Folders and files; or the name of one bundled set.
    skip_damaged : bool, default=False
        Leave out files that cannot be read, instead of refusing them all.
    path : str, optional
        Folder with the files of a bundled set.

    Returns
    -------
    seen : SeenPictures
        One row a picture.

    Raises
    ------
    DataError
        If there are no pictures, or files cannot be read and ``skip_damaged`` is False.
    ValueError
        If the network gives no probabilities.
    """
    check_probabilities(estimator)
    if len(sources) == 1 and not os.path.lexists(sources[0]) and sources[0] in {entry.name for entry in list_sets()}:
        gallery = read_gallery(sources[0], path=path)
        return _seen(estimator, gallery.names, np.asarray(estimator.predict_proba(gallery.inputs())))
    files = [file for source in sources for file in find_images(Path(source), labels=False).paths]
    refused: tuple[ImageProblem, ...] = ()
    try:
        probs = _probabilities(estimator, files)
    except DataError:
        refused = load_images(files, size=(16, 16), on_problem="skip").problems
        if not refused:
            raise
        if not skip_damaged:
            raise DataError(refusal(refused, len(files))) from None
        bad = {problem.path for problem in refused}
        files = [file for file in files if file not in bad]
        probs = _probabilities(estimator, files)
    return _seen(estimator, [label_text(os.fspath(file)) for file in files], probs, refused)


def _probabilities(estimator: ImageClassifier, files: Sequence[Path]) -> np.ndarray:
    found = [estimator.predict_proba(files[start : start + CHUNK]) for start in range(0, len(files), CHUNK)]
    return np.concatenate([np.asarray(part, dtype=np.float64) for part in found])


def _seen(
    estimator: ImageClassifier, names: list[str], probs: np.ndarray, refused: tuple[ImageProblem, ...] = ()
) -> SeenPictures:
    classes = np.asarray(estimator.classes_).tolist()
    if estimator.multi_label_:
        said = ["|".join(str(classes[k]) for k in np.flatnonzero(row > 0.5)) for row in probs]
        return SeenPictures(names, np.asarray(said, dtype=object), probs, classes, refused)
    return SeenPictures(names, np.asarray(classes)[probs.argmax(axis=1)], probs, classes, refused)
