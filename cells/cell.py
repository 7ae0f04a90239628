"""What every cell type states: its ports, the rule that joins them, and its own slow state."""

from typing import NamedTuple


class CellType(NamedTuple):
    """A cell type: what it receives and which number its soma stands for.

    Attributes
    ----------
    name : str
        The field's name of the cell type.
    layer : str
        Where its soma lies.
    ports : dict of str to float
        Each site of input, and the number it holds while nothing reaches it.
    number : str
        The rule: the number the soma stands for, written in the names of the ports (each after the kernel that the
        circuit gives it) and of `state`.
    state : str
        Differential equation of a slow variable of the cell's own, or empty.
    variable : str
        The name of that variable.
    fast : tuple of str
        The ports whose synapses are fast, where the form tells fast from slow ones.
    starts_high : bool
        Whether the variable starts at the top of its range (True), which `state` knows as the constant VARIABLE_start,
        or at zero.
    parameters : dict
        Constants of `state`, Brian2 quantities or numbers.
    """

    name: str
    layer: str
    ports: dict
    number: str
    state: str = ""
    variable: str = ""
    starts_high: bool = False
    parameters: dict = {}
    fast: tuple = ()
