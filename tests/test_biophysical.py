"""The biophysical form: two-compartment cells in the whole pathway, and what is asked of them."""

import numpy as np
import pytest
from brian2 import second
from typer.testing import CliRunner

from cortical_attention.cells.forms import biophysical as form_of_cells
from cortical_attention.cells.forms.biophysical import BIOPHYSICAL, LARGEST, biophysical, two_compartment
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.intratelencephalic import INTRATELENCEPHALIC
from cortical_attention.cells.kernels import phi
from cortical_attention.cells.membranes.membrane import MembraneError
from cortical_attention.cells.membranes.product import map_quotient
from cortical_attention.cells.membranes.two_compartment import Surface, TwoCompartment
from cortical_attention.cells.pyramidal_tract import PYRAMIDAL_TRACT
from cortical_attention.cells.superficial import SUPERFICIAL
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.protocol import Times
from cortical_attention.command import line
from cortical_attention.command.status import BAD_INPUT
from cortical_attention.experiments import calibration, division, robustness
from cortical_attention.inputs.suite import random_case
from cortical_attention.reference import KERNELS
from cortical_attention.reference.attention import linear_attention
from cortical_attention.simulation.attend import Settings, attend, calibrate, calibrate_together
from cortical_attention.simulation.calibrate import divided_by_own_sum, drive_at, rate_units
from cortical_attention.simulation.run import simulate
from cortical_attention.trials.batch import side_by_side

RANGES = TwoCompartment.dynamics.basal, TwoCompartment.dynamics.apical

BETWEEN_LEVELS = 0.05  # 1 / (1 + g) read as a line between levels, in an error of a tenth
TINY = {"n_head": 1, "d_model": 4, "d_key": 2, "d_value": 2, "scale": 2.0}


@pytest.fixture(scope="module")
def answered():
    """A small case in which one microcolumn is closed, and what the whole pathway answers."""
    case = random_case(3, 2, **TINY | {"d_key": 4})._replace(mask=np.array([[True, True], [False, True]]))
    settings = Settings(
        form=BIOPHYSICAL, window=1 * second, settle=1 * second, cells=40, target="numpy", record="sample"
    )
    return case, attend("mask", case.tokens[None], settings, mask=case.mask, **case.block._asdict())


def test_inhibition_divides_what_the_terminals_release(answered):
    """The interneurons hear what the synapses release, and hold its sum at one; the cells themselves are not slowed."""
    _, answer = answered
    assert answer.settled.sum_error < answer.settled.sum_tolerance < 0.25  # four standard deviations of the counts
    assert answer.run.peak_rates["superficial"] / (1 / second) > 5


@pytest.mark.parametrize(
    ("place", "needed"),
    [pytest.param(*each, marks=pytest.mark.slow) for each in (("soma", 10), ("dendrite", 4))] + [("both", 4)],
)
def test_inhibition_by_a_conductance_takes_attention_down_to_one(place, needed):
    """With the conductance that the interneurons find attention sums to nearly one where it would be more without them."""
    case = random_case(3, 2, **TINY)
    settings = Settings(
        form=biophysical(inhibited=place),
        window=1 * second,
        settle=1 * second,
        cells=20,
        target="numpy",
        record="sample",
    )
    given = calibrate(
        "mask", case.tokens[None], settings, **case.block._asdict()
    )  # its least driven macrocolumn needs none
    answer = attend("mask", case.tokens[None], settings, calibration=given, **case.block._asdict())
    free = attend("mask", case.tokens[None], settings, normaliser=None, **case.block._asdict())
    conductance = answer.run.values["interneuron"][answer.plan.protocol.windows[0]].mean(axis=0)
    assert conductance.min() < needed / 2 < needed < conductance.max() < LARGEST  # nS
    assert answer.attention_sum.max() < 1.3 < 2 < free.attention.sum(axis=-1).max()


@pytest.mark.parametrize("readout", ["total", "burst", "event", "facilitated"])
def test_twice_the_inhibition_halves_what_a_spike_releases(readout):
    equation = two_compartment(readout, TwoCompartment()).at_release.removeprefix("sent = ")
    state = {"close": 0.25, "bursting": 0.5, "u": 0.5, "last": 1, "t": 2, "tau_f": 3, "exp": np.exp}
    assert eval(equation, state | {"shunt": 2.0}) == eval(equation, state | {"shunt": 1.0}) / 2


def test_a_closed_microcolumn_is_silent(answered):
    _, answer = answered
    assert answer.attention[0, 0, 1, 0] == 0 < answer.attention[0, 0, 0, 0]


def test_the_answer_is_of_the_size_of_attention(answered):
    """One second leaves noise of some tens of per cent; an answer of the wrong sign or unit leaves more."""
    case, answer = answered
    right = linear_attention(case.tokens, case.block, mask=case.mask).output
    assert np.linalg.norm(answer.output[0] - right) < 0.7 * np.linalg.norm(right)
    assert np.vdot(answer.output[0], right) > 0


def test_only_pyramidal_cells_of_two_ports_have_two_compartments():
    assert BIOPHYSICAL.of(SUPERFICIAL).soma == BIOPHYSICAL.of(INTRATELENCEPHALIC).soma != BIOPHYSICAL.membrane.soma
    assert BIOPHYSICAL.of(SUPERFICIAL).drive.calibrate is not None
    assert BIOPHYSICAL.of(PYRAMIDAL_TRACT) is BIOPHYSICAL.membrane


def test_the_memory_wiring_is_refused(tmp_path):
    case = random_case(0, 2, **TINY)
    np.savez(
        tmp_path / "case.npz", tokens=case.tokens, **{k: v for k, v in case.block._asdict().items() if v is not None}
    )
    arguments = ["compare", str(tmp_path / "case.npz"), "--form", "biophysical", "--wiring", "memory"]
    result = CliRunner().invoke(line.build(arguments), arguments)
    assert result.exit_code == BAD_INPUT
    assert "'memory'" in result.stderr
    assert "'biophysical' has no membrane" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["ladder", "--rungs", "biophysical", "--wirings", "memory"], "--wirings"),
        (["ladder", "--tokens", "2"], "--tokens"),
        (["ladder", "--images", "0"], "--images"),
        (["attribution", "--cases", "self_n16_scale1"], "--cases"),
        (["bursts", "--sigma", "-1"], "--sigma"),
        (["division", "--readout", "burst,total"], "--readout"),
        (["best_attention", "--rungs", "rate"], "--rungs"),
        (["robustness", "--seeds", "0"], "--seeds"),
    ],
)
def test_what_cannot_be_is_refused_by_name(arguments, named, tmp_path):
    result = CliRunner().invoke(line.build(arguments), [*arguments, "--out", str(tmp_path / "none")])
    assert result.exit_code == BAD_INPUT
    assert named in result.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_kernels_of_cells_are_those_of_the_reference(name):
    x = np.linspace(-3, 3, 13)
    assert phi(name)(x) == pytest.approx(KERNELS[name].phi(x), rel=1e-12)


def test_the_pilot_sees_the_queries_and_the_attention():
    """What reaches the ports in the rate form is W_Q x, and kappa summed over the components."""
    case = random_case(5, 3, **TINY)
    times = Times(1 * second, 0.1 * second, 0.25 * second, RATE.dt)
    plan = mask_wiring(times, case.tokens[None], **case.block._asdict())
    run = simulate(plan, RATE, rate_units(plan), dt=times.dt, target="numpy")
    queries = np.einsum("hkm, im -> hik", case.block.W_Q, case.tokens)
    assert drive_at(plan, run, "superficial", "basal")[0, 0, :, :, 0] == pytest.approx(queries, rel=1e-6)
    kappa = linear_attention(case.tokens, case.block).kappa
    assert drive_at(plan, run, "intratelencephalic", "apical")[0, 0, ..., 0] == pytest.approx(kappa, rel=1e-4)


def made_up(divides):
    """Cells whose rate a shunt divides, or from which it subtracts; a product of two soft thresholds without it."""
    basal, apical = (np.logaddexp(0, (each + 100) / 100) for each in RANGES)
    product = np.outer(basal, apical)

    def surface(cell):
        strength = float(cell.g_shunt_s + cell.g_shunt_d) * 1e9
        rates = product / (1 + strength) if divides else np.clip(product - strength, 0, None)
        return Surface(*RANGES, {"burst": rates})

    return surface


def test_division_tells_dividing_cells_from_subtracting_ones(monkeypatch):
    """Cells that divide lose nothing by being divided by their shunt; cells that subtract (control) do."""
    found = {}
    for divides in (True, False):
        monkeypatch.setattr(division, "surface", made_up(divides))
        monkeypatch.setattr(division, "LEVELS", np.array([0.0, 1, 2, 4, 8, 16]))
        cells = {place: division.Inhibited(place, "burst") for place in division.PLACES}
        share = cells["soma"].shares()
        found[divides] = division.errors_of(random_case(0, 4, scale=2.0), cells, "burst"), share
    (divided, share), (subtracted, other) = found[True], found[False]
    assert share[0] < 1e-9 < share[1]
    assert other[1] < 0.01 < other[0]
    assert abs(divided["soma"] / divided["exact"] - 1) < BETWEEN_LEVELS
    assert subtracted["soma"] / subtracted["exact"] - 1 > 10 * BETWEEN_LEVELS


def test_division_marks_where_a_shunt_does_not_suffice():
    row = {"case": "a", "soma": 0.1, "soma identified": 0.75, "exact": 0.05, "exact identified": 1.0}
    rows = [{**row, "soma nS": float(level)} for level in (division.LEVELS[-1], 1)]
    shown = [list(each.cells) for each in division._table(rows).columns]
    assert shown == [["a", "a"], ["10.00 %* / 75 %", "10.00 % / 75 %"], ["5.00 % / 100 %"] * 2]


def test_disorder_disturbs_and_its_absence_does_not():
    case = side_by_side(0, 1, 3, **TINY)[0]
    none, some = (robustness.measures_of(case, *each, 0)["relative_l2"] for each in (("none", 0), ("jitter", 0.1)))
    assert none < 1e-6 < 1e-2 < some


def test_robustness_reads_slopes():
    """Made-up errors with the predicted slopes hold; a flat error (control) does not."""
    for exponent, held in ((1.0, True), (0.0, False)):
        rows = [
            {"attention": "linear", "kind": kind, "level": level, "case": "a", "seed": 0,
             "relative_l2": error(kind, level, exponent)}
            for kind, levels in robustness.KINDS.items() for level in levels
        ]  # fmt: skip
        assert robustness.judge(rows)[1].held == held
        assert robustness.judge(rows)[2].held == held


def error(kind, level, exponent):
    """A made-up error of a kind of disorder."""
    if kind == "none":
        return 1e-9
    if kind == "projection":
        return 0.05 if level in robustness.VALUES else 0.02
    return 0.1 * (level**exponent if kind == "jitter" else level**-exponent)


def test_single_projections_are_ranked_and_added():
    """A made-up error of all jitter that is the root of the sum of squares holds; half of it (control) does not."""
    for factor, held in ((1.0, True), (0.5, False)):
        whole = factor * np.linalg.norm([error("projection", name, 0) for name in robustness.KINDS["projection"]])
        rows = [
            {"attention": "linear", "kind": kind, "level": level, "case": "a", "seed": 0,
             "relative_l2": whole if (kind, level) == ("jitter", robustness.JITTER) else error(kind, level, 1.0)}
            for kind, levels in robustness.KINDS.items() for level in levels
        ]  # fmt: skip
        assert [each.held for each in robustness.judge(rows)[-2:]] == [True, held]
        turned = [{**row, "relative_l2": 0.01} if row["level"] in robustness.VALUES else row for row in rows]
        assert not robustness.judge(turned)[-2].held


def test_jitter_of_one_projection_leaves_the_others_alone():
    case = side_by_side(0, 1, 3, **TINY)[0]
    plan = mask_wiring(robustness.TIMES, case.tokens[None], **case.block._asdict())
    for name in robustness.KINDS["projection"]:
        found = robustness.disordered(plan, "projection", name, np.random.default_rng(0))
        changed = {
            f"{new.source} -> {new.target}"
            for old, new in zip(robustness.disordered(plan, "none", 0, None).circuit.projections,
                                found.circuit.projections, strict=True)
            if not np.array_equal(old.weights, new.weights)
        }  # fmt: skip
        assert changed == {name}


def test_calibration_judges_the_table_by_fresh_cells():
    tables = {"pyramidal": type("Table", (), {"rate": np.array([0.0, 310.0])})}
    rows = [{"membrane": "pyramidal", "asked_hz": 10.0, "answered_hz": 10.1}]
    assert [each.held for each in calibration.judge(tables, rows)] == [True, True]
    rows[0]["answered_hz"] = 11.0
    assert not calibration.judge(tables, rows)[1].held


@pytest.mark.parametrize(
    ("normaliser", "own"),
    [
        ("pi", True),
        ("slow", True),
        ("output", True),
        ("factorised", False),
        ("plausible", False),
        ("feedforward", False),
        (None, False),
    ],
)
def test_which_inhibition_takes_out_what_a_macrocolumn_shares(normaliser, own):
    """That of an interneuron which only the divided cells drive; sisters, whose products are not divided, keep it."""
    case = random_case(3, 2, **TINY)
    plan = mask_wiring(Settings().times(), case.tokens[None], normaliser=normaliser, **case.block._asdict())
    assert divided_by_own_sum(plan.circuit, "superficial") == own
    assert not any(divided_by_own_sum(plan.circuit, name) for name in plan.circuit.populations if name != "superficial")


def test_blocks_with_masks_of_their_own_are_fitted_with_them(monkeypatch):
    """One calibration of a causal and of an open block."""
    seen = []
    monkeypatch.setattr(form_of_cells, "map_quotient", lambda *asked: seen.append(asked[-1]) or map_quotient(*asked))
    settings = Settings(form=BIOPHYSICAL, window=0.2 * second, settle=0.3 * second, target="numpy")
    case = random_case(3, 2, **TINY)
    every = [(case.calibration[:2], {**case.block._asdict(), "mask": mask}) for mask in (np.tri(2, dtype=bool), None)]
    calibrate_together("mask", every, settings)
    (gate,) = seen
    assert gate.shape[1] == 4
    assert [each.all() for each in gate[0]] == [False, False, True, True]


def test_products_that_are_all_zero_are_refused_by_name():
    """A cell that is never to multiply anything has no currents that suit it."""
    case = random_case(2, 3, n_head=1, d_model=4, d_key=2, d_value=2)
    block = case.block._replace(W_V=0 * case.block.W_V)._asdict()
    with pytest.raises(MembraneError, match="^the cells of 'intratelencephalic' cannot be calibrated: the products of"):
        calibrate("mask", case.calibration, Settings("point", cells=2, target="numpy"), **block)
