"""How near two images are, in decibels."""

import torch
from torch import Tensor

__all__ = ["psnr"]


def psnr(prediction: Tensor, targets: Tensor, *, peak: float = 1.0) -> Tensor:
    r"""Compute the peak signal-to-noise ratio of each image.

    Parameters
    ----------
    prediction : Tensor of shape (N, ...), float
        Images.
    targets : Tensor of the same shape
        What they should be.
    peak : float, default=1.0
        Difference between black and white, > 0.

    Returns
    -------
    ratio : Tensor of shape (N,)
        :math:`10 \log_{10} (\mathrm{peak}^2 / \mathrm{MSE})` in decibels; infinite for equal images.

    Raises
    ------
    ValueError
        If the shapes differ, or ``peak`` is not above 0.

    Examples
    --------
    >>> psnr(torch.full((1, 2, 2), 0.1), torch.zeros(1, 2, 2))
    tensor([20.])
    """
    if prediction.shape != targets.shape or prediction.ndim < 2:
        raise ValueError(
            "`prediction` and `targets` must have the same shape, with at least two axes. "
            f"Received: {tuple(prediction.shape)} and {tuple(targets.shape)}."
        )
    if not peak > 0:
        raise ValueError(f"`peak` must be above 0. Received: peak={peak!r}.")
    errors = (prediction - targets).square().flatten(1).mean(dim=1)
    return 10.0 * torch.log10(peak * peak / errors)
