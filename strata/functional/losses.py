r"""Losses by name, each with what a network and an explicit back-propagation must know of it.

Every loss is a function ``loss(prediction, targets, *, sample_weight=None, reduction=...)`` of tensors, differentiable,
stable, and strict about shapes: where two shapes would broadcast it raises. Squares come in four forms that differ by
constants which the lectures leave to the learning rate; here each has a name of its own.

============== ======================================== ==================== =========
name           of one row                               over the rows        gradient
============== ======================================== ==================== =========
half_squared   half the sum of squares                  sum                  f - y
squared_error  half the sum of squares                  mean                 (f - y)/N
mse            mean of squares                          mean                 2(f - y)/(NK)
rss            sum of squares                           sum                  2(f - y)
============== ======================================== ==================== =========
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from strata._names import unknown_name
from strata.functional._losses_classes import (
    binary_cross_entropy,
    cross_entropy,
    focal,
    hinge,
    kl_divergence,
    nll,
)
from strata.functional._losses_rbf import rbf_map, rbf_mse
from strata.functional._losses_real import (
    half_squared,
    huber,
    image_restoration,
    mae,
    mse,
    poisson,
    rss,
    squared_error,
)

__all__ = [
    "LOSSES",
    "Loss",
    "binary_cross_entropy",
    "cross_entropy",
    "focal",
    "get_loss",
    "half_squared",
    "hinge",
    "huber",
    "image_restoration",
    "kl_divergence",
    "mae",
    "mse",
    "nll",
    "poisson",
    "rbf_map",
    "rbf_mse",
    "rss",
    "squared_error",
]


@dataclass(frozen=True)
class Loss:
    """A loss and what one must know to use it.

    Parameters
    ----------
    name : str
        Name in the registry.
    function : callable
        ``function(prediction, targets, *, sample_weight=None)`` to a tensor of shape ().
    takes_logits : bool, default=False
        Whether ``prediction`` is a score before the link (True), or the prediction itself (False).
    link : str, default="identity"
        Activation that turns the network's score into a prediction. A one-output ``focal`` uses "logistic".
    targets : {"real", "index", "index_or_probs", "binary", "probs", "count", "image"}, default="real"
        What the targets are.
    reduction : {"mean", "sum"}, default="mean"
        How the function reduces over the rows when not told.
    over_outputs : {"sum", "mean"}, default="sum"
        How it reduces over the outputs of a row.
    options : tuple of str, default=()
        Names of the numeric options of the function.
    dense : bool, default=True
        Whether it can be the loss of an output head of a dense network.

    Examples
    --------
    >>> loss = get_loss("poisson")
    >>> loss.takes_logits, loss.link, loss.targets
    (True, 'exp', 'count')
    """

    name: str
    function: Callable[..., Tensor]
    takes_logits: bool = False
    link: str = "identity"
    targets: Literal["real", "index", "index_or_probs", "binary", "probs", "count", "image"] = "real"
    reduction: Literal["mean", "sum"] = "mean"
    over_outputs: Literal["sum", "mean"] = "sum"
    options: tuple[str, ...] = ()
    dense: bool = True

    def __call__(self, prediction: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None) -> Tensor:
        """Compute the loss with the function's own reduction."""
        return self.function(prediction, targets, sample_weight=sample_weight)


#: Every loss by name.
LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss("binary_cross_entropy", binary_cross_entropy, True, "logistic", "binary"),
        Loss("cross_entropy", cross_entropy, True, "softmax", "index_or_probs", options=("label_smoothing",)),
        Loss("focal", focal, True, "softmax", "index", options=("gamma", "alpha")),
        Loss("half_squared", half_squared, reduction="sum"),
        Loss("hinge", hinge, True, "identity", "index"),
        Loss("huber", huber, over_outputs="mean", options=("delta",)),
        Loss("image_restoration", image_restoration, targets="image", over_outputs="mean", dense=False),
        Loss("kl_divergence", kl_divergence, True, "softmax", "probs"),
        Loss("mae", mae, over_outputs="mean"),
        Loss("mse", mse, over_outputs="mean"),
        Loss("nll", nll, targets="index", dense=False),
        Loss("poisson", poisson, True, "exp", "count"),
        Loss("rbf_map", rbf_map, True, "softmax", "index", options=("j",), dense=False),
        Loss("rbf_mse", rbf_mse, True, "softmax", "index", dense=False),
        Loss("rss", rss, reduction="sum"),
        Loss("squared_error", squared_error),
    )
}


def get_loss(loss: str | Loss | Callable[..., Tensor]) -> Loss:
    """Find a loss by name, or wrap a function of one's own.

    Parameters
    ----------
    loss : str, Loss or callable
        A registered name, a :class:`Loss`, or a function ``f(prediction, targets, *, sample_weight=None)`` to a tensor
        of shape (), which is then given the network's scores as they are.

    Returns
    -------
    loss : Loss
        The function and its description.

    Raises
    ------
    ValueError
        If the name is unknown; the message suggests the nearest one.
    TypeError
        If it is neither a name nor callable.

    Examples
    --------
    >>> get_loss("mse").over_outputs
    'mean'
    >>> get_loss("mes")
    Traceback (most recent call last):
    ...
    ValueError: Unknown loss 'mes'. Did you mean 'mse'? Available: ...
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise ValueError(unknown_name("loss", loss, LOSSES))
        return LOSSES[loss]
    if callable(loss):
        return Loss(getattr(loss, "__name__", type(loss).__name__), loss)
    raise TypeError(f"`loss` must be a name, a Loss or a callable. Received: loss={loss!r}.")
