"""Figures to monitor that need no gradient: how often, and how well, a prediction is right."""

import torch
from torch import Tensor

__all__ = ["accuracy", "confusion_table", "mean_absolute_01", "r2"]


def _check(predicted: Tensor, targets: Tensor) -> None:
    if predicted.shape != targets.shape:
        raise ValueError(
            "`predicted` and `targets` must have the same shape; nothing is broadcast. "
            f"Received: predicted of shape {tuple(predicted.shape)}, targets of shape {tuple(targets.shape)}."
        )
    if predicted.numel() == 0:
        raise ValueError(f"`predicted` must not be empty. Received: predicted of shape {tuple(predicted.shape)}.")


def accuracy(predicted: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None) -> Tensor:
    """Compute the share of rows that are right in every entry.

    Parameters
    ----------
    predicted : Tensor of shape (N,) or (N, K)
        Predicted classes, or one label in each column.
    targets : Tensor of the same shape
        True classes.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row.

    Returns
    -------
    accuracy : Tensor of shape (), float64
        Between 0 and 1.

    Raises
    ------
    ValueError
        If the shapes differ or there are no rows.

    Examples
    --------
    >>> accuracy(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 1, 2]))
    tensor(0.7500, dtype=torch.float64)
    """
    _check(predicted, targets)
    right = (predicted == targets).flatten(1).all(dim=1) if predicted.ndim > 1 else predicted == targets
    if sample_weight is None:
        return right.double().mean()
    return (right * sample_weight.double()).sum() / sample_weight.double().sum()


def mean_absolute_01(predicted: Tensor, targets: Tensor) -> Tensor:
    r"""Compute the perceptron's error, the mean of :math:`|d - y|` over answers of 0 and 1.

    Parameters
    ----------
    predicted : Tensor of any shape
        Answers y, 0 or 1.
    targets : Tensor of the same shape
        Wanted answers d, 0 or 1.

    Returns
    -------
    error : Tensor of shape (), float64
        Between 0 and 1; to monitor, not to differentiate.

    Raises
    ------
    ValueError
        If the shapes differ or there are no entries.

    Examples
    --------
    >>> mean_absolute_01(torch.tensor([0, 1, 1, 0]), torch.tensor([0, 0, 1, 0]))
    tensor(0.2500, dtype=torch.float64)
    """
    _check(predicted, targets)
    return (predicted.double() - targets.double()).abs().mean()


def r2(predicted: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None) -> Tensor:
    r"""Compute the coefficient of determination, averaged over the outputs.

    Parameters
    ----------
    predicted : Tensor of shape (N,) or (N, K), float
        Predictions.
    targets : Tensor of the same shape
        True values.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row.

    Returns
    -------
    r2 : Tensor of shape (), float64
        :math:`1 - \sum w (y - f)^2 / \sum w (y - \bar y)^2`; at most 1. An output that is constant counts 1 when it is
        met exactly and 0 otherwise.

    Raises
    ------
    ValueError
        If the shapes differ or there are no rows.

    Examples
    --------
    >>> r2(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1.0, 2.0, 3.0]))
    tensor(0.5000, dtype=torch.float64)
    """
    _check(predicted, targets)
    f, y = (part.double().reshape(part.shape[0], -1) for part in (predicted, targets))  # (N, K)
    w = torch.ones_like(y[:, :1]) if sample_weight is None else sample_weight.double().unsqueeze(1)
    centre = (w * y).sum(dim=0) / w.sum()
    residual = (w * (y - f).square()).sum(dim=0)
    spread = (w * (y - centre).square()).sum(dim=0)
    ratio = residual / torch.where(spread > 0, spread, 1.0)
    constant = torch.where(residual > 0, 0.0, 1.0).double()
    return torch.where(spread > 0, 1 - ratio, constant).mean()


def confusion_table(predicted: Tensor, targets: Tensor, *, n_classes: int) -> Tensor:
    """Count how often each class was taken for each.

    Parameters
    ----------
    predicted : Tensor of shape (N,), int
        Predicted class numbers.
    targets : Tensor of shape (N,), int
        True class numbers.
    n_classes : int
        Number of classes K.

    Returns
    -------
    table : Tensor of shape (K, K), int64
        Row: true class. Column: predicted class.

    Raises
    ------
    ValueError
        If the shapes differ, there are no rows, or a class number is outside 0 to K - 1.

    Examples
    --------
    >>> confusion_table(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), n_classes=2)
    tensor([[1, 1],
            [0, 1]])
    """
    _check(predicted, targets)
    for name, numbers in (("predicted", predicted), ("targets", targets)):
        if numbers.min() < 0 or numbers.max() >= n_classes:
            raise ValueError(
                f"`{name}` must be class numbers from 0 to {n_classes - 1}. "
                f"Received: {name} from {numbers.min().item()} to {numbers.max().item()}."
            )
    flat = targets.long() * n_classes + predicted.long()
    return torch.bincount(flat, minlength=n_classes * n_classes).view(n_classes, n_classes)
