"""A linear layer on the maps of an earlier layer of a learned network."""

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from strata.models.heads import blocks_of

__all__ = ["LinearProbe", "probe_layers", "trunk_to"]

#: Rows and columns of places, at most, at which a probe sees the maps.
PLACES = 7
#: Features of an image, at most: fewer places where there are many maps.
MOST_FEATURES = 8192


class LinearProbe(nn.Module):
    r"""A network cut off behind one of its layers, and a linear layer on what comes out there.

    The maps are averaged over at most :math:`7 \times 7` places, laid out in a row, standardised, and weighed:

    .. math:: s = W\, (v - \mu) / (g \sigma) + b, \qquad v = \mathrm{vec}(\mathrm{pool}_{g_1 \times g_2}(h_l(x))),
              \quad g = \sqrt{g_1 g_2}

    Layers in the middle of a network know more that holds for other images than the last ones do [2]_, and keep the
    place at which they saw it.

    Parameters
    ----------
    network : nn.Module
        Whose layers up to ``layer`` are kept, not copied.
    layer : str
        Dotted name of a layer that gives maps.
    x : Tensor of shape (n, channels, h, w)
        Images of the size that the probe is for; on the device "meta" for a network there.
    n_outputs : int
        Scores.

    Raises
    ------
    ValueError
        If there is no such layer, it gives no maps, or it cannot be told what leads to it.

    References
    ----------
    .. [1] G. Alain, Y. Bengio, "Understanding intermediate layers using linear classifier probes", 2016.
    .. [2] J. Yosinski, J. Clune, Y. Bengio, H. Lipson, "How transferable are features in deep neural networks?", 2014.

    Examples
    --------
    >>> from strata.models import build
    >>> probe = LinearProbe(build("resnet20").eval(), "layer2", torch.zeros(1, 3, 32, 32), 5)
    >>> probe.head, probe(torch.zeros(2, 3, 32, 32)).shape
    (Linear(in_features=1568, out_features=5, bias=True), torch.Size([2, 5]))
    """

    mean: Tensor
    gain: Tensor

    def __init__(self, network: nn.Module, layer: str, x: Tensor, n_outputs: int) -> None:
        super().__init__()
        blocks = blocks_of(network)
        self.layer = layer
        self.trunk = trunk_to(network, layer)
        with torch.no_grad():
            maps = self.trunk.eval()(x[:1])
        if not isinstance(maps, Tensor) or maps.ndim != 4:
            shape = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
            raise ValueError(f"`layer` must give maps (n, channels, h, w). Received: layer={layer!r}, giving {shape}.")
        side = max(1, min(PLACES, int((MOST_FEATURES / maps.shape[1]) ** 0.5)))
        self.places = min(side, maps.shape[2]), min(side, maps.shape[3])
        n_features = maps.shape[1] * self.places[0] * self.places[1]
        where: dict[str, Any] = {"device": maps.device, "dtype": maps.dtype}
        self.register_buffer("mean", torch.zeros(n_features, **where))
        self.register_buffer("gain", torch.ones(n_features, **where))
        self.head = nn.Linear(n_features, n_outputs, **where)
        kept = {name for name, _ in self.trunk.named_parameters()}
        within = (tuple(p for p in block if any(k.startswith(f"{p}.") for k in kept)) for block in blocks)
        #: See :func:`strata.models.blocks_of`.
        self.strata_blocks = (*(tuple(f"trunk.{p}" for p in block) for block in within if block), ("head",))

    def standardise(self, features: Tensor) -> None:
        """Learn mean and deviation of features (n, d) as :meth:`look` gives them before anything was learned.

        Features that never change are left out of the scores.
        """
        deviation = features.std(0, correction=0)
        still = deviation <= 1e-6 * features.abs().amax(0).clamp(min=1e-6)
        places = (self.places[0] * self.places[1]) ** 0.5
        self.mean.copy_(features.mean(0))
        self.gain.copy_(torch.where(still, 0.0, 1 / (deviation * places)))

    def look(self, x: Tensor) -> Tensor:
        """Return the standardised features (n, d) of images."""
        rows = F.adaptive_avg_pool2d(self.trunk(x), self.places).flatten(1)
        return (rows - self.mean) * self.gain

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores (n, n_outputs) of images (n, channels, h, w)."""
        scores: Tensor = self.head(self.look(x))
        return scores


class _CoarseTracer(fx.Tracer):
    """Follows a network down to the modules beside the way to one layer, and not into them."""

    def __init__(self, layer: str) -> None:
        super().__init__()
        self.layer = layer

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not self.layer.startswith(f"{module_qualified_name}.")


def trunk_to(network: nn.Module, layer: str) -> fx.GraphModule:
    """Return what a network computes up to a layer, with the layer's output as its own.

    Parameters
    ----------
    network : nn.Module
        Its modules are shared, not copied, and keep their names.
    layer : str
        Dotted name.

    Returns
    -------
    trunk : GraphModule
        Without what comes after the layer, or beside it.

    Raises
    ------
    ValueError
        If there is no such layer, or what the network computes depends on the values that it sees.

    Examples
    --------
    >>> from strata.models import build
    >>> trunk = trunk_to(build("resnet20").eval(), "layer2")
    >>> [name for name, _ in trunk.named_children()], trunk(torch.zeros(1, 3, 32, 32)).shape
    (['conv1', 'bn1', 'relu', 'layer1', 'layer2'], torch.Size([1, 32, 16, 16]))
    """
    names = {name for name, _ in network.named_modules() if name}
    if layer not in names:
        raise ValueError(f"`layer` must be a layer of the network. Received: layer={layer!r}.")
    try:
        graph = _CoarseTracer(layer).trace(network)
    except (fx.proxy.TraceError, TypeError, RuntimeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"`network` must compute the same steps for every image to be cut at {layer!r}. Received: "
            f"{' '.join(str(error).split())[:160]}."
        ) from error
    calls = [node for node in graph.nodes if node.op == "call_module" and node.target == layer]
    if not calls:
        raise ValueError(f"`layer` must be a layer that the network calls. Received: layer={layer!r}.")
    for node in reversed(list(graph.nodes)):
        if node.op == "output":
            graph.erase_node(node)
            break
    with graph.inserting_after(calls[-1]):
        graph.output(calls[-1])
    graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output"))
    graph.lint()
    trunk = fx.GraphModule(network, graph, class_name=f"{type(network).__name__}Trunk")
    return trunk.train(network.training)


def probe_layers(network: nn.Module, x: Tensor) -> list[str]:
    """Return the layers that a probe can stand on: where each block of the network ends, if there are maps.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode.
    x : Tensor of shape (n, channels, h, w)
        Images; one is enough.

    Returns
    -------
    layers : list of str
        Dotted names, input side first. Empty for a network whose steps cannot be followed.

    Examples
    --------
    >>> from strata.models import build
    >>> probe_layers(build("resnet20").eval(), torch.zeros(1, 3, 32, 32))
    ['bn1', 'layer1', 'layer2', 'layer3']
    """
    found = []
    for block in blocks_of(network)[:-1]:
        try:
            with torch.no_grad():
                maps: Any = trunk_to(network, block[-1])(x[:1])
        except (ValueError, RuntimeError):
            continue
        if isinstance(maps, Tensor) and maps.ndim == 4:
            found.append(block[-1])
    return found
