"""The two losses of the Gaussian connections of LeNet-5 (1998), from the scores that the network gives."""

import torch
from torch import Tensor

from strata.functional._losses_classes import class_numbers
from strata.functional._reduction import Reduction, reduce_rows

__all__ = ["rbf_map", "rbf_mse"]


def rbf_mse(
    prediction: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None, reduction: Reduction = "mean"
) -> Tensor:
    r"""Compute the squared distance to the code of the right class.

    Parameters
    ----------
    prediction : Tensor of shape (N, K), float
        Scores :math:`-y_i`: minus the squared distance to the code of each class, as ``lenet5_1998`` gives them.
    targets : Tensor of shape (N,), int
        Class numbers from 0 to K - 1.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row.
    reduction : {"mean", "sum", "none"}, default="mean"
        (Weighted) mean or sum over the rows, or one (weighted) loss a row.

    Returns
    -------
    loss : Tensor of shape () or (N,)
        :math:`y_D` with :math:`D` the right class.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a class number is outside 0 to K - 1 (looked at on the CPU).
    TypeError
        If class numbers are not integers.

    See Also
    --------
    rbf_map : The discriminative form.

    Notes
    -----
    LeCun et al. [1]_, Eq. 8. The wrong classes do not matter, so the codes must be fixed: learned ones would collapse.

    References
    ----------
    .. [1] Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition",
       Proceedings of the IEEE 86(11), 1998.

    Examples
    --------
    >>> rbf_mse(torch.tensor([[-4.0, -0.5, -9.0]]), torch.tensor([1]))
    tensor(0.5000)
    """
    column = class_numbers(prediction, targets)
    return reduce_rows(-prediction.gather(1, column).squeeze(1), sample_weight, reduction)


def rbf_map(
    prediction: Tensor,
    targets: Tensor,
    *,
    j: float = 1.0,
    sample_weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Compute the discriminative loss of Gaussian connections: right class near, wrong classes far.

    Parameters
    ----------
    prediction : Tensor of shape (N, K), float
        Scores :math:`-y_i`: minus the squared distance to the code of each class, as ``lenet5_1998`` gives them.
    targets : Tensor of shape (N,), int
        Class numbers from 0 to K - 1.
    j : float, default=1.0
        The constant of the paper, above 0: the distance at which "none of these" is as likely as a class. It keeps
        wrong classes that are far away already from being pushed further.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row.
    reduction : {"mean", "sum", "none"}, default="mean"
        (Weighted) mean or sum over the rows, or one (weighted) loss a row.

    Returns
    -------
    loss : Tensor of shape () or (N,)
        :math:`y_D + \log(e^{-j} + \sum_i e^{-y_i})`, in nats, by log-sum-exp.

    Raises
    ------
    ValueError
        If the shapes do not fit, a class number is outside 0 to K - 1 (looked at on the CPU), or ``j`` is not above 0.
    TypeError
        If class numbers are not integers.

    See Also
    --------
    rbf_mse : The first term alone.
    cross_entropy : The limit of a large ``j``.

    Notes
    -----
    LeCun et al. [1]_, Eq. 9. It is the cross-entropy of K + 1 classes, the last one with the constant score
    :math:`-j`.

    References
    ----------
    .. [1] Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition",
       Proceedings of the IEEE 86(11), 1998.

    Examples
    --------
    >>> rbf_map(torch.tensor([[-4.0, -0.5, -9.0]]), torch.tensor([1]))
    tensor(0.4928)
    """
    if not j > 0:
        raise ValueError(f"`j` must be above 0. Received: j={j!r}.")
    column = class_numbers(prediction, targets)
    none_of_these = torch.full_like(prediction[:, :1], -j)
    total = torch.cat((prediction, none_of_these), dim=1).logsumexp(dim=1)
    return reduce_rows(total - prediction.gather(1, column).squeeze(1), sample_weight, reduction)
