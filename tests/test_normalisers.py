"""Every normaliser in both wirings, in the rate form against the algebra, and what would break it."""

from functools import partial

import numpy as np
import pytest
from brian2 import ms, second

from cortical_attention.cells import product_interneuron, sensory, summing_interneuron
from cortical_attention.cells.cell import in_the_middle
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.cells.synapses import with_synapses
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.normalisers import NORMALISERS
from cortical_attention.inputs.suite import random_case
from cortical_attention.simulation.attend import attend, calibrate
from cortical_attention.simulation.settings import Settings
from cortical_attention.simulation.settle import RELATIVE
from cortical_attention.wiring.expressions import WiringError
from tests import asking
from tests.asking import algebra, relative

WIRINGS = ["mask", "memory"]
EXACT = ["pi", "factorised", "slow", "feedforward"]
SHORT = {"settle": 2 * second, "window": 100 * ms, "write": 150 * ms, "dt": 2 * ms}  # as in test_circuits_rate.py
LEAKS = 0.12  # of a loop that leaks with a gain of 7, on inputs whose Z its drive predicts to about a third
draw = partial(asking.draw, batch=2)


def ask(wiring, drawn, normaliser, **more):
    """What a circuit answers in rates."""
    return asking.ask(wiring, drawn, RATE, SHORT, normaliser=normaliser, **more)


@pytest.mark.parametrize("kernel", ["elu+1", "softplus"])
@pytest.mark.parametrize("normaliser", EXACT)
@pytest.mark.parametrize("wiring", WIRINGS)
def test_the_circuit_is_the_algebra(wiring, normaliser, kernel):
    """Cross-attention with biases and a mask, one row of which is closed."""
    drawn = draw(1, 3, 4, biased=True)
    mask = np.array([[False] * 4, [True, False, True, True], [True] * 4])
    how = {"mask": mask, "kernel": kernel}
    answer, reference = ask(wiring, drawn, normaliser, **how), algebra(drawn, **how)
    assert (relative(answer.output, reference.output) <= RELATIVE).all()
    assert answer.settled.settled.all()
    # negative control: without the mask it is another answer
    assert (relative(algebra(drawn, kernel=kernel).output, reference.output) > 100 * RELATIVE).all()


@pytest.mark.parametrize("wiring", WIRINGS)
def test_a_leaky_normaliser_comes_near_and_says_so(wiring):
    """Its sums are not one, so that they are no sign of an unsettled run; the answer is nearer than without its drives."""
    drawn = draw(1, 3, 4)
    answer, reference = ask(wiring, drawn, "plausible"), algebra(drawn)
    errors = relative(answer.output, reference.output)
    assert (errors <= LEAKS).all()
    assert (errors > 100 * RELATIVE).all()
    assert answer.settled.settled.all()
    assert not answer.plan.exact
    assert np.abs(answer.attention_sum - 1).max() > 100 * RELATIVE


def test_the_weights_of_a_leaky_normaliser_are_those_of_its_calibration():
    """In rates too, where nothing else is calibrated; set to those of another block, it misses."""
    case, other = (random_case(seed, 4, scale=2.0) for seed in (3, 4))
    settings = Settings(RATE, 100 * ms, 1 * second, target="numpy")
    own, foreign = (
        calibrate("mask", each.calibration, settings, normaliser="plausible", **each.block._asdict())
        for each in (case, other)
    )
    assert set(own.inputs["interneuron"]) == {"w_q", "w_k", "w_0", "c", "start"}
    right, wrong = (
        attend("mask", case.tokens[None], settings, calibration=each, normaliser="plausible", **case.block._asdict())
        for each in (own, foreign)
    )
    reference = algebra(asking.Drawn(case.tokens[None], None, case.block)).output
    assert relative(right.output, reference)[0] < relative(wrong.output, reference)[0]


@pytest.mark.parametrize("normaliser", NORMALISERS)
@pytest.mark.parametrize("wiring", WIRINGS)
def test_a_frozen_circuit_gives_an_input_the_same_spikes_alone_and_among_others(wiring, normaliser):
    case = random_case(3, 2, n_head=2, d_model=6, d_key=3, d_value=3)
    settings = Settings(SPIKING, 0.1 * second, 0.1 * second, target="numpy", write=0.1 * second)
    how = {"normaliser": normaliser, **case.block._asdict()}
    frozen = calibrate(wiring, case.calibration, settings, **how)
    others = np.stack([case.tokens, 2 * case.tokens])
    found = [attend(wiring, each, settings, calibration=frozen, **how) for each in (others[:1], others)]
    counts = [{each.name: np.asarray(each.mean_rate)[0] for each in answer.run.records} for answer in found]
    assert all(np.array_equal(counts[0][name], counts[1][name]) for name in counts[0])
    assert max(each.max() for each in counts[0].values()) > 0


def test_inhibition_starts_in_the_middle_of_its_calibrated_range_and_not_at_the_tested_input():
    case = random_case(3, 3, n_head=2, d_model=6, d_key=3, d_value=3)
    settings = Settings(SPIKING, 0.2 * second, 0.3 * second, target="numpy")
    frozen = calibrate("mask", case.calibration, settings, **case.block._asdict())
    start = frozen.inputs["interneuron"]["start"]
    assert start.shape == (1, 2, 1)
    z = algebra(asking.Drawn(case.calibration, None, case.block)).normaliser  # (batch, head, token)
    assert start[0, :, 0] == pytest.approx(np.exp(np.log(z).mean(axis=(0, 2))), rel=1e-4)
    tested = 5 * case.tokens[None]
    own = np.exp(np.log(algebra(asking.Drawn(tested, None, case.block)).normaliser).mean(axis=(0, 2)))
    plan = frozen.set(mask_wiring(settings.times(), tested, **case.block._asdict()), SPIKING)[0]
    assert np.array_equal(plan.circuit.populations["interneuron"].inputs["start"], start)
    assert np.abs(np.log(own / start[0, :, 0])).min() > 0.3  # where it would start if it were set on the tested input
    for inputs, sentence in (
        (
            {"interneuron": {"start": start[:, :1]}},
            r"shape \(1, 1, 1\) for port 'start' of 'interneuron' but needs \(1, 2, 1\)",
        ),
        (
            {"matrix": {"soma": start}},
            "values for port 'soma' of 'matrix' but needs to leave it alone: it sets no port",
        ),
    ):
        with pytest.raises(WiringError, match=sentence):
            frozen._replace(inputs=inputs).set(plan, SPIKING)


@pytest.mark.parametrize("wiring", WIRINGS)
def test_silent_macrocolumns_have_no_part_in_a_calibration(wiring):
    """A token that may see nothing; in the memory wiring each query reads one of two memories."""
    case = random_case(3, 4, scale=2.0)
    mask = np.ones((4, 4), dtype=bool)
    mask[0] = False
    settings, block = Settings(SPIKING, target="numpy"), case.block._asdict()
    open_to_all, closed = (
        calibrate(wiring, case.calibration, settings, mask=each, **block).inputs["interneuron"]["start"]
        for each in (None, mask)
    )
    assert closed == pytest.approx(open_to_all, rel=0.2)  # of three tokens in place of four


def test_a_closed_row_leaves_a_leaky_normaliser_its_weights():
    drawn, mask = draw(1, 4, 4), np.ones((4, 4), dtype=bool)
    mask[0] = False
    answer, reference = ask("mask", drawn, "plausible", mask=mask), algebra(drawn, mask=mask)
    assert (relative(answer.output, reference.output) <= LEAKS).all()


def test_a_calibration_is_that_of_its_normaliser_and_of_its_synapses():
    case = random_case(3, 3, n_head=2, d_model=6, d_key=3, d_value=3)
    settings = Settings(SPIKING, 0.1 * second, 0.1 * second, target="numpy")
    block = case.block._asdict()
    for normaliser in ("pi", "plausible"):
        frozen = calibrate("mask", case.calibration, settings, normaliser=normaliser, **block)
        plan = mask_wiring(settings.times(), case.tokens[None], **block, normaliser=normaliser)
        assert frozen.set(plan, SPIKING)
        other = mask_wiring(settings.times(), case.tokens[None], **block, normaliser="slow")
        with pytest.raises(WiringError, match="'interneuron' is that of another normaliser"):
            frozen.set(other, SPIKING)
        with pytest.raises(WiringError, match="is that of slow synapses but needs to be that of fast ones"):
            frozen.set(plan, with_synapses(SPIKING, "fast"))


def test_only_the_slow_normaliser_starts_at_its_ceiling():
    case = random_case(3, 3, n_head=2, d_model=6, d_key=3, d_value=3)
    settings = Settings(SPIKING, target="numpy")
    found = calibrate("mask", case.calibration, settings, normaliser="slow", **case.block._asdict())
    start, units = found.inputs["interneuron"]["start"], found.unit_rates["interneuron"]
    assert (start * units).ravel() == pytest.approx(np.full(2, float(SPIKING.membrane.ceiling)))


def test_the_middle_is_that_of_each_head_and_one_where_a_head_is_silent():
    values = np.array([[1.0, 4.0], [2.0, 1e-9], [1e-9, 0.0]])  # a silent interneuron holds its sigma_g
    assert in_the_middle(values, {})["start"] == pytest.approx([2.0, 2.0, 1.0])


def test_a_factorised_normaliser_has_a_cell_for_each_component():
    case = random_case(3, 4, n_head=2, d_model=6, d_key=3, d_value=5)
    plan = mask_wiring(Settings().times(), case.tokens[None], **case.block._asdict(), normaliser="factorised")
    shapes = {name: each.shape for name, each in plan.circuit.populations.items()}
    assert shapes["interneuron"] == shapes["keys"] == (2, 4, 3)
    assert plan.gain.sum == ("key",)


def test_the_closed_forms_of_the_cells():
    """Of the rules as the circuit evaluates them."""
    rng = np.random.default_rng(0)
    basal, apical, pool = rng.uniform(0.5, 2, size=(3, 5))
    names = {"basal": basal, "apical": apical, "gate": 1.0, "clip": np.clip}
    product = product_interneuron.PRODUCT
    for a in (0.0, 3.0):
        asked = eval(product.value, names | product.parameters | {"pool": 1.0, "a": a})  # noqa: S307 (a rule of ours)
        assert asked == pytest.approx(product_interneuron.steady_rate(1.0, basal, apical), rel=1e-12)
    more = eval(product.value, names | product.parameters | {"pool": pool})  # noqa: S307
    assert np.all((more > asked) == (pool > 1))
    assert summing_interneuron.steady_rate(2.0, np.array([-1.0, 3.0])).tolist() == [0.0, 18.0]
    assert summing_interneuron.steady_rate(1.0, 3.0, pool=1.2, gain=0.5) == pytest.approx((3 + 0.5 * 7 * 0.2) ** 2)
    assert sensory.steady_rate(100.0, 2.0) == 200.0


def test_the_weights_that_are_fitted_are_those_that_made_the_values():
    """sqrt(Z) is a sum of the drives here, in each of two heads."""
    rng = np.random.default_rng(1)
    queries, keys = rng.uniform(1, 5, size=(2, 2, 24))
    weights = np.array([[0.5, 0.2, 1.0], [0.1, 0.9, -0.3]])
    root = weights[:, 0, None] * queries + weights[:, 1, None] * keys + weights[:, 2, None]
    z = np.where(np.arange(24) < 20, root**2, 1e-9)  # the last macrocolumns are silent
    found = summing_interneuron.fit(z, {"queries": queries, "keys": keys})
    fitted = np.stack([found[name] for name in ("w_q", "w_k", "w_0")], axis=1)
    assert fitted == pytest.approx(weights, rel=1e-9)
    assert found["c"] == pytest.approx(np.sqrt(found["start"]) / 2)
