"""Associative recall: which value goes with a symbol is looked up among pairs, so that the answer needs the query.

The context of a sequence holds pairs of a symbol and a value; its tokens name symbols of these pairs, each at most
once, and ask for their values. A token is one-hot: first the places of the symbols, then those of the values. Which symbol
has which value is drawn anew for each sequence, and cannot be learnt.

Values are balanced: when the number of pairs is a multiple of the number of values, and each pair is asked for, an answer
that is the same for all tokens of a sequence, as that of any attention that ignores the query, is right on exactly one in
`n_value`.
"""

from typing import NamedTuple

import numpy as np


class Sequences(NamedTuple):
    """Sequences of the task, with d_model = n_symbol + n_value.

    Attributes
    ----------
    tokens : ndarray, (n_sequence, n_asked, d_model)
        Questions; the places of the values are zero.
    context : ndarray, (n_sequence, n_pair, d_model)
        Pairs.
    targets : ndarray, (n_sequence, n_asked, d_model)
        Desired outputs: the value in the first `n_value` components, then zeros.
    labels : ndarray of int, (n_sequence, n_asked)
        Values asked for.
    values : ndarray of int, (n_sequence, n_pair)
        Values of the pairs.
    places : ndarray of int, (n_sequence, n_asked)
        Pair that each token asks for, by its place in the context.
    """

    tokens: np.ndarray
    context: np.ndarray
    targets: np.ndarray
    labels: np.ndarray
    values: np.ndarray
    places: np.ndarray


def recall(
    rng: np.random.Generator,
    n_sequence: int,
    n_pair: int = 4,
    n_symbol: int = 4,
    n_value: int = 4,
    n_asked: int = 4,
) -> Sequences:
    """Draw sequences.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_sequence : int
    n_pair : int
        Pairs of a sequence, each of another symbol; the values 0, 1, ..., n_value - 1, 0, ... are dealt out to them.
    n_symbol, n_value : int
        Symbols and values that there are.
    n_asked : int
        Pairs that are asked for.

    Returns
    -------
    Sequences

    Raises
    ------
    ValueError
        If there are fewer symbols than pairs, or fewer pairs than questions, or a number is not positive.
    """
    if not 1 <= n_asked <= n_pair <= n_symbol or n_sequence < 1 or n_value < 1:
        raise ValueError(
            "recall needs 1 <= n_asked <= n_pair <= n_symbol and at least one sequence and value; got "
            f"n_sequence {n_sequence}, n_asked {n_asked}, n_pair {n_pair}, n_symbol {n_symbol}, n_value {n_value}"
        )
    symbols = rng.random((n_sequence, n_symbol)).argsort(axis=1)[:, :n_pair]
    values = rng.permuted(np.broadcast_to(np.arange(n_pair) % n_value, symbols.shape), axis=1)
    places = rng.random((n_sequence, n_pair)).argsort(axis=1)[:, :n_asked]
    asked, labels = (np.take_along_axis(each, places, 1) for each in (symbols, values))
    symbol, value = np.eye(n_symbol), np.eye(n_value)
    return Sequences(
        np.concatenate([symbol[asked], np.zeros((*asked.shape, n_value))], axis=-1),
        np.concatenate([symbol[symbols], value[values]], axis=-1),
        np.concatenate([value[labels], np.zeros((*asked.shape, n_symbol))], axis=-1),
        labels, values, places,
    )  # fmt: skip


def answered(output: np.ndarray, n_value: int = 4) -> np.ndarray:
    """Values that an output (..., n_asked, d_model) names: the largest of its first components (ndarray of int)."""
    return output[..., :n_value].argmax(axis=-1)


def right_items(drawn: Sequences) -> np.ndarray:
    """Pair that a token asks for (ndarray of bool, (n_sequence, n_asked, n_pair))."""
    return drawn.places[:, :, None] == np.arange(drawn.values.shape[1])
