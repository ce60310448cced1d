"""Fully convolutional autoencoders of images of any size: one that restores, one that compresses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from strata.models.autoencoder import EncoderDecoder, draw_weights
from strata.nn import QuantizedCode

__all__ = ["CompressionDecoder", "CompressionEncoder", "RestorationNetwork", "compression_network"]


def _check_widths(name: str, widths: Sequence[int]) -> None:
    if not len(widths) or any(isinstance(n, bool) or int(n) != n or n < 1 for n in widths):
        raise ValueError(
            f"`{name}` must be made of whole numbers of at least 1, at least one. Received: {name}={tuple(widths)}."
        )


class RestorationNetwork(nn.Module):
    """A convolutional autoencoder with symmetric skip connections that adds a correction to its input.

    Parameters
    ----------
    in_channels : int
        Channels of an image.
    channels : sequence of int, default=(32, 48, 64)
        Channels at full size, and after each halving.
    seed : int or None, default=0
        Seed of the starting weights; None leaves them as they come.

    Attributes
    ----------
    factor : int
        What height and width must be multiples of.

    Notes
    -----
    Convolutions of 3x3 with padding. Each halving is a convolution of stride 2, each doubling the nearest neighbour and
    a convolution; what was there before the halving is added after it (Mao, Shen and Yang, "Image Restoration Using
    Very Deep Convolutional Encoder-Decoder Networks with Symmetric Skip Connections", NIPS 2016). The last layer starts
    at 0, so an untrained network gives its input back.

    Examples
    --------
    >>> network = RestorationNetwork(1, (4, 8))
    >>> x = torch.rand(2, 1, 6, 10)
    >>> torch.equal(network(x), x)
    True
    """

    def __init__(self, in_channels: int, channels: Sequence[int] = (32, 48, 64), *, seed: int | None = 0) -> None:
        super().__init__()
        _check_widths("in_channels", (in_channels,))
        _check_widths("channels", channels)
        self.in_channels, self.factor = in_channels, 2 ** (len(channels) - 1)
        pairs = list(pairwise(channels))
        self.head = nn.Conv2d(in_channels, channels[0], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(before, after, 3, stride=2, padding=1) for before, after in pairs)
        self.middle = nn.ModuleList(nn.Conv2d(after, after, 3, padding=1) for _, after in pairs)
        self.up = nn.ModuleList(nn.Conv2d(after, before, 3, padding=1) for before, after in pairs)
        self.tail = nn.Conv2d(channels[0], in_channels, 3, padding=1)
        draw_weights(self, seed)
        if seed is not None:
            nn.init.zeros_(self.tail.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Restore images.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, h, w), float
            Images; height and width multiples of ``factor``.

        Returns
        -------
        restored : Tensor of the same shape
            Not clipped.
        """
        h = F.relu(self.head(x))
        kept = []
        for halve, look in zip(self.down, self.middle, strict=True):
            kept.append(h)
            h = F.relu(look(F.relu(halve(h))))
        for double, before in zip(reversed(self.up), reversed(kept), strict=True):
            h = F.relu(double(F.interpolate(h, scale_factor=2.0, mode="nearest")) + before)
        restored: Tensor = x + self.tail(h)
        return restored


class CompressionEncoder(nn.Module):
    """Convolutions that halve an image each.

    Parameters
    ----------
    in_channels : int
        Channels of an image.
    channels : sequence of int
        Channels after each halving; the last are those of the code.

    Examples
    --------
    >>> CompressionEncoder(3, (8, 4))(torch.rand(1, 3, 8, 12)).shape
    torch.Size([1, 4, 2, 3])
    """

    def __init__(self, in_channels: int, channels: Sequence[int]) -> None:
        super().__init__()
        _check_widths("in_channels", (in_channels,))
        _check_widths("channels", channels)
        widths = (in_channels, *channels)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 5, stride=2, padding=2) for before, after in pairwise(widths)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute the code before it is rounded.

        Parameters
        ----------
        x : Tensor of shape (N, in_channels, h, w), float
            Images from 0 to 1; height and width multiples of ``2 ** len(channels)``.

        Returns
        -------
        h : Tensor of shape (N, channels[-1], h', w')
            Real numbers.
        """
        h = x - 0.5
        for number, layer in enumerate(self.layers, start=1):
            h = layer(h) if number == len(self.layers) else F.leaky_relu(layer(h), 0.1)
        return _SCALE * h


class CompressionDecoder(nn.Module):
    """The mirror image of a :class:`CompressionEncoder`.

    Parameters
    ----------
    in_channels : int
        Channels of an image.
    channels : sequence of int
        As the encoder's.

    Examples
    --------
    >>> CompressionDecoder(3, (8, 4))(torch.rand(1, 4, 2, 3)).shape
    torch.Size([1, 3, 8, 12])
    """

    def __init__(self, in_channels: int, channels: Sequence[int]) -> None:
        super().__init__()
        _check_widths("in_channels", (in_channels,))
        _check_widths("channels", channels)
        widths = (in_channels, *channels)[::-1]
        self.layers = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 5, stride=2, padding=2, output_padding=1)
            for before, after in pairwise(widths)
        )

    def forward(self, code: Tensor) -> Tensor:
        """Compute images.

        Parameters
        ----------
        code : Tensor of shape (N, channels[-1], h', w'), float
            Codes.

        Returns
        -------
        x : Tensor of shape (N, in_channels, h, w)
            Not clipped.
        """
        h = code / _SCALE
        for number, layer in enumerate(self.layers, start=1):
            h = layer(h) if number == len(self.layers) else F.leaky_relu(layer(h), 0.1)
        return h + 0.5


#: Codes of the first weights reach over some whole numbers, so that rounding does not begin by losing everything.
_SCALE = 8.0


def compression_network(
    in_channels: int, channels: Sequence[int], prices: Sequence[float], *, seed: int | None = 0
) -> EncoderDecoder:
    """Build the network of an image compressor.

    Parameters
    ----------
    in_channels : int
        Channels of an image.
    channels : sequence of int
        Channels after each halving; the last are those of the code.
    prices : sequence of float
        What a bit costs at each quality.
    seed : int or None, default=0
        Seed of the starting weights and of the noise; None leaves the weights as they come.

    Returns
    -------
    network : EncoderDecoder
        With a :class:`strata.nn.QuantizedCode`.

    Examples
    --------
    >>> compression_network(1, (4, 2), (1.0,)).look(torch.rand(3, 1, 8, 8)).cost.shape
    torch.Size([3])
    """
    encoder, decoder = CompressionEncoder(in_channels, channels), CompressionDecoder(in_channels, channels)
    draw_weights(encoder, seed)
    draw_weights(decoder, None if seed is None else seed + 1)
    return EncoderDecoder(encoder, QuantizedCode(channels[-1], prices, seed=seed or 0), decoder)
