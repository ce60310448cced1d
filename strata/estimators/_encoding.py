"""Values in a model's configuration: plain JSON, a closed set of marks, and references to arrays.

A mark is an object with one key that begins with ``$``. Every mark stands for data of a known kind;
none names a module, a function or a path. An array of real numbers is written to the weights file and
leaves its key, shape and dtype behind; labels and other short arrays stay in the configuration.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from torch import Tensor

from strata.errors import ModelRefusedError
from strata.rules.optimizers import LBFGS, SGD, AdaGrad, Adam, AdamW, RMSProp, Rprop
from strata.rules.schedules import (
    Adaptive,
    Constant,
    Cosine,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    StepDecay,
    Warmup,
)

__all__ = ["ArrayRef", "RECORDS", "decode", "encode"]

#: The records that a parameter may hold, by the name that stands for them in a file.
RECORDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        AdaGrad,
        Adam,
        AdamW,
        Adaptive,
        Constant,
        Cosine,
        InverseScaling,
        LBFGS,
        OneCycle,
        RMSProp,
        ReduceOnPlateau,
        Rprop,
        SGD,
        StepDecay,
        Warmup,
    )
}
_INLINE_SIZE = 1_000
_MAX_SIZE = 1 << 31


@dataclass(frozen=True)
class ArrayRef:
    """An array that lies in the weights file."""

    key: str
    shape: tuple[int, ...]
    dtype: str


def encode(value: object, arrays: dict[str, np.ndarray] | None, *, where: str, nan: bool = True) -> Any:
    """Return the JSON form of a value, and put its arrays into ``arrays``.

    Parameters
    ----------
    value : object
        None, booleans, numbers, text, lists, tuples, dicts, NumPy arrays of numbers or text, a
        ``RandomState``, or a record of :data:`RECORDS`.
    arrays : dict of str to ndarray or None
        Gains one entry per array of numbers. None keeps all arrays in the configuration.
    where : str
        Name of the value, for keys of arrays and for messages.
    nan : bool, default=True
        Whether NaN is a value like another.

    Returns
    -------
    tree : JSON-able
        The value, with marks.

    Raises
    ------
    TypeError
        If the value, or something in it, is a function or an object that has no form in a file.
    ValueError
        If it is NaN and must not be.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if math.isnan(value) and not nan:
            raise ValueError(f"`{where}` must be a number. Received: {where}=nan.")
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, (list, tuple)):
        items = [encode(item, arrays, where=f"{where}.{index}", nan=nan) for index, item in enumerate(value)]
        return items if isinstance(value, list) else {"$tuple": items}
    if isinstance(value, dict):
        return {"$dict": _encode_pairs(value.items(), arrays, where, nan)}
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return _encode_array(value, arrays, where, nan)
    if isinstance(value, np.random.RandomState):
        return {"$random_state": _encode_random_state(value)}
    if is_dataclass(value) and RECORDS.get(type(value).__name__) is type(value):
        pairs = ((field.name, getattr(value, field.name)) for field in fields(value) if field.init)
        return {"$record": [type(value).__name__, _encode_pairs(pairs, arrays, where, nan)]}
    if callable(value):
        raise TypeError(
            f"`{where}` must be data to be saved, and a function is code. Received: {where}={value!r}. "
            "Give a registered name or one of strata's own records in its place, then fit and save."
        )
    raise TypeError(f"`{where}` must be data to be saved. Received: {where}={type(value).__name__} object.")


def _encode_pairs(
    pairs: Iterable[tuple[Any, Any]], arrays: dict[str, np.ndarray] | None, where: str, nan: bool
) -> list[list[Any]]:
    encoded = []
    for index, (key, value) in enumerate(pairs):
        key = key.item() if isinstance(key, np.generic) else key
        if key is not None and not isinstance(key, (bool, int, float, str)):
            raise TypeError(f"`{where}` must have text or numbers as keys. Received: {key!r}.")
        encoded.append([key, encode(value, arrays, where=f"{where}.{index}", nan=nan)])
    return encoded


def _encode_array(array: np.ndarray, arrays: dict[str, np.ndarray] | None, where: str, nan: bool) -> Any:
    if array.dtype.kind in "OUT":
        items = array.ravel().tolist()
        if not all(item is None or isinstance(item, (bool, int, float, str)) for item in items):
            raise TypeError(f"`{where}` must hold numbers or text to be saved. Received: an array of objects.")
        flat = [encode(item, None, where=where, nan=nan) for item in items]
        return {"$inline": ["object" if array.dtype.kind == "O" else "text", list(array.shape), flat]}
    if array.dtype.kind not in "biuf":
        raise TypeError(f"`{where}` must hold real numbers to be saved. Received: an array of {array.dtype}.")
    name = array.dtype.newbyteorder("=").name
    short = array.dtype.kind in "biu" and array.ndim == 1 and array.size <= _INLINE_SIZE
    if arrays is None or short:
        flat = [encode(item, None, where=where, nan=nan) for item in array.ravel().tolist()]
        return {"$inline": [name, list(array.shape), flat]}
    arrays[where] = array
    return {"$array": [where, list(array.shape), name]}


def _encode_random_state(state: np.random.RandomState) -> list[Any]:
    name, key, position, has_gauss, cached = state.get_state(legacy=True)
    if name != "MT19937":
        raise TypeError(f"`random_state` must be a Mersenne twister to be saved. Received: {name}.")
    return [np.asarray(key).tolist(), int(position), int(has_gauss), float(cached)]


# -- back --------------------------------------------------------------------------------------------


def decode(tree: object, resolve: Callable[[ArrayRef], Any], *, nan: bool = True) -> Any:
    """Return the value of a JSON form.

    Parameters
    ----------
    tree : JSON-able
        As :func:`encode` gives it.
    resolve : callable
        Given the reference of an array, return what stands for it.
    nan : bool, default=True
        Whether NaN is a value like another.

    Returns
    -------
    value : object
        The value.

    Raises
    ------
    ModelRefusedError
        If a mark is unknown or malformed.
    """
    if isinstance(tree, list):
        return [decode(item, resolve, nan=nan) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if len(tree) != 1:
        raise _bad(tree)
    mark, value = next(iter(tree.items()))
    decoder = _DECODERS.get(mark)
    if decoder is None:
        raise _bad(tree)
    if mark == "$float" and value == "nan" and not nan:
        raise ModelRefusedError("a parameter is NaN")
    try:
        return decoder(value, lambda item: decode(item, resolve, nan=nan), resolve)
    except (TypeError, ValueError, OverflowError, IndexError, KeyError) as error:
        if isinstance(error, ModelRefusedError):
            raise
        raise _bad(tree) from None


def _bad(tree: object) -> ModelRefusedError:
    return ModelRefusedError(f"{str(tree)[:80]!r} is no value of a model")


_Item = Callable[[object], Any]
_Resolve = Callable[[ArrayRef], Any]


def _need(condition: bool) -> None:
    if not condition:
        raise ValueError


def _shape(shape: object) -> tuple[int, ...]:
    _need(isinstance(shape, list) and len(shape) <= 16)
    sizes: tuple[int, ...] = tuple(shape)  # type: ignore[arg-type]
    _need(all(type(size) is int and 0 <= size <= _MAX_SIZE for size in sizes))
    return sizes


def _decode_array(value: Any, item: _Item, resolve: _Resolve) -> Any:
    key, shape, dtype = value
    _need(isinstance(key, str) and isinstance(dtype, str))
    return resolve(ArrayRef(key, _shape(shape), dtype))


def _decode_inline(value: Any, item: _Item, resolve: _Resolve) -> np.ndarray:
    dtype, shape, flat = value
    sizes = _shape(shape)
    _need(isinstance(flat, list) and math.prod(sizes) == len(flat))
    if dtype == "object":
        array = np.empty(len(flat), dtype=object)
        array[:] = [item(entry) for entry in flat]
        _need(all(entry is None or isinstance(entry, (bool, int, float, str)) for entry in array))
        return array.reshape(sizes)
    if dtype == "text":
        _need(all(isinstance(entry, str) for entry in flat))
        return np.array(flat, dtype=str).reshape(sizes)
    _need(isinstance(dtype, str) and dtype in _INLINE_DTYPES)
    numbers = [item(entry) for entry in flat]
    _need(all(type(number) is _INLINE_DTYPES[dtype] for number in numbers))
    return np.array(numbers, dtype=dtype).reshape(sizes)


_INLINE_DTYPES: dict[str, type] = {
    "bool": bool,
    **{f"{sign}int{bits}": int for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": float for bits in (16, 32, 64)},
}


def _decode_random_state(value: Any, item: _Item, resolve: _Resolve) -> np.random.RandomState:
    key, position, has_gauss, cached = value
    _need(isinstance(key, list) and len(key) == 624 and all(type(word) is int for word in key))
    _need(type(position) is int and 0 <= position <= 624 and has_gauss in (0, 1) and type(cached) is float)
    state = np.random.RandomState(0)
    state.set_state(("MT19937", np.array(key, dtype=np.uint32), position, has_gauss, cached))
    return state


def _decode_dict(value: Any, item: _Item, resolve: _Resolve) -> dict[Any, Any]:
    _need(isinstance(value, list))
    pairs = [(key, item(entry)) for key, entry in value]
    _need(all(key is None or isinstance(key, (bool, int, float, str)) for key, _ in pairs))
    _need(len(dict(pairs)) == len(pairs))
    return dict(pairs)


def _decode_record(value: Any, item: _Item, resolve: _Resolve) -> object:
    name, pairs = value
    kind = RECORDS[name]
    arguments = _decode_dict(pairs, item, resolve)
    _need(all(isinstance(key, str) for key in arguments))
    return kind(**arguments)  # its own checks of every field


def _decode_tuple(value: Any, item: _Item, resolve: _Resolve) -> tuple[Any, ...]:
    _need(isinstance(value, list))
    return tuple(item(entry) for entry in value)


def _decode_float(value: Any, item: _Item, resolve: _Resolve) -> float:
    _need(value in ("nan", "inf", "-inf"))
    return float(value)


_DECODERS: Mapping[str, Callable[[Any, _Item, _Resolve], Any]] = {
    "$array": _decode_array,
    "$dict": _decode_dict,
    "$float": _decode_float,
    "$inline": _decode_inline,
    "$random_state": _decode_random_state,
    "$record": _decode_record,
    "$tuple": _decode_tuple,
}
