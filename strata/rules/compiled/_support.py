"""What surrounds a compiled call: data as the kernels want it, threads, and what cannot be compiled."""

from __future__ import annotations

import _thread
import ctypes
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from strata.functional.penalties import Penalty
from strata.nn.dense import DenseNetwork, DenseSpec
from strata.rules.compiled.activations import ACTIVATION_CODES
from strata.rules.compiled.loop import run_batches
from strata.rules.compiled.losses import LOSS_CODES
from strata.rules.optimizers import LBFGS, OptimizerSpec

__all__ = ["Arrays", "NO_WEIGHTS", "alias", "in_threads", "is_plain", "n_cores", "why_not_compiled"]

_LARGEST_COPY = 1 << 28  # bytes of inputs that are converted to the network's dtype at once
NO_WEIGHTS = {np.dtype(kind): np.empty(0, kind) for kind in ("float32", "float64")}


def alias(array: np.ndarray) -> np.ndarray:
    """View a read-only array as a writable one, which the kernels are compiled for; they only read it."""
    if array.flags.writeable:
        return array
    memory = (ctypes.c_ubyte * array.nbytes).from_address(array.ctypes.data)
    return np.ctypeslib.as_array(memory).view(array.dtype).reshape(array.shape)


class Arrays:
    """The data of a source as the kernels want it, converted once."""

    def __init__(self, dtype: np.dtype) -> None:
        self._dtype = dtype
        self._seen: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def _get(self, name: str, array: np.ndarray) -> np.ndarray:
        seen = self._seen.get(name)
        if seen is None or seen[0] is not array:
            converted = np.ascontiguousarray(array, dtype=self._dtype)
            self._seen[name] = seen = (array, alias(converted))
        return seen[1]

    def take(self, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """Return x, y and the weights, which are empty when there are none."""
        some = NO_WEIGHTS[self._dtype] if weights is None else self._get("weights", weights)
        return self._get("x", x), self._get("y", y), some

    def fits(self, x: np.ndarray) -> bool:
        """Tell whether x can be used as it lies, or is small enough for a copy."""
        return (x.dtype == self._dtype and x.flags.c_contiguous) or x.nbytes <= _LARGEST_COPY


def in_threads(n_helpers: int, arguments: tuple[Any, ...]) -> None:
    """Run the kernel in this thread and ask others to help; they leave by themselves, and are not waited for."""
    for helper in range(1, n_helpers + 1):
        _thread.start_new_thread(run_batches, (*arguments, helper))  # does not wait for it to begin, as Thread does
    body: Callable[..., None] = run_batches
    body(*arguments, 0)


def n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_plain(network: DenseNetwork) -> bool:
    kinds = {(parameter.dtype, parameter.device.type, parameter.requires_grad) for parameter in network.parameters()}
    return kinds in ({(torch.float32, "cpu", True)}, {(torch.float64, "cpu", True)})


def why_not_compiled(spec: DenseSpec, optimizer: OptimizerSpec, penalty: Penalty) -> str | None:
    """Return half a sentence that says why a network cannot be compiled, or None."""
    if spec.tied:
        return "its weights are tied"
    names = {*spec.hidden_activations, *(head.output_activation for head in spec.heads)}
    for name in sorted(names - ACTIVATION_CODES.keys()):
        return f"the activation {name!r} is not compiled"
    for head in spec.heads:
        if head.loss not in LOSS_CODES:
            return f"the loss {head.loss!r} is not compiled"
    if isinstance(optimizer, LBFGS):
        if any(spec.dropout):
            return "L-BFGS needs the same loss at every evaluation, and dropout changes it"
        if penalty.max_norm is not None or (penalty.l1 > 0 and penalty.l1_form == "proximal"):
            return "L-BFGS has no place for what the penalty does after a step"
    return None
