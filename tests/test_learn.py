"""Learning of all four weights in a circuit: what it asks for against the gradient, its controls, and the trials."""

import json
import shutil

import numpy as np
import pytest
from brian2 import ms, second

from cortical_attention.cells.rules import RULES
from cortical_attention.circuits.online import online_wiring, shuffled
from cortical_attention.circuits.protocol import Times
from cortical_attention.experiments import learn as experiment
from cortical_attention.trials import learn as trials
from cortical_attention.trials.online import STILL, How, State, answer_errors, calibrate, cosines, initial, teach
from cortical_attention.trials.online_history import begun as history_of
from cortical_attention.trials.online_history import longer
from cortical_attention.wiring.expressions import WiringError
from tests.command import run

N = 2  # presentations
SHOWN = How(target="numpy")


def begun(seed=0):
    """State before the first presentation."""
    return State(initial(np.random.default_rng(seed), 1, 4, 4, 8), {})


@pytest.fixture(scope="module")
def course():
    """Two presentations by the exact rule, and the sequences."""
    drawn = trials.sequences(7, trials.LEARNING, 0, N)
    return teach(drawn, begun(), RULES["exact"], {"step": 0.5 / 64, "momentum": 0.9}, SHOWN), drawn


def test_every_weight_follows_its_gradient(course):
    found = cosines(*course)
    assert set(found) == {"W_Q", "W_K", "W_V", "W_O"}
    assert min(each.min() for each in found.values()) > 1 - 1e-9
    assert answer_errors(*course).max() < 1e-6


@pytest.mark.parametrize("seed", [0, 1])
def test_what_is_asked_was_never_shown(seed):
    shown, calibrated, asked = (
        trials.sequences(seed, stream, 0, 20) for stream in (trials.LEARNING, trials.CALIBRATION, trials.TEST)
    )
    known, new = (_mappings(each) for each in (shown, asked))
    assert len(known) == len(new) == 12
    assert not known & new
    assert _mappings(calibrated) == known
    pairs = [{(i, j, m[i], m[j]) for m in each for i in range(4) for j in range(4) if i != j} for each in (known, new)]
    assert pairs[0] == pairs[1]
    assert len(pairs[0]) == 12 * 12


def _mappings(drawn):
    """Which value each symbol has, of every sequence (set of tuple)."""
    order = drawn.context[..., :4].argmax(axis=-1).argsort(axis=-1)
    return set(map(tuple, np.take_along_axis(drawn.values, order, axis=-1).reshape(-1, 4).tolist()))


def test_the_circuit_has_the_weights_that_it_learnt(course):
    learnt, _ = course
    assert np.abs(learnt.weights["W_Q"][-1] - learnt.weights["W_Q"][0]).max() > 1e-3
    change = learnt.product["W_O"] * 0.5 / 64
    velocity = change[1] + 0.9 * change[0]
    assert np.allclose(learnt.weights["W_O"][2] - learnt.weights["W_O"][1], velocity, rtol=0, atol=1e-12)
    assert np.array_equal(learnt.state.weights["W_V"], learnt.weights["W_V"][-1])


def test_with_steps_of_zero_nothing_is_learnt():
    drawn = trials.sequences(7, trials.TEST, 0, 1)
    still = teach(drawn, begun(), RULES["kolen_pollack"], STILL, SHOWN)
    assert all(np.array_equal(each[-1], each[0]) for each in still.weights.values())


@pytest.mark.parametrize(
    ("rule", "least", "most"), [("no_baseline", 0, 0.99), ("random_feedback", -1, 0.9), ("hebbian", -1, 0.9)]
)
def test_other_rules_do_not_follow_the_gradient_of_the_query(rule, least, most):
    drawn = trials.sequences(7, trials.LEARNING, 0, 1)
    found = cosines(teach(drawn, begun(), RULES[rule], {"step": 1e-3, "momentum": 0.0}, SHOWN), drawn)
    assert least <= found["W_Q"][0] < most
    assert found["W_O"][0] > 1 - 1e-9


def test_softmax_attention_follows_its_gradient_too():
    drawn = trials.sequences(7, trials.LEARNING, 0, 1)
    steps = {"step": 1e-2, "momentum": 0.0}
    how = SHOWN._replace(attention="softmax")
    how = how._replace(
        calibration=calibrate(trials.sequences(7, trials.CALIBRATION, 0, 2), begun(), RULES["exact"], steps, how)
    )
    found = teach(drawn, begun(), RULES["exact"], steps, how)
    assert min(each.min() for each in cosines(found, drawn, "softmax").values()) > 1 - 1e-9
    assert cosines(found, drawn, "linear")["W_Q"][0] < 0.9  # negative control


def test_frozen_queries_and_keys_do_not_change():
    drawn = trials.sequences(7, trials.LEARNING, 0, 1)
    found = teach(drawn, begun(), RULES["frozen"], {"step": 1e-2, "momentum": 0.0}, SHOWN)
    assert set(found.product) == {"W_V", "W_O"}
    assert np.array_equal(found.weights["W_K"][1], found.weights["W_K"][0])


def test_shuffled_targets_are_those_of_others():
    targets = np.arange(24.0).reshape(1, 2, 3, 4)
    assert np.array_equal(shuffled(targets, "sequences")[0, 1], targets[0, 0])
    assert np.array_equal(shuffled(targets, "tokens")[0, 1, 1], targets[0, 1, 0])
    assert shuffled(targets, "") is targets


def test_targets_of_other_tokens_do_not_tell_what_the_answer_is_not():
    """Each token has every target of its sequence equally often, its own among them."""
    names = np.broadcast_to(np.arange(4)[:, np.newaxis], (1, trials.N_SEQUENCE, 4, 1))
    given = shuffled(names, "tokens")[0, :, :, 0]
    assert all(np.array_equal(np.bincount(column, minlength=4), [trials.N_SEQUENCE // 4] * 4) for column in given.T)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kernel": "relu"}, "kernel is 'relu', but a rule of learning needs one without zeros"),
        ({"times": Times(1 * second, 0.5 * second, 0.5 * second, 2 * ms)}, "is measured in its last quarter"),
        (
            {"learning": RULES["exact"]._replace(without=("core -> error",))},
            "no projection 'core -> error' to leave out",
        ),
    ],
)
def test_a_course_that_cannot_be_is_refused(change, says):
    drawn = trials.sequences(7, trials.LEARNING, 0, 1)
    given = {
        "times": Times(0.375 * second, 0.125 * second, 0.125 * second, 2 * ms), "tokens": drawn.tokens,
        "targets": drawn.targets, "weights": begun().weights, "learning": RULES["exact"],
        "steps": {"step": 1.0}, "context": drawn.context,
    } | change  # fmt: skip
    with pytest.raises(WiringError, match=says):
        online_wiring(**given)


# The experiment
def test_the_cosine_of_shuffled_targets_stands_beside_that_of_the_rule(course):
    shown, drawn = course
    asked = trials.Asked("exact", 0, "rate", "linear", N, 0.5, 0.9, 1, "numpy")
    history = longer(history_of(begun().weights), shown, drawn, trials.right)
    names = "exact", "shuffled_sequences"
    found = experiment.entry(asked, dict.fromkeys(names, history), dict.fromkeys(names, course))
    assert found["shuffled_cosine"] == found["cosine_mean"]
    assert "shuffled_cosine" not in experiment.entry(asked, {"exact": history}, {"exact": course})


BRIEF = ("--presentations", "10", "--no-controls", "--target", "numpy", "--quiet")


def test_the_experiment_learns_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trials, "N_TEST", 1)
    found = run("learn", *BRIEF, "--json", "--out", "a")
    result = json.loads(found.stdout)
    assert result["presentations"] == 10
    assert result["null_accuracy"] == 0.25
    assert result["cosine_mean"] > 1 - 1e-6
    assert len(result["seeds"]) == 1
    more = ("--presentations", "12", "--resume", "a", "--out", "b")
    longer = json.loads(run("learn", *BRIEF, *more, "--json").stdout)
    straight = json.loads(run("learn", *BRIEF, "--presentations", "12", "--out", "c", "--json").stdout)
    assert longer["seeds"][0]["loss_end"] == pytest.approx(straight["seeds"][0]["loss_end"], rel=1e-6)
    other = run("learn", *BRIEF, "--step", "0.1", "--resume", "a", "--out", "d")
    assert other.exit_code == 2
    assert "was learnt with step 0.5, but 0.1 is asked for" in " ".join(other.stderr.split())


def test_softmax_attention_is_learnt_by_the_experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trials, "N_TEST", 1)
    monkeypatch.setattr(trials, "N_CALIBRATION", 2)
    found = run("learn", *BRIEF, "--attention", "softmax", "--out", "a", "--json")
    assert json.loads(found.stdout)["null_accuracy"] == 0.25


@pytest.fixture(scope="module")
def learnt_once(tmp_path_factory):
    """Folder with eleven presentations of one course."""
    folder = tmp_path_factory.mktemp("learnt") / "a"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trials, "N_TEST", 1)
        assert run("learn", *BRIEF, "--presentations", "11", "--out", folder).exit_code in (0, 1)
    return folder


@pytest.fixture
def earlier(tmp_path, monkeypatch, learnt_once):
    """The same in the working directory, to be changed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trials, "N_TEST", 1)
    return shutil.copytree(learnt_once, tmp_path / "a")


def test_what_was_learnt_is_kept_by_the_next_run_even_if_it_adds_nothing(earlier):
    with np.load(earlier / "learn.npz") as file:
        before = dict(file)
    controls = (
        "--presentations",
        "11",
        "--controls",
        "--resume",
        "a",
        "--out",
        "a",
        "--overwrite",
    )  # which the earlier run did not have
    found = run("learn", *BRIEF, *controls, "--json")
    assert json.loads(found.stdout)["seeds"][0]["shuffled_accuracy"] <= 1
    with np.load(earlier / "learn.npz") as file:
        assert "seed-0-frozen/weights/W_Q" in file
        same = [np.array_equal(file[name], each) for name, each in before.items() if name != "settings"]
    assert all(same)


def _cut(path):
    path.write_bytes(path.read_bytes()[:1000])


def _without_weights(path):
    with np.load(path) as file:
        rest = {name: each for name, each in file.items() if not name.endswith("weights/W_V")}
    np.savez(path, **rest)


def _without_settings(path):
    np.savez(path, settings="3")


@pytest.mark.parametrize(
    ("damage", "given", "says"),
    [
        (_cut, (), "has no histories of learning, or is damaged"),
        (_without_settings, (), "has no histories of learning, or is damaged"),
        (_without_weights, (), "lacks a part of the history of seed-0-exact"),
        (None, ("--seed", "1"), "has no history of seed-1-exact"),
        (None, ("--rule", "hebbian"), "has no history of seed-0-hebbian"),
        (None, ("--form", "spiking"), "form rate, but spiking is asked for"),
    ],
)
def test_a_result_that_cannot_be_gone_on_from_is_refused(damage, given, says, earlier):
    if damage:
        damage(earlier / "learn.npz")
    found = run("learn", *BRIEF, *given, "--resume", "a", "--out", "b")
    assert found.exit_code == 2
    assert says in " ".join(found.stderr.split())


@pytest.mark.usefixtures("earlier")
def test_fewer_presentations_than_an_earlier_result_has_are_refused():
    found = run("learn", *BRIEF, "--resume", "a", "--out", "b")
    assert found.exit_code == 2
    assert "--presentations is 10 but needs to be at least 11" in " ".join(found.stderr.split())


def test_a_compiled_target_without_a_compiler_is_refused(monkeypatch):
    monkeypatch.setattr("cortical_attention.command.options.compiler", lambda: None)
    found = run("learn", "--target", "cpp")
    assert found.exit_code == 2
    assert "--target cpp needs a C++ compiler" in " ".join(found.stderr.split())


def test_learning_that_diverges_keeps_what_it_learnt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run("learn", *BRIEF, "--step", "60", "--json", "--out", "a")
    assert found.exit_code == 1
    said = json.loads(found.stdout)["failed"]["0"]
    assert "learning diverged at presentation" in said
    with np.load(tmp_path / "a" / "learn.npz") as kept:
        n = int(said.split("presentation ")[1].split(";")[0])
        assert len(kept["seed-0-exact/weights/W_Q"]) == n
        assert np.isfinite(kept["seed-0-exact/weights/W_Q"]).all()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--rule", "oja"), "--rule is 'oja' but needs to be one of exact"),
        (("--task", "chess"), "--task is 'chess' but needs to be one of recall"),
        (("--form", "adaptive"), "--form is 'adaptive' but needs to be one of rate, spiking"),
        (("--step", "nan"), "--step is nan"),
        (("--attention", "softmax", "--rule", "hebbian"), "--rule is 'hebbian' but needs to be another"),
        (("--target", "cuda"), "--target is 'cuda'"),
        (("--momentum", "1"), "--momentum is 1.0"),
        (("--resume", "nowhere"), "--resume"),
    ],
)
def test_options_that_cannot_be_are_refused(given, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run("learn", *given)
    assert found.exit_code == 2
    assert says in " ".join(found.stderr.split())
