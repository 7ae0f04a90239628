"""Match by example: which tag goes with an image is looked up among examples, so that the answer needs the query.

A sequence draws four classes of handwritten digits and a tag for each. Its context are eight examples, two images of each
class with their tag; its tokens are eight questions, two other images of each class without a tag. A token is the first
twelve principal components of an image, then four places for the tag. The tag of a class is drawn anew for each sequence,
and cannot be learnt.

Each tag is right for two of the eight questions. An answer that is the same for all questions of a sequence, as that of any
attention that ignores the query, is therefore right on exactly one in four.
"""

from functools import lru_cache
from importlib import resources
from typing import NamedTuple

import numpy as np

from cortical_attention.inputs.cases import Case
from cortical_attention.inputs.digits import hold_out, load_digits_tokens, split
from cortical_attention.reference.attention import Block

N_COMPONENT, N_TAG, N_SHOT, N_ASKED = 12, 4, 2, 2  # principal components; classes; examples and questions of each class
D_MODEL = N_COMPONENT + N_TAG
N_QUESTION = N_TAG * N_ASKED
PARTS = ("fitting", "validation", "training", "test")
N_VALIDATION, VALIDATION_SEED = 287, 5  # chosen: a fifth of the 1437 training images
HEADS = (1, 2)
CALIBRATION_SEED, N_CALIBRATION = 1, 16


class Sequences(NamedTuple):
    """Sequences of the task.

    Attributes
    ----------
    tokens : ndarray, (n_sequence, 8, 16)
        Questions; the places of the tag are zero.
    context : ndarray, (n_sequence, 8, 16)
        Examples.
    targets : ndarray, (n_sequence, 8, 16)
        Desired outputs: the tag in the first four components, then zeros.
    labels : ndarray of int, (n_sequence, 8)
        Tags of the questions.
    tags : ndarray of int, (n_sequence, 8)
        Tags of the examples.
    questions, examples : ndarray of int, (n_sequence, 8)
        Images, by their place in the data.
    """

    tokens: np.ndarray
    context: np.ndarray
    targets: np.ndarray
    labels: np.ndarray
    tags: np.ndarray
    questions: np.ndarray
    examples: np.ndarray


@lru_cache
def components() -> np.ndarray:
    """First principal components of the training images, (1797, 12); of mean square one over the training images."""
    _, labels, images = load_digits_tokens()
    flat, training = images.reshape(len(images), -1), split(labels)[0]
    mean = flat[training].mean(axis=0)
    _, _, axes = np.linalg.svd(flat[training] - mean, full_matrices=False)
    largest = np.abs(axes).argmax(axis=1)
    axes = axes * np.sign(axes[np.arange(len(axes)), largest])[:, None]  # of which the sign is arbitrary
    found = (flat - mean) @ axes[:N_COMPONENT].T
    return found / np.sqrt((found[training] ** 2).mean())


@lru_cache
def parts() -> dict[str, np.ndarray]:
    """Indices of the images of each of :data:`PARTS`; "fitting" and "validation" divide "training"."""
    _, labels, _ = load_digits_tokens()
    training, test = split(labels)
    fitting, validation = (training[each] for each in hold_out(labels[training], N_VALIDATION, VALIDATION_SEED))
    return dict(zip(PARTS, (fitting, validation, training, test), strict=True))


def sequences(rng: np.random.Generator, n_sequence: int, part: str, noise: float = 0.0) -> Sequences:
    """Draw sequences.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_sequence : int
    part : str
        Of :data:`PARTS`, from which all images are drawn.
    noise : float
        Standard deviation of the noise added to the components of images.

    Returns
    -------
    Sequences
    """
    images, tags = _drawn(rng, n_sequence, part)
    order = [rng.random((n_sequence, N_TAG * each)).argsort(axis=1) for each in (N_SHOT, N_ASKED)]
    places = (slice(0, N_SHOT), slice(N_SHOT, None))
    (examples, shown), (questions, labels) = (
        tuple(np.take_along_axis(each[..., place].reshape(n_sequence, -1), k, 1) for each in (images, tags))
        for place, k in zip(places, order, strict=True)
    )
    one_hot, blank = np.eye(N_TAG), np.zeros((*labels.shape, D_MODEL - N_TAG))
    context, tokens = (
        components()[each] + noise * rng.standard_normal((*each.shape, N_COMPONENT)) for each in (examples, questions)
    )
    return Sequences(
        np.concatenate([tokens, np.zeros((*labels.shape, N_TAG))], axis=-1),
        np.concatenate([context, one_hot[shown]], axis=-1),
        np.concatenate([one_hot[labels], blank], axis=-1),
        labels, shown, questions, examples,
    )  # fmt: skip


def _drawn(rng, n_sequence, part):
    """Images (n_sequence, class, example or question) of four classes each, all different, and the tag of each class."""
    _, labels, _ = load_digits_tokens()
    pool = parts()[part]
    of_class = [pool[labels[pool] == label] for label in range(10)]
    classes = rng.random((n_sequence, 10)).argsort(axis=1)[
        :, :N_TAG
    ]  # in random order: the place of a class is its tag
    images = np.array(
        [[rng.choice(of_class[label], N_SHOT + N_ASKED, replace=False) for label in row] for row in classes]
    )
    return images, np.broadcast_to(np.arange(N_TAG)[None, :, None], images.shape)


def load_block(n_head: int = 1) -> Block:
    """Trained weights of the task with one or two heads (`experiments.train_match`)."""
    stored = resources.files("cortical_attention.inputs").joinpath(f"match_{n_head}.npz")
    with stored.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return Block(**{name: archive[name] for name in ("W_Q", "W_K", "W_V", "W_O")})


def match_cases(n_sequence: int, seed: int = 0, n_head: int = 1) -> tuple[list[Case], Sequences]:
    """Test sequences as cases with trained weights, and what they are made of; circuits are calibrated on sequences of
    training images.

    Parameters
    ----------
    n_sequence, seed : int
    n_head : int
        1 or 2.

    Returns
    -------
    list of Case
    Sequences
    """
    drawn = sequences(np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,))), n_sequence, "test")
    others = sequences(np.random.default_rng(CALIBRATION_SEED), N_CALIBRATION, "training")
    shared = {"block": load_block(n_head), "calibration": others.tokens, "calibration_context": others.context}
    cases = [
        Case(tokens, context=context, targets=targets, name=f"match {k}", **shared)
        for k, (tokens, context, targets) in enumerate(zip(*drawn[:3], strict=True))
    ]
    return cases, drawn


def answered(output: np.ndarray) -> np.ndarray:
    """Tags that an output (..., n_token, 16) names: the largest of its first four components (ndarray of int)."""
    return output[..., :N_TAG].argmax(axis=-1)


def right_items(drawn: Sequences) -> np.ndarray:
    """Where an example has the tag of a question (ndarray of bool, (n_sequence, n_question, n_example))."""
    return drawn.labels[:, :, None] == drawn.tags[:, None, :]
