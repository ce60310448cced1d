"""Which parameters of a network are weights, how their penalty acts, and which are frozen.

A **weight** is a parameter with two axes or more whose last name does not contain ``bias`` and that does not belong
to a normalization layer: matrices of dense layers, kernels of convolutions, embeddings. Biases, gains of
normalizations and slopes of PReLU are never penalized and never decay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from strata._names import unknown_name
from strata.functional.penalties import Penalty
from strata.nn.dense import DenseNetwork

__all__ = ["Weight", "WeightPenalty", "freeze", "split_parameters"]

_NORMALIZATIONS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


class Weight(NamedTuple):
    """A weight, and the axis that numbers the units: their incoming vectors lie along all others."""

    name: str
    parameter: nn.Parameter
    units: int


def _owned_parameters(network: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Module, nn.Module]]:
    """Yield each parameter once, with the module that holds it and the one above a parameter list."""
    seen: set[int] = set()
    modules: dict[str, nn.Module] = dict(network.named_modules())
    for path, module in modules.items():
        above = modules.get(path.rpartition(".")[0], module)
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield (f"{path}.{name}" if path else name), parameter, module, above


def _unit_axis(module: nn.Module, above: nn.Module) -> int:
    """Return the axis that numbers the units: our dense networks hold ``(n_in, n_out)``, torch ``(n_out, n_in)``."""
    return 1 if isinstance(module, _TRANSPOSED) or isinstance(above, DenseNetwork) else 0


def split_parameters(network: nn.Module) -> tuple[list[Weight], list[nn.Parameter]]:
    """Return the trainable weights and the other trainable parameters, each in the network's order."""
    weights: list[Weight] = []
    others: list[nn.Parameter] = []
    for name, parameter, module, above in _owned_parameters(network):
        if not parameter.requires_grad:
            continue
        lists_biases = isinstance(module, nn.ParameterList) and "bias" in name.rpartition(".")[0].rpartition(".")[2]
        is_bias = "bias" in name.rpartition(".")[2] or lists_biases
        if parameter.ndim < 2 or is_bias or isinstance(module, _NORMALIZATIONS):
            others.append(parameter)
        else:
            weights.append(Weight(name, parameter, _unit_axis(module, above)))
    return weights, others


def freeze(network: nn.Module, frozen: Iterable[str]) -> list[nn.Module]:
    """Stop the gradient of the named parameters or modules, and return the modules to keep in evaluation mode.

    Raises
    ------
    ValueError
        If a name is neither a parameter nor a module of the network.
    """
    parameters = dict(network.named_parameters())
    modules = {name: module for name, module in network.named_modules() if name}
    still: list[nn.Module] = []
    for name in frozen:
        if name in parameters:
            parameters[name].requires_grad_(False)
        elif name in modules:
            modules[name].requires_grad_(False)
            still.append(modules[name])
        else:
            raise ValueError(unknown_name("`frozen` parameter or module", name, {*parameters, *modules}))
    return still


class WeightPenalty:
    """A penalty bound to the weights of one network: its value, its gradient, and what follows an update."""

    def __init__(self, penalty: Penalty, weights: list[Weight], factors: list[float] | None = None) -> None:
        self.penalty = penalty
        self.factors = [1.0] * len(weights) if factors is None else factors  # on the rate, of each weight
        self.weights = weights
        self.has_value = bool(weights) and (penalty.l1 > 0 or penalty.l2 > 0)
        self.in_gradient = bool(weights) and penalty.in_gradient
        self.after_step = bool(weights) and penalty.after_step

    @torch.no_grad()
    def value(self, total_weight: float) -> Tensor:
        """Return ``l1 sum |W| + l2/2 sum W^2``, divided by the batch's weight when the penalty is per sample."""
        return self.penalty.value((weight.parameter for weight in self.weights), total_weight=total_weight)

    @torch.no_grad()
    def add_gradient(self, total_weight: float) -> None:
        """Add the gradient to ``.grad`` of every weight that has one."""
        for _, weight, _ in self.weights:
            if weight.grad is not None:
                weight.grad.add_(self.penalty.gradient(weight, total_weight=total_weight))

    @torch.no_grad()
    def constrain(self, rate: float, total_weight: float) -> None:
        """Take the proximal step of L1, then bound the incoming vector of each unit."""
        for (_, weight, units), factor in zip(self.weights, self.factors, strict=True):
            rows = weight.movedim(units, 0).flatten(1).clone()
            self.penalty.constrain_(rows, rate * factor, total_weight=total_weight, dim=1)
            weight.movedim(units, 0).copy_(rows.view(weight.movedim(units, 0).shape))
