"""Compilation units: the code objects of Brian2, a file each, joined into a few.

Headers and templates are then read a few times in place of a hundred, and what runs once is not optimised.
"""

import re

ONCE = re.compile(r"before_run_|after_run_|.*_synapses_create_")  # names of what runs once
HEAVY = re.compile(
    r".*_(stateupdater|run_regularly|subexpression_update)_codeobject"
)  # loops that take long to optimise
N_UNIT = 4  # chosen: units of a kind, which processors share and the cache keeps
OWN, INSIDE = "\nnamespace {", "    using namespace brian;"


def joined(sources):
    """Code objects joined into units.

    Each file has helpers in a namespace without a name; it gets one, which its functions use, so that helpers of the same
    name stay apart.

    Parameters
    ----------
    sources : dict of str to str
        Text of each code object, by the name of its file without ending.

    Returns
    -------
    dict of str to (str, tuple of str)
        By the name of each unit its text, and the names of the code objects in it. A code object in a form that this does
        not know is in none.
    """
    known = [name for name, text in sorted(sources.items()) if OWN in text and INSIDE in text]
    kinds = {"once": [], "heavy": [], "light": []}
    for name in known:
        kinds["once" if ONCE.match(name) else "heavy" if HEAVY.match(name) else "light"].append(name)
    units = {"once": kinds["once"]}
    units |= {f"{kind}_{k}": kinds[kind][k::N_UNIT] for kind in ("heavy", "light") for k in range(N_UNIT)}
    return {
        unit: ("\n".join(_named(sources[name], f"_of_{name}") for name in names), tuple(names))
        for unit, names in units.items() if names
    }  # fmt: skip


def _named(text, space):
    """Text of a code object with its helpers in a namespace of a name."""
    text = text.replace(OWN, f"\nnamespace {space} {{").replace(INSIDE, f"{INSIDE} using namespace {space};")
    return f"namespace {space} {{}}\n{text}"
