"""Snapshots of a network while it learns, at a bounded number of epochs."""

import copy
import math
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from strata.data.sources import Batch
from strata.diagnosis.evidence import LayerEvidence, LayerSnapshot
from strata.engine import Callback, Run
from strata.nn.dense import DenseNetwork
from strata.rules.compiled import CompiledDense

__all__ = ["EPOCHS", "ModuleWatcher", "Watcher", "snapshot_of"]

#: After which epochs to look; the start and the end besides.
EPOCHS = frozenset({1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024})
PROBE_ROWS = 256
_RANGES = {
    "logistic": (0.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hardtanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
}
_HALF_DEAD = ("relu", "relu6")


def snapshot_of(
    z: np.ndarray,
    a: np.ndarray,
    delta: np.ndarray,
    weight: np.ndarray,
    gradient: np.ndarray,
    *,
    activation: str,
    when: tuple[int, int],
    before: tuple[int, np.ndarray] | None,
) -> LayerSnapshot:
    """Return the figures of one layer; arrays are (rows, units), weights (inputs, units), `when` is (step, epoch)."""
    low, high = _RANGES.get(activation, (0.0, 0.0))
    saturated = 0.0
    if high > low:
        place = (a - low) / (high - low)
        saturated = float(((place < 0.02) | (place > 0.98)).mean())
    _, counts = np.unique(np.round(weight.T, 12), axis=0, return_counts=True)
    ratio = None
    if before is not None and when[0] > before[0]:
        size = float(np.linalg.norm(before[1]))
        moved = float(np.linalg.norm(weight - before[1])) / math.sqrt(when[0] - before[0])
        ratio = moved / size if size > 0 else None
    return LayerSnapshot(
        step=when[0],
        epoch=when[1],
        z_mean=float(z.mean()),
        z_std=float(z.std()),
        activation_mean=float(a.mean()),
        activation_std=float(a.std()),
        unit_std=float(np.median(a.std(axis=0))),
        dead=float((a <= 0).all(axis=0).mean()) if activation in _HALF_DEAD else 0.0,
        saturated=saturated,
        symmetric=float(counts[counts > 1].sum() / weight.shape[1]),
        weight_rms=_rms(weight),
        gradient_rms=_rms(gradient),
        delta_rms=_rms(delta) * len(delta),
        update_ratio=ratio,
    )


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


class Watcher(Callback):
    """Look at a dense network through a copy of it, so that the run itself is left alone."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.start_loss: float | None = None
        self._seen: list[list[LayerSnapshot]] = []
        self._before: tuple[int, list[np.ndarray]] | None = None
        self._batch: Batch | None = None
        self._spec: Any = None

    def on_fit_begin(self, run: Run) -> None:
        """Take the probe rows and look before the first update."""
        self.__init__()  # type: ignore[misc]
        arrays = getattr(run.source, "arrays", None)
        network = getattr(run.rule, "network", None)
        spec = getattr(network, "spec", None)
        if arrays is None or spec is None or CompiledDense.supports(spec, optimizer="sgd") is not None:
            return
        x, y, weight = (None if rows is None else torch.as_tensor(rows)[:: _stride(arrays[0])] for rows in arrays)
        if x is not None and y is not None:
            self._spec, self._batch = spec, Batch(x, y, weight)
            self._look(run)

    def on_epoch_end(self, run: Run) -> None:
        """Keep the loss, and look after the epochs that are meant to be looked at."""
        self.losses.append(float(run.figures["loss"]))
        if run.epoch in EPOCHS:
            self._look(run)

    def on_fit_end(self, run: Run) -> None:
        """Look at the end."""
        if self._before is None or self._before[0] != run.step:
            self._look(run)

    def _look(self, run: Run) -> None:
        if self._batch is None:
            return
        network = copy.deepcopy(cast(DenseNetwork, run.rule.network)).to("cpu")
        rule = CompiledDense(network, optimizer="sgd")
        if self.start_loss is None:
            self.start_loss = rule.loss_and_gradient(self._batch)[0]
        weights = [weight.detach().numpy().copy() for weight in network.weights]
        names = (*self._spec.hidden_activations, network.spec.heads[0].output_activation)
        looks = []
        with np.errstate(all="ignore"):
            for place, (trace, weight, name) in enumerate(zip(rule.trace(self._batch), weights, names, strict=True)):
                before = None if self._before is None else (self._before[0], self._before[1][place])
                z, a, delta, gradient = (
                    values.numpy() for values in (trace.z, trace.a, trace.delta, trace.grad_weight)
                )
                looks.append(
                    snapshot_of(
                        z, a, delta, weight, gradient, activation=name, when=(run.step, run.epoch), before=before
                    )
                )
        self._before = (run.step, weights)
        self._seen.append(looks)

    def layers(self) -> tuple[LayerEvidence, ...]:
        """Return the layers with their snapshots; none where the network could not be looked at."""
        if not self._seen or self._spec is None:
            return ()
        sizes = self._spec.layer_sizes
        names = (*self._spec.hidden_activations, self._spec.heads[0].output_activation)
        return tuple(
            LayerEvidence(
                f"hidden {place + 1}" if place + 1 < len(names) else "output",
                name, sizes[place], sizes[place + 1], tuple(looks[place] for looks in self._seen),
            )
            for place, name in enumerate(names)
        )  # fmt: skip


def _stride(rows: Any) -> int:
    return max(1, -(-len(rows) // PROBE_ROWS))


class ModuleWatcher:
    """Look at the linear layers of any module by hooks, on one probe batch."""

    def __init__(self, module: nn.Module, loss: Any, batch: tuple[Any, Any]) -> None:
        self._module, self._loss, self._batch = module, loss, batch
        leaves = [(name, part) for name, part in module.named_modules() if not list(part.children())]
        self._parts: list[tuple[str, nn.Linear, nn.Module | None]] = []
        for place, (name, part) in enumerate(leaves):
            if isinstance(part, nn.Linear):
                after = next((p for _, p in leaves[place + 1 :] if not isinstance(p, nn.Dropout)), None)
                has_own = after is not None and not list(after.parameters())
                self._parts.append((name, part, after if has_own else None))
        self._seen: list[list[LayerSnapshot]] = []
        self._before: tuple[int, list[np.ndarray]] | None = None

    @property
    def last_unit(self) -> str:
        """The name of what follows the last linear layer; "identity" where nothing does."""
        return _unit_of(self._parts[-1][2]) if self._parts else "unknown"

    def look(self, step: int, epoch: int) -> float:
        """Take a snapshot of every layer; return the loss of the probe batch."""
        scores: dict[int, torch.Tensor] = {}

        def keep(place: int) -> Any:
            def hook(part: nn.Module, given: Any, output: torch.Tensor) -> None:
                output.retain_grad()
                scores[place] = output

            return hook

        hooks = [part.register_forward_hook(keep(place)) for place, (_, part, _) in enumerate(self._parts)]
        training = self._module.training
        grads = {name: value.grad for name, value in self._module.named_parameters()}
        state = copy.deepcopy(self._module.state_dict())
        try:
            self._module.zero_grad()
            loss = self._loss(self._module(self._batch[0]), self._batch[1])
            loss.backward()
            self._seen.append([self._snapshot(place, scores[place], (step, epoch)) for place in sorted(scores)])
            self._before = (step, [part.weight.detach().numpy().T.copy() for _, part, _ in self._parts])
        finally:
            for hook in hooks:
                hook.remove()
            for name, value in self._module.named_parameters():
                value.grad = grads[name]
            self._module.load_state_dict(state)  # running means are not moved by looking
            self._module.train(training)
        return float(loss.detach())

    def _snapshot(self, place: int, z: torch.Tensor, when: tuple[int, int]) -> LayerSnapshot:
        _, part, unit = self._parts[place]
        with torch.no_grad():
            a = z if unit is None else unit(z.clone())
        gradient = part.weight.grad if part.weight.grad is not None else torch.zeros_like(part.weight)
        delta = z.grad if z.grad is not None else torch.zeros_like(z)
        width = part.out_features
        before = None if self._before is None else (self._before[0], self._before[1][place])
        scores, units, errors = (values.detach().reshape(-1, width).numpy() for values in (z, a, delta))
        return snapshot_of(
            scores,
            units,
            errors,
            part.weight.detach().numpy().T.copy(),
            gradient.numpy().T,
            activation=_unit_of(unit),
            when=when,
            before=before,
        )

    def layers(self) -> tuple[LayerEvidence, ...]:
        """Return the layers with their snapshots."""
        return tuple(
            LayerEvidence(
                name, _unit_of(unit), part.in_features, part.out_features, tuple(looks[place] for looks in self._seen)
            )
            for place, (name, part, unit) in enumerate(self._parts)
            if all(len(looks) == len(self._parts) for looks in self._seen)
        )


def _unit_of(part: nn.Module | None) -> str:
    name = "identity" if part is None else type(part).__name__.lower()
    return {"sigmoid": "logistic", "leakyrelu": "leaky_relu", "logsoftmax": "log_softmax", "flatten": "identity"}.get(
        name, name
    )
