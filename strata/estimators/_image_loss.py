"""The loss of an image classifier, for targets of every kind that its batches may hold."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from strata.estimators._image_labels import ImageLabels
from strata.estimators._parameters import loss_options
from strata.functional.losses import LOSSES
from strata.models import head_of
from strata.nn.lenet import EuclideanRBF

__all__ = ["CUTS", "EXCLUSIVE", "IMAGE_LOSSES", "ImageLoss", "SEPARATE", "chosen_loss", "link_of"]

#: Losses of one class an image, by name; the first is the usual one.
EXCLUSIVE = ("cross_entropy", "focal", "hinge", "rbf_map", "rbf_mse")
#: Losses of several labels an image.
SEPARATE = ("binary_cross_entropy", "focal", "hinge")
IMAGE_LOSSES = tuple(sorted({*EXCLUSIVE, *SEPARATE}))
#: Losses that take probabilities as targets, and smooth them.
_ENTROPIES = ("binary_cross_entropy", "cross_entropy")
#: Losses of distances, which only Gaussian connections give.
_OF_DISTANCES = ("rbf_map", "rbf_mse")
#: What the answer for one of several labels must exceed to mean yes, by the link.
CUTS = {"identity": 0.0, "logistic": 0.5, "softmax": 0.5}


def link_of(name: str, *, multi_label: bool) -> str:
    """Return what turns scores into the answer of a classifier: "softmax", "logistic", or "identity" where none does.

    Scores of the hinge loss are no logits of anything: they are compared with each other, or with 0.
    """
    if name == "hinge":
        return "identity"
    return "logistic" if multi_label else "softmax"


class ImageLoss:
    """A loss of exclusive classes or of separate labels, with smoothed targets where that is asked for.

    Batches whose images were mixed hold probabilities of classes rather than class numbers: their loss is the one to be
    expected, the mean over the classes. For the cross-entropy that is the same thing.
    """

    def __init__(
        self,
        name: str,
        n_outputs: int,
        *,
        multi_label: bool,
        label_smoothing: float = 0.0,
        options: dict[str, float] | None = None,
    ) -> None:
        self.name = name
        self.n_outputs = n_outputs
        self.multi_label = multi_label
        self.link = link_of(name, multi_label=multi_label)
        self._function = LOSSES[name].function
        self._options: dict[str, float] = dict(options or {})
        self._smoothing = {"label_smoothing": label_smoothing} if label_smoothing else {}
        said = ", ".join(f"{key}={value:g}" for key, value in (self._options | self._smoothing).items())
        self.__name__ = f"{name}({said})" if said else name  # what a resumed run compares

    def __call__(self, scores: Tensor, targets: Tensor, sample_weight: Tensor | None) -> Tensor:
        """Return the sum of the weighted losses over the number of rows, a tensor of shape ().

        Weights whose mean is 1 over all images make it an unbiased estimate of the weighted mean; dividing by the
        weight of the batch would not.
        """
        rows = self._rows(scores, targets, self._options | self._smoothing)
        return (rows if sample_weight is None else rows * sample_weight).sum() / len(scores)

    def plain(self, scores: Tensor, targets: Tensor, sample_weight: Tensor | None) -> Tensor:
        """Return the weighted mean without smoothing, as held-out images are judged."""
        rows = self._rows(scores, targets, self._options)
        return rows.mean() if sample_weight is None else (rows * sample_weight).sum() / sample_weight.sum()

    def _rows(self, scores: Tensor, targets: Tensor, options: dict[str, float]) -> Tensor:
        """Return the loss of each image, shape (n,)."""
        if self.name in _ENTROPIES or targets.ndim == 1:
            return self._function(scores, targets, reduction="none", **options)
        if self.multi_label:
            flat = scores.reshape(-1)  # each label is a question of its own
            yes, no = (self._function(flat, flat.new_full(flat.shape, a), reduction="none", **options) for a in (1, 0))
            return (targets * yes.view_as(scores) + (1 - targets) * no.view_as(scores)).sum(dim=1)
        rows, classes = targets.nonzero(as_tuple=True)
        parts = self._function(scores[rows], classes, reduction="none", **options) * targets[rows, classes]
        return torch.zeros_like(scores).index_put((rows, classes), parts).sum(dim=1)


def chosen_loss(estimator: Any, labels: ImageLabels, network: nn.Module | None = None) -> ImageLoss:
    """Return the loss that the arguments of an estimator ask for.

    Parameters
    ----------
    estimator : estimator
        Whose ``loss``, ``loss_options`` and ``label_smoothing`` count.
    labels : ImageLabels
        Exclusive classes, or separate labels.
    network : nn.Module or None, default=None
        What is to learn, with its head; None before it is there: then "auto" is not looked into.

    Raises
    ------
    ValueError
        If the loss does not go with the labels, the network, its options or the smoothing.
    """
    gaussian = network is not None and _ends_in_distances(network)
    allowed = SEPARATE if labels.multi_label else EXCLUSIVE
    name = estimator.loss
    if name == "auto":
        name = "rbf_map" if gaussian and not labels.multi_label else allowed[0]
    if name not in allowed:
        kind = "several labels an image" if labels.multi_label else "one class an image"
        raise ValueError(f"`loss` must be 'auto', {_listed(allowed)} for {kind}. Received: loss={name!r}.")
    if network is not None:
        _check_head(name, labels, gaussian=gaussian)
    options = dict(loss_options(estimator.loss_options))
    smoothing = float(estimator.label_smoothing)
    loss = ImageLoss(name, labels.n_outputs, multi_label=labels.multi_label, label_smoothing=smoothing, options=options)
    if estimator.loss != "auto" or network is not None:
        _check_options(loss, options, smoothing)
    return loss


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(map(repr, names[:-1]))} or {names[-1]!r}"


def _ends_in_distances(network: nn.Module) -> bool:
    try:
        return isinstance(network.get_submodule(head_of(network)), EuclideanRBF)
    except ValueError:  # no layer that could be one
        return False


def _check_head(name: str, labels: ImageLabels, *, gaussian: bool) -> None:
    """Refuse a loss that the network's scores cannot serve."""
    if gaussian and labels.multi_label:
        raise ValueError(
            "`y` must hold one class an image for a network that ends in Gaussian connections, whose scores are minus "
            "distances and never say yes. Received: several labels an image."
        )
    if name in _OF_DISTANCES and not gaussian:
        raise ValueError(
            f"`loss` must be another one for a network that does not end in Gaussian connections, as 'lenet5_1998' "
            f"does. Received: loss={name!r}, which is one of distances."
        )


def _check_options(loss: ImageLoss, options: dict[str, float], smoothing: float) -> None:
    """Refuse options that the loss does not have, and values outside their range."""
    known = [option for option in LOSSES[loss.name].options if option != "label_smoothing"]
    strange = sorted(set(options) - set(known))
    if strange:
        has = f"has {', '.join(map(repr, known))}" if known else "has none"
        hint = " Use the argument `label_smoothing`." if strange[0] == "label_smoothing" else ""
        raise ValueError(
            f"`loss_options` must be options of the loss: {loss.name!r} {has}. Received: {strange[0]!r}.{hint}"
        )
    if smoothing and loss.name not in _ENTROPIES:
        raise ValueError(
            f"`label_smoothing` must be 0 with loss={loss.name!r}: it belongs to the cross-entropies. "
            f"Received: label_smoothing={smoothing!r}."
        )
    scores = torch.zeros(1, 2)
    loss(scores, scores if loss.multi_label else torch.zeros(1, dtype=torch.int64), None)  # looks at their range
