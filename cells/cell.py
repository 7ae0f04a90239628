"""What every cell type states: its ports, the rule that joins them, its own slow state, and its place in the anatomy."""

from typing import NamedTuple

GLUTAMATE, GABA = "glutamate", "GABA"


class CellType(NamedTuple):
    """A cell type: what it receives and which value its soma stands for.

    Attributes
    ----------
    name : str
        The field's name of the cell type.
    layer : str
        Where its soma lies.
    ports : dict of str to float
        Each site of input, and the value it holds while nothing reaches it.
    number : str
        The rule: the value the soma stands for, written in the names of the ports (each after the kernel that the
        circuit gives it) and of `state`.
    state : str
        Differential equation of a slow variable of the cell's own, or empty.
    variable : str
        The name of that variable.
    starts_at_ceiling : bool
        Whether the variable starts at the top of its range (True), which `state` knows as the constant VARIABLE_start,
        or at zero.
    parameters : dict
        Constants of `state`, Brian2 quantities or numbers.
    fast : tuple of str
        The ports whose synapses are fast, where the form tells fast from slow ones.
    transmitter : {"glutamate", "GABA"}
        A GABAergic cell inhibits through its own synapses: by negative weights, or by positive ones at an `inhibited` port.
    inhibited : tuple of str
        The ports at which inhibition acts through the rule, as a shunt does.
    role : {"principal", "intratelencephalic", "pyramidal tract", "relay", "reticular", "divisive"}
        What it is in the circuit; relay cells make up nuclei, whose unit rates are bounded.
    nucleus : {"", "core", "matrix", "higher order"}
        Of a relay cell: what its axons are like; empty in cortex.
    sites : dict of str to str
        The layer in which each dendritic port lies, of a cortical cell.
    membrane : str
        Kind of membrane, where a form tells kinds apart (`Form.of_kind`).
    recorded : {"sample", "whole"}
        Whether by default some or all of its cells are recorded.
    """

    name: str
    layer: str
    ports: dict
    number: str
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
