"""Local response normalisation, in the form of the AlexNet paper and in the form of its released code.

A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012,
section 3.3.
"""

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["LocalResponseNorm"]


class LocalResponseNorm(nn.Module):
    r"""Divide each activation by the energy of the neighbouring channels at its place.

    Parameters
    ----------
    size : int
        Channels in a window, n, odd: the channel itself and as many on either side. Channels beyond the first and the
        last count as 0.
    alpha : float, default=1e-4
        Weight of the squares, at least 0.
    beta : float, default=0.75
        Exponent.
    k : float, default=2.0
        What is added to the squares, above 0. The released codes use 1.
    alpha_is_per_window : bool, default=False
        What ``alpha`` is the weight of. False: of each square, as the paper writes it. True: of the whole window, so
        that each square weighs ``alpha / size``, as in cuda-convnet, Caffe and PyTorch.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Notes
    -----
    .. math:: b_i = a_i \Big/ \Big(k + \alpha' \sum_{j=\max(0, i - (n-1)/2)}^{\min(N-1, i + (n-1)/2)} a_j^2
              \Big)^\beta, \quad \alpha' = \alpha \text{ or } \alpha / n

    Examples
    --------
    >>> LocalResponseNorm(5)(torch.ones(1, 5, 1, 1)).flatten()
    tensor([0.5945, 0.5945, 0.5945, 0.5945, 0.5945])
    >>> LocalResponseNorm(3, alpha=1.0, k=1.0)(torch.ones(1, 3, 1, 1)).flatten()
    tensor([0.4387, 0.3536, 0.4387])
    """

    def __init__(
        self,
        size: int,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 2.0,
        *,
        alpha_is_per_window: bool = False,
    ) -> None:
        super().__init__()
        if isinstance(size, bool) or not isinstance(size, int) or size < 1 or size % 2 == 0:
            raise ValueError(f"`size` must be an odd integer of at least 1. Received: size={size!r}.")
        if not alpha >= 0:
            raise ValueError(f"`alpha` must be at least 0. Received: alpha={alpha!r}.")
        if not k > 0:
            raise ValueError(f"`k` must be above 0. Received: k={k!r}.")
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k
        self.alpha_is_per_window = alpha_is_per_window

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the channels.

        Parameters
        ----------
        x : Tensor of shape (N, C, ...), float
            Activations, at least one axis after the channels.

        Returns
        -------
        y : Tensor of the same shape
            Normalised activations.

        Examples
        --------
        >>> LocalResponseNorm(3)(torch.zeros(1, 4, 2, 2)).abs().max()
        tensor(0.)
        """
        alpha = self.alpha if self.alpha_is_per_window else self.alpha * self.size  # PyTorch divides by the size
        return F.local_response_norm(x, self.size, alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Describe the layer in one line.

        Returns
        -------
        text : str
            Its parameters.
        """
        form = ", alpha_is_per_window=True" if self.alpha_is_per_window else ""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}{form}"
