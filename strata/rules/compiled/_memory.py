"""The memory of a compiled rule: one flat array of which the network's parameters are views."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from strata.functional.penalties import Penalty
from strata.nn.dense import DenseNetwork
from strata.rules.base import Rule
from strata.rules.compiled import _places as places
from strata.rules.compiled._support import Arrays, n_cores
from strata.rules.compiled.layout import Layout, aligned, parameter_starts
from strata.rules.optimizers import LBFGS, OptimizerSpec

__all__ = ["FlatMemory"]


class FlatMemory(Rule):
    """Hold all parameters of a dense network in one array, and find them again when someone moved them."""

    slots: Tensor
    network: DenseNetwork
    optimizer: OptimizerSpec
    penalty: Penalty
    clip_norm: float | None
    clip_value: float | None
    n_threads: int | None
    report_scale: float

    def _lowest_level(self, *, first: bool = False) -> None:
        """Make the flat array, let the parameters be views of it, and describe the update to the kernels."""
        dtype = self.network.biases[0].detach().numpy().dtype
        n_parameters = self.network.spec.n_parameters
        n_slots = 0 if isinstance(self.optimizer, LBFGS) else self.optimizer.n_slots
        if first:
            zeros = torch.zeros((n_slots, n_parameters), dtype=self.network.biases[0].dtype)
            self.register_buffer("slots", zeros)
        self._memory = aligned(n_parameters, dtype)
        self._views = self._bind()
        self._layout: Layout | None = None
        self._most_threads = self.n_threads or min(torch.get_num_threads(), n_cores())
        self._arrays = Arrays(dtype)
        self._checked: tuple[np.ndarray, ...] | None = None
        self._slots = self.slots.numpy().reshape(-1)
        self._n_parameters = n_parameters
        self._row_numbers = np.arange(0)
        kind: int
        coefficients: np.ndarray
        kind, coefficients = (-1, np.zeros(8)) if isinstance(self.optimizer, LBFGS) else self.optimizer.kernel()
        self._coefficients = coefficients
        penalty = self.penalty
        clips = (self.clip_norm or 0, self.clip_value or 0)
        settings = (penalty.l1, penalty.l2, penalty.max_norm or 0, *clips, self.report_scale)
        self._settings = np.array(settings, dtype=np.float64)
        self._update = {
            places.KIND: kind,
            places.N_SLOTS: n_slots,
            places.PROXIMAL: int(penalty.l1_form == "proximal"),
            places.PER_SAMPLE: int(penalty.per_sample),
        }
        self._ended = np.zeros(3, np.int64)

    @property
    def theta(self) -> np.ndarray:
        """All parameters in one vector; writing to it changes the network."""
        self._follow()
        return self._memory[: self._n_parameters]

    def _bind(self) -> list[tuple[torch.nn.Parameter, int]]:
        """Copy the parameters into the flat array and make them views of it; return them with their addresses."""
        views, sizes = [], self.network.spec.layer_sizes
        starts = parameter_starts(sizes)
        for layer, (n_in, n_out) in enumerate(pairwise(sizes)):
            start, split, stop = starts[layer], starts[layer] + n_in * n_out, starts[layer + 1]
            parts = (self._memory[start:split].reshape(n_in, n_out), self._memory[split:stop])
            pair = (self.network.weights[layer], self.network.biases[layer])
            for parameter, part in zip(pair, parts, strict=True):
                part[...] = parameter.detach().cpu().numpy()
                parameter.data = torch.from_numpy(part)
                views.append((parameter, part.ctypes.data))
        return views

    def _follow(self) -> None:
        """Bind the parameters again if someone gave them other memory."""
        for tensor, address in self._views:
            if tensor.data_ptr() != address:
                self._lowest_level()
                return
        slots = cast(Tensor, self._buffers["slots"])
        if slots.data_ptr() != self._slots.ctypes.data and self._slots.size:
            self._lowest_level()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made again: buffers, views and addresses."""
        state = self.__dict__.copy()
        for name in ("_memory", "_views", "_layout", "_arrays", "_row_numbers", "_slots", "_checked"):
            state.pop(name, None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the flat array again around the copied parameters."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._lowest_level()
