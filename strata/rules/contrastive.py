"""Contrastive divergence: how a restricted Boltzmann machine learns from data and from what it would itself produce."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor

from strata._threads import check_threads
from strata.data.sources import Batch, Batches
from strata.nn.rbm import RBM
from strata.rules._checks import check_choice, check_count, check_number
from strata.rules._gibbs_memory import CompiledChains, Plan
from strata.rules.base import Rule
from strata.rules.compiled import gibbs_places as places
from strata.rules.compiled._support import Arrays, alias, n_cores
from strata.rules.schedules import Schedule, get_schedule

__all__ = ["ContrastiveDivergence"]

_SECONDS_PER_CALL = 0.15  # between two looks of the engine at signals and clocks
_STEP_SECONDS, _FLOPS_PER_SECOND = 5e-6, 6e10  # what a step costs at least, and the speed of one thread; rough
_DRAWS = {"all": places.DRAW_ALL, "hidden": places.DRAW_HIDDEN, "none": places.DRAW_NONE}
_UNKNOWN = -1.0  # the activity of a hidden unit before the first batch


class ContrastiveDivergence(Rule):
    r"""Lower the energy of the data and raise that of what short Gibbs chains produce.

    Parameters
    ----------
    rbm : RBM
        The machine, trained in place; real visible units must have ``sigma`` 1 (standardize the data).
    learning_rate : float, default=0.1
        Rate, > 0.
    n_gibbs_steps : int, default=1
        Steps k of each chain between two updates, >= 1.
    persistent : bool, default=False
        Whether chains go on from update to update (persistent contrastive divergence), or begin at the data.
    n_chains : int, default=100
        Number of persistent chains, >= 1; they begin with all hidden units 0.
    sampling : {"all", "hidden", "none"}, default="all"
        What is drawn along a chain: visible and hidden units, hidden units only (the visible ones are replaced by
        their means), or nothing (means everywhere). The last hidden units of a chain are always probabilities.
    momentum : float or (float, float), default=0.0
        Share of the last change that is made again, in [0, 1); a pair is that of the first epochs and that of the rest.
    momentum_epochs : int, default=5
        Epochs of the first momentum of a pair.
    weight_decay : float, default=0.0
        Strength of the L2 penalty on the weights, >= 0.
    sparsity_target : float or None, default=None
        Share of the time that a hidden unit should be 1, in (0, 1); None leaves it free.
    sparsity_cost : float, default=0.1
        Strength of the pull towards the target, > 0.
    sparsity_decay : float, default=0.9
        Share of the past in the running mean of each unit's activity, in [0, 1).
    average_chains : bool, default=True
        Whether the statistics of persistent chains are divided by their number, or by that of the batch's rows. The
        second is what scikit-learn does; it differs for a batch of another size, as the last one of an epoch.
    schedule : str or Schedule, default="constant"
        How the rate changes; the object is copied.
    random_state : int, RandomState or None, default=None
        Source of the draws; a ``RandomState`` is drawn from as it is, not copied.
    n_threads : int or None, default=None
        Most threads that share a batch; None: those that torch may use. The result is the same however many there are.
    engine : {"auto", "compiled", "torch"}, default="auto"
        The compiled chain, or plain operations of torch; "auto" compiles on the CPU.

    Attributes
    ----------
    rbm : RBM
        The machine.
    chains : Tensor of shape (n_chains, n_hidden)
        Hidden units of the persistent chains.
    n_steps : int
        Updates made.

    Raises
    ------
    ValueError
        If a number is outside its range, ``sigma`` is not 1, or the engine cannot serve.
    TypeError
        If ``rbm`` is none.

    See Also
    --------
    strata.nn.RBM : What learns.
    UpDown : How a deep belief network is refined.

    Notes
    -----
    With :math:`v^0` the data and :math:`v^k` the ends of the chains, the change of the weights is

    .. math:: \Delta W = \varepsilon \left( \langle v^0 p(h | v^0)' \rangle - \langle v^k p(h | v^k)' \rangle
       - \lambda W \right),

    and likewise of the biases, which do not decay [1]_. Chains that begin at the data make it CD-k, chains that go on
    make it stochastic maximum likelihood [2]_. With a target :math:`p` for the running mean :math:`q_j` of a hidden
    unit, the cost times :math:`p - q_j` is added to its probability for every row of the data [3]_.

    The logged ``loss`` is the mean free energy of the data minus that of the chains' ends, whose gradient the change
    follows; it is not a likelihood. ``reconstruction`` is the mean squared difference of the two, unless the chains
    are persistent. The draws are those of ``RandomState.random_sample`` in the order of the chain, whatever the engine.

    References
    ----------
    .. [1] G. Hinton, "Training products of experts by minimizing contrastive divergence", Neural Computation 14, 2002.
    .. [2] T. Tieleman, "Training restricted Boltzmann machines using approximations to the likelihood gradient",
       ICML 2008.
    .. [3] G. Hinton, "A practical guide to training restricted Boltzmann machines", UTML TR 2010-003, section 11.

    Examples
    --------
    >>> rule = ContrastiveDivergence(RBM(4, 3), random_state=0)
    >>> figures = rule.step(Batch(torch.tensor([[0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]])))
    >>> sorted(figures), rule.n_steps
    (['loss', 'reconstruction', 'weight'], 1)
    """

    rbm: RBM
    chains: Tensor
    velocity: Tensor
    visible_velocity: Tensor
    hidden_velocity: Tensor
    activity: Tensor

    def __init__(
        self,
        rbm: RBM,
        *,
        learning_rate: float = 0.1,
        n_gibbs_steps: int = 1,
        persistent: bool = False,
        n_chains: int = 100,
        sampling: str = "all",
        momentum: float | tuple[float, float] = 0.0,
        momentum_epochs: int = 5,
        weight_decay: float = 0.0,
        sparsity_target: float | None = None,
        sparsity_cost: float = 0.1,
        sparsity_decay: float = 0.9,
        average_chains: bool = True,
        schedule: str | Schedule = "constant",
        random_state: int | np.random.RandomState | None = None,
        n_threads: int | None = None,
        engine: str = "auto",
    ) -> None:
        super().__init__()
        if not isinstance(rbm, RBM):
            raise TypeError(f"`rbm` must be an RBM. Received: rbm={rbm!r}.")
        if not bool((rbm.sigma == 1).all()):
            raise ValueError("`rbm` must have sigma 1 to learn. Received: another sigma. Standardize the data instead.")
        self.rbm = rbm
        self.learning_rate = check_number("learning_rate", learning_rate, above=0)
        self.n_gibbs_steps = check_count("n_gibbs_steps", n_gibbs_steps)
        self.persistent = bool(persistent)
        self.n_chains = check_count("n_chains", n_chains) if persistent else 0
        self.sampling = check_choice("sampling", sampling, tuple(_DRAWS))
        pair = momentum if isinstance(momentum, tuple) else (momentum, momentum)
        if len(pair) != 2:
            raise ValueError(f"`momentum` must be a number or a pair of them. Received: momentum={momentum!r}.")
        self.momentum = tuple(check_number("momentum", value, at_least=0, below=1) for value in pair)
        self.momentum_epochs = check_count("momentum_epochs", momentum_epochs, at_least=0)
        self.weight_decay = check_number("weight_decay", weight_decay, at_least=0)
        if sparsity_target is not None:
            check_number("sparsity_target", sparsity_target, above=0, below=1)
        self.sparsity_target = sparsity_target
        self.sparsity_cost = check_number("sparsity_cost", sparsity_cost, above=0)
        self.sparsity_decay = check_number("sparsity_decay", sparsity_decay, at_least=0, below=1)
        self.average_chains = bool(average_chains)
        self.schedule = copy.deepcopy(get_schedule(schedule))
        self.random_state = check_random_state(random_state)
        check_threads(n_threads)
        self.n_threads = n_threads
        self.engine = check_choice("engine", engine, ("auto", "compiled", "torch"))
        self.n_steps = self.n_epochs = self._n_samples = 0
        weight = rbm.weight
        moving = rbm.n_visible if max(self.momentum) > 0 else 0
        self.register_buffer("chains", weight.new_zeros((self.n_chains, rbm.n_hidden)))
        self.register_buffer("velocity", weight.new_zeros((moving, rbm.n_hidden)))
        self.register_buffer("visible_velocity", weight.new_zeros(moving))
        self.register_buffer("hidden_velocity", weight.new_zeros(rbm.n_hidden if moving else 0))
        known = rbm.n_hidden if sparsity_target is not None else 0
        self.register_buffer("activity", torch.full((known,), _UNKNOWN, dtype=weight.dtype, device=weight.device))
        self._forget()
        if engine == "compiled" and not self._can_compile():
            raise ValueError(
                "`engine` must be 'torch' for a machine that is not on the CPU, or draws that are not those of the "
                "Mersenne Twister. Received: engine='compiled'."
            )

    # -- the memory of the compiled chain -----------------------------------------------------------------------

    def _forget(self) -> None:
        """Let the compiled memory be made anew at the next call."""
        self._compiled: CompiledChains | None = None
        self._addresses: list[tuple[str, int]] = []
        self._arrays: Arrays | None = None

    def _can_compile(self) -> bool:
        is_twister = type(self.random_state._bit_generator).__name__ == "MT19937"
        return self.engine != "torch" and is_twister and self.rbm.weight.device.type == "cpu"

    def _tensors(self) -> dict[str, Tensor]:
        """Return the tensors whose memory the compiled chain shares, by the kernels' names."""
        rbm = self.rbm
        return {
            "weight": rbm.weight,
            "visible_bias": rbm.visible_bias,
            "hidden_bias": rbm.hidden_bias,
            "velocity": self.velocity,
            "visible_velocity": self.visible_velocity,
            "hidden_velocity": self.hidden_velocity,
            "activity": self.activity,
        }

    def _bound(self) -> CompiledChains:
        """Return the compiled memory; bind parameters and buffers to it if someone gave them other memory."""
        tensors = self._tensors()
        if self._compiled is not None and all(tensors[name].data_ptr() == place for name, place in self._addresses):
            return self._compiled
        dtype = self.rbm.weight.detach().numpy().dtype
        plan = Plan(self.rbm.n_visible, self.rbm.n_hidden, dtype)
        machine: dict[str, np.ndarray] = {}
        self._addresses = []
        for name, tensor in tensors.items():
            if tensor.numel() == 0:
                machine[name] = np.empty(0, dtype)
                continue
            flat, view = plan.matrix(tensor) if tensor.ndim == 2 else plan.vector(tensor, size=tensor.numel())
            machine[name] = flat
            tensor.data = view
            self._addresses.append((name, tensor.data_ptr()))
        self._arrays = Arrays(dtype)
        self._compiled = CompiledChains(
            plan,
            machine,
            visible=self.rbm.visible,
            draws=_DRAWS[self.sampling],
            n_chains=self.n_chains,
            n_steps=self.n_gibbs_steps,
            average=self.average_chains,
        )
        return self._compiled

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made again: buffers, views and addresses."""
        state = self.__dict__.copy()
        for name in ("_compiled", "_addresses", "_arrays"):
            state.pop(name, None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state back; the compiled memory is made at the next call."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._forget()

    def _learn(
        self, x: np.ndarray, order: np.ndarray, batch_size: int, start: int, stop: int, rates: np.ndarray
    ) -> dict[str, Tensor]:
        chains = self._bound()
        settings = chains.settings
        settings[places.MOMENTUM], settings[places.DECAY] = self._momentum(), self.weight_decay
        if self.sparsity_target is not None:
            settings[places.TARGET], settings[places.COST] = self.sparsity_target, self.sparsity_cost
            settings[places.KEEP] = self.sparsity_decay
        figures = chains.learn(
            x,
            order,
            batch_size,
            start,
            stop,
            rates=rates,
            chains=self.chains.numpy(),
            generator=self.random_state,
            n_threads=self.n_threads or min(torch.get_num_threads(), n_cores()),
        )
        n_learned = int(np.isfinite(figures[:, 0]).sum())
        self.n_steps += n_learned
        self._n_samples += int(figures[:n_learned, 2].sum())
        logs = {"loss": torch.from_numpy(figures[:, 0]), "weight": torch.from_numpy(figures[:, 2])}
        if not self.persistent:
            logs["reconstruction"] = torch.from_numpy(figures[:, 1])
        return logs

    # -- learning -----------------------------------------------------------------------------------------------

    def _momentum(self) -> float:
        return self.momentum[0] if self.n_epochs < self.momentum_epochs else self.momentum[1]

    def _rows(self, batch: Batch) -> Tensor:
        x = batch.x
        if x.ndim != 2 or x.shape[1] != self.rbm.n_visible:
            raise ValueError(f"`x` must have shape (N, {self.rbm.n_visible}). Received: shape {tuple(x.shape)}.")
        if batch.sample_weight is not None:
            raise ValueError("`sample_weight` must be None: every row counts the same. Received: weights.")
        return x

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Learn from one batch; a loss that is not finite is returned, and changes no weight.

        Parameters
        ----------
        batch : Batch
            ``x`` of shape (N, n_visible), from 0 to 1 for binary units; targets are not looked at.

        Returns
        -------
        figures : dict of Tensors
            ``loss``, ``weight`` (the number of rows) and, without persistent chains, ``reconstruction``.
        """
        x, rates = self._rows(batch), self.schedule.rates(self.learning_rate, self.n_steps, 1)
        if not self._can_compile():
            return self._plain_step(x.to(self.rbm.weight), float(rates[0]))
        dtype = self.rbm.weight.detach().numpy().dtype
        rows = alias(np.ascontiguousarray(x.detach().cpu().numpy(), dtype=dtype))
        order = np.arange(len(rows), dtype=np.int64)
        return {name: value[0] for name, value in self._learn(rows, order, len(rows), 0, 1, rates).items()}

    def run(self, batches: Batches, start: int, stop: int) -> dict[str, Tensor]:
        """Learn from the batches ``start`` to ``stop - 1`` in one compiled call, if they are arrays in memory."""
        arrays = batches.arrays
        if arrays is None or batches.order is None or not self._can_compile():
            return super().run(batches, start, stop)
        self._bound()
        known = cast(Arrays, self._arrays)
        if not known.fits(arrays[0]) or arrays[2] is not None or arrays[0].ndim != 2:
            return super().run(batches, start, stop)
        self._rows(Batch(torch.from_numpy(alias(arrays[0][:1]))))
        stop = min(stop, -(-batches.order.size // batches.batch_size))
        order = alias(np.ascontiguousarray(batches.order, dtype=np.int64))
        rates = self.schedule.rates(self.learning_rate, self.n_steps, stop - start)
        x = known.take(arrays[0], arrays[0], None)[0]
        return self._learn(x, order, batches.batch_size, start, stop, rates)

    def _draw(self, shape: tuple[int, ...]) -> Tensor:
        return torch.from_numpy(self.random_state.random_sample(shape)).to(self.rbm.weight.device)

    def _drawn(self, probs: Tensor) -> Tensor:
        return probs if self.sampling == "none" else (self._draw(tuple(probs.shape)) < probs).to(probs)

    @torch.no_grad()
    def _plain_step(self, x: Tensor, rate: float) -> dict[str, Tensor]:
        """Do by the equations what the compiled chain does."""
        rbm, n = self.rbm, len(x)
        data = rbm.hidden_probs(x)
        hidden = self.chains if self.persistent else self._drawn(data)
        visible, model = x, data
        for k in range(self.n_gibbs_steps):
            if self.sampling == "all":
                visible = rbm.visible_at(hidden, self._draw((len(hidden), rbm.n_visible)))
            else:
                visible = rbm.visible_mean(hidden)
            model = rbm.hidden_probs(visible)
            if self.persistent or k + 1 < self.n_gibbs_steps:
                hidden = self._drawn(model)
        loss = rbm.free_energy(x).mean() - rbm.free_energy(visible).mean()
        figures = {"loss": loss, "weight": torch.tensor(float(n), dtype=torch.float64)}
        if not self.persistent:
            figures["reconstruction"] = ((x - visible) ** 2).mean()
        else:
            self.chains.copy_(hidden)
        if not bool(loss.isfinite()):
            return figures
        if self.sparsity_target is not None:
            now, known = data.mean(0), self.activity[0] != _UNKNOWN
            share = self.sparsity_decay if bool(known) else 0.0
            self.activity.copy_(share * self.activity + (1 - share) * now)
            data = data + self.sparsity_cost * (self.sparsity_target - self.activity)
        to_data, to_model = rate / n, rate / (len(visible) if self.average_chains else n)
        changes = (
            (rbm.weight, self.velocity, x.T @ data * to_data - visible.T @ model * to_model, self.weight_decay),
            (rbm.visible_bias, self.visible_velocity, x.sum(0) * to_data - visible.sum(0) * to_model, 0.0),
            (rbm.hidden_bias, self.hidden_velocity, data.sum(0) * to_data - model.sum(0) * to_model, 0.0),
        )
        for parameter, velocity, change, decay in changes:
            change = change - rate * decay * parameter
            if velocity.numel():
                change = velocity.mul_(self._momentum()).add_(change)
            parameter.add_(change)
        self.n_steps += 1
        self._n_samples += n
        return figures

    @torch.no_grad()
    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the figures of one batch for a chain of means that begins at the data, without drawing."""
        x = self._rows(batch).to(self.rbm.weight)
        visible = x
        for _ in range(self.n_gibbs_steps):
            visible = self.rbm.visible_mean(self.rbm.hidden_probs(visible))
        return {
            "loss": self.rbm.free_energy(x).mean() - self.rbm.free_energy(visible).mean(),
            "reconstruction": ((x - visible) ** 2).mean(),
            "weight": torch.tensor(float(len(x)), dtype=torch.float64),
        }

    def forward(self, x: Tensor) -> Tensor:
        """Return the probabilities of the hidden units, of shape (N, n_hidden)."""
        return self.rbm.hidden_probs(x.to(self.rbm.weight))

    # -- the contract of a rule ---------------------------------------------------------------------------------

    @property
    def batches_per_call(self) -> int:  # type: ignore[override]
        """Batches of 100 rows that take about 0.15 s."""
        flops = (6.0 + 4.0 * self.n_gibbs_steps) * 100 * self.rbm.n_visible * self.rbm.n_hidden
        return max(1, int(_SECONDS_PER_CALL / max(_STEP_SECONDS, flops / _FLOPS_PER_SECOND)))

    def prepare(self, say: Callable[[str], None]) -> None:
        """Compile the chain, or load it from disk."""
        if self._can_compile():
            self._bound().prepare(say)

    def plan(self, *, n_batches: int | None, max_epochs: int) -> None:
        """Hand the length of the run to the schedule."""
        self.schedule.plan(n_batches=n_batches, max_epochs=max_epochs)

    def end_epoch(self, figures: dict[str, float]) -> None:
        """Count the epoch, and hand its figures to the schedule."""
        self.n_epochs += 1
        self.schedule.end_epoch(figures, n_samples=self._n_samples)
        self._n_samples = 0

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        return self.schedule.rate(self.learning_rate, self.n_steps)

    def lower_rate(self, factor: float) -> bool:
        """Multiply the rate by ``factor`` if the schedule is ``adaptive`` and not at its end."""
        return self.schedule.lower(self.learning_rate, self.n_steps, factor)

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able configuration."""
        return {
            "rule": type(self).__name__,
            "visible": self.rbm.visible,
            "learning_rate": self.learning_rate,
            "n_gibbs_steps": self.n_gibbs_steps,
            "n_chains": self.n_chains,
            "sampling": self.sampling,
            "momentum": [*self.momentum, self.momentum_epochs],
            "weight_decay": self.weight_decay,
            "sparsity": [self.sparsity_target, self.sparsity_cost, self.sparsity_decay],
            "schedule": self.schedule.describe(),
        }

    def get_extra_state(self) -> dict[str, Any]:
        """Return what is not in a parameter or buffer: the draws, the schedule and the counters."""
        _, key, place, has_gauss, cached = self.random_state.get_state(legacy=True)
        return {
            "generator": [np.asarray(key).astype(np.int64), int(place), int(has_gauss), float(cached)],
            "schedule": self.schedule.state_dict(),
            "counts": [self.n_steps, self.n_epochs, self._n_samples],
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take the state of :meth:`get_extra_state` back."""
        key, place, has_gauss, cached = state["generator"]
        words = np.asarray(key).astype(np.uint32)
        self.random_state.set_state(("MT19937", words, int(place), int(has_gauss), float(cached)))
        self.schedule.load_state_dict(state["schedule"])
        self.n_steps, self.n_epochs, self._n_samples = (int(count) for count in state["counts"])
