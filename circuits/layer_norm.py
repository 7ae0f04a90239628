"""Layer norm in L2/3: interneurons that pool the energy of a token divide by its root mean square.

::

    L2/3 normed    c_im / g_i                    basal: source by 1 - 1/d (mean subtracted); apical: one; shunt: g_i
    interneuron    g_i = mean_m c_im**2 / g_i    one per token: g_i is the root mean square of c_i
    L2/3 energy    c_im**2 / g_i                 basal and apical: source by 1 - 1/d; shunt: g_i

The interneuron pools what it divides, without integrating. In attention that wiring would be wrong, since it divides by
sqrt(Z) (`normaliser="output"`); here the root is what is asked for. The paper leaves normalisation open and points to Shen,
Wang & Navlakha (2021); the circuit is ours. What a transformer adds to the variance, 1e-12 in BERT, is left out.
"""

import numpy as np

from cortical_attention.cells.interneuron import POOLING
from cortical_attention.cells.superficial import SUPERFICIAL
from cortical_attention.circuits.plan import axes_of, named
from cortical_attention.wiring.circuit import Population, Projection


def layer_norm(tag, source, sizes, n_phase, area="", centred=True, divided=True):
    """Populations and projections of layer norm, without gain and bias, which the next projection has.

    Parameters
    ----------
    tag : str
        Ending of the names: the answer of "1" is `normed_1`.
    source : str
        Population of the axes token and model that is normalised.
    sizes : dict of str to int
        By kind.
    n_phase : int
        Of the run. Interneurons keep their initial strength in the first phase: while nothing has arrived a root mean
        square of zero would make the answer huge.
    area : str
        Cortical area.
    centred, divided : bool
        Whether the mean is subtracted, and whether the energy is divided; without either it is a control.

    Returns
    -------
    populations : dict of str to Population
    projections : list of Projection
    """
    n, axes = sizes["model"], axes_of(sizes, "token", "model")
    energy, rms, normed = (f"{name}_{tag}" for name in ("energy", "rms", "normed"))
    closed = (np.arange(n_phase) > 0).astype(float)[:, None, None]
    one = {"apical": np.ones((1, 1, 1))}
    populations = named(
        Population(energy, SUPERFICIAL, axes, area=area),
        Population(rms, POOLING, axes_of(sizes, "token"), inputs={"gate": closed}, area=area),
        Population(normed, SUPERFICIAL, axes, signed="basal", inputs=one, area=area),
    )
    centre = np.eye(n) - (1 / n if centred else 0)
    ports = f"{energy}.basal", f"{energy}.apical", f"{normed}.basal"
    projections = [Projection(source, port, "in, mn -> im", centre) for port in ports]
    projections += [
        Projection(energy, f"{rms}.pool", "im -> i", 1 / n),
        Projection(rms, f"{normed}.shunt", "i -> im"),
    ]
    return populations, projections + [Projection(rms, f"{energy}.shunt", "i -> im")] * divided
