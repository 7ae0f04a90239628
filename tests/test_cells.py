"""Each cell type in the rate form against its closed form; the kernels against the algebra's; the divisive loop."""

import numpy as np
import pytest
from brian2 import Clock, Hz, Network, NeuronGroup, ms, second

from cortical_attention.cells import interneuron, intratelencephalic, memory, pyramidal_tract, relay, superficial
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.cells.interneuron import INTEGRATING, PARAMETERS, POOLING, PROPORTIONAL
from cortical_attention.cells.kernels import KERNELS
from cortical_attention.cells.superficial import SUPERFICIAL
from cortical_attention.reference import KERNELS as ALGEBRA
from cortical_attention.wiring.circuit import Circuit, Population, Projection
from cortical_attention.wiring.network import Construction, wire

EPS = np.finfo(float).eps
UNIT = 100 * Hz
DT = RATE.dt


def settle(circuit, duration, batch=1, phase=1 * second):
    """Rates (Hz) of every population at the end of a run of the rate form, batch first."""
    units = dict.fromkeys(circuit.populations, UNIT * np.ones(batch))
    wired = wire(circuit, Construction(RATE, units, batch, 1, True, Clock(DT), phase))
    Network(*wired.objects).run(duration, namespace={})
    return {name: np.array(group.rate).reshape(wired.concrete[name].shape[:-1]) for name, group in wired.groups.items()}


def alone(cell, inputs, duration, phase=1 * second, **more):
    """Rates (Hz) of five cells that nothing but their inputs reaches."""
    population = Population("cell", cell, (("key", 5),), inputs=inputs, **more)
    return settle(Circuit("alone", {"cell": population}, ()), duration, phase=phase)["cell"][0]


def left(duration, tau):
    """What is left of the start after a leaky stage has run: each Euler step leaves 1 - dt / tau."""
    return float((1 - float(DT / tau)) ** round(float(duration / DT)))


def drives(seed, *ports):
    """Five positive values a port, with a batch axis of one."""
    rng = np.random.default_rng(seed)
    return {port: rng.uniform(0.5, 2, size=(1, 5)) for port in ports}


@pytest.mark.parametrize(
    ("module", "cell", "ports"),
    [
        (relay, relay.FIRST_ORDER, ["soma"]),
        (relay, relay.HIGHER_ORDER, ["soma"]),
        (pyramidal_tract, pyramidal_tract.PYRAMIDAL_TRACT, ["soma"]),
        (superficial, SUPERFICIAL, ["basal", "apical", "shunt", "gate"]),
        (superficial, SUPERFICIAL, ["basal", "apical"]),
        (
            intratelencephalic,
            intratelencephalic.INTRATELENCEPHALIC,
            ["basal", "apical", "shunt"],
        ),
        (intratelencephalic, intratelencephalic.INTRATELENCEPHALIC, ["basal", "apical"]),
    ],
)
def test_a_cell_without_state_reaches_its_steady_rate(module, cell, ports):
    given = drives(0, *ports)
    expected = module.steady_rate(100.0, **{port: values[0] for port, values in given.items()})
    found = alone(cell, given, duration := 400 * ms)
    # the soma starts at zero and is one leaky stage; each of the steps rounds once
    assert found == pytest.approx(expected, rel=left(duration, RATE.membrane.lag) + 400 * EPS)
    # negative control: a tenth of the time leaves a hundredth of the way, which the same assertion would not pass
    early = alone(cell, given, 40 * ms)
    assert np.all(np.abs(early / expected - 1) > 0.9 * left(40 * ms, RATE.membrane.lag))
    assert left(40 * ms, RATE.membrane.lag) > 0.01


def test_a_superficial_cell_reads_kernels_and_is_silent_behind_a_closed_gate():
    given = {"basal": np.array([[-2.0, -0.5, 0.0, 0.5, 2.0]]), "apical": np.array([[3.0, -1.0, 0.1, 0.0, -3.0]])}
    given["gate"] = np.array([[1.0, 1, 1, 1, 0]])
    phi = ALGEBRA["elu+1"].phi
    found = alone(SUPERFICIAL, given, 400 * ms, kernels={"basal": "elu+1", "apical": "elu+1"})
    expected = superficial.steady_rate(100.0, phi(given["basal"][0]), phi(given["apical"][0]), gate=given["gate"][0])
    assert found == pytest.approx(expected, rel=left(400 * ms, RATE.membrane.lag) + 400 * EPS)
    assert found[4] == 0


def test_a_memory_cell_holds_what_was_written():
    """Three tokens, each shown for two phases and written in the second, then three phases of holding."""
    rng = np.random.default_rng(1)
    basal, apical = rng.uniform(0, 2, size=(2, 3, 5))
    shown = np.repeat(np.arange(3), 2)
    inputs = {
        port: np.concatenate([values[shown], np.ones((3, 5))])[:, None]
        for port, values in (("basal", basal), ("apical", apical))
    }
    gate = np.array([0, 1, 0, 1, 0, 1, 0, 0, 0])[:, None, None] * np.ones((1, 1, 5))
    phase = 100 * ms
    more = {"phase": phase, "parameters": {"tau_write": phase}}
    found = alone(memory.MEMORY, {**inputs, "gate": gate}, 9 * phase, **more)
    expected = memory.steady_rate(100.0, basal, apical)
    # M is exact but for the rounding of 300 steps; the soma has followed it for three phases
    tolerance = left(3 * phase, RATE.membrane.lag) + 900 * EPS
    assert found == pytest.approx(expected, rel=tolerance)
    # negative control: writing from the onset of each token counts every token twice
    always = alone(
        memory.MEMORY,
        {**inputs, "gate": np.where(np.arange(9) < 6, 1.0, 0)[:, None, None] + 0 * gate},
        9 * phase,
        **more,
    )
    assert always == pytest.approx(2 * expected, rel=tolerance)


def test_a_pooling_interneuron_holds_sigma_and_its_drive():
    drive = {"pool": np.array([[0.0, 1e-3, 1.0, 50.0, 1e4]])}
    tau_g = PARAMETERS["lags"] * RATE.tau_loop
    duration = 25 * tau_g
    found = alone(POOLING, drive, duration)
    expected = interneuron.steady_rate(100.0, drive["pool"][0])
    # g starts at one; its soma follows with a lag that has long passed: lambda exp(-lambda t) of two leaky stages
    slack = 2 * left(duration, tau_g) * np.abs(100.0 - expected)
    assert np.all(np.abs(found - expected) <= slack + 1e4 * EPS * expected)


@pytest.mark.parametrize("form", [RATE, SPIKING])
def test_what_must_follow_quickly_has_fast_synapses(form):
    """The loop of inhibition, and what a memory writes; everything else is slow, so that phi sees little ripple."""
    value, entry = intratelencephalic.INTRATELENCEPHALIC, memory.MEMORY
    fast = [(SUPERFICIAL, "shunt"), (value, "shunt"), (entry, "basal"), (entry, "apical")]
    slow = [(SUPERFICIAL, "basal"), (SUPERFICIAL, "apical"), (value, "basal"), (value, "apical")]
    somata = [
        (each, "soma")
        for each in (
            relay.FIRST_ORDER,
            pyramidal_tract.PYRAMIDAL_TRACT,
        )
    ]
    assert {form.synapses.tau(*port) / ms for port in fast} == {form.synapses.tau_fast / ms}
    assert {form.synapses.tau(*port) / ms for port in slow + somata} == {form.synapses.tau_slow / ms}
    assert form.synapses.tau(INTEGRATING, "pool") == form.synapses.tau(POOLING, "pool") == form.synapses.tau_pool
    assert form.synapses.tau_pool <= form.synapses.tau_fast <= form.synapses.tau_slow


def evaluate(kernel, x):
    """A kernel as Brian2 computes it."""
    group = NeuronGroup(len(x), f"x : 1\ny = {KERNELS[kernel]} : 1", namespace={}, name="kernel")
    group.x = x
    return np.array(group.y)


X = np.concatenate(
    [np.linspace(-5, 5, 101), [-1e300, -1e4, -745.0, -50.0, 0.0, 50.0, 700.0], np.array([1e-300, -1e-300])]
)
LARGE = np.array([1e4, 1e300])


@pytest.mark.parametrize("kernel", sorted(ALGEBRA))
def test_a_kernel_is_the_algebras(kernel):
    """The same function written twice: equal to a few roundings, and where exp(x) is as large as floats go."""
    x = np.concatenate([X, LARGE])
    with np.errstate(over="ignore"):
        x = x[np.isfinite(ALGEBRA[kernel].phi(x))]  # where it does not overflow
    assert set(X) <= set(x)
    expected = ALGEBRA[kernel].phi(x)
    # softplus: |x| cancels in neither; the rounding of exp(u) is eps |u| relative, and exp(700) stands at u = 700
    assert evaluate(kernel, x) == pytest.approx(expected, rel=16 * EPS, abs=np.finfo(float).tiny)


def test_the_kernels_are_those_of_the_algebra_and_the_identity():
    assert set(KERNELS) == {"identity", *ALGEBRA}
    assert np.array_equal(evaluate("identity", np.concatenate([X, LARGE])), np.concatenate([X, LARGE]))


def test_negative_control_kernels_are_told_apart():
    for kernel in ALGEBRA:
        for other in set(ALGEBRA) - {kernel}:
            assert np.abs(evaluate(kernel, X[:101]) - ALGEBRA[other].phi(X[:101])).max() > 0.1


Z = 10.0 ** np.arange(-3, 8)


DIVISIVE = (
    Projection("superficial", "interneuron.pool", "jk -> "),
    Projection("interneuron", "superficial.shunt", " -> jk"),
)


def divided(pool_max, cell=INTEGRATING):
    """Rates of the interneuron and of the cells it divides, for drives that sum to each Z, one a batch row."""
    share = np.random.default_rng(2).dirichlet(np.ones(6)).reshape(2, 3)
    drive = Z[:, None, None] * share
    populations = {
        "superficial": Population(
            "superficial", SUPERFICIAL, (("context", 2), ("key", 3)), inputs={"basal": drive, "apical": 1 + 0 * drive}
        ),
        "interneuron": Population("interneuron", cell, (), parameters={"pool_max": pool_max}),
    }
    found = settle(Circuit("loop", populations, DIVISIVE), RATE.settle, batch=len(Z))
    return found["interneuron"], found["superficial"], drive


def unsettled(z):
    """Relative error of the loop at the end of the default settling time, at most.

    Far from its fixed point g grows at most by (pool_max - 1) / tau_g and decays at most by 1 / tau_g. Near it log g
    obeys tau_g s + 1 / (lags) = 0: two somata, a dendrite and a pool; its slowest root is left, taken as double.
    """
    tau_g = PARAMETERS["lags"] * RATE.tau_loop / second
    growth = np.where(z > 1, PARAMETERS["pool_max"] - 1, 1) / tau_g
    lags = (
        RATE.membrane.lag,
        RATE.membrane.lag,
        RATE.synapses.tau(SUPERFICIAL, "shunt"),
        RATE.synapses.tau(INTEGRATING, "pool"),
    )
    polynomial = np.poly1d([tau_g, 0])
    for lag in lags:
        polynomial *= np.poly1d([lag / second, 1])
    slowest = -(polynomial + 1).roots.real.max()
    remaining = slowest * (RATE.settle / second - np.abs(np.log(z)) / growth)
    steps = RATE.settle / DT
    return (1 + remaining) * np.exp(-remaining) + steps * EPS


def test_the_divisive_loop_holds_z_over_ten_decades():
    g, s, drive = divided(PARAMETERS["pool_max"])
    held = interneuron.steady_rate(100.0, drive.sum(axis=(1, 2)))
    assert np.all(np.abs(g / held - 1) < unsettled(Z))
    shares = superficial.steady_rate(100.0, drive, 1.0, shunt=(PARAMETERS["sigma_g"] + Z)[:, None, None])
    assert np.all(np.abs(s / shares - 1) < unsettled(Z)[:, None, None])
    assert np.all(np.abs(s.sum(axis=(1, 2)) / 100 - 1) < unsettled(Z) + PARAMETERS["sigma_g"] / Z)
    assert unsettled(Z).max() < 1e-4  # the tolerance itself is a tight one


def test_a_proportional_term_leaves_the_fixed_point_and_settles_sooner():
    """After a sixth of the settling time the loop over one lag is done; the one over four lags is not."""
    drive = np.array([[[1.0, 2.0], [3.0, 4.0]]])

    def relative_error(cell):
        populations = {
            "superficial": Population(
                "superficial",
                SUPERFICIAL,
                (("context", 2), ("key", 2)),
                inputs={"basal": drive, "apical": 1 + 0 * drive},
            ),
            "interneuron": Population("interneuron", cell, ()),
        }
        found = settle(Circuit("loop", populations, DIVISIVE), RATE.settle / 6)["interneuron"]
        return abs(found[0] / (UNIT / Hz) / drive.sum() - 1)

    assert relative_error(PROPORTIONAL) < 1e-4
    assert relative_error(INTEGRATING) > 10 * relative_error(PROPORTIONAL)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # it overflows, which is the point
def test_negative_control_without_saturation_the_loop_dies_silently():
    """SCIENCE section 4: started at g = 1, a pool without bound runs away at large Z; the division is then lost."""
    g, s, _ = divided(pool_max=1e9)
    total = s.sum(axis=(1, 2)) / 100
    small, large = Z <= 10, Z >= 1e5
    assert total[small] == pytest.approx(np.ones(small.sum()), rel=1e-3)
    with np.errstate(invalid="ignore"):
        assert not np.any(np.abs(total[large] - 1) < 0.5)  # neither a dead network nor nan is within half of one
