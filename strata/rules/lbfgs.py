"""L-BFGS: a quasi-Newton method for full batches, over a network by autograd or over a compiled one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from strata.data.sources import Batch
from strata.functional.losses import Loss
from strata.functional.penalties import Penalty
from strata.rules._losses import batch_weight, bind_loss
from strata.rules._parameters import WeightPenalty, split_parameters
from strata.rules.base import Rule
from strata.rules.optimizers import LBFGS, describe_optimizer

__all__ = ["FlatObjective", "LBFGSRule"]

_REMEMBERED = 4  # evaluations of the last line search: its end is nearly always among them


@runtime_checkable
class FlatObjective(Protocol):
    """What a compiled network offers: all parameters in one vector, and the loss with its gradient.

    Attributes
    ----------
    theta : ndarray of shape (n_parameters,)
        The parameters themselves; writing to it changes the network.
    """

    theta: np.ndarray

    def loss_and_gradient(self, batch: Batch) -> tuple[float, np.ndarray]:
        """Return the loss, penalty included, and its gradient in the order of ``theta``."""
        ...


class LBFGSRule(Rule):
    r"""Learn from full batches by limited-memory BFGS with a strong-Wolfe line search; one step is one iteration.

    Parameters
    ----------
    network : nn.Module or FlatObjective
        A network, differentiated automatically, or a compiled one that gives its loss and gradient itself.
    loss : str, Loss, callable or None, default=None
        Loss of the network, as in :class:`strata.rules.GradientDescent`; None for a compiled one, which has its own.
    optimizer : LBFGS, default=LBFGS()
        Constants: first trial step, memory, tolerance, limit of evaluations.
    penalty : Penalty, default=Penalty()
        Penalty on weights; only forms that are part of the objective. A compiled network has its own.

    Attributes
    ----------
    n_steps : int
        Iterations, the last one included, which finds the gradient small and changes nothing.
    n_evaluations : int
        Evaluations of the loss and its gradient.
    stop_cause : str or None
        ``"tol"``, ``"max_fun"``, ``"no_progress"`` (the line search finds nothing better), or None.

    Raises
    ------
    ValueError
        If a loss is missing or one too many, or the penalty needs a step after the update.
    TypeError
        If an argument has the wrong type.

    See Also
    --------
    GradientDescent : For minibatches.

    Notes
    -----
    The search is ``torch.optim.LBFGS`` with one iteration a step, so that a run can be watched, stopped and resumed
    between iterations. The evaluation at the start of an iteration is the one that ended the line search before, and
    is not made again when the batch is the same object. The logged ``loss`` is that at the start of the iteration.

    Examples
    --------
    >>> network = nn.Linear(1, 1).double()
    >>> x = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None]
    >>> rule = LBFGSRule(network, "mse", optimizer=LBFGS(tol=1e-9))
    >>> while not rule.converged:
    ...     figures = rule.step(Batch(x, 2 * x + 1))
    >>> round(network.weight.item(), 6), round(network.bias.item(), 6), rule.stop_cause
    (2.0, 1.0, 'tol')
    """

    def __init__(
        self,
        network: nn.Module | FlatObjective,
        loss: str | Loss | Callable[..., Tensor] | None = None,
        *,
        optimizer: LBFGS = LBFGS(),  # noqa: B008 - frozen
        penalty: Penalty = Penalty(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__()
        if not isinstance(optimizer, LBFGS):
            raise TypeError(f"`optimizer` must be an LBFGS record. Received: optimizer={optimizer!r}.")
        if not isinstance(penalty, Penalty):
            raise TypeError(f"`penalty` must be a Penalty. Received: penalty={penalty!r}.")
        if penalty.after_step:
            raise ValueError(
                "`penalty` must be part of the objective with L-BFGS. Received: a proximal L1 or a `max_norm`. "
                "Use GradientDescent for those."
            )
        self.spec = optimizer
        self._objective = (
            _CompiledObjective(network, loss, penalty)
            if isinstance(network, FlatObjective)
            else _AutogradObjective(network, loss, penalty)
        )
        self.optimizer: torch.optim.Optimizer = optimizer.build(self._objective.variables())
        self.n_steps = 0
        self.n_evaluations = 0
        self.stop_cause: str | None = None
        self._restarted = False
        self._recent: deque[tuple[Tensor, Tensor, Tensor]] = deque(maxlen=_REMEMBERED)  # point, loss, gradient
        self._last_batch: Batch | None = None

    @property
    def network(self) -> Any:
        """The network, or the compiled rule that holds it."""
        return self._objective.network

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's scores."""
        scores: Tensor = self.network(x)
        return scores

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Take one iteration on the full batch and return the loss and the batch's weight at its start."""
        batch = batch.to(self.device)
        self._relink()
        if self._last_batch is None or batch.x is not self._last_batch.x or batch.y is not self._last_batch.y:
            self._recent.clear()
        self._last_batch = batch
        self._objective.prepare(self.n_steps)
        before = self._objective.snapshot()
        loss = self._evaluate_at_start(batch, before)
        start_gradient = self._objective.largest_derivative()
        if start_gradient <= self.spec.tol:
            self.stop_cause = "tol"
        elif self.n_evaluations >= self.spec.max_fun:
            self.stop_cause = "max_fun"
        else:
            self.optimizer.step(self._closure(batch))  # type: ignore[arg-type]
            self._note_progress(before)
        self.n_steps += 1
        return {"loss": loss.detach(), "weight": batch_weight(batch)}

    def _evaluate_at_start(self, batch: Batch, point: Tensor) -> Tensor:
        """Evaluate where the last iteration ended, from memory if possible; it counts as an evaluation once."""
        if self.n_steps == 0:
            self.n_evaluations += 1
        here = [(loss, gradient) for known, loss, gradient in self._recent if torch.equal(known, point)]
        if here:
            loss, gradient = here[0]
            self._objective.set_gradient(gradient)
        else:
            loss = self._objective.evaluate(batch)
            gradient = self._objective.gradient()
        self._recent.clear()
        self._recent.append((point, loss, gradient))
        return loss

    def _closure(self, batch: Batch) -> Callable[[], Tensor]:
        """Return what torch's line search calls; its first call is at the start, whose answer is known."""
        known: list[Tensor] = [self._recent[-1][1]]

        def evaluate() -> Tensor:
            if known:
                return known.pop()
            loss = self._objective.evaluate(batch)
            self.n_evaluations += 1
            self._recent.append((self._objective.snapshot(), loss, self._objective.gradient()))
            return loss

        return evaluate

    def _note_progress(self, before: Tensor) -> None:
        """Start the memory afresh when nothing moved, and give up when that does not help either."""
        if not torch.equal(self._objective.snapshot(), before):
            self._restarted = False
        elif self._restarted:
            self.stop_cause = "no_progress"
        else:
            self._restarted = True
            self.optimizer = self.spec.build(self._objective.variables())

    def _relink(self) -> None:
        """Point the optimizer at the parameters again after a copy or a move has replaced them."""
        if self._objective.renew():
            state = self.optimizer.state_dict()
            self.optimizer = self.spec.build(self._objective.variables())
            self.optimizer.load_state_dict(state)
            self._forget()

    def __getstate__(self) -> dict[str, Any]:
        """Replace the optimizer by its state: a copy of torch's L-BFGS loses its parameters."""
        return {**self.__dict__, "optimizer": self.optimizer.state_dict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._objective.renew()
        saved = state["optimizer"]
        self.optimizer = self.spec.build(self._objective.variables())
        self.optimizer.load_state_dict(saved)
        self._forget()

    def _forget(self) -> None:
        self._recent.clear()
        self._last_batch = None

    def prepare(self, say: Callable[[str], None]) -> None:
        """Let a compiled network compile its kernels."""
        if isinstance(self.network, Rule):
            self.network.prepare(say)

    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss, penalty included, and the weight of one batch, without learning."""
        batch = batch.to(self.device)
        return {"loss": self._objective.value(batch), "weight": batch_weight(batch)}

    @property
    def converged(self) -> bool:
        """Whether the search has ended; :attr:`stop_cause` says why."""
        return self.stop_cause is not None

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return self._objective.variables()[0].device

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able configuration."""
        return {
            "rule": type(self).__name__,
            "optimizer": describe_optimizer(self.spec),
            "penalty": asdict(self._objective.penalty),
        }

    def get_extra_state(self) -> dict[str, Any]:
        """Return what is not in a parameter or buffer: the search's memory and the counters."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "n_steps": self.n_steps,
            "n_evaluations": self.n_evaluations,
            "stop_cause": self.stop_cause,
            "restarted": self._restarted,
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take the state of :meth:`get_extra_state` back."""
        self._objective.renew()
        self.optimizer = self.spec.build(self._objective.variables())
        self.optimizer.load_state_dict(state["optimizer"])
        self.n_steps, self.n_evaluations = int(state["n_steps"]), int(state["n_evaluations"])
        self.stop_cause, self._restarted = state["stop_cause"], bool(state["restarted"])
        self._forget()


class _AutogradObjective(nn.Module):
    """Loss and gradient of any network, by automatic differentiation."""

    def __init__(self, network: object, loss: str | Loss | Callable[..., Tensor] | None, penalty: Penalty) -> None:
        super().__init__()
        if not isinstance(network, nn.Module):
            raise TypeError(
                "`network` must be an nn.Module or offer `theta` and `loss_and_gradient`. "
                f"Received: network={network!r}."
            )
        if loss is None:
            raise ValueError("`loss` must be given with a network that has none of its own. Received: loss=None.")
        self.network = network
        self.loss = bind_loss(loss)
        self.penalty = penalty
        weights, others = split_parameters(network)
        self._bound = WeightPenalty(penalty, weights)
        self._variables = [weight.parameter for weight in weights] + others
        if not self._variables:
            raise ValueError("`network` must have a parameter to learn. Received: none that requires grad.")
        self._dropouts = [module for module in network.modules() if hasattr(module, "dropout_step")]

    def variables(self) -> list[Tensor]:
        return list(self._variables)

    def renew(self) -> bool:
        return False

    def prepare(self, step: int) -> None:
        """Set training mode, with one dropout mask for the whole line search."""
        self.network.train()
        for module in self._dropouts:
            module.dropout_step.fill_(step)  # type: ignore[operator]

    def evaluate(self, batch: Batch) -> Tensor:
        """Return the objective and leave its gradient in ``.grad``."""
        for parameter in self._variables:
            parameter.grad = None
        with torch.enable_grad():
            loss: Tensor = self.loss(self.network(batch.x), batch.y, batch.sample_weight)
        loss.backward()  # type: ignore[no-untyped-call]
        total = float(batch_weight(batch))
        if self._bound.in_gradient:
            self._bound.add_gradient(total)
        return self._with_penalty(loss.detach(), total)

    def _with_penalty(self, loss: Tensor, total: float) -> Tensor:
        return loss + self._bound.value(total) if self._bound.has_value else loss

    def value(self, batch: Batch) -> Tensor:
        training = self.network.training
        self.network.eval()
        with torch.no_grad():
            loss: Tensor = self.loss(self.network(batch.x), batch.y, batch.sample_weight)
        self.network.train(training)
        return self._with_penalty(loss, float(batch_weight(batch)))

    def snapshot(self) -> Tensor:
        return torch.cat([parameter.detach().reshape(-1) for parameter in self._variables])

    def gradient(self) -> Tensor:
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._variables]
        return torch.cat([part.reshape(-1) for part in parts])

    def set_gradient(self, flat: Tensor) -> None:
        pieces = torch.split(flat, [parameter.numel() for parameter in self._variables])
        for parameter, piece in zip(self._variables, pieces, strict=True):
            parameter.grad = piece.view_as(parameter).clone()

    def largest_derivative(self) -> float:
        return float(self.gradient().abs().max())


class _CompiledObjective(nn.Module):
    """Loss and gradient of a network that computes both itself, on one flat vector."""

    def __init__(self, network: FlatObjective, loss: object, penalty: Penalty) -> None:
        super().__init__()
        if loss is not None or penalty != Penalty():
            raise ValueError("`loss` and `penalty` must be left out: a compiled network has its own.")
        self.network = network
        self.penalty = penalty
        self._flat = torch.from_numpy(network.theta)

    def variables(self) -> list[Tensor]:
        return [self._flat]

    def renew(self) -> bool:
        """View the parameters again if they have moved, as after a copy."""
        theta = torch.from_numpy(self.network.theta)
        if theta.data_ptr() == self._flat.data_ptr():
            return False
        self._flat = theta
        return True

    def prepare(self, step: int) -> None:
        """Tell a rule which step it is, for the masks of its dropout."""
        if isinstance(self.network, Rule):
            self.network.n_steps = step  # type: ignore[assignment]

    def evaluate(self, batch: Batch) -> Tensor:
        loss, gradient = self.network.loss_and_gradient(batch)
        self._flat.grad = torch.from_numpy(np.array(gradient, dtype=self.network.theta.dtype))
        return torch.tensor(loss, dtype=torch.float64)

    def value(self, batch: Batch) -> Tensor:
        if isinstance(self.network, Rule):
            return self.network.evaluate(batch)["loss"]
        return torch.tensor(self.network.loss_and_gradient(batch)[0], dtype=torch.float64)

    def snapshot(self) -> Tensor:
        return self._flat.detach().clone()

    def gradient(self) -> Tensor:
        return torch.zeros_like(self._flat) if self._flat.grad is None else self._flat.grad.clone()

    def set_gradient(self, flat: Tensor) -> None:
        self._flat.grad = flat.clone()

    def largest_derivative(self) -> float:
        return float(self.gradient().abs().max())
