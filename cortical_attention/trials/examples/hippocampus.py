"""CA3 and CA1: recall by the similarity of two pathways, of a cue and of what is stored."""

import numpy as np

from cortical_attention.circuits.hippocampus import hippocampus_wiring
from cortical_attention.inputs.episodes import episode, formation
from cortical_attention.reference.hippocampus import blind_to_the_cue, evenly, recall
from cortical_attention.trials.example import Example
from cortical_attention.trials.rewired import without
from cortical_attention.wiring.circuit import Projection

SEED, N_CALIBRATION = 7, 16
THRESHOLDS = {"theta": 1.0, "theta_pp": 1.0}  # in standard deviations of the drives: a sixth of the cells are active


def examples():
    """The hippocampal formation (list of Example)."""
    rng = np.random.default_rng(SEED)
    weights, asked = formation(rng)._asdict(), episode(rng)
    cues, stored = asked.cues[None], asked.stored[None]
    cues_of_others, others = map(np.array, zip(*(episode(rng) for _ in range(N_CALIBRATION)), strict=True))

    def answer(algebra, **more):
        return algebra(cues, stored, **weights, **THRESHOLDS | more).output

    nulls = {
        "uniform": evenly(cues, stored, weights["W_ec3"]),
        "without the dentate's threshold": answer(recall, theta=0.0),
        "without thresholds": answer(recall, theta=0.0, theta_pp=0.0),
        "key only": answer(blind_to_the_cue),
    }
    return [
        Example(
            "CA3 and CA1",
            "stored items weighed by the similarity of the perforant path and mossy fibres (the roles are the paper's)",
            hippocampus_wiring, cues, weights | THRESHOLDS | {"context": stored}, answer(recall), nulls, cues_of_others,
            {"context": others}, controls(weights), claims={"spiking": 0.025},
        )
    ]  # fmt: skip


def controls(weights):
    """Wirings that lack a part (dict)."""
    direct = Projection("entorhinal_2_stored", "ca3.apical", "jm, km -> ijk", weights["W_pp"])
    shuffled = np.roll(weights["W_mf"], 1, axis=0)
    return {
        "dentate gyrus bypassed": without(hippocampus_wiring, "granule -> ca3.apical", also=(direct,)),
        "mossy fibres to other cells": without(
            hippocampus_wiring, "granule -> ca3.apical",
            also=(Projection("granule", "ca3.apical", "jg, kg -> ijk", shuffled),),
        ),
        "without division": without(hippocampus_wiring, "interneuron -> ca3.shunt"),
    }  # fmt: skip
