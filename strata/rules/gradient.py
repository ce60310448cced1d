"""Gradient descent by automatic differentiation, for any network."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

import torch
from torch import Tensor, nn

from strata.data.sources import Batch
from strata.errors import TrainingMemoryError
from strata.functional.losses import Loss
from strata.functional.penalties import Penalty
from strata.rules._checks import check_choice, check_number
from strata.rules._groups import OptimizerBuilder, build_optimizer, rate_factors
from strata.rules._losses import LossFunction, batch_weight, bind_loss
from strata.rules._parameters import WeightPenalty, freeze, split_parameters
from strata.rules._program import Program
from strata.rules.base import Rule
from strata.rules.fast import FastForm
from strata.rules.optimizers import OptimizerSpec
from strata.rules.schedules import Schedule, get_schedule

__all__ = ["GradientDescent", "PRECISIONS"]

#: The type that the forward pass is computed in, by the name of a precision.
PRECISIONS = {"full": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
_MEMORY_FORMATS = ("contiguous", "channels_last")
_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "defaultcpuallocator")


class GradientDescent(Rule):
    r"""Learn by the gradient of a loss plus a penalty, computed by automatic differentiation.

    One step computes ``loss(network(x), y)``, its gradient, adds the gradient of the penalty, clips, updates with
    the optimizer at the schedule's rate, and takes the penalty's proximal step and bound.

    Parameters
    ----------
    network : nn.Module
        Any network that maps ``x`` to scores; trained in place. In training mode it may return a tuple of the scores
        and those of auxiliary heads (GoogLeNet).
    loss : str, Loss, callable or None
        Name of a loss of :mod:`strata.functional.losses`, such a record, or a callable taking ``(scores, targets)``
        or ``(scores, targets, sample_weight)`` and returning a scalar (a :class:`strata.nn.DenseLoss`, a loss of
        ``torch.nn``). None: the network has a loss of its own, ``network.objective(x, y, sample_weight)``.
    optimizer : str, OptimizerSpec or callable, default="adam"
        Name, record, or a function of the list of trainable parameters that returns a ``torch.optim.Optimizer``.
    schedule : str or Schedule, default="constant"
        How the rate changes; the object is copied.
    penalty : Penalty, default=Penalty()
        Penalty on weights (never on biases or gains); see Notes.
    clip_norm : float or None, default=None
        Bound on the Euclidean norm of the whole gradient, > 0.
    clip_value : float or None, default=None
        Bound on the size of each partial derivative, > 0; applied before ``clip_norm``.
    precision : {"full", "bfloat16", "float16"}, default="full"
        Number format of the forward pass by ``torch.autocast``; with ``"float16"`` the loss is scaled.
    loss_options : mapping of str to float or None, default=None
        Options of a loss by name, such as ``{"label_smoothing": 0.1}`` of the cross-entropy.
    aux_weight : float, default=0.3
        What the loss of each auxiliary head counts for, >= 0.
    rates : mapping of str to float or None, default=None
        Factors on the learning rate by the dotted name of a module or parameter, > 0; the longest name that fits
        counts, 1 where none does.
    memory_format : {"contiguous", "channels_last"}, default="contiguous"
        Order in memory of kernels and of batches with four axes: as they come, or with the channels innermost.
    compile : bool, default=False
        Compile the forward pass, the loss and the backward pass by ``torch.compile``, for the shape of the first batch;
        batches of other shapes go the eager way. Where it cannot be, a warning says why and all goes the eager way.
    cuda_graphs : bool, default=False
        On CUDA, compile and replay the kernels of a step as one graph, for small networks; elsewhere no effect.
    fused : bool, default=False
        Update all parameters in one kernel where torch has one (SGD, Adam and AdamW in the framework's form). On the
        CPU, in a network of :mod:`strata.models` or a ``Sequential``, also compute training steps by the layers of
        :mod:`strata.rules.fast`: Winograd's convolution of 3x3, convolution over few channels, joined batch
        normalization. Results differ by rounding; ``compile`` has no effect then, nor have hooks that such layers get
        afterwards.
    frozen : sequence of str, default=()
        Names of parameters or modules that do not learn. A frozen module also stays in evaluation mode, so that
        the running statistics of its batch normalization stay as they are.
    report_scale : float, default=1.0
        What the loss of the targets, without the penalty, is multiplied by in the figures; the gradient is not.
    count_rows : bool, default=False
        Whether a batch counts in the figures of an epoch by its rows (scikit-learn) and not by their weights.

    Attributes
    ----------
    network : nn.Module
        The network.
    optimizer : torch.optim.Optimizer
        The optimizer, over the parameters that are not frozen.
    schedule : Schedule
        The rule's own copy of the schedule.
    n_steps : int
        Steps taken.

    Raises
    ------
    ValueError
        If a name is unknown, a bound is not positive, nothing is left to learn, or the optimizer is L-BFGS.
    TypeError
        If an argument has the wrong type.

    See Also
    --------
    LBFGSRule : The same for full batches by a quasi-Newton method.

    Notes
    -----
    A weight is a parameter with two axes or more that is no bias and belongs to no normalization layer; embeddings
    count as weights. The penalty's gradient, ``l2 W + l1 sign(W)``, is added before clipping. Clipping by norm is
    ``torch.nn.utils.clip_grad_norm_``: :math:`g \leftarrow g \min(1, c / (\lVert g \rVert + 10^{-6}))`. The logged
    ``loss`` includes the penalty, both taken before the update, as in scikit-learn's ``loss_curve_``.

    Examples
    --------
    >>> network = nn.Linear(1, 1)
    >>> rule = GradientDescent(network, "mse", optimizer="sgd")
    >>> figures = rule.step(Batch(torch.ones(4, 1), torch.zeros(4, 1)))
    >>> sorted(figures), rule.rate
    (['loss', 'weight'], 0.01)
    """

    def __init__(
        self,
        network: nn.Module,
        loss: str | Loss | LossFunction | None,
        *,
        optimizer: str | OptimizerSpec | OptimizerBuilder = "adam",
        schedule: str | Schedule = "constant",
        penalty: Penalty = Penalty(),  # noqa: B008 - frozen
        clip_norm: float | None = None,
        clip_value: float | None = None,
        precision: Literal["full", "bfloat16", "float16"] = "full",
        loss_options: Mapping[str, float] | None = None,
        aux_weight: float = 0.3,
        rates: Mapping[str, float] | None = None,
        memory_format: Literal["contiguous", "channels_last"] = "contiguous",
        compile: bool = False,  # noqa: A002 - torch's word
        cuda_graphs: bool = False,
        fused: bool = False,
        frozen: Sequence[str] = (),
        report_scale: float = 1.0,
        count_rows: bool = False,
    ) -> None:
        super().__init__()
        _check_settings(network, penalty, clip_norm, clip_value, precision, frozen)
        check_number("aux_weight", aux_weight, at_least=0)
        check_choice("memory_format", memory_format, _MEMORY_FORMATS)
        if memory_format == "channels_last":
            network.to(memory_format=torch.channels_last)
        self.network = network
        self.loss = None if loss is None else bind_loss(loss, loss_options)
        if self.loss is None and not callable(getattr(network, "objective", None)):
            raise TypeError("`loss` must be given for a network without a method `objective`. Received: loss=None.")
        self.loss_options = dict(loss_options or {})
        self.aux_weight, self.memory_format = float(aux_weight), memory_format
        self.frozen = tuple(frozen)
        self._still = freeze(network, self.frozen)
        weights, others = split_parameters(network)
        self._trainable = [weight.parameter for weight in weights] + others
        if not self._trainable:
            raise ValueError("`network` must have a parameter that is not frozen. Received: none that requires grad.")
        factors = rate_factors(network, {} if rates is None else rates)
        self.rates, self.fused = dict(rates or {}), bool(fused)
        self._penalty = WeightPenalty(penalty, weights, [factors[id(weight.parameter)] for weight in weights])
        self._built = build_optimizer(
            optimizer,
            [weight.parameter for weight in weights],
            others,
            factors=factors,
            fused=fused and precision != "float16",
        )
        self.optimizer = self._built.optimizer
        self._bases = [float(group["lr"]) for group in self.optimizer.param_groups]
        self.schedule = copy.deepcopy(get_schedule(schedule))
        self.clip_norm, self.clip_value, self.precision = clip_norm, clip_value, precision
        rewrites = fused and self.device.type == "cpu" and precision == "full" and loss is not None
        self._fast = self._fast_form() if rewrites else None
        compile = compile and self._fast is None  # noqa: A001
        graphs = bool(cuda_graphs) and self.device.type == "cuda"
        self._program = Program(cuda_graphs=graphs) if compile or graphs else None
        self._example: Batch | None = None
        self._scaler = torch.amp.GradScaler(self.device.type) if precision == "float16" else None
        self._dropouts = [module for module in network.modules() if hasattr(module, "dropout_step")]
        self.report_scale, self.count_rows = float(report_scale), bool(count_rows)
        self.n_steps = 0
        self._n_samples = 0
        self._converged = False

    def _fast_form(self) -> FastForm | None:
        """Return the network's training steps by faster layers, where it has such."""
        fast = FastForm(self.network)
        return fast if fast.found else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's scores in its current mode, without those of auxiliary heads."""
        scores, _ = _heads(self.network(self._formatted(x)))
        return scores

    @property
    def device(self) -> torch.device:
        """Device of the parameters that learn."""
        return self._trainable[0].device

    # -- compiling ------------------------------------------------------------------------------------

    @property
    def wants_example(self) -> bool:
        """Whether the shape to compile for is still to be shown."""
        return self._program is not None and not self._program.ready

    def expect(self, batch: Batch) -> None:
        """Be shown a batch of the shape to compile for."""
        if self._program is not None:
            self._example = self._on_device(batch)

    def prepare(self, say: Callable[[str], None]) -> None:
        """Compile for the shape of the batch that was shown; without one, the first step does."""
        if self._fast is not None:
            self._fast.make_ready()
        if self._program is not None and not self._program.ready and self._example is not None:
            say("Compiling the network; this takes up to a minute the first time.")
            self._compile(self._example)
        self._example = None

    def _compile(self, batch: Batch) -> None:
        """Compile for a batch of the shape that was settled by the first one, in this process or an earlier one."""
        program = self._program
        if program is None:
            return
        program.expect(batch)
        if program.fits(batch):
            training = self.network.training
            self._enter_training()
            program.compile(self.network, self._objective, batch)
            if not training:
                self.network.eval()

    def _formatted(self, x: Tensor) -> Tensor:
        """Return a batch of images in the memory order of the kernels."""
        if self.memory_format == "contiguous" or x.ndim != 4:
            return x
        return x.contiguous(memory_format=torch.channels_last)

    def _on_device(self, batch: Batch) -> Batch:
        batch = batch.to(self.device)
        return batch._replace(x=self._formatted(batch.x))

    # -- steps ----------------------------------------------------------------------------------------

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Learn from one batch and return its loss, penalty included, and its weight.

        Raises
        ------
        TrainingMemoryError
            If the batch does not fit in memory; no gradient is kept and another batch may follow.
        """
        batch = self._on_device(batch)
        if self.wants_example:
            self._compile(batch)
        try:
            return self._step(batch)
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            message = _memory_message(len(batch.x), self.device)
        self.optimizer.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        raise TrainingMemoryError(message)  # outside the handler: its traceback would keep the tensors alive

    def _step(self, batch: Batch) -> dict[str, Tensor]:
        self._enter_training()
        self.optimizer.zero_grad(set_to_none=True)
        program = self._program
        loss = self._loss(batch) if program is None else program(self._objective, batch)
        (loss if self._scaler is None else self._scaler.scale(loss)).backward()  # type: ignore[no-untyped-call]
        total, weight = self._with_penalty(loss.detach() * self.report_scale, batch)
        for group, base in zip(self.optimizer.param_groups, self._bases, strict=True):
            group["lr"] = self.schedule.rate(base, self.n_steps)
        if self._scaler is not None:
            self._scaler.unscale_(self.optimizer)
        self._finish_gradient(self._total(weight))
        if self._built.threshold is not None and self._largest_derivative() <= self._built.threshold:
            self._converged = True
        else:
            self._update(self._total(weight))
        self.n_steps += 1
        self._n_samples += len(batch.x)
        return {"loss": total, "weight": self._mass(batch, weight)}

    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss, penalty included, and the weight of one batch, in evaluation mode."""
        batch = self._on_device(batch)
        training = self.network.training
        self.network.eval()
        try:
            with torch.no_grad():
                total, weight = self._with_penalty(self._loss(batch) * self.report_scale, batch)
        finally:
            if training:
                self._enter_training()
        return {"loss": total, "weight": self._mass(batch, weight)}

    def _enter_training(self) -> None:
        """Set training mode, but not where the network is frozen, and hand the step to the dropout."""
        if not self.network.training:
            self.network.train()
        for module in self._still:
            module.eval()
        for module in self._dropouts:
            module.dropout_step.fill_(self.n_steps)  # type: ignore[operator]

    def _loss(self, batch: Batch) -> Tensor:
        """Return the loss of a batch, eagerly."""
        return self._objective(batch.x, batch.y, batch.sample_weight)

    def _objective(self, x: Tensor, y: Tensor | None, sample_weight: Tensor | None) -> Tensor:
        """Return the loss, computed in the chosen precision, and that of auxiliary heads."""
        reduced = PRECISIONS[self.precision]
        if self.loss is None:
            with torch.autocast(x.device.type, dtype=reduced, enabled=reduced is not None):
                own: Tensor = self.network.objective(x, y, sample_weight)  # type: ignore[operator]
            return own
        if self._fast is not None and self.network.training:
            scores, others = _heads(self._fast(self.network, x))
        elif reduced is None:
            scores, others = _heads(self.network(x))
        else:
            with torch.autocast(x.device.type, dtype=reduced):
                scores, others = _heads(self.network(x))
            scores, others = scores.float(), tuple(other.float() for other in others)
        loss: Tensor = self.loss(scores, y, sample_weight)
        for other in others:
            loss = loss + self.aux_weight * self.loss(other, y, sample_weight)
        return loss

    def _with_penalty(self, loss: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss plus the penalty, and the weight of the batch."""
        weight = batch_weight(batch)
        if self._penalty.has_value:
            loss = loss + self._penalty.value(self._total(weight))
        return loss, weight

    def _total(self, weight: Tensor) -> float:
        """Return what the penalty is divided by; a batch without any weight has no penalty either."""
        return (float(weight) or math.inf) if self._penalty.penalty.per_sample else 1.0

    def _mass(self, batch: Batch, weight: Tensor) -> Tensor:
        """Return what the batch counts for in the figures of an epoch."""
        return torch.tensor(float(len(batch.x)), dtype=torch.float64) if self.count_rows else weight

    def _finish_gradient(self, weight: float) -> None:
        """Add the penalty's gradient and clip."""
        if self._penalty.in_gradient:
            self._penalty.add_gradient(weight)
        if self.clip_value is not None:
            nn.utils.clip_grad_value_(self._trainable, self.clip_value)
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._trainable, self.clip_norm)

    def _largest_derivative(self) -> float:
        return max(float(p.grad.abs().max()) for p in self._trainable if p.grad is not None and p.numel())

    def _update(self, weight: float) -> None:
        """Let the optimizer move, then the penalty's proximal step and bound."""
        if self._scaler is None:
            self.optimizer.step()
        else:
            self._scaler.step(self.optimizer)
            self._scaler.update()
        if self._penalty.after_step:
            self._penalty.constrain(self.rate, weight)

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
        """Learning rate of the next step (where ``rates`` has no factor)."""
        return self.schedule.rate(self._built.base, self.n_steps)

    def lower_rate(self, factor: float) -> bool:
        """Multiply the rate by ``factor`` if the schedule is ``adaptive`` and not at its end."""
        return self.schedule.lower(self._built.base, self.n_steps, factor)

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able configuration."""
        return {
            "rule": type(self).__name__,
            "loss": "objective" if self.loss is None else self.loss.name,
            "optimizer": self._built.description,
            "schedule": self.schedule.describe(),
            "penalty": asdict(self._penalty.penalty),
            "clip_norm": self.clip_norm,
            "clip_value": self.clip_value,
            "precision": self.precision,
            "frozen": list(self.frozen),
            "loss_options": self.loss_options,
            "aux_weight": self.aux_weight,
            "rates": self.rates,
            "memory_format": self.memory_format,
            "compile": self._program is not None,
            "fused": self.fused,
        }

    def get_extra_state(self) -> dict[str, Any]:
        """Return what is not in a parameter or buffer: optimizer, schedule, scaler and counters."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": None if self._scaler is None else self._scaler.state_dict(),
            "n_steps": self.n_steps,
            "n_samples": self._n_samples,
            "converged": self._converged,
            "compiled_for": None if self._program is None else self._program.signature,
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take the state of :meth:`get_extra_state` back."""
        self.optimizer.load_state_dict(state["optimizer"])
        for parameter, values in self.optimizer.state.items():
            for name, value in values.items():  # kept contiguous on disk; the update wants the parameter's own order
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        self.schedule.load_state_dict(state["schedule"])
        if self._scaler is not None and state["scaler"] is not None:
            self._scaler.load_state_dict(state["scaler"])
        self.n_steps, self._n_samples = int(state["n_steps"]), int(state["n_samples"])
        self._converged = bool(state["converged"])
        if self._program is not None and state.get("compiled_for") is not None:
            self._program.signature = state["compiled_for"]


def _heads(scores: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the scores of the main head, and those of auxiliary heads."""
    return (scores[0], tuple(scores[1:])) if isinstance(scores, tuple) else (scores, ())


def _check_settings(
    network: object,
    penalty: object,
    clip_norm: float | None,
    clip_value: float | None,
    precision: str,
    frozen: object,
) -> None:
    """Refuse wrong types and bounds before anything is built."""
    if not isinstance(network, nn.Module):
        raise TypeError(f"`network` must be an nn.Module. Received: network={network!r}.")
    if not isinstance(penalty, Penalty):
        raise TypeError(f"`penalty` must be a Penalty. Received: penalty={penalty!r}.")
    for name, bound in (("clip_norm", clip_norm), ("clip_value", clip_value)):
        if bound is not None:
            check_number(name, bound, above=0)
    check_choice("precision", precision, PRECISIONS)
    if isinstance(frozen, str) or not isinstance(frozen, Sequence):
        raise TypeError(f"`frozen` must be a sequence of names. Received: frozen={frozen!r}.")


def _is_out_of_memory(error: BaseException) -> bool:
    """Tell a lack of memory from every other error; torch reports the host's as a plain RuntimeError."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(words in str(error).lower() for words in _OUT_OF_MEMORY)


def _memory_message(n_rows: int, device: torch.device) -> str:
    """Say which batch did not fit and what to do."""
    way_out = f"Take `batch_size` {n_rows // 2} or smaller" if n_rows > 1 else "Take a smaller network"
    return (
        f"A batch of {n_rows} rows does not fit in the memory of device {device}. {way_out}, or `precision='bfloat16'`."
    )
