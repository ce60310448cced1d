"""Look on while a network learns: copies of its weights at a few moments, and all figures of them afterwards."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor, nn

from strata.engine import Callback, Run
from strata.engine._state import host_copy
from strata.rules.base import Rule
from strata.rules.compiled import CompiledDense
from strata.rules.gradient import GradientDescent

__all__ = ["Moment", "Recorder", "network_of", "tensors_of"]

_GROWTH = 1.25  # from one sampled epoch to the next
_FREE = 2e-3  # seconds that are never counted against the share


@dataclass(frozen=True)
class Moment:
    """A network as it was after some epochs.

    Parameters
    ----------
    epoch : int
        Epochs finished before.
    step : int
        Updates made before.
    tensors : list of Tensor
        Copies of its parameters and buffers, in its order, in the host's memory.
    state : dict or None
        Copy of the whole state of the rule, optimizer included, where a step can be repeated from it.
    """

    epoch: int
    step: int
    tensors: list[Tensor]
    state: dict[str, Any] | None

    @property
    def n_bytes(self) -> int:
        """Memory that the copies take."""
        return sum(tensor.nbytes for tensor in self.tensors) * (1 if self.state is None else 4)


class Recorder(Callback):
    """Keep copies of a network before the first update, after a growing number of epochs, and at the end.

    Nothing is computed while the network learns: the figures of every layer, the held-out curve and the size of an
    update are found from the copies afterwards. Training draws no random number more and gives the same bits.

    Parameters
    ----------
    share : float, default=0.05
        Part of the training time that the copies may take; beyond it the next ones are left out.
    max_bytes : int, default=2**28
        Memory that the copies may take, 256 MiB; beyond it every second one is dropped. The first and the last stay.

    Attributes
    ----------
    moments : list of Moment
        The copies, in the order of the epochs.
    run : Run or None
        The run that was looked at.
    seconds : float
        What looking on has taken from the training.

    Raises
    ------
    ValueError
        If ``share`` or ``max_bytes`` is not positive.

    Notes
    -----
    Copies are taken after the epochs 1, 2, 3, 4, 5, 7, 8, 10, 13, 16, 20, 25, 32, ...; those of the powers of two hold
    the state of the optimizer too.

    Examples
    --------
    >>> import numpy as np
    >>> import strata
    >>> X = np.random.RandomState(0).normal(size=(60, 3))
    >>> recorder = Recorder()
    >>> model = strata.MLPRegressor(hidden_layer_sizes=(5,), max_iter=4, tol=0.0, random_state=0, callbacks=[recorder])
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     model = model.fit(X, X[:, 0])
    >>> [moment.epoch for moment in recorder.moments]
    [0, 1, 2, 3, 4]
    """

    def __init__(self, *, share: float = 0.05, max_bytes: int = 2**28) -> None:
        for name, value in (("share", share), ("max_bytes", max_bytes)):
            if not value > 0:
                raise ValueError(f"`{name}` must be above 0. Received: {name}={value!r}.")
        self.share = share
        self.max_bytes = max_bytes
        self._reset()

    def _reset(self) -> None:
        self.moments: list[Moment] = []
        self.run: Run | None = None
        self.seconds = 0.0
        self._next = 1
        self._begun = 0.0
        self._bytes = 0

    def __sklearn_clone__(self) -> Self:
        """Stay the same object where an estimator is cloned, so that what is seen can be found again."""
        return self

    def on_fit_begin(self, run: Run) -> None:
        """Copy the network before any update."""
        self._reset()
        self.run = run
        self._begun = time.perf_counter()
        self._next = run.epoch + 1
        self._keep(run, whole=True)

    def on_epoch_end(self, run: Run) -> None:
        """Copy the network after the epochs that are due."""
        if run.epoch < self._next:
            return
        power = 1 << (run.epoch - 1).bit_length()
        self._next = min(max(run.epoch + 1, math.ceil(run.epoch * _GROWTH)), power if power > run.epoch else 2 * power)
        if self.seconds > _FREE and self.seconds > self.share * (time.perf_counter() - self._begun):
            return
        self._keep(run, whole=power == run.epoch)

    def on_fit_end(self, run: Run) -> None:
        """Copy the network that was learned, which is the best one where that is restored."""
        if self.moments and self.moments[-1].epoch == run.epoch and run.epoch:
            self._bytes -= self.moments.pop().n_bytes
        self._keep(run, whole=True)

    def _keep(self, run: Run, *, whole: bool) -> None:
        begun = time.perf_counter()
        repeatable = whole and isinstance(run.rule, (CompiledDense, GradientDescent))
        state = host_copy(run.rule.state_dict()) if repeatable else None
        copies = [tensor.detach().to("cpu", copy=True) for tensor in tensors_of(network_of(run.rule))]
        moment = Moment(run.epoch, run.step, copies, state)
        self._bytes += moment.n_bytes
        if self._bytes > self.max_bytes and len(self.moments) > 1:
            self.moments[1:] = self.moments[2::2]
            self._bytes = sum(each.n_bytes for each in (*self.moments, moment))
        self.moments.append(moment)
        self.seconds += time.perf_counter() - begun


def network_of(rule: Rule) -> nn.Module:
    """Return the network that a rule trains.

    Parameters
    ----------
    rule : Rule
        A rule with a ``network``, or a rule around another.

    Returns
    -------
    network : nn.Module
        The rule itself where it names none.
    """
    inner: Any = rule
    while isinstance(inner, Rule) and isinstance(getattr(inner, "network", None), nn.Module):
        inner = inner.network
    found: nn.Module = inner
    return found


def tensors_of(network: nn.Module) -> list[Tensor]:
    """Return the parameters and buffers of a network in its order.

    Parameters
    ----------
    network : nn.Module
        Any module.

    Returns
    -------
    tensors : list of Tensor
        The tensors themselves.

    Examples
    --------
    >>> [tuple(tensor.shape) for tensor in tensors_of(nn.Linear(3, 2))]
    [(2, 3), (2,)]
    """
    return [*network.parameters(), *network.buffers()]
