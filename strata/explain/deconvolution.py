"""What in an image made one unit answer: the deconvolutional network.

M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, arXiv:1311.2901, section
2.1.
"""

import torch
from torch import Tensor, nn

from strata._names import unknown_name
from strata.explain._network import capture, checked_images, checked_layer, examined, run
from strata.explain._rectifiers import RULES, way_back

__all__ = ["deconvolve", "strongest_units"]


def deconvolve(
    network: nn.Module,
    x: Tensor,
    layer: str,
    unit: int,
    *,
    position: tuple[int, int] | None = None,
    rule: str = "deconvnet",
) -> Tensor:
    r"""Project the activation of one unit back to the pixels.

    Parameters
    ----------
    network : Module
        Sequential or not. It is left as it was found.
    x : Tensor of shape (n, c, h, w)
        Images as the network takes them.
    layer : str
        Dotted name of the layer.
    unit : int
        Channel of its maps, or output of a dense layer.
    position : tuple of (row, column), optional
        Place in the map; by default where each image's activation is largest.
    rule : {"deconvnet", "guided", "backprop"}, default="deconvnet"
        What happens at a rectifier on the way back: ``"deconvnet"`` rectifies the signal, ``"guided"`` stops it as
        well where the rectifier was shut, ``"backprop"`` does only the latter.

    Returns
    -------
    pattern : Tensor of shape (n, c, h, w)
        In the space of the images, with sign; zero where nothing led to the unit, and everywhere when its activation
        is zero.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the images do not fit the network, or a layer, unit, position or rule is unknown.

    Notes
    -----
    All activations of the layer but one are set to zero; then each layer is undone in turn: unpooling puts a value
    back where the maximum had been (the switches), the signal is rectified, and the filters are applied transposed.
    As Simonyan et al. (2013, section 4) remark, that is back-propagation with :math:`g[g > 0]` at every rectifier in
    place of :math:`g[x > 0]`: so it is computed, and so it works for residual and branched networks. Normalization
    layers give their derivative; where pooling windows overlap, values that go back to one place are added.

    References
    ----------
    .. [1] M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, arXiv:1311.2901.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.ReLU())
    >>> x = torch.rand(1, 1, 3, 3)
    >>> activation = network(x)[0, 1]
    >>> torch.allclose(deconvolve(network, x, "1", 1)[0, 0], activation * network[0].weight[1, 0])
    True
    """
    if rule not in RULES:
        raise ValueError(unknown_name("rule", rule, RULES))
    with examined(network) as looked_at:
        leaf = checked_images(x, looked_at).clone().requires_grad_()
        name = checked_layer(looked_at, layer)
        with torch.enable_grad(), way_back(rule), capture(looked_at, [name]) as outputs:
            run(looked_at, leaf * 1.0)
            if name not in outputs or outputs[name].ndim < 2:
                raise ValueError(
                    f"`layer` must give a tensor when the network runs. Received: {name!r}, which gave none."
                )
            output = outputs[name]
            signal = _only(output.detach(), unit, position)
            (pattern,) = torch.autograd.grad(output, leaf, signal, materialize_grads=True)
    return pattern


def _only(output: Tensor, unit: int, position: tuple[int, int] | None) -> Tensor:
    """Return the output of a layer with all set to zero but one activation an image."""
    if isinstance(unit, bool) or not isinstance(unit, int):
        raise TypeError(f"`unit` must be the number of a channel. Received: {unit!r}.")
    if not 0 <= unit < output.shape[1]:
        raise ValueError(f"`unit` must be from 0 to {output.shape[1] - 1}. Received: unit={unit}.")
    places = output[:, unit].reshape(len(output), -1)  # (n, height * width); (n, 1) of a dense layer
    if position is None:
        at = places.argmax(1)
    else:
        shape = tuple(output.shape[2:])
        if len(position) != len(shape) or not all(0 <= p < s for p, s in zip(position, shape, strict=False)):
            raise ValueError(f"`position` must lie in a map of shape {shape}. Received: position={position}.")
        at = torch.full((len(places),), position[0] * shape[1] + position[1], device=output.device)
    kept = torch.zeros_like(places)
    kept.scatter_(1, at[:, None], places.gather(1, at[:, None]))
    signal = torch.zeros_like(output)
    signal[:, unit] = kept.reshape(output[:, unit].shape)
    return signal


def strongest_units(activations: Tensor, k: int = 9) -> list[int]:
    """Return the channels that answered most, the strongest first.

    Parameters
    ----------
    activations : Tensor of shape (n, channels, ...)
        Of a layer, as :func:`~strata.explain.feature_maps` returns it.
    k : int, default=9
        How many at most.

    Returns
    -------
    units : list of int
        By the largest activation at any place of any image; those that did not answer at all are left out.

    Raises
    ------
    ValueError
        If ``k`` is below 1 or there are no channels.

    Examples
    --------
    >>> strongest_units(torch.tensor([[1.0, 3.0, 0.0, 2.0]]), 5)
    [1, 3, 0]
    """
    if k < 1 or activations.ndim < 2:
        raise ValueError(f"`k` must be at least 1 and `activations` (n, channels, ...). Received: k={k}.")
    peak = activations.transpose(0, 1).flatten(1).amax(1)
    return [int(unit) for unit in peak.argsort(descending=True)[:k] if peak[unit] > 0]
