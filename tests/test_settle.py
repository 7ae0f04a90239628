"""What is called settled, and the sentences that say why not."""

from types import SimpleNamespace

import numpy as np
import pytest
from brian2 import Hz, ms, second

from cortical_attention.cells.cell import CellType
from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.forms.form import Form
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.cells.relay import FIRST_ORDER
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.plan import Plan, Reading, named
from cortical_attention.circuits.protocol import Protocol, Times
from cortical_attention.inputs.suite import cases as suite_cases
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.attention import Block, linear_attention
from cortical_attention.simulation.attend import Settings, attend
from cortical_attention.simulation.run import simulate
from cortical_attention.simulation.settle import judge
from cortical_attention.wiring.circuit import Circuit, Population, Projection

TIMES = Times(300 * ms, 400 * ms, 200 * ms, 1 * ms)


def draw(seed=0, **scales):
    """Two tokens and a small block, some weights scaled."""
    rng = np.random.default_rng(seed)
    block = Block(*(rng.normal(size=(1, 3, 3)) for _ in range(4)))
    return rng.normal(size=(1, 2, 3)), block._replace(
        **{name: by * getattr(block, name) for name, by in scales.items()}
    )


def judged(numbers_of):
    """Judgement of a made-up run in rates of the unnormalised mask wiring: `numbers_of` (name, phase, shape)."""
    tokens, block = draw()
    plan = mask_wiring(TIMES, tokens, *block[:4], normaliser=None)
    values = {
        name: np.array([np.full((1, *each.shape), numbers_of(name, phase)) for phase in range(plan.protocol.n_phase)])
        for name, each in plan.circuit.populations.items()
    }
    return judge(plan, SimpleNamespace(values=values, precision="double", dt=1 * ms, saturated={}, cycle=0), RATE, 1)


def test_still_numbers_are_settled():
    found = judged(lambda name, phase: 1.0)
    assert found.settled.all()
    assert found.reason.tolist() == [""]


@pytest.mark.parametrize("base", [1e180, 1.0, 1e-180])
def test_numbers_that_run_away_are_not_settled(base):
    """Squares of the first overflow, those of the last vanish: no norm may."""
    with np.errstate(over="raise"):
        found = judged(lambda name, phase: base * 4.0**phase)
    assert not found.settled.any()
    assert "higher_order" in found.reason[0]
    assert "run away" in found.reason[0]
    assert "the output drifts by" in found.reason[0]
    assert np.isfinite(found.drift).all()
    assert (found.drift > 0).all()


def test_a_population_that_the_answer_does_not_hear_may_not_run_away_either():
    found = judged(lambda name, phase: 4.0**phase if name == "superficial" else 1.0)
    assert found.reason.tolist() == ["the values of superficial run away"]
    found = judged(lambda name, phase: np.inf if name == "core" else 1.0)
    assert found.reason.tolist() == ["the values of core run away"]


def test_too_long_a_step_is_not_settled(monkeypatch):
    """Four time constants of a dendrite: every value grows by three from step to step."""
    monkeypatch.setattr(Form, "shortest_time_constant", lambda form: ("tau", second))  # or it is refused
    tokens, block = draw()
    settings = Settings(RATE, dt=20 * ms, target="numpy")
    answer = attend("mask", tokens, settings, **block._asdict(), normaliser=None)
    assert np.isfinite(answer.output).all()
    assert not answer.settled.settled.any()


def ask_spikes(settle=1.5 * second, window=500 * ms, **scales):
    """The spiking form, in half a second."""
    tokens, block = draw(**scales)
    settings = Settings(SPIKING, settle=settle, window=window, target="numpy")
    answer = attend("mask", tokens, settings, **block._asdict())
    return answer, relative_l2(answer.output, linear_attention(tokens, block).output) if answer.output.any() else None


def test_an_answer_that_spikes_do_not_resolve_is_not_settled():
    """An answer below what has a unit rate (`wiring.values.SILENT`) sends no spike. With W_O of zero, zero is right."""
    small, error = ask_spikes(W_O=1e-14)
    assert error is None
    assert not small.settled.settled.any()
    assert small.settled.reason[0].endswith("raise its unit rate or the window")
    large, error = ask_spikes()
    assert large.settled.settled.all()
    assert error < 0.1
    nothing, _ = ask_spikes(W_O=0)
    assert nothing.settled.settled.all()


@pytest.mark.parametrize("window", [300 * ms, 2 * second])
def test_a_window_that_begins_before_the_answer_is_there_is_not_settled(window):
    """Also where its later quarters agree, and where few spikes hide a drift as large as the answer."""
    answer, error = ask_spikes(settle=200 * ms, window=window)
    assert error > 0.04
    assert not answer.settled.settled.any()


def test_few_spikes_do_not_pass_for_stillness():
    """A window of 300 ms after as much: counting could hide nearly half of the answer, and the error is that large."""
    tokens, block = suite_cases()[0].tokens[None], suite_cases()[0].block
    settings = Settings(SPIKING, settle=300 * ms, window=300 * ms, target="numpy")
    answer = attend("mask", tokens, settings, **block._asdict())
    assert relative_l2(answer.output, linear_attention(tokens, block).output) > 0.1
    assert not answer.settled.settled.any()


def irregular(values, settle):
    """Judgement of made-up values (phase, 1, token, feature) of the last population, and still ones of the others, of
    adaptive cells after a settling time."""
    tokens, block = draw()
    plan = mask_wiring(Times(settle, 400 * ms, 200 * ms, 1 * ms), tokens, *block[:4], normaliser=None)
    still = {name: np.ones((plan.protocol.n_phase, 1, *each.shape)) for name, each in plan.circuit.populations.items()}
    still["higher_order"][plan.protocol.windows[0]] = values
    rates = {name: np.array([1.0]) * Hz for name in still}
    run = SimpleNamespace(values=still, precision="double", dt=1 * ms, saturated={}, cycle=0, unit_rates=rates)
    return judge(plan, run, ADAPTIVE, 1)


def test_what_is_still_on_its_way_is_no_noise():
    """Values that come to rest in the first half of the window: noise, they would widen the tolerance of their own drift."""
    values = np.array([0.0, 0.6, 1.0, 1.0])[:, None, None, None]
    assert irregular(values, 2 * second).drift_tolerance[0] > 0.5
    late = irregular(values, 300 * ms)
    assert late.drift_tolerance[0] < 1e-3
    assert "the output drifts" in late.reason[0]


def test_a_population_that_is_driven_and_sends_nothing_is_named():
    """Values below what the pilot can scale: L5 IT cells, and all behind them, are silent."""
    answer, _ = ask_spikes(W_V=1e-14)
    assert not answer.output.any()
    assert not answer.settled.settled.any()
    assert "intratelencephalic is driven but sends no spike" in answer.settled.reason[0]


def test_a_small_normaliser_is_not_zero():
    """exp(k - 20) exp(q - 20) is the attention of exp(k) exp(q); below sigma_g the interneuron cannot hold it."""
    tokens, block = draw(W_Q=0.3, W_K=0.3)
    bias = {name: np.full((1, 3), -20.0) for name in ("b_Q", "b_K")}
    settings = Settings(RATE, settle=4 * second, target="numpy")
    answer = attend("mask", tokens, settings, **block._replace(**bias)._asdict(), kernel="exp")
    assert not answer.settled.silent.any()
    assert not answer.settled.settled.any()
    assert "attention misses a sum of one" in answer.settled.reason[0]
    # where every key underflows the macrocolumns are silent, and zero is the answer
    keys = {"b_Q": bias["b_Q"], "b_K": 1e3 * bias["b_K"]}
    answer = attend("mask", tokens, Settings(RATE, target="numpy"), **block._replace(**keys)._asdict(), kernel="exp")
    assert answer.settled.silent.tolist() == [2]
    assert answer.settled.settled.all()


RETICULAR = CellType("reticular", "reticular nucleus", {"soma": 0.0}, "soma")


def looped(weight):
    """core <-> reticular, on one token: x = drive + weight x."""
    axes = (("token", 1), ("model", 2))
    populations = named(
        Population("core", FIRST_ORDER, axes, signed="soma", inputs={"soma": DRIVE}),
        Population("reticular", RETICULAR, axes, signed="soma"),
    )
    projections = (
        Projection("core", "reticular.soma", "im -> im"),
        Projection("reticular", "core.soma", "im -> im", weight),
    )
    protocol = Protocol(250 * ms, 12, np.arange(8, 12)[None])
    return Plan(Circuit("loop", populations, projections), protocol, 1, Reading("core"))


DRIVE = np.array([[[1.5, -1.0]]])


def test_a_loop_of_somata_is_judged():
    """Lateral inhibition of weight -1/2 settles at two thirds of its drive; at weight one there is no fixed point."""
    plan = looped(-0.5)
    units = dict.fromkeys(plan.circuit.populations, np.array([100.0]) * Hz)
    run = simulate(plan, SPIKING, units, dt=1 * ms, target="numpy")
    answer = run.values["core"][8:].mean(axis=0)
    assert np.abs(answer - DRIVE / 1.5).max() <= 2 / 100  # two spikes in a second at 100 Hz
    assert judge(plan, run, SPIKING, 1).settled.all()
    assert "errors of counting grow without bound in a loop" in judge(looped(1.0), run, SPIKING, 1).reason[0]
