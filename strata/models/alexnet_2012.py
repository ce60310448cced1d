"""AlexNet of 2012: two towers that meet in the third convolution and in the dense layers.

A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012,
sections 3 and 5.
"""

from torch import Tensor, nn

from strata.models._width import scaled
from strata.models.registry import register_model
from strata.nn.normalization import LocalResponseNorm

__all__ = ["AlexNet2012"]


class AlexNet2012(nn.Module):
    """The two towers as convolutions in two groups, with local response normalisation in the paper's form.

    Parameters
    ----------
    in_channels : int, default=3
        Channels of an image.
    n_classes : int, default=1000
        Outputs.
    dropout : float, default=0.5
        Share of the units dropped after each of the two hidden dense layers.
    width : float, default=1.0
        Factor on all numbers of channels (made even) and hidden units.
    start_bias : float, default=1.0
        What the biases of convolutions 2, 4, 5 and of the hidden dense layers start at; the other biases start at 0.
        Replicas found 0.1 to be needed: with 1 their loss stayed flat.

    Notes
    -----
    Weights start normally with deviation 0.01. The paper says 224 pixels; only 227 fit without padding. At other sizes
    the last pooling is averaged to 6x6, which changes nothing at 227.

    Examples
    --------
    >>> network = AlexNet2012(width=0.125, n_classes=5)
    >>> network(torch.zeros(2, 3, 67, 67)).shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        n_classes: int = 1000,
        dropout: float = 0.5,
        width: float = 1.0,
        start_bias: float = 1.0,
    ) -> None:
        super().__init__()
        a, b, c = (2 * scaled(n // 2, width) for n in (96, 256, 384))
        hidden = scaled(4096, width)
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, a, 11, stride=4),
            nn.ReLU(),
            LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(a, b, 5, padding=2, groups=2),
            nn.ReLU(),
            LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(b, c, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c, c, 3, padding=1, groups=2),
            nn.ReLU(),
            nn.Conv2d(c, b, 3, padding=1, groups=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Linear(b * 36, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, n_classes),
        )
        for name, module in self.named_modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
                nn.init.normal_(module.weight, std=0.01)
                warm = name in ("features.4", "features.10", "features.12", "classifier.0", "classifier.3")
                nn.init.constant_(module.bias, start_bias if warm else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits of every class.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, H, W), float
            Normalised images of at least 67 pixels.

        Returns
        -------
        logits : Tensor of shape (N, n_classes)
            Scores before the softmax.
        """
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


@register_model(
    "alexnet_2012",
    summary="AlexNet of 2012 in two towers, with local response normalisation",
    source="Krizhevsky, Sutskever, Hinton 2012, NIPS",
    input_size=227,
    min_size=67,
    n_parameters=60_965_224,
    head="classifier.6",
    blocks=(
        ("features.0",),
        ("features.4",),
        ("features.8", "features.10", "features.12"),
        ("classifier.0",),
        ("classifier.3",),
        ("classifier.6",),
    ),
)
def _alexnet_2012(
    *,
    in_channels: int = 3,
    n_classes: int = 1000,
    dropout: float = 0.5,
    width: float = 1.0,
    start_bias: float = 1.0,
) -> AlexNet2012:
    return AlexNet2012(
        in_channels=in_channels, n_classes=n_classes, dropout=dropout, width=width, start_bias=start_bias
    )
