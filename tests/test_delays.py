"""Delays and short-term plasticity of projections: closed forms, shared dendrites, relays, rates, the judge, cuts, C++."""

import numpy as np
import pytest
from brian2 import Clock, Hz, Network, SpikeMonitor, StateMonitor, ms, mV, second

from cortical_attention.cells.cell import GABA
from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.forms.biophysical import BIOPHYSICAL
from cortical_attention.cells.forms.dale import DALE
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.cells.relay import FIRST_ORDER
from cortical_attention.cells.short_term import DEPRESSING, FACILITATING, slope, steady_release
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.plan import Plan, Reading
from cortical_attention.circuits.protocol import Protocol, Times
from cortical_attention.inputs.suite import random_case
from cortical_attention.simulation import compile
from cortical_attention.simulation.attend import Settings, prepare, run
from cortical_attention.simulation.calibrate import drive_of
from cortical_attention.simulation.counting import spike_variance
from cortical_attention.simulation.run import simulate
from cortical_attention.simulation.spread import spread
from cortical_attention.wiring.circuit import Circuit, Population, Projection
from cortical_attention.wiring.expand import expand_projection
from cortical_attention.wiring.expressions import WiringError
from cortical_attention.wiring.network import Construction, wire
from cortical_attention.wiring.release import refuse_carried
from tests.test_counting import variance_of
from tests.test_spread import Here

EPS = np.finfo(float).eps
UNIT, DT = 100 * Hz, 1 * ms
needs_compiler = pytest.mark.skipif(compile.compiler() is None, reason="no C++ compiler")
BOTH = {"facilitating": FACILITATING, "depressing": DEPRESSING}
each_plasticity = pytest.mark.parametrize("plasticity", BOTH.values(), ids=BOTH)


def circuit_of(
    expression="a, ab -> bc", weights=((0.6, -0.4), (-0.5, 0.7)), values=(0.4, 0.7), cell=FIRST_ORDER, **more
):
    """Two relays that hold values onto 2 x 2 relays, of which two at a time are copies."""
    source = Population("source", cell, (("a", 2),), signed="soma", inputs={"soma": np.array([values])})
    target = Population(
        "target", FIRST_ORDER, tuple((letter, 2) for letter in expression.split("-> ")[1]), signed="soma"
    )
    line = Projection("source", "target.soma", expression, np.array(weights), **more)
    return Circuit("pair", {"source": source, "target": target}, (line,))


def one_to_one(values, **more):
    """As `circuit_of`, each target cell from one source cell, with a weight of one."""
    return circuit_of("a -> ac", 1.0, values, **more)


def built(circuit, form, shared=True, dense=False, unit=UNIT):
    """Brian2 objects, with one unit rate."""
    units = dict.fromkeys(circuit.populations, unit * np.ones(1))
    return wire(circuit, Construction(form, units, 1, 1, shared, Clock(DT), 1 * second, dense=dense))


def spikes_of(circuit, form=SPIKING, duration=400 * ms, **more):
    """Cells and steps of the spikes of the target."""
    wired = built(circuit, form, **more)
    monitor = SpikeMonitor(wired.groups["target"])
    Network(*wired.objects, monitor).run(duration, namespace={})
    return np.array(monitor.i), np.round(monitor.t / DT).astype(int)


def held(circuit, form, duration=4 * second, **more):
    """Values that reach the target, (dendrite, sign or not), on average over the last second of a run."""
    wired = built(circuit, form, **more)
    dendrite = next(each for each in wired.others if each.name.startswith("dendrite_"))
    monitor = StateMonitor(dendrite, "filtered", record=True, when="end")
    network = Network(*wired.objects)
    network.run(duration - 1 * second, namespace={})
    network.add(monitor)
    network.run(1 * second, namespace={})
    return np.array(monitor.filtered).mean(axis=1)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"delay": 2}, "the delay is 2, but has to be one time of at least 0 ms"),
        ({"delay": 2.0 * mV}, "the delay is 2. mV"),
        ({"delay": -1 * ms}, "the delay is -1. ms"),
        ({"delay": np.inf * second}, "the delay is inf"),
        ({"delay": [1, 2] * ms}, "the delay is"),
        ({"plasticity": {"U": 0.5}}, "has to be a ShortTerm"),
        ({"plasticity": FACILITATING._replace(U=0.0)}, "U is 0.0"),
        ({"plasticity": FACILITATING._replace(tau_f=0 * ms)}, "tau_f is 0. s"),
        ({"plasticity": FACILITATING._replace(tau_d=3)}, "tau_d is 3"),
    ],
)
def test_what_no_synapse_can_have_is_refused(more, said):
    with pytest.raises(WiringError, match="projection 'source -> target.soma': ") as found:
        circuit_of(**more).check()
    assert said in str(found.value)
    assert "\n" not in str(found.value)


def test_a_circuit_says_its_delays_and_plasticity():
    said = circuit_of(delay=2 * ms, plasticity=FACILITATING).describe()
    assert "delay 2. ms, short-term plasticity (U = 0.03, tau_f = 0.53 s, tau_d = 130. ms)" in said
    assert "delay" not in circuit_of().describe()


@pytest.mark.parametrize("sign", [1, -1], ids=["direct", "through a relay"])
def test_a_delay_is_applied_once(sign):
    """The first effect comes 7 steps later, whether it adds or, by a relay, subtracts."""
    first = []
    for delay in (None, 7 * ms, 7.4 * ms):
        wired = built(circuit_of("a -> ac", float(sign), (1.0, 0.0), delay=delay), SPIKING)
        dendrite = next(each for each in wired.others if each.name.startswith("dendrite_"))
        monitor = StateMonitor(dendrite, "filtered", record=True)
        Network(*wired.objects, monitor).run(60 * ms, namespace={})
        positive, negative = (np.argmax(each.any(axis=0)) for each in (monitor.filtered > 0, monitor.filtered < 0))
        first.append((positive, negative))
    assert np.array_equal(np.subtract(first[1], first[0]), (7, 7))
    assert first[2] == first[1]  # whole steps


@pytest.mark.parametrize("form", [SPIKING, ADAPTIVE], ids=["spiking", "adaptive"])
@each_plasticity
def test_shared_dendrites_are_explicit_synapses(form, plasticity):
    more = {"delay": 3 * ms, "plasticity": plasticity}
    weights = np.array([[2, -1], [-1, 2]]) / steady_release(plasticity, 50.0)
    shared, explicit = (spikes_of(circuit_of(weights=weights, **more), form, shared=each) for each in (True, False))
    assert shared[0].size > 20
    assert all(np.array_equal(one, other) for one, other in zip(shared, explicit, strict=True))
    for less in more:  # negative control: each of the two moves spikes
        other = spikes_of(circuit_of(weights=weights / 10, **{less: more[less]}), form)
        assert not (np.array_equal(shared[0], other[0]) and np.array_equal(shared[1], other[1]))


@pytest.mark.parametrize("form", [RATE, DALE, SPIKING], ids=["rate", "dale", "spiking"])
@each_plasticity
def test_steady_release_is_the_closed_form(form, plasticity):
    """On cells are excited and off cells inhibited (through relays), by 50 and 20 spikes per second."""
    values = np.array([0.5, 0.2])
    found = held(one_to_one(values, plasticity=plasticity), form).reshape(2, -1)
    expected = values * steady_release(plasticity, values * 100)
    signs = np.array([1, -1])[: found.shape[1]]
    # after 3 s, of what is left to relax of u and x: exp(-3 s / the longest time constant); trains of whole intervals
    tolerance = 4 * np.exp(-3 * second / max(plasticity.tau_f, plasticity.tau_d))
    assert found * signs == pytest.approx(np.outer(expected, np.abs(signs)), rel=tolerance)
    # negative controls: no plasticity, and plasticity twice (on the relay and behind it), are far away
    for wrong in (values, expected**2 / values):
        assert np.abs(wrong - expected).max() > 5 * tolerance * expected.max()


@each_plasticity
def test_rates_with_and_without_stored_synapses(plasticity):
    circuit = circuit_of(plasticity=plasticity)
    answers = [held(circuit, RATE, 2 * second, dense=dense, shared=True) for dense in (True, False)]
    assert answers[0] == pytest.approx(answers[1], rel=1e-12)
    explicit = held(circuit, RATE, 2 * second, shared=False).reshape(2, 2)
    assert explicit == pytest.approx(np.repeat(answers[0][:, None], 2, axis=1), rel=1e-12)
    plain = held(circuit_of(), RATE, 2 * second, dense=True)
    assert np.abs(plain - answers[0]).max() > 0.1 * np.abs(plain).max()  # negative control


def test_a_delay_is_left_out_of_rates():
    one, other = (held(circuit_of(delay=delay), RATE, 1.1 * second) for delay in (None, 20 * ms))
    assert np.array_equal(one, other)


def test_inhibitory_cells_have_them_at_their_own_synapses():
    cell = FIRST_ORDER._replace(transmitter=GABA)
    circuit = circuit_of("a -> ac", -1.0, (0.5, 0.2), cell, plasticity=DEPRESSING, like_signs=True)
    found = -held(circuit, SPIKING).reshape(2, 2)[:, 0]
    expected = np.array([0.5, 0.2]) * steady_release(DEPRESSING, np.array([50.0, 20.0]))
    assert found == pytest.approx(expected, rel=0.1)


def mask_of(**more):
    """The mask wiring, in which the nuclei have plastic synapses, and they and L5 PT have delays."""

    def wiring(times, tokens, **block):
        plan = mask_wiring(times, tokens, **block)
        changed = {"core": more, "matrix": more, "pyramidal_tract": {"delay": more.get("delay")}}
        projections = tuple(each._replace(**changed.get(each.source, {})) for each in plan.circuit.projections)
        return plan._replace(circuit=plan.circuit._replace(projections=projections))

    return wiring


WITH = {"delay": 4 * ms, "plasticity": DEPRESSING}
BRIEF = Times(60 * ms, 80 * ms, 40 * ms, 1 * ms)
UNITS = UNIT * np.ones(1)


def case_of(n_head):
    """Tokens and block of a small case."""
    case = random_case(1, 2, n_head=n_head, d_model=3, d_key=2, d_value=2)
    return case.tokens[None], case.block._asdict()


def plan_of(n_head=2, times=BRIEF, **more):
    """A short plan of it."""
    tokens, block = case_of(n_head)
    return mask_of(**more)(times, tokens, **block)


def test_pairs_of_which_both_cells_send_have_no_plastic_synapses():
    """L5 PT on and off cells hear those of L5 IT apart, so that their value does not tell what both release."""
    circuit = plan_of().circuit
    lines = tuple(
        each._replace(plasticity=DEPRESSING) if each.source == "pyramidal_tract" else each
        for each in circuit.projections
    )
    with pytest.raises(WiringError, match="cannot be plastic, since 'pyramidal_tract' is reached with like signs"):
        circuit._replace(projections=lines).check()


def test_spikes_that_carry_an_amount_are_refused():
    circuit = plan_of().circuit
    line = next(each for each in circuit.projections if each.source == "superficial")
    membrane = BIOPHYSICAL.of(circuit.populations["superficial"].cell)
    refuse_carried(expand_projection(circuit, line, BIOPHYSICAL, 1), membrane, BIOPHYSICAL)  # negative control
    for more in ({"delay": 3 * ms}, {"plasticity": DEPRESSING}):
        pathway = expand_projection(circuit, line._replace(**more), BIOPHYSICAL, 1)
        with pytest.raises(
            WiringError, match=r"superficial -> .*carry what they release.*neither short-term plasticity nor a delay"
        ):
            refuse_carried(pathway, membrane, BIOPHYSICAL)


def test_the_drive_of_a_plastic_projection():
    line = circuit_of(plasticity=DEPRESSING).projections[0]
    values = np.array([[0.4, -0.7]])
    expected = (values * steady_release(DEPRESSING, np.abs(values) * 100)) @ np.array(line.weights)
    assert drive_of(line, values, UNITS)[..., 0] == pytest.approx(expected)
    with pytest.raises(WiringError, match="projection 'source -> target.soma'.*not known here"):
        drive_of(line, values)


@pytest.mark.parametrize("plasticity", [None, DEPRESSING], ids=["plain", "plastic"])
def test_what_counting_leaves_behind_plastic_synapses(plasticity):
    """An error of the source reaches the target as the release changes with the rate; numbers of counts: 10 Hz for one."""
    circuit = circuit_of("a, ab -> b", plasticity=plasticity)
    plan = Plan(circuit, Protocol(1 * second, 1, np.array([[0]])), 1, Reading("target"))
    found = variance_of(plan, {"source": [5.0, 2.0], "target": [1.0, 1.0]})
    gain = np.ones(2) if plasticity is None else slope(plasticity, np.array([50.0, 20.0]))
    own = 0.1**2 / 6
    expected = own + own * (gain**2) @ np.array(circuit.projections[0].weights) ** 2
    assert found["target"] == pytest.approx(expected, rel=1e-12)


def test_the_pilot_releases_as_the_spikes_do():
    """Unit rates are those at which the rate form asks for the same; spikes and rates then hold like values."""
    how = Settings(form=SPIKING, settle=2 * second, window=1 * second, target="numpy")
    tokens, block = case_of(1)
    prepared = prepare(mask_of(**WITH), tokens, how, **block)
    found, windows = run(prepared), prepared.plan.protocol.windows
    spiking = found.values["higher_order"][windows[0]].mean(axis=0)
    times = Times(2 * second, 100 * ms, 40 * ms, 1 * ms)
    plans, options = (plan_of(1, times, **WITH), plan_of(1, times)), {"dt": DT, "target": "numpy"}
    runs = [simulate(each, RATE, prepared.unit_rates, **options) for each in plans]
    error, missed = (np.linalg.norm(spiking - each.values["higher_order"][-1]) for each in runs)
    counted = spike_variance(prepared.plan, found, windows, 1)["higher_order"]
    assert error < 3 * np.sqrt(counted.sum())  # three standard errors of counting
    assert missed > 10 * error  # negative control: rates without plasticity


@pytest.mark.parametrize("form", [SPIKING, RATE], ids=["spiking", "rate"])
def test_heads_run_apart_answer_as_the_whole(form):
    plan = plan_of(**WITH)
    units, options = dict.fromkeys(plan.circuit.populations, UNITS), {"dt": DT, "target": "numpy"}
    units["interneuron"] = UNITS / 10
    whole, plain = (simulate(each, form, units, **options) for each in (plan, plan_of()))
    apart = spread(plan, form, units, executor=Here(), **options)
    for name, values in whole.values.items():
        assert apart.values[name] == pytest.approx(values, rel=1e-12, abs=1e-12)
    same = [np.array_equal(values, plain.values[name]) for name, values in whole.values.items()]
    assert not all(same)  # negative control


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("form", [SPIKING, RATE], ids=["spiking", "rate"])
def test_compiled_spikes_are_those_of_numpy(form):
    circuit = circuit_of(weights=np.array([[20, -10], [-10, 20]]), **WITH)
    plan = Plan(circuit, Protocol(100 * ms, 4, np.array([[2, 3]])), 1, Reading("target"))
    units = dict.fromkeys(circuit.populations, UNITS)
    one, other = (simulate(plan, form, units, dt=DT, record="all", target=target) for target in ("numpy", "cpp"))
    for mine, theirs in zip(one.records, other.records, strict=True):
        if form.spikes:
            assert mine.spike_index.size > 10
            assert np.array_equal(mine.spike_index, theirs.spike_index)
            assert np.array_equal(np.round(mine.spike_time / DT), np.round(theirs.spike_time / DT))
        assert np.asarray(mine.rate) == pytest.approx(np.asarray(theirs.rate), rel=1e-9, abs=1e-9)
