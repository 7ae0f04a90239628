"""Softmax wirings that lack a part, or have another in its place: the controls of `experiments.softmax`.

Each is called as the softmax wiring, ``control(times, tokens, **block)``, and gives a Plan.
"""

from functools import partial

from cortical_attention.cells.subtractive_interneuron import STATE, SUBTRACTIVE, UNBOUNDED
from cortical_attention.cells.tuft import TUFTED, tufted
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.softmax import softmax_wiring


def without_subtraction(*given, **block):
    """Interneurons without effect."""
    plan = softmax_wiring(*given, **block)
    cut = [each._replace(weights=0.0) if each.source == "interneuron" else each for each in plan.circuit.projections]
    return plan._replace(circuit=plan.circuit._replace(projections=tuple(cut)))


def with_cells(*given, old, new, **block):
    """Cells of one type in the place of those of another."""
    plan = softmax_wiring(*given, **block)
    populations = {
        name: each._replace(cell=new) if each.cell is old else each for name, each in plan.circuit.populations.items()
    }
    return plan._replace(circuit=plan.circuit._replace(populations=populations))


def leaky(*given, **block):
    """Interneurons with a leak of 0.01 I beside the drive pool - 1."""
    leak = {"parameters": SUBTRACTIVE.parameters | {"leak": 0.01}}
    leak["sources"] = SUBTRACTIVE.sources | {"leak": "chosen: a hundredth a nat"}
    pilot = UNBOUNDED._replace(state=STATE.format(" - leak * I"), **leak)
    cell = SUBTRACTIVE._replace(state=STATE.format(" - leak * I + clip(-I - tonic, 0, 1)"), stand_in=pilot, **leak)
    return with_cells(*given, old=SUBTRACTIVE, new=cell, **block)


def adding(*given, **block):
    """L2/3 cells that add key and query."""
    plan = softmax_wiring(*given, **block)
    superficial = plan.circuit.populations["superficial"]
    cell = superficial.cell._replace(value="gate * (basal + apical) / shunt")
    changed = {"superficial": superficial._replace(cell=cell, signed="basal")}
    return plan._replace(circuit=plan.circuit._replace(populations=plan.circuit.populations | changed))


def pure_gain(*given, source, expression, **block):
    """L2/3 cells to which the core or the matrix brings the mean over its tokens, so that what one side asks or offers does
    not matter and the other changes their gain alone."""
    plan = softmax_wiring(*given, **block)
    n = plan.circuit.populations[source].shape[0]
    projections = [
        each._replace(expression=expression, weights=each.weights / n)
        if each.name.startswith(f"{source} -> superficial")
        else each
        for each in plan.circuit.projections
    ]
    return plan._replace(circuit=plan.circuit._replace(projections=tuple(projections)))


def exponential_kernel(*given, kernel=None, **block):
    """The mask wiring of the paper with phi = exp."""
    return mask_wiring(*given, kernel="exp", **block)


WHOLE, ADDS, DIVIDES = "subtracts", "L2/3 adds", "divides by Z"
LEAKS, SATURATES = "leaky interneuron", "tufts saturate at one"
SLOW, SLOW_PORT, BOTH_SLOW = "slow interneuron", "slow port", "slow interneuron and port"
WITHOUT_KEY, WITHOUT_QUERY = "gain of the query alone", "gain of the key alone"
AT_A_SLOW_PORT = partial(with_cells, old=TUFTED, new=TUFTED._replace(fast=()))
CIRCUITS = {
    WHOLE: softmax_wiring,
    DIVIDES: softmax_wiring,
    "without subtraction": without_subtraction,
    ADDS: adding,
    "mask wiring, phi = exp": exponential_kernel,
    WITHOUT_KEY: partial(pure_gain, source="matrix", expression="tm, hkm -> hijk"),
    WITHOUT_QUERY: partial(pure_gain, source="core", expression="tm, hkm -> hijk"),
    LEAKS: leaky,
    SATURATES: partial(with_cells, old=TUFTED, new=tufted(cap=1.0)),
    SLOW: softmax_wiring,
    SLOW_PORT: AT_A_SLOW_PORT,
    BOTH_SLOW: AT_A_SLOW_PORT,
}
NORMALISER = {DIVIDES: "divisive", SLOW: "slow", BOTH_SLOW: "slow"}  # of the others: pi
WRONG = "without subtraction", ADDS, "mask wiring, phi = exp"
NULL_OF = {WITHOUT_KEY: "uniform", WITHOUT_QUERY: "key_only"}  # the null that a circuit without key or query computes
