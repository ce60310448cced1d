"""The optimizer of a rule: groups of parameters with their own decay and rate, and the fused update."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import nn

from strata._names import unknown_name
from strata.rules._checks import check_number
from strata.rules.optimizers import LBFGS, OptimizerSpec, describe_optimizer, get_optimizer

__all__ = ["BuiltOptimizer", "OptimizerBuilder", "build_optimizer", "rate_factors"]

#: ``build(parameters)`` returning an optimizer.
OptimizerBuilder: TypeAlias = Callable[[list[nn.Parameter]], torch.optim.Optimizer]

_FUSED = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW)


class BuiltOptimizer:
    """An optimizer with what its record knew: its description, its base rate, and where it stops.

    Attributes
    ----------
    optimizer : torch.optim.Optimizer
        Over groups of parameters.
    description : dict
        Name and constants, JSON-able.
    threshold : float or None
        Largest derivative at which it stops.
    base : float
        Rate that the factors multiply.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, description: dict[str, Any], threshold: float | None, base: float
    ) -> None:
        self.optimizer, self.description, self.threshold, self.base = optimizer, description, threshold, base


def rate_factors(network: nn.Module, rates: Mapping[str, float]) -> dict[int, float]:
    """Return what multiplies the base rate of each parameter, by the parameter's id.

    The longest prefix counts; a parameter without any has factor 1.

    Raises
    ------
    ValueError
        If a prefix is neither a parameter nor a module of the network, or a factor is not positive.
    TypeError
        If ``rates`` is no mapping, or a factor is no number.
    """
    if not isinstance(rates, Mapping):
        raise TypeError(f"`rates` must map names of modules to factors. Received: rates={rates!r}.")
    parameters = dict(network.named_parameters())
    known = {*parameters, *(name for name, _ in network.named_modules() if name)}
    for prefix, factor in rates.items():
        if prefix not in known:
            raise ValueError(unknown_name("`rates` parameter or module", prefix, known))
        check_number(f"rates[{prefix!r}]", factor, above=0)
    factors: dict[int, float] = {}
    for name, parameter in parameters.items():
        matches = [prefix for prefix in rates if name == prefix or name.startswith(f"{prefix}.")]
        factors[id(parameter)] = float(rates[max(matches, key=len)]) if matches else 1.0
    return factors


def build_optimizer(
    optimizer: str | OptimizerSpec | OptimizerBuilder,
    weights: list[nn.Parameter],
    others: list[nn.Parameter],
    *,
    factors: Mapping[int, float],
    fused: bool,
) -> BuiltOptimizer:
    """Return the optimizer over groups: weights, then the other parameters without decay, for each factor."""
    by_rate = any(factor != 1.0 for factor in factors.values())
    if callable(optimizer) and not isinstance(optimizer, OptimizerSpec):
        if by_rate:
            raise ValueError(
                "`rates` must come with an optimizer by name or record. Received: a function as `optimizer`, which "
                "sets the rates of its own groups."
            )
        built = optimizer([*weights, *others])
        if not isinstance(built, torch.optim.Optimizer):
            raise TypeError(f"`optimizer` must return a torch.optim.Optimizer. Received: {built!r}.")
        return BuiltOptimizer(built, {"name": type(built).__name__}, None, float(built.param_groups[0]["lr"]))
    spec = get_optimizer(optimizer)
    if isinstance(spec, LBFGS):
        raise ValueError("`optimizer` must update from one gradient. Received: LBFGS. Use `LBFGSRule`.")
    groups: list[dict[str, Any]] = []
    for factor in sorted({factors.get(id(parameter), 1.0) for parameter in [*weights, *others]}, reverse=True):
        for parameters, changes in ((weights, {}), (others, {"weight_decay": 0.0})):
            members = [each for each in parameters if factors.get(id(each), 1.0) == factor]
            if members:
                rate = {"lr": spec.learning_rate * factor} if by_rate else {}
                groups.append({"params": members, **changes, **rate})
    made = spec.build(groups)
    if fused:
        _fuse(made)
    return BuiltOptimizer(made, describe_optimizer(spec), getattr(spec, "threshold", None), spec.learning_rate)


def _fuse(optimizer: torch.optim.Optimizer) -> None:
    """Let one kernel update all parameters of a group, where torch has one and the parameters suit it."""
    if type(optimizer) not in _FUSED:
        return
    for group in optimizer.param_groups:
        if all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in group["params"]):
            group["fused"], group["foreach"] = True, False
