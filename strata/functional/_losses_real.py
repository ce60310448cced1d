"""Losses for real-valued targets: the four squared ones, Huber, absolute, Poisson, and images."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from strata.functional._reduction import (
    Reduction,
    check_range,
    check_same_shape,
    mean_outputs,
    reduce_rows,
    sum_outputs,
)

__all__ = ["half_squared", "huber", "image_restoration", "mae", "mse", "poisson", "rss", "squared_error"]


def half_squared(
    prediction: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None, reduction: Reduction = "sum"
) -> Tensor:
    r"""Compute half the sum of squares, whose gradient is the bare residual.

    Parameters
    ----------
    prediction : Tensor of shape (N,) or (N, ...), float
        Predictions, not logits.
    targets : Tensor of the same shape
        What should have been predicted.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row; None counts every row once.
    reduction : {"sum", "mean", "none"}, default="sum"
        Sum over the rows, (weighted) mean over the rows, or one (weighted) loss a row. Outputs are summed.

    Returns
    -------
    loss : Tensor of shape () or (N,)
        :math:`\tfrac12 \sum_n w_n \|f_n - y_n\|^2`, with gradient :math:`w_n (f_n - y_n)`.

    Raises
    ------
    ValueError
        If the shapes differ (nothing is broadcast), or the weights are not one a row.

    See Also
    --------
    squared_error : The same with the mean over the rows.
    mse : Without the half, averaged over all elements.
    rss : Without the half.

    Examples
    --------
    >>> half_squared(torch.tensor([1.5, 0.5, 1.0]), torch.tensor([1.0, 0.0, 2.0]))
    tensor(0.7500)
    """
    check_same_shape(prediction, targets)
    return reduce_rows(0.5 * sum_outputs((prediction - targets).square()), sample_weight, reduction)


def mse(
    prediction: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None, reduction: Reduction = "mean"
) -> Tensor:
    r"""Compute the mean of squares over all elements.

    Parameters
    ----------
    prediction : Tensor of shape (N,) or (N, ...), float
        Predictions, not logits.
    targets : Tensor of the same shape
        What should have been predicted.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over the rows; the outputs of a row are averaged in each case.

    Returns
    -------
    loss : Tensor of shape () or (N,)
        :math:`\frac1{NK} \sum_{nk} (f_{nk} - y_{nk})^2`, with gradient :math:`2 (f - y) / (NK)`.

    Raises
    ------
    ValueError
        If the shapes differ (nothing is broadcast), or the weights are not one a row.

    Examples
    --------
    >>> mse(torch.tensor([1.5, 0.5, 1.0]), torch.tensor([1.0, 0.0, 2.0]))
    tensor(0.5000)
    """
    check_same_shape(prediction, targets)
    return reduce_rows(mean_outputs((prediction - targets).square()), sample_weight, reduction)


def rss(
    prediction: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None, reduction: Reduction = "sum"
) -> Tensor:
    r"""Compute the residual sum of squares.

    Parameters
    ----------
    prediction : Tensor of shape (N,) or (N, ...), float
        Predictions, not logits.
    targets : Tensor of the same shape
        What should have been predicted.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row.
    reduction : {"sum", "mean", "none"}, default="sum"
        Over the rows; the outputs of a row are summed in each case.

    Returns
    -------
    loss : Tensor of shape () or (N,)
        :math:`\sum_{nk} w_n (y_{nk} - f_{nk})^2`, with gradient :math:`2 w_n (f - y)`.

    Raises
    ------
    ValueError
        If the shapes differ (nothing is broadcast), or the weights are not one a row.

    Examples
    --------
    >>> rss(torch.tensor([1.5, 0.5, 1.0]), torch.tensor([1.0, 0.0, 2.0]))
    tensor(1.5000)
    """
    check_same_shape(prediction, targets)
    return reduce_rows(sum_outputs((prediction - targets).square()), sample_weight, reduction)


def squared_error(
    prediction: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None, reduction: Reduction = "mean"
) -> Tensor:
    r"""Compute half the squares, summed over the outputs and averaged over the rows.

    Its gradient is the one that scikit-learn's ``MLPRegressor`` follows. (The loss that scikit-learn prints averages
    over the outputs as well; with one output the two are the same.)

    Parameters
    ----------
    prediction : Tensor of shape (N,) or (N, ...), float
        Predictions, not logits.
    targets : Tensor of the same shape
        What should have been predicted.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over the rows; the outputs of a row are summed in each case.

    Returns
    -------
    loss : Tensor of shape () or (N,)
        :math:`\frac1{2N} \sum_n \|f_n - y_n\|^2`, with gradient :math:`(f - y) / N`.

    Raises
    ------
    ValueError
        If the shapes differ (nothing is broadcast), or the weights are not one a row.

    Examples
    --------
    >>> squared_error(torch.tensor([1.5, 0.5, 1.0]), torch.tensor([1.0, 0.0, 2.0]))
    tensor(0.2500)
    """
    return half_squared(prediction, targets, sample_weight=sample_weight, reduction=reduction)


def huber(
    prediction: Tensor,
    targets: Tensor,
    *,
    delta: float = 1.0,
    sample_weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Compute a squared loss that becomes linear for large residuals.

    Parameters
    ----------
    prediction : Tensor of shape (N,) or (N, ...), float
        Predictions, not logits.
    targets : Tensor of the same shape
        What should have been predicted.
    delta : float, default=1.0
        Residual, in the units of the targets, at which the parabola meets the line; above 0.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over the rows; the outputs of a row are averaged in each case.

    Returns
    -------
    loss : Tensor of shape () or (N,)
        :math:`\tfrac12 e^2` where :math:`|e| \le \delta`, else :math:`\delta (|e| - \tfrac12 \delta)`.

    Raises
    ------
    ValueError
        If the shapes differ, ``delta`` is not positive, or the weights are not one a row.

    References
    ----------
    .. [1] P. J. Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35, 1964.

    Examples
    --------
    >>> huber(torch.tensor([0.5, 3.0]), torch.tensor([0.0, 0.0]), reduction="none")
    tensor([0.1250, 2.5000])
    """
    if not delta > 0:
        raise ValueError(f"`delta` must be above 0. Received: delta={delta!r}.")
    check_same_shape(prediction, targets)
    losses = F.huber_loss(prediction, targets.to(prediction.dtype), reduction="none", delta=float(delta))
    return reduce_rows(mean_outputs(losses), sample_weight, reduction)


def mae(
    prediction: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None, reduction: Reduction = "mean"
) -> Tensor:
    r"""Compute the mean absolute error over all elements.

    Parameters
    ----------
    prediction : Tensor of shape (N,) or (N, ...), float
        Predictions, not logits.
    targets : Tensor of the same shape
        What should have been predicted.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over the rows; the outputs of a row are averaged in each case.

    Returns
    -------
    loss : Tensor of shape () or (N,)
        :math:`\frac1{NK} \sum_{nk} |f_{nk} - y_{nk}|`; the slope at a residual of 0 is 0.

    Raises
    ------
    ValueError
        If the shapes differ (nothing is broadcast), or the weights are not one a row.

    Examples
    --------
    >>> mae(torch.tensor([1.5, 0.5, 1.0]), torch.tensor([1.0, 0.0, 2.0]))
    tensor(0.6667)
    """
    check_same_shape(prediction, targets)
    return reduce_rows(mean_outputs((prediction - targets).abs()), sample_weight, reduction)


def poisson(
    prediction: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None, reduction: Reduction = "mean"
) -> Tensor:
    r"""Compute the negative log-likelihood of counts, from the logarithm of their rate.

    Parameters
    ----------
    prediction : Tensor of shape (N,) or (N, ...), float
        Logarithms of the expected counts (the network's scores); the link is the exponential.
    targets : Tensor of the same shape
        Counts, or other amounts that are not negative.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over the rows; the outputs of a row are summed in each case.

    Returns
    -------
    loss : Tensor of shape () or (N,)
        :math:`e^z - y z`, with gradient :math:`e^z - y`. The term :math:`\log y!`, which no parameter changes, is
        left out, so the loss can be negative.

    Raises
    ------
    ValueError
        If the shapes differ, a target is negative (looked at on the CPU), or the weights are not one a row.

    Examples
    --------
    >>> poisson(torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0]), reduction="none")
    tensor([ 1.0000, -0.2817])
    """
    check_same_shape(prediction, targets)
    check_range(targets, 0.0, float("inf"), "counts of at least 0")
    return reduce_rows(sum_outputs(torch.exp(prediction) - targets * prediction), sample_weight, reduction)


def _sobel(images: Tensor) -> tuple[Tensor, Tensor]:
    """Filter (N, C, H, W) with the two Sobel kernels on the valid region: each (N, C, H-2, W-2)."""
    right_minus_left = images[..., 2:] - images[..., :-2]  # (N, C, H, W-2)
    horizontal = right_minus_left[..., :-2, :] + 2 * right_minus_left[..., 1:-1, :] + right_minus_left[..., 2:, :]
    low_minus_high = images[..., 2:, :] - images[..., :-2, :]  # (N, C, H-2, W)
    vertical = low_minus_high[..., :-2] + 2 * low_minus_high[..., 1:-1] + low_minus_high[..., 2:]
    return horizontal, vertical


def image_restoration(
    prediction: Tensor,
    targets: Tensor,
    *,
    weights: tuple[float, float] = (0.8, 0.2),
    edges: Literal["magnitude", "components"] = "magnitude",
    eps: float = 1e-12,
    sample_weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Compute the composite loss of image restoration: pixels that agree and edges that agree.

    Parameters
    ----------
    prediction : Tensor of shape (N, C, H, W), float
        Restored images; H and W at least 3 pixels.
    targets : Tensor of shape (N, C, H, W)
        Clean images.
    weights : tuple of two floats, default=(0.8, 0.2)
        :math:`\lambda_1` of the pixels and :math:`\lambda_2` of the edge maps.
    edges : {"magnitude", "components"}, default="magnitude"
        Compare :math:`\sqrt{g_x^2 + g_y^2 + \epsilon}`, or :math:`g_x` and :math:`g_y` each.
    eps : float, default=1e-12
        The :math:`\epsilon` under the root; without it the magnitude has no gradient where an image is flat.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each image.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over the images; pixels, edge pixels and channels are averaged in each case.

    Returns
    -------
    loss : Tensor of shape () or (N,)
        :math:`\lambda_1 \mathrm{MSE}(x, \hat x) + \lambda_2 \mathrm{MSE}(\mathrm{edge}(x), \mathrm{edge}(\hat x))`.

    Raises
    ------
    ValueError
        If the shapes differ or are no images of at least 3 x 3, ``edges`` is unknown, or the weights are not one an
        image.

    Notes
    -----
    The lecture ("Deep Learning", G. Tang, 2018) leaves the edge operator open. It is Sobel's here, with kernels
    ``[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]`` and its transpose, channel by channel, on the valid region: no padding,
    so the frame of an image makes no edge.

    Examples
    --------
    >>> clean = torch.zeros(1, 1, 4, 4)
    >>> clean[..., 1:3, 1:3] = 1
    >>> image_restoration(torch.zeros(1, 1, 4, 4), clean, edges="components")
    tensor(2.)
    """
    check_same_shape(prediction, targets)
    if prediction.ndim != 4 or min(prediction.shape[2:]) < 3:
        raise ValueError(
            "`prediction` must be images of shape (N, C, H, W) with H and W at least 3. "
            f"Received: prediction of shape {tuple(prediction.shape)}."
        )
    if edges not in ("magnitude", "components"):
        raise ValueError(f"`edges` must be 'magnitude' or 'components'. Received: edges={edges!r}.")
    found, wanted = _sobel(prediction), _sobel(targets)
    if edges == "components":
        unlike = 0.5 * sum(mean_outputs((g - h).square()) for g, h in zip(found, wanted, strict=True))
    else:
        sizes = [torch.sqrt(g.square() + h.square() + eps) for g, h in (found, wanted)]
        unlike = mean_outputs((sizes[0] - sizes[1]).square())
    rows = weights[0] * mean_outputs((prediction - targets).square()) + weights[1] * unlike
    return reduce_rows(rows, sample_weight, reduction)
