"""Named sets of time constants of synapses, and the delays of their projections."""

import numpy as np
import pytest
from brian2 import Clock, ms, second

import cortical_attention as ca
from cortical_attention.cells.forms import FORMS
from cortical_attention.cells.synapses import SYNAPSES, with_synapses
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.inputs.suite import random_case
from cortical_attention.simulation.calibrate import rate_units
from cortical_attention.simulation.settings import SettingError, Settings
from cortical_attention.wiring.expand import expand_projection
from cortical_attention.wiring.expressions import WiringError
from cortical_attention.wiring.network import Construction, wire
from cortical_attention.wiring.release import refuse_carried
from tests.command import run as command

CASE = random_case(3, 3, n_head=2, d_model=6, d_key=3, d_value=3)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("name", SYNAPSES)
def test_a_set_replaces_the_time_constants_of_a_form(form, name):
    found, chosen = with_synapses(form, name), SYNAPSES[name]
    assert found.synapses.name == name
    assert with_synapses(found, name) is found
    if chosen is None:
        assert found is form
        return
    assert (found.synapses.tau_slow, found.synapses.tau_fast) == (chosen.tau_slow, chosen.tau_fast)
    assert found.dt <= found.shortest_time_constant()[1] / 4
    assert {"tau_slow", "tau_fast", "tau_pool"} <= found.synapses.sources.keys()
    assert found.tau_loop < with_synapses(form, "slow").tau_loop or not form.spikes


def test_the_lag_of_the_loop_counts_delays_and_membranes():
    physiological = with_synapses(FORMS["spiking"], "physiological")
    assert physiological.tau_loop / ms == pytest.approx(2 + 7 + 2 * 1)
    rates = with_synapses(FORMS["rate"], "physiological")
    assert rates.tau_loop / ms == pytest.approx(2 + 7 + 2 * 1 + 10 + 5)  # L2/3 cell and interneuron
    adaptive = with_synapses(FORMS["adaptive"], "physiological").of_kind["fast spiking"]
    assert adaptive.constants["tau_m"] == 5 * ms


@pytest.mark.parametrize(("name", "delay"), [("slow", 0.0), ("fast", 0.0), ("physiological", 1e-3)])
def test_every_projection_has_the_delay_of_the_set(name, delay):
    form = with_synapses(FORMS["spiking"], name)
    plan = mask_wiring(Settings().times(), CASE.tokens[None], **CASE.block._asdict())
    first, *others = plan.circuit.projections
    circuit = plan.circuit._replace(projections=(first._replace(delay=3 * ms), *others))
    wired = wire(circuit, Construction(form, rate_units(plan), 1, 1, True, Clock(0.5 * ms), plan.protocol.phase))
    for (projection, _), synapses in wired.synapses.items():
        assert np.allclose(np.asarray(synapses.delay[:]), 3e-3 if projection == first.name else delay)


def test_two_compartment_cells_may_have_a_delay_shorter_than_their_refractory_time():
    """A spike carries what it releases until the next one."""
    form = with_synapses(FORMS["biophysical"], "physiological")
    plan = mask_wiring(Settings().times(), CASE.tokens[None], **CASE.block._asdict())

    def wired(delay):
        projections = [each._replace(delay=delay) for each in plan.circuit.projections]
        circuit = plan.circuit._replace(projections=tuple(projections))
        pathway = expand_projection(circuit, circuit.projections[3], form, 1)
        assert pathway.source == "superficial"
        return refuse_carried(pathway, form.of(plan.circuit.populations["superficial"].cell), form)

    assert wired(1 * ms) is None
    with pytest.raises(WiringError, match="neither short-term plasticity nor a delay of 3"):
        wired(3 * ms)


@pytest.mark.filterwarnings("ignore:the circuit has not settled")
def test_the_set_stands_in_the_result_and_is_repeated(tmp_path):
    given = {"window": 0.1 * second, "settle": 0.1 * second, "target": "numpy"}
    result, slow = (ca.attend(CASE, "mask", "spiking", synapses=name, **given) for name in ("fast", "slow"))
    assert result.provenance["options"]["synapses"] == "fast"
    assert not np.array_equal(result.output, slow.output)
    result.save(tmp_path / "result")
    assert np.array_equal(ca.load(tmp_path / "result").repeat().output, result.output)


def test_unknown_sets_and_normalisers_are_refused_in_one_sentence():
    with pytest.raises(SettingError, match="synapses is 'quick' but needs to be one of slow, fast, physiological"):
        ca.attend(CASE, synapses="quick")
    for option, known in (("--synapses", "slow, fast, physiological"), ("--normaliser", "pi, factorised")):
        found = command("compare", "case.npz", option, "quick")
        assert found.exit_code == 2
        assert known in " ".join(found.stderr.split())
