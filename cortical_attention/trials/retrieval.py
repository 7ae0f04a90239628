"""Circuits of Hopfield retrieval over beta and the number of patterns, and about the boundary beyond which they settle."""

from brian2 import second

from cortical_attention.cells.forms import FORMS
from cortical_attention.circuits.softmax import INTERNEURONS
from cortical_attention.reference.hopfield import contraction, least_time_constant, least_time_constant_with_lags
from cortical_attention.trials.examples.hopfield import CELLS, retrieval

POINTS = {"rate": ((8, 8), (16, 8), (16, 16), (32, 4)), "spiking": ((8, 8), (16, 16))}  # patterns and beta
SLOWER = 2.0  # T over the least one
FOLLOWED = {"rate": 28.0, "spiking": 8.0}  # settling time over the time that deviations last
FACTORS, STEEP = (0.5, 0.8, 1.25, 2.0), (8, 16)  # T over the least one, and beta, about the boundary


def inhibition(form, normaliser):
    """Time constant (s) with which inhibition integrates in a form, and its proportional term."""
    constants = INTERNEURONS[normaliser].parameters
    return constants["lags"] * float(FORMS[form].tau_loop), constants.get("k_p", 0.0)


def least(beta, form, normaliser="pi"):
    """Least T (s) with which a loop settles at patterns of norm one.

    Parameters
    ----------
    beta : float
    form : str
    normaliser : {"pi", "slow"}

    Returns
    -------
    without, with_lags : float
        Of the loop of core and interneuron alone, and with the lags of all dendrites and somata in it.
    """
    (tau_g, k_p), form = inhibition(form, normaliser), FORMS[form]
    soma, synapses = float(form.membrane.lag), form.synapses
    path = 5 * [float(synapses.tau_slow), soma]  # of L2/3, L5 IT, L5 PT, the higher-order nucleus and core
    loop = [float(synapses.tau_pool), soma, float(synapses.tau_fast), soma]
    without = float(least_time_constant(beta, tau_g, k_p))
    return without, float(least_time_constant_with_lags(beta, tau_g, k_p, path, loop))


def over_beta(form, seed):
    """Examples of one step and of the fixed point at `POINTS`.

    Parameters
    ----------
    form : str
    seed : int

    Returns
    -------
    dict of str to tuple
        By label: number of patterns, beta, Example, and the patterns that the cues come from.
    """
    found, cells = {}, {"cells": CELLS} if FORMS[form].spikes else {}
    for n, beta in POINTS[form]:
        T = SLOWER * max(least(beta, form)) * second
        for name, chosen in (("one step", None), ("iterated", T)):
            example, wanted = retrieval([seed, n, beta], beta, n, chosen)
            times = {} if chosen is None else {"settle": FOLLOWED[form] * _lasting(example, T)}
            example = example._replace(settings={form: cells | times})
            found[f"{form}, {n} patterns, beta {beta}, {name}"] = n, beta, example, wanted
    return found


def _lasting(example, T):
    """Time constant (s) with which the last deviation from the fixed points of an example is lost."""
    block = example.block
    return T / (1 - float(contraction(example.reference, block["context"], block["beta"]).max()))


def about_the_boundary(seed):
    """Examples in rates with a T about the least one, for both interneurons.

    Parameters
    ----------
    seed : int

    Returns
    -------
    dict of str to tuple
        By label: interneuron, beta, T over the least one, T (s), and Example.
    """
    found = {}
    for normaliser in ("pi", "slow"):
        tau_g, k_p = inhibition("rate", normaliser)
        for beta in STEEP:
            bound = least(beta, "rate", normaliser)[1]
            for factor in FACTORS:
                T = factor * bound
                settle = 90 * (1 + k_p) * tau_g + 6 * T  # chosen: exp(-9) is left at 1.25 times T
                example, _ = retrieval([seed, 2], beta, T=T * second, settings={"rate": {"settle": settle * second}})
                example = example._replace(block=example.block | {"normaliser": normaliser})
                found[f"{normaliser}, beta {beta}, T {factor:g} times"] = normaliser, beta, factor, T, example
    return found
