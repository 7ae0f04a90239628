"""Index expressions: one line of algebra that says which cell reaches which.

``"im, hkm -> hijk"`` reads: source cell (i, m), weight [h, k, m], target dendrite (h, i, j, k), summed over m. A letter of
the target that neither source nor weight carries (j here) makes copies: dendrites with the same drive.
"""

import re
from typing import NamedTuple

import numpy as np


class WiringError(ValueError):
    """A circuit that cannot be wired; the message is one sentence that names the place."""


class Expression(NamedTuple):
    """Letters of the source axes, of the weight axes and of the target axes."""

    source: str
    weight: str
    target: str

    @property
    def distinct(self):
        """Letters of the target on which its drive depends."""
        return "".join(letter for letter in self.target if letter in self.source + self.weight)

    @property
    def einsum(self):
        """The same line for `numpy.einsum(..., source, weight)`, copies left out."""
        return f"{self.source},{self.weight}->{self.distinct}"


class Connections(NamedTuple):
    """Synapses one by one: flat index of the source cell, of the dendrite, and of the weight entry.

    Attributes
    ----------
    pre, post, entry : ndarray of int, shape (n_synapse,)
    n_dendrite : int
    dendrite_of : ndarray of int, shape (n_target,)
        The dendrite that each target cell reads.
    strides : tuple of int
        How far apart these dendrites lie along each axis of the target.
    """

    pre: np.ndarray
    post: np.ndarray
    entry: np.ndarray
    n_dendrite: int
    dendrite_of: np.ndarray
    strides: tuple


def parse(text):
    """Expression of ``"source, weight -> target"`` or ``"source -> target"``.

    Raises
    ------
    WiringError
        If the text has another form, or an operand repeats an axis.
    """
    match = re.fullmatch(r"\s*([A-Za-z]*)\s*(?:,\s*([A-Za-z]*)\s*)?->\s*([A-Za-z]*)\s*", text)
    if match is None:
        raise WiringError(f"'{text}' is not an index expression of the form 'source, weight -> target'")
    expression = Expression(*(letters or "" for letters in match.groups()))
    for operand in expression:
        repeated = sorted({letter for letter in operand if operand.count(letter) > 1})
        if repeated:
            raise WiringError(f"'{text}' repeats axis '{repeated[0]}' in '{operand}'")
    return expression


def sizes(expression, source_axes, target_axes, weight_shape, name, same=()):
    """Size of every letter, after a check by kind and by size.

    Parameters
    ----------
    expression : Expression
    source_axes, target_axes : sequence of (kind, size)
    weight_shape : tuple of int
    name : str
        How the error message calls the projection.
    same : sequence of (kind, kind)
        Kinds that may share a letter although their names differ.

    Returns
    -------
    dict of str to int

    Raises
    ------
    WiringError
        If an operand has another number of axes than letters, one letter has two kinds or two sizes, or a letter of the
        weight stands in neither source nor target.
    """
    axes = {}
    weight_axes = [(None, size) for size in weight_shape]
    for role, letters, given in zip(
        ("source", "target", "weight"),
        (expression.source, expression.target, expression.weight),
        (source_axes, target_axes, weight_axes),
        strict=True,
    ):
        _bind(axes, role, letters, given, name, same)
    return {letter: size for letter, (_, size) in axes.items()}


def _bind(axes, role, letters, given, name, same):
    """Add the axes of one operand to `axes`, refusing what does not fit."""
    if len(letters) != len(given):
        raise WiringError(
            f"projection '{name}': the {role} has {len(given)} axes {_shown(given)}, the expression gives it "
            f"{len(letters)} letters '{letters}'"
        )
    for letter, (kind, size) in zip(letters, given, strict=True):
        if role == "weight" and letter not in axes:
            raise WiringError(f"projection '{name}': axis '{letter}' of the weights is unknown to source and target")
        known_kind, known_size = axes.setdefault(letter, (kind, size))
        if kind not in (None, known_kind) and not {(kind, known_kind), (known_kind, kind)} & set(same):
            raise WiringError(
                f"projection '{name}': axis '{letter}' is {known_kind} in one place and {kind} in the {role}"
            )
        if size != known_size:
            raise WiringError(
                f"projection '{name}': axis '{letter}' ({known_kind}) needs size {known_size}, the {role} has {size}"
            )


def _shown(axes):
    return "(" + ", ".join(f"{kind or 'size'} {size}" for kind, size in axes) + ")"


def connect(expression, size_of, shared):
    """Synapses of an expression.

    Parameters
    ----------
    expression : Expression
    size_of : dict of str to int
    shared : bool
        True: one dendrite for each distinct drive, read by all its copies. False: one dendrite a target cell.

    Returns
    -------
    Connections
    """
    dendrite = expression.distinct if shared else expression.target
    letters = "".join(dict.fromkeys(expression.source + dendrite))
    grid = dict(zip(letters, np.indices([size_of[letter] for letter in letters]), strict=True))
    pre, post, entry = (flat_index(grid, part, size_of) for part in (expression.source, dendrite, expression.weight))
    target = dict(zip(expression.target, np.indices([size_of[letter] for letter in expression.target]), strict=True))
    n_dendrite = int(np.prod([size_of[letter] for letter in dendrite], dtype=int))
    shape = np.broadcast_shapes(*(np.shape(index) for index in (pre, post, entry)))
    pre, post, entry = (np.broadcast_to(index, shape).ravel() for index in (pre, post, entry))
    dendrite_of = np.broadcast_to(
        flat_index(target, dendrite, size_of), [size_of[letter] for letter in expression.target]
    )
    strides = tuple(
        int(np.prod([size_of[after] for after in dendrite[dendrite.index(letter) + 1 :]])) if letter in dendrite else 0
        for letter in expression.target
    )
    return Connections(pre, post, entry, n_dendrite, dendrite_of.ravel(), strides)


def flat_index(grid, letters, size_of):
    """Flat index in C order of an array with the axes `letters`, at every point of a grid.

    Parameters
    ----------
    grid : dict of str to ndarray of int
        Index of each letter at every point of the grid; shapes broadcast.
    letters : str
    size_of : dict of str to int
        Size of each letter.

    Returns
    -------
    ndarray of int
        In the shape of the grid; zero, without axes, for no letters.
    """
    flat = np.zeros((), dtype=int)
    for letter in letters:
        flat = flat * size_of[letter] + grid[letter]
    return flat
