"""The cells of the adaptive and the biophysical form, and the constant drives that they run under where there is no circuit.

Drives are spread over the cells, so that adaptive cells fire at 13 Hz in the mean, as in the circuit, and those with two
compartments at 10 Hz, a little below the 12 Hz of the circuit.
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.forms.biophysical import BIOPHYSICAL
from cortical_attention.cells.membranes.f_i import RESOLUTION

MEMBRANES = {"adaptive": ADAPTIVE.membrane, "biophysical": BIOPHYSICAL.of_cell["superficial"]}
MOST = {"adaptive": (25.0,), "biophysical": (500e-12, 500e-12)}  # Hz; A into soma and dendrite


class Drives(NamedTuple):
    """What cells are driven by, and where they start.

    Attributes
    ----------
    drive : ndarray, shape (n_drive, n_cell)
        Rates (Hz) that adaptive cells are asked for; or currents (A) into soma and dendrite.
    uniform : ndarray, shape (n_cell,)
        Place of each soma between rest (0) and threshold (1).
    """

    drive: np.ndarray
    uniform: np.ndarray


def drives(form, n_cell, factor=1.0, seed=0):
    """Drives of some cells, each uniform between zero and `factor` times `MOST` (Drives)."""
    rng, most = np.random.default_rng(seed), factor * np.array(MOST[form])
    return Drives(rng.random((most.size, n_cell)) * most[:, None], rng.random(n_cell))


def constants(form):
    """Constants of the equations by name (dict of str to float, SI units)."""
    return {name: float(value) for name, value in MEMBRANES[form].constants.items()}


def currents(dt):
    """Currents of an adaptive cell for the rates 0, RESOLUTION, ... (ndarray), measured at a time step (Quantity, s)."""
    return MEMBRANES["adaptive"].measured(dt)["current_of"].values


def resolution():
    """Step of the rates (float, Hz) of `currents`."""
    return float(RESOLUTION)
