"""Stages of the pathway through cells under constant drives: L2/3 cells, and L5 IT cells, everything else ideal.

Attention is divided by its exact sum, and L5 PT and thalamus are the algebra. Drives become currents by maps that are fitted
on a measured surface of the cell, to the distributions in the calibration sequences of a case (`cells.membranes.product`).
"""

from typing import NamedTuple

import numpy as np
from brian2 import Quantity, pA

from cortical_attention.cells.membranes.calcium_spike import CalciumSpike
from cortical_attention.cells.membranes.product import Mapping, map_product, map_quotient, rates
from cortical_attention.cells.membranes.two_compartment import Surface, TwoCompartment, counts, surface_of
from cortical_attention.reference.kernels import KERNELS
from cortical_attention.simulation.engine import compiler, device
from cortical_attention.trials.families import calibration_drives, drives

phi = KERNELS["elu+1"].phi


class Stage(NamedTuple):
    """Model, read-out and calibration of two-compartment cells.

    Attributes
    ----------
    name : str
        What tables call it: the read-out, or the control.
    cell : TwoCompartment or CalciumSpike
    readout : str
    cells : int
        Cells per value.
    window : Quantity (s)
    tested : Surface, optional
        Surface from which rates are read; None: cells are simulated under the very currents.
    """

    name: str
    cell: TwoCompartment | CalciumSpike
    readout: str
    cells: int
    window: Quantity
    tested: Surface | None = None

    @property
    def surface(self):
        """Measured surface of the cell."""
        with device("numpy"):
            return surface_of(self.cell)

    def of_attention(self, seen):
        """Mapping of L2/3 cells, whose products are divided by their sum."""
        drives = seen.queries[:, :, :, None, :], seen.keys[:, :, None, :, :]
        return map_quotient(self.surface, self.readout, *drives, phi, phi, self.cells * self.window)

    def of_values(self, seen):
        """Mapping of L5 IT cells, whose basal value is signed."""
        drives = seen.values, seen.kappa
        return map_product(
            self.surface, self.readout, *drives, np.positive, np.positive, True, self.cells * self.window
        )

    def numbers(self, mapping, basal, apical, seed, report=None):
        """Output of the cells for values at their ports; shapes broadcast."""
        if self.tested is not None:
            found = rates(self.tested, self.readout, *mapping.currents(basal, apical))
            return found / float(mapping.unit_rate)
        currents = np.broadcast_arrays(*mapping.currents(basal, apical))
        each = (np.repeat(current.ravel(), self.cells) * pA for current in currents)
        with device("numpy" if compiler() is None else "cython"):
            found = counts(*each, self.cell, self.window, seed, report)[self.readout]
        mean = found.reshape(*currents[0].shape, self.cells).mean(axis=-1)
        return mean / float(mapping.unit_rate * self.window)


class Maps(NamedTuple):
    """Maps from values to currents of L2/3 and of L5 IT cells (Mapping)."""

    superficial: Mapping
    intratelencephalic: Mapping


def maps(case, superficial, intratelencephalic):
    """Maps of both stages, fitted to the calibration sequences of a case (Maps)."""
    seen = calibration_drives(case)
    return Maps(superficial.of_attention(seen), intratelencephalic.of_values(seen))


def attention(case, stage, mapping, seed=0, report=None):
    """kappa (n_head, n_token, n_context) as L2/3 cells carry it, divided by its exact sum."""
    queries, keys, _ = drives(case)
    products = stage.numbers(mapping, queries[:, :, None, :], keys[:, None, :, :], seed, report)
    kappa = products.sum(axis=-1)
    return kappa / np.maximum(kappa.sum(axis=-1, keepdims=True), np.finfo(float).tiny)


def modulated(case, kappa, stage, mapping, seed=0, report=None):
    """Attention times value, summed over the context (n_head, n_token, d_value), by IT cells."""
    _, _, values = drives(case)
    pairs = np.stack([values, -values])[:, :, None, :, :]
    on, off = stage.numbers(mapping, pairs, kappa[None, :, :, :, None], seed, report)
    return (on - off).sum(axis=2)


def ideal(case, kappa):
    """The same by ideal IT cells."""
    return np.einsum("hij, hjv -> hiv", kappa, drives(case)[2])
