"""The loss of a network as one compiled program, for one shape of batch.

A batch of another shape (the last of an epoch) is computed eagerly, so that nothing is compiled twice and the same
batches give the same bits in every process.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from strata.data.sources import Batch

__all__ = ["Objective", "Program"]

#: ``objective(x, y, sample_weight)`` returning the scalar loss.
Objective = Callable[[Tensor, Tensor | None, Tensor | None], Tensor]


def _signature(batch: Batch) -> list[list[Any]]:
    """Return the shapes and types of a batch, JSON-able."""
    return [[] if part is None else [list(part.shape), str(part.dtype), part.device.type] for part in batch]


def _state_of(network: nn.Module) -> list[tuple[Tensor, Tensor]]:
    return [(buffer, buffer.clone()) for buffer in network.buffers()]


class Program:
    """What computes the loss of a batch: compiled for one shape, eager for the others.

    Parameters
    ----------
    cuda_graphs : bool, default=False
        Replay the kernels of a step as one graph, on a CUDA device.

    Attributes
    ----------
    signature : list or None
        Shapes and types of the batches that are compiled for; None before the first.
    """

    def __init__(self, *, cuda_graphs: bool = False) -> None:
        self.cuda_graphs = cuda_graphs
        self.signature: list[list[Any]] | None = None
        self.n_scores: int | None = None
        self._compiled: Objective | None = None
        self._failed = False

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_compiled": None}

    @property
    def ready(self) -> bool:
        """Whether nothing is left to be compiled in this process."""
        return self._failed or self._compiled is not None

    def expect(self, batch: Batch) -> None:
        """Settle the shape to compile for, unless it is settled."""
        if self.signature is None:
            self.signature = _signature(batch)

    def compile(self, network: nn.Module, objective: Objective, batch: Batch) -> None:
        """Compile by carrying out one step on a batch; neither buffers, gradients nor generators keep a trace of it."""
        reason = _hindrance(network)
        if reason is not None:
            self._failed = True
            warnings.warn(f"The network is not compiled: {reason}. It learns eagerly.", UserWarning, stacklevel=2)
            return
        mode = "reduce-overhead" if self.cuda_graphs and batch.x.device.type == "cuda" else None
        kept = _state_of(network)
        devices = [batch.x.device] if batch.x.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            with torch.no_grad():
                scores = network(batch.x)  # an error of the network itself comes out here
            main = scores[0] if isinstance(scores, tuple) else scores
            self.n_scores = main.shape[1] if main.ndim == 2 else None
            try:
                compiled: Objective = torch.compile(objective, mode=mode, dynamic=False)
                for _ in range(3 if mode else 1):  # a graph is recorded at the second pass
                    _rehearse(compiled, network, batch, kept)
            except Exception as error:
                _rehearse(objective, network, batch, kept)  # and one of the loss here
                self._failed = True
                warnings.warn(_failure(error), UserWarning, stacklevel=2)
            else:
                self._compiled = compiled

    def __call__(self, objective: Objective, batch: Batch) -> Tensor:
        """Return the loss of a batch."""
        if self._compiled is None or not self.fits(batch):
            return objective(batch.x, batch.y, batch.sample_weight)
        if self.cuda_graphs and batch.x.device.type == "cuda":
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return self._compiled(batch.x, batch.y, batch.sample_weight)

    def fits(self, batch: Batch) -> bool:
        """Whether the compiled program may have this batch: its shape, and class numbers that exist.

        A compiled program does not look at class numbers: one that does not exist would end the process. The eager
        loss sees to it instead.
        """
        if _signature(batch) != self.signature:
            return False
        targets = batch.y
        if targets is None or targets.is_floating_point() or targets.device.type != "cpu" or not targets.numel():
            return True
        smallest, largest = torch.aminmax(targets)
        return bool(smallest >= 0) and (self.n_scores is None or bool(largest < self.n_scores))


def _rehearse(objective: Objective, network: nn.Module, batch: Batch, kept: list[tuple[Tensor, Tensor]]) -> None:
    """Go forward and back once, and take every trace of it away."""
    try:
        objective(batch.x, batch.y, batch.sample_weight).backward()  # type: ignore[no-untyped-call]
    finally:
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)
        network.zero_grad(set_to_none=True)


def _hindrance(network: nn.Module) -> str | None:
    """Say why a network cannot be compiled to the same results, or None."""
    if any(hasattr(module, "dropout_step") for module in network.modules()):
        return "its dropout masks are named by a counter, which a compiled program would freeze"
    return None


def _failure(error: Exception) -> str:
    """Say in plain words that compiling failed, and what to do."""
    words = str(error).strip().splitlines()
    kind = type(error).__name__
    if "cxx" in kind.lower() or "compiler" in (words[0].lower() if words else ""):
        return "The network learns eagerly, since no C++ compiler was found to compile it with. Install g++ or clang."
    return f"The network learns eagerly, since compiling it failed: {kind}: {words[0] if words else 'no message'}"
