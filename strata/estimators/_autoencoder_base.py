"""What all autoencoders share: from rows to a trained network, and from the network to codes and back."""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted
from torch import Tensor, nn

from strata._threads import limit_threads, threads_for
from strata.data import Corruption
from strata.engine import Callback, History, Run, noting_preparation
from strata.errors import NonFiniteError
from strata.estimators._autoencoder_layers import pretrain
from strata.estimators._autoencoder_network import Shape, build_network, shape_of
from strata.estimators._autoencoder_rows import (
    blocks_of,
    checked_rows,
    column_order,
    fit_scaler,
    in_users_form,
    refuse_outside,
)
from strata.estimators._autoencoder_training import (
    HeldOut,
    Prices,
    Trainer,
    build_trainer,
    held_out_source,
    monitor_of,
    run_trainer,
    source_of,
)
from strata.estimators._monitor import Monitor, finite_or_none, say_waiting, users_callbacks
from strata.estimators._validation import as_tensor, split_rows
from strata.estimators._warm_start import carried_over
from strata.functional import get_activation
from strata.rules import LBFGS

__all__ = ["BaseAutoencoder", "LOSS_BOUNDS"]

#: What the numbers of a row may be, for the losses that have no meaning elsewhere.
LOSS_BOUNDS = {"binary_cross_entropy": (0.0, 1.0), "poisson": (0.0, math.inf)}
#: Frames between a warning and the line of the user's that called ``fit``.
_TO_CALLER = 6


class BaseAutoencoder(CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """What an autoencoder does, without its arguments and their description.

    A subclass that lacks an argument says here what stands in its place.
    """

    channels: Any = ()
    kernel_size: Any = 3
    input_shape: Any = None
    code_activation: Any = "identity"
    out_activation: Any = "auto"
    tied: Any = False
    noise: Any = None
    noise_level: Any = 0.0
    sparsity: Any = 0.0
    sparsity_target: Any = None
    contraction: Any = 0.0
    variational: Any = False
    beta: Any = 1.0
    pretrain_iter: Any = 0
    init: Any = "auto"
    engine: Any = "auto"
    precision: Any = "full"
    schedule: Any = None
    scale_inputs: Any = False

    _parameter_constraints: ClassVar[dict[str, Any]] = {}
    network_: nn.Module
    _trainer: Trainer | None
    _built_for: tuple[Any, ...]
    #: The argument that says how long a code is.
    _size_parameter: ClassVar[str] = "n_components"

    # What a subclass may decide otherwise.

    def _code_size(self, n_features: int) -> int:
        """Return the numbers of a code."""
        wanted = self.n_components
        return max(1, min(32, n_features // 2)) if wanted == "auto" else int(wanted)

    def _build(self, dtype: Any, random_state: np.random.RandomState | None) -> nn.Module:
        """Build the network; without a generator it has no weights and takes no memory."""
        return build_network(self._shape, dtype, scheme=self.init, random_state=random_state)

    def _prices(self) -> Prices:
        """Return what the codes are charged for."""
        return Prices(
            float(self.beta),
            float(self.sparsity),
            None if self.sparsity_target is None else float(self.sparsity_target),
            float(self.contraction),
        )

    def _corruption(self, rows: Any) -> Corruption | None:
        """Return the noise that is to be undone; salt and pepper are the ends of the data."""
        if self.noise is None:
            return None
        low, high = 0.0, 1.0
        if self.noise == "salt_and_pepper":
            low, high = float(rows.min()), float(rows.max())  # of sparse rows with the zeros that are not stored
            high = high if high > low else low + 1.0
        return Corruption(self.noise, float(self.noise_level), low, high)

    # The fit, in the order of its steps.

    @property
    def _shape(self) -> Shape:
        return shape_of(self, self.n_features_in_, self.n_components_)

    def _fit(self, X: Any, sample_weight: Any, validation: tuple[Any, Any], *, incremental: bool = False) -> None:
        goes_on = hasattr(self, "network_") and (bool(self.warm_start) or incremental)
        if incremental and self.early_stopping:
            raise ValueError("`early_stopping` must be False for partial_fit. Received: early_stopping=True.")
        rows = checked_rows(self, X, reset=not goes_on)
        weight = self._row_weights(rows, sample_weight)
        if not goes_on:
            self.n_components_ = self._code_size(self.n_features_in_)
            self._check_codes()
        rows = self._for_network(rows, reset=not goes_on)
        held_out = self._told_held_out(validation)
        random_state = check_random_state(self.random_state)
        seeds = [int(seed) for seed in random_state.randint(np.iinfo(np.int32).max, size=3)]
        if held_out is None and self.early_stopping and not self._second_order:
            rows, weight, held_out = self._split(rows, weight, random_state)
        begun = time.monotonic()
        if goes_on:
            self._go_on()
        else:
            self._begin(rows, weight, random_state, seeds[2], begun)
        self._learn(rows, weight, held_out, random_state, seeds, incremental=incremental, begun=begun)

    @property
    def _described(self) -> tuple[Any, ...]:
        """What the arguments say of the network besides its weights."""
        return (self._code_size(self.n_features_in_), self._shape)

    def _go_on(self) -> None:
        """Take the weights of the last fit over into the network that the arguments describe now."""
        if vars(self).get("_built_for") == self._described:
            return
        wanted = self._code_size(self.n_features_in_)
        if wanted != self.n_components_:
            raise ValueError(
                f"`{self._size_parameter}` must be what it was in the last fit, {self.n_components_}, to go on from "
                f"its weights. Received: {wanted}. Fit anew with warm_start=False."
            )
        kind = np.float32 if self._dtype == torch.float32 else np.float64
        self.network_ = carried_over(self.network_, self._build(kind, None))
        self._built_for, self._trainer = self._described, None

    @property
    def _second_order(self) -> bool:
        return self.solver == "lbfgs" or isinstance(self.solver, LBFGS)

    def _row_weights(self, rows: Any, sample_weight: Any) -> np.ndarray | None:
        if sample_weight is None:
            return None
        return np.asarray(_check_sample_weight(sample_weight, rows, dtype=rows.dtype, ensure_non_negative=True))

    def _check_codes(self) -> None:
        """Refuse codes that what is asked of them does not fit, and warn of those that can copy."""
        if self.sparsity and self.sparsity_target is not None and self.code_activation != "logistic":
            raise ValueError(
                "`code_activation` must be 'logistic' for a mean activity to be held to. "
                f"Received: code_activation={self.code_activation!r}, sparsity_target={self.sparsity_target!r}. "
                "Use sparsity_target=None to penalize the size of the codes."
            )
        if self.variational and (self.sparsity or self.contraction or self.pretrain_iter):
            raise ValueError(
                "`variational` must be False with sparsity, contraction or pretrain_iter. Received: variational=True."
            )
        if self.pretrain_iter and self.channels:
            raise ValueError(
                "`pretrain_iter` must be 0 for a convolutional network. "
                f"Received: pretrain_iter={self.pretrain_iter!r}."
            )
        free = not (self.noise or self.sparsity or self.contraction or self.variational)
        if free and self.n_components != "auto" and self.n_components_ >= self.n_features_in_ > 1:
            warnings.warn(
                f"A code of {self.n_components_} numbers can copy a row of {self.n_features_in_}. Make it smaller, or "
                "give noise, sparsity or contraction.",
                UserWarning,
                stacklevel=_TO_CALLER,
            )

    def _for_network(self, rows: Any, *, reset: bool) -> Any:
        """Return rows as the network sees them: in its order of columns, scaled, within the bounds of the loss."""
        if reset:
            self._order = column_order(self)
        if self._order is not None:
            rows = rows[:, self._order]
        if self.channels:
            rows = rows.astype(np.float32, copy=False)  # convolutions in double precision are many times slower
        if self.scale_inputs:
            if reset:
                self._scaler = fit_scaler(rows)
            rows = self._scaler.transform(rows)
        if self.loss in LOSS_BOUNDS:
            refuse_outside(rows, *LOSS_BOUNDS[self.loss], loss=self.loss)
        return rows

    def _told_held_out(self, validation: tuple[Any, Any]) -> tuple[Any, np.ndarray | None] | None:
        X_val, weight = validation
        if X_val is None:
            if weight is not None:
                raise ValueError("`sample_weight_val` needs `X_val`. Received: X_val=None.")
            return None
        rows = checked_rows(self, X_val, reset=False)
        return self._for_network(rows, reset=False), self._row_weights(rows, weight)

    def _split(self, rows: Any, weight: np.ndarray | None, random_state: np.random.RandomState) -> tuple[Any, Any, Any]:
        train, held = split_rows(
            rows.shape[0], fraction=float(self.validation_fraction), stratify=None, random_state=random_state
        )
        part = [None, None] if weight is None else [weight[train], weight[held]]
        return rows[train], part[0], (rows[held], part[1])

    def _begin(
        self, rows: Any, weight: Any, random_state: np.random.RandomState, noise_seed: int, begun: float
    ) -> None:
        """Draw the first weights, forget earlier fits, and train layer by layer where that is wanted."""
        dtype = np.float32 if rows.dtype == np.float32 else np.float64
        self.network_ = self._build(dtype, random_state)
        self._built_for = self._described
        self._trainer = None
        self.n_iter_ = 0
        self.loss_curve_: list[float] = []
        self.pretrain_curves_: list[list[float]] = []
        self.validation_scores_: list[float] | None = None
        self.best_validation_score_: float | None = None
        if self.pretrain_iter:
            with noting_preparation(say_waiting if self.verbose else None):
                self.pretrain_curves_ = pretrain(
                    self, self.network_, self._shape, rows, weight, random_state, noise_seed, begun
                )

    def _learn(
        self,
        rows: Any,
        weight: np.ndarray | None,
        held_out: tuple[Any, np.ndarray | None] | None,
        random_state: np.random.RandomState,
        seeds: list[int],
        *,
        incremental: bool,
        begun: float,
    ) -> None:
        trainer = self._trainer if incremental else None
        if trainer is None:
            trainer = build_trainer(
                self, self.network_, self._shape.head, self._prices(), flops_per_row=self._flops_per_row
            )
        self._trainer, self.engine_ = trainer, trainer.engine
        noise = self._corruption(rows)
        # noise goes by the epoch of a run, and every partial_fit is one
        source = source_of(
            self, rows, weight, trainer.optimizer, order=random_state, noise=noise, seed=seeds[0] + self.n_iter_
        )
        validate = None if held_out is None else held_out_source(*held_out, noise, seed=seeds[1])
        monitor = monitor_of(self, trainer.optimizer, validated=held_out is not None)
        self._run(trainer, source, validate, monitor, rows, weight, incremental=incremental, begun=begun)

    def _run(
        self,
        trainer: Trainer,
        source: Any,
        validate: HeldOut | None,
        monitor: Monitor,
        rows: Any,
        weight: np.ndarray | None,
        *,
        incremental: bool,
        begun: float,
    ) -> None:
        stopped: BaseException | None = None
        run: Run | None = None
        callbacks: list[Callback] = [monitor, *self._users_callbacks(rows, weight)]
        with noting_preparation(say_waiting if self.verbose else None):
            try:
                run = run_trainer(
                    self,
                    trainer,
                    source,
                    max_epochs=1 if incremental else int(self.max_iter),
                    validate=validate,
                    callbacks=callbacks,
                    begun=begun,
                )
            except (NonFiniteError, KeyboardInterrupt) as error:
                stopped, run = error, monitor.run
        self._conclude(run, monitor, incremental=incremental)
        if stopped is not None:
            raise stopped
        if self.stop_reason_ == "interrupted":
            warnings.warn("Training interrupted by user.", stacklevel=_TO_CALLER)

    def _users_callbacks(self, rows: Any, weight: np.ndarray | None) -> list[Callback]:
        return users_callbacks(
            self,
            X=rows,
            y=None,
            sample_weight=weight,
            max_epochs=int(self.max_iter),
            fitted=lambda: {"network_": copy.deepcopy(self.network_).cpu().eval()},
        )

    def _conclude(self, run: Run | None, monitor: Monitor, *, incremental: bool) -> None:
        """Write down how it went."""
        self.network_.to("cpu").eval()
        history = History() if run is None else run.history
        self.history_ = history
        self.n_iter_ = self.n_iter_ + len(history) if incremental else len(history)
        self.stop_reason_ = "interrupted" if run is None else run.stop_reason or "interrupted"
        if len(history):
            self.loss_curve_ = [*self.loss_curve_, *history["loss"]]
            self.loss_ = self.loss_curve_[-1]
        if "val_score" in history:
            scores = history["val_score"]
            self.validation_scores_ = [*(self.validation_scores_ or ()), *scores]
            best = finite_or_none(monitor.best) if monitor.by_score else float(np.nanmax(scores))
            self.best_validation_score_ = best

    # What a fitted network answers.

    @property
    def _flops_per_row(self) -> float:
        """Operations of a step for a row; of a convolution once for each place where it lies."""
        total = 0.0
        shape = self._shape
        sides = [] if shape.image is None else [shape.image[:2]]
        for width in shape.channels:
            h, w = sides[-1]
            sides.append((-(-h // 2), -(-w // 2)))
            total += 2.0 * sides[-1][0] * sides[-1][1] * shape.kernel_size**2 * width * (shape.image or (0, 0, 1))[2]
        dense = sum(float(p.numel()) for p in self.network_.parameters() if p.ndim == 2)
        return 6.0 * (total + (2.0 * dense if shape.tied else dense))

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.network_.parameters()).dtype

    def _mapped(self, rows: Any, function: Callable[[Tensor], Tensor]) -> np.ndarray:
        """Apply a function of the network to rows, block by block."""
        with limit_threads(self.n_threads or threads_for(512 * self._flops_per_row)), torch.no_grad():
            self.network_.eval()
            parts = [function(as_tensor(block, self._dtype)) for block in blocks_of(rows)]
        return np.asarray((torch.cat(parts) if len(parts) != 1 else parts[0]).numpy())

    def _ready(self, X: Any) -> Any:
        check_is_fitted(self, "network_")
        return self._for_network(checked_rows(self, X, reset=False), reset=False)

    def _codes(self, rows: Any) -> np.ndarray:
        network: Any = self.network_
        return self._mapped(rows, network.encode)

    def _outputs_of(self, code: Tensor) -> Tensor:
        """Return the activated output for codes."""
        network: Any = self.network_
        return get_activation(self._shape.head.output_activation)(network.decode(code))

    def _reconstructed(self, rows: Any) -> np.ndarray:
        """Return reconstructions as the network makes them."""
        network: Any = self.network_
        return self._mapped(rows, lambda x: self._outputs_of(network.encode(x)))

    def _in_users_units(self, outputs: np.ndarray) -> np.ndarray:
        """Undo what :meth:`_for_network` does."""
        if self.scale_inputs:
            outputs = self._scaler.inverse_transform(outputs)
        if self._order is not None:
            back = np.empty_like(self._order)
            back[self._order] = np.arange(len(back))
            outputs = outputs[:, back]
        return in_users_form(self, outputs)

    def _decoded(self, codes: Any) -> np.ndarray:
        check_is_fitted(self, "network_")
        codes = check_array(codes, dtype=[np.float64, np.float32], input_name="X")
        if codes.shape[1] != self.n_components_:
            raise ValueError(
                f"`X` must hold codes of {self.n_components_} numbers. Received: X of shape {codes.shape}."
            )
        return self._in_users_units(self._mapped(codes, self._outputs_of))

    def _row_errors(self, rows: Any) -> np.ndarray:
        """Return the mean squared error of the reconstruction of each row."""
        network: Any = self.network_
        return self._mapped(rows, lambda x: (self._outputs_of(network.encode(x)) - x).square().mean(dim=1))

    def __getstate__(self) -> Any:
        state = dict(super().__getstate__())
        trainer = state.get("_trainer")
        if trainer is not None and trainer.on_accelerator:
            state["_trainer"] = None  # the optimizer's state lies where this pickle may not be read
        return state

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not self.channels
        tags.input_tags.three_d_array = True
        return tags
