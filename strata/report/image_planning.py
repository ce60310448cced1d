"""What a training on pictures would do, decided and checked before anything is trained or written."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from strata._names import label_text, unknown_name
from strata.data import AuditReport, split_rows
from strata.errors import DataError
from strata.estimators import ImageClassifier
from strata.models import list_models
from strata.report.gallery import Gallery, read_gallery
from strata.report.image_audit import audit_pictures
from strata.report.planning import check_words, plain_parameters
from strata.report.recipes import MODELS

__all__ = [
    "ImagePlan",
    "ImageRecipe",
    "describe_network",
    "describe_pictures",
    "divide_pictures",
    "plan_image_training",
]

#: Parameters that `train` sets itself; they cannot be among those of the estimator.
RESERVED = {
    "callbacks": "callbacks",
    "checkpoint": "out",
    "device": "device",
    "model": "model",
    "n_threads": "n_threads",
    "progress": "progress",
    "random_state": "seed",
    "resume": "resume",
    "time_limit": "time_limit",
}
#: With fewer pictures nothing is held out unless it is asked for.
HELD_OUT_ROWS = 20


@dataclass(frozen=True)
class ImageRecipe:
    """The network and what it is told.

    Parameters
    ----------
    model : str
        Name of a registered network, or "auto".
    parameters : dict of str to object
        Parameters of :class:`strata.ImageClassifier` beside the model.
    test_size : float
        Share of the pictures held out; 0 tests on those that are learned from.
    notes : tuple of str
        What a reader should know.
    estimator : str, default="ImageClassifier"
        What learns.
    scale : bool, default=False
        As of a table; pictures are normalised by the estimator.
    """

    model: str
    parameters: dict[str, Any]
    test_size: float
    notes: tuple[str, ...] = ()
    estimator: str = "ImageClassifier"
    scale: bool = False


@dataclass
class ImagePlan:
    """Pictures to learn from, pictures to test on, and what learns.

    Parameters
    ----------
    problem : Gallery
        All pictures.
    recipe : ImageRecipe
        The network and its parameters.
    train : Gallery
        Pictures to learn from.
    test : Gallery
        Pictures to test on; those to learn from when ``split`` is "none".
    split : str
        "stratified", "shuffled", "published" or "none".
    audit : AuditReport
        What was found.
    seed : int
        Seed of the split and of the training.
    split_rule : dict of str to object
        What the split was made by: ``test_size`` and ``stratify``.
    built : dict of str to object
        What is known after the training: ``name`` of the network, ``n_parameters`` and ``input``.
    """

    problem: Gallery
    recipe: ImageRecipe
    train: Gallery
    test: Gallery
    split: str
    audit: AuditReport
    seed: int
    split_rule: dict[str, Any] = field(default_factory=dict)
    built: dict[str, Any] = field(default_factory=dict)

    @property
    def n_train(self) -> int:
        """Pictures to learn from."""
        return len(self.train)

    @property
    def n_parameters(self) -> int | None:
        """Weights and biases of the network; None before it is built."""
        return self.built.get("n_parameters")

    def settle(self, estimator: ImageClassifier) -> None:
        """Take over what a fitted estimator decided.

        Parameters
        ----------
        estimator : ImageClassifier
            Fitted on the pictures of this plan.
        """
        self.built = describe_network(estimator)
        self.recipe = replace(self.recipe, model=self.built["name"])

    def headline(self) -> str:
        """Return what is learned from what in one line."""
        n_classes = len(self.problem.classes)
        tested = "tested on the same" if self.split == "none" else f"{len(self.test)} held out ({self.split} split)"
        size = self.problem.size_text() + (", grey" if self.problem.is_grey else "")
        return (
            f"{self.problem.name}: {n_classes} classes of pictures ({size}); {len(self.train)} to learn from, {tested}"
        )

    def class_lines(self, limit: int = 20) -> list[str]:
        """Return how many pictures there are of each class, one class a line, the largest first.

        Parameters
        ----------
        limit : int, default=20
            Lines at most.

        Returns
        -------
        lines : list of str
            Name, pictures to learn from, pictures to test on.
        """
        rows = self.class_counts()
        width = max(len(row["label"]) for row in rows[:limit])
        lines = [f"{row['label'].ljust(width)}  {row['n_train']:>6} + {row['n_test']}" for row in rows[:limit]]
        return lines if len(rows) <= limit else [*lines, f"... and {len(rows) - limit} classes more"]

    def class_counts(self) -> list[dict[str, Any]]:
        """Return label, pictures to learn from and to test on of each class, the largest first."""
        return _class_counts(self.problem.classes, self.train, None if self.split == "none" else self.test)

    def audit_lines(self, limit: int = 12) -> list[str]:
        """Return what was found, one finding a line, the most serious first."""
        lines = [f"{finding.level}: {finding.message}" for finding in self.audit.findings[:limit]]
        more = len(self.audit.findings) - limit
        return lines if more <= 0 else [*lines, f"... and {more} findings more, in report.json"]

    def to_dict(self) -> dict[str, Any]:
        """Return the plan without the pictures, ready for JSON."""
        network = describe_network(None) | self.built
        return {
            "data": describe_pictures(self.problem, self.train, None if self.split == "none" else self.test),
            "split": {
                "kind": self.split,
                "n_train": len(self.train),
                "n_test": len(self.test),
                "rule": self.split_rule,
            },
            "model": {
                **network,
                "name": self.built.get("name", self.recipe.model),
                "parameters": plain_parameters(self.recipe.parameters),
            },
            "seed": self.seed,
        }


def _class_counts(classes: list[Any], train: Gallery, test: Gallery | None) -> list[dict[str, Any]]:
    learned = np.asarray(train.labels)
    tested = learned[:0] if test is None else np.asarray(test.labels)
    rows = [
        {"label": label_text(label), "n_train": int((learned == label).sum()), "n_test": int((tested == label).sum())}
        for label in classes
    ]
    return sorted(rows, key=lambda row: -(row["n_train"] + row["n_test"]))


def describe_pictures(gallery: Gallery, train: Gallery, test: Gallery | None) -> dict[str, Any]:
    """Return what a report says of the pictures.

    Parameters
    ----------
    gallery : Gallery
        All of them.
    train : Gallery
        Those that are learned from, or all that are scored.
    test : Gallery or None
        Those held out.

    Returns
    -------
    data : dict of str to object
        Plain values.
    """
    return {
        "kind": "pictures",
        "name": gallery.name,
        "source": gallery.source,
        "digest": gallery.digest,
        "target": gallery.target,
        "task": gallery.task,
        "n_rows": len(train) + (0 if test is None else len(test)),
        "n_columns": None,
        "n_classes": len(gallery.classes),
        "size": gallery.size_text(),
        "classes": _class_counts(gallery.classes, train, test),
        "refused": [_refused(each, gallery.source) for each in gallery.refused],
        "reading": gallery.reading,
    }


def describe_network(estimator: ImageClassifier | None) -> dict[str, Any]:
    """Return what a report says of a network.

    Parameters
    ----------
    estimator : ImageClassifier or None
        Fitted; None before the network is built.

    Returns
    -------
    model : dict of str to object
        ``name``, ``estimator``, ``parameters``, ``input``, ``n_parameters`` and ``phases``, what "auto" came to; None
        for what is not known yet.
    """
    described: dict[str, Any] = {"name": None, "estimator": "ImageClassifier", "scale": False, "parameters": {}}
    if estimator is None:
        return described | {"n_inputs": None, "input": None, "n_parameters": None, "phases": None}
    height, width = estimator.image_size_
    colours = "grey" if estimator.in_channels_ == 1 else "in colour"
    n_parameters = sum(each.numel() for each in estimator.network_.parameters())
    return described | {
        "name": estimator.model_name_,
        "parameters": plain_parameters(estimator.get_params(deep=False)),
        "n_inputs": int(height * width * estimator.in_channels_),
        "input": f"{width} × {height} pixels, {colours}",
        "n_parameters": n_parameters,
        "phases": [dict(phase) for phase in getattr(estimator, "phases_", ())],
    }


def _refused(problem: Any, source: str) -> dict[str, str]:
    text = label_text(os.fspath(problem.path))
    return {
        "file": text.removeprefix(f"{source}{os.sep}"),
        "kind": problem.kind,
        "message": label_text(problem.message),
    }


def plan_image_training(
    data: object,
    *,
    labels: str | os.PathLike[str] | None = None,
    model: str = "auto",
    test_size: float | None = None,
    stratify: bool = True,
    skip_damaged: bool = False,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    path: str | None = None,
    say: Callable[[str], None] | None = None,
) -> ImagePlan:
    """Find and look at the pictures, split them, and decide what learns from them.

    Parameters
    ----------
    data : folder, list of files, ImageSet, name of a bundled set, or pair (X, y)
        The pictures.
    labels : path, optional
        Table of file names and labels, for a folder.
    model : str, default="auto"
        Name of a registered network; "auto" chooses by size and number of the pictures.
    test_size : float, optional
        Share of the pictures to hold out, in [0, 1); 0 tests on those that are learned from. By default the test part
        where the pictures come with one, else 0.2, and 0 for fewer than 20 pictures.
    stratify : bool, default=True
        Whether every class keeps its share on both sides of the split.
    skip_damaged : bool, default=False
        Leave out files that cannot be read, instead of refusing them all.
    params : mapping of str to object, optional
        Parameters of :class:`strata.ImageClassifier`.
    seed : int, default=0
        Seed of the split and of the training.
    path : str, optional
        Folder with the files of a bundled set.
    say : callable, optional
        Takes lines of progress.

    Returns
    -------
    plan : ImagePlan
        Everything decided; nothing trained.

    Raises
    ------
    DataError
        If the pictures cannot be used; every file that cannot be read is named.
    ValueError
        If an argument makes no sense.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ValueError(f"`seed` must be an integer in [0, 2**32). Received: seed={seed!r}.")
    if test_size is not None and not 0 <= test_size < 1:
        raise ValueError(f"`test_size` must lie in [0, 1). Received: test_size={test_size!r}.")
    _check_model(model)
    said = dict(params or {})
    _check_parameters(model, said)
    gallery = read_gallery(data, labels=labels, skip_damaged=skip_damaged, path=path, say=say)
    few = len(gallery) < HELD_OUT_ROWS and gallery.test is None and test_size is None
    notes = (f"fewer than {HELD_OUT_ROWS} pictures: none is held out",) if few else ()
    size = float(test_size) if test_size is not None else 0.0 if few else 0.2
    recipe = ImageRecipe(model, said, size, notes)
    rule = {"test_size": size, "stratify": bool(stratify)}
    if gallery.test is not None and test_size is None:
        train, test, kind = gallery, gallery.test, "published"
    elif size == 0:
        train, test, kind = gallery, gallery, "none"
    else:
        learned, tested, kind = divide_pictures(gallery, size, stratify=stratify, seed=int(seed))
        train, test = gallery.take(learned), gallery.take(tested)
    audit = audit_pictures(gallery, train, None if kind == "none" else test)
    return ImagePlan(gallery, recipe, train, test, kind, audit, int(seed), rule)


def _check_model(model: str) -> None:
    if model == "auto" or model in list_models():
        return
    if model in MODELS:
        raise ValueError(
            f"`model` must be a network that looks at pictures. Received: model={model!r}, which learns from tables. "
            f"Leave it out, or choose one of {', '.join(list_models())}."
        )
    raise ValueError(unknown_name("model", model, ["auto", *list_models()]))


def _check_parameters(model: str, said: Mapping[str, Any]) -> None:
    known = set(ImageClassifier._get_param_names())
    for name in said:
        if name in RESERVED:
            raise ValueError(f"`params` must not hold {name!r}; give `{RESERVED[name]}` instead.")
        if name not in known:
            raise ValueError(unknown_name("parameter of ImageClassifier", name, known - set(RESERVED)))
    check_words(ImageClassifier, said)
    ImageClassifier(model, **said)._check_arguments()
    if said.get("loss") == "hinge":
        raise ValueError(
            "`loss` must be one whose scores become probabilities, for the report. Received: loss='hinge'. "
            "Use another one, or ImageClassifier in Python."
        )


def divide_pictures(
    gallery: Gallery, test_size: float, *, stratify: bool, seed: int
) -> tuple[np.ndarray, np.ndarray, str]:
    """Split the pictures as a plan does.

    Parameters
    ----------
    gallery : Gallery
        All pictures.
    test_size : float
        Share to hold out.
    stratify : bool
        Whether every class keeps its share.
    seed : int
        Seed of the split.

    Returns
    -------
    train : ndarray of shape (n_train,), int64
        Numbers of the pictures to learn from, sorted.
    test : ndarray of shape (n_test,), int64
        Numbers of the pictures to test on.
    kind : str
        "stratified" or "shuffled".

    Raises
    ------
    DataError
        If the pictures cannot be split so.
    """
    labels = np.asarray(gallery.labels)
    try:
        split = split_rows(len(gallery), y=labels, test_size=test_size, stratify=stratify, random_state=seed)
    except DataError as error:
        text = str(error).replace("stratify=False", "stratify=False (--no-stratify)")
        raise DataError(f"{gallery.source}: {text}") from None
    return np.sort(split.train), np.sort(split.test), split.kind
