"""A decoder that uses its encoder's weights, transposed: one matrix, learned through both of its uses."""

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["TiedLinear"]


class TiedLinear(nn.Module):
    r"""Go back through a linear layer: from its outputs to its inputs with the same weights.

    Parameters
    ----------
    encoder : torch.nn.Linear
        Layer of shape (out_features, in_features) whose weight is borrowed. It is neither copied nor registered here:
        the encoder alone owns it, saves it and hands it to an optimizer.
    bias : bool, default=True
        Whether to add a bias of one's own, which starts at 0.

    Attributes
    ----------
    bias : Parameter of shape (encoder.in_features,) or None
        The only parameter of this layer.

    Raises
    ------
    TypeError
        If ``encoder`` is no linear layer.

    Notes
    -----
    With :math:`h = W x + b` in the encoder, this is :math:`\hat x = W^T h + c`. The gradient of the shared matrix is
    the sum over its uses, :math:`\nabla W = \nabla_{enc} + \nabla_{dec}^T`, which automatic differentiation gives by
    itself.

    Examples
    --------
    >>> encoder = nn.Linear(4, 2)
    >>> autoencoder = nn.Sequential(encoder, nn.Tanh(), TiedLinear(encoder))
    >>> autoencoder(torch.zeros(3, 4)).shape, sum(p.numel() for p in autoencoder.parameters())
    (torch.Size([3, 4]), 14)
    """

    def __init__(self, encoder: nn.Linear, *, bias: bool = True) -> None:
        super().__init__()
        if not isinstance(encoder, nn.Linear):
            raise TypeError(f"`encoder` must be a torch.nn.Linear. Received: encoder={type(encoder).__name__}.")
        self._borrowed = [encoder]  # in a list, so that torch does not count the weight twice
        weight = encoder.weight
        self.bias = nn.Parameter(weight.new_zeros(encoder.in_features)) if bias else None

    @property
    def weight(self) -> Tensor:
        """Weight of shape (in_features, out_features): the encoder's, transposed."""
        return self._borrowed[0].weight.T

    def forward(self, hidden: Tensor) -> Tensor:
        """Reconstruct the inputs.

        Parameters
        ----------
        hidden : Tensor of shape (..., encoder.out_features), float
            What the encoder gave, usually after an activation.

        Returns
        -------
        reconstruction : Tensor of shape (..., encoder.in_features)
            Pre-activations of the reconstruction.

        Examples
        --------
        >>> encoder = nn.Linear(3, 2)
        >>> TiedLinear(encoder)(encoder.weight[:, 0]).shape
        torch.Size([3])
        """
        return F.linear(hidden, self.weight, self.bias)
