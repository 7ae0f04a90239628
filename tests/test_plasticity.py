"""Weights that rules change inside a run: against the rule in algebra, on every target, and what is refused."""

import numpy as np
import pytest
from brian2 import Hz, ms

from cortical_attention.cells.cell import CellType
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.cells.kernels import LOG_SLOPES, log_slope, phi
from cortical_attention.cells.relay import FIRST_ORDER
from cortical_attention.cells.rules.rule import Factor, Rule
from cortical_attention.circuits.plan import Plan
from cortical_attention.circuits.protocol import Protocol, RunError
from cortical_attention.simulation import engine
from cortical_attention.simulation.cut import stages
from cortical_attention.simulation.learning import LearningError
from cortical_attention.simulation.run import simulate
from cortical_attention.wiring.circuit import Circuit, Population, Projection
from cortical_attention.wiring.expressions import WiringError

CELL = CellType("principal", "L2/3", {"soma": 0.0}, "soma")
BATCH, N_SENDER, N_COPY, N_RECEIVER, N_SHOWN = 2, 3, 2, 2, 4
COMPILED = pytest.mark.skipif(not engine.compiles(), reason="no C++ compiler, or no place to keep programs")


def delta_rule(step=0.2, letters="vm", **rule):
    """Circuit of cells that learn to answer as they are told, plan included: receivers (l, v) hear senders (m), and error
    cells compare them with targets. `letters` of the weights say which receivers share them."""
    rng = np.random.default_rng(0)
    shown, told = (
        rng.uniform(0.2, 1, (N_SHOWN, BATCH, N_SENDER)),
        rng.uniform(-1, 1, (N_SHOWN, BATCH, N_COPY, N_RECEIVER)),
    )
    size_of = {"l": N_COPY, "v": N_RECEIVER, "m": N_SENDER}
    weights = rng.normal(size=(N_RECEIVER, N_SENDER))
    if "l" in letters:
        weights = np.broadcast_to(weights, [size_of[letter] for letter in letters])
    axes = (("token", N_COPY), ("value", N_RECEIVER))
    populations = {
        "sender": Population(
            "sender", FIRST_ORDER, (("model", N_SENDER),), signed="soma", inputs={"soma": np.repeat(shown, 4, axis=0)}
        ),
        "receiver": Population("receiver", CELL, axes, signed="soma"),
        "error": Population("error", CELL, axes, signed="soma", inputs={"soma": np.repeat(told, 4, axis=0)}),
    }
    projections = (
        Projection("sender", "receiver.soma", f"m, {letters} -> lv", weights, learnt="W"),
        Projection("receiver", "error.soma", "lv -> lv", -1.0),
    )
    rule = Rule((Factor("sender", "m"), Factor("error", "lv")), letters, step, **rule)
    circuit = Circuit("delta rule", populations, projections, rules={"W": rule})
    protocol = Protocol(250 * ms, 4 * N_SHOWN, 4 * np.arange(N_SHOWN)[:, None] + 3)
    return Plan(circuit, protocol, BATCH), shown, told


def learnt(plan, form=RATE, target="numpy", shared=True, cells=1, unit=100):
    """Weights that a plan learns (n_presentation + 1, *shape)."""
    units = {name: np.full(BATCH, unit) * Hz for name in plan.circuit.populations}
    run = simulate(plan, form, units, dt=1 * ms, target=target, shared=shared, cells=cells)
    return run.learnt["W"].weights


def expected(plan, shown, told, letters="vm"):
    """The same by the rule in algebra, with every circuit at its fixed point."""
    rule, weights = plan.circuit.rules["W"], np.asarray(plan.circuit.projections[0].weights)
    found, velocity = [weights], 0.0
    for x, y in zip(shown, told, strict=True):
        e = y - np.einsum(f"bm,{letters}->b{'l' if 'l' in letters else ''}v", x, weights).reshape(BATCH, -1, N_RECEIVER)
        velocity = rule.momentum * velocity + rule.step * np.einsum(f"bm,blv->{letters}", x, e)
        weights = (1 - rule.decay) * weights + velocity
        found.append(weights)
    return np.array(found)


# What is learnt
def test_weights_change_as_the_rule_says():
    plan, *data = delta_rule(momentum=0.5, decay=0.1)
    right = expected(plan, *data)
    assert np.abs(learnt(plan) - right).max() < 1e-8
    assert np.abs(right[1:] - right[0]).max() > 0.1  # so that it says something
    without = plan._replace(circuit=plan.circuit._replace(rules={"W": plan.circuit.rules["W"]._replace(momentum=0.0)}))
    assert np.abs(learnt(without) - right).max() > 1e-2  # negative control


def test_synapses_one_by_one_learn_as_shared_dendrites_do():
    plan, *_ = delta_rule()
    assert np.abs(learnt(plan, shared=False) - learnt(plan)).max() < 1e-10


def test_copies_keep_weights_of_their_own_and_add_up_to_what_shared_ones_learn():
    plan, *data = delta_rule(letters="lvm")
    own = learnt(plan)
    assert np.abs(own - expected(plan, *data, "lvm")).max() < 1e-8
    assert np.abs(own[-1, 0] - own[-1, 1]).max() > 1e-2
    shared = learnt(delta_rule()[0])
    first = (own[1] - own[0]).sum(axis=0)
    assert np.abs(first - (shared[1] - shared[0])).max() < 1e-10


@COMPILED
@pytest.mark.parametrize(
    ("form", "target"), [(RATE, "cpp"), (SPIKING, "cpp"), pytest.param(SPIKING, "cython", marks=pytest.mark.slow)]
)
def test_compiled_circuits_learn_the_same(form, target):
    plan, *_ = delta_rule()
    found, right = (learnt(plan, form, each) for each in (target, "numpy"))
    assert np.abs(found - right).max() < 1e-10
    assert np.abs(right[-1] - right[0]).max() > 1e-2


def test_spikes_teach_almost_as_rates_do_the_better_the_more_cells_and_weights_turn_their_sign():
    plan, *_ = delta_rule(step=0.5)
    rates = learnt(plan)
    assert (np.sign(rates[-1]) != np.sign(rates[0])).any()
    change = np.linalg.norm(rates[-1] - rates[0])
    one, ten = (np.linalg.norm(learnt(plan, SPIKING, cells=cells) - rates) / change for cells in (1, 10))
    assert ten < 0.05
    assert ten < one < 0.15


def test_presentations_before_the_first_window_teach_nothing():
    plan, *_ = delta_rule()
    late = plan._replace(protocol=plan.protocol._replace(windows=plan.protocol.windows[1:]))
    weights = learnt(late)
    assert len(weights) == N_SHOWN
    assert np.array_equal(weights[0], plan.circuit.projections[0].weights)


@pytest.mark.parametrize("kernel", LOG_SLOPES)
def test_a_dendrite_holds_the_slope_of_the_logarithm_of_its_kernel(kernel):
    u, h = np.linspace(-3, 3, 13) + 0.01, 1e-5
    slope = (np.log(phi(kernel)(u + h)) - np.log(phi(kernel)(u - h))) / (2 * h)
    names = {"clip": np.clip, "exp": np.exp, "inf": np.inf, "basal": phi(kernel)(u)}
    assert np.allclose(eval(log_slope(kernel, "basal"), names), slope, atol=1e-8)


# What is refused
def circuit_with(**changes):
    """The circuit with another rule."""
    plan, *_ = delta_rule()
    return plan.circuit._replace(rules={"W": plan.circuit.rules["W"]._replace(**changes)})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"step": np.nan}, "rule 'W': step is nan but needs to be finite"),
        ({"momentum": 1.0}, "rule 'W': momentum is 1.0 but needs to be at least 0 and below 1"),
        ({"decay": -0.1}, "rule 'W': decay is -0.1 but needs to be at least 0 and below 1"),
        ({"letters": "vk"}, "rule 'W': no factor has the letter 'k' of the weights"),
        ({"letters": "v"}, "rule 'W': weights has 2 axes, but the letters 'v'"),
        ({"letters": "mv"}, "rule 'W': 'm' has size 3, but 2 in weights"),
        ({"factors": (Factor("dopamine", "m"),)}, "rule 'W': there is no population 'dopamine'"),
        ({"factors": (Factor("sender", "mk"),)}, "rule 'W': sender has 1 axes, but the letters 'mk'"),
        (
            {"factors": (Factor("sender", "m", "1 / basal"),)},
            "rule 'W': '1 / basal' names basal, but relay cells have ports soma",
        ),
        ({"factors": (Factor("sender", "m", "1 / (soma"),)}, "rule 'W': '1 / (soma' is not an expression"),
        ({"factors": (Factor("sender", "m", ""),)}, "rule 'W': '' is not an expression"),
        (
            {"factors": (Factor("sender", "m", "clip(soma)"),)},
            "rule 'W': 'clip(soma)' calls what is not one of clip of 3, exp of 1, abs of 1, sqrt of 1",
        ),
        (
            {"factors": (Factor("error", "vv"),)},
            "rule 'W': error has letters 'vv' but needs each once, and none of them 'B'",
        ),
        (
            {"factors": (Factor("sender", "B"),)},
            "rule 'W': sender has letters 'B' but needs each once, and none of them 'B'",
        ),
        ({"velocity": np.zeros(3)}, "rule 'W': velocity has shape (3,), but the weights (2, 3)"),
        ({"velocity": np.nan}, "rule 'W': velocity is not finite"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused(changes, says):
    with pytest.raises(WiringError) as told:
        circuit_with(**changes).check()
    assert str(told.value) == says


def test_numbers_in_an_expression_may_have_an_exponent():
    circuit_with(factors=(Factor("sender", "m", "1e3 * soma"), Factor("error", "lv"))).check()


def test_a_circuit_that_learns_is_not_spread_over_workers():
    with pytest.raises(WiringError, match="circuit 'delta rule' learns, and its rules need the whole circuit"):
        stages(delta_rule()[0].circuit)


def test_weights_without_a_rule_and_rules_without_weights_are_refused():
    circuit = delta_rule()[0].circuit
    with pytest.raises(WiringError, match="it learns 'W', but there are rules for nothing"):
        circuit._replace(rules={}).check()
    frozen = tuple(each._replace(learnt="") for each in circuit.projections)
    with pytest.raises(WiringError, match="rule 'W': no projection has weights of this name"):
        circuit._replace(projections=frozen).check()


def test_like_signs_and_unlike_weights_of_one_name_are_refused():
    circuit = delta_rule()[0].circuit
    first, second = circuit.projections
    signed = second._replace(weights=1.0, like_signs=True, learnt="W")
    with pytest.raises(WiringError, match="keep their sign, and cannot learn"):
        circuit._replace(projections=(first, signed)).check()
    with pytest.raises(WiringError, match="share it, but differ in weights"):
        circuit._replace(projections=(first, second._replace(learnt="W"))).check()


@pytest.mark.parametrize("windows", [[[3], [6], [11]], [[2], [5]], [[0, 1, 2, 3]]])
def test_presentations_of_unequal_length_are_refused(windows):
    plan, *_ = delta_rule()
    with pytest.raises(RunError, match="presentations of equal length that end with a window"):
        learnt(plan._replace(protocol=plan.protocol._replace(windows=np.array(windows))))


def test_learning_that_diverges_says_after_which_presentation():
    plan, *_ = delta_rule(step=1e200)
    with np.errstate(all="ignore"), pytest.raises(LearningError, match="W is not finite after presentation") as told:
        learnt(plan)
    assert 1 <= told.value.n_finite < N_SHOWN
