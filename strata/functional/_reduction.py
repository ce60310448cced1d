"""What every loss shares: the checks at the door and the way from one loss a row to one number."""

from typing import Literal

import torch
from torch import Tensor

__all__ = ["Reduction", "check_range", "check_same_shape", "check_scores", "mean_outputs", "reduce_rows", "sum_outputs"]

#: "mean" is sum(w l) / sum(w), "sum" is sum(w l), "none" gives w l of each row.
Reduction = Literal["mean", "sum", "none"]


def check_same_shape(prediction: Tensor, targets: Tensor) -> None:
    """Refuse what would broadcast: both need the same shape, with at least one row."""
    if prediction.shape != targets.shape:
        raise ValueError(
            "`prediction` and `targets` must have the same shape; nothing is broadcast. "
            f"Received: prediction of shape {tuple(prediction.shape)}, targets of shape {tuple(targets.shape)}."
        )
    if prediction.ndim == 0 or prediction.shape[0] == 0:
        raise ValueError(
            f"`prediction` must have at least one row. Received: prediction of shape {tuple(prediction.shape)}."
        )


def check_scores(prediction: Tensor) -> None:
    """Ask for one row of at least two scores an example."""
    if prediction.ndim != 2 or prediction.shape[0] == 0 or prediction.shape[1] < 2:
        raise ValueError(
            "`prediction` must have shape (N, K) with N >= 1 rows and K >= 2 classes. "
            f"Received: prediction of shape {tuple(prediction.shape)}."
        )


def check_range(targets: Tensor, low: float, high: float, what: str) -> None:
    """Refuse targets outside [low, high]; NaN passes, to surface in the loss.

    Looked at on the CPU only: on an accelerator the look would stall the queue at every step. Nor does a compiled
    program look; who compiles sees to the targets.
    """
    if targets.device.type != "cpu" or torch.compiler.is_compiling():
        return
    smallest, largest = (bound.item() for bound in torch.aminmax(targets.detach()))
    if smallest < low or largest > high:
        raise ValueError(f"`targets` must be {what}. Received: targets from {smallest:g} to {largest:g}.")


def sum_outputs(losses: Tensor) -> Tensor:
    """Add up the losses of each row; shape (N, ...) to (N,)."""
    return losses if losses.ndim == 1 else losses.flatten(1).sum(dim=1)


def mean_outputs(losses: Tensor) -> Tensor:
    """Average the losses of each row; shape (N, ...) to (N,)."""
    return losses if losses.ndim == 1 else losses.flatten(1).mean(dim=1)


def reduce_rows(rows: Tensor, sample_weight: Tensor | None, reduction: Reduction) -> Tensor:
    """Reduce one loss a row, shape (N,), with one weight a row.

    Where all weights are zero there is nothing to average, and the mean is 0 with gradient 0.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"`reduction` must be 'mean', 'sum' or 'none'. Received: reduction={reduction!r}.")
    if sample_weight is None:
        return rows.mean() if reduction == "mean" else rows.sum() if reduction == "sum" else rows
    if sample_weight.shape != rows.shape:
        raise ValueError(
            f"`sample_weight` must have shape ({rows.shape[0]},), one weight a row. "
            f"Received: sample_weight of shape {tuple(sample_weight.shape)}."
        )
    weighted = rows * sample_weight.to(rows.dtype)
    if reduction == "none":
        return weighted
    if reduction == "sum":
        return weighted.sum()
    total = sample_weight.to(rows.dtype).sum()
    return weighted.sum() / torch.where(total == 0, torch.ones_like(total), total)
