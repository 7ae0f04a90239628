"""Compiled circuits: what is changed of the sources that Brian2 writes, and that nothing is compiled twice."""

import gc
import os
import re
import shutil
import subprocess
from pathlib import Path

import brian2
import numpy as np
import pytest
from brian2 import Clock, Network, NeuronGroup, SpikeMonitor, StateMonitor, Synapses, ms, second

from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.forms.biophysical import BIOPHYSICAL
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.memory import memory_wiring
from cortical_attention.circuits.protocol import RunError, Times
from cortical_attention.circuits.softmax import softmax_wiring
from cortical_attention.inputs.suite import random_case
from cortical_attention.simulation import compile, engine, initial, rewrite, rewrite_synapses, units
from cortical_attention.simulation.attend import Settings, attend
from cortical_attention.simulation.calibrate import rate_units
from cortical_attention.simulation.run import simulate
from cortical_attention.wiring import network

TIMES = Times(200 * ms, 100 * ms, 250 * ms, 1 * ms)
needs_compiler = pytest.mark.skipif(compile.compiler() is None, reason="no C++ compiler")


def plan_of(seed=1, wiring=mask_wiring, d_value=4):
    """A small circuit, of the mask wiring unless another is asked for."""
    case = random_case(seed, 3, n_head=2, d_model=4, d_key=4, d_value=d_value)
    return wiring(TIMES, case.tokens[None], **case.block._asdict())


def sources(folder, plan, form, cells=1):
    """Text of every file that Brian2 writes of a plan, nothing compiled."""
    gc.collect()
    brian2.set_device("compiled", directory=str(folder), build_on_run=True, compile=False, run=False)
    try:
        how = network.Construction(
            form, rate_units(plan), 1, cells, True, Clock(1 * ms, name="circuit_clock"), plan.protocol.phase, dense=True
        )
        wired = network.wire(plan.circuit, how)
        engine.lay_out(wired.layout)
        Network(*wired.objects, name="circuit").run(10 * ms, namespace={})
    finally:
        brian2.get_device().reinit()
        brian2.set_device("runtime")
    return {
        str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.suffix in (".cpp", ".h")
    }


def test_brian2_writes_what_is_rewritten_of_refractory_cells(tmp_path):
    """Bytes have a short loop of their own, the threshold goes through notes, and a table is read once a dendrite."""
    for membrane in ADAPTIVE.membranes:  # measured on numpy, before the target is set
        membrane.measured(1 * ms)
    found = sources(tmp_path, plan_of(), ADAPTIVE, cells=20)
    for name in ("superficial", "intratelencephalic", "pyramidal_tract"):
        update = found[f"code_objects/{name}_stateupdater_codeobject.cpp"]
        first, second = update.split(rewrite.IVDEP)[1:]
        assert "not_refractory[_idx]" not in first
        assert f"_ptr_array_{name}_not_refractory[_idx] = not_refractory;" in second
        assert "= _timestep(t -" not in update
        assert f"memcpy(&_any, _fires_{name}" in found[f"code_objects/{name}_spike_thresholder_codeobject.cpp"]
        assert ("_timedarray" in first) == (name != "superficial")  # elsewhere on and off cells lie side by side


def test_a_program_is_the_same_whatever_other_objects_live(tmp_path, monkeypatch):
    """Brian2 numbers the names of code objects after those that live, and what is rewritten is known by these names."""
    alive, wire = [], network.wire
    monkeypatch.setattr(network, "wire", lambda *given: alive.append(wire(*given)) or alive[-1])
    first, second = (sources(tmp_path / name, plan_of(), SPIKING) for name in ("first", "second"))
    assert first == second
    assert len(alive) == 2


def test_code_objects_are_joined_into_units(tmp_path):
    """What runs once in one, and all others in eight; each once; one in a form that is not known in none."""
    written = sources(tmp_path, plan_of(), SPIKING)
    found = {Path(name).stem: text for name, text in written.items() if re.fullmatch(r"code_objects/.*\.cpp", name)}
    found["strange"] = "int x;"
    joined = units.joined(found)
    assert len(joined) == 9
    assert sorted(name for _, names in joined.values() for name in names) == sorted({*found} - {"strange"})
    assert all(units.ONCE.match(name) for name in joined["once"][1])
    heavy = [name for unit, (_, names) in joined.items() if unit.startswith("heavy") for name in names]
    assert "superficial_stateupdater_codeobject" in heavy
    text, names = joined["light_0"]
    assert len(re.findall(r"^namespace _of_", text, re.MULTILINE)) == 2 * len(names)  # declared, then filled
    assert "\nnamespace {" not in text
    makefile = (tmp_path / "makefile").read_text()
    assert "unit_once.o: FLAGS += -O0" in makefile
    assert "code_objects/" not in makefile.split("main: ")[1].splitlines()[0]


@needs_compiler
@pytest.mark.parametrize("refractory", [False, 5 * ms], ids=["none", "refractory"])
def test_a_threshold_of_constants_keeps_its_meaning(refractory):
    """Brian2 computes `theta + 2 * phi` before the loop, under a name that means another thing in the state update."""
    spikes = []
    for target in ("numpy", "cpp"):
        with engine.device(target):
            equation = "dv/dt = (2 - v) / tau : 1" + (" (unless refractory)" if refractory else "")
            names = {"tau": 10 * ms, "theta": 0.5, "phi": 0.2}
            group = NeuronGroup(
                16, equation, threshold="v > theta + 2 * phi", reset="v = 0", refractory=refractory, method="euler",
                namespace=names, name="group", clock=Clock(1 * ms, name="circuit_clock"),
            )  # fmt: skip
            monitor = SpikeMonitor(group, name="spikes")
            Network(group, monitor, name="circuit").run(50 * ms, namespace={})
            spikes.append(np.array(monitor.t / ms).round().tolist())
    assert spikes[0] == spikes[1]
    assert len(spikes[0]) > 16


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("form", [ADAPTIVE, BIOPHYSICAL], ids=["adaptive", "biophysical"])
def test_what_is_rewritten_of_refractory_cells_changes_no_spike(form, monkeypatch):
    """The same program with and without these rules: every spike of every recorded cell, and the answer bit for bit."""
    case = random_case(1, 3, n_head=2, d_model=4, d_key=4, d_value=4)
    settings = Settings(form, 100 * ms, 200 * ms, cells=10, target="cpp", record="all")
    new = attend("mask", case.tokens[None], settings, **case.block._asdict())
    monkeypatch.setattr(compile, "refractory", lambda update, check, group: (update, check))
    for rule in ("hoisted", "direct"):
        monkeypatch.setattr(compile, rule, lambda code: code)
    old = attend("mask", case.tokens[None], settings, **case.block._asdict())
    assert new.output.any()
    assert np.array_equal(new.output, old.output)
    for one, other in zip(new.run.records, old.run.records, strict=True):
        assert np.array_equal(one.spike_index, other.spike_index)
        assert np.array_equal(np.asarray(one.spike_time), np.asarray(other.spike_time))


@pytest.mark.parametrize("form", [RATE, SPIKING], ids=["rate", "spiking"])
def test_brian2_writes_what_is_rewritten(form, tmp_path):
    """Should Brian2 write it otherwise one day, the circuits still run, only slower: this is what would tell."""
    found = sources(tmp_path, plan_of(), form)
    for name in ("superficial", "intratelencephalic"):
        update = found[f"code_objects/{name}_stateupdater_codeobject.cpp"]
        assert "for (int _a2 = 0; _a2 < 3; _a2++)" in update
        assert "_indices[_idx]" not in update
        assert "_unit_rate[0]" in update
    if form.spikes:
        assert ".arriving())" in found["code_objects/excitation_0_pre_codeobject.cpp"]
        assert "_spiking_synapse" not in found["code_objects/excitation_0_pre_codeobject.cpp"]
        check = found["code_objects/superficial_spike_thresholder_codeobject.cpp"]
        assert "memcpy(&_any, _fires_superficial" in check
        assert "_cond" not in check
        for sign in ("excitation", "inhibition"):
            assert "_rows.begin(_cell)" in found[f"code_objects/{sign}_0_pre_codeobject.cpp"]
        assert "_fires[_idx] = _cond;" in found["code_objects/superficial_stateupdater_codeobject.cpp"]
    else:
        assert not any("synapses_create" in name for name in found)
        assert "projected_0_before(); " in found["code_objects/dendrite_0_of_superficial_stateupdater_codeobject.cpp"]


@needs_compiler
@pytest.mark.parametrize("precision", ["double", "single"])
def test_weights_that_copies_share_change_no_spike(precision, monkeypatch):
    """The same program with a row of weights for all copies and with a weight for each synapse, bit for bit."""
    case, found = random_case(1, 3, n_head=2, d_model=4, d_key=4, d_value=4), []
    settings = Settings("spiking", 100 * ms, 200 * ms, target="cpp", record="all", precision=precision)
    for rule in (rewrite_synapses.by_rows, lambda code: code):
        monkeypatch.setattr(compile, "by_rows", rule)
        found.append(attend("mask", case.tokens[None], settings, **case.block._asdict()))
    assert found[0].output.any()
    assert np.array_equal(found[0].output, found[1].output)
    for one, other in zip(found[0].run.records, found[1].run.records, strict=True):
        assert np.array_equal(one.spike_index, other.spike_index)
        assert np.array_equal(np.asarray(one.spike_time), np.asarray(other.spike_time))


ROWS = """#include "synapses_classes.h"
#include <cstdio>
int main()
{
    std::vector<int> cells = {0, 1, 2, 3};
    SynapticPathway pathway(cells, 0, 4);
    const double delay[] = {0}, weight[] = {WEIGHTS};
    int source[] = {SOURCES}, target[] = {TARGETS};
    pathway.prepare(4, 9, (double *)delay, 1, source, sizeof(source) / sizeof(int), 1e-3);
    WeightRows<double> rows;
    rows.update(pathway, target, weight);
    printf("%d", rows.shared());
    for (int cell = 0; cell < 4 && rows.shared(); cell++)
        for (int n = 0; n < rows.size(cell); n++)
            printf(" %d:%d:%g", cell, rows.first(cell) + n, rows.begin(cell)[n]);
}
"""


@needs_compiler
@pytest.mark.parametrize(
    ("source", "target", "weight", "printed"),
    [
        # cells 0 and 2 have one row, 1 and 3 another, with a target between that they leave out
        ("0,0,1,1,2,2,3,3", "0,1,0,2,2,3,2,4", "5,6,7,8,5,6,7,8",
         "1 0:0:5 0:1:6 1:0:7 1:1:0 1:2:8 2:2:5 2:3:6 3:2:7 3:3:0 3:4:8"),
        ("2,0,2,0", "3,1,2,0", "6,6,5,5", "1 0:0:5 0:1:6 2:2:5 2:3:6"),  # cells 1 and 3 have no synapses
        ("0,1,2,3", "0,1,2,3", "1,2,3,4", "0"),  # nothing is shared
        ("0,0,1,1,2,2,3,3", "0,0,1,1,2,2,3,3", "1,1,1,1,1,1,1,1", "0"),  # a target is reached twice
        ("0,0,1,1,2,2,3,3", "0,90,1,91,2,92,3,93", "1,1,1,1,1,1,1,1", "0"),  # nearly all zeros
    ],
    ids=["shared", "silent", "none", "twice", "zeros"],
)  # fmt: skip
def test_rows_of_weights(source, target, weight, printed, tmp_path):
    program = ROWS.replace("SOURCES", source).replace("TARGETS", target).replace("WEIGHTS", weight)
    (tmp_path / "rows.cpp").write_text(program)
    (tmp_path / "brianlib").mkdir()
    (tmp_path / "brianlib" / "spikequeue.h").touch()
    (tmp_path / "synapses_classes.h").write_text(compile.PATHWAY.read_text())
    built = [
        compile.compiler(),
        "-std=c++11",
        "-I",
        str(tmp_path),
        str(tmp_path / "rows.cpp"),
        "-o",
        str(tmp_path / "rows"),
    ]
    subprocess.run(built, check=True)
    assert subprocess.run([tmp_path / "rows"], check=True, capture_output=True, text=True).stdout == printed


def test_what_never_changes_is_not_written_at_the_end(tmp_path):
    written = sources(tmp_path, plan_of(), SPIKING)["objects.cpp"].partition("void _write_arrays()")[2]
    found = re.findall(r"^ *ofstream (outfile_\w+);", written, re.MULTILINE)
    never = re.compile(r"synaptic_p|_dynamic_array_(excitation|inhibition)_\d+_weight|_(sources|targets)$")
    assert not list(filter(never.search, found))
    assert "outfile__array_superficial_v" in found
    assert "outfile_last_run_info" in found
    assert all(
        written.count(f"{name}.open(") == 1 for name in found
    )  # none is torn; Brian2 2.11 closes not all of them


def test_sources_of_two_inputs_of_one_size_are_the_same(tmp_path):
    one, other = (sources(tmp_path / str(seed), plan_of(seed), SPIKING) for seed in (1, 2))
    assert one == other


def test_code_that_is_not_known_is_left_alone():
    assert rewrite.nested("for(int i=0;;) {}", (2, 3), {}) == "for(int i=0;;) {}"
    assert rewrite.blockwise("if(_cond) { a; b; }") == "if(_cond) { a; b; }"
    unknown = f"{rewrite.LOOP} const int64_t _x_indices = _ptr_a[_idx];\n    }}\n"
    assert rewrite.nested(unknown, (2, 3), {"y": (3, 1)}) == unknown
    stored, check = "\n    _ptr_v[_idx] = v;\n", "a; _fires[_idx] = _cond;"
    assert rewrite.fused(stored, check, "x") == (stored, check)
    reads = "const int64_t N = 3;\n for(size_t _idx=0; _idx<N; _idx++) { a; b = _ptr_w[_idx]; _fires[_idx] = _cond; }"
    assert rewrite.fused(stored, reads, "x") == (stored, reads)  # what the update does not know
    assert rewrite.refractory(stored, reads, "x") == (stored, reads)
    assert rewrite.hoisted("a = _clip(b, 0, 1);") == "a = _clip(b, 0, 1);"
    list_again = "std::vector<int> *_spiking_synapses = x.peek();\nconst int _num_spiking_synapses = 1;\n"
    assert rewrite_synapses.direct(list_again) == list_again
    loop = "for(int _spiking_synapse_idx=0; a;) { const size_t _idx = (*_spiking_synapses)[_spiking_synapse_idx];"
    assert "x.arriving()" in rewrite_synapses.direct(list_again + loop)
    assert rewrite_synapses.by_rows(list_again) == list_again
    more = f"{list_again}{loop} f(_num_spiking_synapses);"  # which there would be no more
    assert rewrite_synapses.direct(more) == more


def test_what_the_innermost_loop_holds_fixed_is_clipped_before_it():
    """Of two calls the one whose arguments change from cell to cell stays."""
    loop = f"{rewrite.IVDEP}\n    for (unsigned _c = 0; _c < 4; _c++)"
    body = "{ y = _clip(c + (x * f(c)), c, x); z = _clip(v, c, x); }"
    code = f"const double c = 2;\nconst double x = p[_a1];\n{loop}\n{body}"
    assert rewrite.hoisted(code) == code  # f is unknown
    code = code.replace("f(c)", "c")
    head, _, tail = rewrite.hoisted(code).partition(loop)
    assert head.endswith("const double _held_0 = _clip(c + (x * c), c, x);\n")
    assert tail == "\n{ y = _held_0; z = _clip(v, c, x); }"
    nested = code.replace("(x * c)", "exp(_clip(x, c, 0))")  # one exponential for all cells of a microcolumn
    assert "const double _held_0 = _clip(c + exp(_clip(x, c, 0)), c, x);" in rewrite.hoisted(nested)


@pytest.mark.parametrize("form", [RATE, SPIKING], ids=["rate", "spiking"])
def test_the_tufts_of_a_microcolumn_are_computed_once(form, tmp_path):
    """Its cells have a tonic drive in common, which each head may have of its own."""
    plan = plan_of(wiring=softmax_wiring, d_value=rewrite.SHORT)
    cells = plan.circuit.populations["intratelencephalic"]
    tonic = np.array([3.0, 4.0]).reshape(1, 2, 1, 1, 1)
    plan.circuit.populations["intratelencephalic"] = cells._replace(inputs=cells.inputs | {"tonic": tonic})
    found = sources(tmp_path, plan, form)["code_objects/intratelencephalic_stateupdater_codeobject.cpp"]
    before, _, within = found.partition("for (unsigned _c")
    assert "exp(" in before.partition("MAIN CODE")[2]
    assert "exp(" not in within
    assert "_tonic_input[_a1 * " in before


@pytest.mark.parametrize(
    ("shape", "strides"),
    [
        ((2, 3, 40), (0, 1, 0)),
        ((2, 3, 40, 2), (6, 2, 0, 1)),  # cells share a dendrite of each sign
        ((2, 3, 40, 2), (3, 1, 0, 0)),
        ((2, 3, 1, 2), (6, 2, 2, 1)),
        ((3, 2), (1, 0)),
        ((1, 1), (1, 1)),
    ],
)
def test_places_in_nested_loops_are_those_of_the_index(shape, strides):
    """The loops that are written, read as Python: every cell once, in order, with the dendrite that it reads."""
    code = f"{rewrite.LOOP}const int64_t _x_indices = _ptr_a[_idx];\n    }}\n"
    written = rewrite.nested(code, shape, {"x": strides})
    loops = [(name, int(size)) for name, size in re.findall(r"(_a\d|_c) < (\d+);", written)]
    own, dendrite = (
        re.search(f"const int {name} = (.*?);", written)[1].replace("/", "//") for name in ("_idx", "_x_indices")
    )
    found = []
    for place in np.ndindex(*(size for _, size in loops)):
        counters = dict(zip((name for name, _ in loops), map(int, place), strict=True))
        found.append((eval(own, {}, counters), eval(dendrite, {}, counters)))
    assert found == [(k, int(np.dot(index, strides))) for k, index in enumerate(np.ndindex(*shape))]


@pytest.mark.parametrize(
    ("form", "target"),
    [(SPIKING, "numpy"), (ADAPTIVE, "numpy"), pytest.param(ADAPTIVE, "cpp", marks=needs_compiler)],
    ids=["spiking", "adaptive", "adaptive compiled"],
)
def test_sampled_cells_are_recorded_whole(form, target):
    """A sample has every spike of its cells, in forms that are refractory too."""
    case = random_case(1, 3, n_head=2, d_model=4, d_key=4, d_value=4)
    settings = Settings(form, 200 * ms, 300 * ms, target=target, record="sample")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(initial.MAX_RECORDED, "sample", 5)
        sampled = attend("mask", case.tokens[None], settings, **case.block._asdict()).run
    whole = attend("mask", case.tokens[None], settings._replace(record="all"), **case.block._asdict()).run
    n_spike = 0
    for one, other in zip(sampled.records, whole.records, strict=True):
        kept = np.isin(other.spike_index, one.cells)
        assert len(one.cells) <= 5
        assert np.array_equal(one.spike_index, other.spike_index[kept])
        assert np.array_equal(one.spike_time, other.spike_time[kept])
        n_spike += len(one.spike_index)
    assert n_spike > 20


@needs_compiler
def test_nothing_is_compiled_twice_and_rates_are_those_of_numpy(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = []
    real = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda asked, **more: made.append(asked[-1]) or real(asked, **more))
    answers = []
    for seed, target in ((1, "cpp"), (1, "numpy"), (2, "cpp")):
        plan = plan_of(seed)
        answers.append(simulate(plan, RATE, rate_units(plan), dt=1 * ms, target=target).values)
    assert made.count("all.h.gch") == 1  # only the first had files to compile
    for name, values in answers[0].items():
        assert np.allclose(values, answers[1][name], rtol=1e-9, atol=1e-12)
    assert not np.allclose(answers[0]["higher_order"], answers[2]["higher_order"])


@needs_compiler
@pytest.mark.parametrize("wiring", [mask_wiring, memory_wiring], ids=["mask", "memory"])
def test_sums_of_rows_are_those_of_numpy(wiring):
    """Axes of more than eight, of eight and of fewer: dendrites in rows, added up together, and one by one."""
    case = random_case(3, 9, n_head=2, d_model=17, d_key=8, d_value=10)
    plan = wiring(TIMES, np.stack([case.tokens, -case.tokens]), **case.block._asdict())
    answers = [simulate(plan, RATE, rate_units(plan), dt=1 * ms, target=target).values for target in ("cpp", "numpy")]
    for name, values in answers[0].items():
        assert np.allclose(values, answers[1][name], rtol=1e-9, atol=1e-12)
    assert np.ptp(answers[0]["higher_order"]) > 0.1


def test_sums_ahead_of_the_loop():
    """Where the text has both the sums and the loop, and no other."""
    loop = f"static inline void projected_0_before() {{}}\n{rewrite.LOOP} y = projected_0(i); z = projected_1(i);"
    assert rewrite.ahead(loop) == loop  # projected_1 is unknown
    known = loop.replace("projected_1(i)", "projected_0(i)")
    assert rewrite.ahead(known) == known.replace("projected_0(i)", "projected_0_sums[_idx]").replace(
        rewrite.LOOP, f"projected_0_before(); {rewrite.LOOP}"
    )
    assert rewrite.ahead("projected_0(i)") == "projected_0(i)"


@needs_compiler
def test_keys_depend_on_source_header_flags_and_processor(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.cpp").write_text("int a;")
    (folder / "b.cpp").write_text("int b;")
    (folder / "all.h").write_text("")
    (folder / "unused.cpp").write_text("int d;")  # joined into another
    (folder / "makefile").write_text("FLAGS = -O3\nmain: a.o b.o\n")
    before = compile.keys(folder)
    (folder / "a.cpp").write_text("int a2;")
    after = compile.keys(folder)
    assert set(after) == {folder / "a.cpp", folder / "b.cpp"}
    assert after[folder / "a.cpp"] != before[folder / "a.cpp"]
    assert after[folder / "b.cpp"] == before[folder / "b.cpp"]
    for name, text in (("all.h", "int c;"), ("makefile", "FLAGS = -O2\nmain: a.o b.o\n")):
        (folder / name).write_text(text)
        assert not set(compile.keys(folder).values()) & set(after.values())
        after = compile.keys(folder)
    assert b"__VERSION__" in compile._said("-march=native", "-E", "-dM", "-x", "c++", os.devnull)
    real = subprocess.run
    other = lambda asked, **more: real([each.replace("=native", "=x86-64") for each in asked], **more)  # noqa: E731
    monkeypatch.setattr(subprocess, "run", other)
    assert not set(compile.keys(folder).values()) & set(after.values())


@needs_compiler
def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "cortical-attention").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with engine.device("cpp"):
        group = NeuronGroup(2, "dv/dt = 1 / second : 1", method="euler", namespace={"second": second}, name="group")
        Network(group, name="circuit").run(1 * ms, namespace={})
        assert np.allclose(group.v, 1e-3)


@needs_compiler
def test_source_that_does_not_compile_fails_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    false = shutil.which("false")
    monkeypatch.setattr(compile, "compiler", lambda: false)
    with pytest.raises(RunError, match="does not compile"), engine.device("cpp"):
        Network(NeuronGroup(1, "v : 1", threshold="v > 1", name="group"), name="circuit").run(1 * ms, namespace={})


@needs_compiler
def test_delays_that_differ_are_refused(tmp_path, monkeypatch):
    """A projection has one; should one have more, it must not be run as if it had not."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with engine.device("cpp"):
        group = NeuronGroup(2, "v : 1", threshold="v > 1", name="group")
        synapses = Synapses(group, group, on_pre="v_post += 1", name="synapses")
        synapses.connect(i=[0, 1], j=[1, 0])
        synapses.delay = [3, 4] * ms
        with pytest.raises(RuntimeError, match="run failed"):
            Network(group, synapses, name="circuit").run(1 * ms, namespace={})


@pytest.fixture(scope="module")
def small_programs(tmp_path_factory):
    """A cache of their own for programs that differ in their arrays, and by way in one file: the rest is compiled once."""
    return tmp_path_factory.mktemp("small_programs")


@needs_compiler
@pytest.mark.parametrize("way", ["direct", "list", "brian2"])
@pytest.mark.parametrize(
    ("pre", "post"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 3]),
        ([0, 0, 1, 1, 2, 2, 3, 3], [0, 1] * 4),
        ([0, 2, 2, 3], [0, 0, 1, 1]),
        ([3, 0, 2, 0], [1, 0, 2, 3]),
    ],
    ids=["one each", "two each", "in order", "in any order"],
)
@pytest.mark.parametrize("steps", [0, 3])
def test_spikes_reach_their_synapses_as_in_brian2(pre, post, steps, way, small_programs, monkeypatch):
    """From some cells of a group, at once and after a delay; with the list that Brian2 expects, and by its own code."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(small_programs))
    if way == "list":
        monkeypatch.setattr(compile, "direct", lambda code: code)
    if way == "brian2":
        monkeypatch.setattr(compile, "UNTESTED", (0, 0))
    received = []
    for target in ("numpy", "cpp"):
        with engine.device(target):
            clock = Clock(1 * ms, name="circuit_clock")
            source = NeuronGroup(6, "v : 1", threshold="v > 0.9", reset="v = 0", name="source", clock=clock)
            source.run_regularly("v = (t_in_timesteps + i) % 3 / 2", name="source_run_regularly")
            target_group = NeuronGroup(4, "x : 1", name="target", clock=clock)
            synapses = Synapses(source[1:5], target_group, "w : 1", on_pre="x_post += w", name="synapses", clock=clock)
            synapses.connect(i=pre, j=post)
            synapses.w = [2.0**k for k in range(len(pre))]
            synapses.delay = steps * ms
            monitor = StateMonitor(target_group, "x", record=True, name="monitor", clock=clock)
            Network(source, target_group, synapses, monitor, name="circuit").run(9 * ms, namespace={})
            received.append(np.array(monitor.x))
    assert np.array_equal(*received)
    assert np.count_nonzero(np.diff(received[0])) > 2


@needs_compiler
def test_a_compiler_that_is_said_not_to_optimise_is_an_error(tmp_path, monkeypatch):
    """Brian2 tries each flag on a file, and drops those with which it does not compile, for want of room too."""
    monkeypatch.setattr("brian2.devices.cpp_standalone.device.get_compiler_and_args", lambda: ("unix", ["-w"]))
    with pytest.raises(RunError, match=r"Brian2 found that .* does not know -O3, which it should"):
        sources(tmp_path, plan_of(), RATE)
