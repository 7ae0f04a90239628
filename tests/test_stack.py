"""Plans as data: readings, circuits joined under prefixes, and layers stacked."""

import json
import pickle

import numpy as np
import pytest
from brian2 import ms, second

from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.memory import memory_wiring
from cortical_attention.circuits.plan import Reading
from cortical_attention.circuits.protocol import Times
from cortical_attention.circuits.stack import join, stack
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.readout.provenance import jsonable
from cortical_attention.reference.attention import Block, linear_attention
from cortical_attention.simulation.attend import Settings, attend
from cortical_attention.simulation.calibrate import rate_units
from cortical_attention.simulation.cut import stages
from cortical_attention.simulation.run import simulate
from cortical_attention.simulation.settle import window_values
from cortical_attention.wiring.circuit import Projection
from cortical_attention.wiring.expressions import WiringError

TIMES = Times(300 * ms, 400 * ms, 200 * ms, 1 * ms)
SIZE = 4  # of tokens, model, keys and values
ASKED_OF_RATES, ASKED_OF_SPIKES = 1e-9, 0.025  # two layers; one spike in 2 s at 100 Hz is 0.5 %, through two layers


def draw(seed, n_head, n_layer=2):
    """Tokens (1, 4, 4) and a block per layer."""
    rng = np.random.default_rng(seed)
    shapes = [(n_head, SIZE, SIZE)] * 4
    return rng.normal(size=(1, SIZE, SIZE)), [
        Block(*(rng.normal(size=shape) / 2 for shape in shapes)) for _ in range(n_layer)
    ]


def stacked(blocks, normaliser="pi", **how):
    """A wiring: layers of the mask wiring on each other."""

    def wiring(times, tokens):
        return stack(*(mask_wiring(times, tokens, *block[:4], normaliser=normaliser) for block in blocks), **how)

    return wiring


def layers_of_algebra(tokens, blocks, residual=False):
    """Output of each layer, the next one's tokens."""
    found = []
    for block in blocks:
        output = linear_attention(tokens, block).output
        tokens = tokens + output if residual else output
        found.append(output)
    return found


@pytest.mark.parametrize(
    ("form", "asked"), [(RATE, ASKED_OF_RATES), (SPIKING, ASKED_OF_SPIKES)], ids=["rate", "spiking"]
)
def test_two_layers_against_two_layers_of_the_algebra(form, asked):
    tokens, blocks = draw(0, n_head=1)
    answer = attend(stacked(blocks), tokens, Settings(form, target="numpy"))
    first, second_layer = layers_of_algebra(tokens, blocks)
    assert relative_l2(answer.output, second_layer) <= asked
    assert answer.settled.settled.all()
    # the first layer is read by its name
    measured = window_values(answer.run, form, answer.plan.protocol.windows)
    assert relative_l2(answer.plan.read(answer.plan.layers["layer_1"]["output"], measured), first) <= asked
    # negative control: one layer, and two in the other order
    assert relative_l2(first, second_layer) > 10 * asked
    assert relative_l2(layers_of_algebra(tokens, blocks[::-1])[1], second_layer) > 10 * asked


def test_layers_with_residual_streams():
    tokens, blocks = draw(1, n_head=2, n_layer=3)
    times = Settings(RATE, dt=2 * ms).times()
    plan = stacked(blocks, residual=True)(times, tokens)
    run = simulate(plan, RATE, rate_units(plan), dt=times.dt, target="numpy")
    answer = plan.read(plan.output, window_values(run, RATE, plan.protocol.windows))
    expected = layers_of_algebra(tokens, blocks, residual=True)[-1]
    assert relative_l2(answer, expected) <= 2 * ASKED_OF_RATES
    assert relative_l2(layers_of_algebra(tokens, blocks)[-1], expected) > 0.1  # negative control


def test_a_layer_begins_when_the_one_below_has_settled():
    tokens, blocks = draw(0, n_head=1, n_layer=3)
    one, plan = (stacked(blocks[:n], normaliser="slow")(TIMES, tokens) for n in (1, 3))
    n_settle, n_window = one.protocol.windows[0, 0], one.protocol.windows.size
    assert plan.protocol.windows.tolist() == [list(range(3 * n_settle, 3 * n_settle + n_window))]
    assert plan.protocol.n_phase == 3 * n_settle + n_window
    assert plan.protocol.epochs[0].stop / float(n_settle * one.protocol.phase) == pytest.approx(3)
    for k in range(3):
        gate = plan.circuit.populations[f"layer_{k + 1}_interneuron"].inputs["gate"].ravel()
        assert gate.tolist() == [0] * (k * n_settle + 1) + [1] * (plan.protocol.n_phase - k * n_settle - 1)
    held = [bool(plan.circuit.populations[f"layer_{k}_{name}"].inputs) for k in (1, 2) for name in ("core", "matrix")]
    assert held == [True, True, False, False]


def test_tokens_meet_the_context_by_name_only():
    tokens, blocks = draw(0, n_head=1)
    circuit = stacked(blocks)(TIMES, tokens).circuit
    arrow = next(each for each in circuit.projections if each.target == "layer_2_matrix.soma")
    assert arrow.same
    others = tuple(each for each in circuit.projections if each is not arrow)
    with pytest.raises(WiringError, match="axis 'i' is token in one place and context in the target"):
        circuit._replace(projections=(*others, arrow._replace(same=()))).check()
    with pytest.raises(WiringError, match="axis 'm' is model in one place and context"):
        circuit._replace(projections=(*others, arrow._replace(expression="im -> mi"))).check()


def test_circuits_are_joined_under_prefixes():
    tokens, (first, second_block) = draw(0, n_head=1)
    circuits = {
        name: mask_wiring(TIMES, tokens, *block[:4]).circuit
        for name, block in (("left", first), ("right", second_block))
    }
    bridge = Projection("left_higher_order", "right_core.soma", "im -> im")
    joined = join(circuits, [bridge])
    assert len(joined.populations) == sum(len(each.populations) for each in circuits.values())
    assert all(name == each.name and name.isidentifier() for name, each in joined.populations.items())
    assert len(joined.projections) == 1 + sum(len(each.projections) for each in circuits.values())
    with pytest.raises(WiringError, match="there is no population 'core'"):
        join(circuits, [bridge._replace(target="core.soma")])


def test_what_cannot_be_stacked_is_refused():
    tokens, (block, _) = draw(0, n_head=1)
    plan = mask_wiring(TIMES, tokens, *block[:4])
    with pytest.raises(WiringError, match=r"layer 2 of the stack \('memory'\) presents its tokens one after another"):
        stack(plan, memory_wiring(TIMES, tokens, *block[:4]))
    with pytest.raises(WiringError, match="layer 2 .* differs from the first layer in its phase"):
        stack(plan, mask_wiring(TIMES._replace(window=1 * second), tokens, *block[:4]))
    with pytest.raises(WiringError, match=r"layer_2_core.*axis 'm' \(model\) needs size 4, the target has 3"):
        stack(plan, mask_wiring(TIMES, tokens[..., :3], *(each[..., :3] for each in block[:3]), block.W_O[:, :3]))
    with pytest.raises(WiringError, match="heads cannot be spread at once, since its areas lie one behind another"):
        stages(stack(plan, plan).circuit)


@pytest.mark.parametrize("wiring", [mask_wiring, memory_wiring])
def test_readings_are_plain_data(wiring):
    tokens, (block, _) = draw(0, n_head=2)
    plan = wiring(TIMES, tokens, *block[:4])
    assert pickle.loads(pickle.dumps(plan.readings())) == plan.readings()
    assert json.loads(json.dumps(jsonable(plan.readings())))["output"] == {"population": "higher_order", "sum": []}
    assert plan.readings()["gain"].prefixed("layer_1_") == Reading("layer_1_interneuron")


def test_readings_sum_by_kind_and_put_tokens_behind_heads():
    """Of the memory wiring: two inputs, three tokens one after another, two heads; of the mask wiring: all at once."""
    rng = np.random.default_rng(0)
    tokens, (block, _) = rng.normal(size=(2, 3, SIZE)), draw(0, n_head=2)[1]
    mask = np.array([[True, False, True], [True] * 3, [True, False, True]])
    plan = memory_wiring(TIMES, tokens, *block[:4], mask=mask)
    assert plan.protocol.token_of.tolist() == [0, 1, 2]
    assert len([each for each in plan.protocol.epochs if each.name == "window"]) > 1
    values = {name: rng.normal(size=(3, plan.batch, *each.shape)) for name, each in plan.circuit.populations.items()}
    total, output = plan.read(plan.attention_sum, values), plan.read(plan.output, values)
    assert total.shape == (2, 2, 3)
    for b, i in np.ndindex(2, 3):
        place = 2 * b + plan.protocol.memory_of[i]
        assert total[b, :, i] == pytest.approx(values["normaliser"][i, place].sum(axis=-1))
        assert np.array_equal(output[b, i], values["higher_order"][i, place])
    plan = mask_wiring(TIMES, tokens, *block[:4])
    values = {"superficial": rng.normal(size=(1, 2, 2, 3, 3, SIZE))}
    assert np.array_equal(plan.read(plan.attention, values), values["superficial"][0].sum(axis=-1))
    assert plan.read(None, values) is None
    with pytest.raises(WiringError, match="reading of 'superficial': it has no axis of kind value"):
        plan.read(Reading("superficial", sum=("value",)), values)
