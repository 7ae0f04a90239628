"""Streams in which what comes next can be looked up: a cycle of symbols, and a digit that moves on a torus, twice round.

N frames f_0 ... f_{N-1} are drawn for each sequence and shown again and again. A token is what is seen now, followed by a
memory of what was seen one step before. The first round is the context, the second are the tokens that predict. The frame
that follows the present one was seen a round ago, in the one context token whose memory is the present frame: a circuit
that predicts has to match its query with the memories of the context.

::

    symbols     six symbols in random order, one-hot
    digit       an 8 x 8 digit moves by a hidden constant velocity on a torus of 4 x 4 places, two pixels apart; velocities
                that return after four steps and no sooner. A frame is twelve principal components of the whole canvas.

Each frame is the right answer once a round. An answer that is the same for all tokens of a sequence, as that of any
attention that ignores the query, is therefore right on exactly one token in N.

The cycle twice round is the induction task of transformers (Olsson et al. 2022, not read). That the
digit's place is no component of a token is chosen: it would turn the second task into the first.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from cortical_attention.inputs.digits import load_digits_tokens, split

N_SYMBOL, N_STEP, N_COMPONENT = 6, 4, 12
PIXELS, PLACES = 2, 4  # from one place of the torus to the next, and places along each of its sides
NOISE = 0.1  # chosen: of each component of a frame, whose mean square is one; fresh whenever a frame is shown
MORE = 2  # presentations beyond the second round: the truth of its last token, and one more for a truth that comes late


class Stream(NamedTuple):
    """Sequences of tokens in the order in which they are shown.

    Attributes
    ----------
    shown : ndarray, shape (n_sequence, 2 n_item + 2, d_model)
        What is seen, in the first half of the components, and what was seen one step before.
    n_item : int
        N, frames of a round.
    """

    shown: np.ndarray
    n_item: int

    @property
    def context(self):
        """First round (ndarray, (n_sequence, n_item, d_model))."""
        return self.shown[:, : self.n_item]

    @property
    def tokens(self):
        """Second round (ndarray, (n_sequence, n_item, d_model))."""
        return self.shown[:, self.n_item : 2 * self.n_item]

    @property
    def heard(self):
        """Components that the senses bring, and not memory (ndarray of bool, (d_model,))."""
        d_model = self.shown.shape[2]
        return np.arange(d_model) < d_model // 2

    def truth(self, late=0):
        """What is seen one step after each token, or `late` steps later: (n_sequence, n_item, d_model), zero elsewhere."""
        first = self.n_item + 1 + late
        return self.heard * self.shown[:, first : first + self.n_item]


def stream(task, rng, n_sequence, part="training", noise=None):
    """Draw sequences.

    Parameters
    ----------
    task : str
        Of :data:`TASKS`.
    rng : numpy.random.Generator
    n_sequence : int
    part : {"training", "test"}
        Images from which digits are drawn.
    noise : float, optional
        Standard deviation of the noise of each component; None: none on symbols, `NOISE` on digits.

    Returns
    -------
    Stream

    Raises
    ------
    ValueError
        For another task.
    ImportError
        For digits, without scikit-learn.
    """
    if task not in TASKS:
        raise ValueError(f"task is {task!r} but needs to be one of {', '.join(TASKS)}")
    draw, usual = TASKS[task]
    frames = draw(rng, n_sequence, part)
    n_item = frames.shape[1]
    seen = frames[:, np.arange(-1, 2 * n_item + MORE) % n_item]
    seen = seen + (usual if noise is None else noise) * rng.standard_normal(seen.shape)
    return Stream(np.concatenate([seen[:, 1:], seen[:, :-1]], axis=-1), n_item)


def symbols(rng, n_sequence, part=None):
    """Symbols in random order, one-hot (ndarray, (n_sequence, 6, 6)); `part` is not used."""
    return np.eye(N_SYMBOL)[rng.random((n_sequence, N_SYMBOL)).argsort(axis=1)]


def moving_digits(rng, n_sequence, part):
    """Frames of a digit that moves, as components (ndarray, (n_sequence, 4, 12))."""
    image, start = rng.choice(pools()[part], n_sequence), rng.integers(PLACES, size=(n_sequence, 1, 2))
    velocity = velocities()[rng.integers(len(velocities()), size=n_sequence)]
    place = (start + np.arange(N_STEP)[:, None] * velocity[:, None]) % PLACES
    return everywhere()[image[:, None], place[..., 0], place[..., 1]]


@lru_cache
def pools():
    """Indices of the images of each part (dict)."""
    _, labels, _ = load_digits_tokens()
    return dict(zip(("training", "test"), split(labels), strict=True))


def velocities():
    """Velocities that visit four places and then return (ndarray of int, (12, 2)): one of their components is odd."""
    every = np.indices((PLACES, PLACES)).reshape(2, -1).T
    return every[(every % 2).any(axis=1)]


@lru_cache
def everywhere():
    """Components of every image at every place (ndarray, (1797, 4, 4, 12)); of mean square one over the training images."""
    mean, axes, size, flat = _basis()
    return (flat - mean) @ axes / size


@lru_cache
def _basis():
    """Mean (64,), principal axes (64, 12) and size of the components, of training images at all places; and all images at
    all places (1797, 4, 4, 64)."""
    _, labels, images = load_digits_tokens()
    shifts = PIXELS * np.arange(PLACES)
    flat = np.stack([[np.roll(images, (y, x), axis=(1, 2)) for x in shifts] for y in shifts])  # (4, 4, 1797, 8, 8)
    flat = flat.reshape(PLACES, PLACES, len(images), -1).transpose(2, 0, 1, 3)
    training = flat[split(labels)[0]].reshape(-1, flat.shape[-1])
    mean = training.mean(axis=0)
    axes = np.linalg.eigh(np.cov(training.T))[1][:, ::-1][:, :N_COMPONENT]
    return mean, axes, np.sqrt((((training - mean) @ axes) ** 2).mean()), flat


def canvas(components):
    """Images (..., 8, 8) of which these are the components (..., 12); the rest is that of the mean image."""
    mean, axes, size, _ = _basis()
    return (mean + size * components @ axes.T).reshape(*components.shape[:-1], 8, 8)


TASKS = {"symbols": (symbols, 0.0), "digit": (moving_digits, NOISE)}
"""Frames of a task, and the usual noise."""


def right_items(n_item):
    """Context token that shows what follows each token of the second round (ndarray of int, (n_item,))."""
    return (np.arange(n_item) + 1) % n_item


def named(output, drawn):
    """Context tokens that an answer names: those that look most like it (ndarray of int, (n_sequence, n_item)).

    Parameters
    ----------
    output : ndarray, shape (n_sequence, n_item, d_model)
    drawn : Stream
    """
    seen = drawn.heard
    distance = ((output[:, :, None, seen] - drawn.context[:, None, :, seen]) ** 2).sum(axis=-1)
    return distance.argmin(axis=-1)
