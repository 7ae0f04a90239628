"""Rules that rewrite the C++ of Brian2: each knows one text, and leaves any other as it is (decision 0012)."""

import re

import numpy as np

LOOP = "for(int _idx=0; _idx<_N; _idx++)\n    {"
IVDEP = "#pragma GCC ivdep"  # no cell of a group writes what another one reads
INDEX = r"const int64_t _(\w+)_indices = _ptr_\w+\[_idx\];"
OWN = r"(const (?:double|float) (\w+) = _ptr_\w+)\[_idx\];"
SHORT = 8  # chosen: doubles of the widest vectors
FIRES = "long _count = 0;\n    static char _fires[N + 8];"
CHECK = re.compile(r"for\(size_t _idx=0; _idx<N; _idx\+\+\)\s*\{[^;]*;(.*?_fires)(\[_idx\] = _cond;)\s*\}", re.S)
START = "\n    const int _N = N;"
WAITS = re.compile(r"not_refractory = _timestep\(t - lastspike, dt\) >= (\w+);")
READY = re.compile(
    r"for\(size_t _idx=0; _idx<N; _idx\+\+\)\s*\{[^;]*;(?P<reads>.*?)\s*char _cond;\s*if\(!not_refractory\)\s*"
    r"_cond = (?P<condition>[^\n;]*) && false;\s*else\s*_cond = (?P=condition) && true;\s*"
    r"if\(_cond\) \{\s*(?P<spikes>\w+)\[_count\+\+\] = _idx;(?P<rest>[^}]*)\}\s*\}",
    re.S,
)
BYTE = re.compile(r"\n *char not_refractory = (\w+)\[_idx\];")
AROUND = re.compile(r"#pragma GCC ivdep\n *(for ?\([^\n]*\))\s*\{\s*(const int _idx = [^;]*;)?")
NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")  # not the f of 1.0f
FUNCTIONS = {"_clip", "exp", "log1p"}  # of their arguments alone
INVARIANT = "_lio_"  # computed before a loop, and numbered in each file: in another it means another thing
SIZE = re.compile(r"const int64_t N = (\d+);")
STORED = re.compile(r"\n *_ptr_\w+\[_idx\] = \w+;(?!.*_ptr_\w+\[_idx\] = )", re.S)  # the last
SUM = re.compile(r"\b(projected_\d+)\(i\)")
FIRST = "_block + __builtin_ctzll(_any) / 8"  # each byte has one bit, and the lowest byte is of the first cell
SKIP = f"""for (size_t _block = 0; _block < N; _block += 8)
    {{
        uint64_t _any;
        memcpy(&_any, _fires + _block, 8);
        for (; _any; _any &= _any - 1)
            SPIKES[_count++] = {FIRST};
    }}
    SPIKES[N] = _count;"""


def nested(code, shape, strides):
    """State update of a grid of cells as nested loops, in which a copied dendrite has its place by arithmetic.

    Parameters
    ----------
    code : str
        C++ of a loop over all cells, which reads each index of a linked variable from an array.
    shape : tuple of int
        Sizes of the axes of the cells, in C order.
    strides : dict of str to tuple of int
        By linked variable, or constant that cells have in common: how far apart its values lie along each axis.

    Returns
    -------
    str
        The code as it was, where Brian2 writes it in another way than this knows.
    """
    before, loop, after = code.partition(LOOP)
    body, end, rest = after.partition("\n    }\n")
    if not (loop and end and set(re.findall(INDEX, body)) <= set(strides)):
        return code
    axes = [k for k, size in enumerate(shape) if size > 1] or [0]
    joined = axes[-2:] if shape[axes[-1]] < SHORT else axes[-1:]  # an innermost loop that is worth its start
    outer = axes[: -len(joined)]
    place = {name: _place(shape, steps, outer, joined) for name, steps in strides.items()}
    body = re.sub(r"const int32_t i = _ptr_\w+_i\[_idx\];", "const int32_t i = _idx;", body)
    body = re.sub(INDEX, lambda match: f"const int _{match[1]}_indices = {place[match[1]]};", body)
    body = re.sub(OWN, lambda match: f"{match[1]}[{place[match[2]]}];" if match[2] in place else match[0], body)
    fixed = "|".join(name for name, steps in strides.items() if not any(steps[k] for k in joined)) or "-"
    # what the innermost loop reads, it divides by
    once = rf"\n *const (?:int|double|float) _?(?:{fixed})(?:_\w+)? = .*"
    held = "".join(found[0] for found in re.finditer(once, body))
    own = _place(shape, [int(np.prod(shape[k + 1 :])) for k in range(len(shape))], outer, joined)
    around = " ".join(f"for (int _a{k} = 0; _a{k} < {shape[k]}; _a{k}++)" for k in outer)
    within = (
        f"\n{IVDEP}\n    for (unsigned _c = 0; _c < {int(np.prod([shape[k] for k in joined]))}; _c++)\n    {{\n"
        f"        const int _idx = {own};"
    )
    return f"{before}{around}\n    {{{held}{within}{re.sub(once, '', body)}{end}    }}\n{rest}"


def _place(shape, strides, outer, joined):
    """Flat index as C++, with a counter for each outer axis and one, `_c`, for the axes that are joined in one loop."""
    terms = [f"_a{k} * {strides[k]}" for k in outer if strides[k]]
    first, last = joined[0], joined[-1]
    if len(joined) == 1 or strides[first] == strides[last] * shape[last]:
        terms += [f"_c * {strides[last]}"] if strides[last] else []
    else:
        halves = (
            (f"_c / {shape[last]} * {strides[first]}", strides[first]),
            (f"_c % {shape[last]} * {strides[last]}", strides[last]),
        )
        terms += [f"({half})" for half, step in halves if step]
    return " + ".join(terms) or "0"


def ahead(code):
    """State update of dendrites whose sums (`wiring.dense`) are worked out before the loop over them, in place of in it."""
    before, loop, after = code.partition(LOOP)
    called = {name for name in SUM.findall(after) if f"void {name}_before()" in before}
    if not loop or called != {*SUM.findall(after)}:
        return code
    calls = "".join(f"{name}_before(); " for name in sorted(called))
    return f"{before}{calls}{loop}{SUM.sub(lambda found: f'{found[1]}_sums[_idx]', after)}"


def listed(code, group):
    """Check of an event that only cells which have just fired can raise: it goes through their list instead of all cells."""
    spikes = f"_array_{group}__spikespace"
    return code.replace(
        "for(size_t _idx=0; _idx<N; _idx++)\n    {",
        f"for (int _k = 0; _k < {spikes}[N]; _k++)\n    {{\n        const size_t _idx = {spikes}[_k];",
    )


def blockwise(code):
    """List of the spikes of a step: a loop without branches finds who fires, and silent cells are skipped by eights."""
    found = re.search(r"if\(_cond\) \{\s*(\w+)\[_count\+\+\] = _idx;\s*\}", code)
    if found is None:  # a cell that is refractory remembers its last spike
        return code
    spikes = found[1]
    code = code.replace(found[0], "_fires[_idx] = _cond;").replace("long _count = 0;", FIRES)
    return code.replace(f"{spikes}[N] = _count;", SKIP.replace("SPIKES", spikes))


def fused(update, check, group):
    """State update and threshold of a group (a pair of str), in which the update notes who is beyond the threshold while it
    holds the cell, and the threshold goes through the notes; as they were where either is not as this knows it."""
    found, stored, size = CHECK.search(check), STORED.search(update), SIZE.search(check)
    known = found and stored and size and START in update and INVARIANT not in found[1]
    if not known or not all(f"{each} =" in update for each in re.findall(r"_ptr_\w+", found[1])):
        return update, check
    notes = f"_fires_{group}"
    update = f"{update[: stored.end()]}\n        {{{found[1]}{found[2]}}}{update[stored.end() :]}"
    constants = _constants(check, found[1], update)
    # a pointer, since an array would keep it from vectors
    pointer = f"\n{constants}    char* __restrict _fires = {notes};\n    const int _N = N;"
    update = f"extern char {notes}[];\n{update.replace(START, pointer)}"
    check = check.replace(found[0], "").replace(FIRES, "long _count = 0;").replace("_fires", notes)
    return update, f"char {notes}[{size[1]} + 8];\n{check}"


def hoisted(code):
    """Nested loops in which a function of what the innermost loop holds fixed is called before that loop.

    The branches of `_clip` keep a compiler from vectors, so that exponentials are taken one by one; a table of the rate is
    read once for all cells that share a drive.

    Parameters
    ----------
    code : str
        C++ of a state update, as `nested` gives it.

    Returns
    -------
    str
        The code as it was, where no call has fixed arguments alone.
    """
    head, pragma, tail = code.partition(f"{IVDEP}\n    for (unsigned _c")
    fixed = {*re.findall(r"const \w+ (\w+) = ", head), "INFINITY"}
    for k, (name, call) in enumerate(_calls(tail)):
        if {*NAME.findall(call)} - {name, *FUNCTIONS} <= fixed and call in tail:
            head += f"const double _held_{k} = {call};\n"
            tail = tail.replace(call, f"_held_{k}")
    return head + pragma + tail


def _calls(code):
    """Calls of `_clip` and of tables, with their arguments, the outer before the inner (name, text)."""
    for found in re.finditer(r"\b(_clip|_timedarray_\d+)\(", code):
        depth, stop = 1, found.end()
        while depth and stop < len(code):
            depth += {"(": 1, ")": -1}.get(code[stop], 0)
            stop += 1
        yield found[1], code[found.start() : stop]


def refractory(update, check, group):
    """State update and threshold of refractory cells, in which a short loop notes who is refractory and who fires.

    Bytes beside doubles in one loop would force the width of its vectors. The threshold goes through the notes. A cell is
    refractory for a whole number of steps: times are compared with a margin of a thousandth of one, as in Brian2.

    Parameters
    ----------
    update, check : str
        C++ of the state update and of the threshold.
    group : str

    Returns
    -------
    update, check : str
        As they were where either is not as this knows it.
    """
    found = [WAITS.search(update), READY.search(check), BYTE.search(update), AROUND.search(update), SIZE.search(check)]
    if not (all(found) and START in update and "double lastspike = " in update):
        return update, check
    waits, ready, byte, around, size = found
    reads = re.sub(r"\s*const char not_refractory = [^;]*;", "", ready["reads"])
    known = all(each in update for each in re.findall(r"_ptr_\w+", reads))
    if not known or INVARIANT in reads + ready["condition"]:
        return update, check
    notes, short = f"_fires_{group}", _short_loop(around, reads, byte[1], ready["condition"])
    end = update.index("\n    }\n", around.end()) + len("\n    }\n")
    update = f"{update[:end]}{short}{update[end:]}".replace(byte[0], "")
    update = update.replace(waits[0], "const bool not_refractory = (t - lastspike) >= _least;")
    update = update.replace(f"\n        {byte[1]}[_idx] = not_refractory;\n", "\n", 1)
    constants = _constants(check, ready["condition"], update)
    least = f"    const double _least = {waits[1]} * dt - 1e-3 * dt;"
    start = f"\n    char* __restrict _fires = {notes};\n{constants}{least}{START}"
    update = f"extern char {notes}[];\n{update.replace(START, start, 1)}"
    fires = f"{{\n    const size_t _idx = {FIRST};\n    {ready['spikes']}[_count++] = _idx;{ready['rest']}}}"
    skip = SKIP.partition("\n    SPIKES[N]")[0].replace(f"SPIKES[_count++] = {FIRST};", fires).replace("_fires", notes)
    return update, f"char {notes}[{size[1]} + 8];\n{check.replace(ready[0], skip)}"


def _short_loop(around, reads, byte, condition):
    """Second loop over the cells of the first: who is refractory, and who fires."""
    return (
        f"\n{IVDEP}\n    {around[1]}\n    {{\n        {around[2] or ''}{reads}\n"
        f"        const bool not_refractory = (t - {byte.replace('not_refractory', 'lastspike')}[_idx]) >= _least;\n"
        f"        _fires[_idx] = ({condition}) & not_refractory;\n        {byte}[_idx] = not_refractory;\n    }}\n"
    )


def _constants(check, condition, update):
    """Declarations of the constants of a threshold's condition that the state update lacks."""
    declared = re.findall(r"const (?:double|int64_t) \w+ = [^;]*;", check.partition("MAIN CODE")[0])
    named = {each.split()[2]: each for each in declared}
    used = {*NAME.findall(condition)}
    return "".join(f"    {each}\n" for name, each in named.items() if name in used and f" {name} = " not in update)
