"""MobileNet: each convolution split into one over pixels, channel by channel, and one over channels.

A. G. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017,
arXiv:1704.04861, table 1. Padding and batch norm are those of the Keras release, whose weights can be loaded.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from strata.models._width import scaled
from strata.models.registry import register_model

__all__ = ["MobileNetV1", "SeparableBlock"]

#: Output channels and stride of the 13 blocks.
BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
)
EPS = 1e-3  # of the batch norms, as in the release


def _padded(stride: int) -> nn.Module:
    """Return the padding of a 3x3 convolution: at stride 2 one row below and one column at the right only."""
    return nn.ZeroPad2d(1 if stride == 1 else (0, 1, 0, 1))


class SeparableBlock(nn.Module):
    """A 3x3 convolution of each channel by itself, then a 1x1 convolution; batch norm and ReLU6 after both.

    Parameters
    ----------
    in_channels : int
        Channels that come in.
    out_channels : int
        Channels that go out.
    stride : int, default=1
        Stride of the 3x3 convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        self.pad = _padded(stride)
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, stride=stride, groups=in_channels, bias=False)
        self.bn1 = nn.BatchNorm2d(in_channels, eps=EPS)
        self.relu1 = nn.ReLU6()
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels, eps=EPS)
        self.relu2 = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        """Convolve over pixels, then over channels.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, H, W), float
            Feature maps.

        Returns
        -------
        y : Tensor of shape (N, out_channels, H // stride, W // stride)
            Feature maps.
        """
        x = self.relu1(self.bn1(self.depthwise(self.pad(x))))
        result: Tensor = self.relu2(self.bn2(self.pointwise(x)))
        return result


class MobileNetV1(nn.Module):
    """A convolution, 13 separable blocks, and a linear classifier of the mean over the image.

    Parameters
    ----------
    in_channels : int, default=3
        Channels of an image.
    n_classes : int, default=1000
        Outputs.
    width : float, default=1.0
        Factor on all numbers of channels, the paper's alpha; 0.25, 0.5, 0.75 and 1 were released.
    dropout : float, default=0.001
        Share of the features dropped before the classifier.

    Notes
    -----
    Convolutions start with He's normal numbers (fan-in, which for a channel by itself is 9).

    Examples
    --------
    >>> network = MobileNetV1(width=0.25)
    >>> sum(p.numel() for p in network.parameters())
    470072
    >>> network(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 1000])
    """

    def __init__(
        self, *, in_channels: int = 3, n_classes: int = 1000, width: float = 1.0, dropout: float = 0.001
    ) -> None:
        super().__init__()
        before = scaled(32, width)
        self.pad = _padded(2)
        self.conv1 = nn.Conv2d(in_channels, before, 3, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(before, eps=EPS)
        self.relu1 = nn.ReLU6()
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        for number, (channels, stride) in enumerate(BLOCKS, 1):  # from 1, as in the release
            blocks[str(number)] = SeparableBlock(before, scaled(channels, width), stride=stride)
            before = scaled(channels, width)
        self.blocks = nn.Sequential(blocks)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(before, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits of every class.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, H, W), float
            Images, scaled to -1..1 for the released weights, of at least 32 pixels.

        Returns
        -------
        logits : Tensor of shape (N, n_classes)
            Scores before the softmax.
        """
        x = self.relu1(self.bn1(self.conv1(self.pad(x))))  # (N, 32, H/2, W/2)
        x = torch.mean(self.blocks(x), dim=(2, 3))  # (N, 1024)
        logits: Tensor = self.fc(self.dropout(x))
        return logits


@register_model(
    "mobilenet_v1",
    summary="MobileNet, small enough to ship at width 0.25",
    source="Howard et al. 2017, arXiv:1704.04861; padding of the Keras release",
    input_size=224,
    min_size=32,
    n_parameters=4_231_976,
    head="fc",
    blocks=(
        ("conv1", "bn1", "blocks.1"),
        ("blocks.2", "blocks.3"),
        ("blocks.4", "blocks.5"),
        ("blocks.6", "blocks.7", "blocks.8", "blocks.9", "blocks.10", "blocks.11"),
        ("blocks.12", "blocks.13"),
        ("fc",),
    ),
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
)
def _mobilenet_v1(
    *, in_channels: int = 3, n_classes: int = 1000, width: float = 1.0, dropout: float = 0.001
) -> MobileNetV1:
    return MobileNetV1(in_channels=in_channels, n_classes=n_classes, width=width, dropout=dropout)
