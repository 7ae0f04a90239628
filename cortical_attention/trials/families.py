"""Families of attention, from that of the paper to an arbitrary matrix, and the member of each family nearest to an answer.

`linear` contains `paper`; its answer to an input is that of the member fitted to the answers to all other inputs. Each of
the free families (`weighing`, `gain`, `matrix`) contains the one before. They are fitted to the same answer that they are
compared with: the residual is the part of the answer that no member reproduces, and the fit follows the noise of the answer.
`weighing` contains `paper`, but not `linear`, which has a gain.

::

    paper         kappa_ij = phi(k_j).phi(q_i) / Z_i                            nothing is fitted
    linear        the same with any monotone phi_q and phi_k >= 0, one feature per component, and one gain per head
    weighing      kappa_ij >= 0 and sum_j kappa_ij = 1: attention with any kernel
    gain          kappa_ij >= 0: weighing with a total that depends on the query
    matrix        any kappa_ij
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares, lsq_linear, nnls

from cortical_attention.reference.attention import linear_attention

N_KNOT = 8  # chosen: of each monotone function
FREE = "weighing", "gain", "matrix"
FAMILIES = "paper", "linear", *FREE


class LinearFamily:
    """Linear attention with two monotone functions and a gain for each head, fitted to answers.

    Parameters
    ----------
    cases : sequence of Case
        With one block; their queries and keys say where the functions need values.
    """

    def __init__(self, cases):
        self.knots = [_knots(each) for each in zip(*(drives(case)[:2] for case in cases), strict=True)]
        start = (_rising(np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))) for x in self.knots)  # elu+1
        self.parameters = np.concatenate([*start, np.zeros(len(cases[0].block.W_Q))])

    def fit(self, cases, answers):
        """Fit the two functions and the gains to answers, by least squares.

        The search ends after 60 evaluations at the latest, those of the derivative not counted, even without convergence.

        Parameters
        ----------
        cases : sequence of Case
            With as many heads as those of the constructor; masks and biases are ignored.
        answers : ndarray, shape (n_case, n_token, d_model)

        Returns
        -------
        LinearFamily
            Itself, with new `parameters`.

        Raises
        ------
        ValueError
            If the answers do not match the cases in size, or the residual is not finite at the start.
        """
        seen, wanted = _seen(cases), np.asarray(answers)

        def left(parameters):
            return (self._outputs(seen, parameters) - wanted).ravel()

        self.parameters = least_squares(left, self.parameters, max_nfev=60).x
        return self

    def output(self, case, parameters=None):
        """Answer of the family to a case.

        Parameters
        ----------
        case : Case
            Its mask and its biases are ignored.
        parameters : ndarray, shape (2 * N_KNOT + n_head,), optional
            Logarithms of the increments of phi_q and of phi_k at their knots, and of the gain of each head. Default: those
            of the last fit; before it, elu+1 and a gain of one.

        Returns
        -------
        ndarray, shape (n_token, d_model)
        """
        return self._outputs(_seen([case]), self.parameters if parameters is None else parameters)[0]

    def _outputs(self, seen, parameters):
        """Answers to several cases at once (n_case, n_token, d_model)."""
        *both, added = seen
        values = [np.cumsum(np.exp(part)) for part in (parameters[:N_KNOT], parameters[N_KNOT : 2 * N_KNOT])]
        queries, keys = (np.interp(*each) for each in zip(both, self.knots, values, strict=True))
        products = queries @ keys.swapaxes(-1, -2)
        kappa = products / products.sum(axis=-1, keepdims=True)
        gains = np.exp(parameters[2 * N_KNOT :])[:, None, None]
        return (gains * kappa @ added).sum(axis=1)


def left_out(cases, answers):
    """Answer of linear attention to each case, by the member that is fitted to the answers to all other cases.

    Each fit starts from the paper's functions, so that nothing in it depends on the answer that is left out; the knots of
    the functions lie at quantiles of the queries and keys of all cases.

    Parameters
    ----------
    cases : sequence of Case
        With one block and of equal sizes; two at least.
    answers : ndarray, shape (n_case, n_token, d_model)

    Returns
    -------
    ndarray, shape (n_case, n_token, d_model)
    """
    found = []
    for k, case in enumerate(cases):
        others = [*cases[:k], *cases[k + 1 :]]
        found.append(LinearFamily(cases).fit(others, np.delete(answers, k, axis=0)).output(case))
    return np.array(found)


def _seen(cases):
    """Queries, keys and what one of kappa adds to the answer, each with the cases as first axis."""
    return [np.stack(each) for each in zip(*((*drives(case)[:2], columns(case)) for case in cases), strict=True)]


def drives(case):
    """Queries (n_head, n_token, d_key), keys (n_head, n_context, d_key) and values (n_head, n_context, d_value) of a case
    without biases."""
    context = case.tokens if case.context is None else case.context
    queries = np.einsum("hkm, im -> hik", case.block.W_Q, case.tokens)
    keys, values = (np.einsum("hkm, jm -> hjk", W, context) for W in (case.block.W_K, case.block.W_V))
    return queries, keys, values


class Seen(NamedTuple):
    """What reaches two-compartment cells in calibration sequences, to which their currents are fitted.

    Attributes
    ----------
    queries, keys, values : ndarray, shape (n_sequence, n_head, n, d)
    kappa, products : ndarray, shape (n_sequence, n_head, n_token, n_context)
        Attention weights by the algebra, and the same before the division by Z.
    """

    queries: np.ndarray
    keys: np.ndarray
    values: np.ndarray
    kappa: np.ndarray
    products: np.ndarray


def calibration_drives(case):
    """What reaches the cells in the calibration sequences of a case (Seen)."""
    contexts = [None] * len(case.calibration) if case.calibration_context is None else case.calibration_context
    both = zip(case.calibration, contexts, strict=True)
    others = [case._replace(tokens=tokens, context=context) for tokens, context in both]
    found = [linear_attention(each.tokens, each.block, context=each.context) for each in others]
    queries, keys, values = (np.stack(each) for each in zip(*map(drives, others), strict=True))
    kappa, z = (np.stack(each) for each in zip(*((each.kappa, each.normaliser) for each in found), strict=True))
    return Seen(queries, keys, values, kappa, kappa * z[..., None])


def columns(case):
    """What one of kappa_hij adds to the answer, W_O v_hj (n_head, n_context, d_model)."""
    return np.einsum("hmv, hjv -> hjm", case.block.W_O, drives(case)[2])


def answer(case, sums):
    """Answer of ideal L5 PT and higher-order cells to given attention-weighted values: sum_h W_O sums_h.

    Parameters
    ----------
    case : Case
    sums : ndarray, shape (n_head, n_token, d_value)
        Sum over the context of kappa times v, by head and token.

    Returns
    -------
    ndarray, shape (n_token, d_model)
    """
    return np.einsum("hmv, hiv -> im", case.block.W_O, sums)


def nearest(family, case, answered):
    """The member of a free family that is nearest to an answer, as its own answer (n_token, d_model).

    Parameters
    ----------
    family : {"weighing", "gain", "matrix"}
    case : Case
    answered : ndarray, shape (n_token, d_model)
    """
    n_head, n_context, d_model = (parts := columns(case)).shape
    A = parts.reshape(-1, d_model).T
    if family == "matrix":
        return (A @ np.linalg.lstsq(A, answered.T, rcond=None)[0]).T
    if family == "gain":
        return np.array([A @ nnls(A, row)[0] for row in answered])
    sums = np.kron(np.eye(n_head), np.ones(n_context))
    heavy = 1e3 * np.linalg.norm(A)  # the sums are held at one to about a part in a million
    rows = [np.concatenate([row, heavy * np.ones(n_head)]) for row in answered]
    return np.array([A @ lsq_linear(np.vstack([A, heavy * sums]), row, bounds=(0, np.inf)).x for row in rows])


def _knots(samples):
    """Where a monotone function has its values: quantiles, and both ends."""
    samples = np.concatenate([each.ravel() for each in samples])
    return np.quantile(samples, np.linspace(0, 1, N_KNOT))


def _rising(values):
    """Parameters at which the rising values are taken."""
    return np.log(np.maximum(np.diff(values, prepend=0.0), 1e-6))
