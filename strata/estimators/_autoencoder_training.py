"""From an autoencoder and its rows to a trained autoencoder: the rule, the source, the run, layer by layer first."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from strata._threads import limit_threads, threads_for
from strata.data import ArraySource, Corruption, ReconstructionSource, SparseSource
from strata.engine import Callback, Checkpointing, Run, train
from strata.engine.progress import Progress
from strata.estimators._monitor import Monitor
from strata.estimators._parameters import uses_all_rows
from strata.estimators._training import checkpointing, chosen_device
from strata.estimators._validation import is_sparse
from strata.functional import Penalty
from strata.models import DenseAutoencoder
from strata.nn import DenseLoss, DenseSpec, Head
from strata.rules import (
    LBFGS,
    CompiledDense,
    LBFGSBRule,
    LBFGSRule,
    OptimizerSpec,
    ReconstructionDescent,
    Rule,
    get_optimizer,
)
from strata.rules.schedules import get_schedule

__all__ = [
    "HeldOut",
    "Prices",
    "Trainer",
    "build_trainer",
    "fused_update",
    "held_out_source",
    "monitor_of",
    "optimizer_of",
    "run_trainer",
    "source_of",
]


@dataclass(frozen=True)
class Prices:
    """What the codes of a network are charged for."""

    cost: float = 1.0
    sparsity: float = 0.0
    sparsity_target: float | None = None
    contraction: float = 0.0

    @property
    def any(self) -> bool:
        """Whether anything but the reconstruction counts."""
        return bool(self.sparsity or self.contraction)


@dataclass
class Trainer:
    """A network, the rule that trains it, and how."""

    network: nn.Module
    rule: Rule
    engine: str
    optimizer: Any
    device: torch.device
    flops_per_row: float

    @property
    def on_accelerator(self) -> bool:
        """Whether the optimizer keeps its state outside the host's memory."""
        return self.device.type != "cpu"


@dataclass
class HeldOut:
    """Rows that are looked at after every epoch, with the same noise each time."""

    source: ReconstructionSource

    def __call__(self, rule: Rule) -> dict[str, float]:
        """Return the objective of the rows as ``val_loss``, and its negative as ``val_score``."""
        total = weights = 0.0
        for batch in self.source.epoch(0).take(0, self.source.n_batches or 0):
            figures = rule.evaluate(batch.to(rule.device))
            weight = float(figures["weight"])
            total, weights = total + float(figures["loss"]) * weight, weights + weight
        loss = total / weights if weights else math.nan
        return {"val_loss": loss, "val_score": -loss}


def optimizer_of(estimator: Any) -> Any:
    """Return the optimizer that ``solver`` and ``learning_rate_init`` say."""
    solver = estimator.solver
    if not isinstance(solver, str):
        return solver
    if solver == "lbfgs":
        return LBFGS(tol=float(estimator.tol))
    return get_optimizer(solver, learning_rate=float(estimator.learning_rate_init))


def _penalty(estimator: Any) -> Penalty:
    return Penalty(l2=float(estimator.alpha), per_sample=True)


def _why_not_compiled(estimator: Any, network: nn.Module, prices: Prices, optimizer: Any) -> str | None:
    """Return why the compiled rule cannot take the work, or None."""
    if not isinstance(network, DenseAutoencoder):
        return "only a dense network with plain units is compiled"
    if prices.any:
        return "its codes are penalized"
    if not isinstance(optimizer, OptimizerSpec):
        return "the solver is a function of your own"
    if estimator.precision != "full":
        return "reduced precision is autograd's"
    if estimator.device not in ("auto", "cpu"):
        return f"the device is {estimator.device!r}"
    reason: str | None = CompiledDense.supports(network.spec, optimizer=optimizer, penalty=_penalty(estimator))
    return reason


def build_trainer(estimator: Any, network: nn.Module, head: Head, prices: Prices, *, flops_per_row: float) -> Trainer:
    """Build the rule that ``engine`` asks for, or the faster of those that apply."""
    optimizer = optimizer_of(estimator)
    reason = _why_not_compiled(estimator, network, prices, optimizer)
    if estimator.engine == "compiled" and reason is not None:
        raise ValueError(
            f"`engine` must be 'auto' or 'autograd' for this network: {reason}. Received: engine='compiled'."
        )
    rows = 200 if estimator.batch_size == "auto" else int(estimator.batch_size)
    double = next(network.parameters()).dtype == torch.float64
    if estimator.precision != "full" and double:
        raise ValueError(
            "`precision` must be 'full' for float64, which mixed precision leaves as it is. "
            f"Received: precision={estimator.precision!r}. Give X as float32."
        )
    device = chosen_device(estimator.device, flops=rows * flops_per_row, double=double)
    compiled = reason is None and estimator.engine != "autograd" and device.type == "cpu"
    if isinstance(optimizer, LBFGS):
        rule = _second_order(estimator, network, head, prices, optimizer, compiled=compiled)
    elif compiled and isinstance(network, DenseAutoencoder):
        rule = CompiledDense(
            network,
            optimizer=optimizer,
            schedule=get_schedule(estimator.schedule or "constant"),
            penalty=_penalty(estimator),
            clip_norm=estimator.grad_clip,
            n_threads=estimator.n_threads,
            count_rows=True,
        )
    else:
        network.to(device)
        rule = ReconstructionDescent(
            network,
            _loss_of(head),
            cost=prices.cost,
            sparsity=prices.sparsity,
            sparsity_target=prices.sparsity_target,
            contraction=prices.contraction,
            optimizer=optimizer,
            schedule=get_schedule(estimator.schedule or "constant"),
            penalty=_penalty(estimator),
            clip_norm=estimator.grad_clip,
            precision=estimator.precision,
            fused=fused_update(optimizer),
            count_rows=True,
        )
    return Trainer(network, rule, "compiled" if compiled else "autograd", optimizer, device, flops_per_row)


def fused_update(optimizer: Any) -> bool:
    """Whether torch updates all parameters in one kernel for this optimizer."""
    return getattr(optimizer, "name", "") in ("sgd", "adam", "adamw") and optimizer.form == "framework"


def _loss_of(head: Head) -> DenseLoss:
    return DenseLoss(DenseSpec(1, (), (), (head,)))


def _second_order(
    estimator: Any, network: nn.Module, head: Head, prices: Prices, optimizer: LBFGS, *, compiled: bool
) -> Rule:
    """Return the quasi-Newton rule, which needs one objective that stays the same."""
    idle = {"grad_clip": None, "schedule": None, "precision": "full", "noise": None}
    for name, value in ((name, getattr(estimator, name, quiet)) for name, quiet in idle.items()):
        if value != idle[name]:
            raise ValueError(
                f"`{name}` must be {idle[name]!r} with the solver 'lbfgs', whose line search needs one objective. "
                f"Received: {name}={value!r}. Use another solver, such as 'adam'."
            )
    if prices.any or not isinstance(network, DenseAutoencoder):
        raise ValueError(
            "`solver` must be a stochastic one, such as 'adam', unless the network is dense and its codes are free. "
            f"Received: solver={estimator.solver!r}."
        )
    # by name the search is SciPy's; as a record it is torch's, which resumes without repeating
    kind: Any = LBFGSBRule if estimator.solver == "lbfgs" else LBFGSRule
    rule: Rule
    if compiled:
        objective = CompiledDense(
            network, optimizer=optimizer, penalty=_penalty(estimator), n_threads=estimator.n_threads
        )
        rule = kind(objective, optimizer=optimizer)
    else:
        rule = kind(network, _loss_of(head), optimizer=optimizer, penalty=_penalty(estimator))
    return rule


def source_of(
    estimator: Any,
    rows: Any,
    weight: np.ndarray | None,
    optimizer: Any,
    *,
    order: int | np.random.RandomState,
    noise: Corruption | None,
    seed: int,
) -> ReconstructionSource:
    """Return the batches to learn from."""
    stochastic = not uses_all_rows(optimizer)
    n_rows = rows.shape[0]
    size = estimator.batch_size
    batch_size = n_rows if not stochastic else min(200 if size == "auto" else int(size), n_rows)
    inner = (SparseSource if is_sparse(rows) else ArraySource)(
        rows,
        None,
        weight,
        batch_size=batch_size,
        shuffle=bool(estimator.shuffle) and stochastic,
        random_state=order,
    )
    return ReconstructionSource(inner, noise, seed=seed)


def held_out_source(rows: Any, weight: np.ndarray | None, noise: Corruption | None, *, seed: int) -> HeldOut:
    """Return held-out rows in large batches, spoilt once and for all."""
    inner = (SparseSource if is_sparse(rows) else ArraySource)(rows, None, weight, batch_size=1024, shuffle=False)
    return HeldOut(ReconstructionSource(inner, noise, seed=seed))


def run_trainer(
    estimator: Any,
    trainer: Trainer,
    source: Any,
    *,
    max_epochs: int,
    validate: Callable[[Rule], dict[str, float]] | None = None,
    callbacks: Sequence[Callback] = (),
    part: str = "",
    begun: float | None = None,
) -> Run:
    """Train a network in place, and bring it back to the host."""
    folder = checkpointing(estimator.checkpoint)
    left = estimator.time_limit
    if left is not None and begun is not None:
        left = max(1e-3, left - (time.monotonic() - begun))
    trainer.network.to(trainer.device)
    threads = threads_for(source.batch_size * trainer.flops_per_row)
    try:
        with limit_threads(estimator.n_threads or threads):
            return train(
                trainer.rule,
                source,
                max_epochs=max_epochs,
                validate=validate,
                callbacks=callbacks,
                checkpoint=_for_part(folder, part),
                resume=bool(estimator.resume),
                time_limit=left,
                progress=Progress() if estimator.progress else None,
            )
    finally:
        trainer.network.to("cpu").eval()


def _for_part(checkpoint: Checkpointing | None, part: str) -> Checkpointing | None:
    """Return where the checkpoints of a part of the training go: a folder of its own for each layer."""
    return checkpoint if checkpoint is None or not part else replace(checkpoint, folder=Path(checkpoint.folder) / part)


def monitor_of(estimator: Any, optimizer: Any, *, validated: bool) -> Monitor:
    """Return what decides when to stop."""
    by_score = bool(estimator.early_stopping) and validated
    patience = math.inf if isinstance(optimizer, LBFGS) else estimator.n_iter_no_change
    monitor = Monitor(
        by_score=by_score,
        tol=float(estimator.tol),
        patience=patience,
        lower_rate=False,
        restore=by_score if estimator.restore_best == "auto" else bool(estimator.restore_best),
    )
    monitor.verbose = bool(estimator.verbose)
    return monitor
