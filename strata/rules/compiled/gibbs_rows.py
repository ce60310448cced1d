# mypy: disable-error-code="no-untyped-call,import-untyped"
"""The product of a list of values with rows of a matrix, a machine word that numba lacks."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from strata.rules.compiled._jit import _data, _Vectors, machine_word

__all__ = ["add_rows"]


@machine_word
def add_rows(
    typing_context: Any,
    places: Any,
    values: Any,
    first: Any,
    count: Any,
    b: Any,
    b_start: Any,
    b_step: Any,
    c: Any,
    c_start: Any,
    n_vectors: Any,
) -> Any:
    """Add to C some rows of B, each times a value: ``C += sum_k values[k] B[places[k]]``, over ``n_vectors`` vectors.

    ``places`` and ``values`` are read from ``first``, ``count`` of them; row i of B starts at ``b_start + i b_step``.
    """
    if not isinstance(n_vectors, types.IntegerLiteral):
        return None
    width, n = n_vectors.literal_value, types.intp

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        places_, values_, first_, count_, b_, b_start_, b_step_, c_, c_start_, _ = arguments
        vectors = _Vectors(context, builder, b.dtype)
        integer = context.get_value_type(n)
        place_data = _data(context, builder, signature.args[0], places_, first_)
        value_data = _data(context, builder, signature.args[1], values_, first_)
        b_data = _data(context, builder, signature.args[4], b_, b_start_)
        c_data = _data(context, builder, signature.args[7], c_, c_start_)
        targets = [builder.gep(c_data, [integer(j * vectors.count)]) for j in range(width)]
        sums = [cgutils.alloca_once_value(builder, vectors.load(target)) for target in targets]
        fma = _fused(builder, vectors)
        with cgutils.for_range(builder, count_) as loop:
            place = builder.zext(builder.load(builder.gep(place_data, [loop.index])), integer)
            factor = vectors.broadcast(builder.load(builder.gep(value_data, [loop.index])))
            row = builder.gep(b_data, [builder.mul(place, b_step_)])
            for j in range(width):
                term = vectors.load(builder.gep(row, [integer(j * vectors.count)]))
                builder.store(builder.call(fma, [factor, term, builder.load(sums[j])]), sums[j])
        for j in range(width):
            vectors.store(builder.load(sums[j]), targets[j])
        return context.get_dummy_value()

    return types.void(places, values, n, n, b, n, n, c, n, n_vectors), codegen


def _fused(builder: Any, vectors: Any) -> Any:
    name = f"llvm.fma.v{vectors.type.count}f{vectors.item * 8}"
    kind = ir.FunctionType(vectors.type, [vectors.type] * 3)
    return cgutils.get_or_insert_function(builder.module, kind, name)
