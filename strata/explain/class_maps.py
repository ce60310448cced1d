"""Where the evidence for a class lies: class activation maps, with and without gradients.

B. Zhou, A. Khosla, A. Lapedriza, A. Oliva, A. Torralba, "Learning Deep Features for Discriminative Localization",
CVPR 2016, arXiv:1512.04150. R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via
Gradient-based Localization", ICCV 2017, arXiv:1610.02391.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F

from strata.explain._network import (
    capture,
    checked_images,
    checked_layer,
    examined,
    head_module,
    last_maps,
    scores_of,
    target_classes,
)

__all__ = ["box_of_map", "cam", "grad_cam", "resize_map"]

Target = int | Sequence[int] | Tensor | None


def cam(network: nn.Module, x: Tensor, *, target: Target = None) -> Tensor:
    r"""Return the class activation map of networks that end in global average pooling and one layer of weights.

    Parameters
    ----------
    network : Module
        Classifier whose last layer, dense or 1 x 1 convolution, gets the mean of maps (ResNet, GoogLeNet, MobileNet),
        or is a 1 x 1 convolution whose own maps are averaged (SqueezeNet). It is left as it was found.
    x : Tensor of shape (n, c, h, w)
        Images as the network takes them.
    target : int, sequence of int or Tensor of shape (n,), optional
        Class, one for all or one an image; by default the predicted one.

    Returns
    -------
    map : Tensor of shape (n, map_height, map_width)
        Score of the class at each place, without the bias, with sign. Its mean is the class score minus the bias
        (where the last layer's own maps are averaged, the bias is in the map, and its mean is the score).

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the network ends otherwise (use :func:`grad_cam`), the images do not fit, or a class is unknown.

    Notes
    -----
    Zhou et al., Eq. 2, with the maps :math:`f_k` of the last convolution and the weights :math:`w_k^c` of the class:

    .. math:: M_c(i, j) = \sum_k w_k^c f_k(i, j)

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    >>> x = torch.rand(1, 1, 8, 8)
    >>> logit = network(x)[0, 1] - network[4].bias[1]
    >>> bool((cam(network, x, target=1).mean() - logit).abs() < 1e-5)
    True
    """
    with examined(network) as looked_at, torch.no_grad():
        x = checked_images(x, looked_at)
        name, head = head_module(looked_at)
        if not isinstance(head, (nn.Linear, nn.Conv2d)):
            raise ValueError(_ends_otherwise(looked_at, name))
        weight = head.weight
        seen: list[Tensor] = []
        given: list[Tensor] = []
        handles = [module.register_forward_hook(_keep_maps(seen, weight.shape[1])) for module in looked_at.modules()]
        handles.append(head.register_forward_pre_hook(lambda module, inputs: given.append(inputs[0])))
        try:
            with capture(looked_at, [name]) as outputs:
                scores = scores_of(looked_at, x)
        finally:
            for handle in handles:
                handle.remove()
        classes = target_classes(target, scores)
        rows = torch.arange(len(x), device=x.device)
        own = outputs[name]
        if own.ndim == 4 and own.shape[2] * own.shape[3] > 1:
            for maps in (own, own.relu()):
                if torch.allclose(maps.mean((2, 3)), scores, rtol=1e-3, atol=1e-4):
                    return maps[rows, classes]
        means = given[-1].flatten(1) if given else x.new_zeros(0)
        for maps in reversed(seen):
            mean = maps.mean((2, 3))
            if mean.shape == means.shape and torch.allclose(mean, means, rtol=1e-3, atol=1e-5):
                return torch.einsum("nkhw,nk->nhw", maps, weight.flatten(1)[classes])
    raise ValueError(_ends_otherwise(looked_at, name))


def _ends_otherwise(network: nn.Module, head: str) -> str:
    return (
        f"`network` must end in global average pooling and one layer of weights. "
        f"Received: {type(network).__name__}, whose last layer {head!r} is or gets something else. Use grad_cam."
    )


def _keep_maps(seen: list[Tensor], channels: int) -> Any:
    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        is_map = isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1
        if is_map and output.shape[1] == channels:
            seen.append(output.clone())
            del seen[:-4]  # the last ones are enough

    return hook


def grad_cam(network: nn.Module, x: Tensor, *, target: Target = None, layer: str | None = None) -> Tensor:
    r"""Return the gradient-weighted class activation map of any convolutional classifier.

    Parameters
    ----------
    network : Module
        Classifier that gives scores before softmax, (n, n_classes). It is left as it was found.
    x : Tensor of shape (n, c, h, w)
        Images as the network takes them.
    target : int, sequence of int or Tensor of shape (n,), optional
        Class, one for all or one an image; by default the predicted one.
    layer : str, optional
        Dotted name of a layer that gives maps; by default the last one, before any pooling.

    Returns
    -------
    map : Tensor of shape (n, map_height, map_width)
        Not negative; :func:`resize_map` brings it to the size of the image.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the images do not fit the network, or a class or a layer with maps is unknown.

    Notes
    -----
    Selvaraju et al., Eq. 1 and 2, with the maps :math:`A^k` and the score :math:`y^c`:

    .. math::
        \alpha_k = \frac{1}{Z} \sum_{ij} \frac{\partial y^c}{\partial A^k_{ij}}, \qquad
        L = \mathrm{ReLU}(\sum_k \alpha_k A^k)

    In networks that end in global average pooling and one dense layer it is the positive part of :func:`cam`, over
    the number of places.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    >>> x = torch.rand(1, 1, 8, 8)
    >>> torch.allclose(grad_cam(network, x, target=1), cam(network, x, target=1).relu() / 36)
    True
    """
    with examined(network) as looked_at:
        x = checked_images(x, looked_at)
        name = last_maps(looked_at, x) if layer is None else checked_layer(looked_at, layer)
        with torch.enable_grad(), capture(looked_at, [name]) as outputs:
            leaf = x.clone().requires_grad_()  # so that there is a graph where no weight asks for one
            scores = scores_of(looked_at, leaf * 1.0)
            maps = outputs.get(name)
            if maps is None or maps.ndim != 4:
                shape = "no tensor" if maps is None else f"shape {tuple(maps.shape)}"
                raise ValueError(f"`layer` must give maps (n, c, h, w). Received: {name!r}, which gave {shape}.")
            total = scores.gather(1, target_classes(target, scores)[:, None]).sum()
            (gradient,) = torch.autograd.grad(total, maps, materialize_grads=True)
        return torch.einsum("nkhw,nk->nhw", maps.detach(), gradient.mean((2, 3))).relu()


def resize_map(map_: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring maps to the size of an image, bilinearly.

    Parameters
    ----------
    map_ : Tensor of shape (n, map_height, map_width)
        Of :func:`cam` or :func:`grad_cam`.
    size : tuple of (height, width)
        Wanted.

    Returns
    -------
    map : Tensor of shape (n, height, width)
        Pixels of the map lie at the centres of the parts of the image they stand for.

    Raises
    ------
    ValueError
        If the map has another shape.

    Examples
    --------
    >>> resize_map(torch.ones(2, 7, 7), (224, 224)).shape
    torch.Size([2, 224, 224])
    """
    if map_.ndim != 3:
        raise ValueError(f"`map_` must be of shape (n, map_height, map_width). Received: shape {tuple(map_.shape)}.")
    return F.interpolate(map_[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def box_of_map(map_: Tensor, *, threshold: float = 0.2) -> tuple[int, int, int, int] | None:
    """Return the box around the largest connected part of a map above a share of its maximum.

    Parameters
    ----------
    map_ : Tensor of shape (height, width)
        One map.
    threshold : float, default=0.2
        Share of the maximum.

    Returns
    -------
    box : tuple of (x1, y1, x2, y2) or None
        Corners in pixels, the last ones outside; None where nothing is above zero.

    Raises
    ------
    ValueError
        If the map has another shape, or the threshold is not from 0 to below 1.

    Notes
    -----
    Zhou et al., section 3.2.

    Examples
    --------
    >>> map_ = torch.zeros(6, 6)
    >>> map_[1:3, 2:5] = 1.0
    >>> box_of_map(map_)
    (2, 1, 5, 3)
    """
    if map_.ndim != 2 or not 0 <= threshold < 1:
        raise ValueError(
            f"`map_` must be (height, width) and `threshold` from 0 to below 1. "
            f"Received: shape {tuple(map_.shape)}, threshold={threshold}."
        )
    values = map_.detach().cpu().numpy()
    if not values.max() > 0:
        return None
    parts, _ = ndimage.label(values > threshold * values.max())
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    rows, columns = np.nonzero(parts == sizes.argmax())
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
