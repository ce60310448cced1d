"""Many networks of one shape that learn side by side: one compiled call an epoch for each half of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from strata.data.sources import Batch, Batches
from strata.rules.base import Rule
from strata.rules.compiled import _places as places
from strata.rules.compiled._jit import entry
from strata.rules.compiled._support import n_cores
from strata.rules.compiled.layout import plan_layout
from strata.rules.compiled.loop import run_batches
from strata.rules.compiled.pieces import piece_addresses
from strata.rules.compiled.rule import CompiledDense
from strata.rules.compiled.sharing import GATE_SIZE

__all__ = ["CompiledBag"]

_LINE = 64  # bytes of a cache line: each member's numbers begin at one
_SECONDS_PER_CALL = 0.15


@entry
def _run_members(
    first: int,
    last: int,
    active: Any,
    x: Any,
    y: Any,
    weights: Any,
    orders: Any,
    batch_size: int,
    start: int,
    stop: int,
    layers: Any,
    scales: Any,
    heads: Any,
    numbers: Any,
    theta: Any,
    slots: Any,
    work: Any,
    whole: Any,
    settings: Any,
    coefficients: Any,
    rates: Any,
    gate: Any,
    partial: Any,
    figures: Any,
    ended: Any,
    calls: Any,
) -> None:
    """Let the members ``first`` to ``last - 1`` that are active take the batches of their own rows."""
    for m in range(first, last):
        if active[m]:
            run_batches(
                x, y, weights, orders[m], batch_size, start, stop, layers, scales, heads, numbers, theta[m], slots[m],
                work, whole[m], settings, coefficients, rates[m], gate, partial, figures[m], ended[m], calls, 0,
            )  # fmt: skip


class CompiledBag(Rule):
    """Let networks of one shape learn at once, each from its own order of the same rows.

    The parameters and the optimizers' memories of all members lie in one array each. A call takes the members in as
    many groups as there are threads; what a member learns does not depend on the others, and equals what it would learn
    alone, bit for bit.

    Parameters
    ----------
    members : sequence of CompiledDense
        Rules of networks of the same shape, floating-point type, optimizer and penalty. They stay usable one by one.
    n_threads : int, optional
        Threads; by default one for each core, at most one for each member.

    Attributes
    ----------
    active : ndarray of bool, shape (n_members,)
        Members that still learn; write False to let one rest.
    losses : ndarray of shape (n_members,)
        Loss of each member in the epoch that ended last; NaN for one that rested.

    Raises
    ------
    ValueError
        If there is no member, or the members differ in shape or type.

    See Also
    --------
    CompiledDense : One network.

    Notes
    -----
    The batches of an epoch must have ``orders`` of shape (n_members, n_rows), the row numbers of each member, beside
    the ``arrays`` that all share. Bagging is L. Breiman, "Bagging Predictors", Machine Learning 24, 1996.

    Examples
    --------
    >>> import torch
    >>> from strata.nn import DenseNetwork, DenseSpec, Head
    >>> spec = DenseSpec(2, (3,), ("tanh",), (Head(1, "mse"),))
    >>> bag = CompiledBag([CompiledDense(DenseNetwork(spec, dtype=torch.float64, seed=i)) for i in range(4)])
    >>> bag(torch.zeros(5, 2, dtype=torch.float64)).shape
    torch.Size([4, 5, 1])
    """

    def __init__(self, members: Sequence[CompiledDense], *, n_threads: int | None = None) -> None:
        super().__init__()
        kinds = {(m.network.spec, m.theta.dtype, m.optimizer, m.penalty, m.clip_norm, m.clip_value) for m in members}
        if len(kinds) != 1:
            raise ValueError(
                "`members` must be one or more rules of the same network, optimizer and penalty. "
                f"Received: {len(members)} members of {len(kinds)} kinds."
            )
        self.members = nn.ModuleList(members)
        self.n_threads = min(len(members), n_threads or n_cores())
        self.active = np.ones(len(members), dtype=bool)
        self.losses = np.full(len(members), np.nan)
        self._sums = np.zeros((len(members), 2))
        self._stack()

    def _stack(self) -> None:
        """Move the members' numbers into common arrays."""
        rules = self._rules
        self._theta = _rows_at_lines([rule._memory for rule in rules])
        self._slots = _rows_at_lines([rule._slots for rule in rules])
        for m, rule in enumerate(rules):
            rule._memory = self._theta[m]
            rule._views = rule._bind()
            shape = rule.slots.shape
            rule.slots = torch.from_numpy(self._slots[m][: rule._slots.size].reshape(shape))
            rule._slots = rule.slots.numpy().reshape(-1)

    @property
    def _rules(self) -> list[CompiledDense]:
        return list(self.members)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of every member, shape (n_members, n_rows, n_outputs)."""
        return torch.stack([rule(x) for rule in self._rules])

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Let every active member learn from the same batch."""
        return _mean([rule.step(batch) for rule, awake in zip(self._rules, self.active, strict=True) if awake])

    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean of the members' figures, without learning."""
        return _mean([rule.evaluate(batch) for rule in self._rules])

    def run(self, batches: Batches, start: int, stop: int) -> dict[str, Tensor]:
        """Let every active member learn from its batches ``start`` to ``stop - 1``."""
        orders: np.ndarray = batches.orders  # type: ignore[attr-defined]
        rules, arrays = self._rules, batches.arrays
        if arrays is None or arrays[1] is None:
            raise ValueError("`batches` of a bag must lie in memory. Received: batches without arrays.")
        taken = rules[0]._arrays.take(arrays[0], arrays[1], arrays[2])
        n_rows, batch_size = orders.shape[1], batches.batch_size
        stop = min(stop, -(-n_rows // batch_size))
        figures, ended = self._call(taken, orders, batch_size, start, stop)
        firsts = batch_size * np.arange(start, stop)
        n_each = np.minimum(batch_size, n_rows - firsts)
        if rules[0].count_rows:
            figures[:, :, 1] = n_each
        for m in np.flatnonzero(self.active):
            rules[m].n_steps += int(ended[m, places.UPDATES])
            rules[m]._n_samples += int(n_each.sum())
            rules[m]._converged = rules[m]._converged or bool(ended[m, places.MET])
        self._sums[:, 0] += (figures[:, :, 0] * figures[:, :, 1]).sum(axis=1)
        self._sums[:, 1] += figures[:, :, 1].sum(axis=1)
        mean = figures[self.active].mean(axis=0)
        return {"loss": torch.from_numpy(mean[:, 0].copy()), "weight": torch.from_numpy(mean[:, 1].copy())}

    def _call(
        self, arrays: tuple[np.ndarray, ...], orders: np.ndarray, batch_size: int, start: int, stop: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run the kernel over the members, one thread for each group; return each batch's figures, and how it ended."""
        rules = self._rules
        for rule in rules:
            rule._follow()
            rule._check_rows(arrays)
        k, first = len(rules), rules[0]
        n_parts = first._plan_parts(batch_size)
        figures, ended = np.zeros((k, stop - start, 2)), np.zeros((k, 3), np.int64)
        whole = np.empty((k, places.N_WHOLE), np.int64)
        rates = np.empty((k, stop - start))
        layouts = self._layouts(batch_size, n_parts)
        for m, rule in enumerate(rules):
            whole[m] = layouts[0].whole
            for place, value in rule._update.items():
                whole[m, place] = value
            whole[m, places.MODE], whole[m, places.DROPPING], whole[m, places.HELPERS] = places.LEARN, 1, 0
            whole[m, places.DROPOUT_SEED] = int(rule.network.dropout_seed)
            whole[m, places.FIRST_STEP] = whole[m, places.DROPOUT_STEP] = rule.n_steps
            rates[m] = rule.schedule.rates(rule.optimizer.learning_rate, rule.n_steps, stop - start)
        addresses = piece_addresses(self._theta.dtype)
        x, y, weights = arrays

        def group(number: int) -> None:
            layout = layouts[number]
            _run_members(
                k * number // self.n_threads, k * (number + 1) // self.n_threads, self.active, x, y, weights, orders,
                batch_size, start, stop, layout.layers, layout.scales, layout.heads, layout.numbers, self._theta,
                self._slots, layout.work, whole, first._settings, first._coefficients, rates,
                np.zeros(GATE_SIZE, np.int64), np.zeros((n_parts, places.N_PARTIAL + 1)), figures, ended, addresses,
            )  # fmt: skip

        if self.n_threads == 1:
            group(0)
        else:
            others = [self._pool().submit(group, number) for number in range(1, self.n_threads)]
            group(0)
            for other in others:
                other.result()
        return figures, ended

    def _layouts(self, batch_size: int, n_parts: int) -> list[Any]:
        """Return the tables and the work memory of each thread."""
        known = self.__dict__.get("_known_layouts")
        if known is None or known[0] != (batch_size, n_parts):
            rule = self._rules[0]
            layouts = [
                plan_layout(rule.network.spec, rule._memory.dtype, batch_size=batch_size, n_parts=n_parts)
                for _ in range(self.n_threads)
            ]
            self.__dict__["_known_layouts"] = known = ((batch_size, n_parts), layouts)
        layouts_: list[Any] = known[1]
        return layouts_

    def _pool(self) -> ThreadPoolExecutor:
        if "_threads" not in self.__dict__:
            self.__dict__["_threads"] = ThreadPoolExecutor(self.n_threads - 1)
        pool: ThreadPoolExecutor = self.__dict__["_threads"]
        return pool

    @property
    def batches_per_call(self) -> int:  # type: ignore[override]
        """Batches that take about 0.15 s for all members."""
        return max(1, self._rules[0].batches_per_call * self.n_threads // len(self.members))

    def plan(self, *, n_batches: int | None, max_epochs: int) -> None:
        """Tell every member's schedule the length of the run."""
        for rule in self._rules:
            rule.plan(n_batches=n_batches, max_epochs=max_epochs)

    def end_epoch(self, figures: dict[str, float]) -> None:
        """Note each member's loss and tell its schedule."""
        with np.errstate(invalid="ignore"):
            self.losses = np.where(self.active, self._sums[:, 0] / self._sums[:, 1], np.nan)
        self._sums[:] = 0
        for rule, loss, awake in zip(self._rules, self.losses, self.active, strict=True):
            if awake:
                rule.end_epoch({"loss": float(loss)})

    @property
    def converged(self) -> bool:
        """Whether no member learns any more."""
        return not self.active.any()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out threads and work memory."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_threads", "_known_layouts")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Put the members' numbers side by side again."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._stack()


def _rows_at_lines(vectors: Sequence[np.ndarray]) -> np.ndarray:
    """Copy vectors of one length into the rows of an array, each of which begins at a cache line."""
    item = vectors[0].itemsize
    width = -(-vectors[0].size * item // _LINE) * _LINE // item
    raw = np.zeros(len(vectors) * width + _LINE // item, dtype=vectors[0].dtype)
    skip = (-raw.ctypes.data % _LINE) // item
    table = raw[skip : skip + len(vectors) * width].reshape(len(vectors), width)
    for row, vector in zip(table, vectors, strict=True):
        row[: vector.size] = vector
    return table


def _mean(figures: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([each[name] for each in figures]).mean() for name in figures[0]}
