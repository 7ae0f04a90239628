"""Feed-forward inhibition: an interneuron adds up sister cells, which have the drives of the divided cells but no shunt."""

from cortical_attention.cells.interneuron import POOLING
from cortical_attention.circuits.normalisers.divided import Inhibition
from cortical_attention.circuits.plan import named


def feedforward(divided):
    """Inhibition of some `Divided` cells."""
    sisters = divided.pooled._replace(name="undivided")
    drives = [each._replace(target=each.target.replace(divided.pooled.name, "undivided", 1)) for each in divided.drives]
    populations = named(divided.interneuron(POOLING, divided.closed), sisters)
    return Inhibition(populations, [*drives, divided.pool("undivided"), *divided.shunts()])
