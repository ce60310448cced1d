r"""Autoencoders: an encoder that makes a code of each row, and a decoder that makes the row of the code.

The dense one is one network whose middle layer is the code (Hinton and Salakhutdinov, "Reducing the Dimensionality
of Data with Neural Networks", Science 313, 2006), so that everything that trains a dense network trains it. The
others are made of three parts: an encoder, one of :mod:`strata.nn.codes`, and a decoder. All take and give rows, of
shape (N, n_features), images too; what they give are scores, to which the loss or an activation is applied.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strata.functional import contractive_penalty, get_activation
from strata.nn import DenseNetwork, DenseSpec, TiedLinear
from strata.nn.codes import Code

__all__ = [
    "AutoencoderNetwork",
    "ConvDecoder",
    "ConvEncoder",
    "DenseAutoencoder",
    "EncoderDecoder",
    "Look",
    "draw_weights",
]


class Look(NamedTuple):
    """What a network makes of a batch while it learns.

    Parameters
    ----------
    scores : Tensor of shape (N, n_features)
        Of the reconstruction, before the activation of the output.
    code : Tensor of shape (N, size)
        The code that was decoded.
    cost : Tensor of shape (N,) or None
        What the code costs.
    """

    scores: Tensor
    code: Tensor
    cost: Tensor | None = None


class AutoencoderNetwork(Protocol):
    """What a network must offer to be trained and used as an autoencoder."""

    def encode(self, x: Tensor) -> Tensor:
        """Return the codes of rows, without noise."""
        ...

    def decode(self, code: Tensor) -> Tensor:
        """Return the scores of codes."""
        ...

    def look(self, x: Tensor) -> Look:
        """Return what is learned from."""
        ...

    def squared_jacobian(self, x: Tensor) -> Tensor:
        """Return the squared Frobenius norm of the encoder's Jacobian at each row, or an unbiased estimate of it."""
        ...


class DenseAutoencoder(DenseNetwork):
    """A dense network with as many layers after its code as before it.

    Parameters
    ----------
    spec : DenseSpec
        Sizes, activations and the head, which has as many outputs as there are inputs. The layer in the middle is the
        code.
    dtype : torch.dtype or None, default=None
        Of the parameters: float32 or float64. None: torch's default.
    seed : int, default=0
        Seed of the starting weights and of the dropout masks.

    Raises
    ------
    ValueError
        If the number of layers is odd, or the outputs are not as many as the inputs.

    Examples
    --------
    >>> from strata.nn import Head
    >>> spec = DenseSpec(6, (4, 2, 4), ("tanh", "identity", "tanh"), (Head(6, "mse"),))
    >>> network = DenseAutoencoder(spec)
    >>> network.encode(torch.zeros(3, 6)).shape, network.decode(torch.zeros(3, 2)).shape
    (torch.Size([3, 2]), torch.Size([3, 6]))
    """

    def __init__(self, spec: DenseSpec, *, dtype: torch.dtype | None = None, seed: int = 0) -> None:
        _check_spec(spec)
        super().__init__(spec, dtype=dtype, seed=seed)

    @property
    def n_encoding(self) -> int:
        """Number of layers of weights up to the code."""
        return self.spec.n_layers // 2

    def encode(self, x: Tensor) -> Tensor:
        """Compute the codes.

        Parameters
        ----------
        x : Tensor of shape (N, n_inputs), float
            Rows.

        Returns
        -------
        code : Tensor of shape (N, size)
            Activations of the middle layer.
        """
        self._check_input(x)
        return self._layers(x, training=False, stop=self.n_encoding)[-1][1]

    def decode(self, code: Tensor) -> Tensor:
        """Compute the scores of codes.

        Parameters
        ----------
        code : Tensor of shape (N, size), float
            Codes.

        Returns
        -------
        scores : Tensor of shape (N, n_inputs)
            Pre-activations of the output layer.
        """
        return self._layers(code, training=False, first=self.n_encoding)[-1][0]

    def look(self, x: Tensor) -> Look:
        """Compute scores and codes; in training mode dropout acts.

        Parameters
        ----------
        x : Tensor of shape (N, n_inputs), float
            Rows.

        Returns
        -------
        look : Look
            Without a cost.
        """
        layers = self._layers(x, training=self.training)
        return Look(layers[-1][0], layers[self.n_encoding - 1][1])

    def squared_jacobian(self, x: Tensor) -> Tensor:
        """Compute the squared Frobenius norm of the encoder's Jacobian, exactly.

        Parameters
        ----------
        x : Tensor of shape (N, n_inputs), float
            Rows.

        Returns
        -------
        norm : Tensor of shape (N,)
            See :func:`strata.functional.contractive_penalty`.
        """
        n = self.n_encoding
        layers = self._layers(x, training=False, stop=n)
        names = self.spec.hidden_activations[:n]
        slopes = [get_activation(name).derivative(z) for name, (z, _) in zip(names, layers, strict=True)]
        return contractive_penalty(self.matrices()[:n], slopes)


def _check_spec(spec: DenseSpec) -> None:
    if spec.n_layers % 2 or spec.layer_sizes[-1] != spec.n_inputs:
        raise ValueError(
            "`spec` must have an even number of layers and as many outputs as inputs. "
            f"Received: layer sizes {spec.layer_sizes}."
        )


class EncoderDecoder(nn.Module):
    """An encoder, a code and a decoder in a row.

    Parameters
    ----------
    encoder : nn.Module
        Maps rows to ``code.n_inputs`` numbers.
    code : Code
        What the encoder's outputs become.
    decoder : nn.Module
        Maps codes to scores.

    Examples
    --------
    >>> from strata.nn.codes import GaussianCode
    >>> network = EncoderDecoder(nn.Linear(5, 4), GaussianCode(2), nn.Linear(2, 5))
    >>> network.look(torch.zeros(3, 5)).cost.shape
    torch.Size([3])
    """

    def __init__(self, encoder: nn.Module, code: Code, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.code, self.decoder = encoder, code, decoder

    def encode(self, x: Tensor) -> Tensor:
        """Compute the codes, without noise.

        Parameters
        ----------
        x : Tensor of shape (N, ...), float
            Rows.

        Returns
        -------
        code : Tensor of shape (N, size, ...)
            Codes.
        """
        return self.code.settled(self.encoder(x))

    def decode(self, code: Tensor) -> Tensor:
        """Compute the scores of codes.

        Parameters
        ----------
        code : Tensor of shape (N, size, ...), float
            Codes.

        Returns
        -------
        scores : Tensor of shape (N, ...)
            Before the activation of the output.
        """
        scores: Tensor = self.decoder(code)
        return scores

    def look(self, x: Tensor) -> Look:
        """Compute scores, codes and what they cost, with the code's noise.

        Parameters
        ----------
        x : Tensor of shape (N, ...), float
            Rows.

        Returns
        -------
        look : Look
            What is learned from.
        """
        code, cost = self.code(self.encoder(x))
        return Look(self.decoder(code), code, cost)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the scores: with noise in training, without it in evaluation.

        Parameters
        ----------
        x : Tensor of shape (N, ...), float
            Rows.

        Returns
        -------
        scores : Tensor of the same shape
            Before the activation of the output.
        """
        return self.look(x).scores if self.training else self.decode(self.encode(x))

    def squared_jacobian(self, x: Tensor) -> Tensor:
        r"""Estimate the squared Frobenius norm of the encoder's Jacobian, without bias.

        Parameters
        ----------
        x : Tensor of shape (N, ...), float
            Rows.

        Returns
        -------
        norm : Tensor of shape (N,)
            :math:`\lVert J^T v \rVert^2` for one standard normal :math:`v`, whose mean is :math:`\lVert J \rVert_F^2`.
        """
        differentiates = torch.is_grad_enabled()
        with torch.enable_grad():
            rows = x.detach().requires_grad_()
            code = self.encode(rows)
            (gradient,) = torch.autograd.grad((code * self.code._normal(code)).sum(), rows, create_graph=differentiates)
        return gradient.square().flatten(1).sum(dim=1)


class ConvEncoder(nn.Module):
    """Convolutions that halve an image each, then dense layers.

    Parameters
    ----------
    shape : tuple of int
        Height, width and channels of an image.
    channels : sequence of int
        Channels after each convolution, at least one.
    sizes : sequence of int
        Units of the dense layers; the last gives the outputs.
    kernel_size : int, default=3
        Side of the kernels in pixels, odd.
    activation : str, default="relu"
        Activation after every layer but the last.
    seed : int or None, default=0
        Seed of the starting weights (Glorot uniform; biases 0). None leaves them as they come.

    Attributes
    ----------
    convolutions, layers : ModuleList
        The layers.
    sides : list of pairs of int
        Height and width before the first convolution and after each.

    Raises
    ------
    ValueError
        If a size is not positive, ``kernel_size`` is even, or there is no convolution or no dense layer.

    Examples
    --------
    >>> ConvEncoder((28, 28, 1), (8, 16), (10,))(torch.zeros(2, 784)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        channels: Sequence[int],
        sizes: Sequence[int],
        *,
        kernel_size: int = 3,
        activation: str = "relu",
        seed: int | None = 0,
    ) -> None:
        super().__init__()
        for name, values in (("shape", shape), ("channels", channels), ("sizes", sizes)):
            if not len(values) or any(isinstance(n, bool) or int(n) != n or n < 1 for n in values):
                raise ValueError(
                    f"`{name}` must be made of whole numbers of at least 1, at least one. "
                    f"Received: {name}={tuple(values)}."
                )
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"`kernel_size` must be odd and positive. Received: kernel_size={kernel_size!r}.")
        self.shape, self.channels, self.kernel_size = tuple(shape), (shape[2], *channels), kernel_size
        self.activation = get_activation(activation).name  # the function would not go into a pickle
        self.sides = [shape[:2]]
        for _ in channels:
            h, w = self.sides[-1]
            self.sides.append((-(-h // 2), -(-w // 2)))
        self.widths = (int(np.prod(self.sides[-1])) * channels[-1], *sizes)
        how: dict[str, Any] = {"kernel_size": kernel_size, "stride": 2, "padding": kernel_size // 2}
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, **how) for before, after in zip(self.channels, channels, strict=False)
        )
        self.layers = nn.ModuleList(nn.Linear(n_in, n_out) for n_in, n_out in zip(self.widths, sizes, strict=False))
        draw_weights(self, seed)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the outputs of the last layer.

        Parameters
        ----------
        x : Tensor of shape (N, h * w * c), float
            Images as rows, the channels innermost.

        Returns
        -------
        h : Tensor of shape (N, sizes[-1])
            Without an activation.
        """
        activation = get_activation(self.activation)
        h = x.reshape(-1, *self.shape).permute(0, 3, 1, 2).contiguous()  # (N, c, h, w)
        for convolution in self.convolutions:
            h = activation(convolution(h))
        h = h.flatten(1)
        for number, layer in enumerate(self.layers, start=1):
            h = layer(h) if number == len(self.layers) else activation(layer(h))
        return h


class ConvDecoder(nn.Module):
    """The mirror image of a convolutional encoder.

    Parameters
    ----------
    encoder : ConvEncoder
        What is mirrored; not registered here.
    size : int
        Numbers of a code.
    tied : bool, default=False
        Whether to use the encoder's weights, transposed, with biases of its own.
    seed : int or None, default=0
        Seed of the starting weights; None leaves them as they come.

    Raises
    ------
    ValueError
        If weights are to be tied and a code has not as many numbers as the encoder has outputs.

    Examples
    --------
    >>> encoder = ConvEncoder((7, 5, 3), (4,), (6, 2))
    >>> decoder = ConvDecoder(encoder, 2, tied=True)
    >>> decoder(torch.zeros(3, 2)).shape, sum(p.numel() for p in decoder.parameters())
    (torch.Size([3, 105]), 57)
    """

    def __init__(self, encoder: ConvEncoder, size: int, *, tied: bool = False, seed: int | None = 0) -> None:
        super().__init__()
        if tied and size != encoder.widths[-1]:
            raise ValueError(
                f"`tied` must be False where a code has {size} numbers and the encoder {encoder.widths[-1]} outputs. "
                "Received: tied=True."
            )
        self.shape, self.sides, self.activation = encoder.shape, encoder.sides, encoder.activation
        self.padding = encoder.kernel_size // 2
        self._borrowed = [encoder] if tied else []
        widths = [size, *reversed(encoder.widths[:-1])]
        mirrored: list[nn.Module] = []
        for number, layer in enumerate(reversed(encoder.layers)):
            tied_layer = TiedLinear(layer) if tied and isinstance(layer, nn.Linear) else None
            mirrored.append(tied_layer or nn.Linear(widths[number], widths[number + 1]))
        self.layers = nn.ModuleList(mirrored)
        channels, kernel = encoder.channels, encoder.kernel_size
        pairs = list(zip(channels[1:], channels[:-1], strict=True))[::-1]
        self.kernels = nn.ParameterList(
            [] if tied else [nn.Parameter(torch.empty(n_in, n_out, kernel, kernel)) for n_in, n_out in pairs]
        )
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(n_out)) for _, n_out in pairs])
        draw_weights(self, seed)

    def _weights(self) -> list[Tensor]:
        """Return the kernel of each transposed convolution, shape (n_in, n_out, k, k)."""
        if self._borrowed:
            return [convolution.weight for convolution in reversed(self._borrowed[0].convolutions)]  # type: ignore[misc]
        return list(self.kernels)

    def forward(self, code: Tensor) -> Tensor:
        """Compute the scores of codes.

        Parameters
        ----------
        code : Tensor of shape (N, size), float
            Codes.

        Returns
        -------
        scores : Tensor of shape (N, h * w * c)
            Images as rows, the channels innermost.
        """
        h, activation = code, get_activation(self.activation)
        for layer in self.layers:
            h = activation(layer(h))
        kernels = self._weights()
        h = h.reshape(len(code), kernels[0].shape[0], *self.sides[-1])
        for number, (kernel, bias) in enumerate(zip(kernels, self.biases, strict=True), start=1):
            wanted = self.sides[-1 - number]
            extra = [n - (2 * before - 1) for n, before in zip(wanted, h.shape[2:], strict=True)]
            h = F.conv_transpose2d(h, kernel, bias, stride=2, padding=self.padding, output_padding=extra)
            if number < len(kernels):
                h = activation(h)
        return h.permute(0, 2, 3, 1).flatten(1)


@torch.no_grad()
def draw_weights(module: nn.Module, seed: int | None) -> None:
    """Fill weights and kernels by Glorot's uniform scheme, and vectors with 0.

    Parameters
    ----------
    module : nn.Module
        Whose parameters are filled, in their order.
    seed : int or None
        Seed of the draws; None changes nothing.

    Examples
    --------
    >>> layer = nn.Linear(3, 3)
    >>> draw_weights(layer, 0)
    >>> bool(layer.weight.abs().max() < 1), layer.bias.tolist()
    (True, [0.0, 0.0, 0.0])
    """
    if seed is None:
        return
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        if parameter.ndim < 2:
            parameter.zero_()
            continue
        fans = (parameter.shape[0] + parameter.shape[1]) * math.prod(parameter.shape[2:])
        bound = math.sqrt(6.0 / fans)
        parameter.uniform_(-bound, bound, generator=generator)
