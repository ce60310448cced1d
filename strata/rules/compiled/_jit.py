# mypy: disable-error-code="no-untyped-call,import-untyped"
"""How the kernels of this package are compiled, and the few machine words that numba lacks.

The floating-point flags let the compiler reorder sums and fuse multiplications, and never let it assume that no
value is infinite or NaN: a diverging run must be seen.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar, cast

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.caching import FunctionCache
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

__all__ = [
    "TILE_ROWS",
    "VECTOR_BYTES",
    "add_and_get",
    "address_of",
    "copy_vector",
    "entry",
    "exact_kernel",
    "fused",
    "give_way",
    "invoke",
    "is_at_hand",
    "is_kept_on_disk",
    "kernel",
    "lanes",
    "machine_word",
    "matrix",
    "nearest",
    "piece",
    "read",
    "tile",
    "two_to",
    "vector",
    "write",
]

_F = TypeVar("_F", bound=Callable[..., Any])

_FAST = {"reassoc", "contract", "arcp", "nsz"}
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_INNER: dict[str, Any] = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
#: A kernel that is called, not copied into its caller, exists several times, each optimized by itself, and which one
#: the linker takes depends on whether the caller was compiled or loaded from disk: the last bits would, too.
_COPIED: dict[str, Any] = {**_INNER, "forceinline": True}


def _host_vector_bytes() -> int:
    features = llvm.get_host_cpu_features()
    return 64 if features.get("avx512f") else 32


#: Width of the vectors of the matrix products, in bytes.
VECTOR_BYTES = _host_vector_bytes()


def kernel(function: _F) -> _F:
    """Compile a function for other compiled functions, as part of their machine code."""
    return cast(_F, numba.njit(fastmath=_FAST, **_COPIED)(function))


def exact_kernel(function: _F) -> _F:
    """Compile likewise without reordering, for code whose order of operations is what makes it precise."""
    return cast(_F, numba.njit(**_COPIED)(function))


def piece(function: _F) -> _F:
    """Compile a function that is called by its address (:func:`invoke`); its machine code is kept on disk."""
    return cast(_F, _kept(numba.njit(fastmath=_FAST, **_INNER)(function)))


def entry(function: _F) -> _F:
    """Compile a function that Python calls, without the interpreter's lock; its machine code is kept on disk."""
    return cast(_F, _kept(numba.njit(fastmath=_FAST, **_OPTIONS)(function)))


@cache
def _stamp() -> str:
    """Digest the source of this package: numba itself looks at the file of the outermost function only."""
    digest = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class _Cache(FunctionCache):
    """A place on disk for machine code that is valid for exactly this version of the package.

    A cache only saves time: where it cannot be written or read, the code is compiled again.
    """

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        return (*super()._index_key(signature, codegen), _stamp())

    def save_overload(self, signature: Any, data: Any) -> None:
        """Write machine code, if the disk lets us."""
        with suppress(OSError):
            super().save_overload(signature, data)

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """Read machine code; None where there is none that is whole."""
        with suppress(OSError, EOFError, UnpicklingError, ValueError):
            return super().load_overload(signature, target_context)
        return None


def is_kept_on_disk(function: Any) -> bool:
    """Say whether there is a folder for the machine code of a function."""
    return isinstance(getattr(function, "_cache", None), _Cache)


def is_at_hand(function: Any, kinds: tuple[Any, ...]) -> bool:
    """Say whether a function is compiled for some argument types, in memory or on disk."""
    if kinds in function.overloads:
        return True
    if not is_kept_on_disk(function):
        return False
    cache, target = function._cache, function.targetctx
    with suppress(OSError, EOFError, UnpicklingError, ValueError):
        return cache._index_key(kinds, target.codegen()) in cache._cache_file._load_index()
    return False


def _kept(dispatcher: Any) -> Any:
    with suppress(RuntimeError):  # numba finds no folder that it may write to
        dispatcher._cache = _Cache(dispatcher.py_func)
    return dispatcher


def machine_word(function: Callable[..., Any]) -> Any:
    """Let a function that writes machine code stand for what it writes, inside kernels."""
    return intrinsic(function)


def _data(context: Any, builder: Any, array_type: Any, array: Any, offset: Any) -> Any:
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [offset])


def _window(context: Any, builder: Any, signature: Any, pointer: Any, shape: list[Any]) -> Any:
    item = context.get_abi_sizeof(context.get_data_type(signature.return_type.dtype))
    size = context.get_constant(types.intp, item)
    strides = [builder.mul(shape[1], size), size] if len(shape) == 2 else [size]
    out = context.make_array(signature.return_type)(context, builder)
    populate_array(out, data=pointer, shape=shape, strides=strides, itemsize=size, meminfo=None)
    return out._getvalue()


@machine_word
def vector(typing_context: Any, array: Any, offset: Any, size: Any) -> Any:
    """View ``size`` elements of a flat array from ``offset``, without counting references (the caller holds it)."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _data(context, builder, signature.args[0], arguments[0], arguments[1])
        return _window(context, builder, signature, pointer, [arguments[2]])

    return types.Array(array.dtype, 1, "C")(array, types.intp, types.intp), codegen


@machine_word
def matrix(typing_context: Any, array: Any, offset: Any, n_rows: Any, n_columns: Any) -> Any:
    """View ``n_rows`` by ``n_columns`` elements of a flat array from ``offset``, likewise."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _data(context, builder, signature.args[0], arguments[0], arguments[1])
        return _window(context, builder, signature, pointer, [arguments[2], arguments[3]])

    return types.Array(array.dtype, 2, "C")(array, types.intp, types.intp, types.intp), codegen


@machine_word
def invoke(typing_context: Any, address: Any, arguments: Any) -> Any:
    """Call the compiled function at an address, which returns nothing, with the elements of a tuple.

    A direct call would copy the function's code into every caller and optimize it there again; this way each large
    piece is compiled once. The caller answers for the types: those that :func:`address_of` was given.
    """
    kinds = tuple(types.unliteral(kind) for kind in arguments.types)

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function_type = context.call_conv.get_function_type(types.none, kinds)
        function = builder.inttoptr(values[0], function_type.as_pointer())
        given = zip(cgutils.unpack_tuple(builder, values[1]), arguments.types, kinds, strict=True)
        parts = [context.cast(builder, value, source, target) for value, source, target in given]
        context.call_conv.call_function(builder, function, types.none, kinds, parts)
        return context.get_dummy_value()

    return types.none(types.int64, arguments), codegen


def address_of(function: Any, kinds: tuple[Any, ...]) -> int:
    """Compile a kernel for some argument types, or load it from disk, and return where its code begins."""
    function.compile(kinds)
    result = function.overloads[kinds]
    return int(result.library.get_pointer_to_function(result.fndesc.llvm_func_name))


@machine_word
def lanes(typing_context: Any, array: Any) -> Any:
    """Give the number of elements of an array in one vector register, as a constant."""
    count = VECTOR_BYTES * 8 // array.dtype.bitwidth

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_constant(types.intp, count)

    return types.intp(array), codegen


def _fma(builder: Any, vector_type: Any) -> Any:
    width = {"float": 32, "double": 64}[str(vector_type.element)]
    name = f"llvm.fma.v{vector_type.count}f{width}"
    kind = ir.FunctionType(vector_type, [vector_type] * 3)
    return cgutils.get_or_insert_function(builder.module, kind, name)


class _Vectors:
    """Unaligned vector loads, stores and broadcasts of one element type."""

    def __init__(self, context: Any, builder: Any, dtype: Any) -> None:
        self.builder = builder
        self.item = dtype.bitwidth // 8
        self.count = VECTOR_BYTES // self.item
        self.scalar = context.get_value_type(dtype)
        self.type = ir.VectorType(self.scalar, self.count)
        self.zero = ir.Constant(self.type, [ir.Constant(self.scalar, 0.0)] * self.count)

    def load(self, pointer: Any) -> Any:
        value = self.builder.load(self.builder.bitcast(pointer, self.type.as_pointer()))
        value.align = self.item
        return value

    def store(self, value: Any, pointer: Any) -> None:
        self.builder.store(value, self.builder.bitcast(pointer, self.type.as_pointer())).align = self.item

    def broadcast(self, value: Any) -> Any:
        undefined = ir.Constant(self.type, ir.Undefined)
        first = self.builder.insert_element(undefined, value, ir.IntType(32)(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.count), [ir.Constant(ir.IntType(32), 0)] * self.count)
        return self.builder.shuffle_vector(first, undefined, mask)


#: Rows of the tile of a product that is held in registers.
TILE_ROWS = 6


@machine_word
def tile(
    typing_context: Any,
    a: Any,
    a_start: Any,
    a_row: Any,
    a_step: Any,
    b: Any,
    b_start: Any,
    b_step: Any,
    c: Any,
    c_start: Any,
    c_row: Any,
    depth: Any,
    add: Any,
    rectify: Any,
    n_vectors: Any,
) -> Any:
    """Multiply six rows by ``n_vectors`` vectors of columns: ``C = A B``, or ``C += A B`` if ``add``.

    ``A[i, k]`` is at ``a_start + i a_row + k a_step``, so A may be transposed; ``B[k, :]`` starts at
    ``b_start + k b_step`` and ``C[i, :]`` at ``c_start + i c_row``. ``rectify`` stores ``max(0, C)``.
    """
    if not isinstance(n_vectors, types.IntegerLiteral):
        return None
    width = n_vectors.literal_value
    n = types.intp

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (a_, a_start_, a_row_, a_step_, b_, b_start_, b_step_, c_, c_start_, c_row_, depth_, add_, rectify_, _) = (
            arguments
        )
        vectors = _Vectors(context, builder, a.dtype)
        integer = context.get_value_type(n)
        a_data = _data(context, builder, signature.args[0], a_, a_start_)
        b_data = _data(context, builder, signature.args[4], b_, b_start_)
        c_data = _data(context, builder, signature.args[7], c_, c_start_)
        cells = [(i, j) for i in range(TILE_ROWS) for j in range(width)]
        sums = {cell: cgutils.alloca_once(builder, vectors.type) for cell in cells}
        targets = {
            (i, j): builder.gep(c_data, [builder.add(builder.mul(c_row_, integer(i)), integer(j * vectors.count))])
            for i, j in cells
        }
        with builder.if_else(builder.icmp_signed("!=", add_, integer(0))) as (adding, fresh):
            with adding:
                for cell in cells:
                    builder.store(vectors.load(targets[cell]), sums[cell])
            with fresh:
                for cell in cells:
                    builder.store(vectors.zero, sums[cell])
        rows = [builder.gep(a_data, [builder.mul(a_row_, integer(i))]) for i in range(TILE_ROWS)]
        fma = _fma(builder, vectors.type)
        with cgutils.for_range(builder, depth_) as loop:
            at_b, at_a = builder.mul(loop.index, b_step_), builder.mul(loop.index, a_step_)
            columns = [
                vectors.load(builder.gep(b_data, [builder.add(at_b, integer(j * vectors.count))])) for j in range(width)
            ]
            for i in range(TILE_ROWS):
                factor = vectors.broadcast(builder.load(builder.gep(rows[i], [at_a])))
                for j in range(width):
                    builder.store(builder.call(fma, [factor, columns[j], builder.load(sums[i, j])]), sums[i, j])
        with builder.if_then(builder.icmp_signed("!=", rectify_, integer(0))):
            for cell in cells:
                value = builder.load(sums[cell])
                low = builder.fcmp_ordered("<=", value, vectors.zero)  # false for NaN, which therefore stays
                builder.store(builder.select(low, vectors.zero, value), sums[cell])
        for cell in cells:
            vectors.store(builder.load(sums[cell]), targets[cell])
        return context.get_dummy_value()

    return types.void(a, n, n, n, b, n, n, c, n, n, n, n, n, n_vectors), codegen


@machine_word
def copy_vector(typing_context: Any, source: Any, source_start: Any, target: Any, target_start: Any) -> Any:
    """Copy one vector register's worth of elements."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = _Vectors(context, builder, source.dtype)
        value = vectors.load(_data(context, builder, signature.args[0], arguments[0], arguments[1]))
        vectors.store(value, _data(context, builder, signature.args[2], arguments[2], arguments[3]))
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp), codegen


@machine_word
def fused(typing_context: Any, x: Any, y: Any, z: Any) -> Any:
    """Compute ``x y + z`` with one rounding."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return x(x, x, x), codegen


@machine_word
def nearest(typing_context: Any, x: Any) -> Any:
    """Round to the nearest whole number, halves to even."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        name = "llvm.rint.f32" if x.bitwidth == 32 else "llvm.rint.f64"
        rint = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), name)
        return builder.call(rint, arguments)

    return x(x), codegen


@machine_word
def two_to(typing_context: Any, shifted: Any) -> Any:
    """Read ``2^n`` off a number whose lowest mantissa bits hold n plus the exponent's bias."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer, shift = (ir.IntType(32), 23) if shifted.bitwidth == 32 else (ir.IntType(64), 52)
        bits = builder.bitcast(arguments[0], integer)
        return builder.bitcast(builder.shl(bits, integer(shift)), arguments[0].type)

    return shifted(shifted), codegen


@machine_word
def add_and_get(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Add to an int64 as one action that no other thread can divide, and return the sum."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _data(context, builder, signature.args[0], arguments[0], arguments[1])
        return builder.add(builder.atomic_rmw("add", pointer, arguments[2], "seq_cst"), arguments[2])

    return types.int64(array, types.intp, types.int64), codegen


@machine_word
def read(typing_context: Any, array: Any, index: Any) -> Any:
    """Read an int64 that other threads write; what they wrote before it is then seen too."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _data(context, builder, signature.args[0], arguments[0], arguments[1])
        return builder.load_atomic(pointer, "seq_cst", 8)

    return types.int64(array, types.intp), codegen


@machine_word
def write(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write an int64 that other threads read, after all that was written before."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _data(context, builder, signature.args[0], arguments[0], arguments[1])
        builder.store_atomic(arguments[2], pointer, "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int64), codegen


if sys.platform == "win32":

    @kernel
    def give_way() -> None:
        """Do nothing: the system takes the core away when it wants to."""

else:
    _sched_yield = types.ExternalFunction("sched_yield", types.int32())

    @kernel
    def give_way() -> None:
        """Let another thread have the core."""
        _sched_yield()
