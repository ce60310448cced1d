"""What transfer needs of a network: its head, its blocks from input to output, and the features before the head."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from strata.models.registry import Blocks, ModelInfo, model_info

__all__ = ["blocks_of", "features_of", "head_of", "replace_head"]


def _info(network: nn.Module) -> ModelInfo | None:
    name = getattr(network, "strata_name", None)
    return model_info(name) if isinstance(name, str) else None


def head_of(network: nn.Module) -> str:
    """Find the last layer with weights.

    Parameters
    ----------
    network : torch.nn.Module
        Built by :func:`strata.models.build`, or any other.

    Returns
    -------
    name : str
        Dotted name of the layer. For a network of one's own it is the linear layer, convolution or layer with a method
        ``with_outputs`` (such as :class:`strata.nn.EuclideanRBF`) that was registered last.

    Raises
    ------
    ValueError
        If the network has neither a linear layer nor a convolution.

    Examples
    --------
    >>> from strata.models import build
    >>> head_of(build("resnet20")), head_of(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
    ('linear', '2')
    """
    info = _info(network)
    if info is not None:
        return info.head
    names: list[str] = [
        name
        for name, module in network.named_modules()
        if name and (isinstance(module, (nn.Linear, nn.Conv2d)) or hasattr(module, "with_outputs"))
    ]
    if not names:
        raise ValueError(
            "`network` must contain a linear layer or a convolution to have a head. "
            f"Received: network={type(network).__name__}."
        )
    return names[-1]


def replace_head(network: nn.Module, n_classes: int, *, seed: int | None = None) -> None:
    """Give a network a new last layer, with fresh weights and another number of outputs.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place. Auxiliary classifiers of a registered network get new last layers too.
    n_classes : int
        Outputs of the new head, at least 1.
    seed : int, optional
        Seed of the fresh weights; by default torch's global generator is drawn from.

    Raises
    ------
    ValueError
        If ``n_classes`` is not at least 1, or the network has no head.

    Examples
    --------
    >>> from strata.models import build
    >>> network = build("resnet20")
    >>> replace_head(network, 3, seed=0)
    >>> network.linear
    Linear(in_features=64, out_features=3, bias=True)
    """
    if isinstance(n_classes, bool) or not isinstance(n_classes, int) or n_classes < 1:
        raise ValueError(f"`n_classes` must be an integer of at least 1. Received: n_classes={n_classes!r}.")
    info = _info(network)
    present = dict(network.named_modules())
    names = [head_of(network), *(name for name in (info.other_heads if info else ()) if name in present)]
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        for name in names:
            parent, _, last = name.rpartition(".")
            setattr(network.get_submodule(parent), last, _with_outputs(present[name], n_classes))


def _with_outputs(head: nn.Module, n_classes: int) -> nn.Module:
    """Return a layer like this one with fresh weights and so many outputs."""
    if isinstance(head, nn.Linear):
        where = {"device": head.weight.device, "dtype": head.weight.dtype}
        return nn.Linear(head.in_features, n_classes, bias=head.bias is not None, **where)
    if isinstance(head, nn.Conv2d):
        return nn.Conv2d(
            head.in_channels,
            n_classes,
            head.kernel_size,  # type: ignore[arg-type]
            stride=head.stride,  # type: ignore[arg-type]
            padding=head.padding,  # type: ignore[arg-type]
            bias=head.bias is not None,
            device=head.weight.device,
            dtype=head.weight.dtype,
        )
    own: Callable[[int], nn.Module] | None = getattr(head, "with_outputs", None)
    if own is None:
        raise ValueError(
            f"`network` must end in a linear layer or a convolution to get a new head. Received: {type(head).__name__}."
        )
    return own(n_classes)


def features_of(network: nn.Module, x: Tensor) -> Tensor:
    """Compute what the head of a network sees.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode.
    x : Tensor of shape (N, C, H, W), float
        Normalised images.

    Returns
    -------
    features : Tensor of shape (N, D)
        The inputs of the head; where the head is a convolution, their mean over the image.

    Raises
    ------
    ValueError
        If the network is in training mode: dropout and batch statistics would make features of one image depend on
        chance and on the other images.

    Examples
    --------
    >>> from strata.models import build
    >>> features_of(build("resnet20").eval(), torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 64])
    """
    if network.training:
        raise ValueError("`network` must be in evaluation mode. Received: one in training mode; call network.eval().")
    seen: list[Tensor] = []
    head = network.get_submodule(head_of(network))
    handle = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        network(x)
    finally:
        handle.remove()
    features = seen[-1]
    if isinstance(head, nn.Conv2d):
        return features.mean(dim=(2, 3))
    return features.flatten(1)


def blocks_of(network: nn.Module) -> Blocks:
    """Group the parameters of a network from the input to the head.

    Parameters
    ----------
    network : torch.nn.Module
        Built by :func:`strata.models.build`, or any other.

    Returns
    -------
    blocks : tuple of tuple of str
        Prefixes of parameter names; the first block is nearest to the input, the last is the head. For a network of
        one's own the blocks are its top-level children in the order of their registration; where these are only one or
        two sequences, the parts of the sequences. A normalisation belongs to the layer before it.

    Examples
    --------
    >>> from strata.models import build
    >>> blocks_of(build("resnet20"))
    (('conv1', 'bn1'), ('layer1',), ('layer2',), ('layer3',), ('linear',))
    >>> blocks_of(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2)))
    (('0', '1'), ('3',))
    """
    own: Blocks | None = vars(network).get("strata_blocks")
    if own is not None:
        return own
    info = _info(network)
    if info is not None:
        names = [name for name, _ in network.named_parameters()]
        present = (
            tuple(prefix for prefix in block if any(name.startswith(f"{prefix}.") for name in names))
            for block in info.blocks
        )
        return tuple(block for block in present if block)
    parts = list(network.named_children())
    while 1 <= len(parts) <= 2 and any(isinstance(module, nn.Sequential) for _, module in parts):
        parts = [pair for name, module in parts for pair in _expanded(name, module)]
    blocks: list[list[str]] = []
    for name, module in parts:
        if not any(True for _ in module.parameters()):
            continue
        if blocks and _is_normalisation(module):
            blocks[-1].append(name)
        else:
            blocks.append([name])
    return tuple(tuple(block) for block in blocks)


def _expanded(name: str, module: nn.Module) -> list[tuple[str, nn.Module]]:
    if not isinstance(module, nn.Sequential):
        return [(name, module)]
    return [(f"{name}.{child}", part) for child, part in module.named_children()]


def _is_normalisation(module: nn.Module) -> bool:
    kinds = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.modules.instancenorm._InstanceNorm)
    return isinstance(module, kinds)
