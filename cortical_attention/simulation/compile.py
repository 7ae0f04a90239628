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
import signal
import subprocess
from contextlib import ExitStack, contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import ClassVar
from unittest import mock

import brian2
from brian2 import Network, get_logger
from brian2.core.names import find_name
from brian2.devices import all_devices
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice

from cortical_attention.circuits.protocol import RunError
from cortical_attention.simulation import kept
from cortical_attention.simulation.rewrite import (
    IVDEP,
    LOOP,
    ahead,
    blockwise,
    fused,
    hoisted,
    listed,
    nested,
    refractory,
)
from cortical_attention.simulation.rewrite_synapses import by_rows, direct, unwritten
from cortical_attention.simulation.units import joined

logger = get_logger(__name__)
PATHWAY = Path(__file__).with_name("synapses_classes.h")
VECTOR_EXP = """#include <cmath>
#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#if __GLIBC_PREREQ(2, 22)
extern "C" __attribute__((simd("notinbranch"))) double exp(double) noexcept;
extern "C" __attribute__((simd("notinbranch"))) float expf(float) noexcept;
#endif
#endif"""  # glibc has an exp of many numbers at once, but declares it only where all arithmetic is taken to be finite
OPTIMISED = "-O3"  # Brian2 drops every flag with which its test file does not compile, for whatever reason
UNTESTED = (2, 12)  # first version of Brian2 that was not there
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

    def code_object(self, owner, name, *arguments, **options):
        """Code object named after those of this program, whatever others live: what follows knows them by their names."""
        return super().code_object(owner, find_name(name, self.code_objects), *arguments, **options)

    layout: ClassVar[dict] = {}  # by group: shape of its cells, and strides of what they read (`nested`)

    def generate_codeobj_source(self, writer):
        """Code objects: a grid of cells is updated in nested loops, and silent cells are skipped."""
        super().generate_codeobj_source(writer)
        folder = Path(self.project_dir) / "code_objects"
        for path in folder.glob("*.cpp"):
            code = path.read_text(encoding="utf-8")
            name, _, what = path.stem.removesuffix("_codeobject").rpartition("_")
            if what == "pre" and tested():
                changing = (
                    folder / f"{name}_run_regularly_codeobject.cpp"
                ).exists()  # a table of weights would not follow
                code = direct(code) if changing else by_rows(direct(code))
            if what == "stateupdater" and name in self.layout:
                code = hoisted(nested(code, *self.layout[name]))
            if what in ("stateupdater", "regularly"):
                code = ahead(code).replace(LOOP, f"\n{IVDEP}\n    {LOOP}")
            if what == "thresholder":
                code = listed(code, name.removesuffix("_recorded")) if name.endswith("_recorded") else blockwise(code)
            path.write_text(code, encoding="utf-8")
        for update in folder.glob("*_stateupdater_codeobject.cpp"):
            group = update.name.removesuffix("_stateupdater_codeobject.cpp")
            check = update.with_name(f"{group}_spike_thresholder_codeobject.cpp")
            if check.exists() and not update.with_name(f"{group}_run_regularly_codeobject.cpp").exists():
                codes = (path.read_text(encoding="utf-8") for path in (update, check))
                codes = refractory(*fused(*codes, group), group)
                for path, code in zip((update, check), codes, strict=True):
                    path.write_text(code, encoding="utf-8")

    def generate_objects_source(self, writer, *arguments):
        """Arrays; those of synapses that never change are not written at the end, which may take longer than the run."""
        super().generate_objects_source(writer, *arguments)
        path = Path(self.project_dir) / "objects.cpp"
        constant = {
            self.dynamic_arrays[var]
            for var in self.dynamic_arrays
            if var.constant and isinstance(var.owner, brian2.Synapses)
        }
        made_from = {name for var, name in self.arrays.items() if var.name in ("sources", "targets")}
        path.write_text(unwritten(path.read_text(encoding="utf-8"), constant | made_from), encoding="utf-8")

    def generate_synapses_classes_source(self, writer):
        """How spikes find their synapses, which have one delay for each projection; Brian2's own where it was not tested."""
        if tested():
            writer.write("synapses_classes.h", PATHWAY.read_text(encoding="utf-8"))
            return
        logger.warn(
            f"Brian2 {brian2.__version__} is newer than what was tested: spikes take its own way to synapses", once=True
        )
        super().generate_synapses_classes_source(writer)

    def generate_makefile(self, writer, kind, compiler_flags, linker_flags, nb_threads, debug):
        """Makefile with one header, compiled before all else, for every source."""
        if kind != "unix":
            super().generate_makefile(writer, kind, compiler_flags, linker_flags, nb_threads, debug)
            return
        if OPTIMISED not in compiler_flags.split():
            raise RunError(
                f"the target cpp failed: Brian2 found that {compiler()} does not know {OPTIMISED}, which it should; "
                "is there room for temporary files? --target numpy needs none"
            )
        included = [f'#include "{name}"' for name in HEADERS] + [f"#include <{name}>" for name in STANDARD_HEADERS]
        writer.write("all.h", "\n".join([VECTOR_EXP, *included]) + "\n")
        objects, plain = _units(Path(self.project_dir), writer)
        lines = [
            f"CXX = {compiler()}",
            f"FLAGS = {compiler_flags} -I.",
            f"main: {' '.join(objects)}\n\t$(CXX) $^ -o $@ {linker_flags}",
            "all.h.gch: all.h\n\t$(CXX) $(FLAGS) -x c++-header $< -o $@",
            "%.o: %.cpp\n\t$(CXX) $(FLAGS) -include all.h -c $< -o $@",
            f"{' '.join(plain)}: FLAGS += -O0",
            "main.o: FLAGS += -O1",
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
            with mock.patch.object(subprocess, "call", _call):
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


def _call(command, **options):
    """Exit status of a command, as `subprocess.call`; an interruption that reaches this process alone is passed on to it."""
    passed = False
    with subprocess.Popen(command, **options) as program:
        while program.poll() is None:
            if Network._globally_stopped and not passed:
                program.send_signal(signal.SIGINT)
                passed = True
            with suppress(subprocess.TimeoutExpired):
                program.wait(0.1)
    return program.returncode


def tested():
    """Whether the version of Brian2 is one with which our `synapses_classes.h` was tested; all other rules know a text."""
    return tuple(int(part) for part in brian2.__version__.split(".")[:2]) < UNTESTED


def _starts_clock(line):
    """Whether a line of the main program sets the time of a clock."""
    name, content = line
    return name == "set_by_single_value" and "_clock" in content[0]


def _units(folder, writer):
    """Write the units of a project; gives the objects that its program is made of, and those that are not optimised."""
    files = {Path(source).stem: source for source in writer.source_files if source.startswith("code_objects/")}
    units = joined({name: (folder / source).read_text(encoding="utf-8") for name, source in files.items()})
    for unit, (text, _) in units.items():
        writer.write(f"unit_{unit}.cpp", text)
    within = {files[name] for _, names in units.values() for name in names}
    alone = {source for source in writer.source_files if source not in within}
    sources = sorted({*alone, *(f"unit_{unit}.cpp" for unit in units)})
    return [source.replace(".cpp", ".o") for source in sources], [
        "objects.o",
        *(["unit_once.o"] if "once" in units else []),
    ]


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
    """Hash of everything that each source of a program compiles to depends on (dict of Path to str)."""
    common = hashlib.sha256(_said("--version") + _said("-march=native", "-E", "-dM", "-x", "c++", os.devnull))
    for path in sorted([*folder.rglob("*.h"), folder / "makefile"]):
        common.update(f"\n{path.relative_to(folder)}\n".encode() + path.read_bytes())
    found = {}
    made = re.search(r"^main: (.*)", (folder / "makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for path in (folder / each.replace(".o", ".cpp") for each in made[1].split()):
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
