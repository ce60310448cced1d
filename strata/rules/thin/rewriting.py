"""The same network with its thin layers computed the fast way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from strata.rules.thin.layers import ThinConv, ThinPool, is_thin, make_ready

__all__ = ["ThinForm"]

_MODELS = "strata.models."


class ThinForm:
    """What computes a network's training pass with fast thin layers, where it has any.

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
    covers_all : bool
        Whether all convolutions are.
    """

    def __init__(self, network: nn.Module) -> None:
        convolutions = [layer for layer in network.modules() if isinstance(layer, nn.modules.conv._ConvNd)]
        thin = [is_thin(layer) for layer in convolutions]
        self._call = _rewritten(network) if any(thin) and _is_known(network) else None
        self.found = self._call is not None
        self.covers_all = self.found and all(thin)

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
        make_ready()


def _rewritten(network: nn.Module) -> Callable[[Tensor], Any] | None:
    """Return the training pass of a network with its thin layers replaced; None where one pass does not say it all."""
    training = network.training
    network.train()  # what its own code asks; the modes of single layers are looked at when they are called
    try:
        graph = _Tracer().trace(network)
    except fx.proxy.TraceError:
        return None
    finally:
        network.train(training)
    _replace(graph, dict(network.named_modules()))
    graph.lint()
    call: Callable[[Tensor], Any] = fx.GraphModule(network, graph).forward
    return call


def _is_known(network: nn.Module) -> bool:
    return type(network) is nn.Sequential or type(network).__module__.startswith(_MODELS)


class _Tracer(fx.Tracer):
    """Look into networks of ours and sequences only; layers, and modules of others, are called as they are."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Say whether to call a module rather than to look into it."""
        return not _is_known(m) or next(m.children(), None) is None


def _replace(graph: fx.Graph, modules: dict[str, nn.Module]) -> None:
    """Put fast layers in the place of thin convolutions, and of 2x2 pooling with the rectifier beside it."""

    def layer(node: Any) -> nn.Module | None:
        return modules[node.target] if isinstance(node, fx.Node) and node.op == "call_module" else None

    for node in list(graph.nodes):
        module = layer(node)
        if module is not None and is_thin(module):
            _call_instead(graph, node, ThinConv(module), node.args[0])  # type: ignore[arg-type]
        elif _is_plain_pool(module):
            before = node.args[0]
            rectified = type(layer(before)) is nn.ReLU and len(before.users) == 1
            _call_instead(graph, node, ThinPool(rectified=rectified), before.args[0] if rectified else before)
            if rectified:
                graph.erase_node(before)


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


def _call_instead(graph: fx.Graph, node: fx.Node, function: Callable[[Tensor], Tensor], argument: Any) -> None:
    with graph.inserting_before(node):
        new = graph.create_node("call_function", _named(function), (argument,))
    node.replace_all_uses_with(new)
    graph.erase_node(node)


def _named(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return a function with the name that the graph's code needs."""

    def thin_layer(x: Tensor) -> Tensor:
        return function(x)

    return thin_layer
