"""Cell type: ports of input, the rule that combines them, a slow state of its own, and its place in the anatomy."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

GLUTAMATE, GABA, ACETYLCHOLINE = "glutamate", "GABA", "acetylcholine"
DRIVEN = 1e-6  # chosen: a thousand times what an interneuron without drive holds (`sigma_g`)


class CellType(NamedTuple):
    """A cell type: its inputs, and the value that its soma represents.

    Attributes
    ----------
    name : str
        Name of the cell type in the field.
    layer : str
        Layer or nucleus of the soma.
    ports : dict of str to float
        Sites of input, each with its value in the absence of input.
    value : str
        The rule: the value that the soma represents, as a Brian2 expression in the names of the ports (after the
        kernel of the population) and of `variable`.
    state : str
        Differential equation of a slow variable of the cell, or empty.
    variable : str
        The name of that variable.
    starts_at_ceiling : bool
        Whether a cell with a port `start`, the initial value of its variable, starts at the highest rate of its membrane.
    parameters : dict
        Constants of `state`: Brian2 quantities or values without unit.
    fast : tuple of str
        Ports with fast synapses, in forms that distinguish fast from slow ones.
    transmitter : {"glutamate", "GABA", "acetylcholine"}
        A GABAergic cell inhibits through its own synapses: negative weights, or positive ones at an `inhibited` port.
    inhibited : tuple of str
        Ports at which a positive drive inhibits through the rule, such as a shunt that divides.
    role : {"principal", "intratelencephalic", "pyramidal tract", "relay", "reticular", "interneuron"}
        Role in the circuit; unit rates of relay cells (nuclei) have an upper bound.
    nucleus : {"", "core", "matrix", "higher order"}
        Nucleus of a relay cell, which determines its target layers; empty in cortex.
    sites : dict of str to str
        Layer of each dendritic port of a cortical cell.
    membrane : str
        Kind of membrane, in forms that distinguish kinds (`Form.of_kind`).
    recorded : {"sample", "whole"}
        Default recording: a sample of its cells, or all.
    sources : dict of str to str
        Source of each of the `parameters`, by name: a citation, or "chosen: " and the reason.
    fit : callable or None
        ``fit(values, drives)`` returns inputs of ports that calibration sets (dict of str to ndarray, (n_head,)), from the
        values of the population on the calibration sequences, shape (n_head, n_sample), and those at its ports (dict).
    fitted : tuple of str
        Ports that calibration sets: all of them where there is a `stand_in`, any of them elsewhere.
    stand_in : CellType or None
        Cell that takes its place during calibration; None: itself.
    own_tau : dict of str to Quantity
        By port, the time constant of its dendrite (s) in every form, in the place of that of the form. `sources` gives the
        source of that of port P under the name tau_P.
    """

    name: str
    layer: str
    ports: dict
    value: str
    state: str = ""
    variable: str = ""
    starts_at_ceiling: bool = False
    parameters: dict = {}
    fast: tuple = ()
    transmitter: str = GLUTAMATE
    inhibited: tuple = ()
    role: str = "principal"
    nucleus: str = ""
    sites: dict = {}
    membrane: str = "pyramidal"
    recorded: str = "sample"
    sources: dict[str, str] = {}
    fit: Callable | None = None
    fitted: tuple = ()
    stand_in: "CellType | None" = None
    own_tau: dict = {}


def in_the_middle(values, drives):
    """The initial value of a cell in the middle of its calibrated range: the geometric mean for each head.

    Parameters
    ----------
    values : ndarray, shape (n_head, n_sample)
        On the calibration sequences; those of silent macrocolumns, which are not above `DRIVEN`, are left out.
    drives : dict
        Not used.

    Returns
    -------
    dict of str to ndarray, shape (n_head,)
        One where a head is silent.
    """
    driven = values > DRIVEN
    logarithms = np.log(np.where(driven, values, 1.0)).sum(axis=1)
    return {"start": np.exp(logarithms / np.maximum(driven.sum(axis=1), 1))}
