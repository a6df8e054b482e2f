"""Matrices times eight columns at once, written as vector instructions: what a loop is compiled to is left to chance.

The functions are called from compiled code, with the addresses of contiguous arrays of double precision; columns are
chains. They read and write what lies at those addresses, so shapes must be right.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
"""Chains of a group."""
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_SIZE = 8


def _vector(builder, start, row):
    """Return the address of a row of eight values."""
    return builder.gep(builder.inttoptr(start, _VECTOR.as_pointer()), [row])


def _load(builder, start, row):
    return builder.load(_vector(builder, start, row), align=_SIZE)


def _value(builder, start, place, kind):
    """Load one value of an array."""
    return builder.load(builder.gep(builder.inttoptr(start, kind.as_pointer()), [place]))


def _spread(builder, scalar):
    """Return a scalar in every lane."""
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


def _add_multiple(builder, own, factor, total):
    """Add a vector times a factor to the vector at an address."""
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    fused = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f64")
    builder.store(builder.call(fused, [own, _spread(builder, factor), builder.load(total)]), total)


@intrinsic
def multiply(typing_context, matrix, rows, columns, vectors, result):  # pyright: ignore[reportUnusedParameter]
    """Fill ``result = matrix @ vectors``.

    Parameters
    ----------
    matrix : int
        Address of an array of shape ``(row, column)``.
    rows, columns : int
        Its shape.
    vectors, result : int
        Addresses of arrays of shapes ``(column, lane)`` and ``(row, lane)``.
    """

    def generate(context, builder, signature, values):
        matrix, rows, columns, vectors, result = values
        one = ir.Constant(rows.type, 1)
        sums = [cgutils.alloca_once(builder, _VECTOR) for _ in range(2)]  # two rows share what is loaded
        with cgutils.for_range(builder, builder.lshr(builder.add(rows, one), one)) as pair:
            first = builder.shl(pair.index, one)
            last = builder.sub(rows, one)
            second = builder.select(builder.icmp_signed("<", first, last), builder.add(first, one), last)
            for each in sums:
                builder.store(ir.Constant(_VECTOR, None), each)
            starts = [builder.mul(row, columns) for row in (first, second)]
            with cgutils.for_range(builder, columns) as column:
                own = _load(builder, vectors, column.index)
                for start, each in zip(starts, sums, strict=True):
                    factor = _value(builder, matrix, builder.add(start, column.index), ir.DoubleType())
                    _add_multiple(builder, own, factor, each)
            for row, each in zip((first, second), sums, strict=True):
                builder.store(builder.load(each), _vector(builder, result, row), align=_SIZE)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, types.intp, types.intp), generate


@intrinsic
def multiply_sparse(typing_context, starts, columns, entries, rows, vectors, begin, result):  # pyright: ignore[reportUnusedParameter]
    """Fill ``result = begin + matrix @ vectors``, for a sparse matrix and one value for each row to begin with.

    Parameters
    ----------
    starts, columns, entries : int
        Addresses of the first entry of each row, of the column and of the value of each entry.
    rows : int
        Number of rows.
    vectors, result : int
        Addresses of arrays of shapes ``(column, lane)`` and ``(row, lane)``.
    begin : int
        Address of an array of shape ``(row,)``.
    """

    def generate(context, builder, signature, values):
        starts, columns, entries, rows, vectors, begin, result = values
        integer = ir.IntType(64)
        total = cgutils.alloca_once(builder, _VECTOR)
        with cgutils.for_range(builder, rows) as row:
            builder.store(_spread(builder, _value(builder, begin, row.index, ir.DoubleType())), total)
            first = _value(builder, starts, row.index, integer)
            end = _value(builder, starts, builder.add(row.index, ir.Constant(integer, 1)), integer)
            with cgutils.for_range(builder, builder.sub(end, first)) as entry:
                place = builder.add(first, entry.index)
                own = _load(builder, vectors, _value(builder, columns, place, integer))
                _add_multiple(builder, own, _value(builder, entries, place, ir.DoubleType()), total)
            builder.store(builder.load(total), _vector(builder, result, row.index), align=_SIZE)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 7), generate
