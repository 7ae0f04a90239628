"""The two-compartment cell, its surfaces, and the L2/3 stage read by its bursts."""

from math import exp

import numpy as np
import pytest
from brian2 import Network, NeuronGroup, SpikeMonitor, ms, nS, pA, second

from cortical_attention.cells.forms.biophysical import two_compartment
from cortical_attention.cells.membranes import product
from cortical_attention.cells.membranes.calcium_spike import F_I, CalciumSpike
from cortical_attention.cells.membranes.product import map_product, map_quotient, rates
from cortical_attention.cells.membranes.two_compartment import (
    LONG_AGO,
    Summing,
    Surface,
    TwoCompartment,
    cells_under,
    counts,
    surface,
)
from cortical_attention.cells.noise import noise, stream_of
from cortical_attention.experiments import bursts
from cortical_attention.inputs.suite import random_case
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.readout.factors import factors
from cortical_attention.reference import linear_attention
from cortical_attention.reference.kernels import KERNELS
from cortical_attention.simulation.engine import device
from cortical_attention.trials.systems import NULLS
from cortical_attention.wiring.soma import at_release

QUIET = TwoCompartment(sigma=0 * pA)
RANGES = QUIET.dynamics.basal, QUIET.dynamics.apical


@pytest.fixture(autouse=True)
def on_numpy():
    """Nothing is compiled."""
    with device("numpy"):
        yield


def one(basal, apical, cell=QUIET, **more):
    """Counts of one cell in two seconds."""
    found = counts(np.array([basal]) * pA, np.array([apical]) * pA, cell, 2 * second, **more)
    return {name: float(each[0]) for name, each in found.items()}


def test_without_noise_and_drive_it_is_silent():
    assert one(0, 0) == {"total": 0, "burst": 0, "event": 0, "facilitated": 0}


def test_without_noise_its_soma_fires_beyond_its_rheobase():
    """C_s (V_T - E_L) / tau_s: 462.5 pA, less what the plateau gives at rest, g_s f(E_L) = 6 pA."""
    rheobase = float((QUIET.C_s * (QUIET.V_T - QUIET.E_L) / QUIET.tau_s) / pA)
    at_rest = float(QUIET.g_s / pA) / (1 + np.exp(float((QUIET.E_d - QUIET.E_L) / QUIET.D_d)))
    assert rheobase == pytest.approx(462.5)
    assert one(rheobase - 2 * at_rest, 0)["total"] == 0
    assert one(rheobase + 2 * at_rest, 0)["total"] > 0


def test_apical_drive_turns_spikes_into_bursts():
    """With a passive dendrite spikes stand alone; with apical drive and the same soma most belong to bursts."""
    alone, together = one(600, -300), one(600, 400)
    assert alone["burst"] == 0
    assert alone["event"] == alone["total"] > 0
    assert together["burst"] > 0.8 * together["event"]
    without = QUIET._replace(g_s=0 * pA)  # negative control: a plateau that does not reach the soma
    assert one(600, 400, without)["burst"] == 0


def test_a_spike_comes_back_for_two_milliseconds():
    """In a dendrite that only integrates, each spike leaves c_d 2 ms / C_d, whenever it comes: 4 steps of 0.5 ms."""
    integrating = QUIET._replace(tau_d=1e9 * second, g_d=0 * pA, a=0 * nS)
    group = cells_under(np.linspace(500, 1400, 40) * pA, np.zeros(40) * pA, integrating, 0)
    network = Network(group)
    network.run(1 * second)
    group.I_s = -1000 * pA  # what has fired comes back before it is looked at
    network.run(5 * ms)
    each = QUIET.c_d * 2 * ms / QUIET.C_d
    assert group.total[:].min() > 10
    assert np.asarray((group.V_d - QUIET.E_L) / each) == pytest.approx(group.total[:], rel=1e-9)


def test_spikes_make_events_and_bursts():
    """Every burst is an event, and holds two spikes at least."""
    noisy = TwoCompartment()
    found = counts(np.full(50, 500) * pA, np.full(50, 200) * pA, noisy, 2 * second)
    assert (found["burst"] <= found["event"] + 1).all()  # a burst may have begun before the window
    assert (found["total"] >= found["event"] + found["burst"] - 1).all()
    assert np.std(found["total"]) > 0  # cells have noise of their own
    again = counts(np.full(50, 500) * pA, np.full(50, 200) * pA, noisy, 2 * second)
    assert all(np.array_equal(found[name], again[name]) for name in found)
    other = counts(np.full(50, 500) * pA, np.full(50, 200) * pA, noisy, 2 * second, seed=1)
    assert not np.array_equal(found["total"], other["total"])


def test_bursts_interact_more_than_spikes_do():
    """Larkum, Senn & Luescher (2004), direction only: apical drive multiplies. Bursts more so than all spikes."""
    grid = np.linspace(-300, 900, 5)
    found = surface(TwoCompartment(), grid, grid, n_cell=6, window=2 * second).rates
    total, burst = (factors(found[name]) for name in ("total", "burst"))
    assert burst.interaction > 2 * total.interaction
    assert total.product_residual > total.sum_residual  # all spikes: nearer to a sum than to a product
    assert burst.product_residual < burst.sum_residual


def test_the_calcium_spike_fires_as_fine_steps_do():
    """As many spikes as an integration by hand of the same equations in steps of 0.02 ms (mV, nA, nF, uS, Mohm)."""
    basal, apical = np.array([300, 700, 300, 700, 0, 200]), np.array([0, 0, 600, 600, 1500, 1200])
    found = counts(basal * pA, apical * pA, CalciumSpike(sigma=0 * pA), 1 * second)["total"]
    wanted = [integrated(*each) for each in zip(basal / 1e3, apical / 1e3, strict=True)]
    assert found == pytest.approx(wanted, rel=0.05, abs=1)
    assert max(wanted) > 20


def integrated(I_s, I_d, dt=0.02):
    """Spikes in one second after half a second."""
    v, w, g, m, h, last, spikes = -70.0, -70.0, 0.0, 0.0, 0.0, -1000.0, 0
    for step in range(round(1500 / dt)):
        t = step * dt
        held = t - last < 1.0 - dt / 2
        soma = 10.0 if held else v
        calcium = 0.07 * m * h * (137 - w)
        dv = (-70 - v) / 50 + (w - v) / 65 + g * (-90 - v) + I_s
        dw = (-60 - w) / 43 + (soma - w) / 65 + calcium + I_d
        m += dt / 15 * (1 / (1 + exp(-(w + 9) / 2)) - m)
        h += dt / 80 * (1 / (1 + exp((w + 21) / 2)) - h)
        if abs(t - last - 1.0) < dt / 2:
            w += 10
        v, w, g = v if held else v + dt * dv / 0.26, w + dt * dw / 0.12, g - dt * g / 80
        if v > -47 and not held:
            v, g, last, spikes = -52.0, g + 0.004, t, spikes + (t > 500)
    return spikes


def test_the_calcium_spike_fires_as_the_papers_cell_does():
    """The f-I points of Larkum, Senn & Luescher (2004), to 20 per cent; without its afterhyperpolarisation (control) not."""
    cell, basal, wanted = CalciumSpike(), np.repeat(list(F_I), 20), np.array(list(F_I.values()))

    def error(cell):
        rates = counts(basal * pA, 0 * basal * pA, cell, 1 * second)["total"].reshape(-1, 20).mean(axis=1)
        return np.linalg.norm(rates - wanted) / np.linalg.norm(wanted)

    assert error(cell) < 0.2 < 0.4 < error(cell._replace(g_AHP=0 * nS))


def test_apical_drive_raises_the_gain_of_the_calcium_spike():
    """Larkum, Senn & Luescher (2004), direction only; a shunt of its dendrite (control) takes it back."""
    basal, n = np.repeat(np.linspace(200, 800, 7), 12), 84
    cell = CalciumSpike(g_shunt_d=np.repeat([0, 0, 100], n) * nS)
    found = counts(np.tile(basal, 3) * pA, np.repeat([0, 600, 600], n) * pA, cell, 1 * second)["total"]
    alone, driven, shunted = (np.polyfit(basal, each, 1)[0] for each in found.reshape(3, n))
    assert driven > 1.25 * alone > 0
    assert shunted < 0.8 * driven


def test_factors_tell_a_product_from_a_sum():
    a, b = np.linspace(0, 1, 5), np.linspace(1, 2, 7)
    product, added = factors(np.outer(a, b)), factors(np.add.outer(a, b))
    assert product.product_residual < 1e-12 < product.interaction
    assert added.interaction < 1e-24
    assert added.sum_residual < 1e-12 < added.product_residual


def made_up(interaction):
    """A made-up surface: a product of two soft thresholds, or their sum; in each as many spikes as one likes."""
    basal, apical = (np.logaddexp(0, (each + 100) / 100) for each in RANGES)
    return Surface(*RANGES, {"burst": np.outer(basal, apical) if interaction else np.add.outer(basal, apical)})


@pytest.mark.parametrize("signed", [False, True])
def test_the_mapping_finds_a_product_and_not_a_sum(signed):
    """A cell that multiplies is mapped to the product of what reaches it; one that adds (control) is not."""
    draw = np.random.default_rng(0)
    basal, apical, same = draw.normal(size=200), draw.random(200), lambda x: x
    phi_basal = same if signed else KERNELS["elu+1"].phi
    found = [
        map_product(made_up(each), "burst", basal, apical, phi_basal, same, signed, 1e6 * second)
        for each in (True, False)
    ]
    assert found[0].loss < 0.01 < 0.05 < found[1].loss


def quotients(products):
    """Sum over components, divided by that over all microcolumns."""
    sums = products.sum(axis=-1)
    return sums / sums.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("gated", [False, True])
def test_what_a_macrocolumn_shares_is_not_fitted_where_it_is_divided_by_its_sum(gated):
    """With one component a cell may do anything to the query: a fit to products pays for it, one to quotients does not."""
    draw = np.random.default_rng(0)
    query, key, same = draw.random((200, 1, 1)), draw.random((200, 3, 1)), lambda x: x
    gate = draw.random((200, 3, 1)) < 0.7 if gated else np.ones((200, 3, 1))
    gate[:, 0] = True
    basal, apical = (np.logaddexp(0, (each + 100) / 100) for each in RANGES)
    saturating = Surface(*RANGES, {"burst": np.outer(np.tanh(basal) + 2, apical)})
    asked = saturating, "burst", query, key, lambda x: x**3, same
    product, quotient = map_product(*asked, False, 1e6 * second), map_quotient(*asked, 1e6 * second, gate)
    assert quotient.loss < 0.005 < 0.05 < product.loss
    sent = gate * rates(saturating, "burst", *quotient.currents(query, key))
    assert relative_l2(quotients(sent), quotients(gate * query**3 * key)) == pytest.approx(
        np.sqrt(quotient.loss), rel=0.1
    )


def test_the_unit_rate_of_a_quotient_is_that_of_the_sums():
    """The least squares over macrocolumns, of a surface whose factor of the query is another one."""
    draw = np.random.default_rng(0)
    query, key, same = draw.random((100, 1, 1)), draw.random((100, 3, 1)), lambda x: x
    exact = made_up(True)
    found = map_quotient(exact, "burst", query, key, lambda x: x**3, same, 1e6 * second)
    sent, asked = rates(exact, "burst", *found.currents(query, key)).sum(axis=(1, 2)), (query**3 * key).sum(axis=(1, 2))
    assert float(found.unit_rate) == pytest.approx(sent @ asked / (asked @ asked), rel=1e-6)


def test_counting_belongs_to_the_error_of_a_quotient():
    """Of two equal cells, whatever their currents, the error is that of counts, with a variance of q / S."""
    flat = Surface(*RANGES, {"burst": np.full((len(RANGES[0]), len(RANGES[1])), 5.0)})
    values, same = np.ones((4, 2, 3)), lambda x: x
    for counted in (1.0, 10.0):
        found = map_quotient(flat, "burst", values, values, same, same, counted * second)
        assert found.loss == pytest.approx(2 * 0.5 / (30 * counted) / (2 * 0.25))


def test_many_macrocolumns_are_sampled_at_all_places(monkeypatch):
    """A sample of a causal mask has queries of every place, and not only the first, which sees one microcolumn alone."""
    seen, added, n = [], product._added, 64
    monkeypatch.setattr(product, "_added", lambda products: seen.append(products) or added(products))
    monkeypatch.setattr(product, "MANY", 2**12)
    values = np.linspace(0.1, 1, 4 * n).reshape(4, 1, n, 1) * np.ones((4, n, 1, 1))
    map_quotient(made_up(True), "burst", values, values, *[np.positive] * 2, 1 * second, np.tri(n)[..., None])
    is_open = (seen[0] != 0).sum(axis=(1, 2))
    assert len(is_open) == 2**12 // n
    assert len(set(is_open)) > 20


def test_without_an_open_microcolumn_it_is_the_fit_to_products():
    values, same = np.linspace(0, 1, 12).reshape(2, 3, 2), lambda x: x
    asked = made_up(True), "burst", values, values, same, same
    assert map_quotient(*asked, 1 * second, np.zeros(1)) == map_product(*asked, False, 1 * second)


def test_counting_belongs_to_the_error_of_a_mapping():
    """With few spikes to count no mapping is as good as with many."""
    values, same = np.linspace(0, 1, 20), lambda x: x
    few, many = (
        map_product(made_up(True), "burst", values, values, same, same, True, counted * second).loss
        for counted in (0.1, 1e3)
    )
    assert few > 10 * many


def test_facilitating_synapses_pass_bursts_on():
    """Nothing for a spike that stands alone; 0.9 exp(-interval / tau_f) for the second of a burst."""
    alone, together = one(600, -300), one(600, 400)
    assert alone["facilitated"] < 0.1 * alone["total"]
    assert together["facilitated"] > 0.4 * together["total"]


def test_a_shunt_of_the_soma_silences_and_one_of_the_dendrite_takes_the_bursts():
    """Wilson et al. (2012), Seybold et al. (2015), direction only."""
    soma, dendrite = QUIET._replace(g_shunt_s=50 * nS), QUIET._replace(g_shunt_d=50 * nS)
    assert one(600, 400, soma)["total"] < one(600, 400)["total"]
    assert one(600, 400, dendrite)["burst"] < one(600, 400)["burst"]
    assert one(600, -300, dendrite)["total"] >= one(600, -300)["total"]  # E_I lies above where the drive holds it


def test_the_answer_of_the_algebras_kappa_is_the_algebras():
    case = random_case(1, 4, 6)
    right = linear_attention(case.tokens, case.block, context=case.context)
    assert bursts.answer(case, bursts.ideal(case, right.kappa)) == pytest.approx(right.output, rel=1e-12)


@pytest.mark.parametrize("step", [0.5, 0.25])
def test_what_a_cell_releases_follows_from_its_spikes(step):
    """du/dt = -u / tau_f, and u += U (1 - u) after each spike has released u; in the measurement and in a circuit."""
    cell = type("Stepped", (TwoCompartment,), {"dynamics": TwoCompartment.dynamics._replace(step=step * ms)})()
    currents = np.full(40, 700) * pA, np.full(40, 300) * pA
    group, membrane = cells_under(*currents, cell, 0), two_compartment("facilitated", cell)
    ports = "basal : 1 (constant)\n apical : 1 (constant)\n shunt : 1 (constant)\n gate : 1 (constant)"
    mapped = {"I_s0": currents[0][0], "I_s1": 0 * pA, "I_d0": currents[1][0], "I_d1": 0 * pA}
    wired = NeuronGroup(
        40, f"{ports}\n{membrane.soma}", threshold=membrane.threshold, reset=membrane.at_spike, method="euler",
        refractory=membrane.refractory, clock=group.clock,
        namespace={**membrane.constants, **mapped, "noise": noise, "stream": stream_of(np.random.SeedSequence(0))},
    )  # fmt: skip
    wired.contained_objects.append(at_release(wired, membrane.at_release))
    wired.V_s, wired.V_d, wired.last, wired.shunt, wired.gate = cell.E_L, cell.E_L, LONG_AGO, 2, 1
    spikes = SpikeMonitor(group)
    Network(group, wired, spikes).run(0.5 * second)
    for k, times in spikes.spike_trains().items():
        u, released = 0.0, 0.0
        for interval in np.diff(times / second, prepend=-np.inf):
            u *= np.exp(-interval / float(cell.tau_f))
            released, u = released + u, u + cell.U * (1 - u)
        assert group.facilitated[k] == pytest.approx(released, rel=1e-9)
        assert wired.released[k] == pytest.approx(released / 2, rel=1e-9)
    assert spikes.num_spikes > 50


def test_noise_has_its_standard_deviation_at_any_step():
    for step in (0.25, 0.5, 1.0):
        cell = type("Stepped", (TwoCompartment,), {"dynamics": TwoCompartment.dynamics._replace(step=step * ms)})()
        group = cells_under(np.zeros(4000) * pA, np.zeros(4000) * pA, cell, 0)
        Network(group).run(30 * ms)
        assert np.std(group.noise_s / pA) == pytest.approx(300, rel=0.04)  # 3.5 standard deviations of that of 4000


def test_a_cell_that_sums_does_not_multiply():
    """What it sends depends on the sum of its currents alone, to four standard deviations of its counts."""
    basal = np.repeat([200, 500, 800], 100) * pA
    found = counts(basal, 1000 * pA - basal, Summing(), 1 * second)["total"].reshape(3, 100)
    means, error = found.mean(axis=1), found.std(axis=1).max() / 10
    assert np.ptp(means) < 4 * 2**0.5 * error
    assert means.min() > 5


def made_up_rows(readout, error, seeds):
    """Rows of one case, whose nulls are all one."""
    nulls = {f"{null}_relative_l2": 1.0 for null in NULLS}
    return [
        {"case": "a", "readout": readout, "stage": stage, "seed": seed, "relative_l2": error + 0.001 * seed,
         "kappa_correlation": 0.99, **nulls}
        for stage in bursts.STAGES for seed in seeds
    ]  # fmt: skip


@pytest.mark.parametrize("control", ["sum", "point"])
@pytest.mark.parametrize(("without", "held"), [(0.3, True), (0.04, False)])
def test_bursts_are_judged_beside_cells_without_dendrites(control, without, held):
    """By pairs of one case and seed; of an interrupted run by those that are there."""
    rows = [*made_up_rows("burst", 0.05, range(4)), *made_up_rows(control, without, range(3))]
    *others, first = bursts.judge(rows)
    assert all(each.held for each in others)
    assert first.held == held
    (both,) = bursts.differences(rows)  # either sign is the result
    assert both.startswith("L2/3 and IT: the error is below that of")
    assert f"by {without - 0.05:.3g} to {without - 0.05:.3g} (interval over seeds)" in both
    assert len(bursts.judge(rows[:8])) == len(others)
    assert not [*bursts.differences(rows[:8])]
