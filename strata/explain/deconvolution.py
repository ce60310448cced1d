"""What in an image made one unit answer: the deconvolutional network.

M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, arXiv:1311.2901, section
2.1.
"""

import torch
from torch import Tensor, nn

from strata._names import unknown_name
from strata.explain._network import capture, checked_images, checked_layer, examined, run
from strata.explain._rectifiers import RULES, way_back
from strata.explain._shifts import moved, offsets

__all__ = ["deconvolve", "strongest_units"]


def deconvolve(
    network: nn.Module,
    x: Tensor,
    layer: str,
    unit: int,
    *,
    position: tuple[int, int] | None = None,
    rule: str = "deconvnet",
    shifted: bool = False,
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
    shifted : bool, default=False
        Return the mean over up to 16 copies of each image that are moved by less than the layer's stride, moved back:
        the stripes and grids that strides without pooling draw are not there. Of each copy the activation next to where
        the place has moved counts that is largest.

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
        images = checked_images(x, looked_at)
        name = checked_layer(looked_at, layer)
        whole = _Projection(looked_at, name, unit, rule)
        pattern = whole.of(images, position)
        if not shifted or whole.size is None:
            return pattern
        rows, columns = whole.place // whole.size[1], whole.place % whole.size[1]
        stride = -(-images.shape[2] // whole.size[0]), -(-images.shape[3] // whole.size[1])
        moves = offsets(max(stride))
        total = torch.zeros_like(pattern)
        for by in moves:
            near = rows + by[0] / stride[0], columns + by[1] / stride[1]
            total += moved(whole.of(moved(images, by), near=near), (-by[0], -by[1]))
        return total / len(moves)


class _Projection:
    """The way back from one unit of a layer; ``place`` and ``size`` are those of the last images."""

    def __init__(self, network: nn.Module, layer: str, unit: int, rule: str) -> None:
        self.network, self.layer, self.unit, self.rule = network, layer, unit, rule
        self.place = torch.zeros(0, dtype=torch.long)
        self.size: tuple[int, int] | None = None

    def of(
        self,
        x: Tensor,
        position: tuple[int, int] | None = None,
        *,
        near: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Return the patterns (n, c, h, w) from a position, from near some rows and columns, or from the maximum."""
        leaf = x.clone().requires_grad_()
        with torch.enable_grad(), way_back(self.rule), capture(self.network, [self.layer]) as outputs:
            run(self.network, leaf * 1.0)
            if self.layer not in outputs or outputs[self.layer].ndim < 2:
                raise ValueError(
                    f"`layer` must give a tensor when the network runs. Received: {self.layer!r}, which gave none."
                )
            output = outputs[self.layer]
            signal = self._only(output.detach(), position, near)
            (pattern,) = torch.autograd.grad(output, leaf, signal, materialize_grads=True)
        return pattern

    def _only(self, output: Tensor, position: tuple[int, int] | None, near: tuple[Tensor, Tensor] | None) -> Tensor:
        """Return the output of a layer with all set to zero but one activation an image."""
        unit, shape = _checked_unit(self.unit, output), tuple(output.shape[2:])
        self.size = (shape[0], shape[1]) if len(shape) == 2 else None
        places = output[:, unit].reshape(len(output), -1)  # (n, height * width); (n, 1) of a dense layer
        if position is not None:
            if len(position) != len(shape) or not all(0 <= p < s for p, s in zip(position, shape, strict=False)):
                raise ValueError(f"`position` must lie in a map of shape {shape}. Received: position={position}.")
            self.place = torch.full((len(places),), position[0] * shape[1] + position[1], device=output.device)
        elif near is not None:
            self.place = _largest_near(output[:, unit], *near)
        else:
            self.place = places.argmax(1)
        kept = torch.zeros_like(places)
        kept.scatter_(1, self.place[:, None], places.gather(1, self.place[:, None]))
        signal = torch.zeros_like(output)
        signal[:, unit] = kept.reshape(output[:, unit].shape)
        return signal


def _largest_near(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the number of the largest place of each map (n, h, w) that is at most one from a row and a column.

    Of equal ones the nearest.
    """
    n, h, w = maps.shape
    down = (torch.arange(h, device=maps.device)[None] - rows[:, None]).abs()
    right = (torch.arange(w, device=maps.device)[None] - columns[:, None]).abs()
    away = torch.maximum(down[:, :, None], right[:, None, :])
    near = maps.masked_fill(away > 1, -torch.inf).flatten(1)
    distance = (down[:, :, None] + right[:, None, :]).flatten(1)
    return distance.masked_fill(near < near.amax(1, keepdim=True), torch.inf).argmin(1)


def _checked_unit(unit: int, output: Tensor) -> int:
    """Return the number of a channel, when the layer has it."""
    if isinstance(unit, bool) or not isinstance(unit, int):
        raise TypeError(f"`unit` must be the number of a channel. Received: {unit!r}.")
    if not 0 <= unit < output.shape[1]:
        raise ValueError(f"`unit` must be from 0 to {output.shape[1] - 1}. Received: unit={unit}.")
    return unit


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
