"""The memory of compiled contrastive divergence: padded arrays, of which the machine's parameters are views."""

from __future__ import annotations

import _thread
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from strata.nn.rbm import VISIBLE_KINDS
from strata.rules.compiled import gibbs
from strata.rules.compiled import gibbs_places as places
from strata.rules.compiled._jit import TILE_ROWS, VECTOR_BYTES
from strata.rules.compiled.gibbs_draws import MT_WORDS
from strata.rules.compiled.layout import aligned
from strata.rules.compiled.sharing import closed_gate

__all__ = ["CompiledChains", "Plan"]

_BLOCK_ROWS = 96  # visible units of a part, about: with a panel of hidden units their weights fill the first cache
_MOST_PARTS = 120
_FLOPS_FOR_HELPERS = 3e6  # of a batch, from which other threads pay


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step


class Plan:
    """How a machine is laid out: the sizes that do not depend on the batch.

    Parameters
    ----------
    n_visible, n_hidden : int
        Size of the machine.
    dtype : dtype
        Of its parameters.
    """

    def __init__(self, n_visible: int, n_hidden: int, dtype: np.dtype) -> None:
        self.n_visible, self.n_hidden, self.dtype = n_visible, n_hidden, dtype
        self.lanes = VECTOR_BYTES // dtype.itemsize
        step = places.PANEL_VECTORS * self.lanes
        panels = -(-n_hidden // step)
        self.width = panels * step + self.lanes  # not a power of 2: rows would share few places of the cache
        self.panels_a_part = -(-panels // _MOST_PARTS)
        blocks = min(_MOST_PARTS, -(-n_visible // _BLOCK_ROWS))
        self.block = _round_up(-(-n_visible // blocks), TILE_ROWS)
        self.n_blocks = -(-n_visible // self.block)
        self.n_parts = max(self.n_blocks + 1, -(-panels // self.panels_a_part))
        self.padded_visible = self.n_blocks * self.block + TILE_ROWS

    def sizes(self, n_rows: int, n_negative: int) -> dict[int, int]:
        """Return the whole numbers of the kernels for batches of at most so many rows and chains."""
        columns = _round_up(n_rows + n_negative, self.lanes) + 2 * self.lanes
        if columns * self.dtype.itemsize % 256 == 0:
            columns += self.lanes
        return {
            places.N_VISIBLE: self.n_visible,
            places.N_HIDDEN: self.n_hidden,
            places.WIDTH: self.width,
            places.COLUMNS: columns,
            places.CHAIN_WIDTH: _round_up(n_negative, 2 * self.lanes) + self.lanes,
            places.BLOCK: self.block,
            places.BLOCK_COUNT: self.n_blocks,
            places.PANELS_A_PART: self.panels_a_part,
            places.N_PARTS: self.n_parts,
            places.LIST_ROWS: n_rows + n_negative,
        }

    def matrix(self, tensor: Tensor | None = None) -> tuple[np.ndarray, Tensor]:
        """Return a flat padded array for weights, and the view of it that has their shape and values."""
        flat = aligned(self.padded_visible * self.width, self.dtype)
        rows = flat[: self.n_visible * self.width].reshape(self.n_visible, self.width)[:, : self.n_hidden]
        return flat, _filled(rows, tensor)

    def vector(self, tensor: Tensor | None = None, *, size: int) -> tuple[np.ndarray, Tensor]:
        """Return a flat padded array, and the view of it that has the shape and values of a vector."""
        flat = aligned(size + self.width, self.dtype)
        return flat, _filled(flat[:size], tensor)


def _filled(view: np.ndarray, tensor: Tensor | None) -> Tensor:
    if tensor is not None:
        view[...] = tensor.detach().cpu().numpy()
    return torch.from_numpy(view)


class CompiledChains:
    """The arrays of one machine and the compiled calls on them.

    Parameters
    ----------
    plan : Plan
        The layout.
    machine : dict of str to ndarray
        The flat arrays of the machine by the names of :class:`places.Memory`: weights, biases, velocities, activity.
    visible : str
        Kind of the visible units.
    draws : int
        What is drawn, a number of :mod:`strata.rules.compiled.gibbs`.
    n_chains : int
        Persistent chains, 0 for none.
    n_steps : int
        Gibbs steps an update.
    average : bool
        Whether the statistics of the chains are averaged over the chains.
    """

    def __init__(
        self,
        plan: Plan,
        machine: dict[str, np.ndarray],
        *,
        visible: str,
        draws: int,
        n_chains: int,
        n_steps: int,
        average: bool,
    ) -> None:
        self._plan, self._machine = plan, machine
        self._fixed = {
            places.KIND: VISIBLE_KINDS.index(visible),
            places.DRAWS: draws,
            places.CHAINS: n_chains,
            places.STEPS: n_steps,
            places.AVERAGE: int(average),
        }
        self._n_chains = n_chains
        self._n_rows = 0
        self._memory: places.Memory | None = None
        self.settings = np.zeros(places.N_SETTINGS)

    def prepare(self, say: Callable[[str], None]) -> None:
        """Compile, or load from disk, what learning needs; ``say`` is told when that takes long."""
        gibbs.addresses(self._plan.dtype, say)

    def _room_for(self, n_rows: int) -> places.Memory:
        if self._memory is None or n_rows > self._n_rows:
            plan, real, whole = self._plan, self._plan.dtype, np.dtype(np.int64)
            n_negative = self._n_chains or n_rows
            sizes = plan.sizes(n_rows, n_negative)
            numbers = np.zeros(places.N_WHOLE, whole)
            for place, value in (sizes | self._fixed).items():
                numbers[place] = value
            rows = n_rows + n_negative
            n_uniform = self._fixed[places.STEPS] * n_negative * (plan.n_visible + plan.n_hidden)
            self._memory = places.Memory(
                **self._machine,
                visible=aligned(plan.padded_visible * sizes[places.COLUMNS], real),
                hidden=aligned((rows + TILE_ROWS) * plan.width, real),
                chains=aligned(plan.n_hidden * sizes[places.CHAIN_WIDTH], real),
                change=aligned(2 * plan.width, real),
                uniform=np.zeros(n_uniform),
                turned=np.zeros(plan.padded_visible * n_negative),
                drawn=np.zeros(plan.width, real),
                filled=np.zeros(2 * plan.n_blocks, whole),
                unit_places=np.zeros(plan.padded_visible * rows, np.int32),
                unit_values=np.zeros(plan.padded_visible * rows, real),
                unit_counts=np.zeros(2 * plan.padded_visible, whole),
                row_places=np.zeros(plan.n_blocks * rows * plan.block, np.int32),
                row_values=np.zeros(plan.n_blocks * rows * plan.block, real),
                row_counts=np.zeros(plan.n_blocks * rows, whole),
                chunk_starts=np.zeros(plan.padded_visible, whole),
                chunk_counts=np.zeros(plan.padded_visible, whole),
                sums=np.zeros((plan.n_parts, 8)),
                whole=numbers,
                settings=self.settings,
                generator=np.zeros(MT_WORDS + 1, np.uint32),
                spare=np.zeros(2 * MT_WORDS, np.uint32),
            )
            self._n_rows = n_rows
        return self._memory

    def learn(
        self,
        x: np.ndarray,
        order: np.ndarray,
        batch_size: int,
        start: int,
        stop: int,
        *,
        rates: np.ndarray,
        chains: np.ndarray,
        generator: np.random.RandomState,
        n_threads: int,
    ) -> np.ndarray:
        """Learn from some batches; return figures of those that were looked at.

        Parameters
        ----------
        x : ndarray of shape (N, n_visible)
            Data, C-contiguous, of the machine's dtype.
        order : ndarray of int64
            Rows in order.
        batch_size, start, stop : int
            Which batches of the order.
        rates : ndarray of shape (stop - start,)
            Learning rates.
        chains : ndarray of shape (n_chains, n_hidden)
            Hidden units of the persistent chains; replaced.
        generator : RandomState
            A Mersenne Twister; it goes on.
        n_threads : int
            Most threads.

        Returns
        -------
        figures : ndarray of shape (n_batches, 3)
            Contrast of free energies, error of the reconstruction, rows.
        """
        memory = self._room_for(min(batch_size, order.size))
        plan, width = self._plan, int(memory.whole[places.CHAIN_WIDTH])
        hidden = memory.chains[: plan.n_hidden * width].reshape(plan.n_hidden, width)
        if self._n_chains:
            hidden[:, : self._n_chains] = chains.T
        _, key, place, *gauss = cast(tuple[Any, ...], generator.get_state(legacy=True))
        memory.generator[:MT_WORDS], memory.generator[MT_WORDS] = key, place
        flops = 10.0 * min(batch_size, order.size) * plan.n_visible * plan.n_hidden
        n_helpers = min(n_threads, plan.n_parts) - 1 if flops >= _FLOPS_FOR_HELPERS else 0
        memory.whole[places.HELPERS] = n_helpers
        figures, seen = np.zeros((stop - start, 3)), np.zeros(1, np.int64)
        gate = closed_gate()
        calls = gibbs.addresses(plan.dtype)
        arguments = (x.reshape(-1), order, batch_size, start, stop, memory, rates, gate, figures, seen, calls)
        for helper in range(1, n_helpers + 1):
            _thread.start_new_thread(gibbs.learn_batches, (*arguments, helper))
        body: Callable[..., Any] = gibbs.learn_batches
        body(*arguments, 0)
        state: Any = ("MT19937", memory.generator[:MT_WORDS].copy(), int(memory.generator[MT_WORDS]), *gauss)
        generator.set_state(state)
        if self._n_chains:
            chains[...] = hidden[:, : self._n_chains].T
        return figures[: int(seen[0])]
