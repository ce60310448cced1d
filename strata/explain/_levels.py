"""Which layers of a network show simple, middle and complex features, and how much of an image each sees."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from strata.explain._network import Traced, capture, map_layers, run
from strata.explain._rectifiers import way_back
from strata.models import blocks_of

__all__ = ["default_layers", "field_of", "stride_of"]

#: Units that see less than this many pixels across know single colours and little else.
LEAST_FIELD = 8


def default_layers(network: nn.Module, x: Tensor) -> dict[str, str]:
    """Return a layer of simple, of middle and of complex features.

    Parameters
    ----------
    network : Module
        In evaluation mode.
    x : Tensor of shape (n, c, h, w)
        Images; one is enough.

    Returns
    -------
    layers : dict of str to str
        Dotted names under ``"low"``, ``"mid"`` and ``"high"``: where the first, the middle and the last block of layers
        with maps end (:func:`strata.models.blocks_of`). Fewer where the network has fewer. A first block whose units
        see less than 8 pixels across gives way to the next one before the middle.

    Raises
    ------
    ValueError
        If no layer gives maps.
    """
    layers = map_layers(network, x)
    stages = _stages(layers, blocks_of(network))
    if len(stages) < 3:  # a network that is one block, or small: look at its single layers
        stages = _stages(layers, [(layer.name,) for layer in layers if layer.leaf])
    if len(stages) < 3:
        return dict(zip(("low", "high"), stages, strict=False))
    middle = len(stages) // 2
    low = next((name for name in stages[:middle] if field_of(network, x, name) >= LEAST_FIELD), stages[0])
    return {"low": low, "mid": stages[middle], "high": stages[-1]}


def _stages(layers: Sequence[Traced], blocks: Iterable[Sequence[str]]) -> list[str]:
    """Return where each block of layers ends, with the activation that belongs to it."""
    stages: list[str] = []
    for block in blocks:
        inside = [at for at, layer in enumerate(layers) if layer.is_in(block)]
        if not inside:
            continue
        at = inside[-1]
        while at + 1 < len(layers) and layers[at + 1].follows and layers[at + 1].shape == layers[at].shape:
            at += 1
        if layers[at].name not in stages:
            stages.append(layers[at].name)
    return stages


def field_of(network: nn.Module, x: Tensor, layer: str) -> int:
    """Return how many pixels across the units in the middle of a layer's maps see, as far as this image tells.

    Parameters
    ----------
    network : Module
        In evaluation mode.
    x : Tensor of shape (n, c, h, w)
        Images; the first one is looked at.
    layer : str
        Dotted name of a layer with maps.

    Returns
    -------
    side : int
        Side of the smallest square that holds every pixel from which a signal came.
    """
    leaf = x[:1].clone().requires_grad_()
    with torch.enable_grad(), way_back("deconvnet"), capture(network, [layer]) as outputs:
        run(network, leaf * 1.0)
        maps = outputs[layer]
        middle = maps[:, :, maps.shape[2] // 2, maps.shape[3] // 2].sum()
        (signal,) = torch.autograd.grad(middle, leaf, materialize_grads=True)
    reached = signal[0].abs().sum(0) > 0
    spans = [torch.nonzero(reached.any(axis)).flatten() for axis in (0, 1)]
    return max((int(at[-1] - at[0]) + 1 for at in spans if len(at)), default=0)


def stride_of(network: nn.Module, x: Tensor) -> int:
    """Return the pixels from one place of the last maps to the next; 1 for a network without maps.

    Parameters
    ----------
    network : Module
        In evaluation mode.
    x : Tensor of shape (n, c, h, w)
        Images; one is enough.

    Returns
    -------
    stride : int
        The larger one of rows and columns, rounded up.
    """
    try:
        h, w = map_layers(network, x)[-1].shape[2:]
    except ValueError:
        return 1
    return max(-(-x.shape[2] // h), -(-x.shape[3] // w))
