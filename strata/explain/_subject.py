"""What is explained: a fitted classifier, one image as its network takes it, and the class that is asked about."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from strata._names import label_text, unknown_name
from strata.data import ImageSet, find_images
from strata.estimators import ImageClassifier
from strata.explain._network import checked_layer, default_layers, examined
from strata.explain.pictures import to_pixels

__all__ = ["Crowd", "Subject", "crowd_of", "subject_of"]


@dataclass(frozen=True, eq=False)
class Subject:
    """An image in front of a network; ``pixels`` are (h, w, c) from 0 to 1, ``x`` is (1, c, h, w)."""

    classifier: ImageClassifier
    name: str
    x: Tensor
    pixels: np.ndarray
    probs: np.ndarray
    target: int
    layers: dict[str, str]

    @property
    def network(self) -> nn.Module:
        """The network, in evaluation mode."""
        network: nn.Module = self.classifier.network_
        return network

    @property
    def classes(self) -> list[Any]:
        """Labels of the classes."""
        labels: list[Any] = np.asarray(self.classifier.classes_).tolist()
        return labels

    @property
    def asked(self) -> str:
        """Name of the class that is asked about."""
        return label_text(self.classes[self.target])

    @property
    def size(self) -> tuple[int, int]:
        """Height and width that the network sees."""
        return int(self.x.shape[2]), int(self.x.shape[3])

    def colors(self, x: Tensor) -> np.ndarray:
        """Return images as the network takes them as pixels from 0 to 1."""
        return _pixels(self.classifier, x)

    def top(self, k: int) -> list[int]:
        """Return the most probable classes, that which is asked about among them."""
        order = [int(each) for each in np.argsort(-self.probs, kind="stable")[:k]]
        return order if self.target in order else [*order[:-1], self.target]


@dataclass(frozen=True, eq=False)
class Crowd:
    """Training images to compare with, a sample where there are many."""

    inputs: Any
    labels: list[str] | None
    n_all: int

    def __len__(self) -> int:
        return len(self.inputs)


def subject_of(classifier: Any, image: Any, *, layers: Sequence[str] | None, target: Any) -> Subject:
    """Check what is asked, and let the network see the image."""
    if not isinstance(classifier, ImageClassifier):
        raise TypeError(f"`classifier` must be a strata.ImageClassifier. Received: {type(classifier).__name__}.")
    check_is_fitted(classifier)
    if not hasattr(classifier, "predict_proba"):
        raise ValueError(
            "`classifier` must give probabilities. Received: one trained with loss='hinge', whose scores are none."
        )
    inputs, name = _one(image)
    x = classifier.prepare(inputs)
    probs = np.asarray(classifier.predict_proba(inputs), dtype=np.float64)[0]
    classes = np.asarray(classifier.classes_).tolist()
    with examined(classifier.network_) as network:
        if layers is None:
            chosen = default_layers(network, x)
        elif isinstance(layers, str) or not layers:
            raise TypeError(f"`layers` must be a list of names. Received: {layers!r}.")
        else:
            chosen = {checked_layer(network, layer): layer for layer in layers}
    return Subject(
        classifier,
        name,
        x,
        _pixels(classifier, x)[0],
        probs,
        int(probs.argmax()) if target is None else _class_index(target, classes),
        chosen,
    )


def _pixels(classifier: ImageClassifier, x: Tensor) -> np.ndarray:
    return to_pixels(x, np.asarray(classifier.mean_).tolist(), np.asarray(classifier.std_).tolist())


def _one(image: Any) -> tuple[Any, str]:
    """Return one image in the form that a classifier takes many, and what to call it."""
    if isinstance(image, (str, os.PathLike)):
        path = Path(image)
        if path.is_dir():
            raise ValueError(f"`image` must be one image. Received: {path}, which is a folder.")
        return [path], path.name
    array = np.asarray(image)
    if array.ndim not in (1, 2, 3) or array.dtype == object:
        raise ValueError(
            f"`image` must be a path, or an array of shape (h, w) or (h, w, channels). Received: shape {array.shape}."
        )
    shape = " × ".join(str(side) for side in array.shape[:2])
    return array[None], f"an image of {shape} pixels" if array.ndim > 1 else "a row of numbers"


def _class_index(target: Any, classes: list[Any]) -> int:
    for at, label in enumerate(classes):
        if type(label) is type(target) and label == target:
            return at
    names = [label_text(label) for label in classes]
    if label_text(target) in names:
        return names.index(label_text(target))
    if len(names) > 40:  # the nearest ones are enough
        words = label_text(target).lower()
        names = sorted(names, key=lambda name: (words not in name.lower(), name))[:10]
    raise ValueError(unknown_name("class", target, names))


def crowd_of(training: Any, *, n_images: int, random_state: int) -> Crowd:
    """Take a sample of training images that come as a folder, a pair (X, y), or images alone."""
    labels: Any = None
    if isinstance(training, (str, os.PathLike)):
        training = find_images(training)
    if isinstance(training, ImageSet):
        inputs: Any = np.asarray(training.paths, dtype=object)
        labels = training.labels
        if labels is not None and training.multi_label:
            labels = ["|".join(np.asarray(training.classes)[row > 0]) for row in np.asarray(labels)]
    elif isinstance(training, tuple) and len(training) == 2:
        inputs, labels = _indexable(training[0]), training[1]
    else:
        inputs = _indexable(training)
    n = len(inputs)
    if n < 1 or (labels is not None and len(labels) != n):
        n_labels = "" if labels is None else f" and {len(labels)} labels"
        raise ValueError(f"`training` must be images, one label each. Received: {n} images{n_labels}.")
    rows = np.arange(n)
    if n > n_images:
        rows = np.sort(np.random.RandomState(random_state).permutation(n)[:n_images])
    chosen = inputs[rows]
    names = None if labels is None else [label_text(np.asarray(labels)[row]) for row in rows]
    return Crowd(list(chosen) if chosen.dtype == object else chosen, names, n)


def _indexable(images: Any) -> np.ndarray:
    if isinstance(images, Mapping) or not hasattr(images, "__len__"):
        raise TypeError(f"`training` must be images, a folder, or a pair (X, y). Received: {type(images).__name__}.")
    if len(images) and isinstance(images[0], (str, os.PathLike)):
        return np.asarray([Path(each) for each in images], dtype=object)
    return np.asarray(images)
