"""Compressing images: a convolutional autoencoder whose code is whole numbers, and whose bytes are real."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from numbers import Real
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, cast

import numpy as np
import torch
from pydantic import Field
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from strata._files import atomic_write
from strata.data.symbols import pack_symbols, unpack_symbols
from strata.errors import DataError
from strata.estimators._autoencoder_saved import NetworkState, SavesNetwork
from strata.estimators._autoencoder_training import fused_update
from strata.estimators._codec import Head, read_stream, write_stream
from strata.estimators._decorators import fitting
from strata.estimators._image_coder import BaseImageCoder, Images, checked_images, cut
from strata.estimators._image_coder_parameters import IMAGE_CODER_CONSTRAINTS
from strata.estimators._save import SavedState
from strata.functional import Penalty, mse
from strata.models import compression_network
from strata.rules import ReconstructionDescent, Rule, get_schedule

__all__ = ["ImageCompressor"]

_MOST_BYTES = 1 << 30  # of a file that is read
_LARGEST_SYMBOL = 2**15 - 1


class _CompressorState(NetworkState):
    """Learned values of a compressor."""

    in_channels_: Annotated[int, Field(ge=1, le=64)]
    patch_size_: Annotated[int, Field(ge=1)]


class ImageCompressor(SavesNetwork, BaseImageCoder):
    r"""Learn to put images of any size into few bytes, and get them back.

    Parameters
    ----------
    trade_offs : sequence of float, default=(0.001, 0.003, 0.01, 0.03)
        What error is worth in bits, :math:`\lambda`, rising: one quality each, all served by one network.
    channels : sequence of int, default=(48, 64, 24)
        Channels after each halving; the last are those of the code.
    patch_size : int, default=64
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
    grad_clip : float or None, default=1.0
        Bound on the Euclidean norm of the gradient.
    max_pixels : int, default=100_000_000
        Most pixels that one call compresses, or that a file may hold to be read.
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
    network_ : EncoderDecoder
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
    strata.nn.QuantizedCode : The code and its price.
    strata.data.symbols : How whole numbers become bytes.

    Notes
    -----
    With R the bits and P the pixels of a patch, the objective is the mean over the qualities of

    .. math:: \mathrm{MSE} + \frac{1}{255^2 \lambda} \frac{R}{P}

    so that :math:`\lambda` has the scale of the literature (Ballé, Laparra and Simoncelli, ICLR 2017). A file can be
    read by the compressor that wrote it, fitted or loaded, on a machine with the same arithmetic; it names that
    compressor by a digest, and any other refuses it. Images are uint8 from 0 to 255, or floats from 0 to 1.

    Examples
    --------
    >>> images = np.zeros((4, 16, 16), np.uint8)
    >>> images[:, 4:12, 4:12] = 200
    >>> compressor = ImageCompressor(channels=(8, 4), max_iter=1, n_patches=8, random_state=0).fit(images)
    >>> data = compressor.compress(images)
    >>> compressor.decompress(data).shape, np.array_equal(compressor.decompress(data), compressor.reconstruct(images))
    ((4, 16, 16), True)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **IMAGE_CODER_CONSTRAINTS,
        "trade_offs": [tuple, list],
        "max_pixels": IMAGE_CODER_CONSTRAINTS["batch_size"],
    }
    _saved_state: ClassVar[type[SavedState]] = _CompressorState

    def __init__(
        self,
        trade_offs: Sequence[float] = (0.001, 0.003, 0.01, 0.03),
        *,
        channels: Sequence[int] = (48, 64, 24),
        patch_size: int = 64,
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
        grad_clip: float | None = 1.0,
        max_pixels: int = 100_000_000,
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
        self.trade_offs = trade_offs
        self.channels = channels
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
        self.max_pixels = max_pixels
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
    def fit(self, X: Any, y: Any = None, *, X_val: Any = None) -> Self:
        """Learn to compress.

        Parameters
        ----------
        X : array of shape (n, h, w) or (n, h, w, channels), or list of images or of paths
            Images like those to be compressed.
        y : None
            Not used.
        X_val : the same, default=None
            Images of your own to validate on.

        Returns
        -------
        self : ImageCompressor
            The fitted estimator.
        """
        _checked_trade_offs(self.trade_offs)
        self._fit_images(X, None, (X_val, None))
        return self

    def _build(self, seed: int | None) -> nn.Module:
        return compression_network(self.in_channels_, tuple(self.channels), self._prices(), seed=seed)

    def _prices(self) -> list[float]:
        """Return what a bit costs in a patch of one pixel; the rule brings it to the patches that are learned from."""
        return [1.0 / (255.0**2 * trade_off) for trade_off in _checked_trade_offs(self.trade_offs)]

    def _gone_on(self) -> nn.Module:
        network: Any = super()._gone_on()
        network.code.prices = torch.tensor(self._prices(), dtype=torch.float32)  # no weights: those of now
        return cast(nn.Module, network)

    @property
    def _factor(self) -> int:
        return int(2 ** len(self.channels))

    def _rule(self, network: nn.Module, patch_size: int, optimizer: Any) -> Rule:
        return ReconstructionDescent(
            network,
            partial(mse),
            cost=1.0 / patch_size**2,
            optimizer=optimizer,
            schedule=get_schedule(self.schedule or "constant"),
            penalty=Penalty(l2=float(self.alpha)),
            clip_norm=self.grad_clip,
            fused=fused_update(optimizer),
            count_rows=True,
        )

    # From images to bytes and back.

    def compress(self, X: Any, *, quality: int | None = None) -> bytes:
        """Put images into bytes.

        Parameters
        ----------
        X : array of shape (n, h, w) or (n, h, w, channels), or list of images or of paths
            Images; together they take fewer bytes than one by one.
        quality : int or None, default=None
            From 0, the fewest bytes, to ``len(trade_offs) - 1``; None is the highest.

        Returns
        -------
        data : bytes
            For :meth:`decompress` of this compressor.

        Raises
        ------
        ValueError
            If the images have other channels or too many pixels, or there is no such quality.
        """
        images, chosen = self._checked(X, quality)
        head = Head(
            chosen,
            self.in_channels_,
            self._fingerprint(),
            [(int(image.shape[0]), int(image.shape[1])) for image in images.images],
            images.is_list,
            images.is_flat,
            images.is_bytes,
        )
        return write_stream(head, pack_symbols(_as_rows(self._symbols(images, chosen))))

    def decompress(self, data: bytes) -> Any:
        """Get images back from bytes.

        Parameters
        ----------
        data : bytes
            What :meth:`compress` gave; it may come from anywhere.

        Returns
        -------
        images : array or list
            What :meth:`reconstruct` gives of the images, to the last bit, in the form in which they were given.

        Raises
        ------
        DataError
            If the bytes are damaged, of another compressor, or would hold too many pixels.
        """
        check_is_fitted(self, "network_")
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"`data` must be bytes. Received: {type(data).__name__}.")
        head, payload = read_stream(bytes(data), max_pixels=self.max_pixels)
        if head.model != self._fingerprint():
            raise DataError("This file is of another compressor: load the model that wrote it.")
        if head.quality >= self._n_qualities or head.n_channels != self.in_channels_:
            raise DataError("This file has a quality or channels that its compressor does not have.")
        n_places = sum(-(-h // self._factor) * -(-w // self._factor) for h, w in head.sizes)
        # first, since images that are claimed and are not there then cost nothing
        rows = unpack_symbols(payload, n_places, int(self.channels[-1]))
        shapes = [(-(-h // self._factor), -(-w // self._factor)) for h, w in head.sizes]
        places = [h * w for h, w in shapes]
        if rows.size and np.abs(rows).max() > _LARGEST_SYMBOL:
            raise DataError("This file holds symbols that no compressor writes.")
        parts = np.split(rows, np.cumsum(places)[:-1])
        symbols = [part.reshape(*shape, -1).transpose(2, 0, 1) for part, shape in zip(parts, shapes, strict=True)]
        stand_in = Images([np.empty((0, 0, head.n_channels))], head.is_list, head.is_flat, head.is_bytes)
        return stand_in.in_this_form(self._images_of(symbols, head.sizes, head.quality))

    def reconstruct(self, X: Any, *, quality: int | None = None) -> Any:
        """Return what images look like once they were compressed.

        Parameters
        ----------
        X : array of shape (n, h, w) or (n, h, w, channels), or list of images or of paths
            Images.
        quality : int or None, default=None
            As in :meth:`compress`.

        Returns
        -------
        images : array or list
            In the form of ``X``.
        """
        images, chosen = self._checked(X, quality)
        sizes = [(int(image.shape[0]), int(image.shape[1])) for image in images.images]
        return images.in_this_form(self._images_of(self._symbols(images, chosen), sizes, chosen))

    def write(self, path: str | os.PathLike[str], X: Any, *, quality: int | None = None) -> int:
        """Write images to a file.

        Parameters
        ----------
        path : str or path
            File; what was there is replaced when all is written.
        X : array of shape (n, h, w) or (n, h, w, channels), or list of images or of paths
            Images.
        quality : int or None, default=None
            As in :meth:`compress`.

        Returns
        -------
        n_bytes : int
            Size of the file.
        """
        data = self.compress(X, quality=quality)
        with atomic_write(Path(path), mode="wb") as file:
            file.write(data)
        return len(data)

    def read(self, path: str | os.PathLike[str]) -> Any:
        """Read images from a file that :meth:`write` wrote.

        Parameters
        ----------
        path : str or path
            File.

        Returns
        -------
        images : array or list
            As :meth:`decompress` gives them.

        Raises
        ------
        DataError
            If the file is larger than 1 GiB, or not one of this compressor's.
        OSError
            If it cannot be read.
        """
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise DataError(f"{path} is larger than {_MOST_BYTES} bytes.")
        return self.decompress(data)

    def _checked(self, X: Any, quality: int | None) -> tuple[Images, int]:
        check_is_fitted(self, "network_")
        best = self._n_qualities - 1
        chosen = best if quality is None else quality
        if isinstance(chosen, bool) or not isinstance(chosen, (int, np.integer)) or not 0 <= chosen <= best:
            raise ValueError(f"`quality` must be a whole number from 0 to {best}. Received: quality={quality!r}.")
        images = checked_images(X, n_channels=self.in_channels_)
        n_pixels = sum(image.shape[0] * image.shape[1] for image in images.images)
        if n_pixels > self.max_pixels or any(max(image.shape[:2]) > 0xFFFF for image in images.images):
            raise ValueError(
                f"`X` must hold at most max_pixels={self.max_pixels} pixels, and no side of more than 65535. "
                f"Received: {n_pixels} pixels."
            )
        return images, int(chosen)

    @property
    def _n_qualities(self) -> int:
        network: Any = self.network_
        return int(network.code.n_qualities)

    def _fingerprint(self) -> bytes:
        """Return 8 bytes that tell one fitted network from another."""
        digest = hashlib.sha256()
        for name, tensor in self.network_.state_dict().items():
            digest.update(name.encode())
            if not name.endswith("dropout_step"):
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.digest()[:8]

    def _symbols(self, images: Images, quality: int) -> list[np.ndarray]:
        """Return the whole numbers of each image, shape (n_channels, h', w')."""
        symbols: list[np.ndarray] = []
        network: Any = self.network_
        with self._looking(), torch.no_grad():
            for batch, _ in self._in_batches(images):
                found: Tensor = network.code.symbols(network.encoder(batch), quality)
                bounded = found.clamp(-_LARGEST_SYMBOL, _LARGEST_SYMBOL).to(torch.int32).numpy()
                symbols += list(bounded)
        return symbols

    def _images_of(self, symbols: list[np.ndarray], sizes: list[tuple[int, int]], quality: int) -> list[np.ndarray]:
        """Decode each image by itself, so that its neighbours change no bit of it."""
        images: list[np.ndarray] = []
        network: Any = self.network_
        with self._looking(), torch.no_grad():
            for whole, size in zip(symbols, sizes, strict=True):
                code = network.code.restored(torch.from_numpy(whole[np.newaxis].astype(np.float32)), quality)
                images += cut(network.decode(code), [size])
        return images

    def _empty_network(self, dtype: Any) -> nn.Module:
        if np.dtype(dtype) != np.float32:
            raise ValueError("the weights are not float32")
        _checked_trade_offs(self.trade_offs)
        with torch.device("meta"):
            return self._build(None)


def _as_rows(symbols: list[np.ndarray]) -> np.ndarray:
    """Return symbols place by place, the channels innermost."""
    return np.concatenate([whole.reshape(len(whole), -1).T for whole in symbols])


def _checked_trade_offs(trade_offs: Any) -> tuple[float, ...]:
    values = tuple(float(value) for value in trade_offs if isinstance(value, Real))
    rising = all(low < high for low, high in pairwise(values))
    if not 0 < len(values) <= 64 or len(values) != len(trade_offs) or values[0] <= 0 or not rising:
        raise ValueError(
            f"`trade_offs` must be up to 64 numbers above 0 that rise. Received: trade_offs={trade_offs!r}."
        )
    if not all(np.isfinite(value) for value in values):
        raise ValueError(f"`trade_offs` must be finite. Received: trade_offs={trade_offs!r}.")
    return values
