"""Count the connections of a network: what one image costs."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from strata.nn.lenet import EuclideanRBF, PartialConv2d, Subsampling

__all__ = ["count_connections"]


def count_connections(network: nn.Module, image_shape: tuple[int, int, int], *, biases: bool = False) -> int:
    """Count the products that a network computes for one image.

    Parameters
    ----------
    network : torch.nn.Module
        Made of the convolutions and linear layers of PyTorch and the layers of :mod:`strata.nn`; what other layers
        compute is not counted. Auxiliary heads count in training mode only.
    image_shape : tuple of 3 int
        Channels, height and width.
    biases : bool, default=False
        Whether each use of a bias counts as a connection too, as in the paper on LeNet-5. Without them the count is
        that of the multiply-adds.

    Returns
    -------
    n_connections : int
        Connections of one image. Nothing is computed, and the network stays as it is.

    Examples
    --------
    >>> from strata.models import build
    >>> count_connections(build("lenet5_1998"), (1, 32, 32), biases=True)
    340908
    >>> count_connections(build("resnet20"), (3, 32, 32))
    40551040
    """
    counts: list[int] = []

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        each = _per_output(module, biases)
        counts.append(each(output) // 2)  # two images: batch norm refuses to learn from one value

    handles = [module.register_forward_hook(count) for module in network.modules() if isinstance(module, COUNTED)]
    shells = {name: torch.empty_like(tensor, device="meta") for name, tensor in network.named_parameters()}
    shells |= {name: torch.empty_like(tensor, device="meta") for name, tensor in network.named_buffers()}
    dtype = next((tensor.dtype for tensor in network.parameters()), torch.float32)
    try:
        with torch.no_grad():
            functional_call(network, shells, (torch.empty(2, *image_shape, device="meta", dtype=dtype),))
    finally:
        for handle in handles:
            handle.remove()
    return sum(counts)


COUNTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, PartialConv2d, Subsampling, EuclideanRBF)


def _per_output(module: nn.Module, biases: bool) -> Callable[[Tensor], int]:
    """Return how to count the connections from the output of a layer."""
    if isinstance(module, PartialConv2d):
        fan_in = sum(len(inputs) * module.kernel_size**2 + biases for inputs in module.table)
        return lambda out: out.numel() // out.shape[1] * fan_in
    if isinstance(module, Subsampling):
        return lambda out: out.numel() * (module.size**2 + biases)
    if isinstance(module, EuclideanRBF):
        return lambda out: out.numel() * module.codes.shape[1]
    weight, bias = module.weight, module.bias
    fan_in = weight[0].numel() + (biases and bias is not None)  # type: ignore[index]
    return lambda out: out.numel() * fan_in
