"""GoogLeNet, in the form of torchvision with batch norm and in the form of the paper with response normalisation.

C. Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, arXiv:1409.4842, table 1.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strata.models.registry import IMAGENET_MEAN, IMAGENET_STD, Blocks, register_model
from strata.nn.normalization import LocalResponseNorm

__all__ = ["AuxiliaryHead", "GoogLeNet", "GoogLeNetOutput", "Inception", "NormalisedConv2d"]

#: Columns of table 1 from "#1x1" to "pool proj", by block.
WIDTHS: dict[str, tuple[int, int, int, int, int, int]] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class GoogLeNetOutput(NamedTuple):
    """What GoogLeNet gives in training, with its auxiliary heads; in evaluation it gives the logits alone.

    Attributes
    ----------
    logits : Tensor of shape (N, n_classes)
        Of the main head.
    aux2 : Tensor of shape (N, n_classes)
        Of the head after block 4d.
    aux1 : Tensor of shape (N, n_classes)
        Of the head after block 4a.
    """

    logits: Tensor
    aux2: Tensor
    aux1: Tensor


class NormalisedConv2d(nn.Module):
    """A convolution with batch norm (eps 1e-3) and ReLU, or with biases and ReLU.

    Parameters
    ----------
    in_channels : int
        Channels that come in.
    out_channels : int
        Channels that go out.
    kernel_size : int
        Height and width of the kernels; the padding keeps the size at stride 1.
    stride : int, default=1
        Step.
    batch_norm : bool, default=True
        Whether the convolution has a batch norm instead of biases.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, batch_norm: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2, bias=not batch_norm
        )
        self.bn = nn.BatchNorm2d(out_channels, eps=1e-3) if batch_norm else None
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, normalise and rectify.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, H, W), float
            Feature maps.

        Returns
        -------
        y : Tensor of shape (N, out_channels, H / stride, W / stride)
            Feature maps.
        """
        x = self.conv(x)
        if self.bn is not None:
            x = self.bn(x)
        result: Tensor = self.relu(x)
        return result


class Inception(nn.Module):
    """Four ways side by side: 1x1, 3x3, 5x5 and pooling, each narrowed by a 1x1 convolution.

    Parameters
    ----------
    in_channels : int
        Channels that come in.
    widths : tuple of 6 int
        Channels of the 1x1 way; between and after in the 3x3 way; between and after in the 5x5 way; of the pooling way.
    five_by_five : bool, default=True
        Whether the 5x5 way is one. torchvision's is 3x3 by mistake, and its weights need that.
    batch_norm : bool, default=True
        Whether the convolutions have batch norms instead of biases.
    """

    def __init__(
        self,
        in_channels: int,
        widths: tuple[int, int, int, int, int, int],
        *,
        five_by_five: bool = True,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        one, before3, three, before5, five, pooled = widths

        def conv(n_inputs: int, n_outputs: int, kernel_size: int) -> NormalisedConv2d:
            return NormalisedConv2d(n_inputs, n_outputs, kernel_size, batch_norm=batch_norm)

        self.branch1 = conv(in_channels, one, 1)
        self.branch2 = nn.Sequential(conv(in_channels, before3, 1), conv(before3, three, 3))
        self.branch3 = nn.Sequential(conv(in_channels, before5, 1), conv(before5, five, 5 if five_by_five else 3))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(in_channels, pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Go all four ways.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, H, W), float
            Feature maps.

        Returns
        -------
        y : Tensor of shape (N, C, H, W)
            The feature maps of the four ways, one after the other.
        """
        return torch.cat((self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)), dim=1)


class AuxiliaryHead(nn.Module):
    """A small classifier in the middle of the network, that brings gradient to the layers before it.

    Parameters
    ----------
    in_channels : int
        Channels that come in.
    n_classes : int
        Outputs.
    dropout : float, default=0.7
        Share of the units dropped before the last layer.
    batch_norm : bool, default=True
        Whether the convolution has a batch norm instead of biases; with it, the maps are averaged to 4x4 by equal
        parts, as torchvision does, else over 5x5 windows three apart, as the paper.
    """

    def __init__(self, in_channels: int, n_classes: int, *, dropout: float = 0.7, batch_norm: bool = True) -> None:
        super().__init__()
        self.conv = NormalisedConv2d(in_channels, 128, 1, batch_norm=batch_norm)
        self.fc1 = nn.Linear(2048, 1024)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(1024, n_classes)
        self.windows = not batch_norm

    def forward(self, x: Tensor) -> Tensor:
        """Classify feature maps.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, H, W), float
            Feature maps, 14x14 for images of 224 pixels.

        Returns
        -------
        logits : Tensor of shape (N, n_classes)
            Scores before the softmax.
        """
        as_in_the_paper = self.windows and x.shape[-2:] == (14, 14)
        x = F.avg_pool2d(x, 5, 3) if as_in_the_paper else F.adaptive_avg_pool2d(x, 4)
        x = self.conv(x).flatten(1)  # (N, 2048)
        logits: Tensor = self.fc2(self.dropout(self.relu(self.fc1(x))))
        return logits


class GoogLeNet(nn.Module):
    """A stem, nine inception blocks and a linear classifier, with two auxiliary heads in training.

    Parameters
    ----------
    in_channels : int, default=3
        Channels of an image.
    n_classes : int, default=1000
        Outputs.
    paper : bool, default=False
        The paper's form: biases instead of batch norms, two response normalisations in the stem, all poolings 3x3,
        dropout 0.4.
    aux_logits : bool, default=True
        Whether there are auxiliary heads.
    transform_input : bool, default=False
        Whether images normalised as ImageNet usually is are rescaled first to what torchvision's weights expect.
    five_by_five : bool, default=False
        Whether the 5x5 way of the blocks is one; torchvision's weights need False, the paper has True.
    dropout : float, default=0.2
        Share of the features dropped before the classifier.

    Notes
    -----
    Convolutions start with He's normal numbers (fan-out) and dense weights normally with deviation 0.01; in the paper's
    form both with Glorot's uniform numbers and biases of 0.2, as the replica in Caffe (the paper does not say).

    Examples
    --------
    >>> network = GoogLeNet(n_classes=5)
    >>> [each.shape for each in network(torch.zeros(2, 3, 32, 32))]
    [torch.Size([2, 5]), torch.Size([2, 5]), torch.Size([2, 5])]
    >>> network.eval()(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        n_classes: int = 1000,
        paper: bool = False,
        aux_logits: bool = True,
        transform_input: bool = False,
        five_by_five: bool = False,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if transform_input and in_channels != 3:
            raise ValueError(
                "`transform_input` must be False unless images have 3 channels. "
                f"Received: transform_input=True, in_channels={in_channels}."
            )
        norm = not paper

        def block(name: str, channels: int) -> Inception:
            return Inception(channels, WIDTHS[name], five_by_five=five_by_five, batch_norm=norm)

        self.transform_input = transform_input
        self.conv1 = NormalisedConv2d(in_channels, 64, 7, stride=2, batch_norm=norm)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.norm1 = _response_norm() if paper else nn.Identity()
        self.conv2 = NormalisedConv2d(64, 64, 1, batch_norm=norm)
        self.conv3 = NormalisedConv2d(64, 192, 3, batch_norm=norm)
        self.norm2 = _response_norm() if paper else nn.Identity()
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = block("3a", 192)
        self.inception3b = block("3b", 256)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = block("4a", 480)
        self.inception4b = block("4b", 512)
        self.inception4c = block("4c", 512)
        self.inception4d = block("4d", 512)
        self.inception4e = block("4e", 528)
        self.maxpool4 = nn.MaxPool2d(3 if paper else 2, stride=2, ceil_mode=True)
        self.inception5a = block("5a", 832)
        self.inception5b = block("5b", 832)
        self.aux1 = AuxiliaryHead(512, n_classes, batch_norm=norm) if aux_logits else None
        self.aux2 = AuxiliaryHead(528, n_classes, batch_norm=norm) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, n_classes)
        self._start(paper)

    def _start(self, paper: bool) -> None:
        for module in self.modules():
            if not isinstance(module, (nn.Conv2d, nn.Linear)):
                continue
            if paper:
                nn.init.xavier_uniform_(module.weight)
            elif isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            else:
                nn.init.normal_(module.weight, std=0.01)
            if module.bias is not None and (paper or isinstance(module, nn.Linear)):
                nn.init.constant_(module.bias, 0.2 if paper else 0.0)

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutput:
        """Give the logits of every class.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, H, W), float
            Normalised images of at least 15 pixels, 31 in the paper's form.

        Returns
        -------
        logits : Tensor of shape (N, n_classes), or GoogLeNetOutput
            Scores before the softmax; in training, if there are auxiliary heads, theirs as well: main, second, first.
        """
        if self.transform_input:
            x = _rescaled(x)
        x = self.norm1(self.maxpool1(self.conv1(x)))  # (N, 64, H/4, W/4)
        x = self.maxpool2(self.norm2(self.conv3(self.conv2(x))))  # (N, 192, H/8, W/8)
        x = self.maxpool3(self.inception3b(self.inception3a(x)))  # (N, 480, H/16, W/16)
        x = self.inception4a(x)
        aux1 = self.aux1(x) if self.training and self.aux1 is not None else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        aux2 = self.aux2(x) if self.training and self.aux2 is not None else None
        x = self.maxpool4(self.inception4e(x))  # (N, 832, H/32, W/32)
        x = self.inception5b(self.inception5a(x))
        logits: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return logits if aux1 is None or aux2 is None else GoogLeNetOutput(logits, aux2, aux1)


def _response_norm() -> LocalResponseNorm:
    """Return the normalisation of the replica in Caffe; the paper gives no numbers."""
    return LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0, alpha_is_per_window=True)


def _rescaled(x: Tensor) -> Tensor:
    """Turn images normalised with ImageNet's mean and deviation into such with mean and deviation 0.5."""
    scale = torch.tensor([std / 0.5 for std in IMAGENET_STD], device=x.device, dtype=x.dtype)
    shift = torch.tensor([(mean - 0.5) / 0.5 for mean in IMAGENET_MEAN], device=x.device, dtype=x.dtype)
    return x * scale[:, None, None] + shift[:, None, None]


_BLOCKS: Blocks = (
    ("conv1", "conv2", "conv3"),
    ("inception3a", "inception3b"),
    ("inception4a", "aux1"),
    ("inception4b", "inception4c", "inception4d", "aux2"),
    ("inception4e", "inception5a", "inception5b"),
    ("fc",),
)


@register_model(
    "googlenet",
    summary="GoogLeNet with batch norm and auxiliary heads",
    source="Szegedy et al. 2015, arXiv:1409.4842; layers and parameter names of torchvision",
    input_size=224,
    min_size=15,
    n_parameters=13_004_888,  # 6,624,904 without the auxiliary heads
    head="fc",
    other_heads=("aux1.fc2", "aux2.fc2"),
    blocks=_BLOCKS,
)
def _googlenet(
    *,
    in_channels: int = 3,
    n_classes: int = 1000,
    aux_logits: bool = True,
    transform_input: bool = False,
    five_by_five: bool = False,
    dropout: float = 0.2,
) -> GoogLeNet:
    return GoogLeNet(
        in_channels=in_channels,
        n_classes=n_classes,
        aux_logits=aux_logits,
        transform_input=transform_input,
        five_by_five=five_by_five,
        dropout=dropout,
    )


@register_model(
    "googlenet_paper",
    summary="GoogLeNet as published, with response normalisation and auxiliary heads",
    source="Szegedy et al. 2015, arXiv:1409.4842",
    input_size=224,
    min_size=31,
    n_parameters=13_378_280,  # 6,998,552 without the auxiliary heads
    head="fc",
    other_heads=("aux1.fc2", "aux2.fc2"),
    blocks=_BLOCKS,
)
def _googlenet_paper(
    *, in_channels: int = 3, n_classes: int = 1000, aux_logits: bool = True, dropout: float = 0.4
) -> GoogLeNet:
    return GoogLeNet(
        in_channels=in_channels,
        n_classes=n_classes,
        paper=True,
        aux_logits=aux_logits,
        five_by_five=True,
        dropout=dropout,
    )
