"""Release at the synapses of a projection: its delay and its short-term plasticity."""

import numpy as np
from brian2 import NeuronGroup, Quantity, have_same_dimensions, linked_var, second

from cortical_attention.cells.membranes.membrane import ONE
from cortical_attention.cells.short_term import OF_RATES, STEP_OF_RATES, ShortTerm
from cortical_attention.wiring.expressions import WiringError


def check_release(projection):
    """Refuse a delay or a plasticity that no synapse can have.

    Raises
    ------
    WiringError
        If the delay is not one time, finite and not negative, with a unit; if the plasticity is not a ShortTerm with U above
        0 and at most 1, and two positive time constants.
    """
    name, delay, plasticity = projection.name, projection.delay, projection.plasticity
    if delay is not None and not (_is_time(delay) and 0 <= float(delay) < np.inf):
        raise WiringError(
            f"projection '{name}': the delay is {delay}, but has to be one time of at least 0 ms, as 2 * ms"
        )
    if plasticity is None:
        return
    if not isinstance(plasticity, ShortTerm):
        raise WiringError(f"projection '{name}': the plasticity is {plasticity}, but has to be a ShortTerm")
    for each in ("tau_f", "tau_d"):
        tau = getattr(plasticity, each)
        if not (_is_time(tau) and 0 < float(tau) < np.inf):
            raise WiringError(f"projection '{name}': {each} is {tau}, but has to be one time above 0 ms, as 100 * ms")
    if not 0 < plasticity.U <= 1:
        raise WiringError(f"projection '{name}': U is {plasticity.U}, but has to lie above 0 and be at most 1")


def _is_time(given):
    """Whether something is one time with its unit."""
    return isinstance(given, Quantity) and np.ndim(given) == 0 and have_same_dimensions(given, second)


def refuse_carried(pathway, membrane, form):
    """Refuse plasticity, or a delay that outlasts the refractory time, behind cells whose spikes carry an amount:
    a synapse reads it from the cell when the spike arrives, where it stays until the next spike, and it is what short-term
    plasticity makes of that very spike (WiringError)."""
    held = membrane.constants.get(membrane.refractory, 0 * second)
    late = pathway.delay is not None and pathway.delay >= held
    if membrane.sends != ONE and (late or pathway.plasticity is not None):
        raise WiringError(
            f"projection '{pathway.name}': in form '{form.name}' the spikes of {pathway.source} carry what they release, so "
            f"that it can have neither short-term plasticity nor a delay of {held} or more"
        )


def terminals(k, source, plasticity, clock):
    """Axon terminals of a source under short-term plasticity in the rate form, one per source cell.

    They are updated at the start of a step, so that they do not lag behind the source.

    Parameters
    ----------
    k : int
        Number of the pathway.
    source : NeuronGroup
        With the variable `rate` (Hz).
    plasticity : ShortTerm
    clock : Brian2 Clock

    Returns
    -------
    NeuronGroup
        Its variable `rate` (Hz) is the rate of the source times its release per spike, relative to a rested synapse.
    """
    group = NeuronGroup(
        source.N,
        OF_RATES,
        namespace=plasticity.constants,
        clock=clock,
        name=f"terminals_{k}_of_{source.name}",
    )
    group.received = linked_var(source, "rate")
    group.u, group.x = plasticity.U, 1
    group.run_regularly(STEP_OF_RATES, when="start", order=1)  # after what is played
    return group
