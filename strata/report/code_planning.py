"""What a training without a target would do: rows or pictures to learn codes of, decided before it begins."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import strata.estimators
from strata._files import sha256_of
from strata._names import unknown_name
from strata.data import AuditReport, audit, find_images, list_sets, load_images, load_set, split_rows
from strata.errors import DataError
from strata.report.gallery import Gallery, are_pictures, read_gallery
from strata.report.planning import RESERVED, check_words, plain_parameters
from strata.report.problems import read_rows, table_digest, target_of
from strata.report.recipes import EARLY_STOPPING_ROWS

__all__ = ["AUTOENCODER", "CodePlan", "CodeProblem", "CodeRecipe", "plan_code_training", "read_pictures"]

#: The name that ``model`` takes.
AUTOENCODER = "autoencoder"
#: Side to which picture files are brought unless another is asked for.
FILE_SIDE = 32
#: Small pictures that a dense network sees, counted anew in every epoch, before its codes are worth a comparison.
ENOUGH_PICTURES = 1_000_000
#: Bundled sets of pictures that have to be fetched first.
PICTURE_SETS = ("cifar10", "fashion_mnist", "mnist")
#: Rows of which the audit looks for copies and constant columns.
MAX_AUDITED_CELLS = 20_000_000


@dataclass(frozen=True)
class CodeProblem:
    """Rows or pictures, and where they come from.

    Parameters
    ----------
    name : str
        What to call the data.
    source : str
        File, folder or set, for messages.
    digest : str
        SHA-256 of the data.
    X : DataFrame or ndarray
        A table, or pictures of shape (n, h, w) or (n, h, w, c), uint8.
    X_test : DataFrame, ndarray or None, default=None
        The published test part.
    labels : ndarray of shape (n,) or None, default=None
        What is known of each row and not learned from; it colours pictures of the codes.
    labels_test : ndarray or None, default=None
        The same of the test part.
    target : str or None, default=None
        What the labels are called.
    size : str, default=""
        How large pictures are, in words.
    reading : dict of str to object
        How the data was read.
    task : str, default="codes"
        What is learned.
    """

    name: str
    source: str
    digest: str
    X: Any = field(repr=False)
    X_test: Any = field(default=None, repr=False)
    labels: np.ndarray | None = field(default=None, repr=False)
    labels_test: np.ndarray | None = field(default=None, repr=False)
    target: str | None = None
    size: str = ""
    reading: dict[str, Any] = field(default_factory=dict)
    task: str = "codes"

    @property
    def is_pictures(self) -> bool:
        """Whether the rows are pictures."""
        return isinstance(self.X, np.ndarray)

    @property
    def n_columns(self) -> int:
        """Columns of the table, or numbers of a picture."""
        return int(np.prod(self.X.shape[1:]))


@dataclass(frozen=True)
class CodeRecipe:
    """What is going to be trained.

    Parameters
    ----------
    parameters : dict of str to object
        Of the autoencoder, but for seeds, devices and folders.
    test_size : float
        Share of the rows held out.
    estimator : str
        Name of the estimator in :mod:`strata.estimators`.
    scale : bool
        Whether columns are standardised.
    notes : tuple of str
        What a reader should know about the defaults.
    model : str, default="autoencoder"
        Its name.
    """

    parameters: dict[str, Any]
    test_size: float
    estimator: str
    scale: bool
    notes: tuple[str, ...] = ()
    model: str = AUTOENCODER


@dataclass
class CodePlan:
    """Rows to learn from, rows to test on, and what learns.

    Parameters
    ----------
    problem : CodeProblem
        The data.
    recipe : CodeRecipe
        The estimator and its parameters.
    train : ndarray of int
        Numbers of the rows to learn from.
    test : ndarray of int or None
        Numbers of the rows to test on; None takes the published test part.
    split : str
        "shuffled", "published" or "none".
    audit : AuditReport
        What was found.
    seed : int
        Seed of the split and of the training.
    n_parameters : int or None, default=None
        Weights and biases, once there are any.
    """

    problem: CodeProblem
    recipe: CodeRecipe
    train: np.ndarray
    test: np.ndarray | None
    split: str
    audit: AuditReport
    seed: int
    n_parameters: int | None = None

    @property
    def n_train(self) -> int:
        """Rows to learn from."""
        return len(self.train)

    @property
    def n_test(self) -> int:
        """Rows to test on."""
        return len(self.problem.X_test) if self.test is None else len(self.test)

    @property
    def train_rows(self) -> Any:
        """Rows to learn from."""
        return _take(self.problem.X, self.train)

    @property
    def test_rows(self) -> Any:
        """Rows to test on."""
        return self.problem.X_test if self.test is None else _take(self.problem.X, self.test)

    @property
    def labels_test(self) -> np.ndarray | None:
        """What is known of the rows to test on."""
        if self.test is None:
            return self.problem.labels_test
        return None if self.problem.labels is None else self.problem.labels[self.test]

    def audit_lines(self, limit: int = 12) -> list[str]:
        """Return what the audit found, one line a finding."""
        lines = self.audit.lines() if self.audit.findings else []
        more = [f"{len(lines) - limit} findings more are in the report"] if len(lines) > limit else []
        return lines[:limit] + more

    def headline(self) -> str:
        """Return what is learned in one line."""
        problem = self.problem
        tested = "tested on the same" if self.split == "none" else f"{self.n_test} held out ({self.split} split)"
        if problem.is_pictures:
            return f"{problem.name}: codes of pictures ({problem.size}); {self.n_train} to learn from, {tested}"
        return f"{problem.name}: codes of {problem.n_columns} columns; {self.n_train} rows to learn from, {tested}"

    def to_dict(self) -> dict[str, Any]:
        """Return the plan without the data, ready for JSON."""
        problem = self.problem
        data: dict[str, Any] = {
            "name": problem.name,
            "source": problem.source.encode("utf-8", "backslashreplace").decode(),
            "digest": problem.digest,
            "target": problem.target,
            "task": problem.task,
            "n_rows": self.n_train + (0 if self.split == "none" else self.n_test),
            "n_columns": problem.n_columns,
            "reading": problem.reading,
        }
        if problem.is_pictures:
            data |= {"kind": "pictures", "size": problem.size}
        return {
            "data": data,
            "split": {
                "kind": self.split,
                "n_train": self.n_train,
                "n_test": self.n_test,
                "rule": {"test_size": float(self.recipe.test_size)},
            },
            "model": {
                "name": self.recipe.model,
                "estimator": self.recipe.estimator,
                "scale": self.recipe.scale,
                "parameters": plain_parameters(self.recipe.parameters),
                "n_inputs": problem.n_columns,
                "input": problem.size,
                "n_parameters": self.n_parameters,
            },
            "seed": self.seed,
        }


def _take(X: Any, rows: np.ndarray) -> Any:
    return X[rows] if isinstance(X, np.ndarray) else X.iloc[rows]


def plan_code_training(
    data: object,
    *,
    target: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    test_size: float | None = None,
    image_size: int | tuple[int, int] | None = None,
    scale: bool | None = None,
    skip_damaged: bool = False,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    reading: Mapping[str, Any] | None = None,
    say: Any = None,
) -> CodePlan:
    """Read the data, split it, and decide what learns codes of it.

    Parameters
    ----------
    data : path, name of a bundled set, data frame, array, or folder of pictures
        What there is.
    target : str, optional
        Column that is not learned from, but told apart in the pictures; bundled sets know theirs.
    labels : path, optional
        Table of file names and labels, for a folder.
    test_size : float, optional
        Share of the rows to hold out, in [0, 1); by default the published test part, else 0.2.
    image_size : int or tuple of two ints, optional
        Side, or height and width, that picture files are brought to; 32 by default.
    scale : bool, optional
        Whether columns of a table are standardised; by default they are.
    skip_damaged : bool, default=False
        Leave out picture files that cannot be read.
    params : mapping of str to object, optional
        Parameters of :class:`strata.Autoencoder`.
    seed : int, default=0
        Seed of the split and of the training.
    reading : mapping of str to object, optional
        How to read a text file.
    say : callable, optional
        Takes lines of progress.

    Returns
    -------
    plan : CodePlan
        Everything decided; nothing trained.

    Raises
    ------
    DataError
        If the data cannot be used.
    ValueError
        If an argument makes no sense.

    Examples
    --------
    >>> plan = plan_code_training("iris", params={"n_components": 2})
    >>> plan.n_train, plan.n_test, plan.recipe.estimator
    (120, 30, 'TableAutoencoder')
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ValueError(f"`seed` must be an integer in [0, 2**32). Received: seed={seed!r}.")
    said = dict(params or {})
    _check_parameters(said)
    how = dict(reading or {})
    if _is_pictures(data, how.get("path")):
        if target is not None:
            raise ValueError(f"`target` must be left out for pictures. Received: target={target!r}.")
        problem = _pictures(data, labels, image_size, skip_damaged, how, say)
    else:
        for name, value in (("labels", labels), ("image_size", image_size), ("skip_damaged", skip_damaged or None)):
            if value is not None:
                raise ValueError(f"`{name}` must be left out for a table. Received: {name}={value!r}.")
        problem = _table(data, target, how)
    recipe = _recipe(problem, said, test_size, scale)
    train, test, kind = _split(problem, test_size, int(seed))
    return CodePlan(problem, recipe, train, test, kind, _audited(problem), int(seed))


def _check_parameters(said: Mapping[str, Any]) -> None:
    kind = strata.estimators.Autoencoder
    known = set(kind._get_param_names())
    for name in said:
        if name in RESERVED:
            raise ValueError(f"`params` must not hold {name!r}: say it by `{RESERVED[name]}`.")
        if name not in known:
            raise ValueError(unknown_name("parameter of Autoencoder", name, known - set(RESERVED)))
    check_words(kind, said)


def _is_pictures(data: object, path: str | None) -> bool:
    """Return whether data is pictures: a folder, files, an array with sides, or a bundled set of such."""
    if are_pictures(data, AUTOENCODER, ()):
        return True
    if isinstance(data, np.ndarray):
        return data.ndim in (3, 4)
    if isinstance(data, tuple) and len(data) == 2 and isinstance(data[0], np.ndarray):
        return data[0].ndim in (3, 4)
    if not isinstance(data, str) or os.path.lexists(data) or os.sep in data or "." in data:
        return False
    return data in {entry.name for entry in list_sets()} and _is_picture_set(data, path)


def _is_picture_set(name: str, path: str | None) -> bool:
    """Return whether a bundled set holds pictures; one that is not there says so when it is read."""
    try:
        return load_set(name, path=path).image_shape is not None
    except (DataError, OSError):
        return name in PICTURE_SETS


def _pictures(
    data: Any,
    labels: Any,
    image_size: Any,
    skip_damaged: bool,
    reading: dict[str, Any],
    say: Any,
) -> CodeProblem:
    if isinstance(data, np.ndarray):
        data = (data, np.zeros(len(data), int))
        gallery, known = _unchecked(data), False
    else:
        gallery, known = _gallery(data, labels, skip_damaged, reading.get("path"), say)
    test = gallery.test
    size = (image_size, image_size) if isinstance(image_size, (int, np.integer)) else image_size
    pixels = _pixels(gallery, size)
    X_test = None if test is None else _pixels(test, pixels.shape[1:3])
    h, w = pixels.shape[1:3]
    colour = "grey" if pixels.ndim == 3 else "colour"
    return CodeProblem(
        gallery.name,
        gallery.source,
        gallery.digest,
        pixels,
        X_test,
        gallery.labels if known else None,
        None if test is None or not known else test.labels,
        gallery.target if known else None,
        f"{w} × {h} pixels, {colour}",
        dict(gallery.reading),
    )


def read_pictures(data: Any, size: tuple[int, int], *, skip_damaged: bool = False, path: str | None = None) -> Any:
    """Read pictures as a fitted autoencoder takes them.

    Parameters
    ----------
    data : folder, list of files, ImageSet, name of a bundled set, or array
        Pictures.
    size : tuple of two ints
        Height and width that files are brought to.
    skip_damaged : bool, default=False
        Leave out files that cannot be read.
    path : str, optional
        Folder with the files of a set that is not in the cache.

    Returns
    -------
    problem : CodeProblem
        With ``X`` of shape (n, h, w) or (n, h, w, c), uint8, and the test part of a set.
    """
    return _pictures(data, None, size if _are_files(data) else None, skip_damaged, {"path": path}, None)


def _unchecked(pair: tuple[np.ndarray, np.ndarray]) -> Gallery:
    pixels, y = pair
    two = y.copy()
    two[: len(two) // 2] = 1  # a gallery wants two classes; nobody is told
    return read_gallery((pixels, two))


def _gallery(data: Any, labels: Any, skip_damaged: bool, path: str | None, say: Any) -> tuple[Gallery, bool]:
    """Read pictures, with labels where there are any."""
    try:
        return read_gallery(data, labels=labels, skip_damaged=skip_damaged, path=path, say=say), True
    except DataError:
        if labels is not None or not _are_files(data):
            raise
    named = data if isinstance(data, (str, os.PathLike)) else find_images([Path(each) for each in data], labels=False)
    return read_gallery(named, skip_damaged=skip_damaged, with_labels=False, say=say), False


def _are_files(data: Any) -> bool:
    """Whether pictures are a folder or a list of paths."""
    return isinstance(data, (list, tuple)) or (isinstance(data, (str, os.PathLike)) and os.path.isdir(data))


def _pixels(gallery: Gallery, size: Any) -> np.ndarray:
    """Return pictures of one size, uint8; grey ones without an axis of channels."""
    if gallery.files is None:
        pixels = np.asarray(gallery.pixels)
        if size is not None and tuple(size) != pixels.shape[1:3]:
            raise ValueError(
                f"`image_size` must be left out for pictures in memory, which have {pixels.shape[1:3]}. "
                f"Received: image_size={size!r}."
            )
        return pixels[..., 0] if pixels.ndim == 4 and pixels.shape[3] == 1 else pixels
    sides = (FILE_SIDE, FILE_SIDE) if size is None else (int(size[0]), int(size[1]))
    grey = gallery.is_grey
    loaded = load_images(gallery.files, size=sides, channels=1 if grey else 3)
    pixels = np.asarray(loaded.array[:] if isinstance(loaded.array, np.ndarray) else loaded.array.take(slice(None)))
    return pixels[..., 0] if grey else pixels


def _table(data: Any, target: str | None, reading: dict[str, Any]) -> CodeProblem:
    frame, source = read_rows(data, reading=reading)
    named = target_of(data, frame, target, source)
    if named is None and isinstance(data, tuple):
        named = str(frame.columns[-1])
    labels = None if named is None else frame[named].to_numpy()
    inputs = frame if named is None else frame.drop(columns=named)
    if inputs.shape[1] < 2:
        raise DataError(f"{source}: {inputs.shape[1]} column is not enough to learn a code of; at least 2 are needed.")
    if len(inputs) < 4:
        raise DataError(f"{source}: {len(inputs)} rows are not enough to learn codes of; at least 4 are needed.")
    path = Path(os.fspath(data)) if isinstance(data, (str, os.PathLike)) and os.path.isfile(data) else None
    name = data if isinstance(data, str) and path is None else "data" if path is None else path.name.partition(".")[0]
    digest = table_digest(frame) if path is None else f"sha256:{sha256_of(path)}"
    said = {key: value for key, value in reading.items() if value is not None}
    return CodeProblem(str(name), source, digest, inputs, labels=labels, target=named, reading=said)


def _recipe(problem: CodeProblem, said: dict[str, Any], test_size: float | None, scale: bool | None) -> CodeRecipe:
    defaults: dict[str, Any] = {}
    notes: list[str] = []
    if len(problem.X) >= EARLY_STOPPING_ROWS and said.get("solver") != "lbfgs":
        defaults["early_stopping"] = True
    if problem.is_pictures:
        defaults |= {"loss": "binary_cross_entropy", "max_iter": 30}
        if min(problem.X.shape[1:3]) < FILE_SIDE:
            defaults["max_iter"] = max(30, math.ceil(ENOUGH_PICTURES / len(problem.X)))
        else:
            defaults["channels"] = (16, 32)
            notes.append("pictures of 32 pixels or more: two convolutions come first (channels=(16, 32))")
    if test_size is not None and not 0 <= test_size < 1:
        raise ValueError(f"`test_size` must be in [0, 1). Received: test_size={test_size!r}.")
    estimator = "Autoencoder" if problem.is_pictures else "TableAutoencoder"
    scaled = not problem.is_pictures and (scale is None or bool(scale))
    return CodeRecipe(defaults | said, 0.2 if test_size is None else test_size, estimator, scaled, tuple(notes))


def _split(problem: CodeProblem, test_size: float | None, seed: int) -> tuple[np.ndarray, np.ndarray | None, str]:
    everything = np.arange(len(problem.X))
    if problem.X_test is not None and test_size is None:
        return everything, None, "published"
    share = 0.2 if test_size is None else float(test_size)
    if share == 0:
        return everything, everything, "none"
    split = split_rows(len(everything), test_size=share, random_state=seed)
    return np.sort(split.train), np.asarray(split.test), "shuffled"


def _audited(problem: CodeProblem) -> AuditReport:
    """Look for what spoils a training; pictures were looked at when they were read."""
    if problem.is_pictures or problem.X.size > MAX_AUDITED_CELLS:
        return AuditReport(len(problem.X), problem.n_columns)
    report = audit(problem.X)
    try:
        report.raise_errors()
    except DataError as error:
        text = str(error)
        raise DataError(text if text.startswith(problem.source) else f"{problem.source}: {text}") from None
    return report
