"""Losses for classes and probabilities. All of them take scores (logits), but ``nll``."""

import torch
from torch import Tensor
from torch.nn import functional as F

from strata.functional._reduction import (
    Reduction,
    check_range,
    check_same_shape,
    check_scores,
    reduce_rows,
    sum_outputs,
)

__all__ = ["binary_cross_entropy", "class_numbers", "cross_entropy", "focal", "hinge", "kl_divergence", "nll"]


def class_numbers(prediction: Tensor, targets: Tensor) -> Tensor:
    """Check class indices against the scores and return them as a column, shape (N, 1), int64."""
    check_scores(prediction)
    n_rows, n_classes = prediction.shape
    if targets.shape != (n_rows,):
        raise ValueError(
            f"`targets` must be class numbers of shape ({n_rows},), or of the shape of `prediction`; nothing is "
            f"broadcast. Received: prediction of shape {tuple(prediction.shape)}, "
            f"targets of shape {tuple(targets.shape)}."
        )
    if targets.is_floating_point() or targets.is_complex():
        raise TypeError(
            f"`targets` must be integers when they are class numbers. Received: targets of {targets.dtype}."
        )
    check_range(targets, 0, n_classes - 1, f"class numbers from 0 to {n_classes - 1}")
    return targets.long().unsqueeze(1)


def _check_smoothing(label_smoothing: float) -> None:
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"`label_smoothing` must be in [0, 1). Received: label_smoothing={label_smoothing!r}.")


def cross_entropy(
    prediction: Tensor,
    targets: Tensor,
    *,
    sample_weight: Tensor | None = None,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Compute the cross-entropy of exclusive classes from logits.

    Parameters
    ----------
    prediction : Tensor of shape (N, K), float
        Logits, K >= 2; never probabilities.
    targets : Tensor of shape (N,), int, or of shape (N, K), float
        Class numbers from 0 to K - 1, or the probabilities of the classes.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row.
    reduction : {"mean", "sum", "none"}, default="mean"
        (Weighted) mean or sum over the rows, or one (weighted) loss a row.
    label_smoothing : float, default=0.0
        Share :math:`\epsilon` of each target that is spread evenly over the classes, in [0, 1):
        :math:`y_k \leftarrow (1 - \epsilon) y_k + \epsilon / K` (Szegedy et al. [1]_, section 7).

    Returns
    -------
    loss : Tensor of shape () or (N,)
        In nats; the gradient with respect to the logits is :math:`p - y`, without any slope.

    Raises
    ------
    ValueError
        If the shapes do not fit, a class number is outside 0 to K - 1 (looked at on the CPU), or
        ``label_smoothing`` is outside [0, 1).
    TypeError
        If class numbers are not integers.

    See Also
    --------
    nll : The same from log-probabilities.
    binary_cross_entropy : For classes that do not exclude each other.

    Notes
    -----
    By log-sum-exp, so that no logit overflows:

    .. math:: \ell = -\sum_k y_k \log p_k = \log \sum_k e^{z_k} - \sum_k y_k z_k, \quad \textstyle\sum_k y_k = 1

    References
    ----------
    .. [1] C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, "Rethinking the Inception Architecture for Computer
       Vision", CVPR 2016, arXiv:1512.00567.

    Examples
    --------
    >>> cross_entropy(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([1]))
    tensor(1.4076)
    """
    _check_smoothing(label_smoothing)
    if targets.shape == prediction.shape and prediction.ndim == 2:
        check_scores(prediction)
        log_probs = F.log_softmax(prediction, dim=1)
        rows = -(targets * log_probs).sum(dim=1)
    else:
        column = class_numbers(prediction, targets)
        log_probs = F.log_softmax(prediction, dim=1)
        rows = -log_probs.gather(1, column).squeeze(1)
    if label_smoothing:
        rows = (1 - label_smoothing) * rows - label_smoothing * log_probs.mean(dim=1)
    return reduce_rows(rows, sample_weight, reduction)


def nll(
    prediction: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None, reduction: Reduction = "mean"
) -> Tensor:
    r"""Compute the negative log-likelihood of exclusive classes from log-probabilities.

    Parameters
    ----------
    prediction : Tensor of shape (N, K), float
        Log-probabilities, as :func:`~strata.functional.log_softmax` gives them; not logits.
    targets : Tensor of shape (N,), int
        Class numbers from 0 to K - 1.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row.
    reduction : {"mean", "sum", "none"}, default="mean"
        (Weighted) mean or sum over the rows, or one (weighted) loss a row.

    Returns
    -------
    loss : Tensor of shape () or (N,)
        :math:`-\log p_y`, in nats.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a class number is outside 0 to K - 1 (looked at on the CPU).
    TypeError
        If class numbers are not integers.

    Examples
    --------
    >>> nll(torch.tensor([[0.25, 0.75]]).log(), torch.tensor([0]))
    tensor(1.3863)
    """
    column = class_numbers(prediction, targets)
    return reduce_rows(-prediction.gather(1, column).squeeze(1), sample_weight, reduction)


def binary_cross_entropy(
    prediction: Tensor,
    targets: Tensor,
    *,
    sample_weight: Tensor | None = None,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Compute the cross-entropy of yes-or-no outputs from logits.

    Parameters
    ----------
    prediction : Tensor of shape (N,) or (N, K), float
        Logits, one a label; the labels do not exclude each other.
    targets : Tensor of the same shape, float
        0 or 1, or the probability of a 1.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over the rows; the outputs of a row are summed in each case.
    label_smoothing : float, default=0.0
        Share of each target that is spread evenly over yes and no, in [0, 1):
        :math:`y \leftarrow (1 - \epsilon) y + \epsilon / 2`.

    Returns
    -------
    loss : Tensor of shape () or (N,)
        In nats; the gradient with respect to the logit is :math:`\sigma(z) - y`.

    Raises
    ------
    ValueError
        If the shapes differ (nothing is broadcast), a target is outside [0, 1] (looked at on the CPU), or
        ``label_smoothing`` is outside [0, 1).

    Notes
    -----
    Exact for any logit, where clamped forms saturate:

    .. math:: \ell = -[y \log \sigma(z) + (1 - y) \log(1 - \sigma(z))] = \max(z, 0) - y z + \log(1 + e^{-|z|})

    Examples
    --------
    >>> binary_cross_entropy(torch.tensor([2.0, 100.0]), torch.tensor([1.0, 0.0]), reduction="none")
    tensor([  0.1269, 100.0000])
    """
    _check_smoothing(label_smoothing)
    check_same_shape(prediction, targets)
    check_range(targets, 0.0, 1.0, "in [0, 1]")
    if label_smoothing:
        targets = (1 - label_smoothing) * targets + label_smoothing / 2
    losses = F.binary_cross_entropy_with_logits(prediction, targets.to(prediction.dtype), reduction="none")
    return reduce_rows(sum_outputs(losses), sample_weight, reduction)


def kl_divergence(
    prediction: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None, reduction: Reduction = "mean"
) -> Tensor:
    r"""Compute the Kullback-Leibler divergence of target probabilities from a softmax.

    Parameters
    ----------
    prediction : Tensor of shape (N, K), float
        Logits of q, K >= 2.
    targets : Tensor of shape (N, K), float
        Probabilities p, each row summing to 1; zeros are welcome.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row.
    reduction : {"mean", "sum", "none"}, default="mean"
        (Weighted) mean or sum over the rows, or one (weighted) loss a row.

    Returns
    -------
    loss : Tensor of shape () or (N,)
        :math:`D(p \| q) = \sum_k p_k \log (p_k / q_k) = -H(p) + H(p, q)`, in nats. The gradient is that of the
        cross-entropy, because :math:`H(p)` does not depend on the network.

    Raises
    ------
    ValueError
        If the shapes differ (nothing is broadcast), or a target is outside [0, 1] (looked at on the CPU).

    Examples
    --------
    >>> p, q = torch.tensor([[0.7, 0.2, 0.1]]), torch.tensor([[0.5, 0.3, 0.2]])
    >>> kl_divergence(q.log(), p), kl_divergence(p.log(), q)
    (tensor(0.0851), tensor(0.0920))
    """
    check_same_shape(prediction, targets)
    check_scores(prediction)
    check_range(targets, 0.0, 1.0, "probabilities in [0, 1]")
    rows = (torch.xlogy(targets, targets) - targets * F.log_softmax(prediction, dim=1)).sum(dim=1)
    return reduce_rows(rows, sample_weight, reduction)


def hinge(
    prediction: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None, reduction: Reduction = "mean"
) -> Tensor:
    r"""Compute the hinge loss of raw scores: a margin of 1 to every wrong class.

    Parameters
    ----------
    prediction : Tensor of shape (N, K), float, or of shape (N,)
        Raw scores; no activation is applied to them at all.
    targets : Tensor of shape (N,), int, or of the shape of ``prediction``
        Class numbers for K >= 2 exclusive classes. With the shape of ``prediction`` each output is a question of its
        own, answered by -1 or 1, or by 0 or 1; anything above 0 is a yes.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over the rows; separate questions of a row are summed in each case.

    Returns
    -------
    loss : Tensor of shape () or (N,)
        :math:`\max(0, 1 + \max_{j \ne y} z_j - z_y)` for classes [1]_, :math:`\max(0, 1 - t z)` with
        :math:`t = \pm 1` for questions. At the kink the slope is 0; of equal rivals the first counts.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a class number or an answer is out of range (looked at on the CPU).
    TypeError
        If class numbers are not integers.

    References
    ----------
    .. [1] K. Crammer, Y. Singer, "On the algorithmic implementation of multiclass kernel-based vector machines",
       JMLR 2, 2001.

    Examples
    --------
    >>> hinge(torch.tensor([[2.0, 1.5, 0.0]]), torch.tensor([0]))
    tensor(0.5000)
    >>> hinge(torch.tensor([0.25, 2.0]), torch.tensor([-1.0, 1.0]), reduction="none")
    tensor([1.2500, 0.0000])
    """
    if targets.shape == prediction.shape:
        check_same_shape(prediction, targets)
        check_range(targets, -1.0, 1.0, "-1 or 1, or 0 or 1")
        signs = torch.where(targets > 0, 1.0, -1.0).to(prediction.dtype)
        return reduce_rows(sum_outputs(torch.relu(1 - signs * prediction)), sample_weight, reduction)
    column = class_numbers(prediction, targets)
    own = prediction.gather(1, column)  # (N, 1)
    rivals = prediction.detach().scatter(1, column, -torch.inf).argmax(dim=1, keepdim=True)
    margin = 1 + prediction.gather(1, rivals) - own
    return reduce_rows(torch.relu(margin).squeeze(1), sample_weight, reduction)


def focal(
    prediction: Tensor,
    targets: Tensor,
    *,
    gamma: float = 2.0,
    alpha: float | None = None,
    sample_weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Compute a cross-entropy that turns away from what is already easy.

    Parameters
    ----------
    prediction : Tensor of shape (N, K), float, or of shape (N,)
        Logits.
    targets : Tensor of shape (N,), int, or of the shape of ``prediction``
        Class numbers for K >= 2 exclusive classes (softmax). With the shape of ``prediction``, 0 or 1 for each output
        by itself (sigmoid).
    gamma : float, default=2.0
        Strength, at least 0; at 0 it is the cross-entropy.
    alpha : float or None, default=None
        For 0-or-1 targets: weight of the ones in [0, 1], the zeros weighing ``1 - alpha``. None weighs both by 1.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over the rows; separate outputs of a row are summed in each case.

    Returns
    -------
    loss : Tensor of shape () or (N,)
        :math:`-\alpha_t (1 - p_t)^\gamma \log p_t` with :math:`p_t` the probability given to the truth [1]_.

    Raises
    ------
    ValueError
        If the shapes do not fit, a target is out of range (looked at on the CPU), ``gamma`` is negative, or ``alpha``
        is outside [0, 1] or given for exclusive classes.
    TypeError
        If class numbers are not integers.

    Notes
    -----
    Both :math:`\log p_t` and :math:`\log(1 - p_t)` are taken from the logits by log-sum-exp, so that the power stays
    exact, and its gradient finite, where :math:`p_t` rounds to 1.

    References
    ----------
    .. [1] T.-Y. Lin et al., "Focal loss for dense object detection", ICCV 2017, arXiv:1708.02002, Eq. 5.

    Examples
    --------
    >>> focal(torch.tensor([0.0, 3.0]), torch.tensor([1.0, 1.0]), reduction="none")
    tensor([1.7329e-01, 1.0928e-04])
    """
    if not gamma >= 0:
        raise ValueError(f"`gamma` must be at least 0. Received: gamma={gamma!r}.")
    if alpha is not None and not 0 <= alpha <= 1:
        raise ValueError(f"`alpha` must be in [0, 1] or None. Received: alpha={alpha!r}.")
    if targets.shape == prediction.shape:
        check_same_shape(prediction, targets)
        check_range(targets, 0.0, 1.0, "0 or 1")
        signed = torch.where(targets > 0.5, prediction, -prediction)
        rows = _focal_power(F.logsigmoid(signed), F.logsigmoid(-signed), gamma)
        if alpha is not None:
            rows = rows * torch.where(targets > 0.5, torch.full_like(rows, alpha), 1 - alpha)
        return reduce_rows(sum_outputs(rows), sample_weight, reduction)
    column = class_numbers(prediction, targets)
    if alpha is not None:
        raise ValueError(
            f"`alpha` must be None for exclusive classes. Received: alpha={alpha!r}. "
            "Weigh the classes by `sample_weight` instead."
        )
    log_p = F.log_softmax(prediction, dim=1).gather(1, column).squeeze(1)
    others = prediction.scatter(1, column, -torch.inf).logsumexp(dim=1)
    return reduce_rows(_focal_power(log_p, others - prediction.logsumexp(dim=1), gamma), sample_weight, reduction)


def _focal_power(log_p: Tensor, log_rest: Tensor, gamma: float) -> Tensor:
    """Compute -(1 - p)^gamma log p from log p and log(1 - p)."""
    return -torch.exp(gamma * log_rest) * log_p
