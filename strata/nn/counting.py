"""How much work a network does."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["multiply_adds"]

_CONVOLUTIONS = (nn.modules.conv._ConvNd,)


def multiply_adds(network: nn.Module, x: Tensor) -> int:
    """Count the multiply-adds of one forward pass in convolutions and dense layers.

    Parameters
    ----------
    network : nn.Module
        In whatever mode; it is run once in evaluation mode without gradient, and set back.
    x : Tensor
        Inputs, usually one row; may be on the device "meta" where the network is.

    Returns
    -------
    n_macs : int
        Normalisation, activations and pooling are not counted.

    Examples
    --------
    >>> multiply_adds(nn.Conv2d(3, 8, 3, padding=1), torch.zeros(1, 3, 4, 4))
    3456
    """
    total = 0

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal total
        if isinstance(output, Tensor):
            transposed = isinstance(module, nn.modules.conv._ConvTransposeNd)
            places = inputs[0].numel() if transposed else output.numel()
            weight = module.get_parameter("weight")
            total += places * math.prod(weight.shape[1:])

    kinds = (*_CONVOLUTIONS, nn.Linear)
    hooks = [module.register_forward_hook(count) for module in network.modules() if isinstance(module, kinds)]
    training = {module: module.training for module in network.modules()}
    try:
        with torch.no_grad():
            network.eval()(x)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in training.items():
            module.training = mode
    return total
