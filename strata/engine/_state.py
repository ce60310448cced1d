"""Copies of nested state, random generators, and what must be the same for the same bits."""

from __future__ import annotations

import platform
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from strata.errors import TrainingMemoryError

if TYPE_CHECKING:
    from strata.rules.base import Rule

__all__ = [
    "copy_tree",
    "environment",
    "first_nonfinite",
    "generators",
    "host_copy",
    "is_out_of_memory",
    "out_of_memory",
    "set_generators",
]


def copy_tree(tree: Any) -> Any:
    """Copy nested dicts, lists and tuples; tensors and arrays are copied too, other leaves are shared."""
    return _mapped(tree, lambda tensor: tensor.detach().clone())


def host_copy(tree: Any) -> Any:
    """Copy as :func:`copy_tree`, with every tensor on the CPU."""
    return _mapped(tree, lambda tensor: tensor.detach().to("cpu", copy=True))


def _mapped(tree: Any, copied: Any) -> Any:
    if isinstance(tree, Tensor):
        return copied(tree)
    if isinstance(tree, np.ndarray):
        return tree.copy()
    if isinstance(tree, dict):
        return {key: _mapped(value, copied) for key, value in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(_mapped(value, copied) for value in tree)
    return tree


def first_nonfinite(module: torch.nn.Module) -> str | None:
    """Return the name of the first parameter that holds NaN or infinity, None when all are finite."""
    for name, parameter in module.named_parameters():
        if not bool(torch.isfinite(parameter.detach()).all()):
            return name
    return None


def generators(device: torch.device) -> dict[str, Any]:
    """Return the states of the global generators of torch, NumPy and Python."""
    _, key, position, has_gauss, cached = np.random.get_state(legacy=True)
    version, words, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": (np.asarray(key).astype(np.int64), int(position), int(has_gauss), float(cached)),
        "python": (int(version), np.array(words, dtype=np.int64), gauss),
    }


def set_generators(state: dict[str, Any]) -> None:
    """Set the global generators to a state that was saved."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    key, position, has_gauss, cached = state["numpy"]
    np.random.set_state(("MT19937", np.asarray(key).astype(np.uint32), position, has_gauss, cached))
    version, words, gauss = state["python"]
    random.setstate((version, tuple(int(word) for word in words), gauss))


def environment(rule: Rule) -> dict[str, Any]:
    """Return what a resumed run must share with the interrupted one to give the same bits."""
    parameter = next(rule.parameters(), None)
    return {
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
        "device": str(rule.device),
        "dtype": str(parameter.dtype) if parameter is not None else "none",
        "machine": platform.machine(),
    }


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error is about memory; torch has one class for accelerators and only a message for the host."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "DefaultCPUAllocator" in str(error)


def out_of_memory(rule: Rule, batch_size: int, error: BaseException) -> TrainingMemoryError:
    """Free what can be freed, and make the error that says what to do."""
    device = rule.device
    rule.zero_grad(set_to_none=True)
    if device.type == "cuda":
        torch.cuda.empty_cache()
    lines = str(error).splitlines()
    return TrainingMemoryError(
        f"A batch of batch_size={batch_size} rows does not fit into the memory of {device}. "
        f"Try batch_size={max(1, batch_size // 2)}, a smaller network, or another device. "
        f"({lines[0][:200] if lines else type(error).__name__})"
    )
