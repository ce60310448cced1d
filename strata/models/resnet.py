"""Residual networks for ImageNet, with the stride on the 3x3 convolution and the parameter names of torchvision.

K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv:1512.03385, table 1.
"""

from functools import partial
from typing import Literal

from torch import Tensor, nn

from strata.models.registry import register_model

__all__ = ["BasicBlock", "Bottleneck", "ResNet"]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and the shortcut around them; ReLU after the addition.

    Parameters
    ----------
    in_channels : int
        Channels that come in.
    width : int
        Channels of both convolutions, and of the output.
    stride : int, default=1
        Stride of the first convolution and of the projection.
    """

    expansion = 1

    def __init__(self, in_channels: int, width: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.downsample = _projection(in_channels, width, stride)

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
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        result: Tensor = self.relu2(y + shortcut)
        return result


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 and a widening 1x1 convolution, and the shortcut around them.

    Parameters
    ----------
    in_channels : int
        Channels that come in.
    width : int
        Channels of the first two convolutions; the output has four times as many.
    stride : int, default=1
        Stride of the 3x3 convolution and of the projection. The paper strides in the first 1x1 convolution, which
        throws three quarters of its input away.
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.relu3 = nn.ReLU()
        self.downsample = _projection(in_channels, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Add the shortcut to what three convolutions make of the input.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, H, W), float
            Feature maps.

        Returns
        -------
        y : Tensor of shape (N, 4 * width, H / stride, W / stride)
            Feature maps.
        """
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.relu2(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        result: Tensor = self.relu3(y + shortcut)
        return result


def _projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """Return the 1x1 convolution of option B where the shape changes, else None for the identity."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
    )


class ResNet(nn.Module):
    """The residual network for images of about 224 pixels.

    Parameters
    ----------
    block : {"basic", "bottleneck"}
        What the stages are made of.
    n_blocks : tuple of 4 int
        Blocks of each stage; the stages have 64, 128, 256 and 512 channels, times 4 with bottlenecks.
    in_channels : int, default=3
        Channels of an image.
    n_classes : int, default=1000
        Outputs.

    Notes
    -----
    Convolutions start with He's normal numbers (fan-out), batch norms with scale 1 and shift 0.

    Examples
    --------
    >>> network = ResNet("basic", (1, 1, 1, 1), n_classes=7)
    >>> network(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 7])
    """

    def __init__(
        self,
        block: Literal["basic", "bottleneck"],
        n_blocks: tuple[int, int, int, int],
        *,
        in_channels: int = 3,
        n_classes: int = 1000,
    ) -> None:
        super().__init__()
        kind = BasicBlock if block == "basic" else Bottleneck
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(kind, 64, 64, n_blocks[0], 1)
        self.layer2 = _stage(kind, 64 * kind.expansion, 128, n_blocks[1], 2)
        self.layer3 = _stage(kind, 128 * kind.expansion, 256, n_blocks[2], 2)
        self.layer4 = _stage(kind, 256 * kind.expansion, 512, n_blocks[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512 * kind.expansion, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

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
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # (N, 64, H/4, W/4)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (N, 512 or 2048, H/32, W/32)
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


def _stage(
    kind: type[BasicBlock] | type[Bottleneck], in_channels: int, width: int, n_blocks: int, stride: int
) -> nn.Sequential:
    """Chain the blocks of one stage; only the first one strides."""
    blocks = [kind(in_channels, width, stride=stride)]
    blocks += [kind(width * kind.expansion, width) for _ in range(n_blocks - 1)]
    return nn.Sequential(*blocks)


def _build(
    block: Literal["basic", "bottleneck"],
    n_blocks: tuple[int, int, int, int],
    *,
    in_channels: int = 3,
    n_classes: int = 1000,
) -> ResNet:
    return ResNet(block, n_blocks, in_channels=in_channels, n_classes=n_classes)


_NETWORKS: tuple[tuple[int, Literal["basic", "bottleneck"], tuple[int, int, int, int], int], ...] = (
    (18, "basic", (2, 2, 2, 2), 11_689_512),
    (34, "basic", (3, 4, 6, 3), 21_797_672),
    (50, "bottleneck", (3, 4, 6, 3), 25_557_032),
    (101, "bottleneck", (3, 4, 23, 3), 44_549_160),
    (152, "bottleneck", (3, 8, 36, 3), 60_192_808),
)

for _depth, _block, _n_blocks, _n_parameters in _NETWORKS:
    register_model(
        f"resnet{_depth}",
        summary=f"residual network of {_depth} layers for photographs",
        source="He et al. 2016, arXiv:1512.03385; parameter names of torchvision",
        input_size=224,
        min_size=1,
        n_parameters=_n_parameters,
        head="fc",
        blocks=(("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",), ("fc",)),
    )(partial(_build, _block, _n_blocks))
