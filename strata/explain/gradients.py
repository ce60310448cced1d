"""What the output owes to each pixel, by gradients: saliency maps and integrated gradients.

K. Simonyan, A. Vedaldi, A. Zisserman, "Deep Inside Convolutional Networks: Visualising Image Classification Models and
Saliency Maps", 2013, arXiv:1312.6034. J. T. Springenberg et al., "Striving for Simplicity", 2014, arXiv:1412.6806.
D. Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017, arXiv:1706.03825. M. Sundararajan, A. Taly,
Q. Yan, "Axiomatic Attribution for Deep Networks", 2017, arXiv:1703.01365.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from strata._names import unknown_name
from strata.explain._levels import stride_of
from strata.explain._network import checked_images, examined, scores_of, target_classes
from strata.explain._rectifiers import RULES, way_back
from strata.explain._shifts import moved, offsets

__all__ = ["SALIENCY_METHODS", "input_gradient", "integrated_gradients", "saliency"]

#: Kinds of saliency maps.
SALIENCY_METHODS = ("gradient", "guided", "smooth")
Target = int | Sequence[int] | Tensor | None


def _gradient(network: nn.Module, x: Tensor, target: Target, rule: str) -> Tensor:
    """Return the gradient of the score of one class of every image by the image."""
    leaf = x.detach().clone().requires_grad_()
    with torch.enable_grad(), way_back(rule):
        scores = scores_of(network, leaf * 1.0)  # a copy: the first layer may write into its input
        total = scores.gather(1, target_classes(target, scores)[:, None]).sum()
        return torch.autograd.grad(total, leaf)[0]


def _over_copies(network: nn.Module, x: Tensor, target: Target, rule: str, shifted: bool) -> Tensor:
    """Return the gradient, or its mean over copies of each image that are moved, and moved back."""
    if not shifted:
        return _gradient(network, x, target, rule)
    with torch.no_grad():
        classes = target_classes(target, scores_of(network, x))
    total = torch.zeros_like(x)
    moves = offsets(stride_of(network, x))
    for by in moves:
        total += moved(_gradient(network, moved(x, by), classes, rule), (-by[0], -by[1]))
    return total / len(moves)


def input_gradient(
    network: nn.Module, x: Tensor, *, target: Target = None, rule: str = "backprop", shifted: bool = False
) -> Tensor:
    r"""Return the gradient of a class score by the input, with one of three ways back through rectifiers.

    Parameters
    ----------
    network : Module
        Classifier that gives scores before softmax, (n, n_classes). It is left as it was found.
    x : Tensor of shape (n, c, h, w)
        Images as the network takes them.
    target : int, sequence of int or Tensor of shape (n,), optional
        Class whose score is explained, one for all or one an image; by default the predicted one.
    rule : {"backprop", "deconvnet", "guided"}, default="backprop"
        At every ReLU with input :math:`x` the gradient :math:`g` becomes :math:`g[x > 0]`, :math:`g[g > 0]` or
        :math:`g[x > 0][g > 0]`.
    shifted : bool, default=False
        Return the mean over up to 16 copies of each image that are moved by less than the network's stride, moved back:
        the stripes and grids that strides without pooling draw are not there.

    Returns
    -------
    gradient : Tensor of shape (n, c, h, w)
        Score per unit of input.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the images do not fit the network, or a class or rule is unknown.

    Notes
    -----
    Springenberg et al., figure 1. What the last two rules give is no gradient of anything.

    Examples
    --------
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    >>> x = torch.ones(1, 1, 2, 2)
    >>> torch.equal(input_gradient(network, x, target=1).flatten(), network[1].weight[1])
    True
    """
    if rule not in RULES:
        raise ValueError(unknown_name("rule", rule, RULES))
    with examined(network) as looked_at:
        return _over_copies(looked_at, checked_images(x, looked_at), target, rule, shifted)


def saliency(
    network: nn.Module,
    x: Tensor,
    *,
    target: Target = None,
    method: str = "gradient",
    n_samples: int = 25,
    noise: float = 0.15,
    random_state: int = 0,
    shifted: bool = False,
) -> Tensor:
    r"""Return how strongly the score of a class reacts to each pixel.

    Parameters
    ----------
    network : Module
        Classifier that gives scores before softmax, (n, n_classes). It is left as it was found.
    x : Tensor of shape (n, c, h, w)
        Images as the network takes them.
    target : int, sequence of int or Tensor of shape (n,), optional
        Class whose score is explained, one for all or one an image; by default the predicted one.
    method : {"gradient", "guided", "smooth"}, default="gradient"
        The gradient; the guided one; or the mean gradient over images with noise added (SmoothGrad).
    n_samples : int, default=25
        Noisy images of ``"smooth"``.
    noise : float, default=0.15
        Their standard deviation, as a share of the range of each image.
    random_state : int, default=0
        Seed of the noise.
    shifted : bool, default=False
        As of :func:`input_gradient`; not with ``"smooth"``, which has copies of its own.

    Returns
    -------
    saliency : Tensor of shape (n, h, w)
        Not negative.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the images do not fit the network, a class or method is unknown, or a number is out of its range.

    Notes
    -----
    Simonyan et al., section 3: :math:`\max_c |\partial S / \partial x_c|` over the channels :math:`c`.

    Examples
    --------
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    >>> map_ = saliency(network, torch.ones(1, 1, 2, 2), target=0)
    >>> torch.equal(map_.flatten(), network[1].weight[0].abs())
    True
    """
    if method not in SALIENCY_METHODS:
        raise ValueError(unknown_name("method", method, SALIENCY_METHODS))
    if n_samples < 1:
        raise ValueError(f"`n_samples` must be at least 1. Received: n_samples={n_samples}.")
    if not 0 <= noise < float("inf"):
        raise ValueError(f"`noise` must be a share of the range, 0 or more. Received: noise={noise}.")
    if shifted and method == "smooth":
        raise ValueError("`shifted` must be False with method='smooth', which has copies of its own.")
    with examined(network) as looked_at:
        x = checked_images(x, looked_at)
        if method != "smooth":
            rule = "guided" if method == "guided" else "backprop"
            return _over_copies(looked_at, x, target, rule, shifted).abs().amax(1)
        with torch.no_grad():
            classes = target_classes(target, scores_of(looked_at, x))
        generator = torch.Generator().manual_seed(random_state)
        spread = noise * (x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True))
        total = torch.zeros_like(x)
        for _ in range(n_samples):
            draw = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
            total += _gradient(looked_at, x + spread * draw, classes, "backprop")
        return (total / n_samples).abs().amax(1)


def integrated_gradients(
    network: nn.Module,
    x: Tensor,
    *,
    target: Target = None,
    baseline: Tensor | float = 0.0,
    n_steps: int = 64,
    batch_size: int = 32,
) -> Tensor:
    r"""Share out the difference between an image's score and that of a baseline image among the pixels.

    Parameters
    ----------
    network : Module
        Classifier that gives scores before softmax, (n, n_classes). It is left as it was found.
    x : Tensor of shape (n, c, h, w)
        Images as the network takes them.
    target : int, sequence of int or Tensor of shape (n,), optional
        Class whose score is explained, one for all or one an image; by default the predicted one.
    baseline : Tensor or float, default=0.0
        Image of "nothing", as the network takes it and of a shape that fits ``x``; 0 is the mean colour where inputs
        are standardized.
    n_steps : int, default=64
        Points on the straight path from the baseline; more of them lessen the gap in the sum.
    batch_size : int, default=32
        Images computed at once.

    Returns
    -------
    attributions : Tensor of shape (n, c, h, w)
        In units of the score, with sign. Their sum is the score of the image minus that of the baseline.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the images or the baseline do not fit, a class is unknown, or a number is out of its range.

    Notes
    -----
    Sundararajan et al., Eq. 1, by the midpoint rule:

    .. math:: (x_i - x'_i) \int_0^1 \frac{\partial S(x' + \alpha (x - x'))}{\partial x_i} \, d\alpha

    References
    ----------
    .. [1] M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, arXiv:1703.01365.

    Examples
    --------
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> x = torch.ones(1, 1, 2, 2)
    >>> rise = (network(x) - network(0 * x))[0, 0]
    >>> bool((integrated_gradients(network, x, target=0).sum() - rise).abs() < 1e-5)
    True
    """
    for name, value in (("n_steps", n_steps), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}.")
    with examined(network) as looked_at:
        x = checked_images(x, looked_at)
        start = torch.as_tensor(baseline, dtype=x.dtype, device=x.device)
        try:
            start = start.expand_as(x)
        except RuntimeError:
            raise ValueError(
                f"`baseline` must fit images of shape {tuple(x.shape)}. Received: shape {tuple(start.shape)}."
            ) from None
        with torch.no_grad():
            classes = target_classes(target, scores_of(looked_at, x))
        rows = torch.arange(len(x), device=x.device).repeat_interleave(n_steps)
        alphas = ((torch.arange(n_steps, device=x.device, dtype=x.dtype) + 0.5) / n_steps).repeat(len(x))
        total = torch.zeros_like(x)
        for at in range(0, len(rows), batch_size):
            row, alpha = rows[at : at + batch_size], alphas[at : at + batch_size, None, None, None]
            between = start[row] + alpha * (x[row] - start[row])
            total.index_add_(0, row, _gradient(looked_at, between, classes[row], "backprop"))
        return (x - start) * total / n_steps
