"""Between rows of states and lanes of vector registers, in the assembly language of LLVM.

Arrays hold one state after another; the work array holds, for each value, the same value of ``n`` states. Carrying
``n`` rows over is a transpose, done in registers on tiles of ``n`` by ``n`` values.
"""

_SIZES = {"double": 8, "float": 4}
"""Bytes of a value of each type."""
_SIGNATURE = "(ptr noalias %rows, i64 %stride, i64 %width, ptr noalias %work) noinline"


def lane_functions(n: int, scalar: str) -> str:
    """Return the functions that carry rows to lanes (``gather``), back (``scatter``), and that look at values.

    ``gather`` and ``scatter`` take the first row, the stride between rows, the width of a row, at least ``n``, and the
    first place in the work array; ``gather_few`` and ``scatter_few`` do the same for any width. ``check`` takes the
    work array and a count of places, at least one, and returns 1 if any value there is negative or not finite.

    Parameters
    ----------
    n : int
        Number of lanes, a power of two.
    scalar : {"double", "float"}
        Type of a value.
    """
    bodies = {
        "gather": _tiles(n, scalar, to_lanes=True),
        "scatter": _tiles(n, scalar, to_lanes=False),
        "gather_few": _one_by_one(n, scalar, f"%x = load {scalar}, ptr %p\nstore {scalar} %x, ptr %q"),
        "scatter_few": _one_by_one(n, scalar, f"%x = load {scalar}, ptr %q\nstore {scalar} %x, ptr %p"),
    }
    carriers = [f"define internal void @{name}{_SIGNATURE} {{\n{body}\n}}" for name, body in bodies.items()]
    return "\n".join([*carriers, _check(n, scalar)])


def _tiles(n: int, scalar: str, *, to_lanes: bool) -> str:
    """Return the body that carries tiles of n by n values; the last tile overlaps its predecessor."""
    vector, align = f"<{n} x {scalar}>", f"align {_SIZES[scalar]}"
    rows = [
        f"%o{i} = mul i64 %stride, {i}\n%oj{i} = add i64 %o{i}, %j\n"
        f"%p{i} = getelementptr {scalar}, ptr %rows, i64 %oj{i}"
        for i in range(n)
    ]
    works = [f"%wj{i} = add i64 %j, {i}\n%q{i} = getelementptr {vector}, ptr %work, i64 %wj{i}" for i in range(n)]
    names, shuffles = _transposed(n, vector)
    if to_lanes:
        loads = [f"%a{i} = load {vector}, ptr %p{i}, {align}" for i in range(n)]
        stores = [f"store {vector} {name}, ptr %q{i}" for i, name in enumerate(names)]
    else:
        loads = [f"%a{i} = load {vector}, ptr %q{i}" for i in range(n)]
        stores = [f"store {vector} {name}, ptr %p{i}, {align}" for i, name in enumerate(names)]
    inner = "\n".join([*rows, *works, *loads, *shuffles, *stores])
    return f"""entry:
%highest = sub i64 %width, {n}
br label %group
group:
%at = phi i64 [0, %entry], [%next, %group]
%over = icmp sgt i64 %at, %highest
%j = select i1 %over, i64 %highest, i64 %at
{inner}
%next = add i64 %at, {n}
%more = icmp slt i64 %next, %width
br i1 %more, label %group, label %done
done:
ret void"""


def _transposed(n: int, vector: str) -> tuple[list[str], list[str]]:
    """Transpose n vectors ``%a0`` ...: halves are exchanged at distance n/2, n/4, ..., 1; return names and lines."""
    names, lines, step = [f"%a{i}" for i in range(n)], [], n // 2
    while step:
        low = [i + (n if i & step else 0) - (step if i & step else 0) for i in range(n)]
        high = [i + (n if i & step else 0) + (0 if i & step else step) for i in range(n)]
        for i in range(n):
            if not i & step:
                a, b = names[i], names[i + step]
                for name, mask in ((f"%as{step}.{i}", low), (f"%as{step}.{i + step}", high)):
                    picked = ", ".join(f"i32 {m}" for m in mask)
                    lines.append(f"{name} = shufflevector {vector} {a}, {vector} {b}, <{n} x i32> <{picked}>")
                names[i], names[i + step] = f"%as{step}.{i}", f"%as{step}.{i + step}"
        step //= 2
    return names, lines


def _one_by_one(n: int, scalar: str, inner: str) -> str:
    """Return the body that carries value after value, between ``%p`` among the rows and ``%q`` in the work array."""
    return f"""entry:
br label %column
column:
%j = phi i64 [0, %entry], [%nextj, %after]
br label %lane
lane:
%i = phi i64 [0, %column], [%nexti, %lane]
%o = mul i64 %stride, %i
%oj = add i64 %o, %j
%p = getelementptr {scalar}, ptr %rows, i64 %oj
%w = mul i64 %j, {n}
%wi = add i64 %w, %i
%q = getelementptr {scalar}, ptr %work, i64 %wi
{inner}
%nexti = add i64 %i, 1
%morei = icmp slt i64 %nexti, {n}
br i1 %morei, label %lane, label %after
after:
%nextj = add i64 %j, 1
%morej = icmp slt i64 %nextj, %width
br i1 %morej, label %column, label %done
done:
ret void"""


def _check(n: int, scalar: str) -> str:
    """Return the function that looks for values that are negative or not finite."""
    vector, infinity = f"<{n} x {scalar}>", f"splat ({scalar} 0x7FF0000000000000)"
    return f"""define internal i64 @check(ptr %work, i64 %width) noinline {{
entry:
br label %column
column:
%j = phi i64 [0, %entry], [%next, %column]
%good = phi <{n} x i1> [splat (i1 true), %entry], [%both, %column]
%p = getelementptr {vector}, ptr %work, i64 %j
%x = load {vector}, ptr %p
%positive = fcmp oge {vector} %x, zeroinitializer
%finite = fcmp olt {vector} %x, {infinity}
%one = and <{n} x i1> %positive, %finite
%both = and <{n} x i1> %good, %one
%next = add i64 %j, 1
%more = icmp slt i64 %next, %width
br i1 %more, label %column, label %done
done:
%bits = bitcast <{n} x i1> %both to i{n}
%all = icmp eq i{n} %bits, -1
%result = select i1 %all, i64 0, i64 1
ret i64 %result
}}"""
