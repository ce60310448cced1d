"""Residual networks for small images, 6n + 2 layers deep, with shortcuts that have no parameters.

K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv:1512.03385,
section 4.2. The parameter names are those of the usual replica for PyTorch (akamaster).
"""

from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strata.models.registry import register_model

__all__ = ["CifarBlock", "CifarResNet"]


class CifarBlock(nn.Module):
    """Two 3x3 convolutions and the shortcut around them.

    Parameters
    ----------
    in_channels : int
        Channels that come in.
    width : int
        Channels that go out.
    stride : int, default=1
        Stride of the first convolution and of the shortcut.
    shortcut : {"A", "B"}, default="A"
        Where the shape changes: "A" takes every second pixel and adds channels of zeros, half of them in front and half
        behind; "B" is a 1x1 convolution with batch norm.

    Raises
    ------
    ValueError
        If the shortcut is neither, or "A" would have to drop channels.
    """

    def __init__(self, in_channels: int, width: int, *, stride: int = 1, shortcut: Literal["A", "B"] = "A") -> None:
        super().__init__()
        if shortcut not in ("A", "B"):
            raise ValueError(f"`shortcut` must be 'A' or 'B'. Received: shortcut={shortcut!r}.")
        if shortcut == "A" and (width - in_channels) % 2 + (width < in_channels):
            raise ValueError(
                "`width` must be `in_channels` plus an even number for shortcut 'A'. "
                f"Received: in_channels={in_channels}, width={width}."
            )
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.stride = stride
        self.n_new_channels = width - in_channels
        self.shortcut: nn.Sequential | None = None
        if shortcut == "B" and (stride != 1 or in_channels != width):
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Add the shortcut to what two convolutions make of the input.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, H, W), float
            Feature maps.

        Returns
        -------
        y : Tensor of shape (N, width, H / stride, W / stride)
            Feature maps.
        """
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        result: Tensor = self.relu2(y + self._around(x))
        return result

    def _around(self, x: Tensor) -> Tensor:
        if self.shortcut is not None:
            projected: Tensor = self.shortcut(x)
            return projected
        if self.stride != 1:
            x = x[:, :, :: self.stride, :: self.stride]
        if self.n_new_channels:
            x = F.pad(x, (0, 0, 0, 0, self.n_new_channels // 2, self.n_new_channels // 2))
        return x


class CifarResNet(nn.Module):
    """The residual network for images of about 32 pixels: 6n + 2 layers with 16, 32 and 64 channels.

    Parameters
    ----------
    n_blocks : int
        Blocks of each of the three stages, n.
    in_channels : int, default=3
        Channels of an image.
    n_classes : int, default=10
        Outputs.
    shortcut : {"A", "B"}, default="A"
        Shortcuts where the shape changes; "A" has no parameters and is the paper's choice here.

    Notes
    -----
    Weights start with He's normal numbers (fan-in), batch norms with scale 1 and shift 0.

    Examples
    --------
    >>> network = CifarResNet(3)
    >>> sum(p.numel() for p in network.parameters())
    269722
    >>> network(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, n_blocks: int, *, in_channels: int = 3, n_classes: int = 10, shortcut: Literal["A", "B"] = "A"
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = _stage(16, 16, n_blocks, 1, shortcut)
        self.layer2 = _stage(16, 32, n_blocks, 2, shortcut)
        self.layer3 = _stage(32, 64, n_blocks, 2, shortcut)
        self.linear = nn.Linear(64, n_classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)

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
        x = self.relu(self.bn1(self.conv1(x)))  # (N, 16, H, W)
        x = self.layer3(self.layer2(self.layer1(x)))  # (N, 64, H/4, W/4)
        logits: Tensor = self.linear(torch.mean(x, dim=(2, 3)))
        return logits


def _stage(in_channels: int, width: int, n_blocks: int, stride: int, shortcut: Literal["A", "B"]) -> nn.Sequential:
    """Chain the blocks of one stage; only the first one strides."""
    blocks = [CifarBlock(in_channels, width, stride=stride, shortcut=shortcut)]
    blocks += [CifarBlock(width, width, shortcut=shortcut) for _ in range(n_blocks - 1)]
    return nn.Sequential(*blocks)


def _build(
    n_blocks: int, *, in_channels: int = 3, n_classes: int = 10, shortcut: Literal["A", "B"] = "A"
) -> CifarResNet:
    return CifarResNet(n_blocks, in_channels=in_channels, n_classes=n_classes, shortcut=shortcut)


for _n_blocks, _n_parameters in (
    (1, 75_290),  # not in the paper: the smallest of the family, for small sets and quick looks
    (3, 269_722),
    (5, 464_154),
    (7, 658_586),
    (9, 853_018),
    (18, 1_727_962),
):
    register_model(
        f"resnet{6 * _n_blocks + 2}",
        summary=f"residual network of {6 * _n_blocks + 2} layers for small images",
        source="He et al. 2016, arXiv:1512.03385, section 4.2; parameter names of akamaster's replica",
        input_size=32,
        min_size=1,
        n_parameters=_n_parameters,
        head="linear",
        blocks=(("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("linear",)),
    )(partial(_build, _n_blocks))
