"""Tufts of two-compartment cells, in the biophysical form of softmax attention.

The rule of a tuft (`cells.tuft`) is not applied: nothing multiplies, and no exponential is computed. The apical dendrite of
an L5 IT cell receives the current I_d0 + I_d1 (apical + tonic - subtracted), its soma I_s0 + I_s1 basal, and the four
constants are fitted on the measured surface of the cell, so that its release approximates the product of its value and the
exponential of what inhibition leaves of the score (`cells.membranes.product`). Inhibition is a current out of the apical
dendrite, as of Martinotti cells.
"""

import numpy as np

from cortical_attention.cells.membranes.membrane import MembraneError
from cortical_attention.cells.membranes.product import map_product
from cortical_attention.cells.membranes.two_compartment import surface_of
from cortical_attention.cells.tuft import ABOVE, CAP, TONIC

LEAST = -5.0  # chosen: below, a token has less than 1 % of the attention, and the fit asks for none
NAMES = "I_s0", "I_s1", "I_d0", "I_d1"


def tuft(above):
    """What the fit asks of a tuft, exp(x) below threshold and 1 + x above it, up to `CAP` (ndarray, in the shape of x)."""
    return np.minimum(np.exp(np.minimum(above, 0)) + np.maximum(above, 0), CAP)


def tufted(plain, cell, readout):
    """Membrane of two-compartment L5 IT cells whose apical dendrite adds a score and is inhibited.

    Parameters
    ----------
    plain : Membrane
        Of two-compartment cells whose apical dendrite has one input and is not inhibited.
    cell : TwoCompartment or CalciumSpike
    readout : {"total", "burst", "event", "facilitated"}

    Returns
    -------
    Membrane

    Raises
    ------
    KeyError
        For an unknown read-out.
    """

    def above(text):
        return text.replace("I_d1 * apical", f"I_d1 * ({ABOVE})")

    how = {"calibrate": lambda *asked: calibrate(cell, readout, *asked), "fit": None}
    return plain._replace(
        equations=above(plain.equations),
        at_release=f"sent = {cell.dynamics.sent[readout]}",
        limit=plain.limit._replace(condition=above(plain.limit.condition)),
        drive=plain.drive._replace(ports=("basal", "apical", "subtracted"), **how),
    )


def calibrate(cell, readout, population, drives, counted):
    """Constants of the soma, and the unit rate, of L5 IT cells with a tuft.

    Parameters
    ----------
    cell : TwoCompartment or CalciumSpike
    readout : str
    population : Population
    drives : dict of str to ndarray
        Samples of the values at the ports "basal", "apical" and "subtracted"; shapes broadcast.
    counted : Quantity (s)
        Cells per value times the window.

    Returns
    -------
    dict of str to Quantity
    Quantity (Hz)
    """
    above = np.clip(drives["apical"] + TONIC - drives["subtracted"], LEAST, None)
    values = surface_of(cell), readout, drives["basal"], above, lambda value: value, tuft
    found = map_product(*values, population.signed == "basal", counted)
    return {name: getattr(found, name) for name in NAMES}, found.unit_rate


def rectified(calibrate):
    """Calibration of L2/3 cells that refuses on and off cells for products with values below zero.

    Such a product of two values below zero would have to excite the on cell.

    Parameters
    ----------
    calibrate : callable
        As `Drive.calibrate`.

    Returns
    -------
    callable
        Likewise; raises MembraneError for a signed population whose apical values fall below zero.
    """

    def checked(population, drives, counted):
        """As `calibrate`, of values that it can take."""
        if population.signed and np.min(drives["apical"]) < 0:
            raise MembraneError(
                "their apical values fall below zero, but two-compartment cells need values above it; those of wiring "
                "'softmax_quadrants' are"
            )
        return calibrate(population, drives, counted)

    return checked
