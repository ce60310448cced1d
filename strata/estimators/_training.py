"""From an estimator's arguments to the rule that trains its network."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from strata.engine import Checkpointing
from strata.estimators._parameters import build_optimizer, build_penalty, build_schedule
from strata.nn.dense import DenseLoss, DenseNetwork, DenseSpec
from strata.nn.init import initialize
from strata.rules.base import Rule
from strata.rules.compiled import CompiledDense
from strata.rules.gradient import GradientDescent
from strata.rules.lbfgs import LBFGSRule
from strata.rules.lbfgsb import LBFGSBRule
from strata.rules.optimizers import LBFGS, OptimizerSpec

__all__ = [
    "CallableLoss",
    "Trainer",
    "build_network",
    "build_trainer",
    "checked_device",
    "checkpointing",
    "chosen_device",
    "shares_memory",
]

#: Floating-point operations of one step from which an accelerator beats the processor.
_FLOPS_FOR_ACCELERATOR = 2e9


@dataclass
class Trainer:
    """A network, the rule that trains it, and how."""

    network: DenseNetwork
    rule: Rule
    engine: str
    optimizer: Any
    device: torch.device
    loss: Callable[[Tensor, Tensor, Tensor | None], Tensor]

    @property
    def on_accelerator(self) -> bool:
        """Whether the optimizer keeps its state outside the host's memory."""
        optimizer = getattr(self.rule, "optimizer", None)
        if not isinstance(optimizer, torch.optim.Optimizer):
            return False
        return any(
            isinstance(value, Tensor) and value.device.type != "cpu" and value.ndim
            for slots in optimizer.state.values()
            for value in slots.values()
        )


class CallableLoss:
    """A loss of the user's, given the targets in the form that its kind of head has."""

    def __init__(self, function: Callable[..., Tensor], *, index_targets: bool) -> None:
        self.function = function
        self.index_targets = index_targets
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def __call__(self, scores: Tensor, targets: Tensor, sample_weight: Tensor | None) -> Tensor:
        """Return the loss of a batch, a tensor of shape ()."""
        loss = self.function(scores, targets[:, 0].long() if self.index_targets else targets, sample_weight)
        if not isinstance(loss, Tensor) or loss.ndim:
            received = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else repr(loss)
            raise ValueError(
                f"`loss` must return one number for the batch, a tensor of shape (). Received: {received}. "
                "Return the mean over the rows."
            )
        return loss


def build_network(
    spec: DenseSpec,
    dtype: Any,
    *,
    scheme: str,
    sigma: float,
    activation: str | Sequence[str],
    random_state: np.random.RandomState,
) -> DenseNetwork:
    """Draw the first weights; nothing else is drawn unless units are dropped."""
    shapes = spec.weight_shapes
    weights = [np.empty(shape, dtype=dtype) for shape in shapes]
    biases = [np.empty(shape[1], dtype=dtype) for shape in shapes]
    # scikit-learn looks at the hidden activation for the output layer too
    following = activation if isinstance(activation, str) else [*spec.hidden_activations, spec.hidden_activations[-1]]
    initialize(
        weights,
        biases,
        "glorot_uniform" if scheme == "auto" else scheme,
        random_state=random_state,
        activation=following,
        sigma=sigma,
    )
    seed = int(random_state.randint(np.iinfo(np.int32).max)) if spec.dropout else 0
    return DenseNetwork.from_arrays(spec, weights, biases, seed=seed)


def shares_memory(network: DenseNetwork, coefs: Sequence[Any], intercepts: Sequence[Any]) -> bool:
    """Whether the arrays still are the network's parameters."""
    parameters = [*network.weights, *network.biases]
    arrays = [*coefs, *intercepts]
    return len(parameters) == len(arrays) and all(
        isinstance(array, np.ndarray)
        and array.shape == tuple(parameter.shape)
        and array.__array_interface__["data"][0] == parameter.data_ptr()
        for parameter, array in zip(parameters, arrays, strict=True)
    )


def _loss_of(estimator: Any, spec: DenseSpec) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    loss = getattr(estimator, "loss", "auto")
    if callable(loss):
        return CallableLoss(loss, index_targets=spec.heads[0].index_targets)
    return DenseLoss(spec)


def _why_not_compiled(estimator: Any, spec: DenseSpec, optimizer: Any) -> str | None:
    """Return why the compiled rule cannot take the work, or None."""
    if callable(getattr(estimator, "loss", "auto")):
        return "the loss is a function of your own"
    if not isinstance(optimizer, OptimizerSpec):
        return "the solver is a function of your own"
    if estimator.precision != "full":
        return "reduced precision is autograd's"
    if estimator.device != "auto" and checked_device(estimator.device).type != "cpu":
        return f"the device is {estimator.device!r}"
    reason: str | None = CompiledDense.supports(spec, optimizer=optimizer, penalty=build_penalty(estimator))
    return reason


def checked_device(name: str) -> torch.device:
    """Return a device by name, if this machine has it."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"`device` must be 'auto', 'cpu' or an accelerator that this machine has. Received: device={name!r}. "
            "Use device='auto'."
        ) from error
    return device


def chosen_device(name: str, *, flops: float, double: bool) -> torch.device:
    """Return the device that is asked for, or with "auto" an accelerator for steps of many operations."""
    if name != "auto":
        device = checked_device(name)
        if double and device.type == "mps":
            raise ValueError(
                f"`device` must be one that computes in float64, as X has it. Received: device={name!r}. "
                "Give X as float32, or use device='cpu'."
            )
        return device
    if flops >= _FLOPS_FOR_ACCELERATOR:
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available() and not double:
            return torch.device("mps")
    return torch.device("cpu")


def _device_of(estimator: Any, network: DenseNetwork) -> torch.device:
    """Return the device: what was asked for, or an accelerator for a large network where there is one."""
    double = network.weights[0].dtype == torch.float64
    rows = 200 if estimator.batch_size == "auto" else int(estimator.batch_size)
    return chosen_device(estimator.device, flops=6 * rows * network.spec.n_parameters, double=double)


def _check_reach(estimator: Any, network: DenseNetwork, optimizer: Any) -> None:
    """Refuse arguments that would silently change nothing."""
    if isinstance(optimizer, LBFGS):
        for name, idle in (("grad_clip", None), ("schedule", None), ("precision", "full")):
            value = getattr(estimator, name)
            if value != idle:
                raise ValueError(
                    f"`{name}` must be {idle!r} with the solver 'lbfgs', whose line search sets every step. "
                    f"Received: {name}={value!r}. Use another solver, such as 'adam'."
                )
    if estimator.precision != "full" and network.weights[0].dtype == torch.float64:
        raise ValueError(
            "`precision` must be 'full' for float64, which mixed precision leaves as it is. "
            f"Received: precision={estimator.precision!r}. Give X as float32."
        )


def build_trainer(estimator: Any, network: DenseNetwork) -> Trainer:
    """Build the rule that ``engine`` asks for, or the faster of those that apply."""
    spec, optimizer = network.spec, build_optimizer(estimator)
    _check_reach(estimator, network, optimizer)
    reason = _why_not_compiled(estimator, spec, optimizer)
    if estimator.engine == "compiled" and reason is not None:
        raise ValueError(
            f"`engine`='compiled' cannot train this network: {reason}. Use engine='auto' or engine='autograd'."
        )
    device = _device_of(estimator, network)
    compiled = estimator.engine == "compiled" or (
        estimator.engine == "auto" and reason is None and device.type == "cpu"
    )
    schedule = build_schedule(estimator)
    loss = _loss_of(estimator, spec)
    common: dict[str, Any] = {"penalty": build_penalty(estimator), "clip_norm": estimator.grad_clip}
    figures: dict[str, Any] = {"report_scale": estimator._report_scale(), "count_rows": True}
    # by name the search is scikit-learn's, by SciPy; as a record it is torch's, which resumes without repeating
    quasi_newton: Any = LBFGSBRule if estimator.solver == "lbfgs" else LBFGSRule
    rule: Rule
    if compiled:
        rule = CompiledDense(
            network, optimizer=optimizer, schedule=schedule, n_threads=estimator.n_threads, **common, **figures
        )
        if isinstance(optimizer, LBFGS):
            rule = quasi_newton(rule, optimizer=optimizer)
    else:
        network.to(device)
        if isinstance(optimizer, LBFGS):
            rule = quasi_newton(network, loss, optimizer=optimizer, penalty=common["penalty"])
        else:
            rule = GradientDescent(
                network,
                loss,
                optimizer=optimizer,
                schedule=schedule,
                precision=estimator.precision,
                **common,
                **figures,
            )
    return Trainer(network, rule, "compiled" if compiled else "autograd", optimizer, device, loss)


def checkpointing(checkpoint: Any) -> Checkpointing | None:
    """Return where checkpoints go."""
    if checkpoint is None or isinstance(checkpoint, Checkpointing):
        return checkpoint
    return Checkpointing(os.fspath(checkpoint))
