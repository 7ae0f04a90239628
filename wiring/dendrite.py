"""Dendrites: one for each distinct drive, with their kernel and their summed input of rates."""

from typing import NamedTuple

import numpy as np
from brian2 import NeuronGroup
from brian2.utils.stringtools import word_substitute

from cortical_attention.cells.kernels import KERNELS, phi
from cortical_attention.wiring.dense import projected
from cortical_attention.wiring.expand import expand_input
from cortical_attention.wiring.signals import signals_of
from cortical_attention.wiring.values import weight_of_rate

ACTIVATION = "\n activation : 1 \n input : 1 (constant)"


class Activation(NamedTuple):
    """A kernel that runs in a dendrite which many cells read, once for all of them.

    Attributes
    ----------
    kernel : str
    input : ndarray, shape (n_dendrite,)
        What reaches the port from outside.
    """

    kernel: str
    input: np.ndarray


def activations(concrete, reaching, wires, settings):
    """Activation of each pathway (by its number) that is alone on its port and shared, if there is something to compute
    (a kernel, or the saturation of a dendrite), and what reaches the port from outside is the same for all cells that read
    one dendrite."""
    found, synapses = {}, settings.form.synapses
    kernels = concrete.population.kernels if settings.form.of(concrete.population.cell).drive.kernels else {}
    for port in concrete.population.cell.ports:
        kernel = kernels.get(port, "identity")
        alone = [k for k in reaching if reaching[k].port == port]
        if kernel not in KERNELS or len(alone) != 1 or (kernel == "identity" and not synapses.saturates(port)):
            continue
        wire, values = wires[alone[0]], _input(concrete, port)
        if values.ndim > 1 or wire.n_dendrite == concrete.n_cell:
            continue
        at_dendrite = np.zeros(wire.n_dendrite)
        at_dendrite[wire.dendrite_of] = values
        if np.array_equal(at_dendrite[wire.dendrite_of], values):
            found[alone[0]] = Activation(kernel, at_dendrite)
    return found


def _input(concrete, port):
    """What reaches a port from outside, as `expand_input` has it; zero where nothing does."""
    inputs = concrete.population.inputs
    return expand_input(concrete, port, inputs[port]) if port in inputs else np.zeros(concrete.n_cell)


def sizes_of(pathway, concrete):
    """Size of every letter, from the concrete populations (the circuit's own check has been made)."""
    letters = pathway.expression.source + pathway.expression.target
    axes = concrete[pathway.source].axes + concrete[pathway.target].axes
    return {letter: size for letter, (_, size) in zip(letters, axes, strict=True)}


def sum_of(k, pathway, wired, sender, settings):
    """Summed input of each dendrite of a pathway as a function, where no Synapses object is needed.

    Parameters
    ----------
    k : int
        Number of the pathway.
    pathway : Pathway
    wired : Wired
    sender : NeuronGroup
        Group with the rates (Hz) of the source: its cells, or its terminals.
    settings : Construction

    Returns
    -------
    Brian2 Function or None
        From the index of a dendrite to its drive, a value without unit. None where the sum takes synapses: without
        `settings.dense`, with unshared dendrites, in a form with spikes or on and off cells, or if the cells of the source
        differ in their unit rates.
    """
    unit = np.unique(np.asarray(settings.unit_rates[pathway.source]))
    if not (settings.dense and settings.shared and settings.form.coding.plain) or unit.size > 1:
        return None
    size_of, rate = sizes_of(pathway, wired.concrete), sender.variables["rate"]
    weights = np.asarray(weight_of_rate(pathway.excitation, unit[0]))
    learnt = wired.learners[pathway.learnt].variables["w"] if pathway.learnt else None
    return projected(f"projected_{k}", pathway.expression, size_of, weights, rate, learnt)


def dendrite_of(k, target, port, n_dendrite, drive, activation, settings):
    """Dendrites that a pathway reaches at one port of a population.

    Parameters
    ----------
    k : int
        Number of the pathway.
    target : Population
    port : str
    n_dendrite : int
        One per distinct drive if dendrites are shared, otherwise one per target cell.
    drive : Brian2 Function or None
        Their summed input, as returned by `sum_of`; None if it arrives through synapses.
    activation : Activation or None
        Kernel evaluated in the dendrites; None if the cells evaluate it.
    settings : Construction

    Returns
    -------
    NeuronGroup
        Its variable `filtered` is the value of the drive after synaptic filtering; with an activation, `activation` is the
        value after the kernel.
    """
    synapses, signals = settings.form.synapses, signals_of(settings.form)
    equations = synapses.dendrite + (ACTIVATION if activation else "") + signals.arriving(k, drive)
    dendrite = NeuronGroup(
        n_dendrite,
        equations,
        method=signals.method,
        namespace={**synapses.constants, "tau": synapses.tau(target.cell, port), f"projected_{k}": drive},
        clock=settings.clock,
        name=f"dendrite_{k}_of_{target.name}",
        order=-1,  # decays before the cell reads it: see wiring.values.weight_of_spike
    )
    if activation:
        kernel = word_substitute(KERNELS[activation.kernel], {"x": "(filtered + input)"})
        dendrite.input = activation.input
        dendrite.activation = phi(activation.kernel)(activation.input)  # what is recorded before the first step
        dendrite.run_regularly(f"activation = {kernel}", when="groups", order=0)  # after it decays, before it is read
    conductance = synapses.conductance_at(port)
    if conductance is not None:
        dendrite.conductance = conductance
    return dendrite
