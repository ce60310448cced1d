"""Gradient descent on a dense network by compiled back-propagation."""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from strata._threads import check_threads
from strata.data.sources import Batch, Batches
from strata.functional.penalties import Penalty
from strata.nn.dense import DenseNetwork, DenseSpec
from strata.rules._checks import check_count, check_number
from strata.rules.compiled import _places as places
from strata.rules.compiled._jit import TILE_ROWS
from strata.rules.compiled._memory import FlatMemory
from strata.rules.compiled._support import NO_WEIGHTS, alias, in_threads, is_plain, why_not_compiled
from strata.rules.compiled.layout import Layout, plan_layout
from strata.rules.compiled.pieces import piece_addresses
from strata.rules.compiled.ready import make_ready
from strata.rules.compiled.sharing import closed_gate
from strata.rules.compiled.trace import LayerTrace, trace_layers
from strata.rules.optimizers import LBFGS, OptimizerSpec, describe_optimizer, get_optimizer
from strata.rules.schedules import Schedule, get_schedule

__all__ = ["CompiledDense"]

_SECONDS_PER_CALL = 0.15  # between two looks of the engine at signals and clocks
_STEP_SECONDS, _FLOPS_PER_SECOND = 5e-6, 3e10  # what a step costs at least, and the speed of one thread; rough
_FLOPS_FOR_PARTS = (3e6, 4e8, 2e9, 1e10)  # of a step, from which a part more pays (the first measured)
_FLOPS_FOR_HELPERS = 1.5e7  # of a call
_MOST_PARTS = 64


class CompiledDense(FlatMemory):
    r"""Learn by the gradient of a dense network's loss, by compiled back-propagation.

    One compiled call gathers the rows of many batches, computes z, a and the deltas of every layer by the matrix
    equations of the lectures, adds the penalty's gradient, clips and updates, on buffers that are allocated once.
    The weights equal those of :class:`strata.rules.GradientDescent` to rounding.

    Parameters
    ----------
    network : DenseNetwork
        The network, on the CPU, float32 or float64; trained in place. Its parameters become views of one flat array.
    optimizer : str or OptimizerSpec, default="adam"
        Name or record. L-BFGS only serves :meth:`loss_and_gradient`: give this rule to ``LBFGSRule``.
    schedule : str or Schedule, default="constant"
        How the rate changes; the object is copied.
    penalty : Penalty, default=Penalty()
        Penalty on weights, never on biases.
    clip_norm : float or None, default=None
        Bound on the Euclidean norm of the whole gradient, > 0.
    clip_value : float or None, default=None
        Bound on the size of each partial derivative, > 0; applied before ``clip_norm``.
    n_threads : int or None, default=None
        Most threads that share a batch. None: those that torch may use when the rule is made. Few are used for a small
        network, and one where another is asleep. The result is the same, bit for bit, however many there are.
    n_parts : int or None, default=None
        Parts that each batch is divided into, of which a thread takes one at a time. None: by the size of the network
        and the batch. Results of different divisions differ by rounding.
    report_scale : float, default=1.0
        What the loss of the targets, without the penalty, is multiplied by in the figures; the gradient is not.
    count_rows : bool, default=False
        Whether a batch counts in the figures of an epoch by its rows (scikit-learn) and not by their weights.

    Attributes
    ----------
    network : DenseNetwork
        The network.
    theta : ndarray of shape (n_parameters,)
        All parameters: for each layer the weights, row-major (n_in, n_out), then the biases.
    slots : Tensor of shape (n_slots, n_parameters)
        State of the optimizer.
    schedule : Schedule
        The rule's own copy of the schedule.
    n_steps : int
        Steps taken.

    Raises
    ------
    ValueError
        If the network is not supported (see :meth:`supports`), a name is unknown or a bound is not positive.
    TypeError
        If an argument has the wrong type.

    See Also
    --------
    GradientDescent : The same by automatic differentiation, for any network.

    Examples
    --------
    >>> from strata.nn import Head
    >>> spec = DenseSpec(2, (3,), ("tanh",), (Head(1, "squared_error"),))
    >>> rule = CompiledDense(DenseNetwork(spec, dtype=torch.float64, seed=0), optimizer="sgd")
    >>> figures = rule.step(Batch(torch.ones(4, 2).double(), torch.zeros(4, 1).double()))
    >>> sorted(figures), rule.rate
    (['loss', 'weight'], 0.01)
    """

    def __init__(
        self,
        network: DenseNetwork,
        *,
        optimizer: str | OptimizerSpec = "adam",
        schedule: str | Schedule = "constant",
        penalty: Penalty = Penalty(),  # noqa: B008 - frozen
        clip_norm: float | None = None,
        clip_value: float | None = None,
        n_threads: int | None = None,
        n_parts: int | None = None,
        report_scale: float = 1.0,
        count_rows: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(network, DenseNetwork):
            raise TypeError(f"`network` must be a DenseNetwork. Received: network={network!r}.")
        if not isinstance(penalty, Penalty):
            raise TypeError(f"`penalty` must be a Penalty. Received: penalty={penalty!r}.")
        for name, bound in (("clip_norm", clip_norm), ("clip_value", clip_value)):
            if bound is not None:
                check_number(name, bound, above=0)
        for name, count in (("n_threads", n_threads), ("n_parts", n_parts)):
            if count is not None:
                check_count(name, count)
        check_threads(n_threads)
        self.optimizer = get_optimizer(optimizer)
        reason = self.supports(network.spec, optimizer=self.optimizer, penalty=penalty)
        if reason is None and not is_plain(network):
            reason = "its parameters are not all trainable float32 or float64 on the CPU"
        if reason is not None:
            raise ValueError(f"`network` must be one that the compiled rule supports: {reason}. Use GradientDescent.")
        self.network = network
        self.penalty, self.clip_norm, self.clip_value = penalty, clip_norm, clip_value
        self.schedule = copy.deepcopy(get_schedule(schedule))
        self.n_threads, self.n_parts = n_threads, n_parts
        self.report_scale, self.count_rows = float(report_scale), bool(count_rows)
        self.n_steps = 0
        self._n_samples, self._converged = 0, False
        self._lowest_level(first=True)

    @staticmethod
    def supports(
        spec: DenseSpec,
        *,
        optimizer: str | OptimizerSpec = "adam",
        penalty: Penalty = Penalty(),  # noqa: B008 - frozen
    ) -> str | None:
        """Say why a network cannot be compiled.

        Parameters
        ----------
        spec : DenseSpec
            The network.
        optimizer : str or OptimizerSpec, default="adam"
            Name or record of the optimizer.
        penalty : Penalty, default=Penalty()
            Penalty on weights.

        Returns
        -------
        reason : str or None
            Half a sentence, or None when it can be compiled.

        Examples
        --------
        >>> from strata.nn import Head
        >>> CompiledDense.supports(DenseSpec(3, (2,), ("tanh",), (Head(3, "mse"),), tied=True))
        'its weights are tied'
        """
        return why_not_compiled(spec, get_optimizer(optimizer), penalty)

    # -- parts ------------------------------------------------------------------------------------------------

    def _plan_parts(self, batch_size: int) -> int:
        """Return how many parts a batch is divided into: by its size alone, so that the weights repeat anywhere."""
        n_tiles = -(-batch_size // TILE_ROWS)
        flops = 6.0 * batch_size * self._n_parameters
        return min(n_tiles, _MOST_PARTS, self.n_parts or bisect_right(_FLOPS_FOR_PARTS, flops) + 1)

    def _plan_helpers(self, n_parts: int, batch_size: int, n_batches: int) -> int:
        """Return how many other threads to ask: none for a call that is over before they are awake."""
        if 6.0 * batch_size * n_batches * self._n_parameters < _FLOPS_FOR_HELPERS:
            return 0
        return min(n_parts, self._most_threads) - 1

    def _tables(self, batch_size: int) -> Layout:
        n_parts = self._plan_parts(batch_size)
        layout = self._layout
        if layout is None or layout.batch_size < batch_size or layout.whole[places.N_THREADS] != n_parts:
            dtype = self._memory.dtype
            layout = plan_layout(self.network.spec, dtype, batch_size=batch_size, n_parts=n_parts)
            for place, value in self._update.items():
                layout.whole[place] = value
            layout.whole[places.DROPOUT_SEED] = int(self.network.dropout_seed)
            self._layout = layout
            self._partial = np.zeros((n_parts, places.N_PARTIAL + 1))
        return layout

    # -- calls --------------------------------------------------------------------------------------------------

    def _call(
        self,
        arrays: tuple[np.ndarray, ...],
        order: np.ndarray,
        batch_size: int,
        start: int,
        stop: int,
        *,
        mode: int,
        dropping: bool,
        rates: np.ndarray,
        settings: np.ndarray,
    ) -> np.ndarray:
        """Let the threads take some batches; return loss and weight of each that was looked at."""
        layout = self._tables(batch_size)
        whole = layout.whole
        whole[places.MODE], whole[places.DROPPING] = mode, dropping
        whole[places.FIRST_STEP] = whole[places.DROPOUT_STEP] = self.n_steps
        n_helpers = self._plan_helpers(int(whole[places.N_THREADS]), batch_size, stop - start)
        whole[places.HELPERS] = n_helpers
        self._ended[:] = 0
        figures = np.empty((stop - start, 2))
        arguments = (
            *arrays,
            order,
            batch_size,
            start,
            stop,
            layout.layers,
            layout.scales,
            layout.heads,
            layout.numbers,
            self._memory,
            self._slots,
            layout.work,
            whole,
            settings,
            self._coefficients,
            rates,
            closed_gate(),
            self._partial,
            figures,
            self._ended,
            piece_addresses(self._memory.dtype),
        )
        in_threads(n_helpers, arguments)
        return figures[: int(self._ended[places.SEEN])]

    def _learn(
        self, arrays: tuple[np.ndarray, ...], order: np.ndarray, batch_size: int, start: int, stop: int
    ) -> dict[str, Tensor]:
        if isinstance(self.optimizer, LBFGS):
            raise ValueError("`optimizer` must update from one gradient. Received: LBFGS. Use `LBFGSRule`.")
        self._follow()
        self._check_rows(arrays)
        rates = self.schedule.rates(self.optimizer.learning_rate, self.n_steps, stop - start)
        figures = self._call(
            arrays,
            order,
            batch_size,
            start,
            stop,
            mode=places.LEARN,
            dropping=True,
            rates=rates,
            settings=self._settings,
        )
        updates = int(self._ended[places.UPDATES])
        n_rows = min(batch_size * (start + updates), order.size) - min(batch_size * start, order.size)
        vars(self).update(  # a module's own way of setting an attribute takes longer than a small step
            n_steps=self.n_steps + updates,
            _n_samples=self._n_samples + n_rows,
            _converged=self._converged or bool(self._ended[places.MET]),
        )
        if self.count_rows:
            firsts = batch_size * np.arange(start, start + len(figures))
            figures[:, 1] = np.minimum(batch_size, order.size - firsts)
        return {"loss": torch.from_numpy(figures[:, 0]), "weight": torch.from_numpy(figures[:, 1])}

    def _check_rows(self, arrays: tuple[np.ndarray, ...]) -> None:
        """Refuse arrays that do not fit the network: the kernels would read beyond them."""
        (x, y, weights), spec = arrays, self.network.spec
        if self._checked is not None and all(new is old for new, old in zip(arrays, self._checked, strict=True)):
            return
        if x.ndim != 2 or x.shape[1] != spec.n_inputs:
            raise ValueError(f"`x` must have shape (N, {spec.n_inputs}). Received: x of shape {x.shape}.")
        if y.shape != (x.shape[0], spec.target_width):
            raise ValueError(
                f"`y` must have shape ({x.shape[0]}, {spec.target_width}), two-dimensional. "
                f"Received: y of shape {y.shape}."
            )
        if weights.size and weights.shape != (x.shape[0],):
            raise ValueError(
                f"`sample_weight` must have shape ({x.shape[0]},). Received: sample_weight of shape {weights.shape}."
            )
        vars(self)["_checked"] = arrays

    def _of_batch(self, batch: Batch) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Return the arrays of a batch and its rows in order."""
        if batch.y is None:
            raise ValueError("`y` must be given: a dense network learns from targets. Received: y=None.")
        dtype, n_rows = self._memory.dtype, len(batch.x)
        parts = [
            NO_WEIGHTS[dtype] if part is None else alias(np.ascontiguousarray(part.detach().cpu().numpy(), dtype=dtype))
            for part in batch
        ]
        if self._row_numbers.size != n_rows:
            self._row_numbers = np.arange(n_rows, dtype=np.int64)
        return tuple(parts), self._row_numbers

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Learn from one batch; a loss that is not finite is returned, and changes nothing."""
        arrays, order = self._of_batch(batch)
        return {name: values[0] for name, values in self._learn(arrays, order, max(order.size, 1), 0, 1).items()}

    def run(self, batches: Batches, start: int, stop: int) -> dict[str, Tensor]:
        """Learn from the batches ``start`` to ``stop - 1`` in one compiled call.

        The figures end with the first batch whose loss is not finite; the weights are then those before it.
        """
        arrays = batches.arrays
        if arrays is None or batches.order is None or arrays[1] is None or not self._arrays.fits(arrays[0]):
            return super().run(batches, start, stop)
        stop = min(stop, -(-batches.order.size // batches.batch_size))
        order = alias(np.ascontiguousarray(batches.order, dtype=np.int64))
        taken = self._arrays.take(arrays[0], arrays[1], arrays[2])
        return self._learn(taken, order, batches.batch_size, start, stop)

    def _look(self, batch: Batch, *, mode: int, dropping: bool) -> np.ndarray:
        """Compute the loss of one batch, and its gradient if the mode says so, without changing anything."""
        self._follow()
        arrays, order = self._of_batch(batch)
        self._check_rows(arrays)
        settings = self._settings.copy()
        settings[[places.CLIP_NORM, places.CLIP_VALUE]] = 0
        if mode == places.DIFFERENTIATE:  # a loss and its own gradient
            settings[places.REPORT] = 1
        rates = np.zeros(1)
        figures = self._call(
            arrays, order, order.size, 0, 1, mode=mode, dropping=dropping, rates=rates, settings=settings
        )
        return np.asarray(figures[0])

    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss, penalty included, and the weight of one batch, without dropout."""
        loss, weight = torch.from_numpy(self._look(batch, mode=places.EVALUATE, dropping=False))
        return {"loss": loss, "weight": weight}

    def loss_and_gradient(self, batch: Batch) -> tuple[float, np.ndarray]:
        """Compute the loss of a batch and its gradient, without learning.

        Parameters
        ----------
        batch : Batch
            Rows, targets and weights. Dropout acts with the masks of the next step; nothing is clipped.

        Returns
        -------
        loss : float
            Loss, penalty included.
        gradient : ndarray of shape (n_parameters,)
            Gradient in the order of ``theta``.
        """
        loss = float(self._look(batch, mode=places.DIFFERENTIATE, dropping=True)[0])
        return loss, cast(Layout, self._layout).gradient.copy()

    def trace(self, batch: Batch, *, dropout: bool = False) -> list[LayerTrace]:
        """Hand out every z, a, delta and gradient of a batch, by layer, without learning.

        Parameters
        ----------
        batch : Batch
            Rows, targets and weights.
        dropout : bool, default=False
            Whether dropout acts, with the masks of the next step. An activation that is dropped is then NaN where it
            cannot be told.

        Returns
        -------
        layers : list of LayerTrace
            One for each layer of weights, from the first hidden layer to the output.

        Examples
        --------
        >>> from strata.nn import Head
        >>> spec = DenseSpec(2, (), (), (Head(1, "half_squared"),))
        >>> network = DenseNetwork.from_arrays(spec, [np.array([[3.0], [-2.0]])], [np.array([1.0])])
        >>> rows = Batch(torch.tensor([[-1.0, 2.0]]).double(), torch.tensor([[-5.0]]).double())
        >>> CompiledDense(network).trace(rows)[0].delta
        tensor([[-1.]], dtype=torch.float64)
        """
        kept = self.n_parts, self._layout
        self.n_parts, self._layout = 1, None
        try:
            self._look(batch, mode=places.DIFFERENTIATE, dropping=dropout)
            return trace_layers(self.network.spec, cast(Layout, self._layout), self.theta, len(batch.x))
        finally:
            self.n_parts, self._layout = kept

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's scores in its current mode."""
        return cast(Tensor, self.network(x))

    # -- the contract of a rule ---------------------------------------------------------------------------------

    @property
    def batches_per_call(self) -> int:  # type: ignore[override]
        """Batches that take about 0.15 s, at the batch size seen last."""
        rows = 200 if self._layout is None else self._layout.batch_size
        seconds = max(_STEP_SECONDS, 6.0 * rows * self._n_parameters / _FLOPS_PER_SECOND)
        return max(1, int(_SECONDS_PER_CALL / seconds))

    def prepare(self, say: Callable[[str], None]) -> None:
        """Compile the kernels, or load them from disk."""
        make_ready(self._memory.dtype, say)

    def plan(self, *, n_batches: int | None, max_epochs: int) -> None:
        """Hand the length of the run to the schedule."""
        self.schedule.plan(n_batches=n_batches, max_epochs=max_epochs)

    def end_epoch(self, figures: dict[str, float]) -> None:
        """Hand the figures and the number of rows seen to the schedule."""
        self.schedule.end_epoch(figures, n_samples=self._n_samples)
        self._n_samples = 0

    @property
    def converged(self) -> bool:
        """Whether every partial derivative was within Rprop's threshold at the last step."""
        return self._converged

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        return self.schedule.rate(self.optimizer.learning_rate, self.n_steps)

    def lower_rate(self, factor: float) -> bool:
        """Multiply the rate by ``factor`` if the schedule is ``adaptive`` and not at its end."""
        return self.schedule.lower(self.optimizer.learning_rate, self.n_steps, factor)

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able configuration."""
        return {
            "rule": type(self).__name__,
            "loss": "+".join(head.loss for head in self.network.spec.heads),
            "optimizer": describe_optimizer(self.optimizer),
            "schedule": self.schedule.describe(),
            "penalty": asdict(self.penalty),
            "clip_norm": self.clip_norm,
            "clip_value": self.clip_value,
        }

    def get_extra_state(self) -> dict[str, Any]:
        """Return what is not in a parameter or buffer: the schedule and the counters."""
        return {
            "schedule": self.schedule.state_dict(),
            "n_steps": self.n_steps,
            "n_samples": self._n_samples,
            "converged": self._converged,
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take the state of :meth:`get_extra_state` back."""
        self.schedule.load_state_dict(state["schedule"])
        self.n_steps, self._n_samples = int(state["n_steps"]), int(state["n_samples"])
        self._converged = bool(state["converged"])
