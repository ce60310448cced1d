"""What the layers hold: the filters of the first one, and the maps of any.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998, figure 2
shows the maps of a digit.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from strata.explain._levels import default_layers
from strata.explain._network import capture, checked_images, checked_layer, examined, run

__all__ = ["feature_maps", "first_layer_filters", "level_layers"]


def first_layer_filters(network: nn.Module, *, image_shape: tuple[int, int, int] | None = None) -> Tensor:
    """Return the filters of the first layer.

    Parameters
    ----------
    network : Module
        With a convolution, or with a dense layer on pixels.
    image_shape : tuple of (c, h, w), optional
        Shape of the images, for a network without convolution: every unit's weights are then an image.

    Returns
    -------
    filters : Tensor of shape (n_filters, c, h, w)
        A copy. A grouped or depthwise convolution has fewer channels in each.

    Raises
    ------
    TypeError
        If ``network`` is no module.
    ValueError
        If there is no such layer, or ``image_shape`` does not fit it.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 5), nn.ReLU())
    >>> first_layer_filters(network).shape
    torch.Size([8, 3, 5, 5])
    """
    if not isinstance(network, nn.Module):
        raise TypeError(f"`network` must be a torch.nn.Module. Received: {type(network).__name__}.")
    kind = nn.Conv2d if image_shape is None else nn.Linear
    layer = next((module for module in network.modules() if isinstance(module, kind)), None)
    if layer is None:
        what = "dense layer" if image_shape else "convolution, or `image_shape` be given for a dense layer"
        raise ValueError(f"`network` must have a {what}. Received: {type(network).__name__} without one.")
    weight = layer.weight.detach().clone()
    if image_shape is None:
        return weight
    c, h, w = image_shape
    if c * h * w != weight.shape[1]:
        raise ValueError(f"`image_shape` must hold {weight.shape[1]} values. Received: image_shape={image_shape}.")
    return weight.reshape(-1, c, h, w)


def level_layers(network: nn.Module, x: Tensor) -> dict[str, str]:
    """Return a layer of simple, one of middle and one of complex features.

    Parameters
    ----------
    network : Module
        With layers that give maps. It is left as it was found.
    x : Tensor of shape (n, c, h, w)
        Images as the network takes them; one is enough.

    Returns
    -------
    layers : dict of str to str
        Dotted names under ``"low"``, ``"mid"`` and ``"high"``: where the first, the middle and the last block with
        maps end (:func:`strata.models.blocks_of`), after their activation. A first block whose units see less than 8
        pixels across gives way to the next one before the middle. A network of two such stages has no ``"mid"``.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the images do not fit the network, or no layer gives maps.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3), nn.ReLU())
    >>> level_layers(network, torch.zeros(1, 1, 12, 12))
    {'low': '1', 'high': '4'}
    """
    with examined(network) as looked_at:
        return default_layers(looked_at, checked_images(x, looked_at))


def feature_maps(network: nn.Module, x: Tensor, layers: Sequence[str] | None = None) -> dict[str, Tensor]:
    """Return what some layers make of images.

    Parameters
    ----------
    network : Module
        Any. It is left as it was found.
    x : Tensor of shape (n, c, h, w)
        Images as the network takes them.
    layers : sequence of str, optional
        Dotted names; by default those of :func:`level_layers`.

    Returns
    -------
    maps : dict of str to Tensor
        Output of each layer, (n, channels, height, width) where it has places. Activations that write into their
        input do not spoil it. Of a layer that runs several times the last output is returned.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If the images do not fit the network, or a layer is unknown or gave no tensor.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True))
    >>> maps = feature_maps(network, torch.ones(1, 1, 5, 5), ["0", "1"])
    >>> torch.equal(maps["1"], maps["0"].relu()), torch.equal(maps["0"], network[0](torch.ones(1, 1, 5, 5)))
    (True, True)
    """
    with examined(network) as looked_at, torch.no_grad():
        x = checked_images(x, looked_at)
        if layers is None:
            layers = list(dict.fromkeys(default_layers(looked_at, x).values()))
        if isinstance(layers, str):
            raise TypeError(f"`layers` must be a list of names. Received: {layers!r}. Give [{layers!r}].")
        names = [checked_layer(looked_at, name) for name in layers]
        with capture(looked_at, names) as outputs:
            run(looked_at, x)
    missing = [name for name in names if name not in outputs]
    if missing:
        raise ValueError(
            f"`layers` must give tensors when the network runs. Received: {missing[0]!r}, which gave none."
        )
    return {name: outputs[name] for name in names}
