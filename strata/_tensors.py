"""Tensors in files: strict safetensors, and trees of state with the tensors taken out.

The library ``safetensors`` accepts headers of 100 MB, keys given twice, ``shape=[0, 2**60]`` and any
name. Everything is therefore checked here first, before a byte of the data is read.
"""

import base64
import binascii
import hashlib
import io
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as safetensors_load
from safetensors.torch import save as safetensors_save
from torch import Tensor

from strata._files import atomic_write, parse_json
from strata.errors import ModelRefusedError

__all__ = ["Expected", "pack_state", "read_header", "read_tensors", "unpack_state", "write_tensors"]

#: Shape and dtype that a tensor of a file must have.
Expected = tuple[tuple[int, ...], torch.dtype | None]

MAX_HEADER_BYTES = 4 << 20
MAX_TENSORS = 20_000
MAX_RANK = 16
MAX_SIZE = 1 << 48
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,256}")
_CODES = {
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.uint16: "U16",
    torch.int16: "I16",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.uint32: "U32",
    torch.int32: "I32",
    torch.float32: "F32",
    torch.uint64: "U64",
    torch.int64: "I64",
    torch.float64: "F64",
}
_DTYPES = {code: dtype for dtype, code in _CODES.items()}


def _as_tensor(name: str, value: Tensor | np.ndarray) -> Tensor:
    """Return a contiguous CPU tensor in native byte order."""
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ValueError(f"`tensors` must have names of letters, digits and _.- only. Received: {name!r}.")
    if isinstance(value, Tensor):
        tensor = value.detach().cpu().contiguous()
    else:
        array = np.asarray(value, order="C")
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        if not array.flags.writeable or any(stride < 0 for stride in array.strides):
            array = array.copy(order="C")
        try:
            tensor = torch.from_numpy(array)
        except TypeError:
            raise TypeError(f"`tensors` must hold numbers. Received: {name!r} with dtype {array.dtype}.") from None
    if tensor.dtype not in _CODES:
        raise TypeError(f"`tensors` must hold real numbers. Received: {name!r} with dtype {tensor.dtype}.")
    return tensor


def write_tensors(
    path: str | Path, tensors: Mapping[str, Tensor | np.ndarray], metadata: dict[str, str] | None = None
) -> str:
    """Write tensors to a safetensors file, atomically.

    Parameters
    ----------
    path : str or Path
        Target; an existing file is replaced.
    tensors : mapping of str to Tensor or ndarray
        Real numbers of any shape; names of letters, digits and ``_.-``. Tensors may share memory.
    metadata : dict of str to str, optional
        Kept in the header.

    Returns
    -------
    digest : str
        SHA-256 of the file, in hexadecimal.

    Raises
    ------
    ValueError
        If a name has other characters.
    TypeError
        If a value is no array of real numbers.
    OSError
        If the file cannot be written; an existing one is intact then.
    """
    own: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, value in tensors.items():
        tensor = _as_tensor(name, value)
        storage = tensor.untyped_storage()
        if storage.nbytes() != tensor.nbytes or storage.data_ptr() in storages:  # safetensors refuses shared memory
            tensor = tensor.clone()
            storage = tensor.untyped_storage()
        storages.add(storage.data_ptr())
        own[name] = tensor
    data = safetensors_save(own, metadata)
    with atomic_write(path) as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


def _refuse(path: object, why: str) -> ModelRefusedError:
    return ModelRefusedError(f"{path} is refused: {why}.")


def _entry(path: object, name: str, entry: object, start: int) -> tuple[tuple[int, ...], torch.dtype, int]:
    """Check one header entry whose data must begin at ``start``; return shape, dtype and end."""
    shown = name[:60]
    if _NAME.fullmatch(name) is None:
        raise _refuse(path, f"a tensor is named {shown!r}, and names are 1 to 256 letters, digits and _.-")
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _refuse(path, f"the header entry of {shown!r} is not dtype, shape and data_offsets")
    shape, offsets, code = entry["shape"], entry["data_offsets"], entry["dtype"]
    if not isinstance(code, str) or code not in _DTYPES:
        raise _refuse(path, f"{shown!r} has the unknown dtype {str(code)[:20]!r}")
    if not isinstance(shape, list) or len(shape) > MAX_RANK or not all(_is_size(size) for size in shape):
        raise _refuse(path, f"{shown!r} has an impossible shape")
    dtype = _DTYPES[code]
    n_bytes = math.prod(shape) * dtype.itemsize
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_is_size(value) for value in offsets):
        raise _refuse(path, f"{shown!r} has impossible offsets")
    if offsets != [start, start + n_bytes]:
        raise _refuse(path, f"the data of {shown!r} overlaps, leaves a hole or does not fit its shape")
    return tuple(shape), dtype, start + n_bytes


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SIZE


def _read_exactly(file: IO[bytes], n_bytes: int, path: object) -> bytes:
    data = file.read(n_bytes)
    if len(data) != n_bytes:
        raise _refuse(path, "it is shorter than it says: it was truncated")
    return data


def read_header(file: IO[bytes], *, path: object) -> tuple[bytes, dict[str, tuple[tuple[int, ...], torch.dtype]], int]:
    """Read and check the header of an open safetensors file.

    Parameters
    ----------
    file : binary file
        Open at its beginning.
    path : object
        What to call it in messages.

    Returns
    -------
    raw : bytes
        The bytes read so far (length and header).
    layout : dict of str to (shape, dtype)
        What the file holds.
    n_bytes : int
        Size of the data that follows.

    Raises
    ------
    ModelRefusedError
        If the header is over 4 MB, names over 20 000 tensors, or is not exactly in order.
    """
    size = os.fstat(file.fileno()).st_size if hasattr(file, "fileno") and not isinstance(file, io.BytesIO) else None
    prefix = _read_exactly(file, 8, path)
    length = int.from_bytes(prefix, "little")
    if length > MAX_HEADER_BYTES or (size is not None and length > size - 8):
        raise _refuse(path, f"its header claims {length} bytes, more than the file or the limit of {MAX_HEADER_BYTES}")
    raw = _read_exactly(file, length, path)
    try:
        header = parse_json(raw, name="its header", max_depth=4)
    except ValueError as error:
        raise _refuse(path, str(error).rstrip(".")) from None
    if not isinstance(header, dict):
        raise _refuse(path, "its header is not an object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _refuse(path, "its metadata is not text")
    if len(header) > MAX_TENSORS:
        raise _refuse(path, f"it names {len(header)} tensors, more than {MAX_TENSORS}")
    layout = {}
    end = 0
    for name, entry in sorted(header.items(), key=_first_offset):
        shape, dtype, end = _entry(path, name, entry, end)
        layout[name] = (shape, dtype)
    if size is not None and size != 8 + length + end:
        raise _refuse(path, f"it has {size} bytes, and its header describes {8 + length + end}")
    return prefix + raw, layout, end


def _first_offset(item: tuple[str, Any]) -> tuple[int, int]:
    """Order entries by where their data lies; a malformed entry comes first and is refused there."""
    offsets = item[1].get("data_offsets") if isinstance(item[1], dict) else None
    if isinstance(offsets, list) and len(offsets) == 2 and all(_is_size(value) for value in offsets):
        return offsets[0], offsets[1]
    return -1, -1


def _compare(
    path: object, layout: Mapping[str, tuple[tuple[int, ...], torch.dtype]], expected: Mapping[str, Expected]
) -> None:
    if layout.keys() != expected.keys():
        missing = sorted(expected.keys() - layout.keys())[:3]
        extra = sorted(layout.keys() - expected.keys())[:3]
        raise _refuse(path, f"its tensors are not those of this model (missing: {missing}, unknown: {extra})")
    for name, (shape, dtype) in expected.items():
        found_shape, found_dtype = layout[name]
        if found_shape != tuple(shape):
            raise _refuse(path, f"{name!r} has shape {list(found_shape)}, and this model needs {list(shape)}")
        if dtype is not None and found_dtype != dtype:
            raise _refuse(path, f"{name!r} has dtype {found_dtype}, and this model needs {dtype}")


def read_tensors(
    path: str | Path,
    *,
    expected: Mapping[str, Expected] | None = None,
    sha256: str | None = None,
    allow_nonfinite: bool = False,
) -> dict[str, Tensor]:
    """Read a safetensors file into memory, after checking every part of it.

    Parameters
    ----------
    path : str or Path
        File to read. It is copied into memory, not mapped: it may be replaced while the tensors are used.
    expected : mapping of str to (shape, dtype), optional
        What the file must hold, exactly. A dtype of None takes any. Checked before the data is read.
    sha256 : str, optional
        Digest that the file must have.
    allow_nonfinite : bool, default=False
        Accept NaN and infinity.

    Returns
    -------
    tensors : dict of str to Tensor
        The tensors, on the CPU.

    Raises
    ------
    ModelRefusedError
        If anything in the file is not as it must be.
    OSError
        If the file cannot be opened.
    """
    with open(path, "rb") as file:
        raw, layout, n_bytes = read_header(file, path=path)
        if expected is not None:
            _compare(path, layout, expected)
        data = raw + _read_exactly(file, n_bytes, path)
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise _refuse(path, "its SHA-256 digest is not the recorded one: the file was changed or damaged")
    try:
        tensors = safetensors_load(data)
    except SafetensorError as error:
        raise _refuse(path, f"safetensors says {str(error)[:200]}") from None
    if not allow_nonfinite:
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise _refuse(
                    path, f"{name!r} holds NaN or infinity; allow_nonfinite=True (--allow-nonfinite) takes it"
                )
    return {name: tensors[name] for name in sorted(tensors)}


# -- trees of state ----------------------------------------------------------------------------------


def pack_state(state: object) -> tuple[Any, dict[str, Tensor | np.ndarray]]:
    """Split a nested state into a JSON-able tree and its tensors.

    Parameters
    ----------
    state : object
        Dicts with text or integer keys, lists, tuples, text, bytes, numbers, None, tensors and NumPy
        arrays and scalars, nested at will.

    Returns
    -------
    tree : JSON-able
        The same with ``{"$tensor": key}`` for a tensor and ``{"$array": key}`` for a NumPy array.
    tensors : dict of str to Tensor or ndarray
        What was taken out, by key, for :func:`write_tensors`.

    Raises
    ------
    TypeError
        If something else is in the state; the message says where.

    See Also
    --------
    unpack_state : The inverse.

    Examples
    --------
    >>> tree, tensors = pack_state({"step": 3, "theta": torch.zeros(2), "best": float("inf")})
    >>> tree
    {'step': 3, 'theta': {'$tensor': 't0'}, 'best': {'$float': 'inf'}}
    >>> unpack_state(tree, tensors)
    {'step': 3, 'theta': tensor([0., 0.]), 'best': inf}
    """
    tensors: dict[str, Tensor | np.ndarray] = {}
    return _pack(state, tensors, "state"), tensors


def _pack(value: object, tensors: dict[str, Tensor | np.ndarray], where: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, (Tensor, np.ndarray)):
        key = f"t{len(tensors)}"
        tensors[key] = value.detach() if isinstance(value, Tensor) else value
        return {"$tensor" if isinstance(value, Tensor) else "$array": key}
    if isinstance(value, (list, tuple)):
        items = [_pack(item, tensors, f"{where}[{index}]") for index, item in enumerate(value)]
        return items if isinstance(value, list) else {"$tuple": items}
    if isinstance(value, dict):
        return _pack_dict(value, tensors, where)
    raise TypeError(f"`{where}` cannot be kept in a file. Received: {type(value).__name__}.")


def _pack_dict(value: dict[Any, Any], tensors: dict[str, Tensor | np.ndarray], where: str) -> Any:
    for key in value:
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            raise TypeError(f"`{where}` must have text or integer keys. Received: {key!r}.")
    packed = {key: _pack(item, tensors, f"{where}[{key!r}]") for key, item in value.items()}
    if all(isinstance(key, str) and not key.startswith("$") for key in packed):
        return packed
    return {"$dict": [[key, item] for key, item in packed.items()]}


def unpack_state(tree: object, tensors: Mapping[str, Tensor | np.ndarray]) -> Any:
    """Join a tree and its tensors again.

    Parameters
    ----------
    tree : JSON-able
        As :func:`pack_state` gives it.
    tensors : mapping of str to Tensor or ndarray
        As :func:`read_tensors` gives them.

    Returns
    -------
    state : object
        The nested state; arrays that were NumPy's are NumPy's again.

    Raises
    ------
    ModelRefusedError
        If the tree has a mark that is not known, or names a tensor that is not there.

    See Also
    --------
    pack_state : The inverse.
    """
    if isinstance(tree, list):
        return [unpack_state(item, tensors) for item in tree]
    if not isinstance(tree, dict):
        return tree
    mark = next(iter(tree)) if len(tree) == 1 else ""
    if not mark.startswith("$"):
        if any(key.startswith("$") for key in tree):
            raise ModelRefusedError("The state is refused: a mark stands beside other keys.")
        return {key: unpack_state(item, tensors) for key, item in tree.items()}
    return _unpack_mark(mark, tree[mark], tensors)


def _unpack_mark(mark: str, value: Any, tensors: Mapping[str, Tensor | np.ndarray]) -> Any:
    if mark in ("$tensor", "$array") and isinstance(value, str) and value in tensors:
        found = tensors[value]
        if mark == "$tensor":
            return found if isinstance(found, Tensor) else torch.from_numpy(found)
        return found.numpy() if isinstance(found, Tensor) else found
    if mark == "$tuple" and isinstance(value, list):
        return tuple(unpack_state(item, tensors) for item in value)
    if mark == "$float" and value in ("nan", "inf", "-inf"):
        return float(value)
    if mark == "$dict" and isinstance(value, list) and all(_is_pair(item) for item in value):
        return {key: unpack_state(item, tensors) for key, item in value}
    if mark == "$bytes" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error:
            pass
    raise ModelRefusedError(f"The state is refused: {mark[:20]!r} holds {str(value)[:60]!r}.")


def _is_pair(item: object) -> bool:
    return isinstance(item, list) and len(item) == 2 and isinstance(item[0], (str, int)) and type(item[0]) is not bool
