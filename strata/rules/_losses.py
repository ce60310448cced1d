"""Losses of every kind behind one call, for the rules that differentiate automatically."""

from collections.abc import Callable, Mapping
from functools import partial
from inspect import Parameter, signature
from typing import TypeAlias

import torch
from torch import Tensor, nn

from strata._names import unknown_name
from strata.data.sources import Batch
from strata.functional.losses import Loss, get_loss

__all__ = ["BoundLoss", "LossFunction", "batch_weight", "bind_loss"]

#: ``loss(scores, targets)`` or ``loss(scores, targets, sample_weight)``, returning a scalar.
LossFunction: TypeAlias = Callable[..., Tensor]


class BoundLoss(nn.Module):
    """A loss of any kind behind one call: ``(scores, targets, sample_weight) -> scalar``."""

    def __init__(self, name: str, function: LossFunction, *, takes_weight: bool, by_keyword: bool, kind: str) -> None:
        super().__init__()
        self.name = name
        self.function = function
        self._takes_weight, self._by_keyword, self._kind = takes_weight, by_keyword, kind

    def forward(self, scores: Tensor, targets: Tensor | None, sample_weight: Tensor | None) -> Tensor:
        if targets is not None:
            targets = self._as_targets(scores, targets)
        if self._by_keyword:
            return self.function(scores, targets, sample_weight=sample_weight)
        if self._takes_weight:
            return self.function(scores, targets, sample_weight)
        if sample_weight is not None:
            raise ValueError(
                f"`loss` must take a third argument to use sample weights. Received: loss={self.name}, "
                "called with sample weights."
            )
        return self.function(scores, targets)

    def _as_targets(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Turn a column of class numbers into a vector of integers, where the loss takes those."""
        if not self._kind.startswith("index") or (targets.ndim == scores.ndim and targets.shape == scores.shape):
            return targets
        if targets.ndim == 2 and targets.shape[1] == 1:
            targets = targets[:, 0]
        return targets.long() if targets.ndim == 1 else targets


def bind_loss(loss: str | Loss | LossFunction, options: Mapping[str, float] | None = None) -> BoundLoss:
    """Put a name, a record or a callable behind one call, with the options of a named loss filled in."""
    if isinstance(loss, (str, Loss)):
        record = get_loss(loss) if isinstance(loss, str) else loss
        for option in options or ():
            if option not in record.options:
                raise ValueError(unknown_name(f"option of loss {record.name!r}", option, record.options))
        function = partial(record.function, **options) if options else record.function
        return BoundLoss(record.name, function, takes_weight=True, by_keyword=True, kind=record.targets)
    if options:
        raise ValueError(
            f"`loss_options` must come with the name of a loss. Received: loss={loss!r}. "
            "Fill the options of a function in with functools.partial."
        )
    if isinstance(loss, type) or not callable(loss):
        raise TypeError(f"`loss` must be a name, a Loss or a callable. Received: loss={loss!r}.")
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    parameters = signature(loss.forward if isinstance(loss, nn.Module) else loss).parameters
    places = [item for item in parameters.values() if item.kind in positional]
    by_keyword = "sample_weight" in parameters and parameters["sample_weight"].kind is Parameter.KEYWORD_ONLY
    many = any(item.kind is Parameter.VAR_POSITIONAL for item in parameters.values())
    name = getattr(loss, "__name__", type(loss).__name__)
    return BoundLoss(name, loss, takes_weight=len(places) >= 3 or many, by_keyword=by_keyword, kind="any")


def batch_weight(batch: Batch) -> Tensor:
    """Return the sum of the sample weights, or the number of rows."""
    if batch.sample_weight is None:
        return torch.tensor(float(len(batch.x)), dtype=torch.float64)
    return batch.sample_weight.detach().sum()
