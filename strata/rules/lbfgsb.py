"""SciPy's L-BFGS-B as a learning rule: one step is one iteration, so that a run can be watched and stopped.

SciPy minimizes in one call and calls back; a rule is called. The search therefore runs in a thread of its own that
stands still between two iterations: at any time only one of the two threads works.
"""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor, nn

from strata.data.sources import Batch
from strata.functional.losses import Loss
from strata.functional.penalties import Penalty
from strata.rules._losses import batch_weight
from strata.rules.base import Rule
from strata.rules.lbfgs import FlatObjective, _AutogradObjective, _CompiledObjective
from strata.rules.optimizers import LBFGS, describe_optimizer

__all__ = ["LBFGSBRule"]


class _Point(NamedTuple):
    """Where an iteration ended."""

    x: np.ndarray
    fun: float


class _AbandonedError(Exception):
    """Nobody waits for the search any more."""


class _Search:
    """A minimization that stands still after every iteration."""

    def __init__(
        self, function: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray, options: dict[str, Any]
    ) -> None:
        self._function = function
        self._commands: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._reached: _Point | None = None
        self._thread = threading.Thread(target=self._minimize, args=(start, options), daemon=True)
        self._thread.start()

    def _minimize(self, start: np.ndarray, options: dict[str, Any]) -> None:
        if not self._commands.get():
            return
        search: Any = minimize  # its stubs know no callback with one keyword
        try:
            result = search(self._evaluate, start, method="L-BFGS-B", jac=True, options=options, callback=self._note)
            self._events.put(("end", result))
        except _AbandonedError:
            pass
        except BaseException as error:  # handed to the thread that waits
            self._events.put(("error", error))

    def _note(self, intermediate_result: Any) -> None:
        self._reached = _Point(intermediate_result.x.copy(), float(intermediate_result.fun))

    def _evaluate(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        if self._reached is not None:  # the first look after an iteration: SciPy is going on
            reached, self._reached = self._reached, None
            self._events.put(("iteration", reached))
            if not self._commands.get():
                raise _AbandonedError
        return self._function(x)

    def advance(self) -> tuple[str, Any]:
        """Let the search do one more iteration; return ("iteration", point) or ("end", result)."""
        self._commands.put(True)
        kind, value = self._events.get()
        if kind == "error":
            raise value
        if kind == "end":
            self._thread.join()
        return kind, value

    def abandon(self) -> None:
        """Let the thread end."""
        self._commands.put(False)


class LBFGSBRule(Rule):
    r"""Learn from full batches by SciPy's L-BFGS-B, the solver "lbfgs" of scikit-learn; one step is one iteration.

    Parameters
    ----------
    network : nn.Module or FlatObjective
        A network, differentiated automatically, or a compiled one that gives its loss and gradient itself.
    loss : str, Loss, callable or None, default=None
        Loss of the network, as in :class:`strata.rules.GradientDescent`; None for a compiled one, which has its own.
    optimizer : LBFGS, default=LBFGS()
        Memory, tolerance of the largest partial derivative, and limit of evaluations; its rate is not used.
    penalty : Penalty, default=Penalty()
        Penalty on weights; only forms that are part of the objective. A compiled network has its own.

    Attributes
    ----------
    n_steps : int
        Iterations done.
    n_evaluations : int
        Evaluations of the loss and its gradient.
    stop_cause : str or None
        ``"tol"`` (gradient or gain small), ``"max_fun"``, ``"abnormal"`` (the line search failed), or None.

    Raises
    ------
    ValueError
        If a loss is missing or one too many, or the penalty needs a step after the update.

    See Also
    --------
    LBFGSRule : The same family by torch, which resumes without repeating.

    Notes
    -----
    The logged ``loss`` is that at the end of the iteration. A resumed run repeats the iterations before it, since
    SciPy does not give its memory away; the result is the same to the last bit.

    References
    ----------
    R. H. Byrd, P. Lu, J. Nocedal, C. Zhu, "A limited memory algorithm for bound constrained optimization", SIAM
    Journal on Scientific Computing 16, 1995.

    Examples
    --------
    >>> network = nn.Linear(1, 1).double()
    >>> rule = LBFGSBRule(network, "mse")
    >>> batch = Batch(torch.tensor([[0.0], [1.0]]).double(), torch.tensor([[1.0], [3.0]]).double())
    >>> while not rule.converged:
    ...     figures = rule.step(batch)
    >>> round(network.weight.item(), 4), round(network.bias.item(), 4)
    (2.0, 1.0)
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
        self.n_steps = 0
        self.n_evaluations = 0
        self.stop_cause: str | None = None
        self._max_steps: int | None = None
        self._begin: np.ndarray | None = None  # where the search began, for a resumed run
        self._search: _Search | None = None
        self._batch: Batch | None = None

    @property
    def network(self) -> Any:
        """The network, or the compiled rule that holds it."""
        return self._objective.network

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's scores."""
        scores: Tensor = self.network(x)
        return scores

    def plan(self, *, n_batches: int | None, max_epochs: int) -> None:
        """Note how many iterations there may be."""
        self._max_steps = max_epochs

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Take one iteration on the full batch and return the loss at its end and the batch's weight."""
        self._batch = batch.to(self.device)
        self._objective.renew()
        self._objective.prepare(0)
        if self._search is None:
            self._open()
        loss = self._advance()
        self.n_steps += 1
        return {"loss": torch.tensor(loss, dtype=torch.float64), "weight": batch_weight(batch)}

    def _open(self) -> None:
        """Begin the search, or repeat it up to where it stood."""
        if self._begin is None:
            self._begin = self._objective.snapshot().cpu().numpy().astype(np.float64)
        options: dict[str, Any] = {
            "maxcor": self.spec.history_size,
            "gtol": self.spec.tol,
            "maxfun": self.spec.max_fun,
            "maxiter": self._max_steps if self._max_steps is not None else 1 << 30,
        }
        me = weakref.ref(self)

        def function(x: np.ndarray) -> tuple[float, np.ndarray]:
            rule = me()
            if rule is None:
                raise _AbandonedError
            return rule._evaluate(x)

        self._search = _Search(function, self._begin, options)
        weakref.finalize(self, self._search.abandon)
        self.n_evaluations = 0
        for _ in range(self.n_steps):
            self._advance()

    def _evaluate(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the objective and its gradient at a point."""
        if self._batch is None:
            raise _AbandonedError
        self._put(x)
        self.n_evaluations += 1
        loss = float(self._objective.evaluate(self._batch))
        return loss, self._objective.gradient().cpu().numpy().astype(np.float64)

    def _put(self, x: np.ndarray) -> None:
        variables = self._objective.variables()
        pieces = torch.split(torch.from_numpy(x.copy()), [variable.numel() for variable in variables])
        with torch.no_grad():
            for variable, piece in zip(variables, pieces, strict=True):
                variable.copy_(piece.view_as(variable))

    def _advance(self) -> float:
        """Do one iteration and go to its point; return the loss there."""
        if self._search is None:  # it has ended before
            return float(self._objective.value(self._batch)) if self._batch is not None else float("nan")
        kind, reached = self._search.advance()
        self._put(np.asarray(reached.x))
        if kind == "end":
            self._search = None
            if reached.status == 0:
                self.stop_cause = "tol"
            elif reached.status == 1:
                self.stop_cause = "max_fun" if reached.nfev > self.spec.max_fun else None
            else:
                self.stop_cause = "abnormal"
        return float(reached.fun)

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
        return {"rule": type(self).__name__, "optimizer": describe_optimizer(self.spec)}

    def get_extra_state(self) -> dict[str, Any]:
        """Return where the search began and how far it is."""
        begin = None if self._begin is None else self._begin.copy()
        return {"begin": begin, "n_steps": self.n_steps, "stop_cause": self.stop_cause}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take the state of :meth:`get_extra_state` back; the iterations are repeated at the next step."""
        self._close()
        self._begin = None if state["begin"] is None else np.array(state["begin"], dtype=np.float64)
        self.n_steps, self.stop_cause = int(state["n_steps"]), state["stop_cause"]

    def _close(self) -> None:
        if self._search is not None:
            self._search.abandon()
            self._search = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the search out: a copy repeats it."""
        return {**self.__dict__, "_search": None, "_batch": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._objective.renew()
