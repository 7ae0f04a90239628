"""A circuit as Brian2 objects: synapses read back, copies, names, hidden axes, Dale's law, and the gain of a spike."""

import numpy as np
import pytest
from brian2 import Clock, Hz, Network, SpikeMonitor, ms, second
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cortical_attention.cells.cell import CellType
from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.forms.dale import DALE
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.cells.relay import FIRST_ORDER
from cortical_attention.cells.superficial import SUPERFICIAL
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.inputs.suite import random_case
from cortical_attention.simulation.settings import Settings
from cortical_attention.wiring.circuit import Circuit, Population, Projection
from cortical_attention.wiring.expand import expand_input, expand_population, input_strides
from cortical_attention.wiring.expressions import Expression, WiringError
from cortical_attention.wiring.network import Construction, wire
from cortical_attention.wiring.values import (
    unit_rate_for,
    values_of_count,
    values_of_rate,
    weight_of_rate,
    weight_of_spike,
)

EPS = np.finfo(float).eps
UNIT = 100 * Hz
few = settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 2**32 - 1)


@st.composite
def expressions(draw):
    """An index expression with the size of each letter; operands may be empty, and permuted."""
    source, target = (draw(st.lists(st.sampled_from("abc"), unique=True, max_size=2)) for _ in range(2))
    known = sorted({*source, *target})
    weight = draw(st.lists(st.sampled_from(known), unique=True)) if known else []
    return Expression(*map("".join, (source, weight, target))), {letter: draw(st.integers(1, 3)) for letter in known}


def relays(name, letters, size_of, **more):
    """Relay cells with these axes, letters as kinds."""
    return Population(name, FIRST_ORDER, tuple((letter, size_of[letter]) for letter in letters), signed="soma", **more)


def shape(letters, size_of):
    """Sizes of some letters."""
    return tuple(size_of[letter] for letter in letters)


def pair(drawn, seed, batch=1):
    """Source relays, which carry random numbers of both signs, onto target relays, by random weights of both signs."""
    expression, size_of = drawn
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(batch, *shape(expression.source, size_of)))
    weights = rng.normal(size=shape(expression.weight, size_of))
    source = relays("source", expression.source, size_of, inputs={"soma": values})
    line = Projection("source", "target.soma", "{}, {} -> {}".format(*expression), weights)
    return Circuit("pair", {"source": source, "target": relays("target", expression.target, size_of)}, (line,))


def build(circuit, form, batch=1, cells=1, shared=True, dt=1 * ms, unit=UNIT):
    """Brian2 objects, every population with the same unit rate, or the same for each input."""
    units = dict.fromkeys(circuit.populations, unit * np.ones(batch))
    return wire(circuit, Construction(form, units, batch, cells, shared, Clock(dt), 1 * second))


def rates_at_end(circuit, batch=1, **more):
    """Rates (Hz), (batch, *sizes, cells), of every population after 0.1 s of the rate form, far from settled."""
    wired = build(circuit, RATE, batch, **more)
    Network(*wired.objects).run(100 * ms, namespace={})
    return {name: np.array(group.rate).reshape(wired.concrete[name].shape) for name, group in wired.groups.items()}


def spikes(circuit, batch=1, **more):
    """Spikes of every population in 0.2 s of the spiking form: index and step, in order."""
    wired = build(circuit, SPIKING, batch, **more)
    monitors = {name: SpikeMonitor(group) for name, group in wired.groups.items()}
    Network(*wired.objects, *monitors.values()).run(200 * ms, namespace={})
    return {
        name: np.stack([np.array(each.i), np.round(each.t / (1 * ms))]).astype(int) for name, each in monitors.items()
    }


def same(one, other):
    """Whether two answers of `spikes` are the same, population by population, and not empty."""
    assert all(each.size for each in one.values())
    return all(np.array_equal(a, b) for a, b in zip(one.values(), other.values(), strict=True))


def matrix_of(circuit):
    """What the projection of a pair says, as [target, source], without hidden axes."""
    (line,), (source, target) = circuit.projections, circuit.populations.values()
    expression = Expression(*line.expression.replace(" ", "").replace(",", "->").split("->"))
    n_source = int(np.prod(source.shape))
    one_hot = np.eye(n_source).reshape(n_source, *source.shape)
    parts = f"Z{expression.source},{expression.weight},{expression.target}->Z{expression.target}"
    return np.einsum(parts, one_hot, line.weights, np.ones(target.shape)).reshape(n_source, -1).T


def read_back(wired, form, dt=1 * ms):
    """Explicit synapses of a pair as [target cell, source cell] in numbers: excitation and inhibition."""
    unit_weight = (
        weight_of_spike(1.0, UNIT, SPIKING.synapses.tau(FIRST_ORDER, "soma"), dt) if form.spikes else float(1 / UNIT)
    )
    found = []
    for sign in ("excitation", "inhibition"):
        dense = np.zeros((wired.groups["target"].N, wired.groups["source"].N))
        synapses = wired.synapses.get(("source -> target.soma", sign))
        if synapses is not None:
            np.add.at(dense, (np.array(synapses.j), np.array(synapses.i)), np.array(synapses.weight) / unit_weight)
        found.append(dense)
    return found


def expanded(matrix, batch, cells, paired):
    """The matrix with its hidden axes: batch diagonal, averaged over the cells of the source, sign by sign."""
    signs = np.array([[1, -1], [-1, 1]]) if paired else np.ones((1, 1))
    inner = np.kron(matrix, np.kron(np.full((cells, cells), 1 / cells), signs))
    return np.kron(np.eye(batch), inner)


@few
@given(
    drawn=expressions(),
    seed=seeds,
    batch=st.integers(1, 2),
    cells=st.integers(1, 3),
    form=st.sampled_from([RATE, DALE, SPIKING]),
)
def test_explicit_synapses_read_back_are_the_einsum(drawn, seed, batch, cells, form):
    circuit = pair(drawn, seed, batch)
    wired = build(circuit, form, batch, cells, shared=False)
    excitation, inhibition = read_back(wired, form)
    expected = expanded(matrix_of(circuit), batch, cells, form.paired)
    # the weight is scaled to a synapse and back, and divided by the cells: a few roundings
    assert excitation - inhibition == pytest.approx(expected, rel=8 * EPS)
    if form.paired:
        # negative control: half of the squares are subtracted; excitation alone misses by the square root of 1/2
        missing = np.linalg.norm(excitation - expected)
        assert missing == pytest.approx(np.sqrt(0.5) * np.linalg.norm(expected), rel=1e-6)


@few
@given(drawn=expressions(), seed=seeds, cells=st.integers(1, 2), shared=st.booleans())
def test_dale_every_synapse_adds_and_only_relays_subtract(drawn, seed, cells, shared):
    wired = build(pair(drawn, seed), SPIKING, 1, cells, shared)
    for (_, sign), synapses in wired.synapses.items():
        assert (np.array(synapses.weight) > 0).all()
        direct = synapses.source is wired.groups["source"]
        assert direct == (sign == "excitation")
        assert synapses.source.name.startswith("source" if direct else "relay_")
        assert (
            synapses.pre.code or synapses.pre.abstract_code
        ).strip() == f"filtered_post {'+' if direct else '-'}= weight"
    reached = {
        sign: set(zip(*(np.array(each) for each in (s.i, s.j)), strict=True)) for (_, sign), s in wired.synapses.items()
    }
    assert not reached.get("excitation", set()) & reached.get("inhibition", set())


@pytest.mark.parametrize(("layer", "area", "n_relay"), [("L5 IT", "", 1), ("L5 PT", "", 2), ("L5 IT", "next", 2)])
def test_relays_of_a_source_inhibit_all_its_targets_of_one_layer_and_area(layer, area, n_relay):
    """Relays of another layer, or of another area, are cells of their own."""
    source = Population("source", FIRST_ORDER, (("token", 3),), signed="soma", inputs={"soma": np.ones((1, 3))})
    targets = [
        Population(name, FIRST_ORDER._replace(layer=where), (("token", 3),), signed="soma", area=lies_in)
        for name, where, lies_in in (("one", "L5 IT", ""), ("other", layer, area))
    ]
    projections = tuple(Projection("source", f"{each.name}.soma", "i -> i", -1.0) for each in targets)
    wired = build(Circuit("pair", {each.name: each for each in (source, *targets)}, projections), SPIKING)
    assert len(wired.relays) == n_relay
    assert {name for name, *_ in wired.relays} == {"source"}


@given(drawn=expressions(), seed=seeds, batch=st.integers(1, 2), cells=st.integers(1, 2))
def test_strides_of_an_input_find_the_value_of_each_cell(drawn, seed, batch, cells):
    """An input with axes of size one is read from one value for all cells along them."""
    expression, size_of = drawn
    rng = np.random.default_rng(seed)
    population = relays("source", expression.source, size_of)
    concrete = expand_population(population, SPIKING, batch, cells)
    values = rng.normal(size=[rng.choice([1, size]) for _, size in concrete.axes[: 1 + len(population.axes)]])
    full, strides = expand_input(concrete, "soma", values), input_strides(concrete, "soma", values)
    places = np.array([np.dot(index, strides) for index in np.ndindex(*concrete.shape)], dtype=int)
    assert np.array_equal(full[places], full)


def test_negative_control_the_rate_form_keeps_signed_weights():
    wired = build(pair((Expression("a", "ab", "b"), {"a": 3, "b": 3}), 0), RATE)
    (synapses,) = wired.synapses.values()
    weights = np.array(synapses.weight)
    assert weights.min() < 0 < weights.max()


def test_like_signs_join_on_to_on_and_off_to_off_by_excitation_alone():
    size_of = {"a": 2, "b": 3}
    circuit = pair((Expression("ab", "", "a"), size_of), 0)
    line = circuit.projections[0]._replace(like_signs=True)
    wired = build(circuit._replace(projections=(line,)), SPIKING, shared=False)
    excitation, inhibition = read_back(wired, SPIKING)
    assert excitation == pytest.approx(np.kron(matrix_of(circuit), np.eye(2)), rel=8 * EPS)
    assert not inhibition.any()
    assert [sign for _, sign in wired.synapses] == ["excitation"]


@few
@given(drawn=expressions(), seed=seeds)
def test_shared_dendrites_answer_as_one_synapse_a_pair(drawn, seed):
    circuit = pair(drawn, seed)
    shared, explicit = (rates_at_end(circuit, shared=each) for each in (True, False))
    # the same sums in the same order, cell by cell; each of the 100 steps may round once
    assert shared["target"] == pytest.approx(explicit["target"], rel=100 * EPS)
    shared, explicit = (spikes(circuit, shared=each) for each in (True, False))
    assert all(np.array_equal(shared[name], explicit[name]) for name in shared)


def superficial(names, cell, seed=0, weight=1.0, batch=1):
    """Two nuclei onto both dendrites of L2/3 cells, which inhibit relays: products, copies and both signs."""
    core, matrix, layer, out = names
    basal, apical = list(cell.ports)[:2]
    rng = np.random.default_rng(seed)
    size_of = {"i": 2, "j": 2, "m": 3, "k": 2}
    tokens = rng.normal(size=(batch, 2, 3))
    axes = (("i", 2), ("j", 2), ("k", 2))
    populations = (
        relays(core, "im", size_of, inputs={"soma": tokens}),
        relays(matrix, "jm", size_of, inputs={"soma": tokens}),
        Population(layer, cell, axes, kernels={basal: "elu+1", apical: "elu+1"}),
        relays(out, "ik", size_of),
    )
    projections = (
        Projection(core, f"{layer}.{basal}", "im, km -> ijk", rng.normal(size=(2, 3))),
        Projection(matrix, f"{layer}.{apical}", "jm, km -> ijk", rng.normal(size=(2, 3))),
        Projection(layer, f"{out}.soma", "ijk, jk -> ik", weight * rng.normal(size=(2, 2))),
    )
    return Circuit("superficial", {each.name: each for each in populations}, projections)


NAMES = ("core", "matrix", "superficial", "out")
RENAMED = CellType("superficial", "L2/3", {"zz": 0.0, "aa": 0.0, "ss": 1.0, "gg": 1.0}, "gg * zz * aa / ss")


@pytest.mark.parametrize(
    ("names", "cell"),
    [(("zz", "yy", "dd", "aa"), SUPERFICIAL), (("aa", "zz", "relay", "dendrite"), SUPERFICIAL), (NAMES, RENAMED)],
)  # fmt: skip
def test_names_change_nothing(names, cell):
    """Brian2 breaks ties by name unless told the order; here everything is told (DESIGN, values and randomness)."""
    assert same(spikes(superficial(NAMES, SUPERFICIAL)), spikes(superficial(names, cell)))
    one, other = (rates_at_end(superficial(*each)).values() for each in ((NAMES, SUPERFICIAL), (names, cell)))
    # Brian2 orders the factors of a product by name, which moves the last digit
    assert all(np.allclose(a, b, rtol=1e-14, atol=0) for a, b in zip(one, other, strict=True))


def test_negative_control_a_weight_one_per_cent_off_moves_spikes():
    assert not same(spikes(superficial(NAMES, SUPERFICIAL)), spikes(superficial(NAMES, SUPERFICIAL, weight=1.01)))


def test_inputs_side_by_side_answer_as_each_alone():
    """Each input with its own unit rate."""
    both, units = superficial(NAMES, SUPERFICIAL, batch=2), np.array([100, 70]) * Hz
    together = rates_at_end(both, batch=2, unit=units), spikes(both, batch=2, unit=units)
    for row in range(2):
        nuclei = {name: both.populations[name] for name in ("core", "matrix")}
        own = {
            name: each._replace(inputs={"soma": each.inputs["soma"][row : row + 1]}) for name, each in nuclei.items()
        }
        alone = both._replace(populations={**both.populations, **own})
        for name, rates in rates_at_end(alone, unit=units[row]).items():
            assert np.array_equal(together[0][name][row : row + 1], rates)
            assert not np.array_equal(together[0][name][1 - row : 2 - row], rates)  # negative control
        for name, (index, step) in spikes(alone, unit=units[row]).items():
            n_cell = int(np.prod(both.populations[name].shape)) * (2 if both.populations[name].signed else 1)
            mine = together[1][name][0] // n_cell == row
            assert np.array_equal(together[1][name][:, mine] - [[row * n_cell], [0]], [index, step])


def test_three_cells_per_value_answer_as_one():
    circuit = superficial(NAMES, SUPERFICIAL)
    one, three = rates_at_end(circuit, cells=1), rates_at_end(circuit, cells=3)
    for name in NAMES:
        # each sum has three times the terms, each a third: a rounding a term and step
        assert three[name] == pytest.approx(
            np.repeat(one[name], 3, axis=-1), rel=0, abs=100 * 36 * EPS * np.abs(one[name]).max()
        )


# A train with one spike every 32 steps: 1 / 32 is exact, and half a step of head start keeps it off the threshold.
STEPS, GAIN_DT, WEIGHT = 32, 0.5 * ms, 0.25
GAIN_UNIT = 1 / (STEPS * GAIN_DT)


def mean_trace(size_of_spike):
    """What a target relay reads on average over one interval of a regular train, as its membrane has integrated it."""
    source = Population("source", FIRST_ORDER, (), inputs={"soma": np.ones(1)})
    circuit = Circuit(
        "train", {"source": source, "target": source._replace(name="target", inputs={})},
        (Projection("source", "target.soma", ", -> ", WEIGHT),),
    )  # fmt: skip
    units = dict.fromkeys(circuit.populations, GAIN_UNIT * np.ones(1))
    wired = wire(circuit, Construction(SPIKING, units, 1, 1, True, Clock(GAIN_DT), 1 * second))
    wired.synapses["source -> target.soma", "excitation"].weight = size_of_spike
    source, target = wired.groups.values()
    source.v = 0.5 / STEPS
    network = Network(*wired.objects)
    network.run(STEPS * 100 * GAIN_DT, namespace={})
    before, start = int(source.count[0]), float(target.v[0] + target.count[0])
    network.run(STEPS * GAIN_DT, namespace={})
    assert source.count[0] - before == 1
    return float(target.v[0] + target.count[0]) - start


def test_a_regular_train_at_unit_rate_stands_for_the_weight():
    """Every interval adds the mean of what the target reads: its unit rate over 32 steps is one."""
    tau = SPIKING.synapses.tau(FIRST_ORDER, "soma")
    transient = float(np.exp(-STEPS * 100 * GAIN_DT / tau))
    tolerance = transient + STEPS * 101 * EPS / WEIGHT
    right = weight_of_spike(WEIGHT, GAIN_UNIT, tau, GAIN_DT)
    assert mean_trace(right) == pytest.approx(WEIGHT, rel=tolerance)
    # negative control: the factor of a trace read before it decays misses by dt / tau, to second order
    before_decay = WEIGHT * -np.expm1(-float(GAIN_DT / tau)) / float(GAIN_UNIT * GAIN_DT)
    step = float(GAIN_DT / tau)
    assert mean_trace(before_decay) / WEIGHT - 1 == pytest.approx(-step, abs=step**2)
    assert step > 1e4 * tolerance


def test_numbers_and_rates():
    assert np.allclose(values_of_rate(np.array([50, -25]) * Hz, UNIT), [0.5, -0.25], rtol=4 * EPS)
    assert np.allclose(values_of_count([3, 0], UNIT, 2 * second), [0.015, 0], rtol=4 * EPS)
    assert np.allclose(weight_of_rate([2.0, -1.0], UNIT) / second, [0.02, -0.01], rtol=4 * EPS)
    assert unit_rate_for(np.array([2.5, 0]), 250 * Hz) / Hz == pytest.approx([100, 250])


def test_two_projections_to_one_port_are_refused():
    """They would be one entry of the network, and one of them lost."""
    circuit = superficial(NAMES, SUPERFICIAL)
    doubled = circuit._replace(projections=(*circuit.projections, circuit.projections[0]))
    with pytest.raises(WiringError, match="is there twice"):
        doubled.check()


def test_a_constant_of_a_cell_type_does_not_take_the_place_of_one_of_the_form():
    clashing = CellType("superficial", "L2/3", {"soma": 0.0}, "soma", parameters={"sigma": 1.0})
    circuit = Circuit("clash", {"cells": Population("cells", clashing, (("token", 2),))}, ())
    how = Construction(ADAPTIVE, {"cells": np.ones(1) * UNIT}, 1, 1, True, Clock(1 * ms), 100 * ms)
    with pytest.raises(WiringError, match="'cells': sigma is a constant of the cell type and of the form"):
        wire(circuit, how)


def test_a_port_reached_with_like_signs_and_without_is_told():
    case = random_case(0, 3, n_head=1, d_model=4, d_key=2, d_value=2)
    plan = mask_wiring(Settings().times(), case.tokens[None], **case.block._asdict())
    skip = Projection("core", "pyramidal_tract.soma", "im, vm -> hiv", np.ones((2, 4)))
    mixed = plan.circuit._replace(projections=(*plan.circuit.projections, skip))
    assert plan.circuit.notices() == []
    (notice,) = mixed.notices()
    assert "'core -> pyramidal_tract.soma': 'intratelencephalic -> pyramidal_tract.soma' reaches" in notice
    assert "'core' counts up to twice" in notice
