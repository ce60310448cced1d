"""LeNet-5 as it was: trainable subsampling, a partial table of connections, and Gaussian outputs.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition", Proceedings of
the IEEE 86(11), 1998, section II.B, table I and figure 2: 60,000 parameters and 340,908 connections.
"""

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strata.models.registry import register_model
from strata.nn.lenet import EuclideanRBF, PartialConv2d, ScaledTanh, Subsampling, digit_codes

__all__ = ["C3_TABLE", "LeNet5Of1998"]

_Layer = TypeVar("_Layer", nn.Conv2d, nn.Linear)

#: Table I of the paper: the channels of S2 that each of the 16 channels of C3 looks at.
C3_TABLE: tuple[tuple[int, ...], ...] = (
    (0, 1, 2),
    (1, 2, 3),
    (2, 3, 4),
    (3, 4, 5),
    (0, 4, 5),
    (0, 1, 5),
    (0, 1, 2, 3),
    (1, 2, 3, 4),
    (2, 3, 4, 5),
    (0, 3, 4, 5),
    (0, 1, 4, 5),
    (0, 1, 2, 5),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)
PAPER = -0.1  # value of the background; ink is 1.175
FIELD = 32  # pixels of the input field


class LeNet5Of1998(nn.Module):
    """The network of 1998, layer by layer.

    Parameters
    ----------
    in_channels : int, default=1
        Channels of an image.
    n_classes : int, default=10
        Outputs. The first ten have the codes of the drawn digits, further ones random codes.

    Notes
    -----
    Images are up to 32x32 pixels, with -0.1 for paper and 1.175 for ink; smaller ones are centred in the field, on
    paper. Weights start uniformly between minus and plus 2.4 over the fan-in of their unit.

    The outputs are scores, minus the distances of the paper, so that the largest one wins as in every other network.
    The losses to train it with are ``rbf_map`` and ``rbf_mse``; ``cross_entropy`` is ``rbf_map`` with a large ``j``.

    Examples
    --------
    >>> network = LeNet5Of1998()
    >>> sum(p.numel() for p in network.parameters())
    60000
    >>> network(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(self, *, in_channels: int = 1, n_classes: int = 10) -> None:
        super().__init__()
        self.c1 = _uniform(nn.Conv2d(in_channels, 6, 5))
        self.squash1 = ScaledTanh()
        self.s2 = Subsampling(6)
        self.squash2 = ScaledTanh()
        self.c3 = PartialConv2d(C3_TABLE, 5)
        self.squash3 = ScaledTanh()
        self.s4 = Subsampling(16)
        self.squash4 = ScaledTanh()
        self.c5 = _uniform(nn.Conv2d(16, 120, 5))
        self.squash5 = ScaledTanh()
        self.f6 = _uniform(nn.Linear(120, 84))
        self.squash6 = ScaledTanh()
        self.output = EuclideanRBF(digit_codes(n_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Give the score of every class: minus the squared distance to its code.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, H, W), float
            Images of at most 32x32 pixels.

        Returns
        -------
        scores : Tensor of shape (N, n_classes)
            At most 0; the largest one wins.

        Raises
        ------
        ValueError
            If the images are larger than the field.
        """
        x = self.squash1(self.c1(_centred(x)))  # (N, 6, 28, 28)
        x = self.squash2(self.s2(x))  # (N, 6, 14, 14)
        x = self.squash3(self.c3(x))  # (N, 16, 10, 10)
        x = self.squash4(self.s4(x))  # (N, 16, 5, 5)
        x = self.squash5(self.c5(x)).flatten(1)  # (N, 120)
        scores: Tensor = -self.output(self.squash6(self.f6(x)))
        return scores


def _centred(x: Tensor) -> Tensor:
    """Put smaller images into the middle of the field."""
    height, width = x.shape[-2:]
    if height == FIELD and width == FIELD:
        return x
    if height > FIELD or width > FIELD:
        raise ValueError(f"`x` must be at most {FIELD}x{FIELD} pixels. Received: {height}x{width} pixels.")
    rows, columns = FIELD - height, FIELD - width
    return F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2), value=PAPER)


def _uniform(layer: _Layer) -> _Layer:
    """Draw weights and biases between minus and plus 2.4 over the fan-in."""
    bound = 2.4 / layer.weight[0].numel()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-bound, bound)
    return layer


@register_model(
    "lenet5_1998",
    summary="LeNet-5 as published, with Gaussian outputs; loss rbf_map",
    source="LeCun et al. 1998, Proc. IEEE 86(11)",
    input_size=28,
    min_size=12,
    n_parameters=60_000,
    head="output",
    blocks=(("c1",), ("s2",), ("c3",), ("s4",), ("c5",), ("f6",)),  # the codes of the output are fixed
    mean=(0.1 / 1.275,),  # so that 0 becomes -0.1 and 1 becomes 1.175
    std=(1 / 1.275,),
)
def _lenet5_1998(*, in_channels: int = 1, n_classes: int = 10) -> LeNet5Of1998:
    return LeNet5Of1998(in_channels=in_channels, n_classes=n_classes)
