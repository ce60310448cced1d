"""From the copies of a recorder to figures: snapshots of every layer, curves, and what the start was like."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from strata.data.sources import Batch
from strata.diagnosis._sights import calm, see_layers, weighted_layers
from strata.diagnosis._snapshots import snapshot_of
from strata.diagnosis._terms import Terms
from strata.diagnosis.evidence import LayerEvidence, LayerSnapshot
from strata.diagnosis.recorder import Moment, network_of, tensors_of
from strata.nn.dense import DenseNetwork
from strata.rules.base import Rule
from strata.rules.compiled import CompiledDense
from strata.rules.gradient import GradientDescent

__all__ = ["Curves", "Replica", "Start", "figures_of", "look_at_start", "look_back", "noise_scale"]

_SMALL_BATCH, _SMALL_STEPS, _SMALL_RATE = 16, 200, 0.01
_LEARNED = 0.01  # of its first loss, where one batch counts as learned
_CHUNKS = 16


class Replica:
    """A copy of what was trained, which can be put back to any moment.

    Parameters
    ----------
    rule : Rule
        What trained it.
    """

    def __init__(self, rule: Rule) -> None:
        repeatable = isinstance(rule, (CompiledDense, GradientDescent))
        self.rule = copy.deepcopy(rule) if repeatable else None
        self.network = copy.deepcopy(network_of(rule)) if self.rule is None else network_of(self.rule)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next((tensor.device for tensor in tensors_of(self.network)), torch.device("cpu"))

    def load(self, moment: Moment) -> None:
        """Put the network back, without the optimizer."""
        with torch.no_grad():
            for own, kept in zip(tensors_of(self.network), moment.tensors, strict=True):
                own.copy_(kept)

    def weights(self) -> dict[str, list[Tensor]]:
        """Return copies of the weights of each layer by its name."""
        if isinstance(self.network, DenseNetwork):
            matrices = [matrix.detach().clone() for matrix in self.network.matrices()]
            names = [*(f"hidden {place + 1}" for place in range(len(matrices) - 1)), "output"]
            return {name: [matrix] for name, matrix in zip(names, matrices, strict=True)}
        return {
            path or type(part).__name__: [value.detach().clone() for value in part.parameters() if value.ndim >= 2]
            for path, part in weighted_layers(self.network).items()
        }

    def update_ratios(self, moment: Moment, batch: Batch) -> dict[str, float]:
        """Return the size of one update over that of the weights, for each layer, by making that update here."""
        if self.rule is None or moment.state is None:
            return {}
        self.rule.load_state_dict(copy.deepcopy(moment.state))
        before = self.weights()
        self.rule.train()
        with torch.random.fork_rng(_cuda(self.device)), torch.enable_grad():
            self.rule.step(batch.to(self.device))
        ratios = {}
        for name, after in self.weights().items():
            size = _norm(before[name])
            if size > 0:
                ratios[name] = _norm([a - b for a, b in zip(after, before[name], strict=True)]) / size
        return ratios


def _cuda(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []


def _norm(tensors: list[Tensor]) -> float:
    return math.sqrt(sum(float(tensor.double().square().sum()) for tensor in tensors))


@dataclass
class Curves:
    """Figures of fixed rows after the sampled epochs."""

    epochs: list[int] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    train_score: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_score: list[float] = field(default_factory=list)


def look_back(
    replica: Replica, moments: list[Moment], terms: Terms, *, probe: Batch, step_rows: Batch, train: Batch,
    held_out: Batch | None,
) -> tuple[tuple[LayerEvidence, ...], Curves]:  # fmt: skip
    """Return the snapshots of every layer and the curves.

    Parameters
    ----------
    replica : Replica
        What is put back to each moment; afterwards it stands somewhere.
    moments : list of Moment
        In their order.
    terms : Terms
        How rows are judged.
    probe : Batch
        Rows that the layers are seen on.
    step_rows : Batch
        Rows that an update is made on, as many as a batch has.
    train : Batch
        Training rows for the curves.
    held_out : Batch or None
        Held-out rows for the curves.

    Returns
    -------
    layers : tuple of LayerEvidence
        With a snapshot at the start, after the epochs 1, 2, 4, 8, ... and at the end.
    curves : Curves
        After every sampled epoch.
    """
    curves, found = Curves(), dict[str, tuple[str, int, int, list[LayerSnapshot]]]()
    last = len(moments) - 1
    for place, moment in enumerate(moments):
        replica.load(moment)
        if moment.epoch:
            _add_figures(curves, replica.network, terms, moment.epoch, train, held_out, replica.device)
        if place not in (0, last) and moment.epoch & (moment.epoch - 1):
            continue
        ratios = replica.update_ratios(moment, step_rows)
        replica.load(moment)  # the update was made here
        with calm(replica.network):
            _, sights = see_layers(replica.network, terms.loss, probe.to(replica.device))
        for sight in sights:
            shot = snapshot_of(
                sight,
                step=moment.step,
                epoch=moment.epoch,
                n_rows=len(probe.x),
                update_ratio=ratios.get(sight.name),
            )
            new: tuple[str, int, int, list[LayerSnapshot]] = (
                sight.activation,
                int(sight.weight.shape[0]),
                int(sight.z.shape[1]),
                [],
            )
            found.setdefault(sight.name, new)[3].append(shot)
    layers = (
        LayerEvidence(name, unit, n_in, n_out, tuple(shots)) for name, (unit, n_in, n_out, shots) in found.items()
    )
    return tuple(layers), curves


def _add_figures(
    curves: Curves, network: nn.Module, terms: Terms, epoch: int, train: Batch, held_out: Batch | None,
    device: torch.device,
) -> None:  # fmt: skip
    network.eval()
    curves.epochs.append(epoch)
    for rows, losses, scores in (
        (train, curves.train_loss, curves.train_score),
        (held_out, curves.val_loss, curves.val_score),
    ):
        if rows is not None:
            loss, score = figures_of(network, terms, rows.to(device))
            losses.append(loss)
            scores.append(score)


def figures_of(network: nn.Module, terms: Terms, rows: Batch) -> tuple[float, float]:
    """Return the mean loss and the score of rows."""
    if rows.y is None:
        return math.nan, math.nan
    with torch.no_grad():
        scores = network(rows.x)
        return float(terms.loss(scores, rows.y, None)), terms.score(scores, rows.y)


class _Adam:
    """Adam at one rate. The optimizers of torch take two seconds to be imported, more than all that is done here."""

    def __init__(self, learned: list[nn.Parameter]) -> None:
        self._learned, self._steps = learned, 0
        self._first = [torch.zeros_like(parameter) for parameter in learned]
        self._second = [torch.zeros_like(parameter) for parameter in learned]

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        self._steps += 1
        rate, scale = _SMALL_RATE / (1 - 0.9**self._steps), math.sqrt(1 - 0.999**self._steps)
        with torch.no_grad():
            for parameter, first, second, gradient in zip(
                self._learned, self._first, self._second, gradients, strict=True
            ):
                if gradient is not None:
                    first.lerp_(gradient, 0.1)
                    second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
                    parameter.addcdiv_(first, second.sqrt().div_(scale).add_(1e-8), value=-rate)


@dataclass(frozen=True)
class Start:
    """How a network as it is does on some rows, and on one small batch alone."""

    loss: float
    one_batch_start: float
    one_batch_loss: float
    one_batch_steps: int


def look_at_start(network: nn.Module, terms: Terms, rows: Batch) -> Start:
    """Return the loss of rows, and let the network learn 16 of them alone: what cannot learn those learns nothing.

    Parameters
    ----------
    network : nn.Module
        A copy, which is changed.
    terms : Terms
        How rows are judged.
    rows : Batch
        On its device.

    Returns
    -------
    start : Start
        After at most 200 steps of Adam at a rate of 0.01, without dropout.
    """
    some = Batch(*(None if part is None else part[:_SMALL_BATCH] for part in rows))  # type: ignore[arg-type]
    with calm(network), torch.enable_grad():
        with torch.no_grad():
            loss = float(terms.loss(network(rows.x), _targets(rows), rows.sample_weight))
        learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
        adam = _Adam(learned)
        first, steps, value = math.nan, 0, math.nan
        while True:
            now = terms.loss(network(some.x), _targets(some), some.sample_weight)
            value = float(now.detach())
            first = value if steps == 0 else first
            if steps == _SMALL_STEPS or not math.isfinite(value) or value <= _LEARNED * first:
                break
            if not now.requires_grad:
                break
            adam.step(torch.autograd.grad(now, learned, allow_unused=True))
            steps += 1
    return Start(loss, first, value, steps)


def _targets(rows: Batch) -> Any:
    return rows.y


def noise_scale(network: nn.Module, terms: Terms, rows: Batch) -> float | None:
    r"""Return the simple noise scale of the gradient, in rows.

    Parameters
    ----------
    network : nn.Module
        As it is; not changed.
    terms : Terms
        How rows are judged.
    rows : Batch
        At least 32, on its device.

    Returns
    -------
    scale : float or None
        At least the number of rows where the mean gradient cannot be told from noise; None for fewer rows or
        gradients that are not finite.

    Notes
    -----
    :math:`B = \operatorname{tr} \Sigma / |G|^2`, both from the squared norms of the gradient of the rows together,
    :math:`|G_n|^2`, and of chunks of :math:`b` rows, :math:`|G_b|^2`, without bias:
    :math:`|G|^2 = (n |G_n|^2 - b |G_b|^2) / (n - b)` and
    :math:`\operatorname{tr} \Sigma = (|G_b|^2 - |G_n|^2) / (1/b - 1/n)`.

    References
    ----------
    S. McCandlish, J. Kaplan, D. Amodei, "An Empirical Model of Large-Batch Training", 2018, arXiv:1812.06162,
    appendix A.1.
    """
    size = len(rows.x) // _CHUNKS
    if size < 2:
        return None
    learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
    total, squares = None, 0.0
    with calm(network), torch.enable_grad():
        for place in range(_CHUNKS):
            part = slice(place * size, (place + 1) * size)
            chunk = Batch(*(None if each is None else each[part] for each in rows))  # type: ignore[arg-type]
            value = terms.loss(network(chunk.x), _targets(chunk), chunk.sample_weight)
            if not value.requires_grad:
                return None
            grads = torch.autograd.grad(value, learned, allow_unused=True)
            flat = torch.cat([grad.flatten().double() for grad in grads if grad is not None])
            squares += float(flat @ flat) / _CHUNKS
            total = flat if total is None else total + flat
    if total is None:
        return None
    mean = float(total @ total) / _CHUNKS**2
    n = size * _CHUNKS
    spread = (squares - mean) / (1 / size - 1 / n)
    true = (n * mean - size * squares) / (n - size)
    if not np.isfinite([spread, true]).all():
        return None
    if spread <= 0:
        return 0.0
    return float(n) if true <= 0 else spread / true
