"""SqueezeNet 1.1: fire modules instead of dense layers, with the parameter names of torchvision.

F. N. Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", 2016,
arXiv:1602.07360; version 1.1 as the authors released it later, with 2.4 times fewer operations.
"""

import torch
from torch import Tensor, nn

from strata.models.registry import register_model

__all__ = ["Fire", "SqueezeNet"]


class Fire(nn.Module):
    """Squeeze to few channels, then expand by 1x1 and 3x3 convolutions side by side.

    Parameters
    ----------
    in_channels : int
        Channels that come in.
    squeezed : int
        Channels between.
    expanded : int
        Channels of each of the two expansions; twice as many go out.
    """

    def __init__(self, in_channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeezed, 1)
        self.squeeze_activation = nn.ReLU()
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand1x1_activation = nn.ReLU()
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)
        self.expand3x3_activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Squeeze and expand.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, H, W), float
            Feature maps.

        Returns
        -------
        y : Tensor of shape (N, 2 * expanded, H, W)
            Feature maps, those of the 1x1 convolution first.
        """
        x = self.squeeze_activation(self.squeeze(x))
        parts = self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))
        return torch.cat(parts, dim=1)


class SqueezeNet(nn.Module):
    """A convolution, eight fire modules with three poolings, and a convolution as classifier.

    Parameters
    ----------
    in_channels : int, default=3
        Channels of an image.
    n_classes : int, default=1000
        Outputs.
    dropout : float, default=0.5
        Share of the activations dropped before the classifier.

    Examples
    --------
    >>> network = SqueezeNet(n_classes=5)
    >>> network(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 5])
    """

    def __init__(self, *, in_channels: int = 3, n_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 64, 3, stride=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            Fire(64, 16, 64),
            Fire(128, 16, 64),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            Fire(128, 32, 128),
            Fire(256, 32, 128),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            Fire(256, 48, 192),
            Fire(384, 48, 192),
            Fire(384, 64, 256),
            Fire(512, 64, 256),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Conv2d(512, n_classes, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                if name == "classifier.1":
                    nn.init.normal_(module.weight, std=0.01)
                else:
                    nn.init.kaiming_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits of every class.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, H, W), float
            Normalised images of at least 17 pixels.

        Returns
        -------
        logits : Tensor of shape (N, n_classes)
            Scores before the softmax; at least 0, since a ReLU follows the last convolution.
        """
        logits: Tensor = self.classifier(self.features(x)).flatten(1)
        return logits


@register_model(
    "squeezenet1_1",
    summary="SqueezeNet 1.1, small enough to ship",
    source="Iandola et al. 2016, arXiv:1602.07360; parameter names of torchvision",
    input_size=224,
    min_size=17,
    n_parameters=1_235_496,
    head="classifier.1",
    blocks=(
        ("features.0",),
        ("features.3", "features.4"),
        ("features.6", "features.7"),
        ("features.9", "features.10", "features.11", "features.12"),
        ("classifier.1",),
    ),
)
def _squeezenet1_1(*, in_channels: int = 3, n_classes: int = 1000, dropout: float = 0.5) -> SqueezeNet:
    return SqueezeNet(in_channels=in_channels, n_classes=n_classes, dropout=dropout)
