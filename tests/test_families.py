"""Families of attention: members are recognised, others are not."""

import numpy as np
import pytest

from cortical_attention.experiments import best_attention
from cortical_attention.reference.attention import linear_attention
from cortical_attention.trials.batch import side_by_side
from cortical_attention.trials.families import FREE, LinearFamily, columns, nearest

DRAW = np.random.default_rng(7)
CASES = side_by_side(0, 8, 4, n_head=2, d_model=10, d_key=4, d_value=4, scale=2.0)


def member(family):
    """kappa (2, 4, 4) of a family, and of no narrower one."""
    kappa = DRAW.random((2, 4, 4))
    if family == "weighing":
        return kappa / kappa.sum(axis=-1, keepdims=True)
    return 3 * kappa - (2 if family == "matrix" else 0)


@pytest.mark.parametrize("family", FREE)
def test_each_family_has_its_members_and_no_wider_ones(family):
    """An answer made from a kappa of the family is found; the narrower families miss it."""
    answer = np.einsum("hij, hjm -> im", member(family), columns(CASES[0]))
    left = [np.linalg.norm(nearest(name, CASES[0], answer) - answer) / np.linalg.norm(answer) for name in FREE]
    place = FREE.index(family)
    assert max(left[place:]) < 1e-6
    assert min(left[:place], default=1.0) > 1e-2
    assert all(a >= b - 1e-9 for a, b in zip(left, left[1:], strict=False))


def test_any_matrix_does_not_reach_every_answer():
    """Eight values span at most eight of ten dimensions: what is left is what attention cannot say."""
    answer = DRAW.standard_normal((4, 10))
    assert np.linalg.norm(nearest("matrix", CASES[0], answer) - answer) > 0.1 * np.linalg.norm(answer)


def test_the_linear_family_finds_other_functions_and_gains():
    """Answers with functions and gains of their own are found on inputs that were not fitted; the paper's are not they."""
    truth = LinearFamily(CASES)
    truth.parameters = truth.parameters + np.r_[DRAW.normal(0, 0.5, 16), 0.3, -0.4]
    answers = np.array([truth.output(case) for case in CASES])
    found = best_attention.residuals(CASES, answers)
    assert found["linear"] < 0.02 < 0.1 < found["paper"]


def test_the_paper_is_inside_and_pure_gain_outside():
    """The controls, by the algebra: an answer that is attention, and one whose total follows the query."""
    built = np.array([linear_attention(case.tokens, case.block).output for case in CASES])
    queries = [np.exp(np.einsum("hkm, im -> hik", case.block.W_Q, case.tokens)).sum(axis=-1) for case in CASES]
    gain = np.array([np.einsum("hi, hjm -> im", q, columns(case)) for q, case in zip(queries, CASES, strict=True)])
    inside, outside = (best_attention.residuals(CASES, answers)["linear"] for answers in (built, gain))
    assert inside < best_attention.INSIDE < outside


def test_judging_counts_both_controls():
    rows = [{"circuit": "rate", "linear": 0.01}, {"circuit": "pure gain", "linear": 0.5}]
    assert [each.held for each in best_attention.judge(rows)] == [True, True]
    rows[1]["linear"] = 0.01
    assert [each.held for each in best_attention.judge(rows)] == [True, False]


def test_each_rung_is_judged_for_itself():
    rows = [
        {"circuit": name, "linear": left, "paper": 0.1} for name, left in (("adaptive", 0.2), ("biophysical", 0.05))
    ]
    rows.append({"circuit": best_attention.NOISY, "linear": 0.2, "paper": 0.1})  # neither rung nor control
    assert [each.held for each in best_attention.judge(rows)] == [False, True]


def test_noise_alone_is_mostly_within_the_free_families():
    """What is fitted to each answer follows its noise; what is fitted to other answers cannot, and leaves all of it."""
    built = np.array([linear_attention(case.tokens, case.block).output for case in CASES])
    found = best_attention.residuals(CASES, best_attention.noisy(built, 0))
    assert found["matrix"] < found["weighing"] < 0.09 < found["linear"]
    assert found["paper"] == pytest.approx(best_attention.NOISE, rel=0.2)  # half of the inputs
