"""The same network with layers that are computed the fast way."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from strata.rules.fast.norm import FastNorm, is_plain_norm
from strata.rules.fast.norm import make_ready as make_norm_ready
from strata.rules.fast.thin import ThinConv, ThinPool, is_thin
from strata.rules.fast.thin import make_ready as make_thin_ready
from strata.rules.fast.winograd import SquareConv, is_square_convolution
from strata.rules.fast.winograd import make_ready as make_square_ready

__all__ = ["FastForm"]

_MODELS = "strata.models."


class FastForm:
    """What computes a network's training pass with fast layers, where it has any.

    In a network all of whose convolutions see few channels, those and the pooling; else convolutions of 3x3.

    Networks that are looked into: those of :mod:`strata.models`, and sequences of layers. What another network does in
    ``forward`` cannot be known from one pass through it.

    Parameters
    ----------
    network : nn.Module
        Looked at, not kept: copies of this object go with copies of the network.

    Attributes
    ----------
    found : bool
        Whether there is anything to compute faster.
    is_thin : bool
        Whether all convolutions see few channels. Then there is nothing for ``torch.compile`` to do.
    """

    def __init__(self, network: nn.Module) -> None:
        self._call = _rewritten(network) if _is_known(network) else None
        self.found = self._call is not None
        self.is_thin = self.found and _all_thin(network)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_call": None}

    def __call__(self, network: nn.Module, x: Tensor) -> Any:
        """Return what the network would return in training mode, but for rounding."""
        if x.dtype is not torch.float32:
            return network(x)
        if self._call is None:
            self._call = _rewritten(network)
        return network(x) if self._call is None else self._call(x)

    def make_ready(self) -> None:
        """Compile what the layers are made of, or load it."""
        if self.is_thin:
            make_thin_ready()
        else:
            make_square_ready()
            make_norm_ready()


def _rewritten(network: nn.Module) -> Callable[[Tensor], Any] | None:
    """Return the training pass of a network with its thin layers replaced; None where one pass does not say it all."""
    modules = dict(network.named_modules())
    if _has_hooks(network):
        return None
    replace = _replace_thin if _all_thin(network) else _replace_squares
    modes = {module: module.training for module in modules.values()}
    for module in modes:
        module.training = True  # what its own code asks; the modes of layers are looked at when they are called
    try:
        graph = _Tracer().trace(network)
    except fx.proxy.TraceError:
        return None
    finally:
        for module, mode in modes.items():
            module.training = mode
    if not replace(graph, modules):
        return None
    graph.lint()
    call: Callable[[Tensor], Any] = fx.GraphModule(network, graph).forward
    return call


def _is_known(network: nn.Module) -> bool:
    return type(network) is nn.Sequential or type(network).__module__.startswith(_MODELS)


def _has_hooks(module: nn.Module) -> bool:
    """Say whether a module does more than its own forward pass: pruned and weight-normalized layers do."""
    of_backward = module._backward_hooks or module._backward_pre_hooks
    return bool(module._forward_hooks or module._forward_pre_hooks or of_backward)


class _Tracer(fx.Tracer):
    """Look into networks of ours and sequences only; layers, and modules of others, are called as they are."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Say whether to call a module rather than to look into it."""
        return not _is_known(m) or _has_hooks(m) or next(m.children(), None) is None


def _all_thin(network: nn.Module) -> bool:
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.modules.conv._ConvNd)]
    return bool(convolutions) and all(is_thin(layer) for layer in convolutions)


def _layer(node: Any, modules: dict[str, nn.Module]) -> nn.Module | None:
    """Return the layer that a node calls; None where there is none, or one with hooks, which has to stay as it is."""
    layer = modules[str(node.target)] if isinstance(node, fx.Node) and node.op == "call_module" else None
    return None if layer is None or _has_hooks(layer) else layer


def _replace_squares(graph: fx.Graph, modules: dict[str, nn.Module]) -> int:
    """Put Winograd's convolution in the place of direct ones, and join what follows batch normalizations to them.

    Returns how many convolutions there were.
    """
    count = 0
    for node in list(graph.nodes):
        module = _layer(node, modules)
        if isinstance(module, nn.Conv2d) and is_square_convolution(module):
            _call_instead(graph, node, SquareConv(module), node.args[0])
            count += 1
    if count:
        _replace_norms(graph, modules)
    return count


def _replace_norms(graph: fx.Graph, modules: dict[str, nn.Module]) -> None:
    """Take batch normalizations together with the sum and the rectifier that follow them alone."""

    def only_user(node: fx.Node) -> fx.Node | None:
        return next(iter(node.users)) if len(node.users) == 1 else None

    for node in list(graph.nodes):
        module = _layer(node, modules)
        if not isinstance(module, nn.BatchNorm2d) or not is_plain_norm(module):
            continue
        chain, arguments = [node], [node.args[0]]
        follower = only_user(node)
        if follower is not None and follower.op == "call_function" and follower.target is operator.add:
            others = [other for other in follower.args if other is not node]
            if len(others) == 1 and isinstance(others[0], fx.Node):
                chain.append(follower)
                arguments.append(others[0])
                follower = only_user(follower)
        rectified = follower is not None and type(_layer(follower, modules)) is nn.ReLU
        if rectified:
            chain.append(follower)
        _call_instead(graph, chain.pop(), FastNorm(module, rectified=rectified), *arguments)
        for each in reversed(chain):
            graph.erase_node(each)


def _replace_thin(graph: fx.Graph, modules: dict[str, nn.Module]) -> int:
    """Put fast layers in the place of thin convolutions, and of 2x2 pooling with the rectifier before it.

    Returns how many convolutions there were.
    """
    count = 0
    for node in list(graph.nodes):
        module = _layer(node, modules)
        if isinstance(module, nn.Conv2d):
            _call_instead(graph, node, ThinConv(module), node.args[0])
            count += 1
        elif _is_plain_pool(module):
            before = node.args[0]
            rectified = type(_layer(before, modules)) is nn.ReLU and len(before.users) == 1
            _call_instead(graph, node, ThinPool(rectified=rectified), before.args[0] if rectified else before)
            if rectified:
                graph.erase_node(before)
    return count


def _is_plain_pool(module: nn.Module | None) -> bool:
    """Say whether a layer pools squares of four pixels that do not overlap."""
    if type(module) is not nn.MaxPool2d:
        return False
    pairs = [pair if isinstance(pair, tuple) else (pair, pair) for pair in (module.kernel_size, module.stride)]
    return (
        pairs == [(2, 2), (2, 2)]
        and module.padding in (0, (0, 0))
        and module.dilation in (1, (1, 1))
        and not module.ceil_mode
        and not module.return_indices
    )


def _call_instead(graph: fx.Graph, node: fx.Node, function: Callable[..., Tensor], *arguments: Any) -> None:
    with graph.inserting_before(node):
        new = graph.create_node("call_function", _named(function), arguments)
    node.replace_all_uses_with(new)
    graph.erase_node(node)


def _named(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a function with the name that the graph's code needs."""

    def fast_layer(*x: Tensor) -> Tensor:
        return function(*x)

    return fast_layer
