"""Rows of one array, by number or by slice, as tensors."""

import mmap

import numpy as np
import torch
from torch import Tensor

__all__ = ["Rows", "native"]


class Rows:
    """Rows of one array as tensors; knows memory maps, read-only and foreign byte orders."""

    #: Bytes of a memory map to read before its pages are given back to the system.
    KEEP_BYTES = 64 << 20
    #: Bytes that the system maps at once around one that is read (Linux: ``fault_around_bytes``).
    AROUND_BYTES = 64 << 10

    def __init__(self, values: np.ndarray | Tensor, name: str, n_rows: int | None) -> None:
        self._tensor: Tensor | None = None
        self._array: np.ndarray | None = None
        self._map = _readable_map(values)
        self._bytes_read = 0
        if isinstance(values, Tensor):
            if values.device.type == "cpu" and values.dtype is not torch.bfloat16:
                self._array = values.detach().numpy()
            else:
                self._tensor = values.detach()
        elif isinstance(values, np.ndarray):
            self._array = np.asarray(values)
        else:
            raise TypeError(f"`{name}` must be an ndarray or a Tensor. Received: {type(values).__name__}.")
        if values.ndim < 1:
            raise ValueError(f"`{name}` must have one row per sample. Received: shape {tuple(values.shape)}.")
        if self._array is not None and self._array.dtype.kind not in "fiub":
            raise ValueError(f"`{name}` must be numeric. Received: dtype {self._array.dtype}. Encode it first.")
        self.n_rows = int(values.shape[0])
        if n_rows is not None and self.n_rows != n_rows:
            raise ValueError(f"`{name}` must have as many rows as `x`. Received: {self.n_rows} rows, `x` has {n_rows}.")
        if self._array is not None and not self._array.flags.c_contiguous and self._map is None:
            self._array = np.ascontiguousarray(self._array)

    @property
    def contiguous(self) -> np.ndarray | None:
        """The array when compiled code can read it as it lies, else None."""
        array = self._array
        return array if array is not None and array.flags.c_contiguous and array.dtype.isnative else None

    def take(self, rows: slice | np.ndarray) -> Tensor:
        """Return some rows; a view where they lie together in writable memory, else a copy."""
        if self._tensor is not None:
            return self._tensor[rows if isinstance(rows, slice) else torch.from_numpy(rows).to(self._tensor.device)]
        part = self._array[rows]  # type: ignore[index]
        if self._map is not None:
            part = np.array(part)
            # The system maps some pages around each that is read, so scattered rows cost more than their size.
            scattered = 0 if isinstance(rows, slice) else len(rows) * self.AROUND_BYTES
            self._bytes_read += max(part.nbytes, scattered)
            if self._bytes_read >= self.KEEP_BYTES:
                self._bytes_read = 0
                self._map.madvise(mmap.MADV_DONTNEED)
        if not part.flags.writeable:
            part = part.copy()
        return torch.from_numpy(native(np.ascontiguousarray(part)))


def native(array: np.ndarray) -> np.ndarray:
    """Return the array in this machine's byte order."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _readable_map(values: object) -> mmap.mmap | None:
    """Return the memory map behind an array whose pages may be dropped and read again, else None."""
    if isinstance(values, np.memmap) and values.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
        backing = getattr(values, "_mmap", None)
        return backing if isinstance(backing, mmap.mmap) else None
    return None
