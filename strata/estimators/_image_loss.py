"""The loss of an image classifier, for targets of every kind that its batches may hold."""

from __future__ import annotations

from torch import Tensor

from strata.functional import binary_cross_entropy, cross_entropy

__all__ = ["ImageLoss"]


class ImageLoss:
    """Cross-entropy of exclusive classes, or of separate labels, with smoothed targets where that is asked for.

    Batches whose images were mixed hold probabilities of classes rather than class numbers.
    """

    def __init__(self, n_outputs: int, *, multi_label: bool, label_smoothing: float) -> None:
        self.n_outputs = n_outputs
        self.multi_label = multi_label
        self.label_smoothing = label_smoothing
        self.__name__ = "binary_cross_entropy" if multi_label else "cross_entropy"

    def __call__(self, scores: Tensor, targets: Tensor, sample_weight: Tensor | None) -> Tensor:
        """Return the sum of the weighted losses over the number of rows, a tensor of shape ().

        Weights whose mean is 1 over all images make it an unbiased estimate of the weighted mean; dividing by the
        weight of the batch would not.
        """
        loss = binary_cross_entropy if self.multi_label else cross_entropy
        total = loss(
            scores, targets, sample_weight=sample_weight, reduction="sum", label_smoothing=self.label_smoothing
        )
        return total / len(scores)

    def plain(self, scores: Tensor, targets: Tensor, sample_weight: Tensor | None) -> Tensor:
        """Return the weighted mean without smoothing, as held-out images are judged."""
        loss = binary_cross_entropy if self.multi_label else cross_entropy
        return loss(scores, targets, sample_weight=sample_weight)
