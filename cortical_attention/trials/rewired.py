"""Wirings with a projection cut or led elsewhere: controls, which have to miss what the whole circuit computes."""

from functools import wraps

from cortical_attention.wiring.expressions import WiringError


def without(wiring, *names, also=()):
    """A wiring whose projections of these names are cut.

    Parameters
    ----------
    wiring : callable
        From times, tokens and a block to a Plan.
    *names : str
        Of projections, as "source -> population.port".
    also : tuple of Projection
        Projections in their place.

    Returns
    -------
    callable

    Raises
    ------
    WiringError
        When it is called, if the circuit has no projection of one of the names.
    """

    @wraps(wiring)
    def cut(*given, **block):
        """The wiring without them."""
        plan = wiring(*given, **block)
        present = {_name(each) for each in plan.circuit.projections}
        for name in set(names) - present:
            raise WiringError(f"circuit '{plan.circuit.name}' has no projection '{name}' to be cut")
        kept = [each for each in plan.circuit.projections if _name(each) not in names]
        return plan._replace(circuit=plan.circuit._replace(projections=(*kept, *also)))

    return cut


def _name(projection):
    return f"{projection.source} -> {projection.target}"
