"""Rules of plasticity: what is multiplied at the synapses of some weights, and how these change between presentations.

::

    At the end of a presentation    velocity -> momentum velocity + step sum prod_f <f>
                                    w        -> (1 - decay) w + velocity

<f> is the mean of a factor over the time in which the teaching gate is open, the measured window of the presentation: a
trace that the synapse keeps (its tag) until the weights are changed (its capture). The sum is over all letters that the
weights lack, and over the inputs that are shown side by side, so that synapses which share a weight add up what each of them
asks for. A factor need not belong to the two cells of the synapse: how it comes there is no part of a rule.
"""

from typing import NamedTuple

VALUE = "value"


class Factor(NamedTuple):
    """Something at a synapse that a rule multiplies.

    Attributes
    ----------
    population : str
    letters : str
        Of its axes.
    what : str
        "value", what the cells of the population send (in spikes: counted), or a Brian2 expression in the ports of these
        cells, which has no sign of its own, such as ``"1 / clip(basal, 1, inf)"``; a port has its value after the kernel, in
        spikes that of the filtered drive.
    """

    population: str
    letters: str
    what: str = VALUE


class Rule(NamedTuple):
    """Plasticity of the weights of one name.

    Attributes
    ----------
    factors : tuple of Factor
    letters : str
        Of the axes of the weights. Every letter that a factor has and the weights lack is summed over.
    step : float
        Without unit.
    momentum : float
        Share of the last change that is added to the next, at least 0 and below 1.
    decay : float
        Share of a weight that is lost at each capture, at least 0 and below 1.
    velocity : ndarray or float
        Last change, where learning goes on.
    """

    factors: tuple
    letters: str
    step: float = 0.0
    momentum: float = 0.0
    decay: float = 0.0
    velocity: object = 0.0

    @property
    def line(self):
        """The rule as one line of algebra, such as ``"im hijk hij -> hkm"``."""
        return f"{' '.join(each.letters for each in self.factors)} -> {self.letters}"


class Learning(NamedTuple):
    """How the weights of attention are learnt (`circuits.learning`).

    Attributes
    ----------
    says : str
        In one sentence.
    rules : dict of str to Rule
        By the name of the weights: W_Q, W_K, W_V, W_O, and F where feedback has weights of its own that learn. An expression
        names the slope of the logarithm of a kernel as ``slope(PORT)``.
    feedback : {"W_O", "F"}
        Weights of the feedback: those of the answer, transposed, or its own.
    without : tuple of str
        Projections of the circuit with errors that are left out, by name.
    shuffled : {"", "tokens", "sequences"}
        What the targets are exchanged over.
    """

    says: str
    rules: dict
    feedback: str = "W_O"
    without: tuple = ()
    shuffled: str = ""
