"""Look on while a network learns: copies of its weights at a few moments, and all figures of them afterwards."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from strata.engine import Callback, Run
from strata.engine._state import host_copy
from strata.rules.base import Rule
from strata.rules.compiled import CompiledDense
from strata.rules.gradient import GradientDescent

__all__ = ["Moment", "Recorder", "network_of", "tensors_of"]

_GROWTH = 1.25  # from one sampled epoch to the next
_FREE = 0.05  # seconds that are never counted against the share, so that short runs are looked at alike every time


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


class _Layout:
    """Where the tensors of a rule lie, so that those of the network are copied in one go, and the others quickly."""

    def __init__(self, rule: Rule) -> None:
        network = network_of(rule)
        named = (*network.named_parameters(), *network.named_buffers())
        self._keys = [f"network.{name}" for name, _ in named]
        self._tensors = [tensor for _, tensor in named]
        groups: dict[Any, list[int]] = {}
        for place, tensor in enumerate(self._tensors):
            groups.setdefault((tensor.dtype, tensor.device), []).append(place)
        self._groups = list(groups.values())
        self._rule = rule if isinstance(rule, (CompiledDense, GradientDescent)) else None
        if self._rule is not None:
            self._parts = [key for key in rule.state_dict() if key not in self._keys]
            buffers = {name for name, _ in rule.named_buffers(remove_duplicate=False)}
            self._buffers = [key for key in self._parts if key in buffers]
            self._quick = set(self._parts) <= {"_extra_state", *self._buffers}
        self._bind()

    def _bind(self) -> None:
        """Look at the memory as it lies now; what does not lie in one piece is looked at again every time."""
        whole = all(tensor.is_contiguous() for tensor in self._tensors)
        self._addresses = [tensor.data_ptr() for tensor in self._tensors] if whole else []
        self._views = [[self._tensors[place].detach().reshape(-1) for place in group] for group in self._groups]

    def copies(self) -> list[Tensor]:
        """Return a copy for each kind of tensor, in the host's memory."""
        if [tensor.data_ptr() for tensor in self._tensors] != self._addresses:
            self._bind()
        return [torch.cat(views).cpu() for views in self._views]

    def state(self) -> dict[str, Any] | None:
        """Return a copy of what the state of the rule holds beside the network; None where it cannot be used again."""
        rule = self._rule
        if rule is None:
            return None
        if not self._quick:
            whole = rule.state_dict()
            return dict(host_copy({key: whole[key] for key in self._parts}))
        found: dict[str, Any] = {key: rule.get_buffer(key) for key in self._buffers}
        return dict(host_copy({**found, "_extra_state": rule.get_extra_state()}))

    def unpacked(self, copies: list[Tensor], rest: dict[str, Any] | None) -> tuple[list[Tensor], dict[str, Any] | None]:
        """Return the tensors of the network in its order, and the whole state of the rule."""
        tensors = self._tensors_of(copies)
        if rest is None or self._rule is None:
            return tensors, None
        own, keys = dict(zip(self._keys, tensors, strict=True)), self._rule.state_dict()
        return tensors, {key: own[key] if key in own else rest[key] for key in keys}

    def _tensors_of(self, copies: list[Tensor]) -> list[Tensor]:
        """Return the tensors that copies hold, in the order of the network."""
        found: dict[int, Tensor] = {}
        for group, flat in zip(self._groups, copies, strict=True):
            shapes = [self._tensors[place].shape for place in group]
            parts = torch.split(flat, [shape.numel() for shape in shapes])
            found.update((place, part.view(shape)) for place, part, shape in zip(group, parts, shapes, strict=True))
        return [found[place] for place in range(len(found))]


@dataclass(frozen=True)
class _Copy:
    """A moment as it is kept."""

    epoch: int
    step: int
    layout: _Layout
    weights: list[Tensor]
    rest: dict[str, Any] | None
    n_bytes: int

    def unpacked(self) -> Moment:
        return Moment(self.epoch, self.step, *self.layout.unpacked(self.weights, self.rest))


class Recorder(Callback):
    """Keep copies of a network before the first update, after a growing number of epochs, and at the end.

    Nothing is computed while the network learns: the figures of every layer, the held-out curve and the size of an
    update are found from the copies afterwards. Training draws no random number more and gives the same bits.

    Parameters
    ----------
    share : float, default=0.05
        Part of the training time that the copies may take; beyond it, and beyond 50 ms, those between the powers of
        two are left out.
    max_bytes : int, default=2**28
        Memory that the copies may take, 256 MiB; beyond it every second one is dropped. The first and the last stay.

    Attributes
    ----------
    moments : list of Moment
        The copies, in the order of the epochs.
    n_bytes : int
        Memory that they take.
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
        self._copies: list[_Copy] = []
        self._layout: _Layout | None = None
        self.run: Run | None = None
        self.seconds = 0.0
        self.n_bytes = 0
        self._next = 1
        self._begun = 0.0

    @property
    def moments(self) -> list[Moment]:
        """The copies, in the order of the epochs."""
        return [each.unpacked() for each in self._copies]

    def __sklearn_clone__(self) -> Self:
        """Stay the same object where an estimator is cloned, so that what is seen can be found again."""
        return self

    def on_fit_begin(self, run: Run) -> None:
        """Copy the network before any update."""
        self._reset()
        self.run = run
        self._begun = time.perf_counter()
        self._layout = _Layout(run.rule)
        self._next = run.epoch + 1
        self.seconds = time.perf_counter() - self._begun
        self._keep(run, whole=True)

    def on_epoch_end(self, run: Run) -> None:
        """Copy the network after the epochs that are due."""
        if run.epoch < self._next:
            return
        power = 1 << (run.epoch - 1).bit_length()
        self._next = min(max(run.epoch + 1, math.ceil(run.epoch * _GROWTH)), power if power > run.epoch else 2 * power)
        dear = self.seconds > _FREE and self.seconds > self.share * (time.perf_counter() - self._begun)
        if power == run.epoch or not dear:
            self._keep(run, whole=power == run.epoch)

    def on_fit_end(self, run: Run) -> None:
        """Copy the network that was learned, which is the best one where that is restored."""
        if self._copies and self._copies[-1].epoch == run.epoch and run.epoch:
            self.n_bytes -= self._copies.pop().n_bytes
        self._keep(run, whole=True)

    def _keep(self, run: Run, *, whole: bool) -> None:
        if self._layout is None:
            return
        begun, weights = time.perf_counter(), self._layout.copies()
        rest = self._layout.state() if whole else None
        n_bytes = sum(tensor.nbytes for tensor in (*weights, *_tensors_in(rest)))
        new = _Copy(run.epoch, run.step, self._layout, weights, rest, n_bytes)
        self.n_bytes += new.n_bytes
        while self.n_bytes > self.max_bytes and len(self._copies) > 1:
            self._copies[1:] = self._copies[2::2]
            self.n_bytes = sum(each.n_bytes for each in (*self._copies, new))
        self._copies.append(new)
        self.seconds += time.perf_counter() - begun


def _tensors_in(tree: Any) -> Iterator[Tensor]:
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _tensors_in(value)
    elif isinstance(tree, (list, tuple)):
        for value in tree:
            yield from _tensors_in(value)


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
