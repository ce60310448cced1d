"""Batches of images: gathered, augmented and normalised, the next one while the present one is learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from strata.data._augment_steps import Step
from strata.data._rows import Rows
from strata.data.augmentation import AugmentationSpec, get_augmentation
from strata.data.image_files import ImageFiles
from strata.data.sources import Batch, _RowBatches, _RowSource

__all__ = ["ImageSource"]


class ImageSource(_RowSource):
    """Give normalised batches of images, augmented anew every epoch.

    Parameters
    ----------
    x : ndarray, memmap, Tensor or ImageFiles of shape (N, H, W, C) or (N, H, W)
        Images: uint8 in 0..255 or floating in 0..1, in memory, on disk, on any device, or still in their files.
    y : ndarray or Tensor of shape (N, ...), optional
        Targets: class indices (int64), or a row of numbers for each image.
    sample_weight : ndarray or Tensor of shape (N,), optional
        Weight of each image.
    batch_size : int
        Images a batch.
    mean, std : float or sequence of C floats, default=0.0 and 1.0
        Of each channel on the scale 0..1: a batch is ``(image - mean) / std``, after the augmentation.
    augment : str, sequence or object, default="none"
        What :func:`strata.data.get_augmentation` takes.
    n_classes : int, optional
        Number of classes; needed where images are mixed and ``y`` holds class indices.
    shuffle : bool, default=True
        Draw a new order every epoch, as :class:`strata.data.ArraySource`.
    random_state : int, RandomState or None, default=None
        Where the order comes from, see :class:`strata.data.ArraySource`; the augmentation follows from its state
        without drawing from it.
    drop_last : bool, default=False
        Leave out an incomplete last batch, unless it is the only one.
    device : str or device, optional
        Where batches are wanted, and augmented; by default where ``x`` is.
    channels_last : bool, default=True
        Give batches in channels-last memory; else contiguous.
    prefetch : bool or None, default=None
        Prepare the next two batches in a thread while the present one is learned; None does so for images on disk, in
        files or on their way to an accelerator, and for augmentations that do more than move pixels. The batches are
        the same.

    Attributes
    ----------
    n_rows : int
        Number of images, N.
    n_batches : int
        Batches an epoch.
    image_shape : tuple of int
        ``(C, H, W)`` of a batch before the augmentation.
    augmentation : Augmentation
        What is done to each batch.

    Raises
    ------
    ValueError
        If the shape is not of images, the lengths differ, or an option is out of range.
    TypeError
        If ``x`` is neither an array nor a tensor, or neither uint8 nor floating.

    See Also
    --------
    load_images : Makes such an array from files.

    Notes
    -----
    Batch ``b`` of epoch ``e`` is augmented by the seed ``(seed, e, b)``, so a run that is resumed at any step sees the
    same batches, bit by bit, and no global generator is touched.

    Examples
    --------
    >>> images = np.full((3, 4, 4, 1), 255, dtype=np.uint8)
    >>> source = ImageSource(images, batch_size=2, mean=0.5, std=0.5)
    >>> next(source.epoch(0).take(0, 1)).x.shape
    torch.Size([2, 1, 4, 4])
    """

    def __init__(
        self,
        x: np.ndarray | Tensor | ImageFiles,
        y: np.ndarray | Tensor | None = None,
        sample_weight: np.ndarray | Tensor | None = None,
        *,
        batch_size: int,
        mean: float | Sequence[float] = 0.0,
        std: float | Sequence[float] = 1.0,
        augment: AugmentationSpec = "none",
        n_classes: int | None = None,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        drop_last: bool = False,
        device: str | torch.device | None = None,
        channels_last: bool = True,
        prefetch: bool | None = None,
    ) -> None:
        self._x = x if isinstance(x, ImageFiles) else Rows(x, "x", None)
        height, width, channels = _checked_shape(tuple(x.shape))
        self.image_shape = (channels, height, width)
        self._is_uint8 = _is_uint8(x.dtype)
        self.mean = _per_channel("mean", mean, channels)
        self.std = _per_channel("std", std, channels)
        if not (self.std > 0).all():
            raise ValueError(f"`std` must be above 0. Received: std={std!r}.")
        self.augmentation = get_augmentation(augment, n_classes=n_classes)
        self.device = torch.device(device) if device is not None else _device_of(x)
        self.channels_last = bool(channels_last)
        super().__init__(
            self._x.n_rows,
            y,
            sample_weight,
            batch_size=batch_size,
            shuffle=shuffle,
            random_state=random_state,
            drop_last=drop_last,
        )
        self._begin_seed = _seed_of(self._generator)
        self._checksum: int | None = None
        self._repeated: dict[int, tuple[Tensor, Tensor]] = {}
        self._split_steps()
        self.prefetch = self._thread_pays(x) if prefetch is None else bool(prefetch)
        self._worker: ThreadPoolExecutor | None = None

    def _split_steps(self) -> None:
        """Sort the steps into those taken on bytes and those taken on 0..1, and see which may run in a thread."""
        steps = list(self.augmentation.steps)
        n_early = 0
        while n_early < len(steps) and steps[n_early].moves_pixels:
            n_early += 1
        self._early: Sequence[Step] = steps[:n_early]
        self._late: Sequence[Step] = steps[n_early:]
        self._is_foreign = any(step.is_foreign for step in steps)
        scale = 1.0 / (self.std * (255.0 if self._is_uint8 and not self._late else 1.0))
        self._scale = torch.from_numpy(scale).float().to(self.device)
        self._shift = torch.from_numpy(-self.mean / self.std).float().to(self.device)

    def _thread_pays(self, x: np.ndarray | Tensor | ImageFiles) -> bool:
        """Whether preparing a batch takes long enough to be done beside the training step: see docs/images.md."""
        if isinstance(x, Tensor) and x.device.type != "cpu":
            return False  # the work waits in the queue of the accelerator
        waits = isinstance(x, (np.memmap, ImageFiles)) or self.device.type != "cpu"
        return waits or (bool(self._late) and not self._is_foreign)

    def _inputs(self, rows: slice | np.ndarray) -> Tensor:
        return self._x.take(rows)

    def _first_half(self, rows: slice | np.ndarray, epoch: int, number: int) -> tuple[Batch, np.random.Generator]:
        """Gather one batch, take the steps that move pixels, and bring it to the device."""
        batch = self._batch(rows)
        x = batch.x if batch.x.ndim == 4 else batch.x[..., None]
        batch = batch._replace(x=x.permute(0, 3, 1, 2))
        generator = np.random.default_rng((self._begin_seed, epoch, number))
        for step in self._early:
            batch = step.transform(batch, generator)
        if self.device.type == "cuda" and batch.x.device.type == "cpu":
            batch = Batch(*(None if part is None else part.pin_memory() for part in batch))  # type: ignore[arg-type]
        return batch.to(self.device), generator

    def _second_half(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Take the other steps, on the scale 0..1, and normalise."""
        if self._late:
            x = batch.x.float()
            batch = batch._replace(x=(x.mul_(1.0 / 255.0) if self._is_uint8 else x).contiguous())
            for step in self._late:
                batch = step.transform(batch, generator)
        x = self._normalised(batch.x)
        return batch._replace(x=x if self.channels_last else x.contiguous())

    def _prepared(self, rows: slice | np.ndarray, epoch: int, number: int) -> Batch:
        return self._second_half(*self._first_half(rows, epoch, number))

    def _normalised(self, x: Tensor) -> Tensor:
        """Return ``x * scale + shift`` channel by channel, with the channels last in memory."""
        n, channels, height, width = x.shape
        pixels = x.permute(0, 2, 3, 1)
        if not pixels.is_contiguous():
            x = x.float() * self._scale[:, None, None]
            return x.add_(self._shift[:, None, None]).contiguous(memory_format=torch.channels_last)
        if height * width not in self._repeated:  # one row for all: eight times as fast as three numbers that repeat
            self._repeated = {height * width: (self._scale.repeat(height * width), self._shift.repeat(height * width))}
        scale, shift = self._repeated[height * width]
        out = torch.addcmul(shift, pixels.reshape(n, -1).float(), scale)
        return out.view(n, height, width, channels).permute(0, 3, 1, 2)

    def epoch(self, number: int) -> _ImageBatches:
        """Return the batches of an epoch, in the order of :class:`strata.data.ArraySource`.

        Parameters
        ----------
        number : int
            Epoch, counted from 0.

        Returns
        -------
        batches : Batches
            The same batches, bit by bit, whenever the same number is asked for.
        """
        super().epoch(number)
        return _ImageBatches(self, self._order, number)

    def _executor(self) -> ThreadPoolExecutor:
        if self._worker is None:
            n_threads = torch.get_num_threads()
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="strata-images", initializer=_use_one_thread)
            self._worker.submit(int).result()
            torch.set_num_threads(n_threads)  # or threads made later would have one as well
        return self._worker

    def _description(self) -> dict[str, Any]:
        return {
            **super()._description(),
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "augment": repr(self.augmentation),
        }

    def _fingerprint(self) -> int:
        """Checksum of some rows, taken once: decoding files for every checkpoint would cost too much."""
        if self._checksum is None:
            self._checksum = super()._fingerprint()
        return self._checksum

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take a state back; see :meth:`strata.data.ArraySource.load_state_dict`.

        Parameters
        ----------
        state : dict
            What ``state_dict`` gave.
        """
        super().load_state_dict(state)
        self._begin_seed = int(state["augmentation_seed"])

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the order, and the seed of the augmentation."""
        return {**super().state_dict(), "augmentation_seed": self._begin_seed}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_worker": None}


class _ImageBatches(_RowBatches):
    """One epoch of images; the batches after the one asked for are prepared in the thread."""

    AHEAD = 2

    def __init__(self, source: ImageSource, order: np.ndarray, epoch: int) -> None:
        super().__init__(source, order, in_order=not source.shuffle)
        self.arrays = None
        self._images = source
        self._epoch = epoch
        self._pending: dict[int, Future[Batch | tuple[Batch, np.random.Generator]]] = {}

    def take(self, start: int, stop: int) -> Iterator[Batch]:
        """Yield the batches ``start`` to ``stop - 1``."""
        for number in range(start, min(stop, self.n_batches or 0)):
            yield self._next(number)

    def _next(self, number: int) -> Batch:
        source = self._images
        if not source.prefetch:
            return source._prepared(self._window(number), self._epoch, number)
        self._pending = {key: future for key, future in self._pending.items() if key >= number}
        work = source._first_half if source._is_foreign else source._prepared
        for ahead in range(number, min(number + 1 + self.AHEAD, self.n_batches or 0)):
            if ahead not in self._pending:
                self._pending[ahead] = source._executor().submit(work, self._window(ahead), self._epoch, ahead)
        done = self._pending.pop(number).result()
        # Transforms of others draw from the global generators, which only the thread of the training may touch.
        return done if isinstance(done, Batch) else source._second_half(*done)

    def _window(self, number: int) -> slice | np.ndarray:
        window = slice(number * self.batch_size, min((number + 1) * self.batch_size, self._images.n_rows))
        return window if self._in_order else self._rows[window]


def _use_one_thread() -> None:
    """Let this thread compute alone, beside the training step."""
    torch.set_num_threads(1)
    torch.get_num_threads()  # the first question settles the number for this thread


def _checked_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return (height, width, channels)."""
    if len(shape) not in (3, 4) or min(shape[1:]) < 1 or (len(shape) == 4 and shape[3] > 16):
        raise ValueError(
            f"`x` must be images of shape (N, H, W, C) or (N, H, W). Received: shape {shape}. Put the channels last."
        )
    return (*shape[1:3], shape[3] if len(shape) == 4 else 1)  # type: ignore[return-value]


def _is_uint8(dtype: object) -> bool:
    """Tell bytes from floating numbers; refuse the rest."""
    name = str(dtype).removeprefix("torch.")
    if name != "uint8" and "float" not in name and dtype != np.dtype(">f4") and dtype != np.dtype(">f8"):
        raise TypeError(f"`x` must be uint8 in 0..255 or floating in 0..1. Received: dtype {name}.")
    return name == "uint8"


def _per_channel(name: str, value: float | Sequence[float], channels: int) -> np.ndarray:
    try:
        values = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty((0, 0))
    if values.ndim == 0:
        values = np.full(channels, float(values))
    if values.shape != (channels,) or not np.isfinite(values).all():
        raise ValueError(f"`{name}` must be a number or {channels} numbers, one a channel. Received: {name}={value!r}.")
    return values


def _device_of(x: object) -> torch.device:
    return x.device if isinstance(x, Tensor) else torch.device("cpu")


def _seed_of(generator: np.random.RandomState) -> int:
    """Return a seed that follows from the state of a generator, without drawing from it."""
    _, key, position, _, _ = generator.get_state(legacy=True)
    return crc32(np.asarray(key).tobytes(), int(position))
