"""What a circuit is made of, told without running it: its parts, its equations, and where its constants come from."""

import json
import pkgutil
import shutil
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from brian2 import DEFAULT_FUNCTIONS, Equations, have_same_dimensions, ms
from brian2.core.namespace import DEFAULT_UNITS
from brian2.utils.stringtools import get_identifiers

from cortical_attention import cells
from cortical_attention.cells.cell import GABA, CellType
from cortical_attention.cells.forms import FORMS
from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.forms.biophysical import biophysical
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.cells.kernels import KERNELS
from cortical_attention.cells.membranes.calcium_spike import CalciumSpike
from cortical_attention.cells.membranes.leaky import PYRAMIDAL
from cortical_attention.cells.membranes.two_compartment import TwoCompartment
from cortical_attention.cells.short_term import DEPRESSING
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.command.options import check
from cortical_attention.inputs.cases import from_arrays
from cortical_attention.readout import diagram
from cortical_attention.readout.files import settings_hash
from cortical_attention.readout.formats import with_prefix
from cortical_attention.simulation.attend import Settings, prepare
from cortical_attention.simulation.attend import run as simulated
from cortical_attention.trials.comparison import block_of
from cortical_attention.trials.description import MIXED, description
from cortical_attention.trials.systems import SYSTEMS, kernels
from tests.command import case, check_refused, run, saved

VARIANTS = {"larkum": biophysical(cell=CalciumSpike()), "conductance": biophysical("burst", inhibited="both")}
ALL = {**FORMS, **VARIANTS}
LACKED = {"memory": "memory"}  # cell types that not all forms have
PAIRS = [(wiring, form) for wiring in SYSTEMS for form in ALL if LACKED.get(wiring) not in ALL[form].lacks]
CASE = from_arrays(case(mask=np.array([[True, False], [True, True]])))


def described(wiring="mask", form="rate", given=CASE, **asked):
    form = ALL[form] if isinstance(form, str) else form
    return description(given, check(wiring=wiring, form=form, without_reference=True, **asked))


@cache
def of_pair(wiring, form):
    return described(wiring, form)


def row(found, name, part):
    """The constant of a description with this name in that part."""
    return next(each for each in found["constants"] if (each["name"], each["part"]) == (name, part))


# Parts
@pytest.mark.parametrize(("wiring", "form"), PAIRS)
def test_every_population_and_equation(wiring, form):
    found = of_pair(wiring, form)
    assert json.loads(json.dumps(found)) == found
    plan = SYSTEMS[wiring].wiring(Settings().times(), CASE.tokens[None], **CASE.block._asdict(), mask=CASE.mask)
    assert [each["name"] for each in found["populations"]] == list(plan.circuit.populations)
    assert {name for each in found["cells"] for name in each["populations"]} == set(plan.circuit.populations)
    assert [each["expression"] for each in found["projections"]] == [
        each.expression for each in plan.circuit.projections
    ]
    for each in found["cells"]:
        for part in ("state", "membrane", "dendrite"):
            Equations(each[part])
        assert (each["threshold"] is None) == (not ALL[form].spikes) == (each["reset"] is None)
    assert bool(found["synapses"]["relay"]) == ALL[form].paired == bool(found["counts"]["n_relay"])


@pytest.mark.parametrize(("wiring", "form"), PAIRS)
def test_equations_hold_nothing_that_is_not_told(wiring, form):
    """Every name is a variable, a constant, a stream of the noise, or one that Brian2 knows."""
    found = of_pair(wiring, form)
    known = {
        "i",
        "t",
        "dt",
        "t_in_timesteps",
        "inf",
        "noise",
        "stream",
        "tau",
        "lastspike",
        *DEFAULT_FUNCTIONS,
        *DEFAULT_UNITS,
    }
    known |= {each["name"] for each in found["constants"]}
    for each in found["cells"]:
        variables = set().union(*each["variables"].values())
        for part in ("state", "membrane", "dendrite"):
            assert Equations(each[part]).identifiers <= known | variables
        assert get_identifiers(f"{each['reset']} {each['release']}") <= known | variables | {"None"}


@pytest.mark.parametrize(("wiring", "form", "n"), [("mask", "rate", 1), ("mask", "spiking", 2), ("memory", "rate", 2)])
def test_numbers_are_those_of_a_run(wiring, form, n):
    options = check(wiring=wiring, form=form, cells=n, settle=0.02, duration=0.04, target="numpy")
    done = simulated(prepare(SYSTEMS[wiring], CASE.tokens[None], options.settings, **block_of(CASE, options)))
    found = description(CASE, options)
    assert (found["counts"]["n_cell"], found["counts"]["n_synapse"]) == (done.n_cell, done.n_synapse)
    told = {each["name"]: [(axis["kind"], axis["size"]) for axis in each["axes"]] for each in found["populations"]}
    assert told == {record.name: list(record.axes) for record in done.records}
    for each in found["populations"]:
        assert each["n_cell"] == np.prod([axis["size"] for axis in each["axes"]])
        assert {axis["kind"] for axis in each["axes"] if axis["hidden"]} <= {"batch", "cells", "sign"}


@pytest.mark.parametrize(("wiring", "form"), [(wiring, form) for wiring in SYSTEMS for form in ("rate", "dale")])
def test_synapses_of_explicit_wiring_are_counted_without_it(wiring, form):
    shared, explicit = (described(wiring, form, dendrites=each, cells=2)["counts"] for each in ("shared", "explicit"))
    assert explicit["n_synapse"] == explicit["n_synapse_explicit"] == shared["n_synapse_explicit"]
    assert shared["n_synapse"] < explicit["n_synapse"]
    assert shared["n_weight"] == explicit["n_weight"]


def test_a_weight_of_zero_is_no_synapse():
    full, half = (from_arrays(case(W_Q=np.array([[[1.0, 1, each]] * 2]))) for each in (1.0, 0.0))
    counted = [described(given=given)["projections"][0] for given in (full, half)]
    assert [each["n_synapse"] for each in counted] == [24, 16]
    assert [each["n_weight"] for each in counted] == [6, 6]


@pytest.mark.parametrize("kernel", kernels())
def test_kernels_are_named_where_they_are(kernel):
    found = described(kernel=kernel)
    ports = {each["name"]: {port["name"]: port["kernel"] for port in each["ports"]} for each in found["populations"]}
    rest = {"shunt": "identity", "gate": "identity"}
    assert ports["superficial"] == {"basal": kernel, "apical": kernel, **rest}
    assert ports["intratelencephalic"] == {"basal": "identity", "apical": "identity", **rest}
    assert found["kernels"] == {"identity": KERNELS["identity"], kernel: KERNELS[kernel]}


def test_thresholds_stand_for_kernels_and_the_rule_is_not_computed_in_two_compartments():
    for form, by, follows in (("adaptive", "expression", True), ("biophysical", "thresholds of the membrane", False)):
        found = described(form=form)
        superficial = next(each for each in found["populations"] if each["name"] == "superficial")
        assert {port["kernel_by"] for port in superficial["ports"]} == {by}
        assert next(each for each in found["cells"] if each["name"] == "superficial")["follows_rule"] is follows


def test_variables_have_the_units_of_brian():
    found = described(form="biophysical")
    units = next(each for each in found["cells"] if each["name"] == "superficial")["variables"]
    expected = {"V_s": "V", "w_s": "A", "released": "1", "last": "s", "u": "1", "basal": "1"}
    assert {name: units["soma"][name] for name in expected} == expected
    assert units["dendrite"]["excited"] == "1"
    assert "i" not in units["soma"]


def test_signs():
    """An off cell turns the sign; attention, inhibition and layer 5 have one sign."""
    signs = {f"{each['source']} -> {each['port']}": each["sign"] for each in described(form="dale")["projections"]}
    assert signs == {
        "core -> basal": MIXED, "matrix -> apical": MIXED, "matrix -> basal": MIXED, "superficial -> apical": "excitatory",
        "intratelencephalic -> soma": "excitatory", "pyramidal_tract -> soma": MIXED, "superficial -> pool": "excitatory",
        "interneuron -> shunt": "inhibitory",
    }  # fmt: skip


def delayed(times, tokens, **block):
    """The mask wiring with a delay and depression behind the core nucleus."""
    plan = mask_wiring(times, tokens, **block)
    first, *others = plan.circuit.projections
    first = first._replace(delay=2 * ms, plasticity=DEPRESSING)
    return plan._replace(circuit=plan.circuit._replace(projections=(first, *others)))


def test_delay_and_plasticity_of_a_wiring_of_ones_own():
    first, second, *_ = described(delayed, "spiking")["projections"]
    assert first["delay"] == {"value": 0.002, "unit": "s"}
    assert first["plasticity"] == {
        "U": 0.5, "tau_f": {"value": 0.001, "unit": "s"}, "tau_d": {"value": 0.8, "unit": "s"},
    }  # fmt: skip
    assert (second["delay"], second["plasticity"]) == (None, None)


def test_broken_rules_come_with_their_reason():
    assert described("mask")["breaks"] == []
    (core, matrix) = described("memory")["breaks"]
    assert (core["rule"], matrix["rule"]) == ("core to layers 3 and 4", "matrix to layers 1 and 5a")
    assert core["says"] == "core thalamus reaches layers 3 and 4"
    assert "version 3" in core["reason"]


# Constants
@pytest.mark.parametrize(("wiring", "form"), PAIRS)
def test_every_constant_has_a_source_and_a_unit(wiring, form):
    for each in of_pair(wiring, form)["constants"]:
        assert each["source"], each
        assert each["unit"], each
        assert each["of"], each


def test_values_are_exact_and_belong_to_their_cells():
    found = described("mask", "adaptive")
    assert row(found, "tau_w", "membrane") == {
        "name": "tau_w", "value": 0.1, "unit": "s", "part": "membrane", "source": PYRAMIDAL.sources["tau_w"],
        "of": ["relay", "intratelencephalic", "pyramidal tract", "superficial", "interneuron"],
    }  # fmt: skip
    fast = [each["of"] for each in found["constants"] if (each["name"], each["value"]) == ("tau_m", 0.01)]
    assert fast == [["interneuron"]]
    assert row(found, "tau_loop", "cell type")["value"] == float(ADAPTIVE.tau_loop)
    assert row(found, "tau_fast", "dendrite")["of"] == ["superficial.shunt"]
    assert row(found, "current_of", "membrane")["value"] is None  # nothing was measured


def test_the_tonic_conductance_replaces_the_offset_of_the_loop():
    rows = [each for each in described(form="conductance")["constants"] if each["name"] == "sigma_g"]
    assert [(each["part"], each["value"]) for each in rows] == [("membrane", None)]


def cell_types():
    """Every cell type of `cells`, by where it is defined."""
    modules = [import_module(f"{cells.__name__}.{each.name}") for each in pkgutil.iter_modules(cells.__path__)]
    return {f"{module.__name__}.{name}": each for module in modules for name, each in vars(module).items()
            if isinstance(each, CellType)}  # fmt: skip


def of_form(form):
    """Pairs of the names that need a source and the names that have one."""
    synapses = form.synapses
    times = {"tau_slow", "tau_fast", "tau_pool"} | ({"conductance"} if synapses.conductance is not None else set())
    yield times | synapses.constants.keys(), synapses.sources.keys()
    for each in form.membranes:
        yield each.constants.keys() | ({"ceiling"} if each.ceiling is not None else set()), each.sources.keys()


@pytest.mark.parametrize("form", ALL)
def test_every_constant_of_a_form_has_a_source_and_every_source_a_constant(form):
    for constants, sources in of_form(ALL[form]):
        assert constants == sources


@pytest.mark.parametrize("name", cell_types())
def test_every_constant_of_a_cell_type_has_a_source_and_every_source_a_constant(name):
    cell = cell_types()[name]
    assert cell.parameters.keys() | {f"tau_{port}" for port in cell.own_tau} == cell.sources.keys()


@pytest.mark.parametrize("form", ALL)
def test_what_a_drive_finds_before_a_run_is_named_by_the_equations(form):
    for each in ALL[form].membranes:
        named = Equations(each.soma).identifiers | get_identifiers(each.at_spike or "") | {"sigma_g"}  # of a cell type
        assert set(each.drive.sources) <= named
        assert bool(each.drive.sources) == bool(each.drive.measure or each.drive.calibrate)


def test_the_units_of_a_measured_drive_are_those_of_its_values():
    found = PYRAMIDAL.measured(ADAPTIVE.dt)
    assert found.keys() == PYRAMIDAL.drive.sources.keys()
    assert have_same_dimensions(found["top"], PYRAMIDAL.drive.sources["top"][0])


def test_a_changed_constant_loses_its_source():
    """Negative control of the tests above: what another value is chosen for is not what the old one was."""
    noisy = PYRAMIDAL.changed(sigma=0.4)
    assert PYRAMIDAL.sources.keys() - noisy.sources.keys() == {"sigma"}
    assert PYRAMIDAL.changed(sigma=0.4, sources={"sigma": "a guess"}).sources["sigma"] == "a guess"
    assert "conductance" not in ADAPTIVE.with_synapses(conductance=0.05).synapses.sources
    assert "ratio" not in ADAPTIVE.with_synapses(constants={"ratio": 4.0}).synapses.sources
    cell = biophysical(cell=TwoCompartment(sigma=2 * TwoCompartment().sigma)).of_cell["superficial"]
    assert cell.constants.keys() - cell.sources.keys() == {"sigma"}
    assert row(described(form=SPIKING.with_synapses(tau_slow=50 * ms)), "tau_slow", "dendrite")["source"] is None


def test_a_source_changes_no_hash_of_settings_and_a_constant_does():
    def hashed(membrane):
        return settings_hash(Settings(form=ADAPTIVE._replace(membrane=membrane))._asdict())

    assert hashed(PYRAMIDAL._replace(sources={})) == hashed(PYRAMIDAL)
    assert hashed(PYRAMIDAL.changed(sigma=0.4)) != hashed(PYRAMIDAL)
    assert settings_hash({"sources": 1}) != settings_hash({})  # a setting of that name counts


# The command
@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")


def test_json_is_one_object_on_standard_output(folder):
    result = run("describe", saved(remark=np.zeros(1)), "--form", "spiking", "--wiring", "memory", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["wiring"], found["form"], found["n_token"]) == ("memory", "spiking", 2)
    assert result.stderr.startswith("notice: remark")


@pytest.mark.parametrize("form", ["rate", "biophysical"])
def test_tables_name_everything(folder, form):
    result = run("describe", saved(), "--form", form)
    assert result.exit_code == 0, result.output
    found = description(from_arrays(case()), check(form=form))
    words = [each["name"] for part in ("populations", "cells", "constants") for each in found[part]]
    words += [each["expression"] for each in found["projections"]] + [each["rule"] for each in found["cells"]]
    words += [line for each in found["cells"] for line in each["membrane"].splitlines()]
    for word in words:
        assert word in result.stdout, word
    assert f"{found['counts']['n_cell']} cells" in result.stdout


def test_nothing_is_cut_in_a_narrow_terminal(folder, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert "…" not in run("describe", saved(), "--form", "adaptive").stdout


MINE = """
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.circuits.mask import mask_wiring as wiring

form = SPIKING._replace(membrane=SPIKING.membrane._replace(equations="dv/dt = speed * rate : 1", constants={"speed": 1.0}))
broken = SPIKING._replace(membrane=SPIKING.membrane._replace(equations="dv/dt = rate"))
"""


def test_a_wiring_and_a_form_of_ones_own(folder):
    Path("mine_described.py").write_text(MINE)
    own = ("--wiring", "mine_described:wiring", "--form", "mine_described:form")
    found = json.loads(run("describe", saved(), *own, "--json").stdout)
    assert (found["wiring"], found["form"]) == ("mine_described:wiring", "mine_described:form")
    assert row(found, "speed", "membrane")["source"] is None
    assert "none is given" in run("describe", saved(), *own).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("missing.npz",), "missing.npz"),
        (("case.npz", "--wiring", "nonsense"), "--wiring"),
        (("case.npz", "--form", "nonsense"), "--form"),
        (("case.npz", "--form", "mine_refused:broken"), "mine_refused:broken"),
        (("case.npz", "--kernel", "nonsense"), "--kernel"),
        (("case.npz", "--cells", "0"), "--cells"),
        (("case.npz", "--wiring", "memory", "--form", "biophysical"), "no membrane for memory cells"),
        (("case.npz", "--drawing", "circuit.pdf"), ".svg or .png"),
    ],
)
def test_bad_input_is_one_sentence(folder, words, said):
    Path("mine_refused.py").write_text(MINE)
    saved()
    check_refused("describe", words[0], *words[1:], names=said)


# The drawing
def test_what_a_drawing_lacks_is_named_before_anything_is_printed(folder, monkeypatch):
    monkeypatch.setattr(diagram, "find_spec", lambda name: None)
    check_refused("describe", saved(), "--drawing", "circuit.svg", names="package graphviz is missing")
    monkeypatch.setattr(diagram, "find_spec", lambda name: True)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    check_refused("describe", saved(), "--drawing", "circuit.svg", names="program dot is missing")


@pytest.mark.skipif(diagram.missing() is not None, reason=str(diagram.missing()))
def test_a_drawing(folder):
    for name, start in (("circuit.svg", b"<?xml"), ("circuit.png", b"\x89PNG")):
        result = run("describe", saved(), "--form", "dale", "--drawing", name)
        assert result.exit_code == 0, result.output
        assert f"drawn in {name}" in result.stdout
        assert Path(name).read_bytes().startswith(start)
    drawn = Path("circuit.svg").read_text(encoding="utf-8")
    for words in ("pyramidal tract", "1 head × 2 token × 2 context × 2 key", "basal: im, hkm → hijk", "L2/3", "nuclei"):
        assert words in drawn
    check_refused("describe", "case.npz", "--drawing", "missing/circuit.svg", names="missing/circuit.svg")


@pytest.mark.skipif(diagram.missing() is not None, reason=str(diagram.missing()))
@pytest.mark.parametrize("wiring", SYSTEMS)
def test_ends_of_arrows(wiring):
    """A bar for every projection of interneurons, a dot for every other apical one; arrows run from above to below."""
    found = described(wiring)
    inhibitory = sum(each["sign"] == "inhibitory" for each in found["projections"])
    apical = sum(each["port"] == "apical" for each in found["projections"])
    source = diagram.graph_of(found).source
    assert source.count("=tee") == inhibitory > 0
    assert source.count("=dot") == apical > 0
    interneurons = [each for each in found["populations"] if each["transmitter"] == GABA]
    assert inhibitory == sum(each["source"] in [one["name"] for one in interneurons] for each in found["projections"])


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.02, "s", "20 ms"), (3.7e-10, "F", "370 pF"), (-0.07, "V", "-70 mV"), (100.0, "Hz", "100 Hz"),
        (1e-9, "1", "1e-09"), (0.0, "S", "0 S"), (0.001, "s", "1 ms"), (14 / 3, "1", "4.667"), (1300.0, "Hz", "1.3 kHz"),
    ],
)  # fmt: skip
def test_a_value_with_a_prefix(value, unit, text):
    assert with_prefix(value, unit) == text
