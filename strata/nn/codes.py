"""What stands between an encoder and a decoder: plain units, a normal law, bits, or whole numbers.

Each takes the encoder's outputs and gives two things. Called, it gives the code that is learned with, noise and
all, and what the code costs; :meth:`~Code.settled` gives the code without noise, which is used. Noise is drawn by a
counter, the seed and the step, so that a resumed run draws what an uninterrupted one would have drawn.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strata.functional import gaussian_kl, get_activation, logistic_bits

__all__ = ["BinaryCode", "Code", "GaussianCode", "PlainCode", "QuantizedCode"]

_LOG_VARIANCES = (-30.0, 20.0)  # beyond, an exponential overflows before the loss says so


class Code(nn.Module, ABC):
    """Base of the codes.

    Parameters
    ----------
    size : int
        Numbers, or channels, of a code.
    seed : int, default=0
        Seed of the noise.

    Attributes
    ----------
    size : int
        Numbers of a code.
    n_inputs : int
        Numbers that the encoder must give.
    dropout_step : Tensor of shape (), int64
        Which noise comes next; whoever trains sets it.
    """

    dropout_step: Tensor
    noise_seed: Tensor

    def __init__(self, size: int, *, seed: int = 0) -> None:
        super().__init__()
        self.size = self.n_inputs = size
        self.register_buffer("noise_seed", torch.tensor(seed, dtype=torch.int64))
        self.register_buffer("dropout_step", torch.tensor(0, dtype=torch.int64))

    @abstractmethod
    def forward(self, h: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the code to learn with, and its cost.

        Parameters
        ----------
        h : Tensor of shape (N, n_inputs, ...), float
            Outputs of the encoder.

        Returns
        -------
        code : Tensor of shape (N, size, ...)
            The code; with noise where the kind has any, the same noise at every look in evaluation mode.
        cost : Tensor of shape (N,) or None
            What is added to the loss of each row, in the units of the kind.
        """

    @abstractmethod
    def settled(self, h: Tensor) -> Tensor:
        """Return the code without noise.

        Parameters
        ----------
        h : Tensor of shape (N, n_inputs, ...), float
            Outputs of the encoder.

        Returns
        -------
        code : Tensor of shape (N, size, ...)
            The code.
        """

    def _generator(self) -> torch.Generator:
        step = int(self.dropout_step) + 1 if self.training else 0
        return torch.Generator().manual_seed((int(self.noise_seed) * 1_000_003 + step) % (1 << 63))

    def _normal(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self._generator(), dtype=like.dtype).to(like.device)

    def extra_repr(self) -> str:
        """Say the size."""
        return str(self.size)


class PlainCode(Code):
    """Activated units, without noise or cost.

    Parameters
    ----------
    size : int
        Number of units.
    activation : str, default="identity"
        Elementwise activation.

    Examples
    --------
    >>> PlainCode(2, "relu").settled(torch.tensor([[-1.0, 2.0]]))
    tensor([[0., 2.]])
    """

    def __init__(self, size: int, activation: str = "identity") -> None:
        super().__init__(size)
        self.activation = get_activation(activation).name  # the function would not go into a pickle

    def forward(self, h: Tensor) -> tuple[Tensor, None]:
        """Return the activated units; see :meth:`Code.forward`.

        Parameters
        ----------
        h : Tensor of shape (N, size), float
            Outputs of the encoder.

        Returns
        -------
        code : Tensor of shape (N, size)
            The code.
        cost : None
            It has none.
        """
        return self.settled(h), None

    def settled(self, h: Tensor) -> Tensor:
        """Return the activated units.

        Parameters
        ----------
        h : Tensor of shape (N, size), float
            Outputs of the encoder.

        Returns
        -------
        code : Tensor of shape (N, size)
            The code.
        """
        return get_activation(self.activation)(h)


class GaussianCode(Code):
    r"""A normal law for each row, the code of a variational autoencoder.

    Parameters
    ----------
    size : int
        Number of latent variables.
    seed : int, default=0
        Seed of the noise.

    Notes
    -----
    The encoder gives :math:`\mu` and :math:`\log \sigma^2`; the code is :math:`\mu + \sigma \epsilon` with a standard
    normal :math:`\epsilon`, its cost the divergence of the law from the standard normal one
    (:func:`strata.functional.gaussian_kl`), and the settled code :math:`\mu` (Kingma and Welling, ICLR 2014).

    Examples
    --------
    >>> code = GaussianCode(2)
    >>> values, cost = code(torch.zeros(3, 4))
    >>> values.shape, cost
    (torch.Size([3, 2]), tensor([0., 0., 0.]))
    """

    def __init__(self, size: int, *, seed: int = 0) -> None:
        super().__init__(size, seed=seed)
        self.n_inputs = 2 * size

    def law(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and the logarithm of the variance.

        Parameters
        ----------
        h : Tensor of shape (N, 2 * size), float
            Outputs of the encoder.

        Returns
        -------
        mean, log_variance : Tensors of shape (N, size)
            The law of each row.
        """
        mean, log_variance = h.chunk(2, dim=1)
        return mean, log_variance.clamp(*_LOG_VARIANCES)

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Draw a code; see :meth:`Code.forward`.

        Parameters
        ----------
        h : Tensor of shape (N, 2 * size), float
            Outputs of the encoder.

        Returns
        -------
        code : Tensor of shape (N, size)
            One draw a row.
        cost : Tensor of shape (N,)
            The divergence, in nats.
        """
        mean, log_variance = self.law(h)
        return mean + torch.exp(0.5 * log_variance) * self._normal(mean), gaussian_kl(mean, log_variance)

    def settled(self, h: Tensor) -> Tensor:
        """Return the mean.

        Parameters
        ----------
        h : Tensor of shape (N, 2 * size), float
            Outputs of the encoder.

        Returns
        -------
        code : Tensor of shape (N, size)
            Means.
        """
        return self.law(h)[0]


class BinaryCode(Code):
    r"""Units that noise drives to 0 and 1, balanced over a batch: the code of semantic hashing.

    Parameters
    ----------
    size : int
        Number of bits.
    gain : float, default=4.0
        Standard deviation of a unit's input over a batch, > 0.
    noise : float, default=1.0
        Standard deviation of the noise that is added to it in training, >= 0.
    seed : int, default=0
        Seed of the noise.

    Notes
    -----
    .. math:: h = \sigma(g \, (z - \bar z) / s_z + \epsilon), \quad \epsilon \sim N(0, \nu^2)

    with mean and deviation over the batch in training and over the run afterwards. Only a unit far from 1/2 carries
    information through the noise, so the units become binary (Salakhutdinov and Hinton, "Semantic Hashing", 2009). The
    centring is ours: half the rows lie on either side of every unit, and no bit dies. The settled code is the logistic
    of the input without noise; a bit is on where it is above 1/2.

    Examples
    --------
    >>> code = BinaryCode(2).eval()
    >>> code.settled(torch.tensor([[3.0, -3.0]])).round()
    tensor([[1., 0.]])
    """

    def __init__(self, size: int, *, gain: float = 4.0, noise: float = 1.0, seed: int = 0) -> None:
        super().__init__(size, seed=seed)
        self.gain, self.noise = float(gain), float(noise)
        self.centre = nn.BatchNorm1d(size, affine=False)

    def forward(self, h: Tensor) -> tuple[Tensor, None]:
        """Return the noisy units; see :meth:`Code.forward`.

        Parameters
        ----------
        h : Tensor of shape (N, size), float
            Outputs of the encoder.

        Returns
        -------
        code : Tensor of shape (N, size)
            In (0, 1).
        cost : None
            It has none.
        """
        z = self._centred(h)
        return torch.sigmoid(z + self.noise * self._normal(z)), None

    def settled(self, h: Tensor) -> Tensor:
        """Return the units without noise.

        Parameters
        ----------
        h : Tensor of shape (N, size), float
            Outputs of the encoder.

        Returns
        -------
        code : Tensor of shape (N, size)
            In (0, 1).
        """
        return torch.sigmoid(self._centred(h))

    def _centred(self, h: Tensor) -> Tensor:
        """Return the units' inputs; a row alone has no statistics of its own, and takes those of the run."""
        if self.training and len(h) > 1:
            centred: Tensor = self.centre(h)
            return self.gain * centred
        mean, variance = self.centre.running_mean, self.centre.running_var
        return self.gain * F.batch_norm(h, mean, variance, eps=self.centre.eps)


class QuantizedCode(Code):
    r"""Whole numbers, whose cost in bits is learned: the code of a compressor, at several qualities.

    Parameters
    ----------
    size : int
        Number of channels.
    prices : sequence of float, default=(1.0,)
        What a bit costs at each quality, > 0; the first is the lowest quality, so the prices fall.
    seed : int, default=0
        Seed of the noise.

    Attributes
    ----------
    log_gain : Parameter of shape (n_qualities, size)
        Logarithm of what each channel is multiplied by before it is rounded.
    location, log_scale : Parameters of shape (n_qualities, size)
        Centre of each channel's logistic law, and the logarithm of its scale.

    Raises
    ------
    ValueError
        If there is no price, or one is not above 0.

    Notes
    -----
    Rounding has no gradient. In training, noise that is uniform on :math:`[-\tfrac12, \tfrac12]` stands in its place,
    which has the density of the rounded code at whole numbers (Ballé, Laparra and Simoncelli, ICLR 2017); the cost is
    the price times :func:`strata.functional.logistic_bits` of the noisy code. Every row draws a quality, and a gain for
    each channel and quality makes one network serve all of them (Cui et al., "Asymmetric Gained Deep Image Compression
    With Continuous Rate Adaptation", CVPR 2021). In evaluation row i has the quality i modulo their number, and the
    code is rounded, half to even; the settled code is that of the highest quality.

    Examples
    --------
    >>> code = QuantizedCode(2, (1.0, 0.1)).requires_grad_(False)
    >>> code.symbols(torch.tensor([[0.6, -1.2]]), 0)
    tensor([[ 1., -1.]])
    >>> code.restored(torch.tensor([[1.0, -1.0]]), 0)
    tensor([[ 1., -1.]])
    """

    prices: Tensor

    def __init__(self, size: int, prices: Sequence[float] = (1.0,), *, seed: int = 0) -> None:
        super().__init__(size, seed=seed)
        if not len(prices) or not all(0 < price < math.inf for price in prices):
            raise ValueError(f"`prices` must be one or more numbers above 0. Received: prices={tuple(prices)!r}.")
        self.n_qualities = len(prices)
        shape = (self.n_qualities, size)
        self.register_buffer("prices", torch.tensor([float(price) for price in prices], dtype=torch.float32))
        steps = (
            self.prices[0] / self.prices
        ).log() / 2  # the price of a bit is the slope, which goes with gain squared
        self.log_gain = nn.Parameter(steps.unsqueeze(1).repeat(1, size))
        self.location = nn.Parameter(torch.zeros(shape))
        self.log_scale = nn.Parameter(torch.zeros(shape))

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return the noisy code in training, the rounded one in evaluation; see :meth:`Code.forward`.

        Parameters
        ----------
        h : Tensor of shape (N, size, ...), float
            Outputs of the encoder.

        Returns
        -------
        code : Tensor of the same shape
            The code, in the units of ``h``.
        cost : Tensor of shape (N,)
            The price of its bits.
        """
        if self.training:
            generator = self._generator()
            quality = torch.randint(self.n_qualities, (len(h),), generator=generator).to(h.device)
            noise = torch.rand(h.shape, generator=generator, dtype=h.dtype).to(h.device) - 0.5
            gain = self._gain(quality, h)
            code = h * gain + noise
        else:
            quality = torch.arange(len(h), device=h.device) % self.n_qualities
            gain = self._gain(quality, h)
            code = torch.round(h * gain)
        bits = logistic_bits(code, self.location[quality], self.log_scale[quality])
        return code / gain, bits * self.prices[quality].to(bits.dtype)

    def _gain(self, quality: Tensor, like: Tensor) -> Tensor:
        gain: Tensor = self.log_gain[quality].exp()
        return gain.reshape(*gain.shape, *(1,) * (like.ndim - 2))

    def symbols(self, h: Tensor, quality: int) -> Tensor:
        """Return the whole numbers of a code at a quality.

        Parameters
        ----------
        h : Tensor of shape (N, size, ...), float
            Outputs of the encoder.
        quality : int
            From 0, the lowest, to ``n_qualities - 1``.

        Returns
        -------
        symbols : Tensor of the same shape
            Whole numbers, float.
        """
        return torch.round(h * self._gain(torch.tensor([quality], device=h.device), h))

    def restored(self, symbols: Tensor, quality: int) -> Tensor:
        """Return the code of whole numbers, in the units of the encoder.

        Parameters
        ----------
        symbols : Tensor of shape (N, size, ...), float
            What :meth:`symbols` gave.
        quality : int
            The same quality.

        Returns
        -------
        code : Tensor of the same shape
            What the decoder takes.
        """
        return symbols / self._gain(torch.tensor([quality], device=symbols.device), symbols)

    def settled(self, h: Tensor) -> Tensor:
        """Return the rounded code at the highest quality.

        Parameters
        ----------
        h : Tensor of shape (N, size, ...), float
            Outputs of the encoder.

        Returns
        -------
        code : Tensor of the same shape
            The code, in the units of ``h``.
        """
        best = self.n_qualities - 1
        return self.restored(self.symbols(h, best), best)
