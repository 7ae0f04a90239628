"""Provenance of a simulated result: that of `readout.provenance`, and Brian2's preferences."""

from cortical_attention.readout import provenance as readout
from cortical_attention.simulation import engine


def provenance(*arguments, **more):
    """Content of run.json; the arguments are those of `readout.provenance.provenance`.

    Returns
    -------
    dict
        Besides what it holds there, `brian2_preferences`: those that differ from Brian2's defaults, each as it was `found`
        and as it was `used`.
    """
    return readout.provenance(*arguments, **more) | {"brian2_preferences": engine.preferences()}
