"""Restoring images: a convolutional autoencoder that learns to undo noise, or any damage there are examples of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from numbers import Real
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field
from sklearn.base import TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn

from strata.estimators._autoencoder_saved import NetworkState, SavesNetwork
from strata.estimators._autoencoder_training import fused_update
from strata.estimators._decorators import fitting
from strata.estimators._image_coder import BaseImageCoder, checked_images, cut
from strata.estimators._image_coder_parameters import IMAGE_CODER_CONSTRAINTS
from strata.estimators._save import SavedState
from strata.functional import Penalty, image_restoration
from strata.functional.pixels import psnr
from strata.models import RestorationNetwork
from strata.rules import GradientDescent, Rule, get_schedule

__all__ = ["ImageDenoiser"]


class _DenoiserState(NetworkState):
    """Learned values of a denoiser."""

    in_channels_: Annotated[int, Field(ge=1, le=64)]
    patch_size_: Annotated[int, Field(ge=1)]


class ImageDenoiser(SavesNetwork, TransformerMixin, BaseImageCoder):  # type: ignore[misc]
    """Learn to restore images of any size, from clean images and noise or from pairs.

    Parameters
    ----------
    noise_level : float or tuple of two floats, default=0.1
        Standard deviation of the noise that is added to clean images, on the scale from 0 to 1: one, or the least and
        the greatest, between which every patch draws its own. Not used where degraded images are given.
    channels : sequence of int, default=(32, 48, 64)
        Channels of the network at full size and after each halving.
    edge_weight : float, default=0.2
        Share of the edge maps in the loss, in [0, 1]; the pixels have the rest.
    edges : {"magnitude", "components"}, default="magnitude"
        What is compared of the edge maps.
    patch_size : int, default=48
        Side of the patches that are learned from, in pixels; the smallest image bounds it.
    n_patches : int or None, default=None
        Patches an epoch; None takes one of each image.
    batch_size : int, default=32
        Patches a step.
    alpha : float, default=0.0
        L2 penalty on the kernels.
    solver : str, optimizer specification or callable, default="adam"
        A stochastic one.
    learning_rate_init : float, default=0.001
        First learning rate.
    schedule : str, schedule object or None, default="cosine"
        How the rate changes.
    max_iter : int, default=20
        Most epochs.
    random_state : int, RandomState or None, default=None
        Where first weights, places and noise come from.
    tol : float, default=0.0
        Least improvement of the loss, or of the validation score, that counts.
    n_iter_no_change : int, default=10
        Epochs in a row without improvement that are borne.
    early_stopping : bool, default=False
        Watch ``X_val``, and keep the best weights.
    restore_best : bool or "auto", default="auto"
        Give the best weights back at the end; "auto" does with ``early_stopping``.
    grad_clip : float or None, default=None
        Bound on the Euclidean norm of the gradient.
    device : str, default="auto"
        "cpu", "cuda", ...; "auto" takes an accelerator for steps of many operations.
    n_threads : int or None, default=None
        Threads; None chooses by the size of the work.
    warm_start : bool, default=False
        Let ``fit`` go on from the weights of the last one.
    verbose : bool, default=False
        Say the loss of every epoch.
    callbacks : sequence of strata.engine.Callback or None, default=None
        Called while it learns.
    checkpoint : str, Path, Checkpointing or None, default=None
        Where to save the state of the training.
    resume : bool, default=False
        Go on from the checkpoint.
    time_limit : float or None, default=None
        Seconds after which training stops.
    progress : bool, default=False
        Show how far it is.

    Attributes
    ----------
    network_ : RestorationNetwork
        The network, in evaluation mode on the CPU.
    in_channels_ : int
        Channels of an image.
    n_features_in_ : int
        The same.
    patch_size_ : int
        Side of the patches.
    loss_curve_ : list of float
        Loss of each epoch.
    history_ : History
        Figures of the epochs.
    validation_scores_ : list of float or None
        Minus the loss of held-out patches.
    n_iter_ : int
        Epochs.
    stop_reason_ : str
        Why it stopped.

    See Also
    --------
    strata.functional.image_restoration : The loss.
    strata.models.RestorationNetwork : The network.

    Notes
    -----
    Images are arrays of shape (n, h, w) or (n, h, w, channels), uint8 from 0 to 255 or floats from 0 to 1, or lists of
    images or of paths whose sizes may differ. Noise is clipped to that scale, in training as in pictures.

    Examples
    --------
    >>> clean = np.zeros((8, 16, 16))
    >>> clean[:, 4:12, 4:12] = 1
    >>> denoiser = ImageDenoiser(0.2, channels=(4, 8), max_iter=2, n_patches=32, random_state=0).fit(clean)
    >>> denoiser.transform(clean).shape
    (8, 16, 16)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **IMAGE_CODER_CONSTRAINTS,
        "noise_level": [Interval(Real, 0, None, closed="left"), tuple, list],
        "edge_weight": [Interval(Real, 0, 1, closed="both")],
        "edges": [StrOptions({"magnitude", "components"})],
    }
    _saved_state: ClassVar[type[SavedState]] = _DenoiserState

    def __init__(
        self,
        noise_level: float | tuple[float, float] = 0.1,
        *,
        channels: Sequence[int] = (32, 48, 64),
        edge_weight: float = 0.2,
        edges: Literal["magnitude", "components"] = "magnitude",
        patch_size: int = 48,
        n_patches: int | None = None,
        batch_size: int = 32,
        alpha: float = 0.0,
        solver: Any = "adam",
        learning_rate_init: float = 0.001,
        schedule: Any = "cosine",
        max_iter: int = 20,
        random_state: Any = None,
        tol: float = 0.0,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        restore_best: bool | Literal["auto"] = "auto",
        grad_clip: float | None = None,
        device: str = "auto",
        n_threads: int | None = None,
        warm_start: bool = False,
        verbose: bool = False,
        callbacks: Sequence[Any] | None = None,
        checkpoint: Any = None,
        resume: bool = False,
        time_limit: float | None = None,
        progress: bool = False,
    ) -> None:
        self.noise_level = noise_level
        self.channels = channels
        self.edge_weight = edge_weight
        self.edges = edges
        self.patch_size = patch_size
        self.n_patches = n_patches
        self.batch_size = batch_size
        self.alpha = alpha
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.schedule = schedule
        self.max_iter = max_iter
        self.random_state = random_state
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.restore_best = restore_best
        self.grad_clip = grad_clip
        self.device = device
        self.n_threads = n_threads
        self.warm_start = warm_start
        self.verbose = verbose
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.resume = resume
        self.time_limit = time_limit
        self.progress = progress

    @fitting
    def fit(self, X: Any, y: Any = None, *, X_val: Any = None, y_val: Any = None) -> Self:
        """Learn to restore.

        Parameters
        ----------
        X : array of shape (n, h, w) or (n, h, w, channels), or list of images or of paths
            Clean images; or, with ``y``, degraded ones.
        y : the same, default=None
            Clean images of the same sizes, one for each of ``X``.
        X_val, y_val : the same, default=None
            Images of your own to validate on, in the same roles.

        Returns
        -------
        self : ImageDenoiser
            The fitted estimator.
        """
        self._range = _noise_range(self.noise_level)
        self._paired_fit = y is not None
        if y is not None and X_val is not None and y_val is None:
            raise ValueError("`y_val` must be given with `X_val` where `y` is. Received: y_val=None.")
        self._fit_images(X if y is None else y, None if y is None else X, (X_val, y_val))
        return self

    @property
    def _noise_levels(self) -> tuple[float, float]:
        return (0.0, 0.0) if self._paired_fit else self._range

    def _build(self, seed: int | None) -> nn.Module:
        return RestorationNetwork(self.in_channels_, tuple(self.channels), seed=seed)

    @property
    def _factor(self) -> int:
        return int(2 ** (len(self.channels) - 1))

    def _rule(self, network: nn.Module, patch_size: int, optimizer: Any) -> Rule:
        loss = partial(image_restoration, weights=(1.0 - self.edge_weight, float(self.edge_weight)), edges=self.edges)
        return GradientDescent(
            network,
            loss,
            optimizer=optimizer,
            schedule=get_schedule(self.schedule or "constant"),
            penalty=Penalty(l2=float(self.alpha)),
            clip_norm=self.grad_clip,
            fused=fused_update(optimizer),
            count_rows=True,
        )

    def transform(self, X: Any) -> Any:
        """Restore images.

        Parameters
        ----------
        X : array of shape (n, h, w) or (n, h, w, channels), or list of images or of paths
            Degraded images of any size.

        Returns
        -------
        restored : array or list
            Images in the form of ``X``: uint8 where that is, else floats from 0 to 1.
        """
        check_is_fitted(self, "network_")
        images = checked_images(X, n_channels=self.in_channels_)
        return images.in_this_form(self._restored(images))

    def _restored(self, images: Any) -> list[np.ndarray]:
        restored: list[np.ndarray] = []
        with self._looking(), torch.no_grad():
            for batch, sizes in self._in_batches(images):
                restored += cut(self.network_(batch), sizes)
        return restored

    def score(self, X: Any, y: Any) -> float:
        """Return the mean peak signal-to-noise ratio of restored images.

        Parameters
        ----------
        X : array of shape (n, h, w) or (n, h, w, channels), or list of images or of paths
            Degraded images.
        y : the same
            Clean ones.

        Returns
        -------
        score : float
            In decibels, the mean over the images.
        """
        check_is_fitted(self, "network_")
        clean = checked_images(y, name="y", n_channels=self.in_channels_)
        degraded = self._paired(clean, X)
        whole = [image / np.float32(255) if image.dtype == np.uint8 else image for image in clean.images]
        pairs = zip(self._restored(degraded), whole, strict=True)
        ratios = [psnr(torch.from_numpy(a.copy())[None], torch.from_numpy(b.copy())[None]) for a, b in pairs]
        return float(torch.cat(ratios).double().mean())

    def _empty_network(self, dtype: Any) -> nn.Module:
        if np.dtype(dtype) != np.float32:
            raise ValueError("the weights are not float32")
        with torch.device("meta"):
            return self._build(None)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags


def _noise_range(level: Any) -> tuple[float, float]:
    """Return the least and the greatest deviation of the noise."""
    if isinstance(level, Real):
        return float(level), float(level)
    bounds = [float(bound) for bound in level if isinstance(bound, Real)]
    if len(level) != 2 or len(bounds) != 2 or not 0 <= bounds[0] <= bounds[1] < np.inf:
        raise ValueError(
            f"`noise_level` must be one number of at least 0, or two in order. Received: noise_level={level!r}."
        )
    return bounds[0], bounds[1]
