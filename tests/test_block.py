"""Transformer blocks: the algebra against other computations, the circuit against the algebra, its controls, the command."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from brian2 import Hz, NeuronGroup, second
from scipy.special import erf, ndtr

from cortical_attention.cells.gated import GATED, steady_rate
from cortical_attention.circuits.block import block_wiring, right_inverse
from cortical_attention.circuits.protocol import Times
from cortical_attention.experiments import block as experiment
from cortical_attention.inputs.transformer_weights import Layer, Norm
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.block import Block
from cortical_attention.reference.transformer_block import gelu, transformer_block, transformer_blocks
from cortical_attention.simulation.rule import FUNCTIONS
from cortical_attention.trials.example import answer, best_null, error_of
from cortical_attention.trials.examples.block import CONTROLS, example
from cortical_attention.wiring.expressions import WiringError
from tests.command import check_refused, run

ONE = {attention: example(attention, depth=1) for attention in ("linear", "softmax")}
EXACT, SAME = 1e-6, 1e-12


def ask(of, wiring=None, form="rate", **settings):
    """Answer of a circuit, and its error."""
    found = answer(of, form, wiring, target="numpy", **{"settle": 1 * second, "window": 0.2 * second} | settings)
    return found, error_of(of, found.output)


# Algebra
def loops(tokens, layer, epsilon=0.0):
    """A block of softmax attention, one number at a time where that is simple."""

    def norm(x, weights):
        return (x - np.mean(x)) / np.sqrt(np.mean((x - np.mean(x)) ** 2) + epsilon) * weights.gain + weights.bias

    answer = []
    for x in tokens:
        sums = np.array(x + layer.b_O)
        for W_Q, W_K, W_V, W_O in zip(*layer.block[:4], strict=True):
            weights = np.exp([W_K @ other @ (W_Q @ x) / np.sqrt(len(W_Q)) for other in tokens])
            sums += W_O @ sum(w * (W_V @ other) for w, other in zip(weights / weights.sum(), tokens, strict=True))
        stream = norm(sums, layer.norm_1)
        a = layer.W_1 @ stream + layer.b_1
        answer.append(norm(stream + layer.W_2 @ (a * (1 + erf(a / np.sqrt(2))) / 2) + layer.b_2, layer.norm_2))
    return np.array(answer)


def test_the_algebra_is_that_of_plain_loops():
    (layer,) = ONE["softmax"].block["layers"]
    tokens = ONE["softmax"].tokens[0]
    for epsilon in (0.0, 0.1):
        assert relative_l2(transformer_block(tokens, layer, epsilon=epsilon), loops(tokens, layer, epsilon)) <= SAME
    assert relative_l2(transformer_block(tokens, layer), loops(tokens, layer, 0.1)) > 1e-3
    assert gelu(np.array([-1.0, 0.0, 2.0])) == pytest.approx([-0.15865525393145707, 0.0, 1.9544997361036416])


def test_a_layer_of_torch_is_a_block():
    torch = pytest.importorskip("torch")
    n_head, d_model, d_hidden = 2, 8, 12
    torch.manual_seed(3)
    theirs = torch.nn.TransformerEncoderLayer(
        d_model,
        n_head,
        d_hidden,
        dropout=0.0,
        activation="gelu",
        batch_first=True,
        norm_first=False,
        dtype=torch.float64,
    ).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.randn_like(parameter) / parameter.shape[-1] ** 0.5)
    tokens = np.random.default_rng(0).normal(size=(2, 5, d_model))
    with torch.no_grad():
        right = theirs(torch.from_numpy(tokens)).numpy()
    found = transformer_block(tokens, layer_of_torch(theirs, n_head), epsilon=theirs.norm1.eps)
    assert relative_l2(found, right) <= SAME
    assert relative_l2(found, tokens) > 0.1


def layer_of_torch(theirs, n_head):
    """Weights of a `torch.nn.TransformerEncoderLayer` (Layer)."""
    w = {name: each.detach().numpy() for name, each in theirs.named_parameters()}
    inward = w["self_attn.in_proj_weight"].reshape(3, n_head, -1, w["linear1.weight"].shape[1])
    outward = np.stack(np.split(w["self_attn.out_proj.weight"], n_head, axis=1))
    block = Block(*inward, outward, *w["self_attn.in_proj_bias"].reshape(3, n_head, -1))
    norms = [Norm(w[f"norm{k}.weight"], w[f"norm{k}.bias"]) for k in (1, 2)]
    hidden = [w[f"linear{k}.{part}"] for k in (1, 2) for part in ("weight", "bias")]
    return Layer(block, w["self_attn.out_proj.bias"], norms[0], *hidden, norms[1])


# Cells
def test_the_gated_cell_is_the_normal_distribution_function():
    x = np.concatenate([np.linspace(-12, 12, 2001), [-1e30, -40.0, 0.0, 1e-300, 40.0, 1e30]])
    rule = eval(GATED.value, FUNCTIONS | {"basal": 1.0, "apical": x})
    assert np.abs(rule - ndtr(x)).max() <= 1e-15
    group = NeuronGroup(len(x), f"apical : 1\nbasal = 1 : 1\nvalue = {GATED.value} : 1", namespace={}, name="gated")
    group.apical = x
    assert np.abs(np.array(group.value) - ndtr(x)).max() <= 1e-15
    assert float(steady_rate(100 * Hz, 2.0, 0.0) / Hz) == 100.0


# Circuits
@pytest.mark.parametrize(("attention", "form"), [("linear", "rate"), ("softmax", "rate"), ("linear", "dale")])
def test_a_block_is_the_algebra(attention, form):
    found, off = ask(ONE[attention], form=form)
    assert found.settled.settled.all(), found.settled.reason
    assert off <= EXACT
    assert best_null(ONE[attention])[1] > 0.3


@pytest.mark.parametrize("name", CONTROLS)
def test_without_a_part_of_layer_norm_it_misses(name):
    assert ask(ONE["linear"], CONTROLS[name])[1] > 0.1


def test_a_shared_skip_is_exact_in_rates_alone():
    def shared(*given, **block):
        return block_wiring(*given, **block, skip="shared")

    assert ask(ONE["linear"], shared)[1] <= EXACT
    assert ask(ONE["linear"], shared, "dale")[1] > 0.1


def test_a_right_inverse():
    W_O = np.random.default_rng(1).normal(size=(3, 4, 2))
    assert np.einsum("hmv,hvn->mn", W_O, right_inverse(W_O)) == pytest.approx(np.eye(4), abs=1e-12)
    with pytest.raises(WiringError, match="rank below d_model"):
        right_inverse(W_O[:1])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"attention": "hard"}, "attention is 'hard' but needs to be one of linear, softmax"),
        ({"skip": "none"}, "skip is 'none' but needs to be one of separate, shared"),
        ({"layers": []}, "at least one layer"),
    ],
)
def test_what_cannot_be_wired_is_refused(wrong, said):
    times = Times(1 * second, 0.5 * second, 0.25 * second, 0.001 * second)
    with pytest.raises(WiringError, match=said):
        block_wiring(times, ONE["linear"].tokens, **ONE["linear"].block | wrong)


def test_two_blocks_are_wired_on_each_other():
    """The answer of the first block drives core and matrix of the second, and nothing else does."""
    times, two = Times(1 * second, 0.5 * second, 0.25 * second, 0.001 * second), example("softmax")
    plan = block_wiring(times, two.tokens, **two.block)
    driven = {each.target for each in plan.circuit.projections if each.source == "layer_1_answer"}
    assert driven == {"layer_2_core.soma", "layer_2_matrix.soma"}
    assert not plan.circuit.populations["layer_2_core"].inputs
    gate = plan.circuit.populations["layer_2_rms_1"].inputs["gate"].ravel()
    assert plan.protocol.n_phase - gate.sum() == 1 + plan.protocol.windows[0, 0] // 2
    assert relative_l2(transformer_blocks(two.tokens, two.block["layers"][:1]), two.reference) > 0.1


# The experiment
ROW = {
    "system": "block", "attention": "linear", "skip": "separate", "form": "rate", "relative_l2": 1e-9, "settled": True,
    "null": "uniform attention", "null_relative_l2": 0.7,
}  # fmt: skip


def held(*rows, every=()):
    return [each.held for each in experiment.judge(list(rows), every)]


def test_predictions_can_be_missed():
    shared = ROW | {"skip": "shared", "form": "dale", "relative_l2": 0.5}
    assert held(ROW, shared) == [True, True, True]
    assert held(ROW | {"relative_l2": 1e-5}, shared | {"relative_l2": 1e-9}) == [False, False, True]
    assert held(ROW | {"settled": False, "null_relative_l2": 0.2}) == [False, False]
    assert held(ROW | {"system": experiment.MINILM, "relative_l2": 1e-3, "null_relative_l2": None}) == [False]
    failed = SimpleNamespace(
        example=SimpleNamespace(system="other"), attention="softmax", skip="separate", form="rate", label="other"
    )
    assert held(ROW, every=[failed]) == [False, True]


def test_the_command_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("block", "--attentions", "linear", "--forms", "rate", "--depth", 1, "--target", "numpy")
    done = run(*words, "--out", "result")
    assert done.exit_code == 0, done.output
    assert {path.name for path in Path("result").iterdir()} == {"block.json", "block.png", "run.json"}
    result = json.loads(Path("result/block.json").read_text())
    assert [each["skip"] for each in result["rows"]] == ["separate", "shared"]
    assert "separate skip, rate: at most" in done.stdout


@pytest.mark.parametrize(("option", "value"), [("--depth", 0), ("--forms", "no"), ("--attentions", "hard")])
def test_bad_options_are_refused(option, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_refused("block", option, value, names=option)
