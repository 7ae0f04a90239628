"""Rules of the anatomy, checked on the synapses of a circuit in which on cells and off cells represent signed values.

A rule is broken by a projection whose weights are not all zero. A circuit may break a rule on purpose, as controls do, or
where a proposal does: it then says which, and why (`Circuit.breaks`).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cortical_attention.cells.cell import GABA
from cortical_attention.cells.forms.form import Coding
from cortical_attention.wiring.expand import expand_projection
from cortical_attention.wiring.expressions import parse

COMPONENTS = ("key", "value", "model")  # axes along which cells of one column differ; all others are places
LAYERS_OF = {"core": ("L3", "L4"), "matrix": ("L1", "L5a")}


class Rule(NamedTuple):
    """A rule, and the function that says of a circuit and a projection how it is broken, or gives None."""

    says: str
    broken: Callable


class Paired:
    """Values on pairs of cells, joined by one-signed synapses: all that the expansion asks of a form."""

    coding = Coding(paired=True, spikes=False)


def _one_signed(circuit, projection):
    source, target = circuit.ends(projection)
    port, pathway = projection.target.partition(".")[2], expand_projection(circuit, projection, Paired, 1)
    inhibited = port in target.cell.inhibited
    if source.cell.transmitter == GABA and pathway.excitation.any() and not inhibited:
        return (
            f"{source.name} cells are GABAergic, but would excite; give them weights of at most 0 and no sign, or like "
            f"signs, or a port of {target.name} at which inhibition acts"
        )
    if source.cell.transmitter != GABA and inhibited:
        return f"{source.name} cells are glutamatergic, but would inhibit through their own synapses at '{port}'"
    return None


def _onwards(circuit, projection):
    source, target = circuit.ends(projection)
    back = (source.cell.role, target.cell.role) == ("pyramidal tract", "intratelencephalic")
    return (
        f"{source.name} cells are pyramidal tract cells, which do not reach intratelencephalic ones" if back else None
    )


def _no_own_driver(circuit, projection):
    source, target = circuit.ends(projection)
    if source.cell.role != "pyramidal tract" or target.cell.role != "relay":
        return None
    passed_on = _through_relays(circuit, target)
    for other in circuit.projections:
        driver, driven = circuit.ends(other)
        if driver.name in passed_on and driven.cell.role != "relay" and driven.area == source.area:
            return f"{driver.name} drives {driven.name}, which lies in the area of these pyramidal tract cells"
    return None


def _through_relays(circuit, nucleus):
    """Names of a nucleus and of all that it reaches by relays alone (set)."""
    found = {nucleus.name}
    for _ in circuit.populations:
        ends = map(circuit.ends, circuit.projections)
        found |= {target.name for source, target in ends if source.name in found and target.cell.role == "relay"}
    return found


def _thalamic_layers(nucleus):
    def broken(circuit, projection):
        """Sentence on a projection from the nucleus that ends outside its layers (str), or None."""
        source, target = circuit.ends(projection)
        site = target.cell.sites.get(projection.target.partition(".")[2])
        if source.cell.nucleus != nucleus or site is None or site in LAYERS_OF[nucleus]:
            return None
        return f"axons of {source.name} cells end in {' and '.join(LAYERS_OF[nucleus])}, but this port lies in {site}"

    return broken


def _layers_of_6b(circuit, projection):
    source, target = circuit.ends(projection)
    site = target.cell.sites.get(projection.target.partition(".")[2])
    if source.cell.layer != "L6b" or site is None or site in LAYERS_OF["matrix"]:
        return None
    return f"axons of {source.name} cells end where those of matrix thalamus do, but this port lies in {site}"


def _local(circuit, projection):
    source, target = circuit.ends(projection)
    expression = parse(projection.expression)
    lost = [
        kind
        for letter, (kind, _) in zip(expression.source, source.axes, strict=True)
        if letter not in expression.target and kind not in COMPONENTS
    ]
    if source.cell.role != "interneuron" or (not lost and source.area == target.area):
        return None
    return f"interneurons inhibit their own surroundings, but these reach other places ({', '.join(lost) or 'area'})"


RULES = {
    "one-signed synapses": Rule("every synapse of a cell has the sign of its transmitter", _one_signed),
    "IT to PT": Rule("intratelencephalic cells reach pyramidal tract cells, and never the other way", _onwards),
    "PT spares its driver": Rule(
        "pyramidal tract cells never reach a nucleus that drives their own area", _no_own_driver
    ),
    "core to layers 3 and 4": Rule("core thalamus reaches layers 3 and 4", _thalamic_layers("core")),
    "matrix to layers 1 and 5a": Rule("matrix thalamus reaches layers 1 and 5a", _thalamic_layers("matrix")),
    "layer 6b to layers 1 and 5a": Rule("layer 6b reaches the layers that matrix thalamus reaches", _layers_of_6b),
    "local inhibition": Rule("cortical inhibition stays in its macrocolumn and area", _local),
}


def violations(circuit):
    """How a circuit breaks the rules.

    Parameters
    ----------
    circuit : Circuit
        Whose projections fit together (`Circuit.check`).

    Returns
    -------
    dict of str to list of str
        By rule, a sentence for each projection that breaks it; rules that are kept are left out.
    """
    found = {}
    for projection in circuit.projections:
        if not np.any(projection.weights):
            continue
        for name, rule in RULES.items():
            sentence = rule.broken(circuit, projection)
            if sentence is not None:
                found.setdefault(name, []).append(f"projection '{projection.name}' breaks '{name}': {sentence}")
    return found
