"""What an autoencoder may ask of its codes: to be sparse, to change little, to be normal, to cost few bits."""

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["contractive_penalty", "gaussian_kl", "kl_sparsity", "logistic_bits"]

#: Least probability of a symbol: a cost of 30 bits, so that the gradient of a far one stays finite.
_LEAST_PROBABILITY = 2.0**-30


def kl_sparsity(mean_activity: Tensor, target: float) -> Tensor:
    r"""Compute how far the mean activities of units are from a small one, as a Kullback-Leibler divergence.

    Parameters
    ----------
    mean_activity : Tensor of shape (n_units,), float
        Mean of each unit over a batch, in [0, 1]; the mean of logistic units.
    target : float
        Wanted mean activity, in (0, 1).

    Returns
    -------
    divergence : Tensor of shape ()
        In nats, at least 0.

    Raises
    ------
    ValueError
        If ``target`` is not in (0, 1).

    Notes
    -----
    .. math:: \sum_j \rho \log \frac{\rho}{\hat\rho_j} + (1 - \rho) \log \frac{1 - \rho}{1 - \hat\rho_j}

    (A. Ng, "Sparse autoencoder", CS294A lecture notes, 2011.) An activity is kept 1e-7 away from 0 and 1, where the
    divergence is infinite.

    Examples
    --------
    >>> kl_sparsity(torch.tensor([0.05, 0.5]), 0.05)
    tensor(0.4946)
    """
    if not 0 < target < 1:
        raise ValueError(f"`target` must be in (0, 1). Received: target={target!r}.")
    mean = mean_activity.clamp(1e-7, 1 - 1e-7)
    rho = torch.as_tensor(target, dtype=mean.dtype, device=mean.device)
    terms = torch.xlogy(rho, rho / mean) + torch.xlogy(1 - rho, (1 - rho) / (1 - mean))
    return terms.sum()


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""Compute the Kullback-Leibler divergence of a diagonal normal law from the standard one.

    Parameters
    ----------
    mean : Tensor of shape (N, n_units), float
        Means.
    log_variance : Tensor of the same shape
        Logarithms of the variances.

    Returns
    -------
    divergence : Tensor of shape (N,)
        In nats, summed over the units.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Appendix B of Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014:

    .. math:: \tfrac12 \sum_j \mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2

    Examples
    --------
    >>> gaussian_kl(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2))
    tensor([0.5000])
    """
    if mean.shape != log_variance.shape:
        raise ValueError(
            "`mean` and `log_variance` must have the same shape. "
            f"Received: mean of shape {tuple(mean.shape)}, log_variance of shape {tuple(log_variance.shape)}."
        )
    return 0.5 * (mean.square() + torch.expm1(log_variance) - log_variance).flatten(1).sum(dim=1)


def contractive_penalty(weights: Sequence[Tensor], slopes: Sequence[Tensor]) -> Tensor:
    r"""Compute the squared Frobenius norm of a dense encoder's Jacobian, exactly, for each row.

    Parameters
    ----------
    weights : sequence of Tensors of shape (n_in, n_out)
        Weights of the encoder's layers, from the input on.
    slopes : sequence of Tensors of shape (N, n_out)
        Derivative of each layer's activation at its pre-activations.

    Returns
    -------
    penalty : Tensor of shape (N,)
        :math:`\sum_{jk} (\partial h_k / \partial x_j)^2`.

    Raises
    ------
    ValueError
        If there is not one tensor of slopes for each layer.

    Notes
    -----
    Rifai, Vincent, Muller, Glorot, Bengio, "Contractive Auto-Encoders", ICML 2011, Eq. 6. With one layer it is
    :math:`\sum_k f'(z_k)^2 \sum_j W_{jk}^2`. With more, the Jacobian is the product
    :math:`W_1 D_1 W_2 D_2 \cdots`; it is built from the code's side up to the first hidden layer, and the widest
    matrix enters only through :math:`W_1^T W_1`.

    Examples
    --------
    >>> weight = torch.tensor([[3.0], [4.0]])
    >>> contractive_penalty([weight], [torch.tensor([[0.5]])])
    tensor([6.2500])
    """
    if len(weights) != len(slopes) or not weights:
        raise ValueError(
            "`slopes` must have one entry for each of `weights`, at least one. "
            f"Received: {len(weights)} weights, {len(slopes)} slopes."
        )
    if len(weights) == 1:
        return (slopes[0].square() * weights[0].square().sum(dim=0)).sum(dim=1)
    backward = slopes[-1].unsqueeze(2) * weights[-1].T  # (N, n_code, n_before): from the code to the layer before
    for weight, slope in zip(reversed(weights[1:-1]), reversed(slopes[1:-1]), strict=True):
        backward = (backward * slope.unsqueeze(1)) @ weight.T
    backward = backward * slopes[0].unsqueeze(1)  # (N, n_code, n_1)
    gram = weights[0].T @ weights[0]  # (n_1, n_1)
    return ((backward @ gram) * backward).sum(dim=(1, 2))


def logistic_bits(codes: Tensor, location: Tensor, log_scale: Tensor) -> Tensor:
    r"""Compute what whole-numbered codes cost under logistic laws, in bits.

    Parameters
    ----------
    codes : Tensor of shape (N, n_channels, ...), float
        Codes, rounded, or with noise in their place.
    location : Tensor of shape (n_channels,) or (N, n_channels)
        Centre of each channel's law, one for all rows or one for each.
    log_scale : Tensor of the same shape
        Logarithm of its scale.

    Returns
    -------
    bits : Tensor of shape (N,)
        :math:`-\sum \log_2 [\sigma((y + \tfrac12 - \mu) / s) - \sigma((y - \tfrac12 - \mu) / s)]`, the cost of each
        row; a symbol costs at most 30 bits.

    Notes
    -----
    The probability of the unit interval around a code under a factorized law, as in Ballé, Laparra and Simoncelli,
    "End-to-end Optimized Image Compression", ICLR 2017, with logistic laws in place of theirs.

    Examples
    --------
    >>> logistic_bits(torch.tensor([[0.0, 4.0]]), torch.zeros(2), torch.zeros(2))
    tensor([7.7996])
    """
    shape = (-1, codes.shape[1], *(1,) * (codes.ndim - 2))
    inverse = torch.exp(-log_scale).reshape(shape)
    distance = (codes - location.reshape(shape)).abs()  # by symmetry; both ends then lie where the law is exact
    upper, lower = (0.5 - distance) * inverse, (-0.5 - distance) * inverse
    probability = torch.sigmoid(upper) * -torch.expm1(lower - upper) * torch.sigmoid(-lower)
    bits: Tensor = -torch.log2(probability.clamp_min(_LEAST_PROBABILITY)).flatten(1).sum(dim=1)
    return bits
