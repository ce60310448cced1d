"""What every layer of weights computes on some rows: pre-activations, activations, errors, gradients.

A dense network of ours says it itself. In any other module the layers are found by forward hooks, in the order in which
they run, and the activation behind each by watching the calls of torch's functions, so that ``F.relu(self.conv(x))`` is
seen as well as ``nn.ReLU``. Both look at a copy that the caller owns: training never notices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from strata.data.sources import Batch
from strata.nn.dense import DenseNetwork

__all__ = ["LayerSight", "calm", "see_layers", "weighted_layers"]

_NORMALIZATIONS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_CONVOLUTIONS = (nn.modules.conv._ConvNd,)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
#: What torch calls its functions -> what we call the activation.
_FUNCTIONS = {
    "celu": "celu", "elu": "elu", "gelu": "gelu", "hardsigmoid": "hardsigmoid", "hardswish": "hardswish",
    "hardtanh": "hardtanh", "leaky_relu": "leaky_relu", "log_softmax": "log_softmax", "logsigmoid": "log_sigmoid",
    "mish": "mish", "prelu": "prelu", "relu": "relu", "relu6": "relu6", "rrelu": "rrelu", "selu": "selu",
    "sigmoid": "logistic", "silu": "silu", "softmax": "softmax", "softplus": "softplus", "softsign": "softsign",
    "tanh": "tanh",
}  # fmt: skip

Loss = Callable[[Any, Any, Tensor | None], Tensor]


class LayerSight(NamedTuple):
    """One layer of weights on some rows; positions of a picture or a sequence count as rows."""

    name: str
    activation: str
    z: Tensor  # (rows, units)
    a: Tensor  # (rows, units)
    delta: Tensor  # (rows, units): gradient of the loss with respect to z
    weight: Tensor  # (inputs, units)
    gradient: Tensor  # of the loss with respect to all weights of the layer, in any shape


def see_layers(network: nn.Module, loss: Loss, batch: Batch) -> tuple[float, list[LayerSight]]:
    """Return the loss of a batch and the sight of every layer of weights, in the order of the computation.

    Parameters
    ----------
    network : nn.Module
        A copy that may be changed; see :func:`calm`.
    loss : callable
        ``loss(scores, targets, sample_weight)``.
    batch : Batch
        Rows on the device of the network.

    Returns
    -------
    loss : float
        As it is, also where it is not finite.
    sights : list of LayerSight
        Without layers that did not run.

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    >>> rows = Batch(torch.zeros(4, 2), torch.zeros(4, 1))
    >>> value, sights = see_layers(network, lambda scores, y, weight: (scores - y).square().mean(), rows)
    >>> [(sight.name, sight.activation, tuple(sight.z.shape)) for sight in sights]
    [('0', 'tanh', (4, 3)), ('2', 'identity', (4, 1))]
    """
    return _see_dense(network, loss, batch) if isinstance(network, DenseNetwork) else _see_module(network, loss, batch)


@contextmanager
def calm(network: nn.Module) -> Iterator[None]:
    """Let nothing be random inside: no dropout, normalization by the batch as in training, torch's generators kept."""
    recurrent = [part for part in network.modules() if isinstance(part, nn.RNNBase)]
    modes, drops = {part: part.training for part in network.modules()}, [part.dropout for part in recurrent]
    devices = list({part.device for part in network.parameters() if part.device.type == "cuda"})
    network.eval()
    for part in network.modules():
        if isinstance(part, (*_NORMALIZATIONS, nn.RNNBase)):
            part.train()
    for part in recurrent:
        part.dropout = 0.0
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            for part, mode in modes.items():
                part.training = mode
            for part, drop in zip(recurrent, drops, strict=True):
                part.dropout = drop


def _see_dense(network: DenseNetwork, loss: Loss, batch: Batch) -> tuple[float, list[LayerSight]]:
    spec = network.spec
    with torch.enable_grad():
        pairs = network.activations(batch.x)
        z = [pair[0] for pair in pairs]
        value = loss(z[-1], batch.y, batch.sample_weight)
        deltas = torch.autograd.grad(value, z)
    units = (*spec.hidden_activations, spec.heads[0].output_activation)
    names = [*(f"hidden {place + 1}" for place in range(spec.n_layers - 1)), "output"]
    inputs, sights = batch.x, []
    for place, matrix in enumerate(network.matrices()):
        scale = 1 - spec.dropout[place] if spec.dropout and spec.dropout_form == "rescaling" else 1.0
        gradient = (inputs * scale).T @ deltas[place]  # (n_in, n_out)
        inputs = pairs[place][1].detach()
        sights.append(
            LayerSight(names[place], units[place], z[place].detach(), inputs, deltas[place], matrix.detach(), gradient)
        )
    return float(value.detach()), sights


def weighted_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Return the modules that hold trained matrices or kernels themselves, by path."""
    found: dict[str, nn.Module] = {}
    for path, part in network.named_modules():
        if isinstance(part, (*_NORMALIZATIONS, nn.ParameterList, nn.ParameterDict)) or not _weights(part):
            continue
        if ".parametrizations" in f".{path}" or any(path.startswith(f"{above}.") for above in found):
            continue
        below = (child for name, child in part.named_children() if name != "parametrizations")
        if isinstance(part, nn.MultiheadAttention) or not any(_weights(child) for child in below):
            found[path] = part
    return found


def _weights(part: nn.Module) -> list[nn.Parameter]:
    return [value for value in part.parameters() if value.ndim >= 2]


class _Watch(TorchFunctionMode):
    """Hear of every activation function that is called, whether by a module or by hand."""

    def __init__(self, hear: Callable[[str, Tensor], None]) -> None:
        super().__init__()
        self._hear = hear

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = _FUNCTIONS.get(getattr(func, "__name__", "").rstrip("_"))
        if name is not None and isinstance(result, Tensor):
            self._hear(name, result)
        return result


class _Pass:
    """One forward pass: the layers that ran, what they gave, and what followed them."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.z: dict[str, list[Tensor]] = {}
        self.after: dict[str, tuple[str, Tensor]] = {}

    def hook(self, path: str) -> Any:
        def keep(part: nn.Module, given: Any, output: Any) -> Any:
            first = output[0] if isinstance(output, tuple) else output
            if not isinstance(first, Tensor) or not first.is_floating_point():
                return output
            if not first.requires_grad:  # below it nothing learns
                first = first.detach().requires_grad_()
            self.ran.append(path)
            self.z.setdefault(path, []).append(first)
            passed = first.clone()  # an activation in place must not change what is looked at
            return (passed, *output[1:]) if isinstance(output, tuple) else passed

        return keep

    def hear(self, name: str, result: Tensor) -> None:
        if not self.ran or self.ran[-1] in self.after:
            return
        z = self.z[self.ran[-1]][-1]
        if name in ("softmax", "log_softmax") and result.shape != z.shape:
            return  # of an attention, not of the units
        self.after[self.ran[-1]] = (name, result.detach().clone())


def _see_module(network: nn.Module, loss: Loss, batch: Batch) -> tuple[float, list[LayerSight]]:
    layers, seen = weighted_layers(network), _Pass()
    with ExitStack() as stack, torch.enable_grad():
        for path, part in layers.items():
            stack.callback(part.register_forward_hook(seen.hook(path)).remove)
        with _Watch(seen.hear):
            scores = network(batch.x)
        value = loss(scores, batch.y, batch.sample_weight)
    order = list(dict.fromkeys(seen.ran))
    z = [each for path in order for each in seen.z[path]]
    weights = [weight for path in order for weight in _weights(layers[path]) if weight.requires_grad]
    if not value.requires_grad:
        return float(value), []
    found = torch.autograd.grad(value, [*z, *weights], allow_unused=True)
    deltas = {id(each): grad for each, grad in zip([*z, *weights], found, strict=True) if grad is not None}
    return float(value.detach()), [_sight(path, layers[path], seen, deltas) for path in order]


def _sight(path: str, part: nn.Module, seen: _Pass, deltas: dict[int, Tensor]) -> LayerSight:
    z = torch.cat([_rows(each, part) for each in seen.z[path]]).detach()
    delta = torch.cat([_rows(deltas.get(id(each), torch.zeros_like(each)), part) for each in seen.z[path]])
    gradients = [deltas.get(id(weight), torch.zeros_like(weight)).flatten() for weight in _weights(part)]
    name, a = ("tanh" if isinstance(part, nn.RNNBase) else "identity"), z
    if path in seen.after:
        unit, result = seen.after[path]
        if result.ndim > 1 and result.shape[1 if _channels_first(part) and result.ndim > 2 else -1] == z.shape[1]:
            name, a = unit, _rows(result, part)
    return LayerSight(path or type(part).__name__, name, z, a, delta, _matrix(part), torch.cat(gradients))


def _channels_first(part: nn.Module) -> bool:
    return isinstance(part, _CONVOLUTIONS)


def _rows(values: Tensor, part: nn.Module) -> Tensor:
    """Return values of shape (rows times positions, units)."""
    if _channels_first(part) and values.ndim > 2:
        values = values.movedim(1, -1)
    return values.reshape(-1, values.shape[-1]) if values.ndim else values.reshape(1, 1)


def _matrix(part: nn.Module) -> Tensor:
    """Return the incoming weights of each unit as a column: of a recurrent layer those of the inputs."""
    weight = next((each for each in (getattr(part, "weight", None),) if isinstance(each, Tensor)), _weights(part)[0])
    weight = weight.detach()
    if isinstance(part, (nn.Embedding, nn.EmbeddingBag)):
        return weight
    if isinstance(part, _TRANSPOSED):
        weight = weight.transpose(0, 1)
    return weight.flatten(1).T
