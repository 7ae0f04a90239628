"""Compiled circuits: Brian2's C++ standalone device, compiled in a fraction of the time and never twice.

Brian2 writes a file for each thing that a step does, and each of them includes the same headers: these are compiled once.
What sets the arrays up runs once, so it is not optimised. What was compiled is kept under the hash of its source, the
headers, the flags, the compiler and the processor. Two inputs of one size differ only in arrays that the program reads, so
that they compile to the same; a longer run differs in the main program alone.
"""

import hashlib
import os
import re
import shutil
import subprocess
from contextlib import ExitStack, contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import ClassVar

import numpy as np
from brian2 import Network
from brian2.devices import all_devices
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice

from cortical_attention.circuits.protocol import RunError
from cortical_attention.simulation import kept

LOOP = "for(int _idx=0; _idx<_N; _idx++)\n    {"
IVDEP = "#pragma GCC ivdep"  # no cell of a group writes what another one reads
INDEX = r"const int64_t _(\w+)_indices = _ptr_\w+\[_idx\];"
OWN = r"(const double (\w+) = _ptr_\w+)\[_idx\];"
PATHWAY = Path(__file__).with_name("synapses_classes.h")
SHORT = 8  # chosen: doubles of the widest vectors
FIRES = "long _count = 0;\n    static char _fires[N + 8];"
CHECK = re.compile(r"for\(size_t _idx=0; _idx<N; _idx\+\+\)\s*\{[^;]*;(.*?_fires)(\[_idx\] = _cond;)\s*\}", re.S)
START = "\n    const int _N = N;"
STORED = re.compile(r"\n *_ptr_\w+\[_idx\] = \w+;(?!.*_ptr_\w+\[_idx\] = )", re.S)  # the last
SKIP = """for (size_t _block = 0; _block < N; _block += 8)
    {
        uint64_t _any;
        memcpy(&_any, _fires + _block, 8);
        if (_any)
            for (size_t _idx = _block; _idx < _block + 8; _idx++)
                if (_fires[_idx])
                    SPIKES[_count++] = _idx;
    }
    SPIKES[N] = _count;"""
VECTOR_EXP = """#include <cmath>
#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#if __GLIBC_PREREQ(2, 22)
extern "C" __attribute__((simd("notinbranch"))) double exp(double) noexcept;
#endif
#endif"""  # glibc has an exp of many numbers at once, but declares it only where all arithmetic is taken to be finite
FEW = 4  # files that are compiled sooner than the headers are
HEADERS = ("objects.h", "network.h", "synapses_classes.h", "brianlib/common_math.h", "brianlib/stdint_compat.h")
STANDARD_HEADERS = ("algorithm", "climits", "cmath", "cstring", "ctime", "fstream", "iostream", "sstream", "vector")


class Compiled(CPPStandaloneDevice):
    """C++ standalone, of which only the compilation differs."""

    def build(self, *arguments, **options):
        """Project, written so that the same network is the same text: Brian2 starts its clocks in the order of a set."""
        runs = groupby(self.main_queue, key=_starts_clock)
        self.main_queue = [line for starts, lines in runs for line in (sorted(lines) if starts else lines)]
        super().build(*arguments, **options)

    layout: ClassVar[dict] = {}  # by group: shape of its cells, and strides of what they read (`nested`)

    def generate_codeobj_source(self, writer):
        """Code objects: a grid of cells is updated in nested loops, and silent cells are skipped."""
        super().generate_codeobj_source(writer)
        folder = Path(self.project_dir) / "code_objects"
        for path in folder.glob("*.cpp"):
            code = path.read_text(encoding="utf-8")
            name, _, what = path.stem.removesuffix("_codeobject").rpartition("_")
            if what == "stateupdater" and name in self.layout:
                code = nested(code, *self.layout[name])
            if what in ("stateupdater", "regularly"):
                code = code.replace(LOOP, f"\n{IVDEP}\n    {LOOP}")
            if what == "thresholder":
                code = listed(code, name.removesuffix("_recorded")) if name.endswith("_recorded") else blockwise(code)
            path.write_text(code, encoding="utf-8")
        for update in folder.glob("*_stateupdater_codeobject.cpp"):
            group = update.name.removesuffix("_stateupdater_codeobject.cpp")
            check = update.with_name(f"{group}_spike_thresholder_codeobject.cpp")
            if check.exists() and not update.with_name(f"{group}_run_regularly_codeobject.cpp").exists():
                codes = fused(update.read_text(encoding="utf-8"), check.read_text(encoding="utf-8"), group)
                for path, code in zip((update, check), codes, strict=True):
                    path.write_text(code, encoding="utf-8")

    def generate_synapses_classes_source(self, writer):
        """How spikes find their synapses, which have one delay for each projection."""
        writer.write("synapses_classes.h", PATHWAY.read_text(encoding="utf-8"))

    def generate_makefile(self, writer, kind, compiler_flags, linker_flags, nb_threads, debug):
        """Makefile with one header, compiled before all else, for every source."""
        if kind != "unix":
            super().generate_makefile(writer, kind, compiler_flags, linker_flags, nb_threads, debug)
            return
        included = [f'#include "{name}"' for name in HEADERS] + [f"#include <{name}>" for name in STANDARD_HEADERS]
        writer.write("all.h", "\n".join([VECTOR_EXP, *included]) + "\n")
        objects = " ".join(sorted(source.replace(".cpp", ".o") for source in writer.source_files))
        lines = [
            f"CXX = {compiler()}",
            f"FLAGS = {compiler_flags} -I.",
            f"main: {objects}\n\t$(CXX) $^ -o $@ {linker_flags}",
            "all.h.gch: all.h\n\t$(CXX) $(FLAGS) -x c++-header $< -o $@",
            "%.o: %.cpp\n\t$(CXX) $(FLAGS) -include all.h -c $< -o $@",
            "objects.o: FLAGS += -O0",
        ]
        writer.write("makefile", "\n".join(lines) + "\n")

    def compile_source(self, directory, kind, debug, clean):
        """Program of the project, kept or made."""
        if kind != "unix":
            super().compile_source(directory, kind, debug, clean)
            return
        folder = Path(directory)
        with _alone():
            names = {source.with_suffix(".o"): f"{name}.sealed" for source, name in keys(folder).items()}
            missing = _fetch(names)
            if len(missing) > FEW:
                _make(folder, "all.h.gch")
            try:
                _make(folder, "main")
            except RunError:
                if len(missing) == len(names):
                    raise
                for made in names:  # whole as they are, some objects that were kept may not fit
                    made.unlink(missing_ok=True)
                _make(folder, "main")
                missing = list(names)
            if kept.cache() is not None:
                kept.keep({kept.cache() / names[made]: made.read_bytes() for made in missing})

    def run(self, *arguments, **options):
        """Run the program."""
        try:
            super().run(*arguments, **options)
        except PermissionError as error:
            raise RunError(
                f"the target cpp failed: its program cannot be run in {self.project_dir}; set TMPDIR to a folder in which "
                "programs can run"
            ) from error
        except RuntimeError as error:
            if Network._globally_stopped:  # before the program had taken hold of the interruption
                raise KeyboardInterrupt from error
            raise RunError("the target cpp failed: its program was compiled, but the run failed") from error


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
    body = re.sub(INDEX, lambda match: f"const int _{match[1]}_indices = {place[match[1]]};", body)
    body = re.sub(OWN, lambda match: f"{match[1]}[{place[match[2]]}];" if match[2] in place else match[0], body)
    fixed = "|".join(name for name, steps in strides.items() if not any(steps[k] for k in joined)) or "-"
    once = rf"\n *const (?:int|double) _?(?:{fixed})(?:_\w+)? = .*"  # what the innermost loop reads, it divides by
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
    found, stored, size = CHECK.search(check), STORED.search(update), re.search(r"const int64_t N = (\d+);", check)
    known = found and stored and size and START in update
    if not known or not all(f"{each} =" in update for each in re.findall(r"_ptr_\w+", found[1])):
        return update, check
    notes = f"_fires_{group}"
    update = f"{update[: stored.end()]}\n        {{{found[1]}{found[2]}}}{update[stored.end() :]}"
    pointer = f"\n    char* __restrict _fires = {notes};\n    const int _N = N;"  # an array would keep it from vectors
    update = f"extern char {notes}[];\n{update.replace(START, pointer)}"
    check = check.replace(found[0], "").replace(FIRES, "long _count = 0;").replace("_fires", notes)
    return update, f"char {notes}[{size[1]} + 8];\n{check}"


def _starts_clock(line):
    """Whether a line of the main program sets the time of a clock."""
    name, content = line
    return name == "set_by_single_value" and "_clock" in content[0]


all_devices["compiled"] = Compiled()


def compiler():
    """The C++ compiler that would be called, or None."""
    return shutil.which("g++") or shutil.which("clang++")


def _fetch(names):
    """Copy the objects that were kept, by the name each was kept under (dict of Path to str); gives the others."""
    missing = []
    for made, name in names.items():
        content = None if kept.cache() is None else kept.load(kept.cache() / name)
        if content is None:
            missing.append(made)
        else:
            made.write_bytes(content)
    return missing


@contextmanager
def _alone():
    """One process compiles at a time, since the next one may want the same; where that cannot be arranged, all do."""
    with ExitStack() as stack:
        with suppress(OSError, ImportError):
            import fcntl

            if kept.cache() is not None:
                kept.cache().mkdir(parents=True, exist_ok=True)
                fcntl.flock(stack.enter_context(kept.cache().with_name("compiling").open("w")), fcntl.LOCK_EX)
        yield


def keys(folder):
    """Hash of everything that each source of a project compiles to depends on (dict of Path to str)."""
    common = hashlib.sha256(_said("--version") + _said("-march=native", "-E", "-dM", "-x", "c++", os.devnull))
    for path in sorted([*folder.rglob("*.h"), folder / "makefile"]):
        common.update(f"\n{path.relative_to(folder)}\n".encode() + path.read_bytes())
    found = {}
    for path in folder.rglob("*.cpp"):
        own = common.copy()
        own.update(f"\n{path.relative_to(folder)}\n".encode() + path.read_bytes())
        found[path] = own.hexdigest()
    return found


def _said(*options):
    """What the compiler prints: its version, or all that it defines for this processor."""
    return subprocess.run([compiler(), *options], capture_output=True, check=False).stdout


def _make(folder, goal):
    """Compile, as many files at once as there are processors for this process.

    Raises
    ------
    RunError
        If a source does not compile.
    """
    jobs = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = ["make", f"-j{jobs}", goal]
    if shutil.which("make") is None:
        raise RunError("the target cpp needs make, and none was found; --target numpy needs none")
    done = subprocess.run(asked, cwd=folder, capture_output=True, check=False)
    if done.returncode:
        raise RunError(f"the target cpp failed: its code does not compile{_complaint(done)}; try --target numpy")


def _complaint(done):
    """The first error that the compiler found, in brackets; nothing where it names none."""
    lines = done.stderr.decode(errors="replace").splitlines()
    errors = [line.rpartition("error: ")[2] for line in lines if "error: " in line]
    return f" ({errors[0]})" if errors else ""
