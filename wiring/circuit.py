"""Circuits: populations with named axes, and projections as index expressions. Their dynamics are those of a form."""

from math import prod
from typing import NamedTuple

import numpy as np

from cortical_attention.cells.cell import GABA, CellType
from cortical_attention.wiring.expressions import WiringError, parse, sizes
from cortical_attention.wiring.release import check_release
from cortical_attention.wiring.rules import check_rules


class Sent(NamedTuple):
    """What the cells of a population sent in a run, hidden axes included: spikes, or rates.

    Attributes
    ----------
    cells, steps : ndarray of int, shape (n_spike,), or None
        Flat index of the cell and time step of every spike, by step and then by cell.
    rates : ndarray, shape (n_step, n_cell), or None
        Rates at the start of every time step, Hz.
    """

    cells: np.ndarray | None
    steps: np.ndarray | None
    rates: np.ndarray | None


class Population(NamedTuple):
    """Cells of one type, one for every index.

    Attributes
    ----------
    name : str
    cell : CellType
    axes : tuple of (kind, size)
        In C order, e.g. ``(("head", 2), ("token", 4), ("key", 8))``.
    kernels : dict of str to str
        Nonlinearity of a port, the identity unless named here (`cells.kernels.KERNELS`).
    signed : str or None
        The port whose sign turns the sign of the cell's value; None where the value is never negative. A form with
        on/off pairs gives a signed population two cells per value, and flips this port for the off cell.
    inputs : dict of str to ndarray, shape (batch, *sizes) or (n_phase, batch, *sizes)
        Values that reach a port from outside: constant, or one row a phase; axes of size one are repeated.
    parameters : dict
        Constants of the cell's state beyond those of its type.
    sent : Sent, optional
        What its cells send, where that is known from another run: they are played instead of simulated.
    area : str
        The cortical area in which it lies, where a circuit has several.
    """

    name: str
    cell: CellType
    axes: tuple
    kernels: dict = {}
    signed: str | None = None
    inputs: dict = {}
    parameters: dict = {}
    sent: Sent | None = None
    area: str = ""

    @property
    def shape(self):
        """Sizes of the axes."""
        return tuple(size for _, size in self.axes)


class Projection(NamedTuple):
    """Synapses from one population to a port of another.

    Attributes
    ----------
    source : str
    target : str
        ``"population.port"``.
    expression : str
    weights : array_like, shape (as the expression says)
        Values, one axis for each letter that the expression gives them; 1 where it names no weight.
    like_signs : bool
        On cells reach on cells and off cells off cells only, as L5 IT cells reach L5 PT cells: by excitation alone.
    same : tuple of (str, str)
        Pairs of kinds that are one axis here, as tokens and context are in self-attention: a letter may join them.
    delay : Quantity (s), optional
        From a spike to its effect, for all of its synapses, rounded to whole time steps; without one it acts in the step in
        which it was sent. In rates it is left out, since no fixed point depends on it.
    plasticity : ShortTerm, optional
        Of its synapses, in spikes and in rates. A weight is the effect of a spike of a rested synapse. Not behind cells that
        are reached with like signs, of whose pairs both cells send.
    learnt : str
        Name of its weights among `Circuit.rules`, where a rule changes them; projections of one name share their weights.

    Notes
    -----
    What is released depends on the source cell alone, so that a shared dendrite receives what each of its copies would.
    Where weights of both signs ask for inhibitory relays, the synapses from the relay onto the dendrite have the delay and
    the plasticity, as those of the cell itself do; the synapse onto the relay has neither.
    """

    source: str
    target: str
    expression: str
    weights: object = 1.0
    like_signs: bool = False
    same: tuple = ()
    delay: object = None
    plasticity: object = None
    learnt: str = ""

    @property
    def name(self):
        """How messages call it."""
        return f"{self.source} -> {self.target}"

    @property
    def learns(self):
        """Name of the weights that a rule changes, as text; empty without."""
        return self.learnt and f", learns {self.learnt}"

    @property
    def release(self):
        """Its delay and its plasticity as text; empty without."""
        delay = "" if self.delay is None else f", delay {self.delay}"
        if self.plasticity is None:
            return delay
        constants = ", ".join(f"{name} = {value}" for name, value in self.plasticity._asdict().items())
        return f"{delay}, short-term plasticity ({constants})"


class Circuit(NamedTuple):
    """A wiring.

    Attributes
    ----------
    name : str
    populations : dict of str to Population
    projections : tuple of Projection
    breaks : dict of str to str
        Rules of the anatomy (`wiring.anatomy.RULES`) that it breaks on purpose, each with the reason.
    rules : dict of str to cells.rules.rule.Rule
        Plasticity of weights by their name (`Projection.learnt`).
    """

    name: str
    populations: dict
    projections: tuple
    breaks: dict = {}
    rules: dict = {}

    def check(self):
        """Refuse a circuit that cannot be wired.

        Returns
        -------
        Circuit
            The circuit itself.

        Raises
        ------
        WiringError
            Naming the projection and what is wrong: an unknown population or port, an index expression that does not
            fit, weights that are not finite, a second projection from the same source to the same port, like signs asked
            of unsigned cells or of weights of the wrong sign, a delay or a plasticity that no synapse can have, a rule of
            plasticity that does not fit, or a rule of the anatomy that is broken without a reason.
        """
        names = [projection.name for projection in self.projections]
        for projection in self.projections:
            self._check_projection(projection)
            if names.count(projection.name) > 1:
                raise WiringError(f"projection '{projection.name}' is there twice; add the weights up in one")
        check_rules(self)
        self._check_anatomy()
        return self

    def _check_anatomy(self):
        from cortical_attention.wiring.anatomy import RULES, violations  # which reads circuits

        for name in self.breaks:
            if name not in RULES:
                raise WiringError(f"circuit '{self.name}' breaks '{name}', but the rules are {', '.join(RULES)}")
        for name, sentences in violations(self).items():
            if name not in self.breaks:
                raise WiringError(f"circuit '{self.name}': {sentences[0]}")

    def describe(self):
        """Populations, projections and the rules of the anatomy that are broken, as text.

        Returns
        -------
        str
            A line each.
        """
        lines = [f"circuit {self.name}"]
        for name, each in self.populations.items():
            axes = " x ".join(f"{size} {kind}" for kind, size in each.axes)
            lines.append(f"  {name}: {each.cell.name} cells ({each.cell.layer}, {each.cell.transmitter}), {axes}")
        lines += [f'  {each.name}: "{each.expression}"{each.release}{each.learns}' for each in self.projections]
        lines += [f'  rule of {name}: "{each.line}"' for name, each in self.rules.items()]
        return "\n".join([*lines, *(f"  breaks '{name}': {reason}" for name, reason in self.breaks.items())])

    def _check_projection(self, projection):
        name, port = projection.name, projection.target.partition(".")[2]
        for population in (projection.source, projection.target.partition(".")[0]):
            if population not in self.populations:
                raise WiringError(f"projection '{name}': there is no population '{population}'")
        source, target = self.ends(projection)
        if port not in target.cell.ports:
            raise WiringError(f"projection '{name}': a {target.cell.name} cell has ports {list(target.cell.ports)}")
        weights = np.asarray(projection.weights, dtype=float)
        sizes(parse(projection.expression), source.axes, target.axes, weights.shape, name, projection.same)
        if not np.isfinite(weights).all():
            raise WiringError(f"projection '{name}': the weights are not finite")
        check_release(projection)
        if projection.plasticity and self._is_reached_with_like_signs(source):
            raise WiringError(
                f"projection '{name}': its synapses cannot be plastic, since '{source.name}' is reached with like signs: "
                "its on and off cells send at once, and their value does not tell what each of them releases"
            )
        sign, limit = (-1, "<=") if source.cell.transmitter == GABA else (1, ">=")
        if projection.like_signs and (not source.signed or target.signed != port or (sign * weights < 0).any()):
            raise WiringError(f"projection '{name}': like signs need weights {limit} 0 and signed cells at both ends")

    def notices(self):
        """Sentences on what is wired as asked, and may compute something else in a form with on and off cells.

        Where one projection reaches a port with like signs, both cells of a pair may be active at once. A projection to the
        same port without like signs drives one of them and inhibits the other, and then counts up to twice. In rates, whose
        cells are signed, it counts once.

        Returns
        -------
        list of str
        """
        reached = {}
        for each in self.projections:
            reached.setdefault(each.target, {}).setdefault(each.like_signs, each)
        return [
            f"projection '{each[False].name}': '{each[True].name}' reaches the same port with like signs, so that on and "
            f"off cells may be active at once and '{each[False].source}' counts up to twice, unless cells are signed as in "
            "rates; give one of the two a population of its own"
            for each in reached.values()
            if len(each) == 2
        ]

    def _is_reached_with_like_signs(self, population):
        """Whether both cells of its pairs may send at once."""
        return any(each.like_signs and each.target.partition(".")[0] == population.name for each in self.projections)

    def ends(self, projection):
        """Both ends of a projection.

        Parameters
        ----------
        projection : Projection

        Returns
        -------
        source, target : Population
        """
        return self.populations[projection.source], self.populations[projection.target.partition(".")[0]]

    def n_pair(self, projection):
        """Number of pairs of a source and a target cell that a projection joins, hidden axes left out.

        Parameters
        ----------
        projection : Projection

        Returns
        -------
        int
        """
        expression, (source, target) = parse(projection.expression), self.ends(projection)
        weights = np.shape(projection.weights)
        return prod(sizes(expression, source.axes, target.axes, weights, projection.name, projection.same).values())
