"""Learning rules by name: the exact local terms of linear attention, and what is left when something is missing.

==================== ======================================================================================================
name                 what it does
==================== ======================================================================================================
exact                local terms with F = W_O: minus the derivatives of the energy
no_baseline          Z_i counts as constant: a_ij = delta_i . v_j
random_feedback      F is random and stays (Lillicrap et al. 2016)
kolen_pollack        F starts at random and is taught by the term of W_O, with the same decay (Kolen & Pollack 1994; Akrout
                     et al. 2019)
contrast             L2/3 compares two steady states: as it is, and with gains 1 + beta delta_i . v_j (ours)
hebbian              L2/3 hears no error: a_ij = 1
frozen_query_key     only W_V and W_O learn, by their exact terms
shuffled_tokens      exact, with the errors of a sequence exchanged among its tokens: a control
shuffled_sequences   exact, with the errors exchanged among the sequences of a presentation: a control
==================== ======================================================================================================

Of the sources that are not the paper the abstracts were read; they are named for the idea.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from cortical_attention.reference.attention import share
from cortical_attention.reference.local_terms import Signals, Terms, credit, terms_of

BETA = 0.1  # chosen: at 1 a linear gain falls to zero in whole macrocolumns, at 0.01 little is left of the difference
NOISY = "query", "key", "value", "kappa", "pooled"


class Rule(NamedTuple):
    """A learning rule.

    Attributes
    ----------
    terms : callable
        From signals, W_O, feedback (both (n_head, d_model, d_value)), the name of the kernel and a numpy Generator to
        `Terms`.
    feedback : {"transposed", "random", "taught"}
        Where F comes from: W_O, a draw, or a draw that is changed by the term of W_O.
    """

    terms: Callable
    feedback: str = "transposed"


def _exact(found, W_O, feedback, kernel, rng, baseline=True):
    """Minus the derivatives of the energy, or without the derivative of Z_i."""
    return terms_of(found, W_O, kernel, baseline=baseline)


def _through_feedback(found, W_O, feedback, kernel, rng):
    """The error arrives at the heads through F."""
    return terms_of(found, feedback, kernel)


def _contrast(found, W_O, feedback, kernel, rng, beta=BETA):
    """L2/3 compares its rates with and without gains."""
    return terms_of(found, W_O, kernel, a=contrast(found, W_O, beta))


def contrast(found: Signals, feedback, beta: float = BETA) -> np.ndarray:
    """Relative change of L2/3 rates by a nudge, divided by its size, (..., n_head, n_token, n_context).

    With gains g_ij = max(1 + beta delta_i . v_j, 0), inhibition settles anew and s_ijk becomes s_ijk g_ij / sum_j kappa_ij
    g_ij; its relative change divided by beta tends to a_ij as beta tends to 0. A macrocolumn that falls silent changes by
    -1 / beta.

    Parameters
    ----------
    found : Signals
    feedback : array, (n_head, d_model, d_value)
    beta : float
        Above 0.

    Returns
    -------
    array
    """
    gain = np.maximum(1 + beta * credit(found, feedback, baseline=False)[1], 0)
    return (share(gain, (found.kappa * gain).sum(axis=-1, keepdims=True)) - 1) / beta


def _hebbian(found, W_O, feedback, kernel, rng):
    """Pre times post in L2/3, without an error."""
    return terms_of(found, W_O, kernel, a=np.ones_like(found.kappa))


def _frozen_query_key(found, W_O, feedback, kernel, rng):
    """Exact, but for zeros in W_Q and W_K."""
    exact = terms_of(found, W_O, kernel)
    return exact._replace(W_Q=np.zeros_like(exact.W_Q), W_K=np.zeros_like(exact.W_K))


def _shuffled_tokens(found, W_O, feedback, kernel, rng):
    """Exact with the errors of another token."""
    return terms_of(found._replace(error=rng.permutation(found.error, axis=-2)), W_O, kernel)


def _shuffled_sequences(found, W_O, feedback, kernel, rng):
    """Exact with the errors of another sequence of the batch."""
    return terms_of(found._replace(error=rng.permutation(found.error, axis=0)), W_O, kernel)


RULES = {
    "exact": Rule(_exact),
    "no_baseline": Rule(partial(_exact, baseline=False)),
    "random_feedback": Rule(_through_feedback, "random"),
    "kolen_pollack": Rule(_through_feedback, "taught"),
    "contrast": Rule(_contrast),
    "hebbian": Rule(_hebbian),
    "frozen_query_key": Rule(_frozen_query_key),
    "shuffled_tokens": Rule(_shuffled_tokens),
    "shuffled_sequences": Rule(_shuffled_sequences),
}


def rule_named(name: str) -> Rule:
    """Rule of a name (Rule).

    Raises
    ------
    ValueError
        For an unknown name; the message lists the known ones.
    """
    if name not in RULES:
        raise ValueError(f"rule is {name!r}, but needs to be one of {', '.join(RULES)}")
    return RULES[name]


def rule_terms(name: str, found: Signals, W_O, rng, *, feedback=None, kernel: str = "elu+1") -> Terms:
    """Terms by which a rule changes the weights.

    Parameters
    ----------
    name : str
        Of `RULES`.
    found : Signals
        Of a batch; where errors are shuffled over sequences, the first axis is that of the sequences.
    W_O : array, (n_head, d_model, d_value)
    rng : numpy.random.Generator
        Of permutations.
    feedback : array, (n_head, d_model, d_value), optional
        F; needed by rules whose feedback is not W_O.
    kernel : str

    Returns
    -------
    Terms

    Raises
    ------
    ValueError
        For an unknown rule, or one that needs feedback and has none.
    """
    rule = rule_named(name)
    if rule.feedback != "transposed" and feedback is None:
        raise ValueError(f"feedback is missing, but rule {name!r} needs weights of shape {np.shape(W_O)}")
    return rule.terms(found, np.asarray(W_O, dtype=float), feedback, kernel, rng)


def noisy(found: Signals, level: float, rng) -> Signals:
    """Signals read with independent Gaussian noise.

    Queries, keys, values, attention and pooled values get a standard deviation of `level` times the root mean square of
    their own array; errors one of `level` times that of the output, whose difference from the target they are. The
    normaliser is read without noise.

    Parameters
    ----------
    found : Signals
    level : float
    rng : numpy.random.Generator

    Returns
    -------
    Signals
    """
    if not level:
        return found

    def read(value, size):
        return value + level * np.sqrt(np.mean(size**2)) * rng.standard_normal(value.shape)

    parts = {name: read(getattr(found, name), getattr(found, name)) for name in NOISY}
    return found._replace(**parts, error=read(found.error, found.output))


def cosine_of(ours, theirs) -> float:
    """Cosine between two arrays of the same shape (float); not a number where one is zero."""
    size = np.linalg.norm(ours) * np.linalg.norm(theirs)
    return float(np.vdot(ours, theirs) / size) if size else float("nan")
