"""Many networks of one shape that learn side by side, in one compiled call for all of their epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from strata.data.resampling import ResampledSource
from strata.data.sources import Batch, Batches
from strata.rules.base import Rule
from strata.rules.compiled import _places as places
from strata.rules.compiled._jit import add_and_get, entry, invoke, kernel, matrix, vector
from strata.rules.compiled._support import alias, n_cores
from strata.rules.compiled.layout import Layout, plan_layout
from strata.rules.compiled.passes import GAMMA, mask_key, mix
from strata.rules.compiled.pieces import piece_addresses
from strata.rules.compiled.ready import loop_address
from strata.rules.compiled.rule import CompiledDense
from strata.rules.compiled.sharing import GATE_SIZE

__all__ = ["CompiledBag"]

_LINE = 64  # bytes of a cache line: each member's numbers begin at one


@kernel
def _row(table: Any, m: int) -> Any:
    """View a row of a table of numbers."""
    return vector(table, m * table.shape[1], table.shape[1])


@kernel
def _shuffle(order: Any, key: Any, number: int) -> None:
    """Put the rows of an epoch into an order that the key and the epoch's number settle (Fisher and Yates)."""
    counter = mask_key(key, number, 0)
    for i in range(order.size - 1, 0, -1):
        counter += GAMMA
        draw = (mix(counter) >> np.uint64(32)) * np.uint64(i + 1) >> np.uint64(32)
        other = np.int64(draw)
        order[i], order[other] = order[other], order[i]


@entry
def _run_members(
    turn: Any,
    active: Any,
    keys: Any,
    number: int,
    x: Any,
    y: Any,
    weights: Any,
    orders: Any,
    sizes: Any,
    batch_sizes: Any,
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
    run: int,
) -> None:
    """Take the next member that nobody has taken, as long as there is one, and let it learn from its batches."""
    k = theta.shape[0]
    while True:
        m = add_and_get(turn, 0, 1) - 1
        if m >= k:
            return
        if not active[m]:
            continue
        order = vector(orders, m * orders.shape[1], sizes[m])
        if start == 0 and keys.size > 0:
            _shuffle(order, keys[m], number)
        last = min(stop, (sizes[m] + batch_sizes[m] - 1) // batch_sizes[m])
        invoke(
            run,
            (
                x, y, _row(weights, m if weights.shape[0] > 1 else 0), order, batch_sizes[m], start, last,
                layers, scales, heads, numbers, _row(theta, m), _row(slots, m), work, _row(whole, m),
                settings, coefficients, _row(rates, m), gate, partial,
                matrix(figures, m * figures.shape[1] * 2, figures.shape[1], 2), _row(ended, m), calls, 0,
            ),
        )  # fmt: skip


class CompiledBag(Rule):
    """Let networks of one shape learn at once, each from its own order of the same rows.

    The parameters and the optimizers' memories of all members lie in one array each. Every thread of a call takes the
    next member that is left, and goes through its batches; what a member learns does not depend on the others, and
    equals what it would learn alone, bit for bit.

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
    The batches must be those of a :class:`strata.data.ResampledSource`.

    References
    ----------
    L. Breiman, "Bagging Predictors", Machine Learning 24, 1996.

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
        if not isinstance(batches, ResampledSource):
            raise TypeError(f"`batches` must be those of a ResampledSource. Received: {type(batches).__name__}.")
        rules = self._rules
        x, y, _ = arrays = rules[0]._arrays.take(batches.inputs, batches.targets, None)
        rules[0]._check_rows(arrays)
        stop = min(stop, batches.n_batches or 0)
        figures, ended = self._call(x, y, batches, start, stop)
        taken = np.minimum(batches.sizes, batches.batch_sizes * stop)
        taken -= np.minimum(batches.sizes, batches.batch_sizes * start)
        for m in np.flatnonzero(self.active):
            rule = rules[m]
            vars(rule).update(  # a module's own way of setting an attribute takes longer
                n_steps=rule.n_steps + int(ended[m, places.UPDATES]),
                _n_samples=rule._n_samples + int(taken[m]),
                _converged=rule._converged or bool(ended[m, places.MET]),
            )
        self._sums[:, 0] += (figures[:, :, 0] * figures[:, :, 1]).sum(axis=1)
        self._sums[:, 1] += figures[:, :, 1].sum(axis=1)
        mean = figures[self.active].mean(axis=0)
        return {"loss": torch.from_numpy(mean[:, 0].copy()), "weight": torch.from_numpy(mean[:, 1].copy())}

    def _call(
        self, x: np.ndarray, y: np.ndarray, rows: ResampledSource, start: int, stop: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run the kernel, once in each thread; return each batch's figures, and how each member ended."""
        rules, first = self._rules, self._rules[0]
        k, dtype = len(rules), self._theta.dtype
        figures, ended = np.zeros((k, stop - start, 2)), np.zeros((k, 3), np.int64)
        layouts, whole = self._tables(int(rows.batch_sizes.max()))
        for m, rule in enumerate(rules):
            whole[m, places.FIRST_STEP] = whole[m, places.DROPOUT_STEP] = rule.n_steps
        rates = np.stack(
            [rule.schedule.rates(rule.optimizer.learning_rate, rule.n_steps, stop - start) for rule in rules]
        )
        weights = alias(np.ascontiguousarray(rows.weights, dtype))
        calls, address = piece_addresses(dtype), loop_address(dtype)
        turn = np.zeros(GATE_SIZE, np.int64)

        def group(number: int) -> None:
            layout = layouts[number]
            _run_members(
                turn, self.active, rows.keys, rows.number, x, y, weights, rows.orders, rows.sizes, rows.batch_sizes,
                start, stop, layout.layers, layout.scales, layout.heads, layout.numbers, self._theta, self._slots,
                layout.work, whole, first._settings, first._coefficients, rates, np.zeros(GATE_SIZE, np.int64),
                np.zeros((1, places.N_PARTIAL + 1)), figures, ended, calls, address,
            )  # fmt: skip

        others = [self._pool().submit(group, number) for number in range(1, self.n_threads)]
        group(0)
        for other in others:
            other.result()
        return figures, ended

    def _tables(self, batch_size: int) -> tuple[list[Layout], np.ndarray]:
        """Return the tables and the work memory of each thread, and the whole numbers of each member."""
        known = self.__dict__.get("_known_tables")
        if known is None or known[0] != batch_size:
            spec, dtype = self._rules[0].network.spec, self._theta.dtype
            # the members are what is shared out: no batch is divided
            layouts = [plan_layout(spec, dtype, batch_size=batch_size, n_parts=1) for _ in range(self.n_threads)]
            whole = np.stack([layouts[0].whole] * len(self.members))
            for m, rule in enumerate(self._rules):
                for place, value in rule._update.items():
                    whole[m, place] = value
                whole[m, places.DROPOUT_SEED] = int(rule.network.dropout_seed)
            whole[:, places.MODE], whole[:, places.DROPPING], whole[:, places.HELPERS] = places.LEARN, 1, 0
            self.__dict__["_known_tables"] = known = (batch_size, layouts, whole)
        return known[1], known[2]

    def _pool(self) -> ThreadPoolExecutor:
        if "_threads" not in self.__dict__:
            self.__dict__["_threads"] = ThreadPoolExecutor(self.n_threads - 1)
        pool: ThreadPoolExecutor = self.__dict__["_threads"]
        return pool

    @property
    def batches_per_call(self) -> int:  # type: ignore[override]
        """Batches that take about 0.15 s for all members."""
        return max(1, self._rules[0].batches_per_call * self.n_threads // len(self.members))

    def prepare(self, say: Callable[[str], None]) -> None:
        """Compile the kernels, or load them from disk."""
        self._rules[0].prepare(say)

    def plan(self, *, n_batches: int | None, max_epochs: int) -> None:
        """Tell every member's schedule the length of the run."""
        for rule in self._rules:
            rule._follow()
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
        return {name: value for name, value in self.__dict__.items() if name not in ("_threads", "_known_tables")}

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
    for row, numbers in zip(table, vectors, strict=True):
        row[: numbers.size] = numbers
    return table


def _mean(figures: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([each[name] for each in figures]).mean() for name in figures[0]}
