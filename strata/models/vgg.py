"""VGG: convolutions of 3x3 all the way down, with the layers and parameter names of torchvision.

K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
arXiv:1409.1556, table 1.
"""

from functools import partial

from torch import Tensor, nn

from strata.models._width import scaled
from strata.models.registry import Blocks, register_model

__all__ = ["VGG"]

#: Kernel sizes of the convolutions of each stage, by the paper's letter.
STAGES: dict[str, tuple[tuple[int, ...], ...]] = {
    "A": ((3,), (3,), (3, 3), (3, 3), (3, 3)),
    "B": ((3, 3), (3, 3), (3, 3), (3, 3), (3, 3)),
    "C": ((3, 3), (3, 3), (3, 3, 1), (3, 3, 1), (3, 3, 1)),
    "D": ((3, 3), (3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)),
    "E": ((3, 3), (3, 3), (3, 3, 3, 3), (3, 3, 3, 3), (3, 3, 3, 3)),
}
CHANNELS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Five stages of convolutions with pooling after each, and three dense layers.

    Parameters
    ----------
    configuration : {"A", "B", "C", "D", "E"}
        Column of the paper's table 1: 11, 13, 16 (three of them 1x1), 16 and 19 layers with weights.
    batch_norm : bool, default=False
        Whether a batch norm follows every convolution.
    in_channels : int, default=3
        Channels of an image.
    n_classes : int, default=1000
        Outputs.
    dropout : float, default=0.5
        Share of the units dropped after each of the two hidden dense layers.
    width : float, default=1.0
        Factor on all numbers of channels and hidden units.

    Raises
    ------
    ValueError
        If the configuration is unknown.

    Notes
    -----
    Convolutions start with He's normal numbers (fan-out), dense weights normally with deviation 0.01, biases at 0. The
    paper started from a shallower trained network instead. At sizes other than 224 the last pooling is averaged to 7x7.

    Examples
    --------
    >>> network = VGG("A", width=0.125, n_classes=5)
    >>> network(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        configuration: str,
        *,
        batch_norm: bool = False,
        in_channels: int = 3,
        n_classes: int = 1000,
        dropout: float = 0.5,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        if configuration not in STAGES:
            raise ValueError(f"`configuration` must be one of A to E. Received: configuration={configuration!r}.")
        layers: list[nn.Module] = []
        before = in_channels
        for kernels, full in zip(STAGES[configuration], CHANNELS, strict=True):
            channels = scaled(full, width)
            for kernel in kernels:
                layers.append(nn.Conv2d(before, channels, kernel, padding=kernel // 2))
                layers += [nn.BatchNorm2d(channels), nn.ReLU()] if batch_norm else [nn.ReLU()]
                before = channels
            layers.append(nn.MaxPool2d(2))
        hidden = scaled(4096, width)
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(before * 49, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, n_classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
            if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits of every class.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, H, W), float
            Normalised images of at least 32 pixels.

        Returns
        -------
        logits : Tensor of shape (N, n_classes)
            Scores before the softmax.
        """
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


def _blocks(configuration: str, batch_norm: bool) -> Blocks:
    """Group the parameters by stage, and give each dense layer a group of its own."""
    blocks = []
    place = 0
    for kernels in STAGES[configuration]:
        block: list[str] = []
        for _ in kernels:
            block += [f"features.{place}", f"features.{place + 1}"] if batch_norm else [f"features.{place}"]
            place += 3 if batch_norm else 2
        blocks.append(tuple(block))
        place += 1  # the pooling
    return (*blocks, ("classifier.0",), ("classifier.3",), ("classifier.6",))


def _build(
    configuration: str,
    batch_norm: bool,
    *,
    in_channels: int = 3,
    n_classes: int = 1000,
    dropout: float = 0.5,
    width: float = 1.0,
) -> VGG:
    return VGG(
        configuration,
        batch_norm=batch_norm,
        in_channels=in_channels,
        n_classes=n_classes,
        dropout=dropout,
        width=width,
    )


for _name, _configuration, _batch_norm, _n_parameters in (
    ("vgg11", "A", False, 132_863_336),
    ("vgg13", "B", False, 133_047_848),
    ("vgg16", "D", False, 138_357_544),
    ("vgg16_c", "C", False, 133_638_952),
    ("vgg19", "E", False, 143_667_240),
    ("vgg11_bn", "A", True, 132_868_840),
    ("vgg13_bn", "B", True, 133_053_736),
    ("vgg16_bn", "D", True, 138_365_992),
    ("vgg19_bn", "E", True, 143_678_248),
):
    register_model(
        _name,
        summary=f"VGG, configuration {_configuration}{', with batch norm' if _batch_norm else ''}",
        source="Simonyan and Zisserman 2015, arXiv:1409.1556; parameter names of torchvision",
        input_size=224,
        min_size=32,
        n_parameters=_n_parameters,
        head="classifier.6",
        blocks=_blocks(_configuration, _batch_norm),
    )(partial(_build, _configuration, _batch_norm))
