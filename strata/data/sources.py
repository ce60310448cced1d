"""Where batches come from: arrays in memory or on disk, sparse matrices, and iterables.

A source is asked for an epoch by number and gives the same batches for the same number and the same
``random_state``, so that a resumed run sees exactly what an uninterrupted run would have seen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol
from zlib import crc32

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.utils import check_random_state
from torch import Tensor

from strata.data._rows import Rows, native
from strata.errors import DataError

__all__ = ["ArraySource", "Batch", "Batches", "IterableSource", "Source", "SparseSource"]


class Batch(NamedTuple):
    """Rows to learn from.

    Parameters
    ----------
    x : Tensor of shape (n_rows, ...)
        Inputs.
    y : Tensor of shape (n_rows, ...) or None, default=None
        Targets.
    sample_weight : Tensor of shape (n_rows,) or None, default=None
        What each row counts for; None stands for ones.
    """

    x: Tensor
    y: Tensor | None = None
    sample_weight: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device; the same object when it is there already."""
        if self.x.device == device:
            return self
        return Batch(*(None if part is None else part.to(device, non_blocking=True) for part in self))  # type: ignore[arg-type]


class Batches(Protocol):
    """The batches of one epoch, in order."""

    #: Number of batches, or None when it is not known before the end.
    n_batches: int | None
    #: ``(x, y, sample_weight)`` as C-contiguous NumPy arrays when the whole epoch is random access
    #: in memory (or memory-mapped), else None. A compiled rule reads rows ``order[i*B:(i+1)*B]``.
    arrays: tuple[np.ndarray, np.ndarray | None, np.ndarray | None] | None
    #: Row numbers in the order of this epoch (int64), None for an iterable.
    order: np.ndarray | None
    batch_size: int

    def take(self, start: int, stop: int) -> Iterator[Batch]:
        """Yield the batches ``start`` to ``stop - 1``; fewer when the epoch ends before."""
        ...


class Source(Protocol):
    """Something that gives the batches of any epoch."""

    batch_size: int
    n_batches: int | None

    def epoch(self, number: int) -> Batches:
        """Return the batches of epoch ``number``, counted from 0."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to see the same batches (small; never the data)."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take a state back; ValueError if the data plainly differs (row count, batch size)."""
        ...


class _RowBatches:
    """One epoch over rows that can be had by number."""

    def __init__(self, source: _RowSource, order: np.ndarray, *, in_order: bool) -> None:
        self.n_batches: int | None = source.n_batches
        self.batch_size = source.batch_size
        self.order: np.ndarray | None = order
        self.arrays = source.arrays
        self._source = source
        self._rows = order
        self._in_order = in_order

    def take(self, start: int, stop: int) -> Iterator[Batch]:
        """Yield the batches ``start`` to ``stop - 1``, as copies of the rows where they are shuffled."""
        size = self.batch_size
        for number in range(start, min(stop, self.n_batches or 0)):
            window = slice(number * size, (number + 1) * size)
            yield self._source._batch(window if self._in_order else self._rows[window])


class _RowSource(ABC):
    """What sources over numbered rows share: the order of each epoch, and its replay."""

    arrays: tuple[np.ndarray, np.ndarray | None, np.ndarray | None] | None = None

    def __init__(
        self,
        n_rows: int,
        y: np.ndarray | Tensor | None,
        sample_weight: np.ndarray | Tensor | None,
        *,
        batch_size: int,
        shuffle: bool,
        random_state: int | np.random.RandomState | None,
        drop_last: bool,
    ) -> None:
        if n_rows < 1:
            raise ValueError(f"`x` must have at least one row. Received: {n_rows} rows.")
        self.n_rows = n_rows
        self.batch_size = _checked_batch_size(batch_size)
        full, rest = divmod(n_rows, self.batch_size)
        self.n_batches: int | None = full + (1 if rest and not (drop_last and full) else 0)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self._y = None if y is None else Rows(y, "y", n_rows)
        self._sample_weight = None if sample_weight is None else Rows(sample_weight, "sample_weight", n_rows)
        self._generator = check_random_state(random_state)
        self._begin = _generator_state(self._generator) if shuffle else {}
        self._order = np.arange(n_rows, dtype=np.int64)
        self._epochs_drawn = 0

    @abstractmethod
    def _inputs(self, rows: slice | np.ndarray) -> Tensor:
        """Return the inputs of some rows."""

    def _batch(self, rows: slice | np.ndarray) -> Batch:
        return Batch(
            self._inputs(rows),
            None if self._y is None else self._y.take(rows),
            None if self._sample_weight is None else self._sample_weight.take(rows),
        )

    def epoch(self, number: int) -> Batches:
        """Return the batches of an epoch; the order is that of scikit-learn's multi-layer perceptron.

        Parameters
        ----------
        number : int
            Epoch, counted from 0. Epochs are meant to be asked for in turn; an earlier one is replayed.

        Returns
        -------
        batches : Batches
            The same rows in the same order whenever the same number is asked for.
        """
        if number < 0:
            raise ValueError(f"`number` must be 0 or more. Received: number={number}.")
        if self.shuffle:
            if number + 1 < self._epochs_drawn:
                self._rewind()
            while self._epochs_drawn <= number:
                self._draw()
        return _RowBatches(self, self._order, in_order=not self.shuffle)

    def _draw(self) -> None:
        permutation = np.arange(self.n_rows, dtype=np.int64)
        self._generator.shuffle(permutation)
        self._order = self._order[permutation]
        self._epochs_drawn += 1

    def _rewind(self) -> None:
        _set_generator_state(self._generator, self._begin)
        self._order = np.arange(self.n_rows, dtype=np.int64)
        self._epochs_drawn = 0

    def _description(self) -> dict[str, Any]:
        return {
            "source": type(self).__name__,
            "n_rows": self.n_rows,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
        }

    def _fingerprint(self) -> int:
        """Checksum of up to 32 rows spread over the data: cheap, and enough to notice other data."""
        rows = np.unique(np.linspace(0, self.n_rows - 1, 32).astype(np.int64))
        checksum = 0
        for part in self._batch(rows):
            if part is not None:
                checksum = crc32(part.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data, checksum)
        return checksum

    def state_dict(self) -> dict[str, Any]:
        """Return the generator as it was before the first epoch, and the number of epochs drawn since."""
        return {
            **self._description(),
            "fingerprint": self._fingerprint(),
            "epochs_drawn": self._epochs_drawn,
            "generator": dict(self._begin),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take a state back and replay the shuffles up to it.

        Parameters
        ----------
        state : dict
            What :meth:`state_dict` gave, possibly in another process.

        Raises
        ------
        ValueError
            If this source has other rows, another batch size or another order than the one saved.
        """
        ours = {**self._description(), "fingerprint": self._fingerprint()}
        for name, value in ours.items():
            if state.get(name) != value:
                raise ValueError(
                    "`source` must give the batches of the interrupted run. "
                    f"Received: {name}={value!r}, the run had {name}={state.get(name)!r}. "
                    "Pass the same data and settings, or start a new run."
                )
        self._begin = dict(state["generator"])
        if self.shuffle:
            self._rewind()
            while self._epochs_drawn < int(state["epochs_drawn"]):
                self._draw()


class ArraySource(_RowSource):
    """Give batches of the rows of arrays, in memory or memory-mapped.

    Parameters
    ----------
    x : ndarray or Tensor of shape (N, ...)
        Inputs. A ``numpy.memmap`` is read batch by batch, and its pages are given back to the system, so data
        larger than the memory can be learned. A tensor may live on any device.
    y : ndarray or Tensor of shape (N, ...), optional
        Targets, row by row; of shape (N, T) and floating for the dense rules.
    sample_weight : ndarray or Tensor of shape (N,), optional
        Weight of each row.
    batch_size : int
        Rows a batch; the last batch of an epoch has what is left.
    shuffle : bool, default=True
        Draw a new order every epoch, with exactly the draws of scikit-learn's multi-layer perceptron.
    random_state : int, RandomState or None, default=None
        Where the order comes from. A ``RandomState`` is drawn from as it is (not copied), and nothing else may
        draw from it during the run, or a resumed run cannot repeat the order.
    drop_last : bool, default=False
        Leave out an incomplete last batch, unless it is the only one.

    Attributes
    ----------
    n_rows : int
        Number of rows, N.
    n_batches : int
        Batches an epoch.
    arrays : tuple of ndarray or None
        ``(x, y, sample_weight)``, C-contiguous, when all of them are on the host; else None.

    Raises
    ------
    ValueError
        If there is no row, the lengths differ, the batch size is below 1 or an array is not numeric.

    See Also
    --------
    SparseSource : For inputs in compressed sparse rows.
    IterableSource : For data that come as a stream.

    Examples
    --------
    >>> source = ArraySource(np.arange(6.0).reshape(3, 2), batch_size=2, shuffle=False)
    >>> [batch.x.tolist() for batch in source.epoch(0).take(0, 2)]
    [[[0.0, 1.0], [2.0, 3.0]], [[4.0, 5.0]]]
    """

    def __init__(
        self,
        x: np.ndarray | Tensor,
        y: np.ndarray | Tensor | None = None,
        sample_weight: np.ndarray | Tensor | None = None,
        *,
        batch_size: int,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        drop_last: bool = False,
    ) -> None:
        self._x = Rows(x, "x", None)
        super().__init__(
            self._x.n_rows,
            y,
            sample_weight,
            batch_size=batch_size,
            shuffle=shuffle,
            random_state=random_state,
            drop_last=drop_last,
        )
        columns = [None if rows is None else rows.contiguous for rows in (self._x, self._y, self._sample_weight)]
        absent = [rows is None for rows in (self._x, self._y, self._sample_weight)]
        if all(column is not None or none for column, none in zip(columns, absent, strict=True)):
            self.arrays = (columns[0], columns[1], columns[2])  # type: ignore[assignment]

    def _inputs(self, rows: slice | np.ndarray) -> Tensor:
        return self._x.take(rows)


class SparseSource(_RowSource):
    """Give batches of the rows of a sparse matrix, each made dense only when it is its turn.

    Parameters
    ----------
    x : sparse matrix or array of shape (N, D)
        Inputs; converted to compressed sparse rows when they are in another format.
    y : ndarray or Tensor of shape (N, ...), optional
        Targets, row by row.
    sample_weight : ndarray or Tensor of shape (N,), optional
        Weight of each row.
    batch_size : int
        Rows a batch.
    shuffle : bool, default=True
        Draw a new order every epoch; the same order as :class:`ArraySource` draws.
    random_state : int, RandomState or None, default=None
        Where the order comes from; see :class:`ArraySource`.
    drop_last : bool, default=False
        Leave out an incomplete last batch, unless it is the only one.

    Attributes
    ----------
    n_rows : int
        Number of rows, N.
    n_batches : int
        Batches an epoch.

    Raises
    ------
    TypeError
        If ``x`` is not sparse.
    ValueError
        As :class:`ArraySource`.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> source = SparseSource(csr_array(np.eye(3)), batch_size=2, shuffle=False)
    >>> next(source.epoch(0).take(0, 1)).x.tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """

    def __init__(
        self,
        x: Any,
        y: np.ndarray | Tensor | None = None,
        sample_weight: np.ndarray | Tensor | None = None,
        *,
        batch_size: int,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        drop_last: bool = False,
    ) -> None:
        if not issparse(x):
            raise TypeError(
                f"`x` must be a SciPy sparse matrix. Received: {type(x).__name__}. Use ArraySource for dense arrays."
            )
        matrix: Any = x
        if matrix.ndim != 2:
            raise ValueError(f"`x` must have 2 dimensions. Received: shape {matrix.shape}.")
        self._x = matrix.tocsr()
        super().__init__(
            matrix.shape[0],
            y,
            sample_weight,
            batch_size=batch_size,
            shuffle=shuffle,
            random_state=random_state,
            drop_last=drop_last,
        )

    def _inputs(self, rows: slice | np.ndarray) -> Tensor:
        return torch.from_numpy(native(np.ascontiguousarray(self._x[rows].toarray())))


class _IterableBatches:
    """One pass over an iterable, which can be taken up anywhere by starting it again and skipping."""

    order: np.ndarray | None = None
    arrays: tuple[np.ndarray, np.ndarray | None, np.ndarray | None] | None = None

    def __init__(self, start: Callable[[], Iterator[Batch]], *, batch_size: int, n_batches: int | None) -> None:
        self.batch_size = batch_size
        self.n_batches = n_batches
        self._start = start
        self._stream = start()
        self._position = 0

    def take(self, start: int, stop: int) -> Iterator[Batch]:
        """Yield the batches ``start`` to ``stop - 1``; fewer when the iterable ends before."""
        if start < self._position:
            self._stream = self._start()
            self._position = 0
        end = stop if self.n_batches is None else min(stop, self.n_batches)
        while self._position < end:
            batch = next(self._stream, None)
            if batch is None:
                return
            self._position += 1
            if self._position > start:
                yield batch


class IterableSource:
    """Give batches from a stream: files read one after another, a database, a generator.

    Only one item of the stream is held at a time, so the memory used does not depend on its length.

    Parameters
    ----------
    factory : callable
        ``factory(epoch)`` starts the stream of an epoch (counted from 0) and returns an iterable of
        :class:`Batch` or of tuples ``(x,)``, ``(x, y)`` or ``(x, y, sample_weight)`` of arrays or tensors with the
        rows first. The same number must give the same items, or a resumed run cannot repeat the batches.
    batch_size : int
        Rows a batch. An item with more rows is cut into batches of this size and a rest; items are never joined.
    n_batches : int or None, default=None
        Batches an epoch, where known; schedules that plan ahead and the time left need it. What comes after
        them is not read.

    Raises
    ------
    TypeError
        If ``factory`` cannot be called.
    ValueError
        If ``batch_size`` or ``n_batches`` is below 1.

    See Also
    --------
    ArraySource : For arrays, also memory-mapped ones.

    Examples
    --------
    >>> source = IterableSource(lambda epoch: ((np.full((3, 1), float(i)),) for i in range(2)), batch_size=2)
    >>> [batch.x.flatten().tolist() for batch in source.epoch(0).take(0, 9)]
    [[0.0, 0.0], [0.0], [1.0, 1.0], [1.0]]
    """

    def __init__(
        self, factory: Callable[[int], Iterable[Any]], *, batch_size: int, n_batches: int | None = None
    ) -> None:
        if not callable(factory):
            raise TypeError(
                "`factory` must be a function of the epoch that returns an iterable. "
                f"Received: {type(factory).__name__}. Wrap the iterable: `lambda epoch: iterable`."
            )
        if n_batches is not None and n_batches < 1:
            raise ValueError(f"`n_batches` must be 1 or more, or None. Received: n_batches={n_batches}.")
        self.batch_size = _checked_batch_size(batch_size)
        self.n_batches = n_batches
        self._factory = factory

    def epoch(self, number: int) -> Batches:
        """Start the stream of an epoch.

        Parameters
        ----------
        number : int
            Epoch, counted from 0.

        Returns
        -------
        batches : Batches
            The batches; :meth:`Batches.take` from the middle reads and leaves out those before.
        """
        return _IterableBatches(lambda: self._stream(number), batch_size=self.batch_size, n_batches=self.n_batches)

    def _stream(self, number: int) -> Iterator[Batch]:
        for position, item in enumerate(self._factory(number), start=1):
            batch = _as_batch(item, f"item {position} of epoch {number + 1}")
            for start in range(0, batch.x.shape[0], self.batch_size):
                rows = slice(start, start + self.batch_size)
                yield Batch(*(None if part is None else part[rows] for part in batch))  # type: ignore[arg-type]

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run is compared with; the place in the stream is the engine's to keep."""
        return {"source": type(self).__name__, "batch_size": self.batch_size, "n_batches": self.n_batches}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Check that the state is of a source like this one.

        Parameters
        ----------
        state : dict
            What :meth:`state_dict` gave.

        Raises
        ------
        ValueError
            If the batch size or the number of batches differs.
        """
        for name, value in self.state_dict().items():
            if state.get(name) != value:
                raise ValueError(
                    "`source` must give the batches of the interrupted run. "
                    f"Received: {name}={value!r}, the run had {name}={state.get(name)!r}."
                )


def _as_batch(item: Any, place: str) -> Batch:
    """Turn an item of a stream into a batch, or say which item is wrong."""
    parts = tuple(item) if isinstance(item, (tuple, list)) else (item,)
    if not 1 <= len(parts) <= 3:
        raise DataError(f"{place} must be (x,), (x, y) or (x, y, sample_weight). Received: {len(parts)} parts.")
    names = ("x", "y", "sample_weight")
    tensors: list[Tensor | None] = []
    for name, part in zip(names, parts, strict=False):
        if isinstance(part, np.ndarray):
            if part.dtype.kind not in "fiub":
                raise DataError(f"`{name}` in {place} must be numeric. Received: dtype {part.dtype}.")
            part = np.asarray(part, order="C")
            part = torch.from_numpy(native(part if part.flags.writeable else part.copy()))
        if not (isinstance(part, Tensor) or (part is None and name != "x")):
            raise DataError(f"`{name}` in {place} must be an ndarray or a Tensor. Received: {type(part).__name__}.")
        rows = tensors[0].shape[0] if tensors and tensors[0] is not None else None
        if part is not None and (part.ndim < 1 or part.shape[0] != (part.shape[0] if rows is None else rows)):
            raise DataError(f"`{name}` in {place} must have one row per sample. Received: shape {tuple(part.shape)}.")
        tensors.append(part)
    return Batch(*tensors)  # type: ignore[arg-type]


def _checked_batch_size(batch_size: object) -> int:
    if isinstance(batch_size, (bool, np.bool_)) or not isinstance(batch_size, (int, np.integer)):
        raise TypeError(f"`batch_size` must be an integer. Received: batch_size={batch_size!r}.")
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be 1 or more. Received: batch_size={batch_size}.")
    return int(batch_size)


def _generator_state(generator: np.random.RandomState) -> dict[str, Any]:
    """Return the state of a generator as plain numbers and one int64 array of 624."""
    _, key, position, has_gauss, cached = generator.get_state(legacy=True)
    return {
        "key": np.asarray(key).astype(np.int64),
        "position": int(position),
        "has_gauss": int(has_gauss),
        "cached": float(cached),
    }


def _set_generator_state(generator: np.random.RandomState, state: dict[str, Any]) -> None:
    key = np.asarray(state["key"]).astype(np.uint32)
    generator.set_state(("MT19937", key, int(state["position"]), int(state["has_gauss"]), float(state["cached"])))
