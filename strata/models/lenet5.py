"""LeNet-5 as it is built today: full convolutions, max pooling, and a linear output for the softmax.

After Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition",
Proceedings of the IEEE 86(11), 1998. The network of that paper, unit by unit, is in ``lenet5_1998.py``.
"""

from typing import Literal

from torch import Tensor, nn

from strata.models.registry import register_model

__all__ = ["LeNet5"]


class LeNet5(nn.Module):
    """Two convolutions with pooling and three dense layers.

    Parameters
    ----------
    in_channels : int, default=1
        Channels of an image.
    n_classes : int, default=10
        Outputs.
    activation : {"relu", "tanh"}, default="relu"
        What follows every layer but the last.

    Raises
    ------
    ValueError
        If the activation is neither.

    Notes
    -----
    Made for 28x28 pixels, where the second pooling gives 5x5 by itself; at other sizes its output is averaged to 5x5.

    Examples
    --------
    >>> network = LeNet5()
    >>> sum(p.numel() for p in network.parameters())
    61706
    >>> network(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, *, in_channels: int = 1, n_classes: int = 10, activation: Literal["relu", "tanh"] = "relu"
    ) -> None:
        super().__init__()
        if activation not in ("relu", "tanh"):
            raise ValueError(f"`activation` must be 'relu' or 'tanh'. Received: activation={activation!r}.")
        squash = nn.ReLU if activation == "relu" else nn.Tanh
        self.conv1 = nn.Conv2d(in_channels, 6, 5, padding=2)
        self.act1 = squash()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.act2 = squash()
        self.pool2 = nn.MaxPool2d(2)
        self.to_grid = _GridAvgPool2d(5)
        self.fc1 = nn.Linear(400, 120)
        self.act3 = squash()
        self.fc2 = nn.Linear(120, 84)
        self.act4 = squash()
        self.fc3 = nn.Linear(84, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits of every class.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, H, W), float
            Normalised images.

        Returns
        -------
        logits : Tensor of shape (N, n_classes)
            Scores before the softmax.
        """
        x = self.pool1(self.act1(self.conv1(x)))  # (N, 6, H/2, W/2)
        x = self.pool2(self.act2(self.conv2(x)))  # (N, 16, H/4 - 2, W/4 - 2)
        x = self.act3(self.fc1(self.to_grid(x).flatten(1)))
        logits: Tensor = self.fc3(self.act4(self.fc2(x)))
        return logits


class _GridAvgPool2d(nn.AdaptiveAvgPool2d):
    """Average to a grid; what has its size already passes through."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.shape[-2:] == (self.output_size, self.output_size) else super().forward(x)


@register_model(
    "lenet5",
    summary="LeNet-5 as it is built today, for handwritten digits",
    source="after LeCun et al. 1998, Proc. IEEE 86(11)",
    input_size=28,
    min_size=12,
    n_parameters=61_706,
    head="fc3",
    blocks=(("conv1",), ("conv2",), ("fc1",), ("fc2",), ("fc3",)),
    mean=(0.1307,),  # of MNIST
    std=(0.3081,),
)
def _lenet5(*, in_channels: int = 1, n_classes: int = 10, activation: Literal["relu", "tanh"] = "relu") -> LeNet5:
    return LeNet5(in_channels=in_channels, n_classes=n_classes, activation=activation)
