"""One output head of a dense network: a few output units, their activation and their loss."""

import math
from dataclasses import dataclass

from torch import Tensor

from strata.functional import LOSSES, get_activation, get_loss

__all__ = ["Head"]


@dataclass(frozen=True)
class Head:
    """What one group of output units predicts.

    Parameters
    ----------
    size : int
        Number of output units: classes, labels or values.
    loss : str
        Name of the loss, one of ``strata.functional.LOSSES``.
    weight : float, default=1.0
        Factor of this head's loss in the sum over the heads, at least 0.
    name : str, default="output"
        Name of the task.
    activation : str or None, default=None
        Activation of the output units. None: the link of the loss. A loss that takes logits has the one activation
        that belongs to it; the others take any elementwise activation, or softmax.
    loss_options : tuple of (str, float) pairs, default=()
        Options of the loss: ``("delta", 1.0)`` of huber, ``("gamma", 2.0)`` and ``("alpha", 0.25)`` of focal, and
        ``("soft", 1.0)`` of cross_entropy, whose targets are then probabilities.

    Raises
    ------
    ValueError
        If a value is out of range, or a name is unknown or does not fit the loss.

    Examples
    --------
    >>> head = Head(3, "cross_entropy")
    >>> head.output_activation, head.target_width
    ('softmax', 1)
    """

    size: int
    loss: str
    weight: float = 1.0
    name: str = "output"
    activation: str | None = None
    loss_options: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 1:
            raise ValueError(f"`size` must be an integer of at least 1. Received: size={self.size!r}.")
        if not 0 <= self.weight < math.inf:
            raise ValueError(f"`weight` must be at least 0 and finite. Received: weight={self.weight!r}.")
        described = get_loss(self.loss)
        if not described.dense:
            usable = ", ".join(name for name, loss in LOSSES.items() if loss.dense)
            raise ValueError(
                f"`loss` must be one that a head can have. Received: loss={self.loss!r}. Choose: {usable}."
            )
        if self.loss in ("cross_entropy", "kl_divergence") and self.size < 2:
            raise ValueError(
                f"`size` must be at least 2 for loss={self.loss!r}. Received: size={self.size}. "
                "Use binary_cross_entropy for one output."
            )
        self._check_options()
        self._check_activation()

    def _check_options(self) -> None:
        allowed = ("soft",) if self.loss == "cross_entropy" else get_loss(self.loss).options
        for option, _ in self.loss_options:
            if option not in allowed:
                raise ValueError(
                    f"`loss_options` of {self.loss} must be among: {', '.join(allowed) or 'none'}. "
                    f"Received: {option!r}."
                )
        values = dict(self.loss_options)
        if not values.get("delta", 1.0) > 0:
            raise ValueError(f"`delta` must be above 0. Received: delta={values['delta']!r}.")
        if not values.get("gamma", 0.0) >= 0:
            raise ValueError(f"`gamma` must be at least 0. Received: gamma={values['gamma']!r}.")
        if "alpha" in values and not (self.size == 1 and 0 <= values["alpha"] <= 1):
            raise ValueError(
                f"`alpha` must be in [0, 1], for a head of size 1. Received: alpha={values['alpha']!r}, "
                f"size={self.size}. Weigh exclusive classes by `sample_weight` instead."
            )

    def _check_activation(self) -> None:
        if self.activation is None:
            return
        found = get_activation(self.activation)
        if get_loss(self.loss).takes_logits and found.name != self.link:
            raise ValueError(
                f"`activation` must be {self.link!r} or None for loss={self.loss!r}, which takes logits. "
                f"Received: activation={self.activation!r}."
            )
        object.__setattr__(self, "activation", found.name)

    @property
    def link(self) -> str:
        """Name of the activation that belongs to the loss."""
        if self.loss == "focal" and self.size == 1:
            return "logistic"
        return get_loss(self.loss).link

    @property
    def output_activation(self) -> str:
        """Name of the activation of the output units."""
        return self.link if self.activation is None else self.activation

    @property
    def index_targets(self) -> bool:
        """Whether the target is one class number, and not one value an output."""
        if self.loss == "cross_entropy":
            return not dict(self.loss_options).get("soft")
        return self.loss in ("hinge", "focal") and self.size > 1

    @property
    def target_width(self) -> int:
        """Number of target columns: 1 for class numbers, else the size."""
        return 1 if self.index_targets else self.size

    def loss_of(self, scores: Tensor, targets: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Compute this head's loss of a batch, before its weight.

        Parameters
        ----------
        scores : Tensor of shape (N, size), float
            Pre-activations.
        targets : Tensor of shape (N, target_width), float
            Targets; class numbers as floats.
        sample_weight : Tensor of shape (N,) or None, default=None
            Weight of each row.

        Returns
        -------
        loss : Tensor of shape ()
            The loss with its own reduction.

        Examples
        --------
        >>> Head(2, "cross_entropy").loss_of(torch.zeros(3, 2), torch.tensor([[0.0], [1.0], [1.0]]))
        tensor(0.6931)
        """
        described = get_loss(self.loss)
        prediction = scores if described.takes_logits else get_activation(self.output_activation)(scores)
        wanted = targets[:, 0].long() if self.index_targets else targets
        options = {option: value for option, value in self.loss_options if option != "soft"}
        return described.function(prediction, wanted, sample_weight=sample_weight, **options)
