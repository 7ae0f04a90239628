"""A frozen circuit in which something that it does by rule is taken away, before and after its read-out is refitted."""

from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.forms.biophysical import BIOPHYSICAL, PORTS, biophysical
from cortical_attention.cells.forms.form import Form
from cortical_attention.cells.forms.point import POINT
from cortical_attention.cells.membranes.f_i import with_affine_current
from cortical_attention.cells.membranes.published_synapse import PublishedSynapse
from cortical_attention.circuits.plan import Reading
from cortical_attention.inputs.cases import CaseError
from cortical_attention.readout.agreement import query_identification, relative_l2, relative_l2_by_design
from cortical_attention.reference.nulls import key_only_attention
from cortical_attention.simulation.attend import calibrate, prepare, read, run
from cortical_attention.simulation.settle import window_values
from cortical_attention.trials.ablations import POINT_VALUES, only
from cortical_attention.trials.comparison import reference_for
from cortical_attention.trials.disorder import CELLS, disordered, jittered, measured
from cortical_attention.trials.refit import refitted, wired

PT = Reading("pyramidal_tract")
INTACT, LEAKY, AFFINE, SYNAPSE = "intact", "leaky interneuron", "affine currents", "published synapse"
SOMA, DENDRITE = "shunt of soma", "shunt of dendrite"
POINT_CELLS, POINT_IT = "point cells", "point cells in L5 IT"
RULE_SUPERFICIAL, RULE_IT = "L2/3 by rule", "L5 IT by rule"
PRODUCTS = "fitted to products"
MISSING, TOGETHER = "measured synapses", "together"
NULL = "null: key only"


class Variant(NamedTuple):
    """A circuit without one or more of its crutches.

    Attributes
    ----------
    form : Form
    normaliser : str
    jitter : (float, int) or None
        Standard deviation over mean of the weights of single synapses, and cells per value that they are averaged over.
    missing : bool
        Whether synapses exist with the measured probabilities, between `CELLS` cells per value.
    """

    form: Form
    normaliser: str = "pi"
    jitter: tuple | None = None
    missing: bool = False

    @property
    def exact(self):
        """Whether the copies are equal."""
        return self.jitter is None and not self.missing


def name_of(level, cells):
    """Name of a row with disorder."""
    return f"{100 * level:.0f} % at {cells} {'cell' if cells == 1 else 'cells'}"


LEVELS, AVERAGED = (0.1, 0.3), (1, 8, 40)
WORST = 0.3, CELLS
ALL = {"normaliser": "plausible", "jitter": WORST, "missing": True}


def variants(form, disorders, **others):
    """Rows of a form: those of every form, disorders (level, cells), and others by name."""
    return {
        INTACT: Variant(form),
        LEAKY: Variant(form, "plausible"),
        AFFINE: Variant(form.with_membranes(with_affine_current)),
        **others,
        **{name_of(*each): Variant(form, jitter=each) for each in disorders},
        MISSING: Variant(form, missing=True),
    }


def fitted_to_products(form):
    """The form whose L2/3 cells are fitted to products where inhibition divides them, too (decision 0027)."""
    built = form.of_cell["superficial"]

    def calibrate(population, drives, counted):
        return built.drive.calibrate(population, {port: drives[port] for port in PORTS}, counted)

    of_cell = {**form.of_cell, "superficial": built._replace(drive=built.drive._replace(calibrate=calibrate))}
    return form._replace(of_cell=of_cell)


PUBLISHED = biophysical(cell=PublishedSynapse())
OTHER_CELLS = {
    PRODUCTS: Variant(fitted_to_products(BIOPHYSICAL)),
    SOMA: Variant(biophysical(inhibited="soma")),
    DENDRITE: Variant(biophysical(inhibited="dendrite")),
    SYNAPSE: Variant(PUBLISHED),
    POINT_CELLS: Variant(POINT),
    POINT_IT: Variant(POINT_VALUES),
    RULE_SUPERFICIAL: Variant(only("intratelencephalic")),
    RULE_IT: Variant(only("superficial")),
}
VARIANTS = {
    "adaptive": {
        **variants(ADAPTIVE, tuple(product(LEVELS, AVERAGED))),
        TOGETHER: Variant(ADAPTIVE.with_membranes(with_affine_current), **ALL),
    },
    "biophysical": {
        **variants(BIOPHYSICAL, (WORST,), **OTHER_CELLS),
        TOGETHER: Variant(PUBLISHED.with_membranes(with_affine_current), **ALL),
    },
}


# Circuit
def plan_of(wiring, variant, seed, times, tokens, **block):
    """Plan of a wiring with the disorder of a variant: the same for every input."""
    plan = wiring(times, tokens, **block)
    if variant.exact:
        return plan
    draw = np.random.default_rng(seed)

    def factor(name, size):
        found = np.ones(size) if variant.jitter is None else jittered(draw, *variant.jitter, size)
        return found * measured(draw, CELLS, name, size) if variant.missing else found

    return disordered(plan, factor)._replace(
        exact=False
    )  # the sum that inhibition holds at one is that of other weights


# Protocol
class Held(NamedTuple):
    """What a frozen circuit answered to the tested sequences, and what its L5 PT cells held in all.

    Attributes
    ----------
    output : ndarray, shape (n_noise, n_case, n_token, d_model)
    tested : ndarray, shape (n_noise, n_case, n_head, n_token, d_value)
    others : ndarray, shape (n_calibration, n_head, n_token, d_value)
        On the calibration sequences.
    settled : ndarray of bool, shape (n_noise, n_case)
    beyond : float
        Largest share of the spikes of a population that is beyond the limit of its cells.
    """

    output: np.ndarray
    tested: np.ndarray
    others: np.ndarray
    settled: np.ndarray
    beyond: float


def hold(cases, variant, options, n_noise, drawn=0, report=None):
    """Show the tested sequences, each `n_noise` times, and the calibration sequences to one frozen circuit (Held).

    Parameters
    ----------
    cases : sequence of Case
        With one block and one set of calibration sequences.
    variant : Variant
    options : Options
        Their form is that of the variant.
    n_noise : int
    drawn : int or sequence of int
        Seed of the disorder.
    report : callable, optional
        Progress report of Brian2.

    Raises
    ------
    CaseError
        If a tested sequence is among those of the calibration.
    WiringError, RunError
        As `simulation.attend.attend`.
    KeyboardInterrupt
        If it was interrupted.
    """
    tokens, sequences = np.stack([case.tokens for case in cases]), cases[0].calibration
    block = {"kernel": options.kernel, "normaliser": options.normaliser, **cases[0].block._asdict()}
    wiring = partial(plan_of, options.system.wiring, variant, drawn)
    calibration = calibrate(wiring, sequences, options.settings, **block)
    if calibration.contains(tokens):
        raise CaseError("the calibration sequences need to be others than the tested ones")
    shown = np.concatenate([np.tile(tokens, (n_noise, 1, 1)), sequences])
    prepared = prepare(wiring, shown, options.settings, calibration, **block)
    found = run(prepared, report, beyond=1.0)
    if found.interrupted:
        raise KeyboardInterrupt
    return _held(read(prepared, found), prepared, n_noise, len(cases))


def _held(answer, prepared, n_noise, n_case):
    """Tested and calibration sequences of an answer to both (Held)."""
    plan, run, n = prepared.plan, answer.run, n_noise * n_case
    values = plan.read(PT, window_values(run, prepared.settings.form, plan.protocol.windows))
    output, tested, settled = (
        each[:n].reshape(n_noise, n_case, *each.shape[1:]) for each in (answer.output, values, answer.settled.settled)
    )
    beyond = max((float(each.share[:n].max()) for each in run.saturated.values()), default=0.0)
    return Held(output, tested, values[n:], settled, beyond)


# Reference
def answers_of(cases, options):
    """Answers of the algebra: to the tested and to the calibration sequences of cases with one block (two ndarray)."""
    calibration = [cases[0]._replace(tokens=each) for each in cases[0].calibration]
    return tuple(
        np.array([reference_for(each, options).attention.output for each in one]) for one in (cases, calibration)
    )


def figures_of(cases, held, options):
    """Figures of a circuit as it is wired, and with its read-out refitted on the calibration sequences (dict).

    A refitted read-out is applied outside of the network, to what L5 PT cells hold; so is that of `outside`, which has the
    wired weights and is what refitting is measured against.
    """
    right, others = answers_of(cases, options)
    before = wired(cases[0].block.W_O)
    fit = refitted(held.others, others, before)
    return {
        "wired": agreement_of(held.output, right),
        "outside": agreement_of(before.answer(held.tested), right),
        "refitted": agreement_of(fit.answer(held.tested), right),
        "penalty": fit.penalty,
        "settled": int(held.settled.sum()),
        "answers": held.settled.size,
        "beyond": held.beyond,
    }


def agreement_of(outputs, right):
    """Agreement of answers (n_noise, n_case, n_token, d_model) with those of the algebra (dict of lists by case).

    `relative_l2` and `query_identification` have a list for each noise; `by_design` is None for one noise.
    """
    pairs = [list(zip(each, right, strict=True)) for each in outputs]
    many = len(outputs) > 1
    return {
        "relative_l2": [[relative_l2(*pair) for pair in each] for each in pairs],
        "query_identification": [[query_identification(*pair) for pair in each] for each in pairs],
        "by_design": [relative_l2_by_design(outputs[:, k], each) for k, each in enumerate(right)] if many else None,
    }


def null_of(cases, options):
    """Figures of the null that ignores the query, as it is and with its read-out refitted in the same way (dict)."""
    right, others = answers_of(cases, options)
    tested = np.array([null_values(case.tokens, case.block, options.kernel) for case in cases])
    seen = np.array([null_values(each, cases[0].block, options.kernel) for each in cases[0].calibration])
    before = wired(cases[0].block.W_O)
    fit = refitted(seen, others, before)
    return {
        name: agreement_of(np.repeat(each.answer(tested)[None], 2, axis=0), right)
        for name, each in (("wired", before), ("outside", before), ("refitted", fit))
    } | {"penalty": fit.penalty, "settled": len(cases), "answers": len(cases), "beyond": 0.0}


def null_values(tokens, block, kernel):
    """What L5 PT cells would hold of the null that ignores the query, (n_head, n_token, d_value)."""
    kappa = key_only_attention(tokens, block, kernel=kernel).kappa
    values = np.einsum("hvm, jm -> hjv", block.W_V, tokens)
    if block.b_V is not None:
        values += block.b_V[:, None, :]
    return kappa @ values
