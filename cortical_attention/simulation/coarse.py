"""Whether spikes resolve the scores that exponential tufts hear.

A spike of a cell with unit rate u changes the value of a dendrite with time constant tau by w / (u tau), and 1 / cells of
that where so many cells represent a value. In a tuft that is a change of the exponent, in nats: the attention of a token
jumps by a factor of its exponential.
"""

import numpy as np
from brian2 import Hz

COARSE = 0.5  # nats; chosen: 0.37 cost the worst head of a trained transformer 5 %, 0.7 cost another input 31 %
MOST = 1e6  # cells per value that can be asked for
TUFTS = {"apical", "subtracted", "tonic"}  # ports of cells that are exponential in what inhibition leaves of a score


def coarse_scores(plan, run, form, cells):
    """What says of each input that a spike moves a score by more than `COARSE`.

    Parameters
    ----------
    plan : Plan
    run : Run
    form : Form
    cells : int
        Cells per value.

    Returns
    -------
    list of str
        One for each row of the batch; empty where spikes resolve the scores, and in a form without spikes.
    """
    found = [""] * plan.batch
    for projection in plan.circuit.projections if form.spikes else ():
        source, target = plan.circuit.ends(projection)
        port = projection.target.partition(".")[2]
        if port != "apical" or not target.cell.ports.keys() >= TUFTS:
            continue
        unit = np.asarray(run.unit_rates[source.name] / Hz).reshape(plan.batch, -1).min(axis=1)
        moved = np.abs(projection.weights).max() / (unit * float(form.synapses.tau(target.cell, port)) * cells)
        for b in np.flatnonzero(moved > COARSE):
            needed = np.ceil(cells * moved[b] / COARSE)
            serve = f"{needed:.0f} cells per value" if needed <= MOST else "smaller queries and keys"
            found[b] = (
                f"one spike of a {source.name} cell moves a score by {moved[b]:.2g} nats but may move it by {COARSE:g}: "
                f"{serve} would serve"
            )
    return found
