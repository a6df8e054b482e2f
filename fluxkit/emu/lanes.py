"""Between rows of states and lanes of vector registers, in the assembly language of LLVM.

Arrays hold one state after another; the work array holds, for each value, the same value of ``n`` states. Carrying
``n`` rows over is a transpose, done in registers on tiles of ``n`` by ``n`` values.
"""


def lane_functions(n: int, scalar: str) -> str:
    """Return the functions that carry rows to lanes (``gather``), back (``scatter``), and that look at values.

    ``gather`` and ``scatter`` take the first row, the stride between rows, the width of a row, at least ``n``, and the
    first place in the work array; ``gather_few`` and ``scatter_few`` do the same for any width. ``check`` takes the
    work array and a count of places and returns 1 if any value there is negative or not finite.

    Parameters
    ----------
    n : int
        Number of lanes, a power of two.
    scalar : {"double", "float"}
        Type of a value.
    """
    v, size = f"<{n} x {scalar}>", {"double": 8, "float": 4}[scalar]

    def turned(first: str) -> tuple[list[str], list[str]]:
        """Transpose n vectors named ``first0`` ...: halves are exchanged at distance n/2, n/4, ..., 1."""
        names, lines, step = [f"%{first}{i}" for i in range(n)], [], n // 2
        while step:
            low = [i + (n if i & step else 0) - (step if i & step else 0) for i in range(n)]
            high = [i + (n if i & step else 0) + (0 if i & step else step) for i in range(n)]
            for i in range(n):
                if not i & step:
                    a, b = names[i], names[i + step]
                    for name, mask in ((f"%{first}s{step}.{i}", low), (f"%{first}s{step}.{i + step}", high)):
                        picked = ", ".join(f"i32 {m}" for m in mask)
                        lines.append(f"{name} = shufflevector {v} {a}, {v} {b}, <{n} x i32> <{picked}>")
                    names[i], names[i + step] = f"%{first}s{step}.{i}", f"%{first}s{step}.{i + step}"
            step //= 2
        return names, lines

    loop_head = f"""entry:
%highest = sub i64 %width, {n}
br label %group
group:
%at = phi i64 [0, %entry], [%next, %group]
%over = icmp sgt i64 %at, %highest
%j = select i1 %over, i64 %highest, i64 %at"""
    loop_tail = f"""%next = add i64 %at, {n}
%more = icmp slt i64 %next, %width
br i1 %more, label %group, label %done
done:
ret void"""
    names, shuffles = turned("a")
    rows = [
        f"%o{i} = mul i64 %stride, {i}\n%oj{i} = add i64 %o{i}, %j\n"
        f"%p{i} = getelementptr {scalar}, ptr %rows, i64 %oj{i}"
        for i in range(n)
    ]
    works = [f"%wj{i} = add i64 %j, {i}\n%q{i} = getelementptr {v}, ptr %work, i64 %wj{i}" for i in range(n)]
    load_rows = [f"%a{i} = load {v}, ptr %p{i}, align {size}" for i in range(n)]
    load_work = [f"%a{i} = load {v}, ptr %q{i}" for i in range(n)]
    store_work = [f"store {v} {name}, ptr %q{i}" for i, name in enumerate(names)]
    store_rows = [f"store {v} {name}, ptr %p{i}, align {size}" for i, name in enumerate(names)]
    signature = "(ptr noalias %rows, i64 %stride, i64 %width, ptr noalias %work) noinline {"
    gather = "\n".join([loop_head, *rows, *works, *load_rows, *shuffles, *store_work, loop_tail])
    scatter = "\n".join([loop_head, *rows, *works, *load_work, *shuffles, *store_rows, loop_tail])

    def few(inner: str) -> str:
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

    gather_few = few(f"%x = load {scalar}, ptr %p\nstore {scalar} %x, ptr %q")
    scatter_few = few(f"%x = load {scalar}, ptr %q\nstore {scalar} %x, ptr %p")
    infinity = f"splat ({scalar} 0x7FF0000000000000)"
    check = f"""define internal i64 @check(ptr %work, i64 %width) noinline {{
entry:
br label %column
column:
%j = phi i64 [0, %entry], [%next, %column]
%good = phi <{n} x i1> [splat (i1 true), %entry], [%both, %column]
%p = getelementptr {v}, ptr %work, i64 %j
%x = load {v}, ptr %p
%positive = fcmp oge {v} %x, zeroinitializer
%finite = fcmp olt {v} %x, {infinity}
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
    return "\n".join(
        [
            *(f"define internal void @{name}{signature}\n{body}\n}}" for name, body in
              (("gather", gather), ("scatter", scatter), ("gather_few", gather_few), ("scatter_few", scatter_few))),
            check,
        ]
    )  # fmt: skip
