"""Single-cell variational inference (scVI).

R. Lopez, J. Regier, M. B. Cole, M. I. Jordan, N. Yosef, "Deep generative modeling for single-cell transcriptomics",
Nature Methods 15:1053-1058, 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strata.functional import normal_kl
from strata.models._counts import CountParameters, check_sizes, count_log_likelihood, hidden_block

__all__ = ["SCVI", "library_prior"]

#: Added to the variances of the posterior, and the least one of the prior: cells of one depth have none.
_SMALLEST_VARIANCE = 1e-4
#: Bound of the logarithm of an inverse dispersion.
_LARGEST_LOG = 16.0
_DISPERSIONS = ("gene", "gene-batch", "gene-cell")


def library_prior(totals: Tensor, batch: Tensor, *, n_batches: int) -> tuple[Tensor, Tensor]:
    r"""Compute the prior of the library size from the cells of each batch.

    Parameters
    ----------
    totals : Tensor of shape (N,), float
        Counts of each cell, > 0.
    batch : Tensor of shape (N,), int
        Number of its batch.
    n_batches : int
        Batches, B.

    Returns
    -------
    mean, variance : Tensor of shape (B,)
        Of the logarithms of the totals over the cells of a batch; the variance is that of the cells themselves, divided
        by their number.

    Notes
    -----
    Lopez et al. [1]_: :math:`\ell_n \sim \mathrm{LogNormal}(\ell_\mu^{s_n}, (\ell_\sigma^{s_n})^2)`.

    References
    ----------
    .. [1] R. Lopez, J. Regier, M. B. Cole, M. I. Jordan, N. Yosef, "Deep generative modeling for single-cell
       transcriptomics", Nature Methods 15:1053-1058, 2018.

    Examples
    --------
    >>> library_prior(torch.tensor([1000.0, 2000.0, 4000.0]), torch.zeros(3, dtype=torch.long), n_batches=1)
    (tensor([7.6009]), tensor([0.3203]))
    """
    logs, member = totals.log(), F.one_hot(batch, n_batches).to(totals.dtype)
    size = member.sum(dim=0).clamp_min(1)
    mean = (member * logs[:, None]).sum(dim=0) / size
    return mean, (member * (logs[:, None] - mean).square()).sum(dim=0) / size


class SCVI(nn.Module):
    r"""Infer a latent variable of each cell, and decode from it the distribution of the cell's counts in its batch.

    Parameters
    ----------
    n_genes : int
        Genes, G.
    n_batches : int, default=1
        Batches of cells, B.
    n_latent : int, default=10
        Axes of the latent variable, D.
    hidden_sizes : tuple of int, default=(128,)
        Units of the hidden layers of the encoder, and in reverse of the decoder.
    likelihood : {"zinb", "nb", "poisson"}, default="zinb"
        Distribution of a count: negative binomial with extra zeros, that without them, or Poisson.
    dispersion : {"gene", "gene-batch", "gene-cell"}, default="gene"
        Whether an inverse dispersion is learned for each gene, each gene of a batch, or decoded for each count.
    latent_library : bool, default=False
        Whether the library size is inferred as a second latent variable, as in the paper, and not observed.
    batch_norm : bool, default=True
        Batch normalization of the hidden layers.
    dropout : float, default=0.1
        Share of the encoder's hidden units that are dropped in training.

    Attributes
    ----------
    library_mean, library_variance : Tensor of shape (B,)
        Prior of the logarithm of the library size of each batch; 0 and 1 until they are set.
    kl_weight : Tensor of shape ()
        What the divergence of the latent variable counts for in the objective; 1 in the bound itself.
    log_likelihood : callable
        Computes the log-likelihood of each cell from counts and ``CountParameters``; another way to compute it may
        stand here for a while.

    Raises
    ------
    ValueError
        If a size or a name cannot be.

    See Also
    --------
    strata.SCVI : The estimator that trains it.

    Notes
    -----
    With the batch s of a cell:

    .. math:: z \sim N(0, I), \quad \ell \sim \mathrm{LogNormal}, \quad \rho = \mathrm{softmax}(f_w(z, s)), \quad
              x_g \sim \mathrm{ZINB}(\ell \rho_g, \theta_g, \pi_g = \sigma(f_h(z, s)_g))

    The objective is minus the evidence lower bound, a mean over cells:

    .. math:: -E_q \log p(x | z, \ell) + w\, \mathrm{KL}(q(z | x) \| N(0, I))
              + \mathrm{KL}(q(\ell | x) \| \mathrm{LogNormal})

    The encoders see :math:`\log(1 + x)`; the batch is told to the decoder alone. With the observed library size
    :math:`\ell` is the cell's total, and its divergence is left out.

    Examples
    --------
    >>> network = SCVI(100, n_batches=2).eval()
    >>> mean, variance = network.encode(torch.ones(4, 100))
    >>> parameters = network.decode(mean, torch.full((4,), 100.0).log(), torch.tensor([0, 0, 1, 1]))
    >>> mean.shape, parameters.mean.sum(dim=1)
    (torch.Size([4, 10]), tensor([100.0000, 100.0000, 100.0000, 100.0000], grad_fn=<SumBackward1>))
    """

    library_mean: Tensor
    library_variance: Tensor
    kl_weight: Tensor

    def __init__(
        self,
        n_genes: int,
        *,
        n_batches: int = 1,
        n_latent: int = 10,
        hidden_sizes: tuple[int, ...] = (128,),
        likelihood: str = "zinb",
        dispersion: str = "gene",
        latent_library: bool = False,
        batch_norm: bool = True,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_sizes(n_genes, (n_latent, n_batches, *hidden_sizes), likelihood)
        if dispersion not in _DISPERSIONS:
            raise ValueError(
                f"`dispersion` must be one of {', '.join(_DISPERSIONS)}. Received: dispersion={dispersion!r}."
            )
        self.n_genes, self.n_batches, self.n_latent = n_genes, n_batches, n_latent
        self.likelihood, self.dispersion = likelihood, dispersion
        self.log_likelihood: Callable[[Tensor, CountParameters], Tensor] = count_log_likelihood
        self.register_buffer("library_mean", torch.zeros(n_batches))
        self.register_buffer("library_variance", torch.ones(n_batches))
        self.register_buffer("kl_weight", torch.ones(()))

        def layers(sizes: tuple[int, ...], rate: float) -> nn.Sequential:
            return nn.Sequential(
                *(
                    hidden_block(a, b, batch_norm=batch_norm, gain=True, activation=nn.ReLU(), dropout=rate)
                    for a, b in pairwise(sizes)
                )
            )

        last = hidden_sizes[-1] if hidden_sizes else n_genes
        self.encoder = layers((n_genes, *hidden_sizes), dropout)
        self.latent = nn.Linear(last, 2 * n_latent)
        self.library: nn.Sequential | None = None
        if latent_library:
            narrow = hidden_sizes[:1]
            self.library = nn.Sequential(
                *layers((n_genes, *narrow), dropout), nn.Linear(narrow[0] if narrow else n_genes, 2)
            )
        self.decoder = layers((n_latent + n_batches, *reversed(hidden_sizes)), 0.0)
        width = hidden_sizes[0] if hidden_sizes else n_latent + n_batches
        self.scale = nn.Linear(width, n_genes)
        self.zero = nn.Linear(width, n_genes) if likelihood == "zinb" else None
        spread = likelihood != "poisson"
        self.cell_dispersion = nn.Linear(width, n_genes) if spread and dispersion == "gene-cell" else None
        rows = {"gene": (n_genes,), "gene-batch": (n_batches, n_genes)}
        self.gene_dispersion = (
            nn.Parameter(torch.randn(rows[dispersion])) if spread and dispersion != "gene-cell" else None
        )

    def expect_library(self, mean: Tensor, variance: Tensor) -> None:
        """Set the prior of the library size; where it is latent, its posterior begins there too.

        Parameters
        ----------
        mean, variance : Tensor of shape (B,)
            Of the logarithm of the library size in each batch, as :func:`library_prior` gives them.
        """
        with torch.no_grad():
            self.library_mean.copy_(mean)
            self.library_variance.copy_(variance)
            if self.library is not None:
                begin = torch.stack([self.library_mean.mean(), self.library_variance.mean().clamp_min(1e-3).log()])
                last: nn.Parameter = self.library[-1].bias  # type: ignore[assignment]
                last.copy_(begin)

    def encode(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Return the posterior of the latent variable.

        Parameters
        ----------
        counts : Tensor of shape (N, G)
            Raw counts.

        Returns
        -------
        mean, variance : Tensor of shape (N, D)
            Of independent Gaussians.
        """
        x = counts.to(self.library_mean.dtype).log1p()
        return _gaussian(self.latent(self.encoder(x)))

    def encode_library(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Return the posterior of the logarithm of the library size, where it is latent.

        Parameters
        ----------
        counts : Tensor of shape (N, G)
            Raw counts.

        Returns
        -------
        mean, variance : Tensor of shape (N, 1)
            Of Gaussians.
        """
        if self.library is None:
            raise ValueError("`latent_library` must be True for a posterior of it. Received: latent_library=False.")
        return _gaussian(self.library(counts.to(self.library_mean.dtype).log1p()))

    def decode(self, z: Tensor, log_library: Tensor, batch: Tensor) -> CountParameters:
        """Return the distributions of the counts of cells.

        Parameters
        ----------
        z : Tensor of shape (N, D)
            Latent variables.
        log_library : Tensor of shape (N,)
            Logarithms of the library sizes.
        batch : Tensor of shape (N,), int
            Numbers of the batches.

        Returns
        -------
        parameters : CountParameters
            ``log_mean``, ``dispersion`` and ``zero_logits``.
        """
        hidden = self.decoder(torch.cat([z, F.one_hot(batch, self.n_batches).to(z.dtype)], dim=1))
        log_mean = self.scale(hidden).log_softmax(dim=1) + log_library[:, None]
        raw = self.gene_dispersion if self.cell_dispersion is None else self.cell_dispersion(hidden)
        if raw is not None:
            raw = raw.clamp(-_LARGEST_LOG, _LARGEST_LOG).exp()
            raw = raw[batch] if self.dispersion == "gene-batch" else raw
        return CountParameters(log_mean, raw, None if self.zero is None else self.zero(hidden))

    def bound(
        self, counts: Tensor, log_library: Tensor, batch: Tensor, *, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Draw latent variables once, and return the parts of the evidence lower bound of each cell.

        Parameters
        ----------
        counts : Tensor of shape (N, G)
            Raw counts.
        log_library : Tensor of shape (N,)
            Logarithms of the observed totals.
        batch : Tensor of shape (N,), int
            Numbers of the batches.
        noise : Tensor of shape (N, D + 1) or (1, D + 1), or None, default=None
            Standard normal numbers to make the latent variables and the library size of; None draws them.

        Returns
        -------
        log_likelihood, kl_latent, kl_library : Tensor of shape (N,)
            The bound is the first minus the others.
        """
        counts = counts.to(self.library_mean.dtype)
        mean, variance = self.encode(counts)
        if noise is None:
            noise = torch.randn(len(mean), self.n_latent + 1, dtype=mean.dtype, device=mean.device)
        z = mean + variance.sqrt() * noise[:, :-1]
        kl_library = torch.zeros_like(log_library)
        if self.library is not None:
            center, spread = self.encode_library(counts)
            kl_library = normal_kl(
                center,
                spread,
                self.library_mean[batch, None],
                self.library_variance[batch, None].clamp_min(_SMALLEST_VARIANCE),
            )
            log_library = (center + spread.sqrt() * noise[:, -1:])[:, 0]
        found = self.log_likelihood(counts, self.decode(z, log_library, batch))
        return found, normal_kl(mean, variance), kl_library

    def objective(self, x: Tensor, y: Tensor | None, sample_weight: Tensor | None = None) -> Tensor:
        """Return the loss of a batch, as :class:`strata.rules.GradientDescent` asks for it.

        Parameters
        ----------
        x : Tensor of shape (N, G)
            Raw counts.
        y : Tensor of shape (N, 2) or None
            Logarithms of the totals, and numbers of the batches; None computes the first and takes one batch.
        sample_weight : None
            Cells have no weights.

        Returns
        -------
        loss : Tensor of shape ()
            Minus the weighted evidence lower bound, a mean over cells.
        """
        if y is None:
            log_totals = x.sum(dim=1, dtype=self.library_mean.dtype).clamp_min(1).log()
            y = torch.stack([log_totals, torch.zeros_like(log_totals)], dim=1)
        found, kl_latent, kl_library = self.bound(x, y[:, 0], y[:, 1].long())
        return (self.kl_weight * kl_latent + kl_library - found).mean()


def _gaussian(out: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance that a layer gives."""
    mean, log_variance = out.chunk(2, dim=1)
    return mean, log_variance.exp() + _SMALLEST_VARIANCE
