"""Label smoothing: targets that leave some probability to every class.

C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, "Rethinking the Inception Architecture for Computer Vision",
CVPR 2016, section 7.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["smooth_labels"]


def smooth_labels(targets: Tensor, n_classes: int, smoothing: float, *, exclusive: bool = True) -> Tensor:
    r"""Move a share of the probability of each target to the uniform distribution.

    Parameters
    ----------
    targets : Tensor of shape (N,), int, or of shape (N, K), float
        Class numbers from 0 to K - 1, or the probabilities of classes (of yes, for labels that do not exclude each
        other).
    n_classes : int
        K, >= 1.
    smoothing : float
        Share :math:`\epsilon` that is moved, in [0, 1].
    exclusive : bool, default=True
        Whether the classes exclude each other; otherwise every label is a question of its own, of yes and no.

    Returns
    -------
    probs : Tensor of shape (N, K), float
        :math:`(1 - \epsilon) y + \epsilon / K`, or :math:`\epsilon / 2` for separate questions.

    Raises
    ------
    ValueError
        If the shapes do not fit or ``smoothing`` is outside [0, 1].
    TypeError
        If class numbers are not integers.

    See Also
    --------
    cross_entropy : Takes such targets.

    Notes
    -----
    Szegedy et al. [1]_, section 7, with a uniform prior over the classes.

    References
    ----------
    .. [1] C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, "Rethinking the Inception Architecture for Computer
       Vision", CVPR 2016, arXiv:1512.00567.

    Examples
    --------
    >>> smooth_labels(torch.tensor([2]), 4, 0.2)
    tensor([[0.0500, 0.0500, 0.8500, 0.0500]])
    """
    if not 0 <= smoothing <= 1:
        raise ValueError(f"`smoothing` must be in [0, 1]. Received: smoothing={smoothing!r}.")
    if targets.ndim == 1:
        if targets.is_floating_point():
            raise TypeError(f"`targets` must be integers when they are class numbers. Received: {targets.dtype}.")
        targets = F.one_hot(targets.long(), n_classes).to(torch.get_default_dtype())
    if targets.ndim != 2 or targets.shape[1] != n_classes:
        raise ValueError(
            f"`targets` must have shape (N,) or (N, {n_classes}). Received: targets of shape {tuple(targets.shape)}."
        )
    return targets * (1.0 - smoothing) + smoothing / (n_classes if exclusive else 2)
