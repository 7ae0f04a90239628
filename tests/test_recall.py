"""Associative recall: what a sequence is made of, and that an answer without the query is at chance."""

import numpy as np
import pytest

from cortical_attention.inputs.recall import answered, recall, right_items


@pytest.mark.parametrize(
    "sizes", [{}, {"n_pair": 8, "n_symbol": 8, "n_asked": 8}, {"n_pair": 6, "n_symbol": 9, "n_value": 3}]
)
def test_the_pair_that_names_a_symbol_holds_its_value(sizes):
    sizes = {"n_pair": 4, "n_symbol": 4, "n_value": 4, "n_asked": 4} | sizes
    drawn = recall(np.random.default_rng(0), 20, **sizes)
    n_symbol, n_value = sizes["n_symbol"], sizes["n_value"]
    assert drawn.tokens.shape == drawn.targets.shape == (20, sizes["n_asked"], n_symbol + n_value)
    assert drawn.context.shape == (20, sizes["n_pair"], n_symbol + n_value)
    same = np.einsum("bim, bjm -> bij", drawn.tokens[..., :n_symbol], drawn.context[..., :n_symbol])
    assert (same.sum(axis=-1) == 1).all()
    assert (same.sum(axis=-2) <= 1).all()  # each once
    assert np.array_equal(same == 1, right_items(drawn))
    found = np.einsum("bij, bjv -> biv", same, drawn.context[..., n_symbol:])
    assert np.array_equal(found.argmax(axis=-1), drawn.labels)
    assert np.array_equal(answered(drawn.targets, n_value), drawn.labels)
    assert not drawn.tokens[..., n_symbol:].any()
    assert not drawn.targets[..., n_value:].any()


def test_values_are_balanced_and_drawn_anew():
    drawn = recall(np.random.default_rng(1), 400)
    assert np.array_equal(np.sort(drawn.labels, axis=1), np.broadcast_to(np.arange(4), (400, 4)))
    symbols = drawn.tokens[..., :4].argmax(axis=-1)
    value_of_first = drawn.labels[symbols == 0]
    # chosen: four standard errors of a frequency of one quarter
    assert np.abs(np.bincount(value_of_first) / 400 - 0.25).max() < 4 * np.sqrt(0.25 * 0.75 / 400)


def test_more_questions_than_pairs_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match="n_asked <= n_pair <= n_symbol"):
        recall(np.random.default_rng(0), 1, n_asked=5)
