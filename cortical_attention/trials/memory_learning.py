"""Gradients of the memory wiring: in the algebra of the suite, and read from cells and tags."""

from functools import partial

import numpy as np
from brian2 import second

from cortical_attention.circuits.leaky import in_turn
from cortical_attention.circuits.memory_learning import for_targets
from cortical_attention.inputs.suite import cases, random_case
from cortical_attention.readout.agreement import cosine, relative_l2
from cortical_attention.reference.attention import share
from cortical_attention.reference.gradients import gradients
from cortical_attention.reference.kernels import kernel_named
from cortical_attention.reference.local_terms import Terms
from cortical_attention.reference.memory_learning import memory_terms, tagged_terms
from cortical_attention.simulation.attend import Settings, attend
from cortical_attention.simulation.settle import window_values

WEIGHTS = Terms._fields
N_INPUT, SIZES = 2, {"n_token": 4, "d_model": 8, "d_key": 4, "d_value": 3}
TIMES = {"settle": 0.5 * second, "window": 0.1 * second}  # chosen: a rate circuit of this size is settled to 1e-8
KINDS = {  # what the wiring is given, and the same for the algebra
    "normalised": ({}, {}),
    "not normalised": ({"normaliser": None}, {"normalised": False}),
    "in turn": ({"order": in_turn}, {"mask": np.tri(SIZES["n_token"], dtype=bool)}),  # each token is written, then asks
}


# Algebra
def suite_rows(seed):
    """Distances of the terms from minus the derivatives, and cosines where part of the errors counts (list of dict)."""
    return [_suite_row(case, normalised, seed) for case in cases() for normalised in (True, False)]


def _suite_row(case, normalised, seed):
    """One case of the suite, with targets drawn at random."""
    targets = np.random.default_rng([seed, 3]).standard_normal(case.tokens.shape)
    asked, how = (case.tokens, targets, case.block), {"context": case.context, "normalised": normalised}
    formal = [-each for each in gradients(*asked, **how)[1:]]
    row = {"case": case.name, "normalised": normalised}
    for name, terms in (("memories", memory_terms(*asked, **how)), ("tags", tagged_terms(*asked, **how))):
        row[name] = max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(terms, formal, strict=True))
    if case.context is None:
        for errors in ("present", "past"):
            found = memory_terms(*asked, **how, errors=errors)
            row |= {f"{errors}_{name}": cosine(found[k], formal[k]) for k, name in ((1, "W_K"), (2, "W_V"))}
    return row


# Cells
def circuit_jobs(seeds):
    """Circuits to run by label: functions of a progress report that give rows (dict)."""
    return {("circuit", kind, f"seed {seed}"): partial(circuit_rows, seed, kind) for seed in seeds for kind in KINDS}


def circuit_rows(seed, kind, report=None):
    """Distances of the terms that are read from cells from minus the derivatives, on inputs side by side (list of dict).

    Parameters
    ----------
    seed : int
        Of weights, tokens and targets.
    kind : str
        Of `KINDS`.
    report : callable, optional
        Brian2's progress report.
    """
    block, (more, how) = random_case(seed, **SIZES).block, KINDS[kind]
    tokens, targets = np.random.default_rng([seed, 4]).standard_normal((2, N_INPUT, SIZES["n_token"], SIZES["d_model"]))
    settings = Settings("rate", record="sample", **TIMES).checked()
    given = {name: each for name, each in block._asdict().items() if each is not None}
    answer = attend(for_targets(targets), tokens, settings, report, **more, **given)
    if answer.run.interrupted:
        raise KeyboardInterrupt
    cells = cells_of(answer, settings.form)
    controls = {"": cells, "other_tags": cells | {name: each[::-1] for name, each in cells.items() if "tag" in name}}
    if "key_credit" in cells:
        controls["without_ones"] = {name: each for name, each in cells.items() if name != "key_credit"}
    read = {name: terms_of_cells(each, block.W_Q) for name, each in controls.items()}
    return [
        {"seed": seed, "input": b, "kind": kind, "settled": bool(answer.settled.settled[b])}
        | _apart(gradients(tokens[b], targets[b], block, **how), {name: each[b] for name, each in read.items()})
        for b in range(N_INPUT)
    ]


def _apart(formal, read):
    """Relative L2 of each weight's terms, and of those of W_K in the controls (dict)."""
    own, falls = read.pop(""), [-each for each in formal[1:]]
    found = {name: relative_l2(each, right) for name, each, right in zip(WEIGHTS, own, falls, strict=True)}
    return found | {name: relative_l2(each.W_K, falls[1]) for name, each in read.items()}


def cells_of(answer, form):
    """Values of all populations when each token asks, from its own window and memory (dict of ndarray).

    Parameters
    ----------
    answer : simulation.attend.Answer
        Of `circuits.memory_learning.memory_learning_wiring`.
    form : Form

    Returns
    -------
    dict of str to ndarray, shape (batch, n_token, *sizes)
    """
    protocol = answer.plan.protocol
    measured = window_values(answer.run, form, protocol.windows)
    return {name: protocol.presented(each) for name, each in measured.items()}


def terms_of_cells(cells, W_Q, kernel="elu+1", b_Q=0.0):
    """Terms of all weights by input, from rates alone; only the drive of the dendrites that hear the query, of which no
    cell has the rate, is W_Q times the rates of the core.

    Parameters
    ----------
    cells : dict of str to ndarray, shape (batch, n_token, *sizes)
        As from `cells_of`.
    W_Q : array, (n_head, d_key, d_model)
    kernel : str
    b_Q : array, (n_head, d_key), optional

    Returns
    -------
    list of Terms
        Of each input, summed over its tokens.
    """
    return [
        _of_input({name: each[b] for name, each in cells.items()}, W_Q, kernel, b_Q) for b in range(len(cells["core"]))
    ]


def _of_input(c, W_Q, kernel, b_Q):
    """Terms of one input."""
    phi, derivative = kernel_named(kernel)
    drive = np.einsum("im, hkm -> ihk", c["core"], W_Q) + b_Q
    slope = share(derivative(drive), phi(drive))  # of log phi
    taught = np.einsum("ihvk, ihv -> ihk", c["intratelencephalic"], c["feedback"])
    W_K = np.einsum("ihvk, ihvkm -> hkm", c["credit"], c["key_tag"])
    if "key_credit" in c:
        taught = taught - c["normaliser"] * c["agreement"].sum(axis=-1)[..., None]
        W_K = W_K + np.einsum("ihk, ihkm -> hkm", c["key_credit"], c["ones_tag"])
    return Terms(
        W_Q=np.einsum("ihk, im -> hkm", slope * taught, c["core"]),
        W_K=W_K,
        W_V=np.einsum("ihvk, ihvkm -> hvm", c["credit"], c["value_tag"]),
        W_O=np.einsum("im, ihv -> hmv", c["error"], c["pyramidal_tract"]),
    )
