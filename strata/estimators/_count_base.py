"""From counts of genes in cells to a trained network, and from a trained network to codes and likelihoods."""

from __future__ import annotations

import copy
import math
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import nn

from strata._threads import limit_threads, threads_for
from strata.data import Batch, annotate_h5ad
from strata.engine import Callback, History, Run, noting_preparation, train
from strata.engine.progress import Progress
from strata.errors import NonFiniteError
from strata.estimators._count_inputs import Cells, has_annotations, read_cells
from strata.estimators._image_network import seeded
from strata.estimators._monitor import Monitor, finite_or_none, say_waiting, users_callbacks
from strata.estimators._training import checkpointing, chosen_device
from strata.estimators._validation import split_rows
from strata.estimators._warm_start import carried_over
from strata.functional import Penalty
from strata.rules import GradientDescent, Rule
from strata.rules.fast.counts import fast_log_likelihood

__all__ = ["BaseCounts", "KLWarmUp"]

#: Cells that are looked at together when nothing is learned.
LOOK_BATCH = 256
#: Counts from which machine code that is made for them, once on a machine, pays.
MANY_ENTRIES = 1_000_000
#: Frames between a warning and the line of the user's that called ``fit``.
_TO_CALLER = 7


class BaseCounts(ClassNamePrefixFeaturesOutMixin, TransformerMixin, CallbackSupportMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """What networks of counts do, without their arguments and their description."""

    network_: Any
    #: Name under which codes are kept in ``obsm``.
    _key: str

    @abstractmethod
    def _new_network(self, cells: Cells) -> nn.Module:
        """Return a network with its first weights, and learn what it takes from the training cells."""

    @abstractmethod
    def _empty_network(self) -> nn.Module:
        """Return the network that the parameters and learned sizes describe."""

    @abstractmethod
    def _covariates(self, cells: Cells) -> np.ndarray:
        """Return what the network is told of each cell besides its counts, shape (n_cells, ...), float32."""

    @abstractmethod
    def _optimizer(self) -> Any:
        """Return the optimizer."""

    @abstractmethod
    def _schedule(self) -> Any:
        """Return the schedule of the rate."""

    @abstractmethod
    def _log_evidence(self, network: Any, batch: Any) -> Any:
        """Return what each cell's log-likelihood is, or is at least; shape (n,)."""

    @abstractmethod
    def _n_epochs(self, n_cells: int) -> int:
        """Return the number of epochs."""

    def _own_callbacks(self, n_cells: int) -> list[Callback]:
        """Return callbacks that the network needs."""
        return []

    # The fit, in the order of its steps.

    def _fit(self, X: Any, batch: Any, X_val: Any, batch_val: Any) -> None:
        goes_on = bool(self.warm_start) and hasattr(self, "network_")
        random_state = check_random_state(self.random_state)
        cells = read_cells(self, X, batch, reset=not goes_on)
        if X_val is None and batch_val is not None:
            raise ValueError("`X_val` and `batch_val` must be given together. Received: X_val=None.")
        held_out = None if X_val is None else read_cells(self, X_val, batch_val, reset=False, name="X_val")
        seeds = random_state.randint(np.iinfo(np.int32).max, size=2)
        if held_out is None and self.early_stopping:
            cells, held_out = self._split(cells, random_state)
        if not goes_on:
            with seeded(int(seeds[0])):
                network = self._new_network(cells)
            self._forget()
        else:
            with torch.device("meta"):
                empty = self._empty_network()
            network = carried_over(self.network_, empty)
        self._train(network, cells, held_out, seed=int(seeds[1]))

    def _split(self, cells: Cells, random_state: np.random.RandomState) -> tuple[Cells, Cells]:
        """Set cells aside: the fraction that is asked for, but two at least, and two must be left."""
        if len(cells) < 4:
            raise ValueError(
                f"`X` must have at least 4 cells to hold some out. Received: {len(cells)} samples. "
                "Give more, or use early_stopping=False."
            )
        fraction = min(max(float(self.validation_fraction), 2 / len(cells)), 1 - 2 / len(cells))
        rows = split_rows(len(cells), fraction=fraction, stratify=None, random_state=random_state)
        return cells.take(rows[0]), cells.take(rows[1])

    def _forget(self) -> None:
        self.n_iter_ = 0
        self.history_ = History()
        self.loss_curve_: list[float] = []
        self.validation_scores_: list[float] | None = None
        self.best_validation_score_: float | None = None

    def _train(self, network: Any, cells: Cells, held_out: Cells | None, *, seed: int) -> None:
        n_cells = len(cells)
        flops = 6.0 * min(int(self.batch_size), n_cells) * _size(network)
        device = chosen_device(self.device, flops=flops, double=False)
        rule = self._rule(network.to(device))
        monitor = self._monitor(validated=held_out is not None)
        max_epochs = self._n_epochs(n_cells)
        others = users_callbacks(
            self,
            X=cells.counts,
            y=None,
            sample_weight=None,
            max_epochs=max_epochs,
            fitted=lambda: {"network_": copy.deepcopy(network).cpu().eval()},
        )
        kept = network.log_likelihood
        network.log_likelihood = _likelihood_for(network, cells, device)
        try:
            with (
                limit_threads(self.n_threads or threads_for(flops)),
                seeded(seed, device),
                noting_preparation(say_waiting if self.verbose else None),
            ):
                run = train(
                    rule,
                    self._source(cells, seed),
                    max_epochs=max_epochs,
                    validate=None if held_out is None else _Validation(self, held_out, seed),
                    callbacks=[*self._own_callbacks(n_cells), monitor, *others],
                    checkpoint=checkpointing(self.checkpoint),
                    resume=bool(self.resume),
                    time_limit=self.time_limit,
                    progress=Progress() if self.progress else None,
                )
        except NonFiniteError as error:
            raise NonFiniteError(
                f"Training diverged: {error} Try a smaller learning_rate_init than {self.learning_rate_init:g}.",
                epoch=error.epoch,
                batch=error.batch,
            ) from error
        finally:
            network.log_likelihood = kept
            network.to("cpu").eval()
        self.network_ = network
        self._conclude(run, monitor)

    def _rule(self, network: Any) -> GradientDescent:
        return GradientDescent(
            network,
            None,
            optimizer=self._optimizer(),
            schedule=self._schedule(),
            penalty=Penalty(l2=float(self.alpha)),
            clip_value=None if self.clip_value is None else float(self.clip_value),
            count_rows=True,
            fused=True,
        )

    def _source(self, cells: Cells, seed: int) -> Any:
        batch_size = min(int(self.batch_size), len(cells))
        return cells.source(
            self._covariates(cells),
            batch_size=batch_size,
            shuffle=bool(self.shuffle),
            random_state=seed,
            drop_last=len(cells) % batch_size == 1,  # batch normalization has no spread of a single cell
        )

    def _monitor(self, *, validated: bool) -> Monitor:
        by_score = bool(self.early_stopping) and validated
        monitor = Monitor(
            by_score=by_score,
            tol=float(self.tol),
            patience=self.n_iter_no_change if by_score else math.inf,
            lower_rate=False,
            restore=by_score if self.restore_best == "auto" else bool(self.restore_best),
        )
        monitor.verbose = bool(self.verbose)
        return monitor

    def _conclude(self, run: Run, monitor: Monitor) -> None:
        """Add the epochs of a run to those before it."""
        history, done = run.history, len(self.history_)
        for row in history.rows():
            self.history_.append({**row, "epoch": done + int(row["epoch"])})
        self.n_iter_ = len(self.history_)
        self.stop_reason_ = run.stop_reason or "max_epochs"
        self.loss_curve_ += list(history["loss"]) if len(history) else []
        if "val_score" in history:
            self.validation_scores_ = [*(self.validation_scores_ or ()), *history["val_score"]]
            best = finite_or_none(monitor.best) if monitor.by_score else float(np.nanmax(self.validation_scores_))
            self.best_validation_score_ = best
        if self.stop_reason_ == "interrupted":
            warnings.warn("Training interrupted by user.", stacklevel=_TO_CALLER)

    # What a fitted network answers.

    def _cells(self, X: Any, batch: Any = None, *, told: bool = True) -> Cells:
        """Return checked cells; the batch of each must be known if the network is ``told`` of it."""
        check_is_fitted(self)
        return read_cells(self, X, batch, reset=False, told=told)

    @contextmanager
    def _looking(self, cells: Cells) -> Iterator[tuple[Any, Iterator[Any]]]:
        """Give the network, and batches of cells in their order, where and with as many threads as suits them."""
        size = min(LOOK_BATCH, len(cells))
        flops = 2.0 * size * _size(self.network_)
        device = chosen_device(self.device, flops=flops, double=False)
        network = copy.copy(self.network_) if device.type == "cpu" else copy.deepcopy(self.network_).to(device)
        network.log_likelihood = _likelihood_for(network, cells, device)
        with limit_threads(self.n_threads or threads_for(flops)), torch.no_grad():
            yield network, (batch.to(device) for batch in self._batches(cells))

    def _batches(self, cells: Cells, size: int = LOOK_BATCH) -> Iterator[Batch]:
        source = cells.source(self._covariates(cells), batch_size=min(size, len(cells)), shuffle=False)
        yield from source.epoch(0).take(0, source.n_batches or 0)

    def _score_samples(self, X: Any, batch: Any = None) -> np.ndarray:
        with self._looking(self._cells(X, batch)) as (network, batches):
            return torch.cat([self._evidence_of(network, each).double().cpu() for each in batches]).numpy()

    def _evidence_of(self, network: Any, batch: Any) -> Any:
        """Return the evidence of each cell, whatever other cells are in the batch."""
        return self._log_evidence(network, batch)

    def annotate(self, X: Any, *, key: str | None = None, target: str | os.PathLike[str] | None = None) -> Any:
        """Write the code of each cell beside it: into ``obsm`` of an AnnData object, or of a copy of a file.

        Parameters
        ----------
        X : AnnData or path of a .h5ad file
            Raw counts.
        key : str or None, default=None
            Name of the codes; None is "X_dca" for :class:`CountAutoencoder` and "X_scvi" for :class:`SCVI`.
        target : str, path or None, default=None
            For a file: the copy to write.

        Returns
        -------
        X : AnnData or Path
            The same object, or the copy.
        """
        key = self._key if key is None else key
        if isinstance(X, (str, os.PathLike)):
            if target is None:
                raise ValueError("`target` must be the copy to write for a file. Received: target=None.")
            return annotate_h5ad(X, target, obsm={key: self.transform(X)})
        if not has_annotations(X):
            raise TypeError(f"`X` must be an AnnData object or a .h5ad file. Received: {type(X).__name__}.")
        X.obsm[key] = self.transform(X)
        return X

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _likelihood_for(network: Any, cells: Cells, device: torch.device) -> Any:
    """Return what computes the likelihood of cells: machine code where they are many and lie in the host's memory."""
    return fast_log_likelihood if device.type == "cpu" and cells.n_entries >= MANY_ENTRIES else network.log_likelihood


class KLWarmUp(Callback):
    """Let the divergence of the latent variable count more from epoch to epoch, until it counts in full."""

    def __init__(self, n_epochs: int) -> None:
        self.n_epochs = n_epochs

    def on_epoch_begin(self, run: Run) -> None:
        """Set the weight of the epoch."""
        weight = min(1.0, run.epoch / self.n_epochs) if self.n_epochs else 1.0
        run.rule.network.kl_weight.fill_(weight)  # type: ignore[union-attr,operator]


class _Validation:
    """Look at held-out cells after an epoch, with the same draws every time."""

    def __init__(self, estimator: BaseCounts, cells: Cells, seed: int) -> None:
        self.estimator, self.cells, self.seed = estimator, cells, seed

    def __call__(self, rule: Rule) -> dict[str, float]:
        """Return the mean of the negative log-likelihoods of all entries, and its opposite as the score."""
        network: Any = rule.network
        training, total = network.training, 0.0
        network.eval()
        with torch.no_grad(), seeded(self.seed, rule.device):
            for batch in self.estimator._batches(self.cells):
                total += float(self.estimator._log_evidence(network, batch.to(rule.device)).double().sum())
        network.train(training)
        loss = -total / self.cells.n_entries
        return {"val_loss": loss, "val_score": -loss if math.isfinite(loss) else math.nan}
