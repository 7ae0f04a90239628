"""Both wirings in the rate form against the algebra, and the ways of getting it wrong that must show."""

from functools import partial

import numpy as np
import pytest
from brian2 import ms, second

from cortical_attention.cells.forms.form import Form
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.interneuron import PARAMETERS
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.protocol import RunError
from cortical_attention.reference import Block, key_only_attention
from cortical_attention.simulation.attend import Settings
from cortical_attention.simulation.calibrate import rate_units
from cortical_attention.simulation.run import simulate
from cortical_attention.simulation.settle import RELATIVE, judge
from tests import asking
from tests.asking import algebra, relative

EPS = np.finfo(float).eps
AGREE = RELATIVE  # relative L2 error that is asked of the rate form; the default settling time leaves less
MARGIN = 1e4  # times AGREE, at least, that an answer which is not the right one must miss by
WIRINGS = ["mask", "memory"]
# Short runs with long steps, on which no fixed point depends. Z stays within 1e-2 and 1e4 in these cases, so that g
# arrives within 0.6 s; what is left then shrinks as exp(-12 t / s) (test_cells.py).
SHORT = {"settle": 2 * second, "window": 100 * ms, "write": 150 * ms, "dt": 2 * ms}
NO_LOOP = {**SHORT, "settle": 500 * ms}  # 50 soma time constants


draw = partial(asking.draw, batch=2)


def ask(wiring, drawn, times=SHORT, shared=True, **more):
    """What a circuit answers in rates."""
    return asking.ask(wiring, drawn, RATE, {"shared": shared, **times}, **more)


def agrees(answer, reference):
    """Assert that an answer is the algebra's, kappa included where cells carry it, and judged settled."""
    assert (relative(answer.output, reference.output) <= AGREE).all()
    assert answer.settled.settled.all()
    if answer.attention is not None:
        assert answer.attention == pytest.approx(reference.kappa, rel=0, abs=AGREE * np.abs(reference.kappa).max())


SELF_AND_CROSS = [
    # kernel, n_head, n_token, n_context, scale
    ("elu+1", 4, 16, None, 2),
    ("elu+1", 1, 3, 16, 3),
    ("softplus", 2, 5, None, 3),
    ("softplus", 3, 6, 2, 1),
    ("relu", 3, 7, None, 2),
    ("relu", 2, 2, 9, 2),
    ("exp", 2, 4, None, 3),
    ("exp", 4, 4, 3, 1),
]
FEW_TOKENS = [
    ("elu+1", 4, 3, None, 2),
    ("elu+1", 1, 1, 5, 3),
    ("softplus", 2, 2, None, 3),
    ("softplus", 3, 1, 3, 1),
    ("relu", 3, 2, None, 2),
    ("relu", 2, 1, 4, 2),
    ("exp", 2, 2, None, 3),
    ("exp", 3, 1, 2, 1),
]


@pytest.mark.parametrize(
    ("wiring", "kernel", "n_head", "n_token", "n_context", "scale"),
    [("mask", *case) for case in SELF_AND_CROSS] + [("memory", *case) for case in FEW_TOKENS],
)
def test_the_circuit_is_linear_attention(wiring, kernel, n_head, n_token, n_context, scale):
    drawn = draw(0, n_token, n_context, n_head, scale=scale)
    reference = algebra(drawn, kernel=kernel)
    times = {} if wiring == "mask" else SHORT  # the defaults, and what the memory wiring has time for here
    agrees(ask(wiring, drawn, times, kernel=kernel), reference)
    # negative control: attention that ignores the query would not have passed (it is the same for a single token)
    if n_token > 1:
        ignored = algebra(drawn, key_only_attention, kernel=kernel)
        assert (relative(ignored.output, reference.output) > MARGIN * AGREE).all()


@pytest.mark.parametrize("wiring", WIRINGS)
def test_biases_and_a_mask_with_a_closed_row(wiring):
    """A token that may see nothing is answered by zero, and its macrocolumn is counted silent in every head."""
    drawn = draw(1, 3, 4, biased=True)
    mask = np.array([[False] * 4, [True, False, True, True], [True] * 4])
    answer, reference = ask(wiring, drawn, mask=mask), algebra(drawn, mask=mask)
    agrees(answer, reference)
    assert not reference.output[:, 0].any()
    # the shunt of the silent macrocolumn decays, the output of its cells stays what it was: nothing
    assert np.abs(answer.output[:, 0]).max() <= AGREE * np.abs(reference.output).max()
    assert answer.settled.silent.tolist() == [2, 2]
    # negative control: an open mask, or no biases, is another answer
    for other in (algebra(drawn), algebra(drawn._replace(block=Block(*drawn.block[:4])), mask=mask)):
        assert (relative(other.output, reference.output) > MARGIN * AGREE).all()


@pytest.mark.parametrize("wiring", WIRINGS)
def test_unnormalised(wiring):
    drawn = draw(2, 2)
    answer = ask(wiring, drawn, NO_LOOP, normaliser=None)
    agrees(answer, algebra(drawn, normalised=False))
    assert answer.attention_sum is None
    assert not answer.settled.sum_error.any()
    assert (relative(answer.output, algebra(drawn).output) > MARGIN * AGREE).all()  # negative control: Z divides


@pytest.mark.parametrize("wiring", WIRINGS)
def test_feedforward_inhibition_is_exact(wiring):
    drawn = draw(3, 2)
    answer = ask(wiring, drawn, normaliser="feedforward")
    agrees(answer, algebra(drawn))
    assert np.abs(answer.attention_sum - 1).max() <= AGREE


@pytest.mark.parametrize("wiring", WIRINGS)
def test_negative_control_pooling_the_divided_output_sums_to_the_root_of_z(wiring):
    """The literal reading (SCIENCE section 4): only the scale is wrong, so that ratios hide it; `settled` does not."""
    drawn = draw(4, 2)
    answer, reference = ask(wiring, drawn, normaliser="output"), algebra(drawn)
    root = np.sqrt(reference.normaliser)
    assert answer.attention_sum == pytest.approx(root, rel=AGREE)
    assert not answer.settled.settled.any()
    assert (answer.settled.drift <= answer.settled.drift_tolerance).all()
    if wiring == "mask":
        assert answer.attention / root[..., None] == pytest.approx(reference.kappa, rel=10 * AGREE)
    # one token and head off by |root - 1| moves the output by about as much
    assert (relative(answer.output, reference.output) > 0.1).all()


def test_weights_from_superficial_to_intratelencephalic_cells_may_be_learned():
    """vt_i = sum_j (A s_ij) * v_j with s_ijk = phi(k_jk) phi(q_ik) / Z_i, written out by einsum."""
    tokens, _, block = drawn = draw(5, 4)
    A = np.random.default_rng(5).normal(size=(4, 3))
    query, key, value = (np.einsum("bim,hkm->bhik", tokens, W) for W in block[:3])
    query, key = (np.where(u > 0, u + 1, np.exp(u)) for u in (query, key))
    share = np.einsum("bhik,bhjk->bhijk", query, key) / np.einsum("bhik,bhjk->bhi", query, key)[..., None, None]
    expected = np.einsum("vk,bhijk,bhjv,hmv->bim", A, share, value, block.W_O)
    answer = ask("mask", drawn, A=A)
    assert (relative(answer.output, expected) <= AGREE).all()
    assert (relative(algebra(drawn).output, expected) > MARGIN * AGREE).all()  # negative control: A = ones


@pytest.mark.parametrize(
    ("wiring", "n_token", "d_key"), [("mask", 1, 3), ("mask", 2, 1), ("mask", 1, 1), ("memory", 1, 1), ("memory", 2, 1)]
)
def test_one_token_and_one_key_component(wiring, n_token, d_key):
    drawn = draw(6, n_token, d_key=d_key)
    answer = ask(wiring, drawn)
    agrees(answer, algebra(drawn))
    if n_token == 1:  # it can only attend to itself: the values, whatever the key
        tokens, _, block = drawn
        values = np.einsum("hmv,hvn,bin->bim", block.W_O, block.W_V, tokens)
        assert (relative(answer.output, values) <= AGREE).all()


@pytest.mark.parametrize("wiring", WIRINGS)
def test_shared_dendrites_answer_as_one_synapse_a_pair(wiring):
    drawn = draw(7, 3 if wiring == "mask" else 2)
    times = NO_LOOP  # far from settled, where a difference would show
    shared, explicit = (ask(wiring, drawn, times, shared=each) for each in (True, False))
    for name, values in shared.run.values.items():
        # the same sums in the same order: no step rounds differently, but for the vector width of a numpy loop
        steps = shared.run.t_stop / times["dt"]
        assert values == pytest.approx(explicit.run.values[name], rel=0, abs=steps * EPS * np.abs(values).max())
    assert shared.run.n_synapse < explicit.run.n_synapse


def permuted(block):
    """Keys and queries of one head given to another, values and outputs staying."""
    return block._replace(W_Q=block.W_Q[::-1], W_K=block.W_K[::-1])


@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("wrong", [lambda block: block._replace(W_Q=0 * block.W_Q), permuted], ids=["query", "head"])
def test_negative_control_a_wrong_circuit_misses_by_what_the_algebra_predicts(wiring, wrong):
    drawn = draw(8, 2, 3)
    wronged = drawn._replace(block=wrong(drawn.block))
    right, spoilt = algebra(drawn), algebra(wronged)
    answer = ask(wiring, wronged)
    agrees(answer, spoilt)
    predicted = relative(spoilt.output, right.output)
    # triangle inequality: the circuit is within AGREE of the wrong algebra
    slack = AGREE * np.linalg.norm(spoilt.output, axis=(1, 2)) / np.linalg.norm(right.output, axis=(1, 2))
    assert np.all(np.abs(relative(answer.output, right.output) - predicted) <= slack)
    assert (predicted > MARGIN * AGREE).all()
    with pytest.raises(AssertionError):
        agrees(answer, right)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflow, which is the point
def test_negative_control_a_normaliser_that_dies_is_not_settled():
    """Without its saturation the loop runs away at large Z, and leaves a network that is still, and silent."""
    tokens, _, block = drawn = draw(9, 4, scale=3.0)
    times = Settings(RATE).times()
    plan = mask_wiring(times, tokens, *block[:4], kernel="exp", normaliser="slow")
    large = algebra(drawn, kernel="exp").normaliser.max(axis=(1, 2)) > 1e5
    assert large.any()
    populations = dict(plan.circuit.populations)
    assert PARAMETERS["pool_max"] < 1e9
    populations["interneuron"] = populations["interneuron"]._replace(parameters={"pool_max": 1e9})
    plan = plan._replace(circuit=plan.circuit._replace(populations=populations))
    try:
        run = simulate(plan, RATE, rate_units(plan), dt=times.dt, target="numpy")
    except RunError:
        return  # it grew past what a float holds
    assert not judge(plan, run, RATE, 1).settled[large].any()


@pytest.mark.parametrize("wiring", WIRINGS)
def test_too_short_a_settling_time_is_not_settled(wiring):
    answer = ask(wiring, draw(10, 2), {"settle": 50 * ms, "window": 50 * ms, "write": 150 * ms})
    assert not answer.settled.settled.any()
    assert (answer.settled.drift > answer.settled.drift_tolerance).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflow, which is the point
def test_a_run_that_diverges_fails(monkeypatch):
    """Four times the dendritic time constant: each Euler step multiplies what is left by -3, were it not refused."""
    monkeypatch.setattr(Form, "shortest_time_constant", lambda form: ("tau", second))
    with pytest.raises(
        RunError, match="the simulation diverged: .* holds values that are not finite; try a shorter dt"
    ):
        ask("mask", draw(11, 2), {"dt": 4 * RATE.synapses.tau_slow, "settle": 40 * second, "window": 2 * second})


@pytest.mark.parametrize("wiring", WIRINGS)
def test_closed_rows_are_counted_with_a_normaliser_that_is_only_near_z(wiring):
    """Its attention need not sum to one, but a macrocolumn without drive has none: one of three, in both heads."""
    mask = np.array([[False] * 4, [True] * 4, [True] * 4])
    answer = ask(wiring, draw(1, 3, 4), mask=mask, normaliser="plausible")
    assert answer.settled.silent.tolist() == [2, 2]
    assert not answer.settled.sum_error.any()
