"""Semantic hashing: short binary codes of rows, near for rows that are alike."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_array, check_is_fitted
from torch import nn

from strata.data.hamming import HammingIndex
from strata.estimators._autoencoder_base import BaseAutoencoder
from strata.estimators._autoencoder_network import build_network
from strata.estimators._autoencoder_parameters import NETWORK_CONSTRAINTS, TRAINING_CONSTRAINTS
from strata.estimators._autoencoder_saved import SavesAutoencoder
from strata.estimators._decorators import fitting
from strata.nn import BinaryCode

__all__ = ["SemanticHasher"]

_CONSTRAINTS = {**NETWORK_CONSTRAINTS, **TRAINING_CONSTRAINTS}


class SemanticHasher(
    SavesAutoencoder,
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseAutoencoder,
):
    """Learn binary codes in which like rows differ in few bits, and look rows up by them.

    An autoencoder whose code is driven to 0 and 1 by noise and balanced over a batch, so that every bit is on for
    about half of the rows; a threshold makes bits of it.

    Parameters
    ----------
    n_bits : int, default=32
        Bits of a code.
    hidden_layer_sizes : int or sequence of int, default=(256, 128)
        Units of the layers before the code; the decoder is the mirror image.
    channels : sequence of int, default=()
        Channels of convolutions that come first and halve the image each; empty for a dense network.
    kernel_size : int, default=3
        Side of their kernels in pixels, odd.
    input_shape : tuple of int or None, default=None
        What rows of a matrix are as images: (h, w), (h, w, channels) or (channels, h, w).
    activation : str or sequence of str, default="relu"
        Activation of the hidden layers, one for all or, in a dense network, one for each layer before the code.
    loss : str, default="squared_error"
        As of :class:`Autoencoder`; "binary_cross_entropy" for numbers from 0 to 1.
    gain : float, default=4.0
        Standard deviation of the input of a code unit over a batch, > 0; a unit's input is centred.
    code_noise : float, default=1.0
        Standard deviation of the noise on that input while learning, >= 0.
    alpha : float, default=0.0
        L2 penalty on the weights.
    solver : str, optimizer specification or callable, default="adam"
        A stochastic one.
    batch_size : int or "auto", default="auto"
        Rows a step; "auto" is ``min(200, n_samples)``.
    learning_rate_init : float, default=0.001
        First learning rate.
    schedule : str, schedule object or None, default=None
        How the rate changes.
    max_iter : int, default=50
        Most epochs.
    shuffle : bool, default=True
        Draw a new order of the rows every epoch.
    random_state : int, RandomState or None, default=None
        Where first weights, order, noise and splits come from.
    tol : float, default=1e-4
        Least improvement of the loss, or of the validation score, that counts.
    n_iter_no_change : int, default=10
        Epochs in a row without improvement that are borne.
    early_stopping : bool, default=False
        Watch held-out rows and keep the best weights: your own ``X_val``, else a part of the training rows.
    validation_fraction : float, default=0.1
        That part.
    restore_best : bool or "auto", default="auto"
        Give the best weights back at the end; "auto" does with ``early_stopping``.
    scale_inputs : bool, default=False
        Standardize every column first.
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
    network_ : nn.Module
        The network, in evaluation mode on the CPU.
    loss_curve_ : list of float
        Loss of each epoch.
    history_ : History
        Figures of the epochs.
    n_iter_ : int
        Epochs.
    stop_reason_ : str
        Why it stopped.
    n_features_in_ : int
        Numbers of a row, or of an image.

    See Also
    --------
    strata.nn.BinaryCode : The code.
    strata.data.HammingIndex : What :meth:`index` gives.

    References
    ----------
    R. Salakhutdinov, G. Hinton, "Semantic Hashing", International Journal of Approximate Reasoning 50, 2009.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X / 16
    >>> hasher = SemanticHasher(16, hidden_layer_sizes=(64,), max_iter=30, random_state=0).fit(X)
    >>> index = hasher.index(X)
    >>> items, distances = index.nearest(hasher.transform(X[:1])[0], 20)
    >>> bool((y[items] == y[0]).mean() > 0.8)
    True
    """

    _parameter_constraints = {
        **{
            name: _CONSTRAINTS[name]
            for name in (
                "hidden_layer_sizes", "channels", "kernel_size", "input_shape", "activation", "loss", "alpha", "solver",
                "batch_size", "learning_rate_init", "schedule", "max_iter", "shuffle", "random_state", "tol",
                "n_iter_no_change", "early_stopping", "validation_fraction", "restore_best", "scale_inputs",
                "grad_clip", "device", "n_threads", "warm_start", "verbose", "callbacks", "checkpoint", "resume",
                "time_limit", "progress",
            )
        },
        "n_bits": [Interval(Integral, 1, 4096, closed="both")],
        "gain": [Interval(Real, 0, None, closed="neither")],
        "code_noise": [Interval(Real, 0, None, closed="left")],
    }  # fmt: skip

    def __init__(
        self,
        n_bits: int = 32,
        *,
        hidden_layer_sizes: int | Sequence[int] = (256, 128),
        channels: Sequence[int] = (),
        kernel_size: int = 3,
        input_shape: tuple[int, ...] | None = None,
        activation: str | Sequence[str] = "relu",
        loss: str = "squared_error",
        gain: float = 4.0,
        code_noise: float = 1.0,
        alpha: float = 0.0,
        solver: Any = "adam",
        batch_size: int | Literal["auto"] = "auto",
        learning_rate_init: float = 0.001,
        schedule: Any = None,
        max_iter: int = 50,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        restore_best: bool | Literal["auto"] = "auto",
        scale_inputs: bool = False,
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
        self.n_bits = n_bits
        self.hidden_layer_sizes = hidden_layer_sizes
        self.channels = channels
        self.kernel_size = kernel_size
        self.input_shape = input_shape
        self.activation = activation
        self.loss = loss
        self.gain = gain
        self.code_noise = code_noise
        self.alpha = alpha
        self.solver = solver
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.schedule = schedule
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.restore_best = restore_best
        self.scale_inputs = scale_inputs
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

    _size_parameter = "n_bits"

    def _code_size(self, n_features: int) -> int:
        return int(self.n_bits)

    @property
    def _described(self) -> tuple[Any, ...]:
        return (*super()._described, float(self.gain), float(self.code_noise))

    def _check_codes(self) -> None:
        """Any number of bits will do: the noise keeps a code from being a copy."""

    def _build(self, dtype: Any, random_state: np.random.RandomState | None) -> nn.Module:
        seed = 0 if random_state is None else int(random_state.randint(np.iinfo(np.int32).max))
        with torch.device("meta" if random_state is None else "cpu"):
            code = BinaryCode(self.n_components_, gain=float(self.gain), noise=float(self.code_noise), seed=seed)
        return build_network(self._shape, dtype, scheme="auto", random_state=random_state, code=code)

    @fitting
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Learn codes from rows or images.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or array of shape (n_samples, h, w[, c])
            Rows or images.
        y : None
            Not used; there for pipelines.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, >= 0; it does not count in the balance of the bits.
        X_val : array-like, default=None
            Rows of your own to validate on.
        sample_weight_val : array-like, default=None
            Weight of each of them.

        Returns
        -------
        self : SemanticHasher
            The fitted estimator.
        """
        self._fit(X, sample_weight, (X_val, sample_weight_val))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the bits of rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or array of shape (n_samples, h, w[, c])
            Rows or images.

        Returns
        -------
        bits : ndarray of shape (n_samples, n_bits), uint8
            0 or 1.
        """
        return (self._codes(self._ready(X)) > 0.5).astype(np.uint8)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Decode bits.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_bits)
            0 or 1.

        Returns
        -------
        reconstructions : ndarray of shape (n_samples, n_features) or (n_samples, h, w[, c])
            What rows with these bits look like.
        """
        check_is_fitted(self, "network_")
        return self._decoded(check_array(X, dtype=[np.float64, np.float32], input_name="X"))

    def index(self, X: Any) -> HammingIndex:
        """Put rows into an index.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or array of shape (n_samples, h, w[, c])
            Rows or images.

        Returns
        -------
        index : HammingIndex
            Answers queries of bits with the numbers of rows.
        """
        return HammingIndex(self.transform(X))

    def search(self, index: HammingIndex, X: Any, *, radius: int = 2) -> list[np.ndarray]:
        """Return the rows of an index that are alike.

        Parameters
        ----------
        index : HammingIndex
            What :meth:`index` gave.
        X : array-like or sparse matrix of shape (n_queries, n_features), or array of shape (n_queries, h, w[, c])
            Queries.
        radius : int, default=2
            Most bits that may differ.

        Returns
        -------
        items : list of ndarray of int
            For each query the rows of the index, the nearest first.
        """
        return [index.within(bits, radius)[0] for bits in self.transform(X)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags
