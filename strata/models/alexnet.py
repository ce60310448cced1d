"""AlexNet in one tower, with the layers and parameter names of torchvision.

A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014, arXiv:1404.5997. The network of
2012 is in ``alexnet_2012.py``.
"""

from torch import Tensor, nn

from strata.models._width import scaled
from strata.models.registry import register_model

__all__ = ["AlexNet"]


class AlexNet(nn.Module):
    """Five convolutions and three dense layers; overlapping pooling, no normalisation.

    Parameters
    ----------
    in_channels : int, default=3
        Channels of an image.
    n_classes : int, default=1000
        Outputs.
    dropout : float, default=0.5
        Share of the units dropped before each of the two hidden dense layers.
    width : float, default=1.0
        Factor on all numbers of channels and hidden units.

    Examples
    --------
    >>> network = AlexNet(width=0.125, n_classes=5)
    >>> network(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 5])
    """

    def __init__(
        self, *, in_channels: int = 3, n_classes: int = 1000, dropout: float = 0.5, width: float = 1.0
    ) -> None:
        super().__init__()
        a, b, c, d, hidden = (scaled(n, width) for n in (64, 192, 384, 256, 4096))
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, a, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(a, b, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(b, c, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c, d, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(d, d, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)  # changes nothing at 224 pixels
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(d * 36, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, n_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits of every class.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, H, W), float
            Normalised images of at least 63 pixels.

        Returns
        -------
        logits : Tensor of shape (N, n_classes)
            Scores before the softmax.
        """
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


@register_model(
    "alexnet",
    summary="AlexNet in one tower",
    source="Krizhevsky 2014, arXiv:1404.5997; layers and parameter names of torchvision",
    input_size=224,
    min_size=63,
    n_parameters=61_100_840,
    head="classifier.6",
    blocks=(
        ("features.0",),
        ("features.3",),
        ("features.6", "features.8", "features.10"),
        ("classifier.1",),
        ("classifier.4",),
        ("classifier.6",),
    ),
)
def _alexnet(*, in_channels: int = 3, n_classes: int = 1000, dropout: float = 0.5, width: float = 1.0) -> AlexNet:
    return AlexNet(in_channels=in_channels, n_classes=n_classes, dropout=dropout, width=width)
