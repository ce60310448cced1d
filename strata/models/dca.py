"""The deep count autoencoder (DCA).

G. Eraslan, L. M. Simon, M. Mircea, N. S. Mueller, F. J. Theis, "Single-cell RNA-seq denoising using a deep count
autoencoder", Nature Communications 10:390, 2019.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strata.models._counts import CountParameters, check_sizes, count_log_likelihood, hidden_block

__all__ = ["DCA"]

#: Bounds of the mean of a cell of size factor 1, and of the inverse dispersion (the released code's).
_MEANS = (1e-5, 1e6)
_DISPERSIONS = (1e-4, 1e4)


class DCA(nn.Module):
    r"""Encode log-normalised counts, and decode the parameters of the distribution of each count.

    Parameters
    ----------
    n_genes : int
        Genes, G.
    hidden_sizes : tuple of int, default=(64, 32, 64)
        Units of the hidden layers; the one in the middle is the code (of two, the first).
    likelihood : {"nb", "zinb", "poisson"}, default="nb"
        Distribution of a count: negative binomial, that with extra zeros, or Poisson.
    dispersion : {"gene-cell", "gene"}, default="gene-cell"
        Whether the inverse dispersion is decoded for each gene of each cell, or learned once for each gene.
    batch_norm : bool, default=True
        Batch normalization of the hidden layers, with a learned shift and no gain.
    dropout : float, default=0.0
        Share of the hidden units that are dropped in training.
    input_dropout : float, default=0.0
        Share of the inputs that are dropped in training.
    zero_penalty : float, default=0.0
        Weight :math:`\lambda` of the penalty on the probability of extra zeros.

    Attributes
    ----------
    center, scale : Tensor of shape (G,)
        What is subtracted from the logarithm of each gene, and what it is divided by; 0 and 1 until they are set.
    log_likelihood : callable
        Computes the log-likelihood of each cell from counts and ``CountParameters``; another way to compute it may
        stand here for a while.

    Raises
    ------
    ValueError
        If a size or a name cannot be.

    See Also
    --------
    strata.CountAutoencoder : The estimator that trains it.

    Notes
    -----
    With counts :math:`x`, size factors :math:`s` and the network's last hidden layer :math:`D`:

    .. math:: \bar x = \frac{\log(1 + x / s) - c}{d}, \quad M = s \exp(D W_\mu), \quad
              \Theta = \mathrm{softplus}(D W_\theta), \quad \Pi = \sigma(D W_\pi)

    The paper has :math:`\Theta = \exp`; the released code, as here, the softplus, which cannot run away. Means of a
    cell of size factor 1 stay within 1e-5 and 1e6, inverse dispersions within 1e-4 and 1e4. The loss is the mean over
    cells and genes of the negative log-likelihood plus :math:`\lambda \Pi^2`.

    Examples
    --------
    >>> network = DCA(100, likelihood="zinb").eval()
    >>> counts = torch.ones(4, 100)
    >>> network.encode(counts, torch.ones(4)).shape, network(counts, torch.ones(4)).mean.shape
    (torch.Size([4, 32]), torch.Size([4, 100]))
    """

    center: Tensor
    scale: Tensor

    def __init__(
        self,
        n_genes: int,
        *,
        hidden_sizes: tuple[int, ...] = (64, 32, 64),
        likelihood: str = "nb",
        dispersion: str = "gene-cell",
        batch_norm: bool = True,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        zero_penalty: float = 0.0,
    ) -> None:
        super().__init__()
        check_sizes(n_genes, hidden_sizes, likelihood)
        if not hidden_sizes:
            raise ValueError("`hidden_sizes` must have at least one layer, the code. Received: hidden_sizes=().")
        if dispersion not in ("gene-cell", "gene"):
            raise ValueError(f"`dispersion` must be 'gene-cell' or 'gene'. Received: dispersion={dispersion!r}.")
        self.n_genes, self.likelihood, self.zero_penalty = n_genes, likelihood, float(zero_penalty)
        self.log_likelihood: Callable[[Tensor, CountParameters], Tensor] = count_log_likelihood
        self.register_buffer("center", torch.zeros(n_genes))
        self.register_buffer("scale", torch.ones(n_genes))
        middle = (len(hidden_sizes) - 1) // 2
        self.n_latent = hidden_sizes[middle]
        sizes = (n_genes, *hidden_sizes)

        def block(i: int, activation: nn.Module | None, rate: float) -> nn.Sequential:
            return hidden_block(
                sizes[i], sizes[i + 1], batch_norm=batch_norm, gain=False, activation=activation, dropout=rate
            )

        self.input_dropout = nn.Dropout(input_dropout)
        self.encoder = nn.Sequential(*(block(i, nn.ReLU(), dropout) for i in range(middle)))
        self.code = block(middle, None, 0.0)
        self.decoder = nn.Sequential(
            nn.ReLU(),
            nn.Dropout(dropout),
            *(block(i, nn.ReLU(), dropout) for i in range(middle + 1, len(hidden_sizes))),
        )
        width = sizes[-1]
        self.mean = nn.Linear(width, n_genes)
        self.dispersion = nn.Linear(width, n_genes) if likelihood != "poisson" and dispersion == "gene-cell" else None
        self.gene_dispersion = (
            nn.Parameter(torch.zeros(n_genes)) if likelihood != "poisson" and dispersion == "gene" else None
        )
        self.zero = nn.Linear(width, n_genes) if likelihood == "zinb" else None
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def normalise(self, counts: Tensor, size_factors: Tensor) -> Tensor:
        """Divide counts by the size of their cell, take the logarithm, and standardise each gene.

        Parameters
        ----------
        counts : Tensor of shape (N, G)
            Raw counts.
        size_factors : Tensor of shape (N,)
            Size of each cell, > 0.

        Returns
        -------
        x : Tensor of shape (N, G)
            What the first layer sees.
        """
        x = counts.to(self.center.dtype) / size_factors[:, None]
        return x.log1p_().sub_(self.center).div_(self.scale)

    def encode(self, counts: Tensor, size_factors: Tensor) -> Tensor:
        """Return the codes of cells, before the activation.

        Parameters
        ----------
        counts : Tensor of shape (N, G)
            Raw counts.
        size_factors : Tensor of shape (N,)
            Size of each cell, > 0.

        Returns
        -------
        codes : Tensor of shape (N, D)
            Units of the middle layer.
        """
        codes: Tensor = self.code(self.encoder(self.input_dropout(self.normalise(counts, size_factors))))
        return codes

    def decode(self, codes: Tensor, size_factors: Tensor) -> CountParameters:
        """Return the distributions of the counts of cells with given codes.

        Parameters
        ----------
        codes : Tensor of shape (N, D)
            Units of the middle layer, before the activation.
        size_factors : Tensor of shape (N,)
            Size of each cell, > 0.

        Returns
        -------
        parameters : CountParameters
            ``log_mean``, ``dispersion`` and ``zero_logits``; ``mean`` is the denoised expression.
        """
        hidden = self.decoder(codes)
        low, high = (math.log(bound) for bound in _MEANS)
        log_mean = self.mean(hidden).clamp(low, high) + size_factors.log()[:, None]
        raw = self.gene_dispersion if self.dispersion is None else self.dispersion(hidden)
        if raw is not None:
            raw = F.softplus(raw).clamp(*_DISPERSIONS)
        return CountParameters(log_mean, raw, None if self.zero is None else self.zero(hidden))

    def forward(self, counts: Tensor, size_factors: Tensor) -> CountParameters:
        """Return the distributions of the counts of cells, seen through their codes.

        Parameters
        ----------
        counts : Tensor of shape (N, G)
            Raw counts.
        size_factors : Tensor of shape (N,)
            Size of each cell, > 0.

        Returns
        -------
        parameters : CountParameters
            As :meth:`decode` gives them.
        """
        return self.decode(self.encode(counts, size_factors), size_factors)

    def objective(self, x: Tensor, y: Tensor | None, sample_weight: Tensor | None = None) -> Tensor:
        """Return the loss of a batch, as :class:`strata.rules.GradientDescent` asks for it.

        Parameters
        ----------
        x : Tensor of shape (N, G)
            Raw counts.
        y : Tensor of shape (N, 1) or None
            Size factors; None stands for ones.
        sample_weight : None
            Cells have no weights.

        Returns
        -------
        loss : Tensor of shape ()
            Mean over cells and genes of the negative log-likelihood, with its penalty.
        """
        sizes = x.new_ones(len(x), dtype=self.center.dtype) if y is None else y[:, 0]
        counts = x.to(self.center.dtype)
        parameters = self(counts, sizes)
        loss = -self.log_likelihood(counts, parameters).sum() / counts.numel()
        if self.zero_penalty and parameters.zero_logits is not None:
            loss = loss + self.zero_penalty * parameters.zero_logits.sigmoid().square().mean()
        return loss
