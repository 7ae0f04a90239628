"""Examples of systems: a circuit with inputs of its own, the algebra it is held against, nulls, and a control that fails.

A circuit whose weights are those of one attention block is compared on any case (`trials.comparison`). Systems of another
shape, such as a block with its residual stream or areas that talk back, bring their inputs along; one file of
`trials.examples` each.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cortical_attention.readout.agreement import relative_l2
from cortical_attention.simulation.attend import Answer, attend, calibrate, needs_calibration
from cortical_attention.simulation.settings import Settings

CLAIMS = {"rate": 1e-6, "dale": 1e-6, "spiking": 0.03}


class Example(NamedTuple):
    """A system on an input.

    Attributes
    ----------
    system : str
        What it is called, in a few words.
    about : str
        What its steady state has to equal, and whether that is the paper's or ours, in a line.
    wiring : callable
        ``wiring(times, tokens, **block)`` gives a Plan, as `circuits.mask.mask_wiring`.
    tokens : ndarray, shape (batch, n_token, d_model)
    block : dict
        Arguments of the wiring.
    reference : ndarray, shape (batch, n_token, d_model)
        The answer by the algebra, which the circuit never sees; of the shape of the plan's output.
    nulls : dict of str to ndarray
        Answers of null models, each without a part of what the system claims.
    calibration : ndarray, shape (n_sequence, n_token, d_model)
        Other sequences, on which a circuit is set up that has spikes, or cells that are fitted.
    calibration_block : dict
        Arguments of the wiring on these, where they differ: a context of their own.
    controls : dict of str to callable
        Wirings that lack a part, or have another, and so have to miss the reference.
    settings : dict of str to dict
        By form, settings in the place of the defaults (`simulation.settings.Settings`).
    claims : dict of str to float
        By form, the largest relative L2 that was predicted, in the place of `CLAIMS`.
    blocks : dict of str to dict
        By form, arguments of the wiring in the place of those of the block: what depends on time constants.
    """

    system: str
    about: str
    wiring: Callable
    tokens: np.ndarray
    block: dict
    reference: np.ndarray
    nulls: dict
    calibration: np.ndarray
    calibration_block: dict = {}
    controls: dict = {}
    settings: dict = {}
    claims: dict = {}
    blocks: dict = {}

    def claim(self, form):
        """Largest relative L2 that was predicted in a form (float)."""
        return self.claims.get(form, CLAIMS[form])


def answer(example, form, wiring=None, report=None, **settings) -> Answer:
    """Answer of the circuit of an example, calibrated on the example's other sequences.

    Parameters
    ----------
    example : Example
    form : str
    wiring : callable, optional
        A control; None: the circuit itself.
    report : callable, optional
        Brian2's progress report.
    **settings
        In the place of those of the example.

    Returns
    -------
    Answer

    Raises
    ------
    WiringError, RunError, SettingError, KeyboardInterrupt
        As `simulation.attend.attend`.
    """
    wiring = example.wiring if wiring is None else wiring
    chosen = Settings(form=form, **{"record": "sample"} | example.settings.get(form, {}) | settings)
    calibration, block = None, example.block | example.blocks.get(form, {})
    checked = chosen.checked()
    if needs_calibration(wiring(checked.times(), example.tokens, **block), checked.form):
        calibration = calibrate(wiring, example.calibration, chosen, **block | example.calibration_block)
    return attend(wiring, example.tokens, chosen, report, calibration, **block)


def best_null(example):
    """The null that comes nearest to the reference: its name and its relative L2."""
    errors = {name: error_of(example, values) for name, values in example.nulls.items()}
    name = min(errors, key=errors.get)
    return name, errors[name]


def error_of(example, output):
    """Relative L2 of an output from the reference, over all inputs of the example (float)."""
    return relative_l2(np.asarray(output), example.reference)
