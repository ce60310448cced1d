"""A classifier from weights that somebody else learned, without any training."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from strata._names import unknown_name
from strata.data._images import CIFAR10_CLASSES
from strata.estimators import ImageClassifier
from strata.models import build, fetch_weights, load_weights, model_info, pretrained_weights
from strata.models.weights import ENTRIES, TORCHVISION

__all__ = ["pretrained_classifier"]


def pretrained_classifier(
    name: str,
    *,
    weights: str | os.PathLike[str] | None = None,
    classes: Sequence[Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> ImageClassifier:
    """Return a fitted classifier made of a registered network and weights.

    Parameters
    ----------
    name : str
        Of :func:`strata.models.list_models`.
    weights : str or path, optional
        A word of :func:`strata.models.pretrained_weights`, or a ``.safetensors`` or ``.npz`` file. By default the
        first word of those; with an own file the network's usual normalization is taken.
    classes : sequence of object, optional
        Labels in the order of the outputs; by default those of CIFAR-10 or ImageNet where the weights are theirs,
        else numbers.
    options : mapping of str to object, optional
        The network's own options, as ``{"width": 0.25}``.

    Returns
    -------
    classifier : ImageClassifier
        As if it had been fitted; for files it takes the middle of an image at the network's own size.

    Raises
    ------
    ValueError
        If the name, a word or an option is unknown, there are no weights, or the classes are not as many as the
        outputs.
    ModelRefusedError
        If the weights are damaged or of another network.
    MissingExtraError, OfflineError
        If published weights are wanted that are not here and cannot be fetched.

    Examples
    --------
    >>> pretrained_classifier("lenet5")
    Traceback (most recent call last):
    ...
    ValueError: `weights` must be a file for 'lenet5': no weights of it are published. Received: weights=None.
    """
    info = model_info(name)
    words = pretrained_weights(name)
    if weights is None and not words:
        raise ValueError(
            f"`weights` must be a file for {name!r}: no weights of it are published. Received: weights=None."
        )
    chosen = words[0] if weights is None else weights
    is_word = isinstance(chosen, str) and os.path.basename(chosen) == chosen and not os.path.splitext(chosen)[1]
    if is_word and chosen not in words:
        raise ValueError(unknown_name("weights", chosen, words) if words else f"Unknown weights {chosen!r}.")
    labels = list(classes) if classes is not None else _known_classes(name, str(chosen) if is_word else None)
    n_classes = info.n_classes if labels is None else len(labels)
    network = _network(name, chosen, n_classes, options, is_published=is_word and chosen in ENTRIES)
    labels = list(range(n_classes)) if labels is None else labels
    return _fitted(name, network.eval(), labels)


def _network(
    name: str, weights: str | os.PathLike[str], n_classes: int, options: Mapping[str, Any] | None, *, is_published: bool
) -> nn.Module:
    if is_published:
        if n_classes != model_info(name).n_classes:
            raise ValueError(
                f"`classes` must be {model_info(name).n_classes} for these weights. Received: {n_classes}."
            )
        return build(name, weights=weights, options=options)
    network = build(name, n_classes=n_classes, options=options, seed=0)
    shipped = isinstance(weights, str) and weights in pretrained_weights(name)
    fresh = load_weights(network, fetch_weights(name, str(weights)) if shipped else weights)
    if fresh:
        raise ValueError(
            f"`classes` must be as many as the outputs of the weights. "
            f"Received: {n_classes}, but {os.fspath(weights)} has another number of them or none."
        )
    return network


def _known_classes(name: str, word: str | None) -> list[Any] | None:
    """Return the labels that belong to a word, None where they are not known."""
    if word == "cifar10":
        return list(CIFAR10_CLASSES)
    if word in TORCHVISION:
        try:
            from torchvision.models import get_model_weights
        except ImportError:
            return None
        return list(get_model_weights(name)[ENTRIES[word]].meta["categories"])
    return None


def _fitted(name: str, network: nn.Module, labels: list[Any]) -> ImageClassifier:
    info = model_info(name)
    classifier = ImageClassifier(model=name, normalization=(info.mean, info.std))
    classifier.network_ = network
    classifier.classes_ = np.asarray(labels)
    classifier.multi_label_ = False
    classifier.model_name_ = name
    classifier.loss_name_ = "cross_entropy"
    classifier.in_channels_ = info.in_channels
    classifier.image_size_ = (info.input_size, info.input_size)
    classifier.mean_, classifier.std_ = np.asarray(info.mean), np.asarray(info.std)
    classifier.input_shape_ = None
    classifier.n_features_in_ = info.input_size**2 * info.in_channels
    return classifier
