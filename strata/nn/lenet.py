"""The layers of LeNet-5 that are not built any more: trainable subsampling, partial connections, Gaussian outputs.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition", Proceedings of
the IEEE 86(11), 1998, section II.B and appendix A.
"""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["EuclideanRBF", "PartialConv2d", "ScaledTanh", "Subsampling", "digit_codes"]


class ScaledTanh(nn.Module):
    r"""Squash with :math:`A \tanh(S a)`, which maps 1 to 1 and -1 to -1 where its curvature is largest.

    Parameters
    ----------
    amplitude : float, default=1.7159
        A.
    slope : float, default=2/3
        S.

    Examples
    --------
    >>> ScaledTanh()(torch.tensor([0.5, 1.0, 2.0]))
    tensor([0.5517, 1.0000, 1.4929])
    """

    def __init__(self, amplitude: float = 1.7159, slope: float = 2 / 3) -> None:
        super().__init__()
        self.amplitude, self.slope = amplitude, slope

    def forward(self, a: Tensor) -> Tensor:
        """Squash each pre-activation.

        Parameters
        ----------
        a : Tensor of any shape, float
            Pre-activations.

        Returns
        -------
        x : Tensor of the same shape
            Between minus and plus the amplitude.
        """
        return self.amplitude * torch.tanh(self.slope * a)

    def extra_repr(self) -> str:
        """Describe the layer in one line.

        Returns
        -------
        text : str
            Its parameters.
        """
        return f"amplitude={self.amplitude}, slope={self.slope:.6g}"


class Subsampling(nn.Module):
    r"""Add up squares of pixels, times a learned coefficient, plus a learned bias: one of each a channel.

    Parameters
    ----------
    n_channels : int
        Channels that come in and go out.
    size : int, default=2
        Height, width and stride of the squares.

    Attributes
    ----------
    coefficient : Parameter of shape (n_channels,)
        Factor of the sum, not of the mean: the mean's would be ``size**2`` times as large.
    bias : Parameter of shape (n_channels,)
        What is added. The squashing follows after it and is no part of this layer.

    Notes
    -----
    Coefficients start uniformly between minus and plus 2.4 over the ``size**2`` inputs of a unit, biases as well.

    Examples
    --------
    >>> layer = Subsampling(1)
    >>> with torch.no_grad():
    ...     _ = layer.coefficient.fill_(0.5), layer.bias.fill_(1.0)
    >>> layer(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    tensor([[[[6.]]]], grad_fn=<AddBackward0>)
    """

    def __init__(self, n_channels: int, *, size: int = 2) -> None:
        super().__init__()
        self.size = size
        bound = 2.4 / size**2
        self.coefficient = nn.Parameter(torch.empty(n_channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(n_channels).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Subsample each channel.

        Parameters
        ----------
        x : Tensor of shape (N, n_channels, H, W), float
            Feature maps. A last row or column that fills no square is left out.

        Returns
        -------
        y : Tensor of shape (N, n_channels, H // size, W // size)
            Pre-activations.
        """
        total = F.avg_pool2d(x, self.size, divisor_override=1)
        return total * self.coefficient[:, None, None] + self.bias[:, None, None]

    def extra_repr(self) -> str:
        """Describe the layer in one line.

        Returns
        -------
        text : str
            Its parameters.
        """
        return f"{len(self.bias)}, size={self.size}"


class PartialConv2d(nn.Module):
    """Convolve, each output channel looking at its own choice of input channels only.

    Parameters
    ----------
    table : sequence of sequence of int
        For each output channel, the input channels that it is connected to, from 0.
    kernel_size : int
        Height and width of the kernels.

    Attributes
    ----------
    weight : Parameter of shape (n_connections, kernel_size, kernel_size)
        One kernel a connection, in the order of the table. What is not connected has no weight at all.
    bias : Parameter of shape (n_outputs,)
        One for each output channel.

    Raises
    ------
    ValueError
        If a row of the table is empty, names a channel twice, or names a negative one.

    Notes
    -----
    Weights and biases start uniformly between minus and plus 2.4 over the fan-in of their unit.

    Examples
    --------
    >>> layer = PartialConv2d([(0, 1), (2,)], 5)
    >>> sum(p.numel() for p in layer.parameters())
    77
    >>> layer(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 2, 4, 4])
    """

    places: Tensor

    def __init__(self, table: Sequence[Sequence[int]], kernel_size: int) -> None:
        super().__init__()
        for row, inputs in enumerate(table):
            if not inputs or len(set(inputs)) < len(inputs) or min(inputs) < 0:
                raise ValueError(
                    "`table` must name at least one input channel for each output, from 0, each once. "
                    f"Received: table[{row}]={list(inputs)}."
                )
        self.table = tuple(tuple(inputs) for inputs in table)
        self.kernel_size = kernel_size
        self.n_inputs = 1 + max(chain.from_iterable(self.table))
        places = [row * self.n_inputs + i for row, inputs in enumerate(self.table) for i in inputs]
        self.register_buffer("places", torch.tensor(places, dtype=torch.int64), persistent=False)
        bounds = torch.tensor([2.4 / (len(inputs) * kernel_size**2) for inputs in self.table])
        each = torch.cat([bounds[row].expand(len(inputs)) for row, inputs in enumerate(self.table)])
        kernels = torch.empty(len(places), kernel_size, kernel_size).uniform_(-1, 1)
        self.weight = nn.Parameter(kernels * each[:, None, None])
        self.bias = nn.Parameter(torch.empty(len(self.table)).uniform_(-1, 1) * bounds)

    def dense_weight(self) -> Tensor:
        """Return the kernels as those of an ordinary convolution.

        Returns
        -------
        weight : Tensor of shape (n_outputs, n_inputs, kernel_size, kernel_size)
            With zeros where nothing is connected.
        """
        n_outputs, kernel = len(self.table), self.kernel_size
        empty = self.weight.new_zeros(n_outputs * self.n_inputs, kernel, kernel)
        return empty.index_copy(0, self.places, self.weight).view(n_outputs, self.n_inputs, kernel, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve without padding, with stride 1.

        Parameters
        ----------
        x : Tensor of shape (N, n_inputs, H, W), float
            Feature maps.

        Returns
        -------
        y : Tensor of shape (N, n_outputs, H - kernel_size + 1, W - kernel_size + 1)
            Pre-activations.
        """
        return F.conv2d(x, self.dense_weight(), self.bias)

    def extra_repr(self) -> str:
        """Describe the layer in one line.

        Returns
        -------
        text : str
            Its sizes.
        """
        return f"{self.n_inputs}, {len(self.table)}, {self.kernel_size}, n_connections={len(self.places)}"


class EuclideanRBF(nn.Module):
    r"""Measure the squared distance to one code a class, the Gaussian connections of LeNet-5.

    Parameters
    ----------
    codes : Tensor of shape (n_classes, n_inputs), float
        Centres of the units; see :func:`digit_codes`. They are fixed, and part of the state.

    Notes
    -----
    .. math:: y_i = \sum_j (x_j - w_{ij})^2

    The prediction is the class with the smallest :math:`y_i`.

    Examples
    --------
    >>> EuclideanRBF(torch.tensor([[1.0, 1.0], [1.0, -1.0]]))(torch.tensor([[1.0, 0.5]]))
    tensor([[0.2500, 2.2500]])
    """

    codes: Tensor

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        if codes.ndim != 2:
            raise ValueError(f"`codes` must have shape (n_classes, n_inputs). Received: {tuple(codes.shape)}.")
        self.register_buffer("codes", codes.clone())

    def with_outputs(self, n_classes: int) -> "EuclideanRBF":
        """Return a layer like this one for another number of classes.

        Parameters
        ----------
        n_classes : int
            Outputs of the new layer.

        Returns
        -------
        layer : EuclideanRBF
            Its codes are those of :func:`digit_codes` where these have as many bits, else random ones.
        """
        codes = digit_codes(n_classes, n_bits=self.codes.shape[1])
        return EuclideanRBF(codes.to(self.codes))

    def forward(self, x: Tensor) -> Tensor:
        """Measure the distance of each row to each code.

        Parameters
        ----------
        x : Tensor of shape (N, n_inputs), float
            Activations of the last hidden layer.

        Returns
        -------
        distances : Tensor of shape (N, n_classes)
            Squared Euclidean distances, at least 0.
        """
        return (x[:, None, :] - self.codes).square().sum(dim=2)

    def extra_repr(self) -> str:
        """Describe the layer in one line.

        Returns
        -------
        text : str
            Its sizes.
        """
        return f"{self.codes.shape[1]}, {self.codes.shape[0]}"


@cache
def _glyphs() -> tuple[tuple[float, ...], ...]:
    """Read the drawn digits: ten tuples of 84 numbers, rows from the top, left to right."""
    record = json.loads(files("strata.nn").joinpath("digit_glyphs.json").read_text(encoding="utf-8"))
    rows = [[int(row, 16) for row in record["glyphs"][str(digit)].split()] for digit in range(10)]
    return tuple(tuple(1.0 if row >> bit & 1 else -1.0 for row in glyph for bit in range(6, -1, -1)) for glyph in rows)


def digit_codes(n_classes: int = 10, *, n_bits: int = 84) -> Tensor:
    """Give the codes of classes: the digits as drawn on 7 by 12 points, then random ones.

    Parameters
    ----------
    n_classes : int, default=10
        Codes wanted. Class k of the first ten is the digit k; the codes after them, and all codes of another length,
        are random, the same at each call.
    n_bits : int, default=84
        Length of a code; the drawn digits have 84 points.

    Returns
    -------
    codes : Tensor of shape (n_classes, n_bits)
        1 for ink, -1 for paper.

    Notes
    -----
    The paper prints the drawings as a figure. Transcriptions differ, and this is one of them: it is kept as data, in
    ``digit_glyphs.json``.

    Examples
    --------
    >>> for row in digit_codes()[1].view(12, 7)[:5].tolist():
    ...     print("|" + "".join("#" if value > 0 else " " for value in row) + "|")
    |   ##  |
    |  ###  |
    | ####  |
    |   ##  |
    |   ##  |
    """
    cpu = torch.device("cpu")  # also where a network is laid out without memory
    drawn = torch.tensor(_glyphs(), device=cpu)[:n_classes] if n_bits == 84 else torch.empty(0, n_bits, device=cpu)
    generator = torch.Generator(cpu).manual_seed(1998)
    more = torch.randint(0, 2, (n_classes - len(drawn), n_bits), generator=generator, device=cpu) * 2.0 - 1.0
    return torch.cat((drawn, more))
