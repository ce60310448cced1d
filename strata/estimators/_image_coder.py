"""What the estimators of images of any size share: images in many forms, training on patches, and whole images."""

from __future__ import annotations

import copy
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from torch import Tensor, nn

from strata._threads import limit_threads, threads_for
from strata.data import read_image
from strata.data.patches import PatchSource, unit_floats
from strata.engine import Callback, History, Run, noting_preparation
from strata.errors import NonFiniteError
from strata.estimators._autoencoder_training import Trainer, monitor_of, optimizer_of, run_trainer
from strata.estimators._monitor import say_waiting, users_callbacks
from strata.estimators._training import chosen_device
from strata.estimators._warm_start import carried_over
from strata.rules import LBFGS, Rule

__all__ = ["BaseImageCoder", "HeldOutPatches", "Images", "checked_images", "cut"]

#: Frames between a warning and the line of the user's that called ``fit``.
_TO_CALLER = 6
#: Pixels that are looked at together.
_PIXELS_AT_ONCE = 1 << 21


class Images(NamedTuple):
    """Images with their channels last, and the form they came in."""

    images: Sequence[np.ndarray] | np.ndarray  # (n, h, w, c), or a list of (h, w, c)
    is_list: bool
    is_flat: bool  # without an axis of channels
    is_bytes: bool

    def __len__(self) -> int:
        return len(self.images)

    @property
    def n_channels(self) -> int:
        """Channels of every image."""
        return int(self.images[0].shape[2])

    def in_this_form(self, pixels: list[np.ndarray]) -> Any:
        """Return float images of shape (h, w, c), from 0 to 1, in the form of these."""
        if self.is_bytes:
            pixels = [np.clip(np.rint(255 * image), 0, 255).astype(np.uint8) for image in pixels]
        if self.is_flat:
            pixels = [image[..., 0] for image in pixels]
        return pixels if self.is_list else np.stack(pixels)


def checked_images(X: Any, *, name: str = "X", n_channels: int | None = None) -> Images:
    """Check images: an array of them, or a list of arrays or of paths, of sizes that may differ.

    Raises
    ------
    ValueError
        If the shape is none of images, or a value is NaN or out of range.
    DataError
        If a file cannot be read.
    """
    if isinstance(X, Tensor):
        X = X.detach().cpu().numpy()
    if isinstance(X, (list, tuple)) and len(X) and isinstance(X[0], (str, os.PathLike)):
        X = [read_image(path, channels=1 if n_channels == 1 else 3) for path in X]
    if isinstance(X, np.ndarray) and X.dtype != object:
        if X.ndim not in (3, 4) or 0 in X.shape:
            raise ValueError(
                f"`{name}` must be images of shape (n, h, w) or (n, h, w, channels), or a list of images. "
                f"Received: {name} of shape {X.shape}."
            )
        array = _checked_pixels(X[..., np.newaxis] if X.ndim == 3 else X, name)
        images = Images(array, False, X.ndim == 3, array.dtype == np.uint8)
    else:
        images = _from_list(X, name)
    if n_channels is not None and images.n_channels != n_channels:
        raise ValueError(
            f"`{name}` must hold images of {n_channels} channel(s), as were learned from. "
            f"Received: {images.n_channels}."
        )
    return images


def _from_list(X: Any, name: str) -> Images:
    parts = [np.asarray(part) for part in X] if isinstance(X, (list, tuple, np.ndarray)) else []
    if not parts or any(part.ndim not in (2, 3) or 0 in part.shape for part in parts):
        raise ValueError(
            f"`{name}` must be images of shape (n, h, w) or (n, h, w, channels), or a list of images. "
            f"Received: {type(X).__name__}."
        )
    flat = parts[0].ndim == 2
    arrays = [_checked_pixels(part[..., np.newaxis] if part.ndim == 2 else part, name) for part in parts]
    if len({array.shape[2] for array in arrays}) > 1 or len({part.ndim for part in parts}) > 1:
        raise ValueError(f"`{name}` must hold images with the same number of channels. Received: several numbers.")
    return Images(arrays, True, flat, all(array.dtype == np.uint8 for array in arrays))


def _checked_pixels(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
        raise ValueError(f"`{name}` must hold finite numbers. Received: {array.dtype}, NaN or infinity among them.")
    whole = array.dtype.kind in "iu"
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > (255 if whole else 1) + 1e-6:
        raise ValueError(
            f"`{name}` must lie in 0 to 255 for whole numbers, 0 to 1 for floats. "
            f"Received: values from {low:g} to {high:g}. Divide floats by 255."
        )
    return array.astype(np.uint8) if whole else array.astype(np.float32, copy=False)


class HeldOutPatches:
    """Patches that are looked at after every epoch, the same each time."""

    def __init__(self, source: PatchSource) -> None:
        self._batches = list(source.epoch(0).take(0, source.n_batches or 0))

    def __call__(self, rule: Rule) -> dict[str, float]:
        """Return the objective as ``val_loss``, and its negative as ``val_score``."""
        total = weights = 0.0
        for batch in self._batches:
            figures = rule.evaluate(batch.to(rule.device))
            total += float(figures["loss"]) * len(batch.x)
            weights += len(batch.x)
        return {"val_loss": total / weights, "val_score": -total / weights}


class BaseImageCoder(CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """What an estimator of images of any size does, without its arguments and their description."""

    engine: Any = "auto"
    shuffle: Any = True
    precision: Any = "full"

    def _build(self, seed: int | None) -> nn.Module:
        """Return the network, without weights where there is no seed."""
        raise NotImplementedError

    def _rule(self, network: nn.Module, patch_size: int, optimizer: Any) -> Rule:
        """Return the rule that trains it."""
        raise NotImplementedError

    def _empty_network(self, dtype: Any) -> nn.Module:
        """Return the network without any memory for its weights."""
        raise NotImplementedError

    def _gone_on(self) -> nn.Module:
        """Return the network that the arguments describe now, with the weights of the last fit."""
        return carried_over(self.network_, self._empty_network(np.float32))

    @property
    def _factor(self) -> int:
        """What height and width must be multiples of."""
        raise NotImplementedError

    @property
    def _noise_levels(self) -> tuple[float, float]:
        return 0.0, 0.0

    # The fit, in the order of its steps.

    def _fit_images(self, X: Any, degraded: Any, validation: tuple[Any, Any]) -> None:
        goes_on = bool(self.warm_start) and hasattr(self, "network_")
        clean = checked_images(X, n_channels=int(self.in_channels_) if goes_on else None)
        pairs = None if degraded is None else self._paired(clean, degraded)
        held = self._held_out(clean.n_channels, validation)
        random_state = check_random_state(self.random_state)
        seeds = [int(seed) for seed in random_state.randint(np.iinfo(np.int32).max, size=2)]
        patch = self._chosen_patch([clean, *([] if held is None else [held[0]])])
        if isinstance(self.solver, LBFGS) or self.solver == "lbfgs":
            raise ValueError("`solver` must be a stochastic one, such as 'adam'. Received: solver='lbfgs'.")
        if goes_on:
            self.network_: nn.Module = self._gone_on()
        else:
            self.in_channels_: int = clean.n_channels
            self.n_features_in_ = clean.n_channels  # of a pixel: the sides may be any
            self.network_ = self._build(seeds[0])
            self.n_iter_ = 0
            self.loss_curve_: list[float] = []
            self.validation_scores_: list[float] | None = None
            self.best_validation_score_: float | None = None
        self.patch_size_ = patch
        self._train_on(clean, pairs, held, patch, seeds[1])

    @staticmethod
    def _paired(clean: Images, degraded: Any, name: str = "X") -> Images:
        images = checked_images(degraded, name=name, n_channels=clean.n_channels)
        if [image.shape for image in images.images] != [image.shape for image in clean.images]:
            raise ValueError("`X` and `y` must hold images of the same sizes, one for one. Received: other shapes.")
        return images

    def _held_out(self, n_channels: int, validation: tuple[Any, Any]) -> tuple[Images, Images | None] | None:
        X_val, y_val = validation
        if X_val is None:
            if y_val is not None:
                raise ValueError("`X_val` and `y_val` must be given together. Received: X_val=None.")
            return None
        clean = checked_images(X_val if y_val is None else y_val, name="X_val", n_channels=n_channels)
        return clean, None if y_val is None else self._paired(clean, X_val, "X_val")

    def _chosen_patch(self, parts: list[Images]) -> int:
        """Return the side of a patch, a multiple of what the network wants."""
        smallest = min(min(image.shape[:2]) for part in parts for image in part.images[: _looked_at(part)])
        wanted = min(int(self.patch_size), smallest)
        patch = int(wanted // self._factor * self._factor)
        if patch < max(self._factor, 4):
            raise ValueError(
                f"`patch_size` must be at least {max(self._factor, 4)} and fit into the smallest image. "
                f"Received: patch_size={self.patch_size!r}, smallest side {smallest}."
            )
        return patch

    def _train_on(
        self, clean: Images, degraded: Images | None, held: tuple[Images, Images | None] | None, patch: int, seed: int
    ) -> None:
        n_images = len(clean)
        n_patches = n_images if self.n_patches is None else int(self.n_patches)
        how: dict[str, Any] = {"patch_size": patch, "noise_level": self._noise_levels}
        source = PatchSource(
            clean.images,
            None if degraded is None else degraded.images,
            batch_size=min(int(self.batch_size), n_patches),
            n_patches=n_patches,
            seed=seed,
            **how,
        )
        validate = None
        if held is not None:
            pictures = None if held[1] is None else held[1].images
            n_held = min(max(len(held[0]), 16), 512)
            validate = HeldOutPatches(
                PatchSource(held[0].images, pictures, batch_size=32, n_patches=n_held, seed=seed + 1, **how)
            )
        flops = 6.0 * self._macs_per_pixel * patch * patch
        device = chosen_device(self.device, flops=flops * source.batch_size, double=False)
        optimizer = optimizer_of(self)
        self.network_.to(device)
        rule = self._rule(self.network_, patch, optimizer)
        trainer = Trainer(self.network_, rule, "autograd", optimizer, device, flops)
        self._drive(trainer, source, validate, clean)

    def _drive(
        self, trainer: Trainer, source: Any, validate: Callable[[Rule], dict[str, float]] | None, X: Any
    ) -> None:
        monitor = monitor_of(self, trainer.optimizer, validated=validate is not None)
        callbacks: list[Callback] = [
            monitor,
            *users_callbacks(
                self,
                X=X.images,
                y=None,
                sample_weight=None,
                max_epochs=int(self.max_iter),
                fitted=lambda: {"network_": copy.deepcopy(self.network_).cpu().eval()},
            ),
        ]
        stopped: BaseException | None = None
        run: Run | None = None
        with noting_preparation(say_waiting if self.verbose else None):
            try:
                run = run_trainer(
                    self,
                    trainer,
                    source,
                    max_epochs=int(self.max_iter),
                    validate=validate,
                    callbacks=callbacks,
                    begun=time.monotonic(),
                )
            except (NonFiniteError, KeyboardInterrupt) as error:
                stopped, run = error, monitor.run
        self._conclude(run)
        if stopped is not None:
            raise stopped
        if self.stop_reason_ == "interrupted":
            warnings.warn("Training interrupted by user.", stacklevel=_TO_CALLER)

    def _conclude(self, run: Run | None) -> None:
        self.network_.to("cpu").eval()
        history = History() if run is None else run.history
        self.history_ = history
        self.n_iter_ = len(history)
        self.stop_reason_ = "interrupted" if run is None else run.stop_reason or "interrupted"
        if len(history):
            self.loss_curve_ = [*self.loss_curve_, *history["loss"]]
            self.loss_ = self.loss_curve_[-1]
        if "val_score" in history:
            self.validation_scores_ = [*(self.validation_scores_ or ()), *history["val_score"]]
            self.best_validation_score_ = float(np.nanmax(self.validation_scores_))

    @property
    def _macs_per_pixel(self) -> float:
        """Multiply-adds of a forward pass over a pixel of the image, the halvings counted as a third each."""
        kernels = [float(p.numel()) for p in self.network_.parameters() if p.ndim == 4]
        return sum(kernels) / 3.0

    # Whole images.

    def _padded(self, image: np.ndarray) -> Tensor:
        """Return an image of shape (1, c, h', w') whose sides are what the network wants, its edges repeated."""
        h, w = image.shape[:2]
        extra = [(0, -side % self._factor) for side in (h, w)]
        pixels = np.pad(unit_floats(image), (*extra, (0, 0)), mode="edge")
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)[np.newaxis]))

    def _in_batches(self, images: Images) -> Iterator[tuple[Tensor, list[tuple[int, int]]]]:
        """Yield images of one size together, padded, with their own heights and widths."""
        start, n = 0, len(images)
        while start < n:
            shape = images.images[start].shape
            most = max(1, _PIXELS_AT_ONCE // (shape[0] * shape[1] * 16))
            stop = start + 1
            while stop < min(n, start + most) and images.images[stop].shape == shape:
                stop += 1
            parts = [self._padded(images.images[row]) for row in range(start, stop)]
            yield torch.cat(parts), [shape[:2]] * (stop - start)
            start = stop

    def _looking(self) -> Any:
        """Return the threads that a look at a large image is worth."""
        self.network_.eval()
        return limit_threads(self.n_threads or threads_for(2.0 * self._macs_per_pixel * (1 << 16)))


def _looked_at(part: Images) -> int:
    return len(part) if part.is_list else 1


def cut(batch: Tensor, sizes: list[tuple[int, int]]) -> list[np.ndarray]:
    """Return images of shape (h, w, c), without their padding, from 0 to 1."""
    pixels = batch.clamp(0.0, 1.0).permute(0, 2, 3, 1).numpy()
    return [image[:h, :w] for image, (h, w) in zip(pixels, sizes, strict=True)]
