"""Families of attention: members are recognised, others are not."""

import numpy as np
import pytest

from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.attention import linear_attention
from cortical_attention.trials.batch import side_by_side
from cortical_attention.trials.families import FREE, LinearFamily, columns, left_out, nearest

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
    paper = np.array([linear_attention(case.tokens, case.block).output for case in CASES])
    assert relative_l2(left_out(CASES, answers), answers) < 0.02 < 0.1 < relative_l2(paper, answers)


def test_the_answer_to_the_input_left_out_does_not_enter_its_fit():
    """Another answer to one input leaves the prediction of that answer as it is, to the last bit, and changes the others."""
    answers = np.array([linear_attention(case.tokens, case.block).output for case in CASES])
    before = left_out(CASES, answers)
    answers[2] = DRAW.standard_normal(answers[2].shape)
    after = left_out(CASES, answers)
    np.testing.assert_array_equal(after[2], before[2])
    changed = np.abs(after - before).max(axis=(1, 2)) > 1e-3
    assert changed.tolist() == [k != 2 for k in range(len(CASES))]
