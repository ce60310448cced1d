r"""Likelihoods of counts: Poisson, negative binomial, and negative binomial with extra zeros; divergences of Gaussians.

All are elementwise functions of natural parameters: a mean :math:`\mu`, an inverse dispersion :math:`\theta` (variance
:math:`\mu + \mu^2 / \theta`), and the log-odds of an extra zero.
"""

from __future__ import annotations

from torch import Tensor

from strata.functional._counts import negative_binomial_of_log_mean, poisson_of_log_mean, with_extra_zeros

__all__ = [
    "negative_binomial_log_likelihood",
    "normal_kl",
    "poisson_log_likelihood",
    "zero_inflated_log_likelihood",
]


def poisson_log_likelihood(counts: Tensor, mean: Tensor) -> Tensor:
    r"""Compute the log-probability of counts under Poisson distributions.

    Parameters
    ----------
    counts : Tensor of shape (N, G), float
        Whole numbers of 0 or more, x.
    mean : Tensor of a shape that broadcasts to it
        Means :math:`\mu > 0`.

    Returns
    -------
    log_likelihood : Tensor of shape (N, G)
        In nats.

    See Also
    --------
    negative_binomial_log_likelihood : With a variance above the mean.
    strata.functional.poisson : The loss of a log-rate without the constant, for regression.

    Notes
    -----
    .. math:: x \log \mu - \mu - \log x!

    Examples
    --------
    >>> poisson_log_likelihood(torch.tensor([0.0, 2.0]), torch.tensor([1.5, 1.5]))
    tensor([-1.5000, -1.3822])
    """
    return poisson_of_log_mean(counts, mean.log())


def negative_binomial_log_likelihood(counts: Tensor, mean: Tensor, dispersion: Tensor) -> Tensor:
    r"""Compute the log-probability of counts under negative binomial distributions.

    Parameters
    ----------
    counts : Tensor of shape (N, G), float
        Whole numbers of 0 or more, x.
    mean : Tensor of a shape that broadcasts to it
        Means :math:`\mu > 0`.
    dispersion : Tensor of a shape that broadcasts to it
        Inverse dispersions :math:`\theta > 0`; the Poisson distribution is the limit of large ones.

    Returns
    -------
    log_likelihood : Tensor of shape (N, G)
        In nats.

    See Also
    --------
    zero_inflated_log_likelihood : With extra zeros.

    Notes
    -----
    Eraslan et al. [1]_; ``scipy.stats.nbinom`` has it with :math:`n = \theta`, :math:`p = \theta / (\theta + \mu)`:

    .. math:: \log\Gamma(x + \theta) - \log\Gamma(\theta) - \log x! + \theta \log\frac{\theta}{\theta + \mu}
              + x \log\frac{\mu}{\theta + \mu}

    The logarithms of the fractions are taken as :math:`\log\sigma(\pm(\log\theta - \log\mu))`, which is exact where a
    fraction is near 1.

    References
    ----------
    .. [1] G. Eraslan, L. M. Simon, M. Mircea, N. S. Mueller, F. J. Theis, "Single-cell RNA-seq denoising using a deep
       count autoencoder", Nature Communications 10:390, 2019.

    Examples
    --------
    >>> x = torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)
    >>> negative_binomial_log_likelihood(x, torch.tensor(2.5), torch.tensor(1.5))
    tensor([-1.4712, -1.5358, -2.8254], dtype=torch.float64)
    """
    return negative_binomial_of_log_mean(counts, mean.log(), dispersion)


def zero_inflated_log_likelihood(counts: Tensor, mean: Tensor, dispersion: Tensor, zero_logits: Tensor) -> Tensor:
    r"""Compute the log-probability of counts under negative binomial distributions with extra zeros.

    Parameters
    ----------
    counts : Tensor of shape (N, G), float
        Whole numbers of 0 or more, x.
    mean : Tensor of a shape that broadcasts to it
        Means :math:`\mu > 0` of the negative binomial part.
    dispersion : Tensor of a shape that broadcasts to it
        Its inverse dispersions :math:`\theta > 0`.
    zero_logits : Tensor of a shape that broadcasts to it
        Log-odds :math:`l = \log(\pi / (1 - \pi))` that a count is an extra zero.

    Returns
    -------
    log_likelihood : Tensor of shape (N, G)
        In nats.

    See Also
    --------
    negative_binomial_log_likelihood : Without extra zeros.

    Notes
    -----
    Mean :math:`(1 - \pi)\mu`, variance :math:`(1 - \pi)\mu(1 + \mu(\pi + 1/\theta))`, and

    .. math:: \log\left(\pi [x = 0] + (1 - \pi)\,\mathrm{NB}(x; \mu, \theta)\right).

    At 0 this is :math:`\mathrm{softplus}(-l + \log \mathrm{NB}(0)) - \mathrm{softplus}(-l)`, so that no probability is
    ever added up before its logarithm is taken (Lopez et al. [1]_ compute it this way).

    References
    ----------
    .. [1] R. Lopez, J. Regier, M. B. Cole, M. I. Jordan, N. Yosef, "Deep generative modeling for single-cell
       transcriptomics", Nature Methods 15:1053-1058, 2018.

    Examples
    --------
    >>> x = torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)
    >>> zero_inflated_log_likelihood(x, torch.tensor(2.5), torch.tensor(1.5), torch.tensor(0.2).logit())
    tensor([-0.9579, -1.7589, -3.0486], dtype=torch.float64)
    """
    return with_extra_zeros(counts, negative_binomial_log_likelihood(counts, mean, dispersion), zero_logits)


def normal_kl(
    mean: Tensor, variance: Tensor, prior_mean: Tensor | float = 0.0, prior_variance: Tensor | float = 1.0
) -> Tensor:
    r"""Compute the divergence of Gaussians with independent axes from others, summed over the last axis.

    Parameters
    ----------
    mean : Tensor of shape (..., D)
        Means m.
    variance : Tensor of shape (..., D)
        Variances v > 0.
    prior_mean : Tensor that broadcasts to it, or float, default=0.0
        Means :math:`m_0` of the others.
    prior_variance : Tensor that broadcasts to it, or float, default=1.0
        Variances :math:`v_0 > 0` of the others.

    Returns
    -------
    divergence : Tensor of shape (...)
        Kullback-Leibler divergence in nats, at least 0.

    Notes
    -----
    .. math:: \tfrac12 \sum_d \left(\frac{v_d + (m_d - m_{0d})^2}{v_{0d}} - 1 - \log\frac{v_d}{v_{0d}}\right)

    Examples
    --------
    >>> normal_kl(torch.tensor([0.5, -0.3]), torch.tensor([0.4, 1.2]))
    tensor(0.3370)
    """
    ratio = variance / prior_variance
    return 0.5 * (ratio + (mean - prior_mean).square() / prior_variance - 1 - ratio.log()).sum(dim=-1)
