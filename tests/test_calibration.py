"""Calibration: made once, on other sequences, and then used for every input."""

import json

import numpy as np
import pytest
from brian2 import pA, second

import cortical_attention as ca
from cortical_attention.cells.forms.biophysical import BIOPHYSICAL
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.circuits.protocol import RunError
from cortical_attention.inputs.cases import CaseError, arrays, from_arrays
from cortical_attention.inputs.suite import N_CALIBRATION, random_case
from cortical_attention.simulation.attend import attend, calibrate, drawn_for, prepare, run
from cortical_attention.simulation.calibrate import N_DRAWN, digests, drawn_like
from cortical_attention.simulation.settings import SettingError, Settings
from cortical_attention.trials.calibration import read_calibration, write_calibration
from cortical_attention.wiring.expressions import WiringError
from tests.command import run as command

pytestmark = pytest.mark.filterwarnings("ignore:the circuit has not settled")  # runs are brief

SIZES = {"n_head": 2, "d_model": 6, "d_key": 3, "d_value": 3}
BRIEF = {"wiring": "mask", "form": "spiking", "window": 0.2 * second, "settle": 0.3 * second, "target": "numpy"}
CASE = random_case(3, 3, **SIZES)
QUICK = Settings(SPIKING, 0.2 * second, 0.3 * second, target="numpy")
CURRENTS = dict.fromkeys(("I_d0", "I_d1", "I_s0", "I_s1"), 100 * pA)


@pytest.fixture(scope="module")
def frozen():
    return calibrate("mask", CASE.calibration, QUICK, **CASE.block._asdict())


def spikes_of(answer):
    """Spikes of the first input by population."""
    return {each.name: (each.spike_index.tolist(), np.asarray(each.spike_time).tolist()) for each in answer.run.records}


@pytest.mark.parametrize("form", ["spiking", "adaptive"])
def test_an_input_alone_and_among_others_has_the_same_spikes(form):
    """On a quarter of a second, since equal spikes are equal from the first."""
    settings = QUICK._replace(form=form)
    given = calibrate("mask", CASE.calibration, settings, **CASE.block._asdict())
    others = np.stack([CASE.tokens, 1.2 * CASE.tokens, CASE.calibration[0]])
    alone = attend("mask", CASE.tokens[None], settings, calibration=given, **CASE.block._asdict())
    among = attend("mask", others, settings, calibration=given, **CASE.block._asdict())
    assert spikes_of(alone) == spikes_of(among)
    assert np.array_equal(alone.output[0], among.output[0])
    assert not np.array_equal(alone.output[0], among.output[1])


def test_unit_rates_do_not_depend_on_the_tested_input(frozen):
    """Two cases that share block and calibration; without calibration sequences they depend on the tokens."""
    other = CASE._replace(tokens=3 * CASE.tokens)
    one, two = (ca.attend(each, **BRIEF) for each in (CASE, other))
    assert one.report["calibration"] == two.report["calibration"] == "given"
    assert one.provenance["unit_rates"] == two.provenance["unit_rates"]
    assert one.calibration.sequences == two.calibration.sequences == frozen.sequences
    assert {name: each.tolist() for name, each in one.calibration.unit_rates.items()} == {
        name: each.tolist() for name, each in frozen.unit_rates.items()
    }
    drawn = [ca.attend(each._replace(calibration=None), **BRIEF) for each in (CASE, other)]
    assert [each.report["calibration"] for each in drawn] == ["drawn", "drawn"]
    assert drawn[0].provenance["unit_rates"] != drawn[1].provenance["unit_rates"]


def test_a_calibration_on_the_tested_sequence_is_refused_unless_asked_for():
    leaky = CASE._replace(calibration=np.concatenate([CASE.calibration, CASE.tokens[None]]))
    with pytest.raises(CaseError, match="contains the tested sequence .* --calibrate-on-input"):
        ca.attend(leaky, "mask", "spiking")
    found = ca.attend(leaky, on_input=True, **BRIEF)
    assert found.report["calibration"] == "on input"
    assert len(found.calibration.sequences) == 1
    cross = random_case(3, 3, 4, **SIZES)
    mixed = cross._replace(
        calibration=np.tile(cross.tokens, (N_CALIBRATION, 1, 1))
    )  # the tested tokens, other contexts
    assert ca.attend(mixed, **BRIEF).report["calibration"] == "given"
    with pytest.raises(CaseError, match="contains the tested sequence"):
        ca.attend(mixed._replace(calibration_context=np.tile(cross.context, (N_CALIBRATION, 1, 1))), **BRIEF)


def test_a_tested_sequence_is_known_in_every_guise():
    """In single precision, in another order, with itself as its context, with zeros of the other sign."""
    tokens = np.concatenate([CASE.tokens, np.zeros((1, 6))])[None]
    for same in (tokens.astype(np.float32), tokens[:, ::-1], tokens * [[[1], [1], [1], [-1]]]):
        assert digests(same) == digests(tokens) == digests(tokens, tokens)
    assert digests(1.001 * tokens) != digests(tokens)


def test_a_case_of_equal_tokens_is_calibrated_on_drawn_ones():
    alike = CASE._replace(tokens=np.full((3, 6), 0.5), calibration=None)
    assert ca.attend(alike, **BRIEF).report["calibration"] == "drawn"


def test_the_source_is_that_of_this_case(frozen):
    """Whatever a calibration was made for: given to another case it is given."""
    own = ca.attend(CASE, on_input=True, **BRIEF)
    other = CASE._replace(tokens=2 * CASE.tokens)
    assert ca.attend(other, calibration=own.calibration, **BRIEF).report["calibration"] == "given"
    again = ca.attend(CASE, calibration=own.calibration, on_input=True, **BRIEF)
    assert again.report["calibration"] == "on input"
    with pytest.raises(CaseError, match="contains the tested sequence"):
        ca.attend(CASE, calibration=own.calibration, **BRIEF)


def test_forms_without_spikes_need_none():
    answer = ca.attend(CASE, target="numpy")
    assert answer.report["calibration"] is None
    assert set(answer.calibration.unit_rates.values()) == {100.0}
    with pytest.raises(SettingError, match="needs no calibration"):
        ca.calibrate(CASE, form="rate")


# Drawn sequences
def test_drawn_tokens_have_the_mean_and_covariance_of_the_given_ones():
    rng = np.random.default_rng(0)
    given = rng.normal(size=(5, 40, 4)) @ rng.normal(size=(4, 4)) + 3
    drawn = drawn_like(given, n_sequence=2000).reshape(-1, 4)
    rows = given.reshape(-1, 4)
    tolerance = 5 * np.sqrt(np.diag(np.cov(rows.T)) / len(drawn))  # five standard errors
    assert (np.abs(drawn.mean(axis=0) - rows.mean(axis=0)) < tolerance).all()
    assert np.cov(drawn.T) == pytest.approx(np.cov(rows.T), abs=5 * np.sqrt(2 / len(drawn)) * np.cov(rows.T).max())


def test_drawn_tokens_stay_in_the_span_and_are_never_the_given_ones():
    given = np.random.default_rng(1).normal(size=(1, 3, 6))
    drawn = drawn_like(given)
    assert drawn.shape == (N_DRAWN, 3, 6)
    deviations = given[0] - given[0].mean(axis=0)
    left = (drawn.reshape(-1, 6) - given[0].mean(axis=0)).T
    assert np.linalg.lstsq(deviations.T, left, rcond=None)[1].max(initial=0) < 1e-20


@pytest.mark.parametrize("tokens", [np.full((1, 1, 50), 3.0), np.full((2, 4, 50), 1e-5), np.zeros((1, 3, 50))])
def test_tokens_that_are_all_equal_are_drawn_at_their_size(tokens):
    """They have no covariance; tokens of zero are drawn at the size one."""
    drawn = drawn_like(tokens, n_sequence=100)
    size = np.abs(tokens).max() or 1
    assert drawn.std() == pytest.approx(size, rel=0.05)
    assert abs(drawn.mean()) < 0.05 * size


def test_what_a_mask_closes_does_not_shape_the_draw():
    tokens = np.random.default_rng(2).normal(size=(1, 4, 3))
    mask = np.ones((4, 4), dtype=bool)
    mask[:, 3] = False
    large = tokens.copy()
    large[0, 3] = 1e9
    assert np.abs(drawn_for(large, mask=mask)[0]).max() > 1e8  # the token still asks
    mask[3] = False
    assert np.array_equal(drawn_for(tokens, mask=mask)[0], drawn_for(large, mask=mask)[0])
    cross = {"context": tokens, "mask": mask}
    assert np.array_equal(
        drawn_for(tokens, **cross)[1]["context"], drawn_for(tokens, **cross | {"context": large})[1]["context"]
    )


# Together
def test_one_calibration_for_several_blocks_has_the_least_unit_rates():
    other = random_case(4, 3, **SIZES, scale=3)
    every = [ca.calibrate(each, cells=2) for each in (CASE, other)]
    both = ca.calibrate([CASE, other], cells=2)
    for name, rates in both.unit_rates.items():
        assert np.array_equal(rates, np.minimum(*(each.unit_rates[name] for each in every)))
    assert both.sequences == every[0].sequences + every[1].sequences
    with pytest.raises(CaseError, match="has sizes .* but needs those of"):
        ca.calibrate([CASE, random_case(4, 4, **SIZES)])
    with pytest.raises(CaseError, match="has no array 'calibration'"):
        ca.calibrate(CASE._replace(calibration=None))
    for wrong in ([], "mine.npz", 3):
        with pytest.raises(CaseError, match="cases needs to be one Case, or several"):
            ca.calibrate(wrong)
    with pytest.raises(SettingError, match="calibration is 3 but needs to be a Calibration"):
        ca.attend(CASE, form="spiking", calibration=3)


# Saturation
def test_what_is_beyond_a_frozen_cell_is_counted_and_fails_only_beyond_a_share(frozen):
    """Cells asked for a hundred times what they were calibrated for fire in every step; three times is within reach."""
    tame = Settings(SPIKING, 0.2 * second, 1 * second, target="numpy")
    beyond = 100 * CASE.tokens[None]
    with pytest.raises(RunError, match=r"^core was asked for two spikes .*, [0-9]+ times in [0-9]+ spikes; try"):
        attend("mask", beyond, tame, calibration=frozen, **CASE.block._asdict())
    found = attend("mask", CASE.tokens[None], tame, calibration=frozen, **CASE.block._asdict())
    assert not any(each.beyond.any() for each in found.run.saturated.values())
    many = np.concatenate([beyond, *[CASE.tokens[None]] * 5])
    judged = attend("mask", many, tame, calibration=frozen, **CASE.block._asdict()).settled
    assert "core was asked for two spikes of one cell" in judged.reason[0]  # one input among others loses itself alone
    assert not judged.settled[0]
    assert not any("was asked for" in each for each in judged.reason[1:])
    with pytest.raises(RunError, match="core was asked for two spikes"):  # nobody judges it
        run(prepare("mask", many, tame, frozen, **CASE.block._asdict()), beyond=0.1)


def test_a_share_beyond_the_limit_is_reported_up_to_that_of_the_limit():
    """One value of ninety is ten times as large as the rest."""
    patient = SPIKING.membrane._replace(limit=SPIKING.membrane.limit._replace(most=0.9))
    form = SPIKING._replace(membrane=patient)
    large = CASE.tokens.copy()
    large[0, 0] = 40.0
    case = CASE._replace(tokens=large)
    answer = ca.attend(case, **BRIEF | {"form": form})
    assert 0 < answer.report["saturated"]["core"] < 0.9


def test_two_compartment_cells_count_currents_beyond_their_surface():
    """Spikes under a current that ends where the surface does are counted: few for small tokens, many for large ones."""
    settings, block = QUICK._replace(form=BIOPHYSICAL), CASE.block._asdict()
    given = calibrate("mask", CASE.calibration, settings, **block)
    both = np.stack([0.5 * CASE.tokens, 4 * CASE.tokens])
    few, many = run(prepare("mask", both, settings, given, **block), beyond=1.0).saturated["superficial"].share
    assert few < 0.1 < many


# File
NEGATIVE = json.dumps(
    {
        "schema_version": 2,
        "circuit": "m",
        "form": "f",
        "unit_rates_hz": {"core": -1},
        "constants": {},
        "sequences": [],
        "source": None,
        "kernels": {},
        "inputs": {},
        "synapses": "slow",
        "rules": {},
    }
)
HUGE = NEGATIVE.replace("-1", "1" + 400 * "0")
RULES = (
    NEGATIVE.replace("-1", "1")
    .replace('"rules": {}', '"rules": ["core"]')
    .replace('"source": null', '"source": "given"')
)


def test_a_calibration_is_read_as_it_was_written(frozen, tmp_path):
    given = frozen._replace(constants={"superficial": {"I_s0": 300.123 * pA, "sigma_g": 0.25}})
    write_calibration(given, tmp_path / "one.json")
    found = read_calibration(tmp_path / "one.json")
    assert found._replace(unit_rates={}, inputs={}) == given._replace(unit_rates={}, inputs={})
    assert np.array_equal(found.inputs["interneuron"]["start"], given.inputs["interneuron"]["start"])
    assert found.constants["superficial"]["I_s0"].dim is given.constants["superficial"]["I_s0"].dim
    assert all(np.array_equal(found.unit_rates[name], each) for name, each in given.unit_rates.items())


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"circuit": "mask"}', "\x00", NEGATIVE, HUGE, RULES],
)
def test_damaged_files_are_one_sentence(tmp_path, content):
    path = tmp_path / "calibration.json"
    path.write_text(content)
    with pytest.raises(CaseError, match=r"is damaged or of another kind but needs to be a calibration.json"):
        read_calibration(path)
    with pytest.raises(CaseError, match="cannot be read"):
        read_calibration(tmp_path / "none.json")


def test_a_file_of_another_version_is_refused(frozen, tmp_path):
    write_calibration(frozen, tmp_path / "one.json")
    content = json.loads((tmp_path / "one.json").read_text()) | {"schema_version": 1}
    (tmp_path / "one.json").write_text(json.dumps(content))
    with pytest.raises(CaseError, match=r"has schema_version 1, which is not 2, but needs to be a calibration.json"):
        read_calibration(tmp_path / "one.json")


@pytest.mark.parametrize(
    ("form", "constants", "sentence"),
    [
        (
            "spiking",
            {"tau_s": 0.25},
            "has the constants tau_s of 'superficial' but needs those that form 'spiking' sets .*: none",
        ),
        ("biophysical", {}, "has the constants none of 'superficial' but needs .*: I_d0, I_d1, I_s0, I_s1"),
        ("biophysical", {"I_s0": 1 * pA}, "has the constants I_s0 of 'superficial' but needs"),
        (
            "biophysical",
            dict.fromkeys(CURRENTS, 0.5),
            "has 0.5 for constant I_.* but needs it in A",
        ),
    ],
)
def test_constants_are_those_of_the_form(frozen, form, constants, sentence):
    given = frozen._replace(form=form, constants={"superficial": constants, "intratelencephalic": CURRENTS})
    settings = QUICK._replace(form={"spiking": SPIKING, "biophysical": BIOPHYSICAL}[form])
    if form == "spiking":
        given = given._replace(constants={"superficial": constants})
    with pytest.raises(WiringError, match=sentence):
        prepare("mask", CASE.tokens[None], settings, given, **CASE.block._asdict())


def test_a_calibration_of_another_circuit_is_refused(frozen):
    block = CASE.block._asdict()
    with pytest.raises(WiringError, match="has interneurons 'interneuron' but needs to be that of .*, which has none"):
        prepare("mask", CASE.tokens[None], QUICK, frozen, normaliser=None, **block)
    with pytest.raises(WiringError, match="has no unit rate for key_memory, memory, normaliser but needs one for each"):
        prepare("memory", CASE.tokens[None], QUICK, frozen, **block)
    other = random_case(3, 3, **SIZES | {"n_head": 3})
    with pytest.raises(WiringError, match=r"unit rates of shape \(2, 1\) for 'interneuron' but needs \(3, 1\)"):
        prepare("mask", other.tokens[None], QUICK, frozen, **other.block._asdict())
    with pytest.raises(WiringError, match="is that of form 'spiking' but needs to be that of form 'adaptive'"):
        prepare("mask", CASE.tokens[None], QUICK._replace(form="adaptive"), frozen, **block)
    with pytest.raises(
        WiringError, match=r"of 'superficial' is that of kernels elu\+1, elu\+1 but needs that of exp, exp"
    ):
        prepare("mask", CASE.tokens[None], QUICK, frozen, kernel="exp", **block)


def test_what_fails_on_the_calibration_sequences_says_so():
    with (
        np.errstate(all="ignore"),
        pytest.raises(RunError, match="^on the calibration sequences, the simulation diverged"),
    ):
        calibrate("mask", 1e200 * CASE.calibration, QUICK, **CASE.block._asdict())


def test_commands_make_and_take_a_calibration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bare = CASE._replace(calibration=None)
    for name, case in {"whole": CASE, "bare": bare, "first": bare._replace(tokens=CASE.calibration[0])}.items():
        np.savez(f"{name}.npz", **arrays(case))
    assert command("calibrate", "whole.npz", "--out", "frozen.json").exit_code == 0
    again = command("calibrate", "whole.npz", "--out", "frozen.json")
    assert again.exit_code == 2
    assert "exists already" in again.output
    folder = command("calibrate", "whole.npz", "--out", ".", "--overwrite")
    assert (folder.exit_code, folder.output.count("\n")) == (2, 1)
    assert "is no file but needs to be one" in folder.output
    assert command("calibrate", "bare.npz", "--out", "other.json").exit_code == 2
    quick = ("--form", "spiking", "--duration", 0.2, "--settle", 0.3, "--target", "numpy")
    quick += ("--calibration", "frozen.json")
    assert command("compare", "bare.npz", *quick, "--out", "result").exit_code in (0, 1)
    assert json.loads((tmp_path / "result/comparison.json").read_text())["calibration"] == "given"
    kept = json.loads((tmp_path / "result/calibration.json").read_text())
    assert kept["unit_rates_hz"] == json.loads((tmp_path / "frozen.json").read_text())["unit_rates_hz"]
    tested = command("compare", "first.npz", *quick)
    assert tested.exit_code == 2
    assert "contains the tested sequence" in tested.output
    assert "bit for bit the same" in command("repeat", "result", "--out", "repeated").output


# Case
@pytest.mark.parametrize(
    ("drop", "sentence"),
    [
        ({"calibration_context"}, "calibration: has no calibration_context but needs one, as the case has a context"),
        ({"calibration"}, "calibration_context: is there without calibration but needs both"),
        ({"context"}, "calibration_context: is there but needs a context, of which the case has none"),
    ],
)
def test_sequences_and_contexts_go_together(drop, sentence):
    held = {name: array for name, array in arrays(random_case(0, 3, 4, **SIZES)).items() if name not in drop}
    with pytest.raises(CaseError, match=sentence):
        from_arrays(held)


def test_sequences_have_the_sizes_of_the_case():
    held = arrays(CASE) | {"calibration": np.ones((2, 4, 6))}
    with pytest.raises(CaseError, match=r"calibration: has shape \(2, 4, 6\) but needs .* n_token as in tokens"):
        from_arrays(held)
