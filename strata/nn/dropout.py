"""Dropout as a layer, in its two forms, with masks that need no random state to be repeated.

N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014; G. Hinton et
al., "Improving neural networks by preventing co-adaptation of feature detectors", 2012, arXiv:1207.0580.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from strata.functional import keep_mask

__all__ = ["Dropout"]


class Dropout(nn.Module):
    r"""Switch units off at random while training.

    Parameters
    ----------
    p : float, default=0.5
        Probability of dropping a unit, in [0, 1). (In the paper p is the probability of keeping it.)
    form : {"inverted", "rescaling"}, default="inverted"
        "inverted" divides what is kept by :math:`1 - p` while training and does nothing when evaluating, as the
        frameworks do. "rescaling" masks while training and multiplies by :math:`1 - p` when evaluating, as the paper
        does; that is the same as scaling the weights that leave the unit.
    seed : int, default=0
        Seed of the masks.
    layer : int, default=0
        Number of the layer; give each dropout layer of a network its own, so that their masks differ.

    Attributes
    ----------
    dropout_seed, dropout_step : Tensors of shape (), int64
        Counters of the next mask, saved with the state. Each forward pass in training mode takes one step.

    Raises
    ------
    ValueError
        If ``p`` or ``form`` is out of range.

    See Also
    --------
    strata.functional.keep_mask : The masks.

    Notes
    -----
    In both forms the expectation of what a linear layer receives is the same in training and in evaluation. One mask
    is drawn for each example and pass. Dropped units receive a gradient of exactly zero.

    Examples
    --------
    >>> dropout = Dropout(0.5)
    >>> dropout(torch.ones(2, 4))
    tensor([[0., 0., 2., 2.],
            [0., 2., 0., 2.]])
    >>> dropout.eval()(torch.ones(1, 4))
    tensor([[1., 1., 1., 1.]])
    """

    dropout_seed: Tensor
    dropout_step: Tensor

    def __init__(
        self, p: float = 0.5, *, form: Literal["inverted", "rescaling"] = "inverted", seed: int = 0, layer: int = 0
    ) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"`p` must be a probability in [0, 1). Received: p={p!r}.")
        if form not in ("inverted", "rescaling"):
            raise ValueError(f"`form` must be 'inverted' or 'rescaling'. Received: form={form!r}.")
        self.p = p
        self.form = form
        self.layer = layer
        self.register_buffer("dropout_seed", torch.tensor(seed, dtype=torch.int64))
        self.register_buffer("dropout_step", torch.tensor(0, dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Mask the units, or let them pass.

        Parameters
        ----------
        x : Tensor of any shape, float
            Activations, the batch first.

        Returns
        -------
        x : Tensor of the same shape
            Masked in training mode; whole, or times ``1 - p``, in evaluation mode.

        Examples
        --------
        >>> Dropout(0.25, form="rescaling").eval()(torch.ones(2))
        tensor([0.7500, 0.7500])
        """
        if self.p == 0:
            return x
        if not self.training:
            return x if self.form == "inverted" else x * (1 - self.p)
        mask = keep_mask(int(self.dropout_seed), int(self.dropout_step), self.layer, x.shape, self.p, x.device)
        self.dropout_step += 1
        kept = x * mask
        return kept / (1 - self.p) if self.form == "inverted" else kept

    def extra_repr(self) -> str:
        """Say the probability and the form."""
        return f"p={self.p}, form={self.form!r}"
