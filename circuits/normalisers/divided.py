"""What a wiring tells a normaliser about the cells that are to be divided, and what a normaliser adds to the wiring.

A normaliser is a function from `Divided` to `Inhibition`. Its letters are those of the wiring: k is the component of the key
and the query, over which a macrocolumn is summed; l stands for a second one.
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.circuits.plan import Reading, named
from cortical_attention.wiring.circuit import Population, Projection

SHUNT = "{}.shunt"
GAIN = Reading("interneuron")


class Divided(NamedTuple):
    """Cells that are to be divided, and what drives them.

    Attributes
    ----------
    pooled : Population
        Cells whose values are to sum to one in each macrocolumn.
    letters : dict of str to str
        Letters of `pooled`, and of the other populations that the same inhibition divides, by name.
    axes : tuple of (kind, size)
        Of a macrocolumn, and last the components of a key, as the letters `component`.
    component : str
        Letters of `axes`: "hik" for one macrocolumn a token, "hk" for one a head.
    drives : tuple of Projection
        Onto the dendrites of `pooled`.
    query : Projection
        From thalamus onto cells with the axes `axes`; its target has no name yet: "{}.basal".
    biases : dict of str to ndarray
        Constant drives of the dendrites of cells with the axes `axes`, at `basal`.
    keys : Projection
        From cells that hold phi(k), or its sum over the context, onto cells with the axes `axes`: "{}".
    key_cells : dict of str to Population
        Those cells, where the wiring does not have them anyway.
    key_drives : tuple of Projection
        What drives these.
    gate : ndarray, or None
        Input of the gate of interneurons with a slow variable, in a wiring in which tokens come one after another: 0 while
        there is no query. None where all tokens are there at once.
    closed : ndarray
        The same for interneurons that start at their ceiling: in a wiring without `gate` they wait for one phase, until
        keys and queries arrive.
    """

    pooled: Population
    letters: dict
    axes: tuple
    component: str
    drives: tuple
    query: Projection
    biases: dict
    keys: Projection
    key_cells: dict
    key_drives: tuple
    gate: object
    closed: np.ndarray

    @property
    def macrocolumn(self):
        """Letters of a macrocolumn."""
        return self.component[:-1]

    def interneuron(self, cell, gate=None):
        """One interneuron for each macrocolumn (Population)."""
        inputs = {} if gate is None else {"gate": gate}
        return Population("interneuron", cell, self.axes[:-1], inputs=inputs)

    def pool(self, source=None):
        """Summed activity of a macrocolumn onto its interneuron (Projection), of `pooled` or of a population like it."""
        letters = self.letters[self.pooled.name]
        return Projection(source or self.pooled.name, "interneuron.pool", f"{letters} -> {self.macrocolumn}")

    def shunts(self):
        """From the interneuron of a macrocolumn to all the cells that it divides (list of Projection)."""
        return [
            Projection("interneuron", SHUNT.format(name), f"{self.macrocolumn} -> {letters}")
            for name, letters in self.letters.items()
        ]

    def onto(self, projection, target, letters=None):
        """The projection `query` or `keys` onto a named port, with other letters of its target (Projection)."""
        sources = projection.expression.partition(" -> ")[0]
        return projection._replace(target=target, expression=f"{sources} -> {letters or self.component}")


class Inhibition(NamedTuple):
    """What a normaliser adds to a wiring.

    Attributes
    ----------
    populations : dict of str to Population
    projections : list of Projection
    gain : Reading
        What divides each macrocolumn.
    exact : bool
        Whether the attention sums to one at the fixed point, so that a run whose sums differ has not settled.
    """

    populations: dict
    projections: list
    gain: Reading = GAIN
    exact: bool = True


def alone(divided, cell, gate):
    """Inhibition by one interneuron a macrocolumn, driven by the cells that it divides."""
    return Inhibition(named(divided.interneuron(cell, gate)), [divided.pool(), *divided.shunts()])
