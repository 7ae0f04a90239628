"""Thalamic cells against closed forms, nuclei in slots with drivers and projections, bursts, and the experiment on them."""

import json

import numpy as np
import pytest
from brian2 import Hz, get_dimensions, ms, mV

from cortical_attention.cells.membranes import low_threshold, reticular
from cortical_attention.cells.membranes.fire_or_burst import FIRE_OR_BURST, recovered, steady_rate
from cortical_attention.cells.membranes.thalamic import CONDUCTANCE, DENSITY, holding
from cortical_attention.cells.short_term import ShortTerm, steady_release_poisson
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.nucleus import AMPA, GABA_A, Driver, Held, Nucleus, Projection, Source, between
from cortical_attention.circuits.protocol import Times
from cortical_attention.experiments import relays as experiment
from cortical_attention.experiments.relays import figures_of
from cortical_attention.readout.bursts import bursts, share
from cortical_attention.simulation import engine
from cortical_attention.simulation.nuclei import Spikes, played, simulate
from cortical_attention.trials.relays import CELLS, N_SLOT, OTHERS, SLOT, WITHOUT, nucleus_of, rows_of, stimuli_of
from cortical_attention.wiring.circuit import Sent
from cortical_attention.wiring.expressions import WiringError

SHORT = {"slot": 50 * ms, "n_slot": 10, "target": "numpy"}


def test_tonic_rate_is_that_of_the_closed_form():
    """To one spike in half a second, and to the steps in which Euler's method takes its way to threshold."""
    currents = np.array([0.5, 1.04, 1.2, 2.0, 3.0]) * DENSITY
    spikes = simulate([Nucleus("x", FIRE_OR_BURST, 5, currents, start=-50 * mV)], **SHORT)["x"]
    expected = np.asarray(steady_rate(FIRE_OR_BURST, currents) / Hz)
    assert expected[0] == expected[1] == 0 < expected[2]
    assert spikes.rates(500 * ms)[0] == pytest.approx(expected, abs=2.0, rel=0.01)


def test_the_t_current_recovers_as_stated():
    """And is inactivated above V_h within 20 ms."""
    cell = Nucleus("x", FIRE_OR_BURST, 1, holding(FIRE_OR_BURST, [[-50], *[[-80]] * 9] * mV), start=-50 * mV)
    h = simulate([cell], traces={"x": (("v", "h"), [0])}, **SHORT)["x"].traces
    below = np.flatnonzero(h["v"][:, 0] < -0.06)[0]
    later = np.arange(0, 3000, 500)
    assert h["h"][below + later, 0] == pytest.approx(recovered(FIRE_OR_BURST, later * 0.1 * ms), abs=0.01)


def test_time_constants_are_those_of_their_sources():
    v = np.array([-90, -80, -70, -60]) * mV
    assert np.asarray(reticular.tau_h(v) / ms) == pytest.approx([214, 215, 92, 35], abs=1)
    assert np.asarray(low_threshold.tau_h(v) / ms) == pytest.approx([84, 56, 24, 13], abs=1)
    cells = low_threshold.LOW_THRESHOLD, reticular.RETICULAR, FIRE_OR_BURST
    assert all(set(each.sources) >= set(each.constants) - {"tau_minus", "tau_plus"} for each in cells)


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_without_t_current_has_no_rebound(name):
    cell = CELLS[name]
    tone = Held(np.repeat([0.5, 0.0], [6, 4])[:, None] * CONDUCTANCE, -80 * mV)
    both = [
        Nucleus(f"x{k}", membrane, 3, cell.rebounding * DENSITY, conductances=(*cell.leak, tone))
        for k, membrane in enumerate((cell.membrane, cell.membrane.changed(g_T=0 * CONDUCTANCE)))
    ]
    found = simulate(both, **SHORT)
    assert found["x0"].counts(50 * ms)[6:].sum() >= 6
    assert not found["x1"].cells.size


def test_driver_trains_are_poisson_and_depress_as_stated():
    """A membrane that never fires: mean conductance is rate, weight, time constant and release; nothing at rate zero."""
    still = FIRE_OR_BURST.changed(V_T=100 * mV, g_T=0 * CONDUCTANCE)
    plasticity = ShortTerm(U=0.5, tau_f=1 * ms, tau_d=150 * ms)
    n, rate = 400, np.repeat([0.0, 20.0], 200)
    cells = [Nucleus(f"x{k}", still, n, drivers=(Driver(rate * Hz, 0.01 * CONDUCTANCE, each),))
             for k, each in enumerate((None, plasticity))]  # fmt: skip
    found = simulate(cells, traces={f"x{k}": (("g_ampa",), np.arange(n)) for k in (0, 1)}, **SHORT)
    means = [found[f"x{k}"].traces["g_ampa"][3000:].mean(axis=0) for k in (0, 1)]
    expected = 20 * 0.003 * float(0.01 * CONDUCTANCE)
    error = 5 / np.sqrt(20 * 0.2 * 200)  # standard errors of as many spikes
    assert means[0][:200].max() == means[1][:200].max() == 0
    assert means[0][200:].mean() == pytest.approx(expected, rel=error)
    assert means[1][200:].mean() == pytest.approx(expected * steady_release_poisson(plasticity, 20.0), rel=error)


def test_a_projection_brings_its_weight_after_its_delay():
    """Channels of two cells, in two circuits: the first circuit's second channel fires once."""
    source = Source("source", 8, spikes=([2, 3], [10, 10] * ms))
    target = Nucleus("target", FIRE_OR_BURST, 8, start=-65 * mV)
    weights = between([[0.0, 0.1], [0.2, 0.0]] * CONDUCTANCE, 2, 2, 2)
    found = simulate(
        [source, target], [Projection("source", "target", weights, GABA_A, delay=2 * ms)],
        slot=20 * ms, n_slot=1, target="numpy", traces={"target": (("g_gaba_a",), np.arange(8))},
    )  # fmt: skip
    g = found["target"].traces["g_gaba_a"] / float(CONDUCTANCE)
    assert not g[:120].any()
    assert g.max(axis=0) == pytest.approx([0.1, 0.1, 0, 0, 0, 0, 0, 0])
    assert g[121 + 50, 0] == pytest.approx(0.1 * np.exp(-0.5), rel=0.01)


def test_noise_alone_gives_its_standard_deviation():
    still = FIRE_OR_BURST.changed(V_T=100 * mV, g_T=0 * CONDUCTANCE)
    found = simulate([Nucleus("x", still, 400, sigma=2 * mV)], traces={"x": (("v",), np.arange(400))}, **SHORT)["x"]
    assert found.traces["v"][-1].std() * 1000 == pytest.approx(2, rel=5 / np.sqrt(2 * 400))


def test_bursts_are_those_of_a_slow_count():
    rng = np.random.default_rng(0)
    cells, times = rng.integers(0, 4, 400), rng.exponential(0.05, 400).cumsum() // 0.001 * 0.001
    times = np.concatenate([times, times + 0.004])
    cells = np.concatenate([cells, cells])
    found, slow = bursts(cells, times), []
    for cell in range(4):
        own, k = np.sort(times[cells == cell]), 0
        while k < len(own):
            last = k
            while last + 1 < len(own) and own[last + 1] - own[last] <= 0.006 + 1e-9:
                last += 1
            if last > k and (k == 0 or own[k] - own[k - 1] >= 0.1 - 1e-9):
                slow.append((cell, own[k], last - k + 1))
            k = last + 1
    assert list(zip(found.cells, found.times, found.spikes, strict=True)) == slow
    assert found.inside.sum() == found.spikes.sum()
    assert share([], []) == 0


def test_spikes_are_played_one_a_step():
    spikes = Spikes(np.array([1, 0, 1]), np.array([5, 105, 205]), 2, 400, 0.1 * ms)
    sent = spikes.sent(1 * ms, start=10 * ms)
    assert (sent.cells.tolist(), sent.steps.tolist()) == ([0, 1], [0, 10])
    with pytest.raises(WiringError, match=r"50.0% of the spikes are lost in steps of 30 ms"):
        Spikes(np.array([0, 0]), np.array([5, 105]), 1, 400, 0.1 * ms).sent(30 * ms)
    plan = mask_wiring(Times(100 * ms, 100 * ms, 100 * ms, 1 * ms), np.zeros((1, 2, 4)), **dict.fromkeys(
        ("W_Q", "W_K", "W_V"), np.ones((1, 4, 4))), W_O=np.ones((1, 4, 4)))  # fmt: skip
    assert played(plan, {"core": Sent(None, None, np.zeros((9, 8)))}).circuit.populations["core"].inputs == {}
    with pytest.raises(WiringError, match="there is no population 'cortex' to play"):
        played(plan, {"cortex": sent})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"current": np.zeros(3) * DENSITY}, r"current has shape \(3,\) but needs to broadcast to \(10, 2\)"),
        ({"sigma": 2 * ms}, "sigma needs a quantity in"),
        ({"drivers": (Driver(np.nan * Hz, 1 * CONDUCTANCE),)}, "rate_0 has values that are not finite"),
        ({"n_cell": 0}, "of 0 cells"), ({"name": "a b"}, "needs a name that is an identifier"),
        ({"drivers": (Driver(1 * Hz, 1 * CONDUCTANCE), Driver(1 * Hz, 1 * CONDUCTANCE, None, AMPA._replace(tau=9 * ms)))},
         "two receptors of the same name"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(change, sentence):
    with pytest.raises(WiringError, match=sentence):
        simulate([Nucleus("x", FIRE_OR_BURST, 2)._replace(**change)], **SHORT)


@pytest.mark.parametrize(
    ("nuclei", "weight", "changed", "sentence"),
    [
        ((), None, {}, "nuclei: 0"), ((Source("x", 2),), None, {}, "either a rate or spikes"),
        ((Source("x", 2, 1 * Hz),), None, {"slot": 0.05}, "needs to be a time"),
        ((Source("x", 2, 1 * Hz),), None, {"n_slot": 0}, "slots: 0"),
        ((Source("x", 2, 1 * Hz),), None, {"target": "gpu"}, "target is 'gpu'"),
        ((Source("x", 2, 1 * Hz),), 1 * CONDUCTANCE, {}, "receives none"),
        ((Nucleus("x", FIRE_OR_BURST, 2),), np.nan * CONDUCTANCE, {}, "need to be finite"),
        ((Nucleus("x", FIRE_OR_BURST, 2),), 1, {}, "need to be finite, in"),
    ],
)  # fmt: skip
def test_runs_and_projections_that_do_not_fit_are_refused(nuclei, weight, changed, sentence):
    projections = [] if weight is None else [Projection("x", "x", np.ones((2, 2)) * weight)]
    with pytest.raises(WiringError, match=sentence):
        simulate(nuclei, projections, **SHORT | changed)


def test_slots_and_names_are_checked():
    cell = Nucleus("x", FIRE_OR_BURST, 2)
    with pytest.raises(WiringError, match="whole number of steps"):
        simulate([cell], slot=0.25 * ms, n_slot=1)
    with pytest.raises(WiringError, match="same name"):
        simulate([cell, cell], **SHORT)
    with pytest.raises(WiringError, match="there is no nucleus 'y'"):
        simulate([cell], [Projection("x", "y", np.ones((2, 2)) * CONDUCTANCE)], **SHORT)
    with pytest.raises(WiringError, match=r"weights have shape \(2, 3\)"):
        simulate([cell], [Projection("x", "x", np.ones((2, 3)) * CONDUCTANCE)], **SHORT)
    assert get_dimensions(holding(FIRE_OR_BURST, -70 * mV)) == DENSITY.dim


def test_the_command_runs_and_both_targets_give_the_same_spikes(tmp_path, monkeypatch):
    """Two draws of one cell; the first nucleus again in numpy gives the rows of the compiled one."""
    if not engine.compiles():
        pytest.skip("no C++ compiler")
    monkeypatch.chdir(tmp_path)
    relays = {name: CELLS[name] for name in experiment.RELAYS}
    monkeypatch.setattr(experiment, "CELLS", relays)
    monkeypatch.setattr(experiment, "OTHERS", {f"{name}{WITHOUT}": OTHERS[f"{name}{WITHOUT}"] for name in relays})
    assert experiment.main(seeds=2, cells=1, quick=True, target="cpp", out=tmp_path / "out") == 0
    result = json.loads((tmp_path / "out" / "relays.json").read_text(encoding="utf-8"))
    assert result["figures"]["bursts_per_cycle_fire_or_burst"]["outcome"] in ("held", "undecided")
    assert result["figures"]["bursts_per_cycle_without_T_low_threshold"]["outcome"] == "held"
    name, cell = next(iter(CELLS.items()))
    nucleus = nucleus_of("cells_0", cell, 2, 1, 0)
    spikes = simulate([nucleus], slot=SLOT, n_slot=N_SLOT, seed=0, target="numpy")["cells_0"]
    rows = rows_of(name, spikes, stimuli_of(cell), 2, 1)
    assert rows == [row for row in result["rows"] if row["cell"] == name]
    again = {name: each["value"] for name, each in figures_of(result["rows"]).items()}
    assert again == {name: each["value"] for name, each in result["figures"].items()}
